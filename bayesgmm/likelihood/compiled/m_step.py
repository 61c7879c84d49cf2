"""The M-step: moments, covariances of each structure, and their bound at the recording error.

A point of EM is one flat array, see `bayesgmm.fit.points`.
"""

import math

import numpy as np

from bayesgmm.likelihood.compiled.climbed_m_step import (
    climb_covariances,
    is_partly_shared,
    project,
)
from bayesgmm.likelihood.compiled.coordinates import Problem, read
from bayesgmm.likelihood.compiled.grouped import Components, sum_grouped
from bayesgmm.likelihood.compiled.kernels import sum_blocks
from bayesgmm.likelihood.compiled.layers import LARGEST_COORDINATE, N_OF_LAYERS, rows_of_parts
from bayesgmm.likelihood.compiled.points import read_covariances, whiten_point, write_factor
from bayesgmm.likelihood.compiled.tails import maximise_tails
from bayesgmm.likelihood.compiled.vectors import all_finite, copy_into
from bayesgmm.likelihood.compiled.whitening import (
    cholesky,
    congruent,
    solve_lower,
    solve_transposed,
)
from bayesgmm.runtime.compiling import compiled
from bayesgmm.typing import Array

__all__ = ["EMPTY", "bound", "bound_point", "maximise", "moments", "moments_at", "write_component"]

EMPTY = 1e-3  # rows: a component with less has lost its data
_LEAST = 1e-300  # rows of the noise: the logarithm of its weight stays finite


@compiled
def moments_at(
    point: Array,
    error: Array | None,
    blocks: Array,
    n_rows: int,
    annotated: Array | None,
    mass: Array,
    centres: Array,
    scatters: Array,
    scaled: Array,
    logs: Array,
) -> float:
    """Write the moments of all rows at a point; return their log likelihood, nats.

    Parameters
    ----------
    point : array, see the module
    error : array of shape (feature,) or None, see `whiten_point`
    blocks : array, `bayesgmm.likelihood.compiled.kernels.blocked`
    n_rows : int
        Rows of `blocks`.
    annotated : array or None, `bayesgmm.likelihood.compiled.row_groups.flatten_parts`
    mass, centres, scatters, scaled, logs : arrays, zeros, written
        As in `bayesgmm.likelihood.moments.Moments`.
    """
    whitening, shift = np.empty_like(scatters), np.empty_like(centres)
    constant = np.empty(len(centres))
    first, second = np.zeros_like(centres), np.zeros_like(scatters)
    components = whiten_point(point, len(mass) - len(centres), error, whitening, shift, constant)
    if annotated is None:
        value = sum_blocks(blocks, n_rows, whitening, shift, constant, mass, first, second)
    else:
        value = sum_grouped(
            blocks, n_rows, annotated, components, mass, first, second, scaled, logs
        )
    entered = mass if len(scaled) == 0 else scaled
    moments(components, entered, first, second, centres, scatters)
    return value


@compiled
def moments(
    components: Components,
    mass: Array,
    first: Array,
    second: Array,
    centres: Array,
    scatters: Array,
) -> None:
    """Turn the whitened sums taken of components into weighted means and scatters about them.

    `mass` is that with which rows entered the sums. With Sigma = L L',
    centre = mu + L first / mass and scatter = L (second - first first' / mass) L'.
    """
    n_clusters, n_features = first.shape
    inner = np.empty((n_features, n_features))
    half = np.empty((n_features, n_features))
    for k in range(n_clusters):
        rows = max(mass[k], 1e-300)
        factor = components.factors[k]
        for i in range(n_features):
            s = 0.0
            for m in range(i + 1):
                s += factor[i, m] * first[k, m]
            centres[k, i] = components.means[k, i] + s / rows
            for j in range(i + 1):
                inner[i, j] = second[k, i, j] - first[k, i] * first[k, j] / rows
        congruent(factor, inner, half, scatters[k])


@compiled
def _shape(mass: Array, scatters: Array, problem: Problem, out: Array) -> None:
    """Write the covariances of `bayesgmm.model.components.Structure.covariances`."""
    n_clusters, n_features = out.shape[0], out.shape[1]
    shared = problem.n_scale_sets == 1 and problem.n_pair_sets == 1
    scalar, correlated = problem.scalar, problem.has_pairs
    total = 0.0
    for k in range(n_clusters):
        total += mass[k]
    for i in range(n_features):
        for j in range(n_features):
            pooled = 0.0
            for k in range(n_clusters):
                pooled += scatters[k, i, j]
                kept = correlated or i == j
                out[k, i, j] = scatters[k, i, j] / mass[k] if kept else 0.0
            if shared and (correlated or i == j):
                for k in range(n_clusters):
                    out[k, i, j] = pooled / total
    if scalar:
        for k in range(n_clusters):
            trace = 0.0
            for i in range(n_features):
                trace += out[k, i, i]
            for i in range(n_features):
                out[k, i, i] = trace / n_features


@compiled
def bound(covariance: Array, error: Array, factor: Array) -> bool:
    """Raise a covariance, in place, until it is at least diag(error^2).

    Of all Sigma with Sigma - diag(error^2) positive semi-definite it becomes the one that maximises
    -log det Sigma - tr(Sigma^-1 S), S being the matrix given. With a the features whose error is
    above 0 and b the others, Sigma_bb = S_bb and the regression of a on b stay, and the residual
    S_aa - S_ab S_bb^-1 S_ba, in coordinates divided by the error, has its eigenvalues raised to 1.

    Parameters
    ----------
    covariance : array of shape (feature, feature), written where the bound binds
    error : array of shape (feature,)
        Standard deviation of the recording error.
    factor : array of shape (feature, feature), scratch

    Returns
    -------
    bool
        False where S_bb is singular.
    """
    size = error.shape[0]
    bounded = 0
    for i in range(size):
        bounded += error[i] > 0.0
        for j in range(size):
            factor[i, j] = covariance[i, j]
        factor[i, i] -= error[i] * error[i]
    if bounded == 0 or cholesky(factor, factor):
        return True
    a, b = np.empty(bounded, dtype=np.int64), np.empty(size - bounded, dtype=np.int64)
    n_a, n_b = 0, 0
    for i in range(size):
        if error[i] > 0.0:
            a[n_a] = i
            n_a += 1
        else:
            b[n_b] = i
            n_b += 1
    residual, half = np.empty((bounded, bounded)), np.empty((bounded, len(b)))
    free = np.empty((len(b), len(b)))
    for i in range(len(b)):
        for j in range(len(b)):
            free[i, j] = covariance[b[i], b[j]]
    if not cholesky(free, free):
        return False
    for i in range(bounded):
        for j in range(len(b)):
            s = covariance[a[i], b[j]]
            for m in range(j):
                s -= half[i, m] * free[j, m]
            half[i, j] = s / free[j, j]
        for j in range(i + 1):
            s = covariance[a[i], a[j]]
            for m in range(len(b)):
                s -= half[i, m] * half[j, m]
            residual[i, j] = s / (error[a[i]] * error[a[j]])
            residual[j, i] = residual[i, j]
    if not all_finite(residual):
        return False
    values, axes = np.linalg.eigh(residual)
    for i in range(bounded):
        for j in range(bounded):
            s = 0.0
            for m in range(bounded):
                s += max(1.0 - values[m], 0.0) * axes[i, m] * axes[j, m]
            covariance[a[i], a[j]] += s * error[a[i]] * error[a[j]]
    return True


@compiled
def bound_point(point: Array, flat: Array, climbed: Array | None) -> None:
    """Raise the covariances of a point, in place, as `bound` does.

    Where the structure has no closed form of its M-step, move them into it first. Arguments as in
    `maximise`.
    """
    problem = read(flat)
    n_clusters, n_features, error = problem.n_clusters, problem.n_features, problem.resolution
    if climbed is not None:
        _project_point(point, climbed, n_clusters, n_features)
    factor, scratch = np.empty((n_features, n_features)), np.empty((n_features, n_features))
    covariances, o = read_covariances(point, n_clusters, n_features), n_clusters * (1 + n_features)
    for k in range(n_clusters):
        if bound(covariances[k], error, scratch) and cholesky(covariances[k], factor):
            write_factor(factor, point, o + k * n_features * n_features)


@compiled
def _project_point(point: Array, flat: Array, n_clusters: int, n_features: int) -> None:
    """Move the covariances of a point into a structure that shares scales or correlations alone."""
    if not is_partly_shared(read(flat)):
        return
    covariances = read_covariances(point, n_clusters, n_features)
    project(covariances, np.exp(point[:n_clusters]), flat)
    factor, o = np.empty((n_features, n_features)), n_clusters * (1 + n_features)
    for k in range(n_clusters):
        if cholesky(covariances[k], factor):
            write_factor(factor, point, o + k * n_features * n_features)


@compiled
def maximise(
    point: Array,
    flat: Array,
    climbed: Array | None,
    mass: Array,
    centres: Array,
    scatters: Array,
    scaled: Array,
    logs: Array,
    floor: Array,
    ridge: float,
    out: Array,
) -> int:
    """Write the next point of EM; return -1, or the component that has collapsed.

    The covariances maximise the expected log likelihood among those that are at least
    diag(error^2): a component whose rows are tied keeps the recording error as its scale.

    Parameters
    ----------
    point : array, see the module
        The present one, at which the moments were taken.
    flat : array
        The problem, `bayesgmm.likelihood.compiled.coordinates.flatten`; its rows are not read.
    climbed : array or None
        The same where covariances have no closed form; None elsewhere, and the code that climbs
        to them is then not even compiled.
    mass, centres, scatters, scaled, logs : arrays
        As in `bayesgmm.likelihood.moments.Moments`.
    floor : array of shape (feature,), fitting coordinates
        Smallest variance allowed of each feature given those before it.
    ridge : float, fitting coordinates
        Added to every variance of the rows.
    out : array, written
        The next point.
    """
    problem = read(flat)
    n_clusters, n_features = problem.n_clusters, problem.n_features
    covariances = np.empty((n_clusters, n_features, n_features))
    factor, rows = np.empty((n_features, n_features)), np.empty(problem.n_parts)
    rows_of_parts(mass, n_clusters, len(centres), rows)
    for k in range(n_clusters):
        if not rows[k] > EMPTY:
            return k
    after = n_clusters * (1 + n_features + n_features * n_features)
    tail, means = out[after + problem.n_parts - n_clusters :], centres
    if climbed is not None:
        means = _climb(
            point, climbed, mass, centres, scatters, scaled, logs, ridge, tail, covariances
        )
    else:
        _shape(mass, scatters, problem, covariances)
        for k in range(n_clusters):
            for i in range(n_features):
                covariances[k, i, i] += ridge
    log_total = math.log(mass.sum())
    for k in range(n_clusters, problem.n_parts):
        out[after] = math.log(max(rows[k], _LEAST)) - log_total
    maximise_tails(mass, scaled, logs, problem.nu, problem.n_nu, tail)
    for k in range(n_clusters):
        if not bound(covariances[k], problem.resolution, factor):
            return k
        out[k] = math.log(rows[k]) - log_total
        if not write_component(k, means, covariances[k], floor, factor, out):
            return k
    return -1


@compiled
def _climb(
    point: Array,
    flat: Array,
    mass: Array,
    centres: Array,
    scatters: Array,
    scaled: Array,
    logs: Array,
    ridge: float,
    tail: Array,
    covariances: Array,
) -> Array:
    """Write covariances that have no closed form, and what layers have; return the means."""
    problem = read(flat)
    n_clusters, n_features = problem.n_clusters, problem.n_features
    start, ridged, means = read_covariances(point, n_clusters, n_features), scatters.copy(), centres
    for k in range(len(centres)):
        for i in range(n_features):
            ridged[k, i, i] += ridge * mass[k]
    layers = tail[: N_OF_LAYERS * (problem.n_layers - 1)]
    if problem.n_layers > 1:
        copy_into(layers, point[-N_OF_LAYERS:])
        means = _means_of_layers(point, problem, mass, centres)
        good, others = mass[:n_clusters].sum(), mass[n_clusters : len(centres)].sum()
        _maximise_share(good, others, layers)
    climb_covariances(start, layers, flat, means, mass, centres, ridged, scaled, logs, covariances)
    if problem.n_layers > 1:
        layers[0] = min(max(layers[0], -LARGEST_COORDINATE), LARGEST_COORDINATE)
    return means


@compiled
def _maximise_share(good: float, others: float, layers: Array) -> None:
    """Write the log odds of the share of good rows, which is at least a half."""
    share = min(max(good / (good + others), 0.5), 1.0)
    odds = math.log(max(share - 0.5, _LEAST)) - math.log(max(1.0 - share, _LEAST))
    layers[1] = min(max(odds, -LARGEST_COORDINATE), LARGEST_COORDINATE)


@compiled
def _means_of_layers(point: Array, problem: Problem, mass: Array, centres: Array) -> Array:
    """Return the means (cluster, feature) that the sums of both Gaussians of each ask for.

    The covariances are those of the point.
    """
    n_normals, size = centres.shape
    whitening, shift = np.empty((n_normals, size, size)), np.empty_like(centres)
    n_noises = problem.n_parts - problem.n_clusters
    whiten_point(point, n_noises, problem.resolution, whitening, shift, np.empty(n_normals))
    means = np.empty((problem.n_clusters, size))
    for k in range(problem.n_clusters):
        precision, pull = np.zeros((size, size)), means[k]
        pull[:] = 0.0
        for q in range(k, n_normals, problem.n_clusters):
            for i in range(size):
                for j in range(size):
                    s = 0.0
                    for m in range(max(i, j), size):
                        s += whitening[q, m, i] * whitening[q, m, j]
                    precision[i, j] += mass[q] * s
                    pull[i] += mass[q] * s * centres[q, j]
        cholesky(precision, precision)
        solve_lower(precision, pull)
        solve_transposed(precision, pull)
    return means


@compiled
def write_component(
    k: int, centres: Array, covariance: Array, floor: Array, factor: Array, out: Array
) -> bool:
    """Write mean and covariance of a component into a point of EM.

    Returns False, and writes no covariance, where it is singular or below the floor; `factor` is
    scratch.
    """
    n_clusters, n_features = centres.shape
    for i in range(n_features):
        out[n_clusters + k * n_features + i] = centres[k, i]
    if not cholesky(covariance, factor):
        return False
    for i in range(n_features):
        if factor[i, i] * factor[i, i] < floor[i]:
            return False
    write_factor(factor, out, n_clusters * (1 + n_features) + k * n_features * n_features)
    return True
