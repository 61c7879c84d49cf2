"""The one verdict on a run."""

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bayesgmm.arguments import check_instance
from bayesgmm.cards import card
from bayesgmm.diagnosis.findings import (
    broken_chains,
    completeness,
    doubtful_clusters,
    labels,
    mixing,
    modes_apart,
    modes_missed,
    notes,
    sampler,
    weights_of,
)
from bayesgmm.diagnosis.statistics import statistics_of
from bayesgmm.diagnosis.status import Finding, RunStatus
from bayesgmm.errors import ConfigError, SamplingError
from bayesgmm.labels import Mode, Quantity, cluster_quantities, group_chains, label_free_quantities
from bayesgmm.limits import SETTLED
from bayesgmm.posterior.draws import Draws, Posterior, view_of
from bayesgmm.posterior.mcmc_error import chain_statistics
from bayesgmm.posterior.tree import attribute
from bayesgmm.runtime.keywords import keywords
from bayesgmm.sampling.importance import IMPORTANCE

if TYPE_CHECKING:
    from bayesgmm.evidence.missed_modes import LeftOut
    from bayesgmm.evidence.modes import WeighedModes

__all__ = ["Diagnosis", "diagnose"]


@dataclass(frozen=True, repr=False)
class Diagnosis:
    """The verdict on a run, from which every table, report and exit code takes it.

    Parameters
    ----------
    status : RunStatus
    reasons : tuple of str
        One sentence per finding, with its figure and its cure; the gravest first. Empty when
        converged.
    notes : tuple of str
        What is within the limits and should be seen all the same.
    statistics : dict
        Plain JSON: chains, draws, log_likelihood of each chain, label_free and clusters (R-hat,
        ESS and MCSE by name), r_hat_max_as_sampled, divergences, max_depth_share,
        e_fmi of each chain, switched (share of draws in other labels than most, where they were
        left as sampled), identification of each cluster, agreement of the ways to relabel,
        occupied (expected number of occupied clusters). None where a run has no such statistic.
    modes : tuple of Mode
        Chains grouped by the mode in which they stayed, the highest log likelihood first.
    weighed : WeighedModes or None
        Evidence and weight of each of several modes; None for one mode, or where they cannot be
        weighed, for which a reason is then given.
    left_out : LeftOut or None
        Known modes that the draws do not visit, and what they hold; None for no such mode.

    Examples
    --------
    >>> from bayesgmm.sampling import sample
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> verdict = diagnose(sample(rows, 1, draws=20, chains=2, seed=1))
    >>> verdict.ok, verdict.status.value, verdict.more_draws_help
    (False, 'not converged: too few draws', True)
    """

    status: RunStatus
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    statistics: dict[str, Any]
    modes: tuple[Mode, ...]
    weighed: "WeighedModes | None" = None
    left_out: "LeftOut | None" = None

    @property
    def figures(self) -> dict[str, Any]:
        """The statistics, by their name before this version."""
        warnings.warn(
            "Diagnosis.figures is now Diagnosis.statistics; the old name will be removed in the "
            "next release.",
            FutureWarning,
            stacklevel=2,
        )
        return self.statistics

    @property
    def ok(self) -> bool:
        """Whether results may be used; label-free ones only where the status is not identified."""
        return self.status in (RunStatus.CONVERGED, RunStatus.NOT_IDENTIFIED)

    @property
    def more_draws_help(self) -> bool:
        """Whether a longer run is the cure."""
        return self.status is RunStatus.TOO_FEW_DRAWS

    def with_finding(self, finding: Finding) -> "Diagnosis":
        """Return the verdict with one finding more, which may be the gravest."""
        check_instance("finding", finding, Finding, "a Finding")
        gravity = list(RunStatus)
        if gravity.index(finding.status) > gravity.index(self.status):
            return replace(self, reasons=(*self.reasons, finding.sentence))
        return replace(self, status=finding.status, reasons=(finding.sentence, *self.reasons))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "ok": self.ok,
            "status": self.status.name.lower(),
            "message": self.status.value,
            "reasons": list(self.reasons),
            "notes": list(self.notes),
            "statistics": self.statistics,
            "modes": [
                {**mode.to_dict(), **shares}
                for mode, shares in zip(self.modes, self._shares(), strict=True)
            ],
            "left_out": None if self.left_out is None else self.left_out.to_dict(),
        }

    def _shares(self) -> list[dict[str, float | None]]:
        """Return evidence and weight of each mode by name, None where there are none."""
        names = ("log_evidence", "error", "weight", "weight_error")
        weighed = self.modes if self.weighed is None else self.weighed.modes
        return [{name: getattr(mode, name, None) for name in names} for mode in weighed]

    def __str__(self) -> str:
        """Return the message, the reasons and the notes, one a line."""
        return "\n".join([self.status.value, *self.reasons, *self.notes])

    def __repr__(self) -> str:
        """Show what it says; all figures are in `statistics`."""
        return f"Diagnosis: {self}"

    def _repr_html_(self) -> str:
        return card(
            "Verdict",
            badge=(self.status.value, self.ok),
            sentences=[*self.reasons, *self.notes],
        )


@keywords()
def diagnose(posterior: Posterior) -> Diagnosis:
    """Judge a run by what no label touches, then by its clusters.

    Parameters
    ----------
    posterior : xarray.DataTree
        As `sample` returns it, relabelled or not, of a built-in or a user's own model.

    Returns
    -------
    Diagnosis

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm.sampling import sample
    >>> rows = np.random.default_rng(1).normal(size=(60, 1)) + [[0], [6], [6]] * 20
    >>> verdict = diagnose(sample(rows, 2, seed=1))
    >>> verdict.ok, verdict.status.value
    (True, 'converged')

    References
    ----------
    Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021), Bayesian Analysis 16:667 (R-hat, ESS
    and their limits); Betancourt (2016), arXiv:1604.00695 (E-FMI).
    """
    draws = view_of(posterior)
    free = label_free_quantities(draws, every_row=False)
    own = cluster_quantities(draws)
    modes = group_chains(draws, free)
    judged = {q.name: chain_statistics(q.values) for q in [*free, *own]}
    statistics = statistics_of(draws, free, own, judged)
    doubtful = doubtful_clusters(statistics)
    clear = [q.name for q in [*free, *own] if q.cluster not in doubtful and not _settled(q)]
    own_model = draws.resolved is None
    weighed, refusal = (None, None) if own_model else _weighed(draws, modes)
    weighted = attribute(draws.tree, IMPORTANCE)
    missed = None if own_model or weighted is not None else _left_out(draws)
    method = (attribute(draws.tree, "sampler") or {}).get("method")
    findings = _by_gravity(
        [
            *completeness(draws.tree, statistics),
            *broken_chains([free[0], *own]),
            *modes_missed(missed, statistics["chains"], method),
            *modes_apart(modes, weighed, refusal, own_model=own_model, method=method),
            *mixing({name: judged[name] for name in clear}, own_model=own_model),
            *sampler(draws.tree, statistics),
            *weights_of(weighted),
            *labels(statistics, draws.clusters),
        ]
    )
    return Diagnosis(
        status=findings[0].status if findings else RunStatus.CONVERGED,
        reasons=tuple(finding.sentence for finding in findings),
        notes=tuple(notes(statistics)),
        statistics=statistics,
        modes=modes,
        weighed=weighed,
        left_out=missed,
    )


def _left_out(draws: Draws) -> "LeftOut | None":
    """Return the known modes that the draws do not visit."""
    if "posterior_modes" not in draws.tree:
        return None
    from bayesgmm.evidence.missed_modes import left_out

    return left_out(draws, seed=attribute(draws.tree, "seed") or 0)


def _weighed(draws: Draws, modes: tuple[Mode, ...]) -> tuple["WeighedModes | None", str | None]:
    """Weigh several modes by their evidence, or return why that cannot be done."""
    if len(modes) < 2:
        return None, None
    from bayesgmm.evidence.modes import weighed_modes

    try:
        return weighed_modes(draws, modes, seed=attribute(draws.tree, "seed") or 0), None
    except (ConfigError, SamplingError) as error:
        return None, error.args[0]


def _settled(quantity: Quantity) -> bool:
    """Say whether the number of occupied clusters hardly moves: then it cannot mislead."""
    return quantity.name == "occupied" and float(np.std(quantity.values)) < SETTLED


def _by_gravity(findings: list[Finding]) -> list[Finding]:
    """Put the gravest first; where chains disagree, what more draws would cure is left out."""
    if any(finding.status is RunStatus.CHAINS_DISAGREE for finding in findings):
        moot = (RunStatus.TOO_FEW_DRAWS, RunStatus.NOT_IDENTIFIED)
        findings = [finding for finding in findings if finding.status not in moot]
    gravity = list(RunStatus)
    return sorted(findings, key=lambda finding: gravity.index(finding.status))
