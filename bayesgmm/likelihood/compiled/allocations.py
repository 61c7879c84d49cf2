"""Sums over rows of the allocation probabilities of draws."""

import math

import numpy as np

from bayesgmm.likelihood.compiled.coordinates import empty_point, read, unpack_whitened
from bayesgmm.likelihood.compiled.grouped import Components, grouped_responsibilities
from bayesgmm.runtime.compiling import compiled, compiled_fast
from bayesgmm.typing import Array, IntArray

__all__ = ["empty_probabilities", "permuted_sum", "projected", "row_sums"]


@compiled_fast
def projected(block: Array, targets: Array) -> Array:
    """Return sum_i r_ij t_ik of each draw; here BLAS would spend its time waking threads."""
    n_draws, n_clusters, n_rows = block.shape
    out = np.empty((n_draws, n_clusters, n_clusters))
    for s in range(n_draws):
        for j in range(n_clusters):
            for k in range(n_clusters):
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
            total[k] += block[s, orders[s, k]]
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
    n_clusters, n_features = problem.n_clusters, problem.n_features
    whitening, shift = np.empty((n_clusters, n_features, n_features)), np.empty(point.means.shape)
    constant, shares = np.empty(n_clusters), np.empty((n_clusters, weights.shape[0]))
    for s in range(draws.shape[0]):
        unpack_whitened(draws[s], problem, point, whitening, shift, constant)
        components = Components(
            point.log_weights, point.means, point.factors, whitening, shift, constant
        )
        grouped_responsibilities(problem.blocks, problem.n_rows, annotated, components, shares)
        for k in range(n_clusters):
            log_empty = 0.0
            for i in range(weights.shape[0]):
                others = 0.0
                for j in range(n_clusters):
                    others += shares[j, i] if j != k else 0.0
                log_empty += weights[i] * math.log(others)
            out[s, k] = math.exp(log_empty)
