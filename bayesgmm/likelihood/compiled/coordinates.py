"""The flat problem and the unconstrained coordinates, read inside compiled code.

A problem (data, priors, structure) is one flat array of float64, so that the same compiled code
serves every data set, K and structure, called from Python or from a sampler written in another
language. Order of the coordinates x, that of the free variables of `build_model`:

weights    log w of the clusters, and of the noise after them if there is one, less their mean, the
           last left out;
means      (cluster, feature);
scales     log s in their own shape (shared or scalar axes absent);
pairs      log odds of (1 + y) / 2, y the partial correlations, (cluster, pair) or (pair,); or the
           loadings of factors (`.loadings`), the scales being those of their unique parts;
nu         log(nu - 1) where degrees of freedom are unknown, (cluster,) or one;
layers     log(eta - 1) and log odds of a where components are contaminated (`.layers`).
"""

import math
from typing import NamedTuple

import numpy as np

from bayesgmm.likelihood.compiled.kernels import BLOCK
from bayesgmm.likelihood.compiled.layers import (
    N_OF_LAYERS,
    read_layers,
    write_layers,
)
from bayesgmm.likelihood.compiled.loadings import factorise_loadings, unpack_loadings
from bayesgmm.likelihood.compiled.memory import aligned_empty, part
from bayesgmm.likelihood.compiled.whitening import cholesky, set_of, whiten
from bayesgmm.runtime.compiling import compiled
from bayesgmm.typing import Array

__all__ = [
    "HALF_NORMAL",
    "INVERSE_GAMMA",
    "LOG_4",
    "LOG_NORMAL",
    "Point",
    "Problem",
    "empty_point",
    "first_mean",
    "first_of_layers",
    "first_scale",
    "flatten",
    "n_normals",
    "read",
    "unpack",
    "unpack_whitened",
    "without_rows",
]

LOG_4 = math.log(4.0)
_HEADER = 32
_N_SCALARS, _N_CONSTANTS = 21, 6
LOG_NORMAL, HALF_NORMAL, INVERSE_GAMMA = 0, 1, 2  # families of the prior of the scales


class Problem(NamedTuple):
    """The flat problem, read: sizes, flags, prior numbers and rows in fitting coordinates."""

    n_rows: int
    n_features: int
    n_clusters: int
    n_scale_sets: int  # 1 where the scales are shared, else one a cluster
    n_pair_sets: int  # 1 where the correlations are shared or absent, else one a cluster
    scalar: bool
    has_pairs: bool
    scale_family: int  # LOG_NORMAL, HALF_NORMAL or INVERSE_GAMMA
    resolved: bool  # the recording error h is above 0
    eta: float
    scale_shape: float  # deviation of the log (log-normal), shape of the precisions (inverse gamma)
    hyper_shape: float  # shape of the prior of their rate; 0 where that is known
    n_parts: int  # clusters, and the noise if there is one
    n_tails: int  # K where components are t, else 0
    n_nu: int  # how many degrees of freedom are unknown: 0, 1 or K
    nu_shape: float
    nu_rate: float
    n_layers: int  # Gaussians a cluster: 2 where it is contaminated (`.layers`), else 1
    excess_location: float  # median of log(eta - 1), of which the prior is Normal
    excess_sigma: float
    n_factors: int  # 0 where covariances are those of scales and correlations
    constants: Array  # (6,) normalising constants of weights, means, scales, pairs, nu, layers
    concentration: Array  # (part,)
    nu: Array  # (cluster or 0,), degrees of freedom where they are known
    mean_location: Array  # (cluster, feature)
    mean_scale: Array  # (cluster, feature)
    prior_scale: Array  # (scale set, feature)
    resolution: Array  # (feature,)
    order: Array  # (feature,), in which loadings are triangular; (0,) without factors
    blocks: Array  # (blocks, feature, BLOCK)


class Point(NamedTuple):
    """The parameters at one x, fitting coordinates.

    A set belongs to one cluster or to all; so does a group, clusters that share both sets.
    """

    log_weights: Array  # (part,)
    nu: Array  # (cluster or 0,)
    means: Array  # (cluster, feature)
    scales: Array  # (scale set, feature)
    partial: Array  # (pair set, feature, feature), lower triangle: partial correlations y
    log_gap: Array  # the same shape: log(1 - y^2)
    correlation_factors: Array  # the same shape: C, Omega = C C'
    roots: Array  # (group, feature, feature): diag(s) C
    factors: Array  # the same shape: L, L L' = root root' + diag(h^2)
    loadings: Array  # (pair set, feature, factor)
    layers: Array  # (3,), eta, log a and log(1 - a); or (0,)
    seen_log_weights: Array  # (normal, then the noise): of the Gaussians that passes see
    seen_means: Array  # (normal, feature)
    seen_factors: Array  # (normal or 1, feature, feature)
    memory: Array  # in which all of them lie


def flatten(problem: Problem) -> Array:
    """Lay a problem out as the flat array that `read` takes apart."""
    header = np.zeros(_HEADER)
    header[:_N_SCALARS] = problem[:_N_SCALARS]
    header[_N_SCALARS : _N_SCALARS + _N_CONSTANTS] = problem.constants
    before_rows = np.concatenate([header, *(part.ravel() for part in _numbers(problem))])
    start = _rows_start(problem)
    flat = aligned_empty((start + problem.blocks.size,))
    flat[: len(before_rows)] = before_rows
    flat[len(before_rows) : start] = 0.0
    flat[start:] = problem.blocks.ravel()
    return flat


def _numbers(problem: Problem) -> list[Array]:
    """Return what lies between the header and the rows."""
    return [np.asarray(part) for part in problem[_N_SCALARS + 1 : -1]]


def _rows_start(problem: Problem) -> int:
    """Return where the rows begin: after the numbers, at a whole cache line."""
    numbers = _HEADER + sum(part.size for part in _numbers(problem))
    return (numbers + 7) // 8 * 8


def without_rows(flat: Array) -> Array:
    """Return a flat problem without its rows."""
    n_blocks = -(-int(flat[0]) // BLOCK)
    out = flat[: len(flat) - n_blocks * int(flat[1]) * BLOCK].copy()
    out[0] = 0.0
    return out


@compiled
def read(flat: Array) -> Problem:
    """View the flat array, which must outlive the view, as a problem; nothing is copied."""
    n_rows, n_features, n_clusters = int(flat[0]), int(flat[1]), int(flat[2])
    n_scale_sets, n_pair_sets = int(flat[3]), int(flat[4])
    n_parts, n_tails = int(flat[12]), int(flat[13])
    nu = _HEADER + n_parts
    means = nu + n_tails
    scales = means + 2 * n_clusters * n_features
    resolution = scales + n_scale_sets * n_features
    order, n_factors = resolution + n_features, int(flat[20])
    n_ordered = n_features if n_factors > 0 else 0
    start = (order + n_ordered + 7) // 8 * 8
    return Problem(
        n_rows,
        n_features,
        n_clusters,
        n_scale_sets,
        n_pair_sets,
        flat[5] > 0.0,
        flat[6] > 0.0,
        int(flat[7]),
        flat[8] > 0.0,
        flat[9],
        flat[10],
        flat[11],
        n_parts,
        n_tails,
        int(flat[14]),
        flat[15],
        flat[16],
        int(flat[17]),
        flat[18],
        flat[19],
        n_factors,
        part(flat, _N_SCALARS, (_N_CONSTANTS,)),
        part(flat, _HEADER, (n_parts,)),
        part(flat, nu, (n_tails,)),
        part(flat, means, (n_clusters, n_features)),
        part(flat, means + n_clusters * n_features, (n_clusters, n_features)),
        part(flat, scales, (n_scale_sets, n_features)),
        part(flat, resolution, (n_features,)),
        part(flat, order, (n_ordered,)),
        part(flat, start, ((n_rows + BLOCK - 1) // BLOCK, n_features, BLOCK)),
    )


@compiled
def n_normals(problem: Problem) -> int:
    """Return how many Gaussians the clusters are made of."""
    return problem.n_layers * problem.n_clusters


@compiled
def first_of_layers(x: Array, problem: Problem) -> int:
    """Return where the coordinates of contamination begin in x: last of all."""
    return x.shape[0] - N_OF_LAYERS * (problem.n_layers - 1)


@compiled
def first_mean(problem: Problem) -> int:
    """Return where the means begin in x."""
    return problem.n_parts - 1


@compiled
def first_scale(problem: Problem) -> int:
    """Return where the scales begin in x."""
    return problem.n_parts - 1 + problem.n_clusters * problem.n_features


@compiled
def unpack(x: Array, problem: Problem, point: Point) -> bool:
    """Write the parameters at x into `point`; False where a covariance is singular."""
    n_features, n_clusters = problem.n_features, problem.n_clusters
    n_pairs = n_features * (n_features - 1) // 2
    _unpack_weights(x, point.log_weights)
    o = first_mean(problem)
    for k in range(n_clusters):
        for d in range(n_features):
            point.means[k, d] = x[o]
            o += 1
    for s in range(problem.n_scale_sets):
        for d in range(n_features):
            point.scales[s, d] = math.exp(x[o])
            if not problem.scalar or d == n_features - 1:
                o += 1
    for p in range(problem.n_pair_sets):
        if problem.has_pairs:
            _unpack_pairs(x, o + p * n_pairs, p, point)
        else:
            _uncorrelated(p, point)
    if problem.n_factors > 0:
        unpack_loadings(x, o, problem.order, point.loadings)
    last = first_of_layers(x, problem) - problem.n_nu
    for k in range(problem.n_tails):
        if problem.n_nu == 0:
            point.nu[k] = problem.nu[k]
        else:
            point.nu[k] = 1.0 + math.exp(x[last + min(k, problem.n_nu - 1)])
    regular = True
    for g in range(point.factors.shape[0]):
        regular &= _factorise(g, problem, point)
    if problem.n_layers > 1:
        read_layers(x[first_of_layers(x, problem) :], point.layers)
        regular &= write_layers(
            point.log_weights,
            point.means,
            point.factors,
            point.layers,
            problem.resolution,
            point.seen_log_weights,
            point.seen_means,
            point.seen_factors,
        )
    return regular


@compiled
def unpack_whitened(
    x: Array, problem: Problem, point: Point, whitening: Array, shift: Array, constant: Array
) -> bool:
    """As `unpack`, and write the components as `.kernels` takes them."""
    return unpack(x, problem, point) and whiten(
        point.seen_log_weights,
        point.seen_means,
        point.seen_factors,
        whitening,
        shift,
        constant,
    )


@compiled
def empty_point(problem: Problem) -> Point:
    """Allocate a point."""
    n_clusters, size = problem.n_clusters, problem.n_features
    n_scale_sets, n_pair_sets = problem.n_scale_sets, problem.n_pair_sets
    n_groups = max(n_scale_sets, n_pair_sets)
    nu, means = problem.n_parts, problem.n_parts + problem.n_tails
    scales = means + n_clusters * size
    pairs = scales + n_scale_sets * size
    square, roots = n_pair_sets * size * size, pairs + 3 * n_pair_sets * size * size
    factors = roots + n_groups * size * size
    loadings = factors + n_groups * size * size
    layers = loadings + n_pair_sets * size * problem.n_factors
    seen_weights, seen_means, seen_factors, n_seen = 0, means, factors, n_groups
    end = layers
    if problem.n_layers > 1:
        n_seen = n_normals(problem)
        seen_weights = layers + 3
        seen_means = seen_weights + problem.n_parts + n_clusters
        seen_factors = seen_means + n_seen * size
        end = seen_factors + n_seen * size * size
    memory = np.empty(end)
    return Point(
        part(memory, 0, (problem.n_parts,)),
        part(memory, nu, (problem.n_tails,)),
        part(memory, means, (n_clusters, size)),
        part(memory, scales, (n_scale_sets, size)),
        part(memory, pairs, (n_pair_sets, size, size)),
        part(memory, pairs + square, (n_pair_sets, size, size)),
        part(memory, pairs + 2 * square, (n_pair_sets, size, size)),
        part(memory, roots, (n_groups, size, size)),
        part(memory, factors, (n_groups, size, size)),
        part(memory, loadings, (n_pair_sets, size, problem.n_factors)),
        part(memory, layers, (3 * (problem.n_layers - 1),)),
        part(memory, seen_weights, (problem.n_parts + (problem.n_layers - 1) * n_clusters,)),
        part(memory, seen_means, (n_normals(problem), size)),
        part(memory, seen_factors, (n_seen, size, size)),
        memory,
    )


@compiled
def _unpack_weights(x: Array, log_weights: Array) -> None:
    n_clusters = log_weights.shape[0]
    last, largest = 0.0, 0.0
    for k in range(n_clusters - 1):
        log_weights[k] = x[k]
        last -= x[k]
        largest = max(largest, x[k])
    log_weights[n_clusters - 1] = last
    largest = max(largest, last)
    total = 0.0
    for k in range(n_clusters):
        total += math.exp(log_weights[k] - largest)
    log_total = largest + math.log(total)
    for k in range(n_clusters):
        log_weights[k] -= log_total


@compiled
def _unpack_pairs(x: Array, o: int, p: int, point: Point) -> None:
    """Write y, log(1 - y^2) and the Cholesky factor of Omega from set p's log odds, x[o:].

    C-vine: C_ij = y_ij prod_{m<j} sqrt(1 - y_im^2) (Lewandowski, Kurowicka and Joe 2009).
    With u = exp(-|x|), y = tanh(x / 2) = +-(1 - u) / (1 + u), and log(1 - y^2) is taken from
    the log odds, since 1 - y^2 loses all digits near |y| = 1.
    """
    n_features = point.scales.shape[1]
    for i in range(n_features):
        remaining = 0.0
        for j in range(i):
            size = abs(x[o])
            u = math.exp(-size)
            y = math.copysign(-math.expm1(-size) / (1.0 + u), x[o])
            gap = LOG_4 - size - 2.0 * math.log1p(u)
            point.partial[p, i, j], point.log_gap[p, i, j] = y, gap
            point.correlation_factors[p, i, j] = y * math.exp(0.5 * remaining)
            remaining += gap
            o += 1
        point.correlation_factors[p, i, i] = math.exp(0.5 * remaining)
        for j in range(i + 1, n_features):
            point.correlation_factors[p, i, j] = 0.0


@compiled
def _uncorrelated(p: int, point: Point) -> None:
    n_features = point.scales.shape[1]
    for i in range(n_features):
        for j in range(n_features):
            point.correlation_factors[p, i, j] = 1.0 if i == j else 0.0


@compiled
def _factorise(g: int, problem: Problem, point: Point) -> bool:
    """Write root = diag(s) C and the Cholesky factor of root root' + diag(h^2) of group g."""
    size, s, p = problem.n_features, set_of(g, point.scales), set_of(g, point.partial)
    if problem.n_factors > 0:
        loadings, scales = point.loadings[p], point.scales[s]
        return factorise_loadings(loadings, scales, problem.resolution, point.factors[g])
    for i in range(size):
        for j in range(size):
            root = point.scales[s, i] * point.correlation_factors[p, i, j]
            point.roots[g, i, j], point.factors[g, i, j] = root, root
    if not problem.resolved:
        return True
    for i in range(size):
        for j in range(i + 1):
            product = 0.0
            for m in range(j + 1):
                product += point.roots[g, i, m] * point.roots[g, j, m]
            point.factors[g, i, j] = product
        point.factors[g, i, i] += problem.resolution[i] * problem.resolution[i]
    return cholesky(point.factors[g], point.factors[g])
