"""A posterior under another prior or recording error, from the draws that are there.

With the ratio w of both unnormalised densities at the draws of the first, the ratio of the
evidences is the mean of w, and the other posterior's draws are the same ones with the weights w.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from scipy.special import logsumexp

from bayesgmm.criterion import Criterion
from bayesgmm.elpd.predictive import WEIGHT, relative_efficiency, totals
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.mcmc_error import effective_size
from bayesgmm.posterior.pareto import smoothed
from bayesgmm.typing import Array

__all__ = ["Reweighted", "reweighted", "reweighted_elpds"]

_BLOCK_VALUES = 2**22


class Reweighted(NamedTuple):
    """The draws of one posterior as those of another.

    Parameters
    ----------
    log_ratios : array of shape (sample,), nats
        Of the unnormalised densities.
    log_weights : array of shape (sample,)
        Smoothed, their exponentials sum to 1.
    k_hat : float
        Their Pareto k; -inf where the largest are equal.
    log_mean, error : float, nats
        The log of the ratio of the evidences, and its standard error.
    """

    log_ratios: Array
    log_weights: Array
    k_hat: float
    log_mean: float
    error: float


def reweighted(view: Draws, other: LogPosterior) -> Reweighted:
    """Weigh the draws of a posterior by what they have under another of the same dimension."""
    points = np.ascontiguousarray(view.coordinates)
    ratios = other.log_densities(points) - view.target.log_densities(points)
    flat = ratios.ravel()
    log_mean = float(logsumexp(flat)) - math.log(flat.size)
    weights = np.exp(ratios - log_mean)
    error = float(weights.std(ddof=1) / math.sqrt(effective_size(weights)))
    return Reweighted(flat, *smoothed(flat), log_mean, error)


def reweighted_elpds(
    view: Draws, other: LogPosterior, found: Reweighted, elpds: Mapping[Criterion, Any]
) -> dict[Criterion, Any]:
    """Return WAIC and LOO under the other posterior, in the place of those of the draws."""
    points = np.ascontiguousarray(view.coordinates.reshape(-1, other.dim))
    n_rows = len(other.rows)
    efficiency = relative_efficiency(view.tree)
    predictive, variance, by_loo, pareto_k = np.empty((4, n_rows))
    share, width = np.exp(found.log_weights), max(1, _BLOCK_VALUES // len(points))
    for start in range(0, n_rows, width):
        part = slice(start, start + width)
        values = other.rowwise(points, other.rows[part])
        predictive[part] = logsumexp(found.log_weights[:, None] + values, axis=0)
        variance[part] = share @ (values - share @ values) ** 2
        for row, of_row in enumerate(values.T, start):
            log_weights, pareto_k[row] = smoothed(found.log_ratios - of_row, efficiency)
            by_loo[row] = logsumexp(log_weights + of_row)
    absent = _absent(elpds["loo"])
    by_loo[absent], pareto_k[absent], variance[absent] = predictive[absent], 0.0, 0.0
    return {
        "waic": _replaced(elpds["waic"], predictive - variance, predictive),
        "loo": _replaced(
            elpds["loo"],
            by_loo,
            predictive,
            pareto_k=elpds["loo"].pareto_k.copy(data=pareto_k),
            matched=(),
            refitted=(),
            r_hat=(),
        ),
    }


def _replaced(elpd: Any, terms: Array, predictive: Array, **others: Any) -> Any:
    """Return an estimate with other terms of the rows."""
    pointwise = elpd.elpd_i.copy(data=terms)
    total, se = totals(pointwise)
    lpd, _ = totals(elpd.elpd_i.copy(data=predictive))
    return replace(elpd, elpd=total, se=se, p=lpd - total, elpd_i=pointwise, **others)


def _absent(elpd: Any) -> Any:
    """Return which rows have the weight 0."""
    return (
        elpd.elpd_i[WEIGHT].values == 0.0
        if WEIGHT in elpd.elpd_i.coords
        else np.zeros(elpd.elpd_i.size, dtype=bool)
    )
