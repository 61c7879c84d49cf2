"""The coarsened posterior of K: p(K) where the components are only nearly Gaussian.

What is conditioned on is not that the model gave the rows, but that it gave rows close to them:
with a relative entropy whose tolerance is exponential of mean 1 / alpha this is, to first order,
the posterior under the likelihood to the power zeta = alpha / (alpha + n).
"""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bayesgmm.arguments import check_count, check_several, seed_of
from bayesgmm.errors import BayesGMMError, ConfigError, SamplingInterrupted
from bayesgmm.evidence.power_path import evidences_of_powers
from bayesgmm.evidence.shares import shares
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.model.several import facts_of_model, numbers_of, require_comparison
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.posterior.draws import Draws
from bayesgmm.runtime.keywords import keywords
from bayesgmm.runtime.progress import steps
from bayesgmm.sampling.nuts import ChainSettings

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Coarsened", "coarsened"]

logger = logging.getLogger(__name__)

_TARGET_ACCEPT = 0.9
_MOST_ALPHAS = 100
_USUAL = tuple(2.0**power for power in range(-4, 4))  # in numbers of rows


class _Estimate(NamedTuple):
    """A log evidence at one power, its error, nats, and why there is none to be trusted."""

    value: float
    error: float
    why: str = "the evidence is not to be trusted"

    @property
    def trusted(self) -> bool:
        return math.isfinite(self.value) and math.isfinite(self.error)


class _Line(NamedTuple):
    """What is known of one model at one alpha."""

    alpha: float
    power: float
    spec: MixtureSpec
    estimate: _Estimate
    probability: float
    error: float


@dataclass(frozen=True, eq=False, repr=False)
class Coarsened:
    """The posterior of K given rows close to those that were observed.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per alpha and model: alpha, and the power of the likelihood; K, covariance, family,
        noise, n_factors; log_evidence and its error under that power, nats; probability and error,
        uniform prior on the models with an evidence at this alpha, NaN without one. An alpha of
        inf is the comparison itself.
    note : str
        What is left out and why; empty if nothing.

    Examples
    --------
    >>> from bayesgmm import compare
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> found = coarsened(compare(rows, [1, 2], draws=200, seed=1), [4.0], draws=200)
    >>> found.probabilities.sum(axis=1).round(6).tolist()
    [1.0, 1.0]
    """

    table: "pd.DataFrame"
    note: str

    @property
    def probabilities(self) -> "pd.DataFrame":
        """The probability of each K: one row per alpha, structures of one K together."""
        by_k = self.table.groupby(["alpha", "K"])["probability"]
        return by_k.sum(min_count=1).unstack("K")

    def __repr__(self) -> str:
        """Show the probabilities and the note."""
        shown = self.probabilities.round(3).to_string()
        return "\n".join(line for line in ("p(K) by alpha", shown, self.note) if line)


@keywords()
def coarsened(
    comparison: Any,
    alphas: Any = None,
    *,
    draws: int = 500,
    tune: int = 500,
    chains: int = 4,
    seed: int | None = None,
    cores: int | None = None,
    progress: bool = False,
) -> Coarsened:
    """Weigh the models given rows that are only close to those observed.

    Where components are not exactly Gaussian, p(K) moves to larger K as rows are added.
    The coarsened posterior allows for a distance between model and data that does not shrink as
    rows come in: the likelihood enters to the power alpha / (alpha + n). A K that is preferred
    only for large alpha is one that small departures from the Gaussian shape could explain. There
    is no alpha that is right for all data: about as many rows as it takes until a departure that
    does not matter to you could be seen.

    Parameters
    ----------
    comparison : Comparison
        Its models are sampled anew; of its draws none is used.
    alphas : sequence of float, optional
        Positive; in rows. By default 1/16, 1/8, ..., 8 times the number of rows.
    draws, tune, chains : int
        Of the run at each step of a path of posteriors that leads from the prior to the largest
        alpha; at least 2 chains.
    seed : int, optional
        That of the comparison by default.
    cores : int, optional
        Chains that run at a time; the result does not depend on it.
    progress : bool
        Show a bar of the models done, on stderr; without it each is a line of the log.

    Returns
    -------
    Coarsened

    Raises
    ------
    ConfigError
        For anything but a comparison, alphas that are none, or draws of a user's own model.

    Notes
    -----
    One estimate of the evidences of all steps together (`bayesgmm.evidence.power_path`) weighs the
    modes by what the chains of all steps know of them: one step's chains may stay in a mode.

    References
    ----------
    Miller and Dunson (2019), Journal of the American Statistical Association 114:1113. Shirts and
    Chodera (2008), Journal of Chemical Physics 129:124105 (the estimate of all evidences).

    Examples
    --------
    >>> from bayesgmm import compare
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> found = coarsened(compare(rows, [1, 2], draws=200, seed=1), [1.0, 8.0], draws=200)
    >>> found.table["power"].round(3).tolist()
    [0.111, 0.111, 0.5, 0.5, 1.0, 1.0]
    """
    require_comparison("coarsened", comparison)
    n_rows = float(comparison.data.n_counted)
    wanted = _alphas(alphas, n_rows)
    settings = ChainSettings.checked(draws, tune, _TARGET_ACCEPT, cores)
    check_count("chains", chains, least=2)
    seed = seed_of(comparison.seed if seed is None else seed)
    targets = {spec: Draws(tree).target for spec, tree in comparison.posteriors.items()}
    powers = [alpha / (alpha + n_rows) for alpha in wanted]
    found = {
        spec: _at_powers(target, powers, settings, chains, seed)
        for spec, target in steps(targets.items(), "powers of the likelihood", progress)
    }
    lines: list[_Line] = []
    for place, (alpha, power) in enumerate(zip(wanted, powers, strict=True)):
        lines += _lines(alpha, power, {spec: each[place] for spec, each in found.items()})
    lines += _lines(math.inf, 1.0, _compared(comparison))
    return _result(lines, comparison.models)


def _alphas(given: Any, n_rows: float) -> list[float]:
    """Return the alphas asked for, increasing."""
    if given is None:
        return [times * n_rows for times in _USUAL]
    numbers = check_several("alphas", given, "positive numbers of rows", _MOST_ALPHAS)
    if not numbers or min(numbers) <= 0.0 or len(set(numbers)) < len(numbers):
        raise ConfigError(
            f"alphas must be positive and none twice, got {numbers!r:.80}.", key="alphas"
        )
    return sorted(numbers)


def _at_powers(
    target: LogPosterior,
    powers: Sequence[float],
    settings: ChainSettings,
    chains: int,
    seed: int,
) -> list[_Estimate]:
    """Return the log evidence of one model at each power; no error where that fails."""
    child = np.random.SeedSequence([seed, target.resolved.n_components])
    try:
        values, errors = evidences_of_powers(target, powers, settings, chains, child)
    except SamplingInterrupted:
        raise
    except BayesGMMError as failure:
        logger.info("no evidence of powers: %s", failure)
        return [_Estimate(math.nan, math.inf, str(failure).rstrip("."))] * len(powers)
    return [_Estimate(*pair) for pair in zip(values.tolist(), errors.tolist(), strict=True)]


def _compared(comparison: Any) -> dict[MixtureSpec, _Estimate]:
    """Return what the comparison itself found."""
    table = comparison.table
    evidences = zip(
        comparison.models, table["log_evidence"], table["log_evidence_error"], strict=True
    )
    return {spec: _Estimate(value, error) for spec, value, error in evidences}


def _lines(alpha: float, power: float, found: Mapping[MixtureSpec, _Estimate]) -> list[_Line]:
    """Weigh the models that have an evidence at one alpha."""
    good = [estimate for estimate in found.values() if estimate.trusted]
    values, errors = (np.array([getattr(e, name) for e in good]) for name in ("value", "error"))
    weighed = zip(*shares(values, errors), strict=True) if good else iter(())
    nothing = math.nan, math.nan
    return [
        _Line(alpha, power, spec, each, *map(float, next(weighed) if each.trusted else nothing))
        for spec, each in found.items()
    ]


def _result(lines: Sequence[_Line], models: tuple[MixtureSpec, ...]) -> Coarsened:
    """Lay the lines out, and say which have no probability, and why."""
    import pandas as pd

    numbers = numbers_of(models)
    left_out: dict[str, list[str]] = {}
    for line in lines:
        if not line.estimate.trusted:
            at = f"K = {numbers[line.spec]} at alpha = {line.alpha:g}"
            left_out.setdefault(line.estimate.why, []).append(at)
    table = pd.DataFrame(
        [
            {
                "alpha": line.alpha,
                "power": line.power,
                "K": line.spec.n_components,
                **facts_of_model(line.spec),
                "log_evidence": line.estimate.value,
                "log_evidence_error": line.estimate.error,
                "probability": line.probability,
                "error": line.error,
            }
            for line in lines
        ]
    )
    sentences = [f"No probability for {'; '.join(at)}: {why}." for why, at in left_out.items()]
    return Coarsened(table, " ".join(sentences))
