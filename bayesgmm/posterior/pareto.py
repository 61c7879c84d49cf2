"""Importance weights with their tail smoothed, and how heavy it is."""

import math

import numpy as np
from arviz_stats.base import array_stats
from scipy.special import logsumexp

from bayesgmm.typing import Array

__all__ = ["smoothed"]

_EQUAL = 1e-9  # nats


def smoothed(log_ratios: Array, efficiency: float = 1.0) -> tuple[Array, float]:
    """Return the logs of weights (sample,) that sum to 1, their tail smoothed, and its Pareto k.

    Where the largest are equal there is no tail, and k is -inf; where none can be fitted it is inf.
    They are then as they are.

    Parameters
    ----------
    log_ratios : array of shape (sample,), nats
    efficiency : float
        Effective share of the draws.

    References
    ----------
    Vehtari, Simpson, Gelman, Yao and Gabry (2024), J. Machine Learning Research 25:72.

    Examples
    --------
    >>> log_weights, k_hat = smoothed(np.zeros(50))
    >>> k_hat, float(np.exp(log_weights).sum().round(6))
    (-inf, 1.0)
    """
    size = len(log_ratios)
    tail = math.ceil(min(0.2 * size, 3.0 * math.sqrt(size)))
    as_they_are = log_ratios - logsumexp(log_ratios)
    if np.ptp(np.sort(log_ratios)[-tail - 1 :]) < _EQUAL:
        return as_they_are, -math.inf
    try:
        log_weights, k_hat = array_stats.psislw(-log_ratios, r_eff=efficiency)  # it takes minus
    except ValueError:
        return as_they_are, math.inf
    return log_weights, float(k_hat)
