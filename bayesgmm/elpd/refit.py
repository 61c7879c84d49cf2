"""LOO where importance sampling fails: moment matching, then exact refits."""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, ClassVar

import numpy as np
import xarray as xr
from arviz_stats.base import array_stats
from arviz_stats.utils import ELPDData

from bayesgmm.arguments import check_count, check_flag, check_real, seed_of
from bayesgmm.elpd.moment_matching import match_moments, may_match_moments
from bayesgmm.elpd.predictive import loo, totals
from bayesgmm.errors import ConfigError, SamplingError, SamplingInterrupted
from bayesgmm.evidence.bridge import bridge, log_ratio
from bayesgmm.likelihood.annotated_rows import without_one
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.limits import JOINT_BRIDGE_ERROR, PARETO_K, PARETO_K_MATCHED, R_HAT_REFIT
from bayesgmm.posterior.draws import Draws, Posterior, view_of
from bayesgmm.runtime.keywords import keywords
from bayesgmm.runtime.seeds import integer
from bayesgmm.sampling.chain_starts import plain_starts
from bayesgmm.sampling.nuts import ChainSettings, run_chains
from bayesgmm.typing import Array, IntArray

__all__ = ["RepairedLOO", "loo_with_refits", "unrepaired"]

logger = logging.getLogger(__name__)

_TARGET_ACCEPT = 0.9
_MATCHES_A_REFIT = 5


@dataclass(kw_only=True, repr=False)
class RepairedLOO(ELPDData):
    """Expected log pointwise predictive density by LOO, nats, high Pareto k repaired.

    Parameters
    ----------
    elpd, se, p : float
        The estimate, its standard error over rows, and the effective number of parameters.
    n_samples, n_data_points : int
    warning : bool
        Whether a high Pareto k is left.
    elpd_i : DataArray of shape (obs,), nats
    pareto_k : DataArray of shape (obs,)
        Of the weights behind each term: PSIS's, or those after moment matching; 0 in the rows
        refitted, where no importance weights are used, unless the chains of the refit disagree.
    pareto_k_before : DataArray of shape (obs,)
        As PSIS left them.
    matched, refitted : tuple of int
        Positions of the rows repaired by moment matching and by a refit, in increasing order.
    error : DataArray of shape (obs,)
        Monte Carlo standard error of the terms estimated anew, nats; NaN in the others.
    r_hat : tuple of float
        R-hat of the predictive density of the row left out, for each refit.
    seed : int
        Of the refits.

    Examples
    --------
    >>> from bayesgmm.sampling import sample
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> estimate = loo_with_refits(sample(rows, 1, draws=200, seed=1), seed=1)
    >>> int(estimate.n_data_points), estimate.warning
    (8, False)
    """

    matched: tuple[int, ...]
    refitted: tuple[int, ...]
    pareto_k_before: xr.DataArray
    error: xr.DataArray
    r_hat: tuple[float, ...]
    seed: int

    _kind: ClassVar[str | None] = "loo"

    @property
    def n_matched(self) -> int:
        """Number of rows repaired by moment matching."""
        return len(self.matched)

    @property
    def n_refitted(self) -> int:
        """Number of rows refitted."""
        return len(self.refitted)

    def _footer(self) -> str:
        text = ""
        if self.matched:
            text += f" {self.n_matched} rows were repaired by moment matching."
        if self.refitted:
            text += f" {self.n_refitted} rows were left out one by one and the model refitted."
        if self.r_hat and max(self.r_hat) > R_HAT_REFIT:
            text += f" The chains disagree in some: R-hat up to {max(self.r_hat):.2f}."
        n_left = int((~(self.pareto_k <= self.good_k)).sum())
        if n_left:
            text += f" {n_left} rows with a high Pareto k are left."
        return text and f"\n\n{text.lstrip()}"


@keywords()
def loo_with_refits(
    posterior: Posterior,
    limit: float = PARETO_K,
    *,
    moment_matching: bool = True,
    draws: int = 500,
    tune: int = 500,
    chains: int = 4,
    max_refits: int = 50,
    seed: int | None = None,
    cores: int | None = None,
) -> RepairedLOO:
    """Estimate the expected log pointwise predictive density by LOO, without high Pareto k.

    PSIS-LOO; then, for the rows with a Pareto k above `limit`, moment matching, where every
    cluster's identification score is at least 0.99 (Paananen et al. 2021), kept where it brings
    Pareto k below 0.5. Each other row above `limit` is left out (see `loo`), the model sampled on
    the rest under the same resolved priors, and the row's term replaced by its log predictive
    density. That is the log ratio of the evidences with and without the row: a bridge between the
    draws of both posteriors, which holds where the mean of p(x_i | s) over either would hang on a
    few draws; where they hardly overlap, as for a row far out, one bridge for each evidence. Chains
    of a refit start from draws of the full posterior; where they disagree, or a refit fails, the
    row keeps its Pareto k.

    Parameters
    ----------
    posterior : DataTree
        As `bayesgmm.sample` returns it, with the group log_likelihood.
    limit : float
        Largest Pareto k that is left as it is; -inf repairs every row.
    moment_matching : bool
        Whether to try moment matching before a refit; it costs about a fifth of one.
    draws, tune, chains : int
        Of each refit.
    max_refits : int
        With more rows than this still above the limit none is refitted, and their Pareto k stand:
        the model then fits them so badly that LOO is not the criterion to use. Moment matching is
        tried on at most five times as many.
    seed : int, optional
        Of the refits; drawn and stored when None.
    cores : int, optional
        Chains that run at a time; the result does not depend on it.

    Returns
    -------
    RepairedLOO

    Raises
    ------
    ConfigError
        Without a log likelihood of each row, or for the draws of a user's own model where a refit
        is needed.

    References
    ----------
    Vehtari, Gelman and Gabry (2017), Statistics and Computing 27:1413, section 2.1.
    Paananen, Piironen, Buerkner and Vehtari (2021), Statistics and Computing 31:16.
    Meng and Wong (1996), Statistica Sinica 6:831.

    Examples
    --------
    >>> from bayesgmm.sampling import sample
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> tree = sample(rows, 1, draws=200, seed=1)
    >>> estimate = loo_with_refits(tree, draws=200, tune=200, seed=1)
    >>> estimate.n_matched, estimate.n_refitted
    (0, 0)
    """
    view, seed = view_of(posterior), seed_of(seed)
    every_row = isinstance(limit, float) and limit == -math.inf
    limit = limit if every_row else check_real("limit", limit)
    check_flag("moment_matching", moment_matching)
    max_refits, chains = check_count("max_refits", max_refits, 0), check_count("chains", chains)
    settings = ChainSettings.checked(draws, tune, _TARGET_ACCEPT, cores)
    plain = loo(view.tree)
    elpd, pareto_k = plain.elpd_i.values.copy(), plain.pareto_k.values.copy()
    error = np.full(len(elpd), np.nan)
    high = np.flatnonzero(~(pareto_k <= limit))
    few = 0 < len(high) <= _MATCHES_A_REFIT * max_refits
    if moment_matching and few and may_match_moments(view):
        logger.info("%d rows have a Pareto k above %g: moment matching", len(high), limit)
        goal = min(limit, PARETO_K_MATCHED)
        found = match_moments(view, high, goal)
        good = found.pareto_k <= goal
        elpd[high[good]], pareto_k[high[good]] = found.elpd[good], found.pareto_k[good]
        error[high[good]] = found.error[good]
    rows = np.flatnonzero(~(pareto_k <= limit))
    matched = np.setdiff1d(high, rows)
    if len(rows) > max_refits:
        rows = rows[:0]
    r_hat = np.empty(0)
    if len(rows):
        terms, errors, r_hat = _refit(view, rows, chains, settings, seed)
        done = np.isfinite(terms)
        rows, r_hat = rows[done], r_hat[done]
        elpd[rows], error[rows] = terms[done], errors[done]
        pareto_k[rows[r_hat <= R_HAT_REFIT]] = 0.0
    return _repaired(
        plain,
        elpd,
        pareto_k,
        limit,
        matched=tuple(matched.tolist()),
        refitted=tuple(rows.tolist()),
        error=plain.elpd_i.copy(data=error),
        r_hat=tuple(r_hat.tolist()),
        seed=seed,
    )


def unrepaired(plain: Any, seed: int) -> RepairedLOO:
    """Return PSIS-LOO as it is, nothing mended: of rows for whose refits there is no memory."""
    nothing = plain.elpd_i.copy(data=np.broadcast_to(np.nan, plain.elpd_i.shape))
    elpd, pareto_k = plain.elpd_i.values, plain.pareto_k.values
    none: dict[str, Any] = {"matched": (), "refitted": (), "r_hat": ()}
    return _repaired(plain, elpd, pareto_k, PARETO_K, error=nothing, seed=seed, **none)


def _repaired(plain: Any, elpd: Array, pareto_k: Array, limit: float, **mended: Any) -> RepairedLOO:
    """Return an estimate with other terms of the rows (obs,), and what made them."""
    pointwise = plain.elpd_i.copy(data=elpd)
    total, se = totals(pointwise)
    return RepairedLOO(
        elpd=total,
        se=se,
        p=plain.p + plain.elpd - total,
        n_samples=plain.n_samples,
        n_data_points=plain.n_data_points,
        scale="log",
        warning=not bool((pareto_k <= limit).all()),
        good_k=limit,
        elpd_i=pointwise,
        pareto_k=plain.pareto_k.copy(data=pareto_k),
        pareto_k_before=plain.pareto_k,
        **mended,
    )


def _refit(
    view: Draws, rows: IntArray, chains: int, settings: ChainSettings, seed: int
) -> tuple[Array, Array, Array]:
    """Return the term, its error and R-hat of each row (row,) by leaving it out; NaN where none."""
    target, kept = view.target, view.coordinates
    values = view.tree["log_likelihood"].to_dataset()["x"].isel(obs=rows)
    at_draws = values.transpose("obs", "chain", "draw").values
    states = kept.reshape(-1, target.dim)
    seeds = np.random.SeedSequence(seed)
    children = seeds.spawn(len(rows))
    of_all = cache(partial(bridge, target, kept, integer(seeds.spawn(1)[0], 64)))
    refits = np.full((len(rows), 3), np.nan)
    for i, child in enumerate(children):
        row = int(rows[i])
        try:
            rest, drawn = _left_out(target, row, states, chains, settings, child)
            predicted = rest.rowwise(drawn, target.rows[row : row + 1])[..., 0]
            of_rest = partial(bridge, rest, drawn, integer(child.spawn(1)[0], 64))
            refits[i, :2] = _log_predictive(at_draws[i], predicted, of_all, of_rest)
        except SamplingInterrupted:
            raise
        except (ConfigError, SamplingError) as failure:
            logger.info("row %d cannot be refitted and keeps its Pareto k: %s", row, failure)
            continue
        refits[i, 2] = array_stats.rhat(predicted, chain_axis=0, draw_axis=1)
        logger.info("row %d left out: %.3f nats", row, refits[i, 0])
    return refits[:, 0], refits[:, 1], refits[:, 2]


def _log_predictive(
    at_draws: Array,
    predicted: Array,
    of_all: Callable[[], tuple[float, float]],
    of_rest: Callable[[], tuple[float, float]],
) -> tuple[float, float]:
    """Return log p(row | the others), the log ratio of two evidences, and its error, nats.

    One bridge joins the posteriors with and without the row where they overlap. A row far out
    leaves them so little in common that the joint bridge does not settle, or understates its error:
    each evidence then has a bridge of its own.

    Parameters
    ----------
    at_draws, predicted : array of shape (chain, draw), nats
        log p(row | draw) at draws given all rows, and at those given the others.
    of_all, of_rest : callable
        Return the log evidence of all rows, and of the others, with its error.
    """
    try:
        joint = log_ratio(at_draws, predicted)
    except SamplingError:
        return _difference(of_all(), of_rest())
    if joint[1] <= JOINT_BRIDGE_ERROR:
        return joint
    try:
        apart = _difference(of_all(), of_rest())
    except (ConfigError, SamplingError):
        return joint
    return min(joint, apart, key=lambda estimate: estimate[1])


def _difference(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    """Return the difference of two independent estimates, and its error."""
    return one[0] - other[0], math.hypot(one[1], other[1])


def _left_out(
    target: LogPosterior,
    row: int,
    states: Array,
    chains: int,
    settings: ChainSettings,
    seed: np.random.SeedSequence,
) -> tuple[LogPosterior, Array]:
    """Return the posterior given the other rows, and draws of it (chain, draw, dim)."""
    for_starts, *for_chains = seed.spawn(1 + chains)
    starts = states[np.random.default_rng(for_starts).integers(len(states), size=chains)]
    rest = LogPosterior(target.resolved, without_one(target.rows, row))
    drawn = run_chains(
        rest, plain_starts(starts), [integer(child, 64) for child in for_chains], settings
    )
    if drawn.interrupted:
        raise KeyboardInterrupt
    return rest, drawn.x
