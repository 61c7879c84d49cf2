"""The point on which EM's steps act, as compiled code reads and writes it.

It is one flat array, see `bayesgmm.fit.points`.
"""

import math

import numpy as np

from bayesgmm.likelihood.compiled.coordinates import empty_point, read, unpack
from bayesgmm.likelihood.compiled.grouped import Components
from bayesgmm.likelihood.compiled.layers import N_OF_LAYERS, read_layers, write_layers
from bayesgmm.likelihood.compiled.vectors import copy_into, largest_of
from bayesgmm.likelihood.compiled.whitening import set_of, squared, whiten
from bayesgmm.runtime.compiling import compiled
from bayesgmm.typing import Array

__all__ = ["constrained_point", "read_covariances", "whiten_point", "write_factor"]


@compiled
def _read_factor(point: Array, k: int, n_clusters: int, n_features: int, factor: Array) -> None:
    o = n_clusters * (1 + n_features) + k * n_features * n_features
    for i in range(n_features):
        for j in range(n_features):
            factor[i, j] = point[o] if i != j else math.exp(point[o])
            o += 1


@compiled
def whiten_point(
    point: Array,
    n_noises: int,
    error: Array | None,
    whitening: Array,
    shift: Array,
    constant: Array,
) -> Components:
    """Write what the passes over the rows need; see `bayesgmm.likelihood.compiled.kernels`.

    `error` (feature,) is the recording error's deviation where clusters are two Gaussians, and
    None where they are one.
    """
    n_normals, n_features = shift.shape
    n_clusters = n_normals
    if error is not None:
        n_clusters = n_normals // 2
    means = point[n_clusters : n_clusters * (1 + n_features)].reshape((n_clusters, n_features))
    factors = np.empty((n_clusters, n_features, n_features))
    after = n_clusters * (1 + n_features + n_features * n_features)
    log_weights = np.empty(n_clusters + n_noises)
    for k in range(n_clusters):
        log_weights[k] = point[k]
        _read_factor(point, k, n_clusters, n_features, factors[k])
    copy_into(log_weights[n_clusters:], point[after : after + n_noises])
    largest, total = largest_of(log_weights), 0.0
    for k in range(log_weights.shape[0]):
        total += math.exp(log_weights[k] - largest)
    for k in range(log_weights.shape[0]):
        log_weights[k] -= largest + math.log(total)
    if error is not None:
        return _whiten_layers(
            point[after + n_noises :],
            log_weights,
            means,
            factors,
            error,
            whitening,
            shift,
            constant,
        )
    nu = np.empty(point.shape[0] - after - n_noises)
    for s in range(nu.shape[0]):
        nu[s] = math.exp(point[after + n_noises + s])
    whiten(log_weights, means, factors, whitening, shift, constant)
    return Components(log_weights, means, factors, whitening, shift, constant, nu)


@compiled
def _whiten_layers(
    tail: Array,
    log_weights: Array,
    means: Array,
    factors: Array,
    error: Array,
    whitening: Array,
    shift: Array,
    constant: Array,
) -> Components:
    """Whiten the two Gaussians of each cluster, whose contamination is the tail of a point."""
    n_normals, n_clusters = shift.shape[0], means.shape[0]
    layers = np.empty(3)
    read_layers(tail, layers)
    seen_weights = np.empty(log_weights.shape[0] + n_clusters)
    seen_means = np.empty_like(shift)
    seen_factors = np.empty((n_normals, *factors.shape[1:]))
    write_layers(log_weights, means, factors, layers, error, seen_weights, seen_means, seen_factors)
    whiten(seen_weights, seen_means, seen_factors, whitening, shift, constant)
    return Components(
        seen_weights, seen_means, seen_factors, whitening, shift, constant, np.empty(0)
    )


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
    n_noises = problem.n_parts - n_clusters
    copy_into(out[after : after + n_noises], values.log_weights[n_clusters:])
    if problem.n_layers > 1:
        copy_into(out[after + n_noises :], x[x.shape[0] - N_OF_LAYERS :])
    else:
        for s in range(values.nu.shape[0]):
            out[after + n_noises + s] = math.log(values.nu[s])
    for k in range(n_clusters):
        out[k] = values.log_weights[k]
        for i in range(n_features):
            out[n_clusters + k * n_features + i] = values.means[k, i]
        o = n_clusters * (1 + n_features) + k * n_features * n_features
        write_factor(values.factors[set_of(k, values.factors)], out, o)
