"""How well a run's draws determine a scalar."""

import math
from typing import NamedTuple

import numpy as np
from arviz_stats.base import array_stats

from bayesgmm.limits import TAIL_ESS_PROB
from bayesgmm.typing import Array

__all__ = ["ChainStatistics", "effective_size", "chain_statistics", "r_hat"]

_AXES = {"chain_axis": 0, "draw_axis": 1}
_LEAST_DRAWS = 4


class ChainStatistics(NamedTuple):
    """Effective sample sizes, rank-normalised R-hat and Monte Carlo errors, by ArviZ.

    All NaN for what never moves; R-hat NaN for a single chain.
    """

    ess_bulk: float
    ess_tail: float
    r_hat: float
    mcse_mean: float
    mcse_sd: float


def chain_statistics(values: Array) -> ChainStatistics:
    """Judge one scalar on its finite chains.

    Parameters
    ----------
    values : array of shape (chain, draw)

    References
    ----------
    Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021), Bayesian Analysis 16:667.
    """
    kept = _finite_chains(values)
    if kept.shape[1] < _LEAST_DRAWS:
        return ChainStatistics(0.0, 0.0, np.nan, np.nan, np.nan)
    if _never_moves(kept):
        return ChainStatistics(*[np.nan] * 5)
    return ChainStatistics(
        ess_bulk=float(array_stats.ess(kept, **_AXES)),
        ess_tail=float(array_stats.ess(kept, method="tail", prob=TAIL_ESS_PROB, **_AXES)),
        r_hat=r_hat(kept),
        mcse_mean=float(array_stats.mcse(kept, **_AXES)),
        mcse_sd=float(array_stats.mcse(kept, method="sd", **_AXES)),
    )


def r_hat(values: Array) -> float:
    """Return the R-hat of a scalar (chain, draw), that of `chain_statistics`."""
    kept = _finite_chains(values)
    if len(kept) < 2 or kept.shape[1] < _LEAST_DRAWS or _never_moves(kept):
        return math.nan
    return float(array_stats.rhat(kept, **_AXES))


def _finite_chains(values: Array) -> Array:
    return values[np.isfinite(values).all(axis=1)]


def _never_moves(values: Array) -> bool:
    return bool((np.ptp(values, axis=1) == 0.0).all())


def effective_size(values: Array) -> float:
    """Return the effective sample size for the mean of values.

    Parameters
    ----------
    values : array of shape (chain, draw) or (draw,)
        Independent ones in the second case: their number is returned, as it is where the
        effective one is not finite.
    """
    if values.ndim == 1:
        return float(values.size)
    size = float(array_stats.ess(values, method="mean", **_AXES))
    return size if np.isfinite(size) else float(values.size)
