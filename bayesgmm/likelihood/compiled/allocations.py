"""Sums over rows of the allocation probabilities of draws."""

import numpy as np

from bayesgmm.likelihood.compiled.coordinates import (
    empty_point,
    n_normals,
    read,
    unpack_whitened,
)
from bayesgmm.likelihood.compiled.each_row import grouped_responsibilities
from bayesgmm.likelihood.compiled.grouped import Components
from bayesgmm.likelihood.compiled.vectors import add_scaled
from bayesgmm.runtime.compiling import compiled, compiled_fast
from bayesgmm.typing import Array, IntArray

__all__ = [
    "block_sizes",
    "empty_probabilities",
    "occupied_probabilities",
    "permuted_sum",
    "projected",
    "row_sums",
]


@compiled_fast
def projected(block: Array, targets: Array) -> Array:
    """Return sum_i r_ij t_ik of each draw; here BLAS would spend its time waking threads."""
    n_draws, n_clusters, n_rows = block.shape
    n_targets = targets.shape[0]
    out = np.empty((n_draws, n_clusters, n_targets))
    for s in range(n_draws):
        for j in range(n_clusters):
            for k in range(n_targets):
                total = 0.0
                for i in range(n_rows):
                    total += block[s, j, i] * targets[k, i]
                out[s, j, k] = total
    return out


@compiled
def permuted_sum(block: Array, orders: IntArray) -> tuple[Array, int]:
    """Add up the finite draws of a block, their labels in the orders given; and count them."""
    total = np.zeros((block.shape[1], block.shape[2]))
    count = 0
    for s in range(block.shape[0]):
        if not np.isfinite(block[s, 0, 0]):
            continue
        count += 1
        for k in range(block.shape[1]):
            add_scaled(total[k], 1.0, block[s, orders[s, k]])
    return total, count


@compiled
def row_sums(block: Array) -> Array:
    """Return of each draw - sum r log r and sum_k (1 - prod_i (1 - r_ik)), shape (draw, 2)."""
    out = np.zeros((block.shape[0], 2))
    for s in range(block.shape[0]):
        for k in range(block.shape[1]):
            empty = 1.0
            for i in range(block.shape[2]):
                r = block[s, k, i]
                empty *= 1.0 - r
                if r != 0.0 and r != 1.0:
                    out[s, 0] -= r * np.log(r)
            out[s, 1] += 1.0 - empty
    return out


@compiled
def empty_probabilities(
    draws: Array, flat: Array, annotated: Array | None, weights: Array, out: Array
) -> None:
    """Write prod_i (1 - r_ik)^weight_i of each draw, out (draw, cluster); 1 - r: the others' sum.

    `weights` (obs,) are in the order of `grouped_responsibilities`.
    """
    problem = read(flat)
    point = empty_point(problem)
    n_clusters, n_seen, n_features = problem.n_clusters, n_normals(problem), problem.n_features
    whitening = np.empty((n_seen, n_features, n_features))
    shift, constant = np.empty((n_seen, n_features)), np.empty(n_seen)
    shares = np.empty((point.seen_log_weights.shape[0], weights.shape[0]))
    for s in range(draws.shape[0]):
        unpack_whitened(draws[s], problem, point, whitening, shift, constant)
        components = Components(
            point.seen_log_weights,
            point.seen_means,
            point.seen_factors,
            whitening,
            shift,
            constant,
            point.nu,
        )
        grouped_responsibilities(problem.blocks, problem.n_rows, annotated, components, shares)
        for k in range(n_clusters):
            out[s, k] = 1.0
            for i in range(weights.shape[0]):
                others = 0.0
                for j in range(shares.shape[0]):
                    its_own = j < n_seen and j % n_clusters == k
                    others += shares[j, i] if not its_own else 0.0
                out[s, k] *= others if weights[i] == 1.0 else others ** weights[i]


@compiled
def occupied_probabilities(block: Array, weights: Array) -> Array:
    """Return of each draw the probability that no cluster is empty: shape (draw,).

    By inclusion and exclusion over the sets of clusters that hold all rows,
    sum_A (-1)^(K - |A|) prod_i (sum_{k in A} r_ik)^weight_i.
    """
    n_draws, n_clusters, n_rows = block.shape
    n_sets = 1 << n_clusters
    out = np.zeros(n_draws)
    share, product, sign = np.zeros(n_sets), np.empty(n_sets), np.empty(n_sets)
    sign[0] = -1.0 if n_clusters % 2 else 1.0
    for a in range(1, n_sets):
        sign[a] = -sign[a & (a - 1)]
    for s in range(n_draws):
        product[:] = 1.0
        for i in range(n_rows):
            for k in range(n_clusters):
                for a in range(1 << k):
                    share[a | (1 << k)] = share[a] + block[s, k, i]
            if weights[i] == 1.0:
                for a in range(n_sets):
                    product[a] *= share[a]
            else:
                for a in range(n_sets):
                    product[a] *= share[a] ** weights[i]
        for a in range(n_sets):
            out[s] += sign[a] * product[a]
        out[s] = max(out[s], 0.0)
    return out


@compiled
def block_sizes(block: Array, copies: IntArray, uniforms: Array) -> IntArray:
    """Return how many rows each cluster gets, labels drawn: shape (draw, cluster).

    Parameters
    ----------
    block : array of shape (draw, cluster, row)
        Responsibilities.
    copies : array of shape (copy,)
        The rows, each as often as it counts.
    uniforms : array of shape (draw, copy)
        On [0, 1).
    """
    out = np.zeros(block.shape[:2], dtype=np.int64)
    for s in range(block.shape[0]):
        for c in range(copies.shape[0]):
            k, below = 0, block[s, 0, copies[c]]
            while uniforms[s, c] >= below and k < block.shape[1] - 1:
                k += 1
                below += block[s, k, copies[c]]
            out[s, k] += 1
    return out
