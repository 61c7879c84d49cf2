"""The M-step where covariances have no closed form.

Such are clusters that share scales or correlations but not both, and those of two Gaussians
(`.layers`), whose wide covariance is the narrow one's eta times, but for the recording error. The
expected log likelihood is climbed in log scales, log odds and log(eta - 1) from where the last
step ended, so that EM never falls (a generalised EM: Dempster, Laird and Rubin 1977, J. Royal
Statistical Society B 39:1); a step leaves to the next what is little beside its own gain. What is
climbed are sums over rows: a climb is free of their number.
"""

import math

import numpy as np

from bayesgmm.likelihood.compiled.climbing import advance, reached, started, to_gain
from bayesgmm.likelihood.compiled.coordinates import (
    Problem,
    empty_point,
    first_of_layers,
    first_scale,
    read,
    unpack,
)
from bayesgmm.likelihood.compiled.information import inverse_root_information
from bayesgmm.likelihood.compiled.layers import N_OF_LAYERS
from bayesgmm.likelihood.compiled.pull_back import expected_log_likelihood
from bayesgmm.likelihood.compiled.vectors import copy_into
from bayesgmm.likelihood.compiled.whitening import cholesky, set_of, squared
from bayesgmm.runtime.compiling import compiled
from bayesgmm.typing import Array

__all__ = ["climb_covariances", "is_partly_shared", "project"]

_MOST = 80  # evaluations of one M-step
_ENOUGH = 1e-2  # of what the step has gained: the rest is left to the next one
_LEAST_SCALE = 1e-6  # times the recording error
_OPENED = 0.01  # times the recording error: where a scale starts that was below and is to grow
_LARGEST = 30.0  # of log odds: beyond, 1 - y^2 has no digits left
_SHRUNK = 0.98
_WORTH = 1e-9  # nats


@compiled
def is_partly_shared(problem: Problem) -> bool:
    """Whether scales are shared and correlations are not, or the reverse."""
    return problem.has_pairs and problem.n_scale_sets != problem.n_pair_sets


@compiled
def climb_covariances(
    start: Array,
    layers: Array,
    flat: Array,
    means: Array,
    mass: Array,
    centres: Array,
    scatters: Array,
    scaled: Array,
    logs: Array,
    out: Array,
) -> None:
    """Write the covariances (cluster, feature, feature) that the climb ends at.

    Parameters
    ----------
    start : array of shape (cluster, feature, feature)
        Covariances of the last M-step.
    layers : array of shape (2,) or (0,), written
        Coordinates of contamination, of which log(eta - 1) is climbed.
    flat : array
        The problem, `bayesgmm.likelihood.compiled.coordinates.flatten`.
    means : array of shape (cluster, feature)
        The next ones.
    mass, centres, scatters, scaled, logs : arrays
        As in `bayesgmm.likelihood.moments.Moments`.
    out : array, written
    """
    problem = read(flat)
    x = _coordinates_near(start, mass, problem)
    first, last = first_scale(problem), first_of_layers(x, problem)
    end = last - problem.n_nu if layers.shape[0] == 0 else last + 1
    copy_into(x[first - means.size : first], means)
    copy_into(x[last:], layers)
    scale = inverse_root_information(mass, problem, x.shape[0] - first)[: end - first]
    gradient = np.empty_like(x)
    before, kept = -math.inf, x[first:end].copy()
    metric = np.zeros((scale.shape[0], scale.shape[0]))
    for i in range(scale.shape[0]):
        metric[i, i] = scale[i] * scale[i]
    climb = started(kept.copy(), np.empty_like(scale), metric)
    for evaluation in range(_MOST):
        copy_into(x[first:end], climb.trial)
        value = expected_log_likelihood(x, flat, mass, centres, scatters, scaled, logs, gradient)
        copy_into(climb.slope, gradient[first:end])
        if evaluation == 0:
            before = value
            if _open_scales(climb.trial, climb.slope, problem):
                continue
        if not advance(climb, value) or to_gain(climb) < _ENOUGH * (reached(climb) - before):
            break
    copy_into(x[first:end], climb.x if reached(climb) > before else kept)
    copy_into(layers, x[last:])
    _write_covariances(x, problem, out)


@compiled
def _open_scales(log_scales: Array, gradient: Array, problem: Problem) -> bool:
    """Raise scales far below the recording error that are to grow; return whether there are any.

    The gradient in log s vanishes with s^2, so that a climb would not leave them: the one in s^2
    says whether a covariance is to be wider than its error.
    """
    o, opened = 0, False
    for _ in range(problem.n_scale_sets):
        for i in range(1 if problem.scalar else problem.n_features):
            error = problem.resolution[i]
            wide = math.log(_OPENED * error) if error > 0.0 else -math.inf
            gain = 0.5 * gradient[o] * math.exp(2.0 * (wide - log_scales[o]))
            if log_scales[o] < wide and gain > _WORTH:
                log_scales[o] = wide
                opened = True
            o += 1
    return opened


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
    for k in range(problem.n_clusters):
        squared(point.factors[set_of(k, point.factors)], out[k])


@compiled
def _coordinates_near(covariances: Array, weights: Array, problem: Problem) -> Array:
    """Return x whose scales and correlations are those of covariances, pooled where shared.

    A correlation counts as far as it is felt beside the recording error. Weights and means of the
    mixture are left at 0.
    """
    n_clusters, size = problem.n_clusters, problem.n_features
    n_pairs = size * (size - 1) // 2
    o = first_scale(problem)
    width = 1 if problem.scalar else size
    n_covariance = problem.n_scale_sets * width
    n_covariance += problem.n_pair_sets * n_pairs if problem.has_pairs else 0
    n_last = problem.n_nu + N_OF_LAYERS * (problem.n_layers - 1)
    x = np.zeros(o + n_covariance + n_last)
    variances = np.zeros((problem.n_scale_sets, size))
    correlations = np.zeros((problem.n_pair_sets, size, size))
    total = weights[:n_clusters].sum()
    for k in range(n_clusters):
        share = weights[k] / total if problem.n_scale_sets == 1 else 1.0
        for i in range(size):
            variances[set_of(k, variances), i] += share * _own_variance(covariances, k, i, problem)
    felt = np.zeros((problem.n_pair_sets, size, size))
    for k in range(n_clusters):
        p = set_of(k, correlations)
        for i in range(size):
            for j in range(i):
                outer = _own_variance(covariances, k, i, problem)
                outer *= _own_variance(covariances, k, j, problem)
                share = weights[k] * math.sqrt(
                    outer / (covariances[k, i, i] * covariances[k, j, j])
                )
                correlations[p, i, j] += share * covariances[k, i, j] / math.sqrt(outer)
                felt[p, i, j] += share
    for p in range(problem.n_pair_sets):
        for i in range(size):
            for j in range(i):
                correlations[p, i, j] /= felt[p, i, j]
    for s in range(problem.n_scale_sets):
        for i in range(width):
            x[o] = 0.5 * math.log(variances[s].mean() if problem.scalar else variances[s, i])
            o += 1
    if not problem.has_pairs:
        return x
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
