"""LOO with exact refits of the rows whose importance weights are too heavy-tailed."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import xarray as xr
from arviz_stats.base import array_stats
from arviz_stats.utils import ELPDData

from bayesgmm.arguments import seed_of
from bayesgmm.criteria.bridge import coordinates_of, log_ratio
from bayesgmm.criteria.predictive import loo
from bayesgmm.errors import ConfigError
from bayesgmm.mixture.pointwise import pointwise_log_likelihood
from bayesgmm.mixture.posterior import LogPosterior
from bayesgmm.resources import available_cores
from bayesgmm.sampling.chains import ChainSettings, run_chains
from bayesgmm.typing import Array

__all__ = ["RefittedLOO", "loo_with_refits"]

logger = logging.getLogger(__name__)

R_HAT = 1.05
_TARGET_ACCEPT = 0.9


@dataclass(kw_only=True, repr=False)
class RefittedLOO(ELPDData):
    """Expected log pointwise predictive density by LOO, nats, some rows refitted exactly.

    Parameters
    ----------
    elpd, se, p : float
        The estimate, its standard error over rows, and the effective number of parameters.
    n_samples, n_data_points : int
    warning : bool
        Whether the chains of some refit disagree about their row.
    elpd_i : DataArray of shape (obs,), nats
    pareto_k : DataArray of shape (obs,)
        As PSIS left them; 0 in the rows refitted, where no importance weights are used.
    refitted : tuple of int
        Positions of the rows refitted, in increasing order.
    pareto_k_before : tuple of float
        Their Pareto k.
    error : tuple of float
        Monte Carlo standard error of their terms, nats.
    r_hat : tuple of float
        R-hat of the predictive density of the row left out, for each refit.
    seed : int
        Of the refits.
    """

    refitted: tuple[int, ...]
    pareto_k_before: tuple[float, ...]
    error: tuple[float, ...]
    r_hat: tuple[float, ...]
    seed: int

    _kind: ClassVar[str | None] = "loo"

    @property
    def n_refitted(self) -> int:
        """Number of rows refitted."""
        return len(self.refitted)

    def _footer(self) -> str:
        if not self.refitted:
            return ""
        text = f"\n\n{self.n_refitted} rows were left out one by one and the model refitted."
        if self.warning:
            text += f" The chains disagree in some: R-hat up to {max(self.r_hat):.2f}."
        return text


def loo_with_refits(
    posterior: xr.DataTree,
    limit: float = 0.7,
    *,
    draws: int = 500,
    tune: int = 500,
    chains: int = 4,
    max_refits: int = 50,
    seed: int | None = None,
    cores: int | None = None,
) -> RefittedLOO:
    """Estimate the expected log pointwise predictive density by LOO, without high Pareto k.

    PSIS-LOO; then each row with a Pareto k above `limit` is left out, the model sampled on the
    rest under the same resolved priors, and the row's term replaced by its log predictive density.
    That is the log ratio of the evidences with and without the row: a bridge between the draws of
    both posteriors, which holds where the mean of p(x_i | s) over either would hang on a few
    draws. Chains of a refit start from draws of the full posterior.

    Parameters
    ----------
    posterior : DataTree
        As `bayesgmm.sample` returns it, with the group log_likelihood.
    limit : float
        Largest Pareto k that is left standing.
    draws, tune, chains : int
        Of each refit.
    max_refits : int
        More rows than this are refused: the model then fits them so badly that LOO is not the
        criterion to use.
    seed : int, optional
        Of the refits; drawn and stored when None.
    cores : int, optional
        Chains that run at a time; the result does not depend on it.

    Returns
    -------
    RefittedLOO

    Raises
    ------
    ConfigError
        Without a log likelihood of each row, for the draws of a user's own model where a refit is
        needed, or with more than `max_refits` rows to refit.

    References
    ----------
    Vehtari, Gelman and Gabry (2017), Statistics and Computing 27:1413, section 2.1.
    Meng and Wong (1996), Statistica Sinica 6:831.

    Examples
    --------
    >>> from bayesgmm.sampling import sample
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> tree = sample(rows, 1, draws=200, seed=1)
    >>> estimate = loo_with_refits(tree, draws=200, tune=200, seed=1)
    >>> estimate.n_refitted
    0
    """
    seed = seed_of(seed)
    estimate = loo(posterior)
    pareto_k = np.asarray(estimate.pareto_k)
    rows = np.flatnonzero(~(pareto_k <= limit))
    if len(rows) > max_refits:
        raise ConfigError(
            f"{len(rows)} of {len(pareto_k)} rows have a Pareto k above {limit}, and at most "
            f"{max_refits} are refitted; raise max_refits, or rank the models by evidence.",
            n_bad=len(rows),
        )
    elpd_i = np.asarray(estimate.elpd_i).copy()
    refits = np.empty((len(rows), 3))
    if len(rows):
        target, kept = coordinates_of(posterior)
        values = posterior["log_likelihood"].to_dataset()["x"].isel(obs=rows)
        at_draws = values.transpose("obs", "chain", "draw").values
        settings = ChainSettings(draws, tune, _TARGET_ACCEPT, cores or available_cores())
        states = kept.reshape(-1, target.dim)
        for i, child in enumerate(np.random.SeedSequence(seed).spawn(len(rows))):
            row = int(rows[i])
            left_out = _left_out(target, row, states, chains, settings, child)
            refits[i, :2] = log_ratio(at_draws[i], left_out)
            refits[i, 2] = array_stats.rhat(left_out, chain_axis=0, draw_axis=1)
            logger.info("row %d left out: %.3f nats", row, refits[i, 0])
        elpd_i[rows] = refits[:, 0]
    return _result(estimate, elpd_i, rows.tolist(), refits, seed)


def _left_out(
    target: LogPosterior,
    row: int,
    states: Array,
    chains: int,
    settings: ChainSettings,
    seed: np.random.SeedSequence,
) -> Array:
    """Return log p(x_row | draw) at draws given the other rows, (chain, draw), nats, data units."""
    for_starts, *for_chains = seed.spawn(1 + chains)
    starts = states[np.random.default_rng(for_starts).integers(len(states), size=chains)]
    rest = LogPosterior(target.resolved, np.delete(target.values, row, axis=0))
    seeds = [int(child.generate_state(1, np.uint64)[0]) for child in for_chains]
    drawn = run_chains(rest.flat, np.ascontiguousarray(starts), seeds, settings)
    values = pointwise_log_likelihood(
        rest.constrain(drawn.x.reshape(-1, target.dim)),
        target.values[row : row + 1],
        target.resolved.centre,
        target.resolved.unit,
    )
    return values.reshape(drawn.x.shape[:2])


def _result(
    estimate: ELPDData, elpd_i: Array, rows: Sequence[int], refits: Array, seed: int
) -> RefittedLOO:
    before = np.asarray(estimate.pareto_k)
    pareto_k = before.copy()
    pareto_k[rows] = 0.0
    elpd = float(elpd_i.sum())
    return RefittedLOO(
        elpd=elpd,
        se=float(np.sqrt(len(elpd_i) * elpd_i.var(ddof=1))),
        p=estimate.p + estimate.elpd - elpd,
        n_samples=estimate.n_samples,
        n_data_points=estimate.n_data_points,
        scale="log",
        warning=bool((refits[:, 2] > R_HAT).any()),
        good_k=estimate.good_k,
        elpd_i=estimate.elpd_i.copy(data=elpd_i),
        pareto_k=estimate.pareto_k.copy(data=pareto_k),
        refitted=tuple(rows),
        pareto_k_before=tuple(before[rows].tolist()),
        error=tuple(refits[:, 1].tolist()),
        r_hat=tuple(refits[:, 2].tolist()),
        seed=seed,
    )
