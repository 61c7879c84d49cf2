"""Stephens' algorithm: the labels under which the draws' allocations agree best."""

import numpy as np

from bayesgmm.labels.allocation import Allocations
from bayesgmm.typing import Array, IntArray

__all__ = ["log_allocations", "stephens"]

_START_MIXING = 0.1
_MAX_PASSES = 100
_FLOOR = 1e-300


def stephens(allocations: Allocations, pivot: int, max_passes: int = _MAX_PASSES) -> IntArray:
    """Relabel draws by minimising the Kullback-Leibler divergence of their allocations.

    Alternates between the mean allocations q_ik of the relabelled draws and, for each draw, the
    order that minimises sum_ik r_ik log(r_ik / q_ik), until no order changes; each step lowers the
    total. One pass over rows and draws an iteration.

    Parameters
    ----------
    allocations : Allocations
    pivot : int
        The draw whose labels the first orders follow.
    max_passes : int
        After which the orders are taken as they are.

    Returns
    -------
    array of shape (sample, cluster)
        The label of each draw that becomes cluster k.

    References
    ----------
    Stephens (2000), JRSS B 62:795, algorithm 2.
    """
    n_clusters = allocations.draws.n_components
    start = (1.0 - _START_MIXING) * allocations.at(pivot) + _START_MIXING / n_clusters
    orders, mean = allocations.matched(np.log(start))
    for _ in range(max_passes):
        earlier = orders
        orders, mean = allocations.matched(log_allocations(mean))
        if np.array_equal(orders, earlier):
            break
    return orders


def log_allocations(mean: Array) -> Array:
    """Return log q (cluster, obs), finite where a mean allocation probability is 0."""
    return np.log(np.maximum(mean, _FLOOR))
