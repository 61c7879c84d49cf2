"""From sums over rows back to the coordinates: the likelihood's part of every gradient."""

import math
from typing import NamedTuple

import numpy as np

from bayesgmm.likelihood.compiled.coordinates import (
    Point,
    Problem,
    empty_point,
    first_of_layers,
    first_scale,
    n_normals,
    read,
    unpack_whitened,
)
from bayesgmm.likelihood.compiled.loadings import pull_back_loadings
from bayesgmm.likelihood.compiled.memory import part
from bayesgmm.likelihood.compiled.tails import nu_log_density
from bayesgmm.likelihood.compiled.vectors import copy_into
from bayesgmm.likelihood.compiled.whitening import set_of
from bayesgmm.runtime.compiling import compiled
from bayesgmm.typing import Array

__all__ = [
    "Sums",
    "empty_sums",
    "expected_log_likelihood",
    "pull_back_covariances",
    "sum_moments",
]


class Sums(NamedTuple):
    """Whitened components and the sums over rows; see `bayesgmm.likelihood.compiled.kernels`."""

    whitening: Array
    shift: Array
    constant: Array
    mass: Array  # (normal, then the noise)
    first: Array
    second: Array
    scaled: Array  # (cluster or 0,)
    logs: Array  # (cluster or 0,)
    root_gradient: Array  # (group, feature, feature), lower: the likelihood's in the roots; or,
    # where there are factors, symmetric: twice that in the covariances
    rows: Array  # (part,), of clusters, then of the noise: the mass where a cluster is a normal
    wide_gradient: Array  # (1,), the likelihood's in eta where clusters have two layers
    inner: Array  # (feature, feature), scratch
    memory: Array  # in which all of them lie


@compiled
def empty_sums(problem: Problem) -> Sums:
    """Allocate the sums, at 0."""
    n_seen, size = n_normals(problem), problem.n_features
    n_groups = max(problem.n_scale_sets, problem.n_pair_sets)
    square, vector = n_seen * size * size, n_seen * size
    n_noises, n_tails = problem.n_parts - problem.n_clusters, problem.n_tails
    half = square + vector + n_seen
    first = half + n_seen + n_noises
    second = first + vector
    tails = second + square
    roots = tails + 2 * n_tails
    eta = roots + (n_groups + 1) * size * size
    rows = half if problem.n_layers == 1 else eta + 1
    memory = np.zeros(eta + 1 + problem.n_parts)
    return Sums(
        part(memory, 0, (n_seen, size, size)),
        part(memory, square, (n_seen, size)),
        part(memory, square + vector, (n_seen,)),
        part(memory, half, (n_seen + n_noises,)),
        part(memory, first, (n_seen, size)),
        part(memory, second, (n_seen, size, size)),
        part(memory, tails, (n_tails,)),
        part(memory, tails + n_tails, (n_tails,)),
        part(memory, roots, (n_groups, size, size)),
        part(memory, rows, (problem.n_parts,)),
        part(memory, eta, (1,)),
        part(memory, roots + n_groups * size * size, (size, size)),
        memory,
    )


@compiled
def sum_moments(
    mass: Array,
    centres: Array,
    scatters: Array,
    scaled: Array,
    logs: Array,
    point: Point,
    sums: Sums,
) -> float:
    """Fill the sums from the moments of each cluster; return the expected log likelihood.

    The noise, whose density is known, adds its weight alone; of components with tails each row
    has its own E u and E log u beside (`.tails`).
    """
    size = centres.shape[1]
    offset, half = np.empty(size), np.empty((size, size))
    total = 0.0
    copy_into(sums.scaled, scaled)
    copy_into(sums.logs, logs)
    for k in range(point.nu.shape[0]):
        total += nu_log_density(point.nu[k], mass[k], scaled[k], logs[k])
    for k in range(centres.shape[0], mass.shape[0]):
        sums.mass[k] = mass[k]
        total += mass[k] * point.seen_log_weights[k]
    for k in range(centres.shape[0]):
        distance, entered = 0.0, mass[k] if scaled.shape[0] == 0 else scaled[k]
        for i in range(size):
            offset[i] = 0.0
            for j in range(size):
                half[i, j] = 0.0
            for m in range(i + 1):
                offset[i] += sums.whitening[k, i, m] * (centres[k, m] - point.seen_means[k, m])
                for j in range(size):
                    half[i, j] += sums.whitening[k, i, m] * scatters[k, m, j]
        for i in range(size):
            sums.first[k, i] = entered * offset[i]
            for j in range(size):
                s = entered * offset[i] * offset[j]
                for m in range(j + 1):
                    s += half[i, m] * sums.whitening[k, j, m]
                sums.second[k, i, j] = s
            distance += sums.second[k, i, i]
        sums.mass[k] = mass[k]
        total += mass[k] * sums.constant[k] - 0.5 * distance
    return total


@compiled
def _write_inner(k: int, size: int, sums: Sums) -> None:
    """Write A' (S - n I) of a Gaussian, the gradient in its covariance but for the last factor."""
    for i in range(size):
        for j in range(size):
            s = 0.0
            for m in range(i, size):
                lower = sums.second[k, max(m, j), min(m, j)]
                s += sums.whitening[k, m, i] * (lower - (sums.mass[k] if m == j else 0.0))
            sums.inner[i, j] = s


@compiled
def _differentiate_in_roots(problem: Problem, point: Point, sums: Sums) -> None:
    """Add to the sums the likelihood's gradient in each root diag(s) C.

    With S = sum r z z' the gradient in Sigma is G = 1/2 A' (S - n I) A, and Sigma = root root'
    + diag(h^2) gives 2 G root; without h, A root = I. That of a wide Gaussian is eta root root'
    + diag(h^2): it has eta times as much, and adds tr(G root root') to the gradient in eta.
    """
    size = problem.n_features
    inner, out = sums.inner, sums.root_gradient
    for k in range(n_normals(problem)):
        g = set_of(k % problem.n_clusters, out)
        times = point.layers[0] if k >= problem.n_clusters else 1.0
        _write_inner(k, size, sums)
        for i in range(size):
            for j in range(i + 1):
                if not problem.resolved and times == 1.0:
                    out[g, i, j] += inner[i, j]
                    continue
                pull = 0.0
                for m in range(j, size):
                    s = 0.0
                    for q in range(j, m + 1):
                        s += sums.whitening[k, m, q] * point.roots[g, q, j]
                    pull += inner[i, m] * s
                out[g, i, j] += times * pull
                if k >= problem.n_clusters:
                    sums.wide_gradient[0] += 0.5 * pull * point.roots[g, i, j]


@compiled
def pull_back_covariances(
    o: int, problem: Problem, point: Point, sums: Sums, gradient: Array
) -> None:
    """Write the likelihood's gradient in what covariances are made of, x[o:]."""
    if problem.n_factors == 0:
        _differentiate_in_roots(problem, point, sums)
        _pull_back(o, problem, point, sums.root_gradient, gradient)
        return
    _differentiate_in_covariances(problem, sums)
    pull_back_loadings(
        o,
        point.loadings,
        point.scales,
        problem.order,
        problem.scalar,
        sums.root_gradient,
        gradient,
    )


@compiled
def _differentiate_in_covariances(problem: Problem, sums: Sums) -> None:
    """Write twice the likelihood's gradient in each covariance, A' (S - n I) A, into `sums`."""
    size = problem.n_features
    inner, out = sums.inner, sums.root_gradient
    for k in range(problem.n_clusters):
        g = set_of(k, out)
        _write_inner(k, size, sums)
        for i in range(size):
            for j in range(i + 1):
                s = 0.0
                for m in range(j, size):
                    s += inner[i, m] * sums.whitening[k, m, j]
                out[g, i, j] += s
                out[g, j, i] = out[g, i, j]


@compiled
def _pull_back(
    o: int, problem: Problem, point: Point, root_gradient: Array, gradient: Array
) -> None:
    """Write the gradient in log scales and log odds, x[o:], from that in each root diag(s) C.

    A scalar scale collects the gradient of all its features, a shared set that of all groups.
    dy/dx = (1 - y^2) / 2, and every later entry of the row of C carries sqrt(1 - y^2).
    """
    size, n_groups = problem.n_features, root_gradient.shape[0]
    for s in range(problem.n_scale_sets):
        first, stop = (0, n_groups) if problem.n_scale_sets == 1 else (s, s + 1)
        collected = 0.0
        for d in range(size):
            for g in range(first, stop):
                for j in range(d + 1):
                    collected += root_gradient[g, d, j] * point.roots[g, d, j]
            if not problem.scalar or d == size - 1:
                gradient[o] = collected
                collected = 0.0
                o += 1
    if not problem.has_pairs:
        return
    for p in range(problem.n_pair_sets):
        for i in range(size):
            later = _in_factor(p, i, i, point, root_gradient) * point.correlation_factors[p, i, i]
            for j in range(i - 1, -1, -1):
                direct = _in_factor(p, i, j, point, root_gradient)
                remaining = point.log_gap[p, i, j]
                for m in range(j):
                    remaining += 0.5 * point.log_gap[p, i, m]
                slope = 0.5 * (math.exp(remaining) * direct - point.partial[p, i, j] * later)
                gradient[o + i * (i - 1) // 2 + j] = slope
                later += direct * point.correlation_factors[p, i, j]
        o += size * (size - 1) // 2


@compiled
def _in_factor(p: int, i: int, j: int, point: Point, root_gradient: Array) -> float:
    """Return the gradient in C_ij of set p: the sum over the groups whose root it is part of."""
    n_groups = root_gradient.shape[0]
    first, stop = (0, n_groups) if point.partial.shape[0] == 1 else (p, p + 1)
    total = 0.0
    for g in range(first, stop):
        total += point.scales[set_of(g, point.scales), i] * root_gradient[g, i, j]
    return total


@compiled
def expected_log_likelihood(
    x: Array,
    flat: Array,
    mass: Array,
    centres: Array,
    scatters: Array,
    scaled: Array,
    logs: Array,
    gradient: Array,
) -> float:
    """Return the expected complete log likelihood at x; its gradient holds for scales, pairs, eta.

    Arguments as in `bayesgmm.likelihood.compiled.fused.expected_log_posterior`.
    """
    problem = read(flat)
    point = empty_point(problem)
    sums = empty_sums(problem)
    if not unpack_whitened(x, problem, point, sums.whitening, sums.shift, sums.constant):
        return -math.inf
    value = sum_moments(mass, centres, scatters, scaled, logs, point, sums)
    pull_back_covariances(first_scale(problem), problem, point, sums, gradient)
    if problem.n_layers > 1:
        excess = point.layers[0] - 1.0
        gradient[first_of_layers(x, problem)] = excess * sums.wide_gradient[0]
    return value if math.isfinite(value) else -math.inf
