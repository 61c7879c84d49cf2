"""Compiled Cholesky factors, and components as the passes over rows take them."""

import math

from bayesgmm.likelihood.compiled.vectors import all_finite
from bayesgmm.runtime.compiling import compiled
from bayesgmm.typing import Array

__all__ = [
    "cholesky",
    "congruent",
    "set_of",
    "solve_lower",
    "solve_transposed",
    "squared",
    "whiten",
    "whiten_draw",
]

_LOG_2PI = math.log(2.0 * math.pi)


@compiled
def set_of(cluster: int, sets: Array) -> int:
    """Return which of `sets` (set, ...) is a cluster's: its own, or that of all."""
    return 0 if sets.shape[0] == 1 else cluster


@compiled
def squared(factor: Array, out: Array) -> None:
    """Write L L' of a lower triangular matrix L."""
    size = factor.shape[0]
    for i in range(size):
        for j in range(i + 1):
            s = 0.0
            for m in range(j + 1):
                s += factor[i, m] * factor[j, m]
            out[i, j] = s
            out[j, i] = s


@compiled
def congruent(factor: Array, inner: Array, half: Array, out: Array) -> None:
    """Write L M L', L lower triangular and M = `inner` symmetric, of which the lower half is read.

    `out` may be `inner` itself; `half` (feature, feature) is scratch.
    """
    size = factor.shape[0]
    for i in range(size):
        for j in range(size):
            s = 0.0
            for m in range(i + 1):
                s += factor[i, m] * inner[max(m, j), min(m, j)]
            half[i, j] = s
    for i in range(size):
        for j in range(i + 1):
            s = 0.0
            for m in range(j + 1):
                s += half[i, m] * factor[j, m]
            out[i, j] = s
            out[j, i] = s


@compiled
def cholesky(matrix: Array, factor: Array) -> bool:
    """Write the lower Cholesky factor of a matrix; False when it is not positive definite.

    `factor` may be `matrix` itself.
    """
    size = matrix.shape[0]
    for i in range(size):
        for j in range(i + 1):
            s = matrix[i, j]
            for m in range(j):
                s -= factor[i, m] * factor[j, m]
            if i == j:
                if not s > 0.0 or not math.isfinite(s):
                    return False
                factor[i, i] = math.sqrt(s)
            else:
                factor[i, j] = s / factor[j, j]
        for j in range(i + 1, size):
            factor[i, j] = 0.0
    return True


@compiled
def solve_lower(factor: Array, vector: Array) -> None:
    """Replace a vector by L^-1 of it, L lower triangular."""
    for i in range(vector.shape[0]):
        for j in range(i):
            vector[i] -= factor[i, j] * vector[j]
        vector[i] /= factor[i, i]


@compiled
def solve_transposed(factor: Array, vector: Array) -> None:
    """Replace a vector by L'^-1 of it, L lower triangular."""
    for i in range(vector.shape[0] - 1, -1, -1):
        for j in range(i + 1, vector.shape[0]):
            vector[i] -= factor[j, i] * vector[j]
        vector[i] /= factor[i, i]


@compiled
def whiten(
    log_weights: Array,
    means: Array,
    factors: Array,
    whitening: Array,
    shift: Array,
    constant: Array,
) -> bool:
    """Write A = L^-1, b = A mu and c of every component; False where one is singular (c = -inf).

    What they mean is said in `bayesgmm.likelihood.compiled.kernels`.

    `factors` is (cluster, feature, feature), or (1, feature, feature) where all share one.
    """
    n_clusters, size = means.shape
    regular = True
    for k in range(n_clusters):
        g = set_of(k, factors)
        log_det = 0.0
        for j in range(size):
            if not factors[g, j, j] > 0.0:
                log_det = math.inf
                break
            log_det += math.log(factors[g, j, j])
            whitening[k, j, j] = 1.0 / factors[g, j, j]
            for i in range(j + 1, size):
                s = 0.0
                for m in range(j, i):
                    s += factors[g, i, m] * whitening[k, m, j]
                whitening[k, i, j] = -s / factors[g, i, i]
                whitening[k, j, i] = 0.0
        for i in range(size):
            s = 0.0
            for j in range(i + 1):
                s += whitening[k, i, j] * means[k, j]
            shift[k, i] = s
        constant[k] = log_weights[k] - log_det - 0.5 * size * _LOG_2PI
        regular &= math.isfinite(constant[k])
    return regular


@compiled
def whiten_draw(
    log_weights: Array,
    means: Array,
    covariances: Array,
    factors: Array,
    whitening: Array,
    shift: Array,
    constant: Array,
) -> bool:
    """As `whiten`, from covariances; `factors` (cluster, feature, feature) is scratch.

    False also where a number is not finite.
    """
    regular = True
    for k in range(means.shape[0]):
        regular &= cholesky(covariances[k], factors[k])
    if not regular:
        return False
    regular = whiten(log_weights, means, factors, whitening, shift, constant)
    return regular and all_finite(shift)
