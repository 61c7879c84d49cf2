"""Estimates of each cluster under another setting, from draws that are weighed or from new ones."""

import math
from typing import TYPE_CHECKING

import numpy as np

from bayesgmm.comparison.matching import matched
from bayesgmm.labels import cluster_quantities
from bayesgmm.model.parameters import Parameters
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.mcmc_error import effective_size
from bayesgmm.typing import Array, IntArray

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["estimates_under"]

_KINDS = ("weights", "means", "scales")
_COLUMNS = ("mean", "sd", "mcse")


def estimates_under(
    own: Draws, log_weights: Array | None = None, other: Draws | None = None
) -> "pd.DataFrame":
    """Return mean, standard deviation and Monte Carlo error of weights, means and scales.

    Parameters
    ----------
    own : Draws
        Of the comparison, in whose order clusters stand.
    log_weights : array of shape (sample,), optional
        By which these draws are those of the other setting; their exponentials sum to 1.
    other : Draws, optional
        Draws of the other setting itself.

    Returns
    -------
    pandas.DataFrame
        One row per quantity, as `bayesgmm.summarize` names it; columns mean, sd, mcse, data units.

    References
    ----------
    Owen (2013), Monte Carlo theory, methods and examples, section 9.2 (error of a weighted mean).
    """
    import pandas as pd

    at = None if other is None else _in_order_of(own, other)
    n_chains, n_draws = (own if other is None else other).shape
    size = n_chains * n_draws
    weights = np.full(size, 1.0 / size) if log_weights is None else np.exp(log_weights)
    rows = {}
    for quantity in cluster_quantities(own, at):
        if quantity.kind in _KINDS:
            values = quantity.values.reshape(n_chains, n_draws)
            rows[quantity.name] = _weighted(values, weights.reshape(n_chains, n_draws))
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(_COLUMNS))


def _in_order_of(own: Draws, other: Draws) -> Parameters:
    order: IntArray = matched(own, other)
    return other.parameters.permuted(np.tile(order, (other.n_samples, 1)))


def _weighted(values: Array, weights: Array) -> tuple[float, float, float]:
    """Return mean, deviation and error of the mean, of values and weights (chain, draw).

    The mean is a ratio of two sums; by the delta method its error is that of the mean of
    n w (value - mean).
    """
    mean = float((weights * values).sum())
    apart = values - mean
    terms = values.size * weights * apart
    error = float(terms.std(ddof=1)) / math.sqrt(effective_size(terms))
    return mean, math.sqrt(float((weights * apart**2).sum())), error
