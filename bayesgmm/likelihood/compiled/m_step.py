"""The M-step: moments, covariances of each structure, and their bound at the recording error.

A point of EM is one flat array, see `bayesgmm.fit.points`.
"""

import math

import numpy as np

from bayesgmm.likelihood.compiled.coordinates import Problem, empty_point, read, unpack
from bayesgmm.likelihood.compiled.grouped import Components, sum_grouped
from bayesgmm.likelihood.compiled.kernels import sum_blocks
from bayesgmm.likelihood.compiled.partly_shared import (
    climb_partly_shared,
    is_partly_shared,
    project,
)
from bayesgmm.likelihood.compiled.tails import maximise_tails
from bayesgmm.likelihood.compiled.whitening import cholesky, set_of, squared, whiten
from bayesgmm.runtime.compiling import compiled
from bayesgmm.typing import Array

__all__ = [
    "EMPTY",
    "bound",
    "bound_point",
    "constrained_point",
    "maximise",
    "moments",
    "moments_at",
    "read_covariances",
    "whiten_point",
    "write_component",
    "write_factor",
]

EMPTY = 1e-3  # rows: a component with less has lost its data
_LEAST = 1e-300  # rows of the noise: the logarithm of its weight stays finite


@compiled
def _read_factor(point: Array, k: int, n_clusters: int, n_features: int, factor: Array) -> None:
    o = n_clusters * (1 + n_features) + k * n_features * n_features
    for i in range(n_features):
        for j in range(n_features):
            factor[i, j] = point[o] if i != j else math.exp(point[o])
            o += 1


@compiled
def whiten_point(
    point: Array, n_noises: int, whitening: Array, shift: Array, constant: Array
) -> Components:
    """Write what the passes over the rows need; see `bayesgmm.likelihood.compiled.kernels`."""
    n_clusters, n_features = shift.shape
    means = point[n_clusters : n_clusters * (1 + n_features)].reshape((n_clusters, n_features))
    factors = np.empty((n_clusters, n_features, n_features))
    after = n_clusters * (1 + n_features + n_features * n_features)
    log_weights = np.empty(n_clusters + n_noises)
    for k in range(n_clusters):
        log_weights[k] = point[k]
        _read_factor(point, k, n_clusters, n_features, factors[k])
    log_weights[n_clusters:] = point[after : after + n_noises]
    largest, total = log_weights.max(), 0.0
    for k in range(log_weights.shape[0]):
        total += math.exp(log_weights[k] - largest)
    log_weights -= largest + math.log(total)
    nu = np.exp(point[after + n_noises :])
    whiten(log_weights, means, factors, whitening, shift, constant)
    return Components(log_weights, means, factors, whitening, shift, constant, nu)


@compiled
def moments_at(
    point: Array,
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
    components = whiten_point(point, len(mass) - len(centres), whitening, shift, constant)
    if annotated is None:
        value = sum_blocks(blocks, n_rows, whitening, shift, constant, mass, first, second)
    else:
        value = sum_grouped(
            blocks, n_rows, annotated, components, mass, first, second, scaled, logs
        )
    moments(point, mass if len(scaled) == 0 else scaled, first, second, centres, scatters)
    return value


@compiled
def moments(
    point: Array, mass: Array, first: Array, second: Array, centres: Array, scatters: Array
) -> None:
    """Turn the whitened sums taken at `point` into weighted means and scatters about them.

    `mass` is that with which rows entered the sums. With Sigma = L L',
    centre = mu + L first / mass and scatter = L (second - first first' / mass) L'.
    """
    n_clusters, n_features = first.shape
    factor = np.empty((n_features, n_features))
    inner = np.empty((n_features, n_features))
    half = np.empty((n_features, n_features))
    for k in range(n_clusters):
        rows = max(mass[k], 1e-300)
        _read_factor(point, k, n_clusters, n_features, factor)
        for i in range(n_features):
            s = 0.0
            for m in range(i + 1):
                s += factor[i, m] * first[k, m]
            centres[k, i] = point[n_clusters + k * n_features + i] + s / rows
            for j in range(i + 1):
                inner[i, j] = second[k, i, j] - first[k, i] * first[k, j] / rows
                inner[j, i] = inner[i, j]
        for i in range(n_features):
            for j in range(n_features):
                s = 0.0
                for m in range(i + 1):
                    s += factor[i, m] * inner[m, j]
                half[i, j] = s
        for i in range(n_features):
            for j in range(i + 1):
                s = 0.0
                for m in range(j + 1):
                    s += half[i, m] * factor[j, m]
                scatters[k, i, j] = s
                scatters[k, j, i] = s


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
    a, b = np.flatnonzero(error > 0.0), np.flatnonzero(error == 0.0)
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
    if not np.isfinite(residual).all():
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
def bound_point(point: Array, flat: Array) -> None:
    """Raise the covariances of a point, in place, as `bound` does.

    Where the structure has no closed form of its M-step, move them into it first.
    """
    problem = read(flat)
    n_clusters, n_features, error = problem.n_clusters, problem.n_features, problem.resolution
    if is_partly_shared(problem):
        _project_point(point, flat, n_clusters, n_features)
    factor, scratch = np.empty((n_features, n_features)), np.empty((n_features, n_features))
    covariances, o = read_covariances(point, n_clusters, n_features), n_clusters * (1 + n_features)
    for k in range(n_clusters):
        if bound(covariances[k], error, scratch) and cholesky(covariances[k], factor):
            write_factor(factor, point, o + k * n_features * n_features)


@compiled
def _project_point(point: Array, flat: Array, n_clusters: int, n_features: int) -> None:
    covariances = read_covariances(point, n_clusters, n_features)
    project(covariances, np.exp(point[:n_clusters]), flat)
    factor, o = np.empty((n_features, n_features)), n_clusters * (1 + n_features)
    for k in range(n_clusters):
        if cholesky(covariances[k], factor):
            write_factor(factor, point, o + k * n_features * n_features)


@compiled
def read_covariances(point: Array, n_clusters: int, n_features: int) -> Array:
    """Return the covariances (cluster, feature, feature) of a point of EM."""
    covariances = np.empty((n_clusters, n_features, n_features))
    factor = np.empty((n_features, n_features))
    for k in range(n_clusters):
        _read_factor(point, k, n_clusters, n_features, factor)
        squared(factor, covariances[k])
    return covariances


@compiled
def write_factor(factor: Array, point: Array, o: int) -> None:
    """Write a Cholesky factor into a point of EM from place `o` on, its diagonal on the log."""
    for i in range(factor.shape[0]):
        for j in range(factor.shape[0]):
            point[o] = factor[i, j] if i != j else math.log(factor[i, i])
            o += 1


@compiled
def constrained_point(x: Array, flat: Array, out: Array) -> None:
    """Write the point of EM at the coordinates x of a log posterior, whose problem is `flat`."""
    problem = read(flat)
    values = empty_point(problem)
    unpack(x, problem, values)
    n_clusters, n_features = problem.n_clusters, problem.n_features
    after = n_clusters * (1 + n_features + n_features * n_features)
    out[after : after + problem.n_parts - n_clusters] = values.log_weights[n_clusters:]
    out[after + problem.n_parts - n_clusters :] = np.log(values.nu)
    for k in range(n_clusters):
        out[k] = values.log_weights[k]
        for i in range(n_features):
            out[n_clusters + k * n_features + i] = values.means[k, i]
        o = n_clusters * (1 + n_features) + k * n_features * n_features
        write_factor(values.factors[set_of(k, values.factors)], out, o)


@compiled
def maximise(
    point: Array,
    flat: Array,
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
    n_clusters, n_features = centres.shape
    covariances = np.empty((n_clusters, n_features, n_features))
    factor = np.empty((n_features, n_features))
    for k in range(n_clusters):
        if not mass[k] > EMPTY:
            return k
    if is_partly_shared(problem):
        start, ridged = read_covariances(point, n_clusters, n_features), scatters.copy()
        for k in range(n_clusters):
            for i in range(n_features):
                ridged[k, i, i] += ridge * mass[k]
        climb_partly_shared(start, flat, mass, centres, ridged, scaled, logs, covariances)
    else:
        _shape(mass, scatters, problem, covariances)
        for k in range(n_clusters):
            for i in range(n_features):
                covariances[k, i, i] += ridge
    log_total = math.log(mass.sum())
    after = n_clusters * (1 + n_features + n_features * n_features)
    for k in range(n_clusters, problem.n_parts):
        out[after] = math.log(max(mass[k], _LEAST)) - log_total
    log_nu = out[after + problem.n_parts - n_clusters :]
    maximise_tails(mass, scaled, logs, problem.nu, problem.n_nu, log_nu)
    for k in range(n_clusters):
        if not bound(covariances[k], problem.resolution, factor):
            return k
        out[k] = math.log(mass[k]) - log_total
        if not write_component(k, centres, covariances[k], floor, factor, out):
            return k
    return -1


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
