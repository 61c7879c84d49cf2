"""Model-based hierarchical clustering with unconstrained covariances, as mclust's starts use it."""

import math

import numpy as np

from bayesgmm.likelihood.compiled.whitening import cholesky
from bayesgmm.runtime.compiling import compiled
from bayesgmm.typing import Array, IntArray

__all__ = ["merging_order"]


@compiled
def _term(scatter: Array, size: float, alpha: float, factor: Array) -> float:
    """Return n log(|W / n| + (tr W + alpha) / n), whose sum over clusters is minimised.

    Without the determinant for clusters of at most as many rows as there are features.
    """
    n_features, trace, log_det = scatter.shape[0], 0.0, -math.inf
    for i in range(n_features):
        trace += scatter[i, i]
    spread = (trace + alpha) / size
    if size > n_features and cholesky(scatter, factor):
        log_det = 0.0
        for i in range(n_features):
            log_det += 2.0 * math.log(factor[i, i])
        log_det -= n_features * math.log(size)
    if log_det <= 0.0:
        return size * math.log(math.exp(log_det) + spread)
    return size * (log_det + math.log1p(math.exp(-log_det) * spread))


@compiled
def _cost(
    i: int,
    j: int,
    sizes: Array,
    centres: Array,
    scatters: Array,
    terms: Array,
    alpha: float,
    both: Array,
    factor: Array,
) -> float:
    """Return by how much the sum of terms rises when two clusters are merged."""
    n_features, share = centres.shape[1], sizes[i] * sizes[j] / (sizes[i] + sizes[j])
    for a in range(n_features):
        for b in range(a + 1):
            gap = (centres[i, a] - centres[j, a]) * (centres[i, b] - centres[j, b])
            both[a, b] = scatters[i, a, b] + scatters[j, a, b] + share * gap
            both[b, a] = both[a, b]
    return _term(both, sizes[i] + sizes[j], alpha, factor) - terms[i] - terms[j]


@compiled
def merging_order(rows: Array, counts: Array, order: IntArray) -> None:
    """Write which two clusters are merged, one pair after another, from single rows on.

    Parameters
    ----------
    rows : array of shape (obs, feature)
        No two alike.
    counts : array of shape (obs,)
        How often each is there.
    order : array of shape (obs - 1, 2), written
        A cluster is named by the smallest number of its rows; the first of a pair is the smaller.

    References
    ----------
    Fraley (1998), SIAM J. Scientific Computing 20:270, whose criterion for unconstrained
    covariances this is; Scrucca and Raftery (2015), Advances in Data Analysis and Classification
    9:447, on starts of EM from it.
    """
    n_rows, n_features = rows.shape
    sizes, centres = counts.copy(), rows.copy()
    scatters = np.zeros((n_rows, n_features, n_features))
    both, factor = np.empty((n_features, n_features)), np.empty((n_features, n_features))
    alpha, total = 1e-16, sizes.sum()
    for a in range(n_features):
        mean = (sizes * rows[:, a]).sum() / total
        alpha += (sizes * (rows[:, a] - mean) ** 2).sum() / (total * n_features)
    terms, costs = np.empty(n_rows), np.empty((n_rows, n_rows))
    for i in range(n_rows):
        terms[i] = _term(scatters[i], sizes[i], alpha, factor)
    active, nearest = np.ones(n_rows), np.zeros(n_rows, dtype=np.int64)
    for i in range(n_rows):
        for j in range(i + 1, n_rows):
            costs[i, j] = _cost(i, j, sizes, centres, scatters, terms, alpha, both, factor)
        nearest[i] = _nearest_after(i, costs, active)
    for merge in range(n_rows - 1):
        i = -1
        for k in range(n_rows):
            if not active[k] > 0.0 or nearest[k] < 0:
                continue
            if i < 0 or costs[k, nearest[k]] < costs[i, nearest[i]]:
                i = k
        j = nearest[i]
        order[merge, 0], order[merge, 1] = i, j
        _cost(i, j, sizes, centres, scatters, terms, alpha, both, factor)
        centres[i] += sizes[j] / (sizes[i] + sizes[j]) * (centres[j] - centres[i])
        scatters[i] = both
        sizes[i] += sizes[j]
        terms[i] = _term(scatters[i], sizes[i], alpha, factor)
        active[j] = 0.0
        for k in range(n_rows):
            if not active[k] > 0.0 or k == i:
                continue
            low, high = min(i, k), max(i, k)
            costs[low, high] = _cost(
                low, high, sizes, centres, scatters, terms, alpha, both, factor
            )
        nearest[i] = _nearest_after(i, costs, active)
        for k in range(j):
            if not active[k] > 0.0 or k == i:
                continue
            if nearest[k] == i or nearest[k] == j:
                nearest[k] = _nearest_after(k, costs, active)
            elif k < i and costs[k, i] < costs[k, nearest[k]]:
                nearest[k] = i


@compiled
def _nearest_after(i: int, costs: Array, active: Array) -> int:
    """Return the cluster after the i-th that is merged with it at the smallest cost, or -1."""
    best = -1
    for j in range(i + 1, costs.shape[0]):
        if active[j] > 0.0 and (best < 0 or costs[i, j] < costs[i, best]):
            best = j
    return best
