"""The one verdict on a run."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from arviz_stats.base import array_stats

from bayesgmm.labels import (
    IDENTIFIED,
    Mode,
    Precision,
    Quantity,
    allocations_of,
    cluster_quantities,
    group_chains,
    label_free_quantities,
    largest_share,
    modal_draw,
    precision,
    stephens,
)
from bayesgmm.mixture.parameters import permute
from bayesgmm.result.layout import attribute
from bayesgmm.typing import Array

__all__ = ["Diagnosis", "RunStatus", "diagnose"]

R_HAT = 1.01
R_HAT_APART = 1.3  # beyond it chains hardly overlap: more draws of the same are no cure
ESS = 400.0
DIVERGENT = 0.001
DEEPEST = 0.01
E_FMI = 0.3
SWITCHED = 0.001
SETTLED = 0.01
_EXAMPLES = 3


class RunStatus(Enum):
    """What a run is worth, the gravest first; the value is the message."""

    INTERRUPTED = "interrupted"
    CHAINS_DISAGREE = "not converged: chains disagree"
    SAMPLER_TROUBLE = "not converged: the sampler had trouble"
    TOO_FEW_DRAWS = "not converged: too few draws"
    LABELS_SWITCH = "not relabelled: labels switch between draws"
    NOT_IDENTIFIED = "not identified"
    CONVERGED = "converged"


@dataclass(frozen=True)
class Diagnosis:
    """The verdict on a run, from which every table, report and exit code takes it.

    Parameters
    ----------
    status : RunStatus
    reasons : tuple of str
        One sentence a finding, with its figure and its cure; the gravest first. Empty when
        converged.
    notes : tuple of str
        What is within the limits and should be seen all the same.
    figures : dict
        Plain JSON: chains, draws, log_likelihood of each chain, label_free and clusters (R-hat,
        ESS and MCSE by name), r_hat_max_as_sampled, divergences, max_depth_share,
        e_fmi of each chain, identification of each cluster, occupied (expected number of occupied
        clusters). None where a run has no such figure.
    modes : tuple of Mode
        Chains grouped by the mode in which they stayed, the highest log likelihood first.

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
    figures: dict[str, Any]
    modes: tuple[Mode, ...]

    @property
    def ok(self) -> bool:
        """Whether results may be used; label-free ones only where the status is not identified."""
        return self.status in (RunStatus.CONVERGED, RunStatus.NOT_IDENTIFIED)

    @property
    def more_draws_help(self) -> bool:
        """Whether a longer run is the cure."""
        return self.status is RunStatus.TOO_FEW_DRAWS

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "ok": self.ok,
            "status": self.status.name.lower(),
            "message": self.status.value,
            "reasons": list(self.reasons),
            "notes": list(self.notes),
            "figures": self.figures,
            "modes": [mode.to_dict() for mode in self.modes],
        }

    def __str__(self) -> str:
        """Return the message, the reasons and the notes, one a line."""
        return "\n".join([self.status.value, *self.reasons, *self.notes])


class _Finding(NamedTuple):
    status: RunStatus
    sentence: str


def diagnose(posterior: xr.DataTree) -> Diagnosis:
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
    free = label_free_quantities(posterior)
    own = cluster_quantities(posterior)
    modes = group_chains(posterior, free)
    judged = {q.name: precision(q.values) for q in [*free, *own]}
    figures = _figures(posterior, free, own, judged)
    several = posterior["posterior"].sizes["cluster"] > 1
    labelled = {q.name: q.cluster for q in own if several and q.cluster is not None}
    invariant = [q.name for q in [*free, *own] if q.name not in labelled and not _settled(q)]
    findings = _by_gravity(
        [
            *_completeness(posterior, figures),
            *_broken_chains([free[0], *own]),
            *_modes_apart(modes),
            *_mixing({name: judged[name] for name in invariant}),
            *_sampler(posterior, figures),
            *_labels(posterior, figures, {name: judged[name] for name in labelled}, labelled),
        ]
    )
    return Diagnosis(
        status=findings[0].status if findings else RunStatus.CONVERGED,
        reasons=tuple(finding.sentence for finding in findings),
        notes=tuple(_notes(figures)),
        figures=figures,
        modes=modes,
    )


def _settled(quantity: Quantity) -> bool:
    """Say whether the number of occupied clusters hardly moves: then it cannot mislead."""
    return quantity.name == "occupied" and float(np.std(quantity.values)) < SETTLED


def _by_gravity(findings: list[_Finding]) -> list[_Finding]:
    """Put the gravest first; where chains disagree, what more draws would cure is left out."""
    if any(finding.status is RunStatus.CHAINS_DISAGREE for finding in findings):
        moot = (RunStatus.TOO_FEW_DRAWS, RunStatus.NOT_IDENTIFIED)
        findings = [finding for finding in findings if finding.status not in moot]
    gravity = list(RunStatus)
    return sorted(findings, key=lambda finding: gravity.index(finding.status))


def _figures(
    posterior: xr.DataTree, free: list[Quantity], own: list[Quantity], judged: dict[str, Precision]
) -> dict[str, Any]:
    stats = posterior["sample_stats"].to_dataset()
    by_name = {q.name: q.values for q in free}
    log_likelihood = by_name["log_likelihood"]
    deepest = stats["maxdepth_reached"].values if "maxdepth_reached" in stats else None
    return _plain(
        {
            "chains": log_likelihood.shape[0],
            "draws": log_likelihood.shape[1],
            "log_likelihood": log_likelihood.mean(axis=1).tolist(),
            "label_free": {q.name: judged[q.name]._asdict() for q in free},
            "clusters": {q.name: judged[q.name]._asdict() for q in own},
            "r_hat_max_as_sampled": _r_hat_as_sampled(posterior),
            "divergences": int(stats["diverging"].values.sum()) if "diverging" in stats else None,
            "max_depth_share": None if deepest is None else float(deepest.mean()),
            "e_fmi": _e_fmi(stats["energy"].values) if "energy" in stats else None,
            "identification": attribute(posterior, "identification"),
            "occupied": float(by_name.get("occupied", np.ones(1)).mean()),
        }
    )


def _e_fmi(energy: Array) -> list[float]:
    """Return the energy fraction of each chain; NaN where the energy does not move."""
    moves = np.isfinite(energy).all(axis=1) & (np.ptp(energy, axis=1) > 0.0)
    values = np.full(len(energy), np.nan)
    if moves.any():
        values[moves] = array_stats.bfmi(energy[moves], chain_axis=0, draw_axis=1)
    return values.tolist()


def _r_hat_as_sampled(posterior: xr.DataTree) -> float:
    """Return the largest R-hat of the means under the labels as sampled."""
    means = posterior["posterior"].to_dataset()["means"].values
    stats = posterior["sample_stats"].to_dataset()
    if "permutation" in stats:
        means = permute(means, stats["permutation"].values.argsort(axis=2), 2)
    values = means.reshape(*means.shape[:2], -1)
    r_hats = [precision(values[..., i]).r_hat for i in range(values.shape[2])]
    return float(np.max(r_hats))  # NaN where a chain never moved


def _plain(value: Any) -> Any:
    """Return JSON types: what is not finite becomes None."""
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _completeness(posterior: xr.DataTree, figures: dict[str, Any]) -> Iterator[_Finding]:
    if attribute(posterior, "status") == "interrupted":
        yield _Finding(
            RunStatus.INTERRUPTED,
            f"sampling was interrupted after {figures['draws']} draws in {figures['chains']} "
            "chains; sample again.",
        )
    if figures["chains"] == 1:
        yield _Finding(
            RunStatus.TOO_FEW_DRAWS,
            "one chain cannot show that it missed something; sample at least 2 chains, better 4.",
        )


def _broken_chains(quantities: list[Quantity]) -> Iterator[_Finding]:
    """Name chains that are not finite or in which something never moves."""
    finite = np.array([np.isfinite(q.values).all(axis=1) for q in quantities])
    for chain in np.flatnonzero(~finite.all(axis=0)):
        name = quantities[int(np.flatnonzero(~finite[:, chain])[0])].name
        yield _Finding(
            RunStatus.SAMPLER_TROUBLE,
            f"chain {chain} is not finite: {name} is nan or inf in some of its draws; check the "
            "data for extreme rows and sample again.",
        )
    moves = np.array([np.ptp(q.values, axis=1) > 0.0 for q in quantities])
    stuck = finite & ~moves & moves.any(axis=1, keepdims=True)
    stuck[0] = finite[0] & ~moves[0]  # the log likelihood is no constant of any model
    for chain in np.flatnonzero(stuck.any(axis=0)):
        name = quantities[int(np.flatnonzero(stuck[:, chain])[0])].name
        yield _Finding(
            RunStatus.SAMPLER_TROUBLE,
            f"chain {chain} is stuck: {name} has one value in all its draws; sample again with a "
            "longer warm-up (tune).",
        )


def _modes_apart(modes: tuple[Mode, ...]) -> Iterator[_Finding]:
    if len(modes) < 2:
        return
    parts = [
        f"{_enumerated('chain', mode.chains)} at log likelihood {mode.log_likelihood:.2f} "
        f"(sd {mode.log_likelihood_sd:.2f})"
        for mode in modes
    ]
    yield _Finding(
        RunStatus.CHAINS_DISAGREE,
        f"the chains stay in {len(modes)} modes and never cross: {'; '.join(parts)}. Weigh the "
        'modes by their evidence, sample with method="smc", or take fewer components.',
    )


def _mixing(judged: dict[str, Precision]) -> Iterator[_Finding]:
    r_hats = {name: p.r_hat for name, p in judged.items() if p.r_hat > R_HAT}
    if r_hats:
        apart = max(r_hats.values()) > R_HAT_APART
        yield _Finding(
            RunStatus.CHAINS_DISAGREE if apart else RunStatus.TOO_FEW_DRAWS,
            f"R-hat is {_worst(r_hats, largest=True)} (at most {R_HAT}); "
            + ("the chains have not mixed: tune longer" if apart else "sample more draws")
            + ", or take fewer components.",
        )
    yield from _short(judged)


def _short(judged: dict[str, Precision]) -> Iterator[_Finding]:
    sizes = {name: min(p.ess_bulk, p.ess_tail) for name, p in judged.items()}
    sizes = {name: size for name, size in sizes.items() if size < ESS}
    if sizes:
        times = math.ceil(1.5 * ESS / max(min(sizes.values()), 1.0))
        yield _Finding(
            RunStatus.TOO_FEW_DRAWS,
            f"the effective sample size is {_worst(sizes, largest=False)} (at least {ESS:.0f}); "
            f"sample about {times} times as many draws.",
        )


def _sampler(posterior: xr.DataTree, figures: dict[str, Any]) -> Iterator[_Finding]:
    total = figures["chains"] * figures["draws"]
    divergences, deepest = figures["divergences"], figures["max_depth_share"]
    accept = (attribute(posterior, "sampler") or {}).get("target_accept")
    if divergences is not None and divergences > DIVERGENT * total:
        yield _Finding(
            RunStatus.SAMPLER_TROUBLE,
            f"{divergences} of {total} draws diverged ({divergences / total:.2%}, at most "
            f"{DIVERGENT:.1%}); raise target_accept{f' above {accept}' if accept else ''}.",
        )
    if deepest is not None and deepest > DEEPEST:
        yield _Finding(
            RunStatus.SAMPLER_TROUBLE,
            f"{deepest:.1%} of draws reached the largest tree depth (at most {DEEPEST:.0%}); tune "
            "longer, or give the scales a narrower prior.",
        )
    low = [chain for chain, e in enumerate(figures["e_fmi"] or []) if e is not None and e < E_FMI]
    if low:
        least = min(figures["e_fmi"][chain] for chain in low)
        yield _Finding(
            RunStatus.SAMPLER_TROUBLE,
            f"E-FMI is {least:.2f} in {_enumerated('chain', low)} (at least {E_FMI}): the tails "
            "are explored slowly; tune longer, or give the scales a narrower prior.",
        )


def _labels(
    posterior: xr.DataTree,
    figures: dict[str, Any],
    judged: dict[str, Precision],
    cluster_of: dict[str, int],
) -> Iterator[_Finding]:
    """Judge what belongs to one cluster of several."""
    if not judged:
        return
    if attribute(posterior, "relabelling") is None:
        moved = 1.0 - largest_share(stephens(allocations_of(posterior), modal_draw(posterior)))
        if moved > SWITCHED:
            yield _Finding(
                RunStatus.LABELS_SWITCH,
                f"{moved:.1%} of draws have other labels than the rest; relabel(posterior).",
            )
            return
    scores = dict(enumerate(figures["identification"] or []))
    vague = [k for k, score in scores.items() if score < IDENTIFIED]
    if vague:
        shares = ", ".join(f"{scores[k]:.0%}" for k in vague)
        yield _Finding(
            RunStatus.NOT_IDENTIFIED,
            f"{_enumerated('cluster', vague)} {'is' if len(vague) == 1 else 'are'} identified in "
            f"{shares} of draws (at least {IDENTIFIED:.0%}); read label-free summaries, or take "
            "fewer components.",
        )
    shown = {name: p for name, p in judged.items() if cluster_of[name] not in vague}
    r_hats = {name: p.r_hat for name, p in shown.items() if p.r_hat > R_HAT}
    if r_hats:
        yield _Finding(
            RunStatus.NOT_IDENTIFIED,
            f"R-hat by cluster is {_worst(r_hats, largest=True)} (at most {R_HAT}); read "
            "label-free summaries, sample more draws, or take fewer components.",
        )
    yield from _short({name: p for name, p in shown.items() if name not in r_hats})


def _notes(figures: dict[str, Any]) -> Iterator[str]:
    total = figures["chains"] * figures["draws"]
    if figures["divergences"] and figures["divergences"] <= DIVERGENT * total:
        yield f"{figures['divergences']} of {total} draws diverged, which is within the limit."


def _worst(values: dict[str, float], *, largest: bool) -> str:
    """Name the worst quantities, at most three, and count the others."""
    ordered = sorted(values, key=lambda name: values[name], reverse=largest)
    digits = 3 if largest else 0
    named = ", ".join(f"{values[name]:.{digits}f} for {name}" for name in ordered[:_EXAMPLES])
    others = len(ordered) - _EXAMPLES
    return named if others <= 0 else f"{named} and beyond its limit for {others} more"


def _enumerated(noun: str, numbers: Sequence[int]) -> str:
    return f"{noun}{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"
