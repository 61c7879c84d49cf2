"""The M-step where clusters share scales or correlations but not both: there is no closed form.

The expected log likelihood is climbed in log scales and log odds from where the last step ended,
so that EM never falls (a generalised EM: Dempster, Laird and Rubin 1977, J. Royal Statistical
Society B 39:1). What is climbed are sums over rows: a climb is free of their number.
"""

import math

import numpy as np

from bayesgmm.likelihood.compiled.climbing import advance, started
from bayesgmm.likelihood.compiled.coordinates import (
    Problem,
    empty_point,
    inverse_root_information,
    read,
    set_of,
    unpack,
)
from bayesgmm.likelihood.compiled.pull_back import expected_log_likelihood
from bayesgmm.likelihood.compiled.whitening import cholesky
from bayesgmm.runtime.compiling import compiled
from bayesgmm.typing import Array

__all__ = ["climb_partly_shared", "is_partly_shared", "project"]

_MOST = 80  # evaluations of one M-step
_LEAST_SCALE = 0.01  # times the recording error: below, nothing changes and nothing is felt
_LARGEST = 30.0  # of log odds: beyond, 1 - y^2 has no digits left
_SHRUNK = 0.98


@compiled
def is_partly_shared(problem: Problem) -> bool:
    """Whether scales are shared and correlations are not, or the reverse."""
    return problem.has_pairs and problem.n_scale_sets != problem.n_pair_sets


@compiled
def climb_partly_shared(
    start: Array, flat: Array, mass: Array, centres: Array, scatters: Array, out: Array
) -> None:
    """Write the covariances (cluster, feature, feature) that the climb ends at.

    Parameters
    ----------
    start : array of shape (cluster, feature, feature)
        Covariances of the last M-step.
    flat : array
        The problem, `bayesgmm.likelihood.compiled.coordinates.flatten`.
    mass, centres, scatters : arrays
        As in `bayesgmm.likelihood.moments.Moments`.
    out : array, written
    """
    problem = read(flat)
    x = _coordinates_near(start, mass, problem)
    first = problem.n_clusters * (1 + problem.n_features) - 1
    x[first - centres.size : first] = centres.ravel()
    scale = inverse_root_information(mass, problem, x.shape[0] - first)
    gradient = np.empty_like(x)
    climb = started(x[first:].copy(), np.empty_like(scale), np.diag(scale * scale))
    for _ in range(_MOST):
        x[first:] = climb.trial
        value = expected_log_likelihood(x, flat, mass, centres, scatters, gradient)
        climb.slope[:] = gradient[first:]
        if not advance(climb, value):
            break
    x[first:] = climb.x
    _write_covariances(x, problem, out)


@compiled
def project(covariances: Array, weights: Array, flat: Array) -> None:
    """Move covariances, in place, to those of the structure near them; its own stay.

    What is shared becomes the weighted mean of variances or correlations.
    """
    problem = read(flat)
    _write_covariances(_coordinates_near(covariances, weights, problem), problem, covariances)


@compiled
def _write_covariances(x: Array, problem: Problem, out: Array) -> None:
    point = empty_point(problem)
    unpack(x, problem, point)
    size = problem.n_features
    for k in range(problem.n_clusters):
        for i in range(size):
            for j in range(i + 1):
                s = 0.0
                for m in range(j + 1):
                    s += point.factors[k, i, m] * point.factors[k, j, m]
                out[k, i, j] = s
                out[k, j, i] = s


@compiled
def _coordinates_near(covariances: Array, weights: Array, problem: Problem) -> Array:
    """Return x whose scales and correlations are those of covariances, pooled where shared.

    Weights and means of the mixture are left at 0.
    """
    n_clusters, size = problem.n_clusters, problem.n_features
    n_pairs = size * (size - 1) // 2
    o = n_clusters * (1 + size) - 1
    x = np.zeros(o + problem.n_scale_sets * size + problem.n_pair_sets * n_pairs)
    variances = np.zeros((problem.n_scale_sets, size))
    correlations = np.zeros((problem.n_pair_sets, size, size))
    total = weights.sum()
    for k in range(n_clusters):
        share = weights[k] / total if problem.n_scale_sets == 1 else 1.0
        for i in range(size):
            variances[set_of(k, variances), i] += share * _own_variance(covariances, k, i, problem)
    for k in range(n_clusters):
        share = weights[k] / total if problem.n_pair_sets == 1 else 1.0
        for i in range(size):
            for j in range(i):
                outer = _own_variance(covariances, k, i, problem)
                outer *= _own_variance(covariances, k, j, problem)
                own = covariances[k, i, j] / math.sqrt(outer)
                correlations[set_of(k, correlations), i, j] += share * own
    for s in range(problem.n_scale_sets):
        for i in range(size):
            x[o] = 0.5 * math.log(variances[s, i])
            o += 1
    for p in range(problem.n_pair_sets):
        _write_log_odds(correlations[p], x, o)
        o += n_pairs
    return x


@compiled
def _own_variance(covariances: Array, k: int, i: int, problem: Problem) -> float:
    """Return the variance without the recording error."""
    error = problem.resolution[i]
    least = (_LEAST_SCALE * error) ** 2
    return max(covariances[k, i, i] - error * error, least, 1e-300)


@compiled
def _write_log_odds(correlations: Array, x: Array, o: int) -> None:
    """Write the log odds of the partial correlations of a matrix, its lower triangle given.

    It is shrunk to the identity until it is positive definite, which one without its recording
    error may fail to be.
    """
    size = correlations.shape[0]
    for i in range(size):
        correlations[i, i] = 1.0
    factor = np.empty_like(correlations)
    while not cholesky(correlations, factor):
        for i in range(size):
            for j in range(i):
                correlations[i, j] *= _SHRUNK
    for i in range(size):
        remaining = 1.0
        for j in range(i):
            y = factor[i, j] / math.sqrt(remaining)
            if abs(y) < 1.0:
                x[o] = min(max(2.0 * math.atanh(y), -_LARGEST), _LARGEST)
            else:
                x[o] = math.copysign(_LARGEST, y)
            remaining = max(remaining - factor[i, j] * factor[i, j], 1e-300)
            o += 1
