"""Compiled Gibbs sweeps of a mixture given its first rows: labels, weights, means, then scales.

With labels drawn, and the complete rows behind annotated ones (`.augmentation`), the posterior
factorises: weights are Dirichlet, means Normal, and scales with correlations depend on the rows
only through each cluster's sums, so that their Hamiltonian moves are free of n. Given the labels
each cluster's information is known, hence its metric: an empty cluster moves on the scale of the
prior and a full one on its own, with nothing to tune but one step size, and the symmetry of the
labels is left alone.

References
----------
Diebolt and Robert (1994), JRSS B 56:363 (the Gibbs sampler of a mixture).
Neal (2011), Handbook of Markov Chain Monte Carlo, chapter 5 (Hamiltonian moves).
"""

import math

import numpy as np

from bayesgmm.likelihood.compiled.augmentation import add_completed_draws
from bayesgmm.likelihood.compiled.coordinates import (
    Point,
    Problem,
    empty_point,
    first_mean,
    first_of_layers,
    first_scale,
    n_normals,
    read,
    unpack_whitened,
)
from bayesgmm.likelihood.compiled.fused import TERMS, expected_log_posterior
from bayesgmm.likelihood.compiled.grouped import Components
from bayesgmm.likelihood.compiled.information import inverse_root_information
from bayesgmm.likelihood.compiled.kernels import BLOCK, row_log_likelihoods
from bayesgmm.likelihood.compiled.labels import as_gaps, sum_labelled
from bayesgmm.likelihood.compiled.layers import rows_of_parts
from bayesgmm.likelihood.compiled.shared_density import density_at
from bayesgmm.likelihood.compiled.vectors import copy_into, inner
from bayesgmm.likelihood.compiled.whitening import cholesky, solve_lower, solve_transposed
from bayesgmm.runtime.compiling import compiled
from bayesgmm.typing import Array

__all__ = ["log_densities", "sweep_chains", "window_log_likelihoods"]

_N_TERMS = len(TERMS)


@compiled
def log_densities(
    points: Array, density: int, flat: Array, annotated: Array | None, out: Array
) -> None:
    """Write the log posterior density in x at points (point, dim), nats, fitting units.

    Other arguments as in `bayesgmm.likelihood.compiled.shared_density.density_at`.
    """
    terms, gradient = np.empty(_N_TERMS), np.empty(points.shape[1])
    for p in range(points.shape[0]):
        out[p] = density_at(density, points[p], flat, annotated, 1.0, 1.0, terms, gradient)


@compiled
def window_log_likelihoods(particles: Array, flat: Array, first: int, out: Array) -> None:
    """Write log p(x_i) of each particle for the rows from `first`, nats, fitting units.

    Parameters
    ----------
    particles : array of shape (particle, dim)
    flat : array
        The problem with all rows, `coordinates.flatten`.
    first : int
        The first row of the window.
    out : array of shape (particle, window), written
    """
    problem = read(flat)
    point = empty_point(problem)
    whitening, shift, constant = _empty_components(problem)
    block, end = first // BLOCK, first + out.shape[1]
    rows = np.empty(end - block * BLOCK)
    blocks = problem.blocks[block : (end + BLOCK - 1) // BLOCK]
    for p in range(particles.shape[0]):
        if unpack_whitened(particles[p], problem, point, whitening, shift, constant):
            row_log_likelihoods(blocks, whitening, shift, constant, rows)
            copy_into(out[p], rows[first - block * BLOCK :])
        else:
            out[p] = -math.inf


@compiled
def sweep_chains(
    states: Array,
    flat: Array,
    annotated: Array | None,
    step: float,
    max_steps: int,
    seed: int,
    acceptance: Array,
) -> None:
    """Run chains that leave the posterior given the rows of `flat`, and keep every state.

    Parameters
    ----------
    states : array of shape (chain, state, dim), written but for `states[:, 0]`
        Unconstrained coordinates, fitting units.
    flat : array
        The problem, `coordinates.flatten`; its number of rows may have been
        lowered, and the rows after are then not seen.
    annotated : array or None
        Rows that are not in it, `bayesgmm.likelihood.compiled.row_groups.flatten_parts`; weights
        are whole numbers.
    step : float
        Median step size of the Hamiltonian moves of scales and correlations; it is jittered.
    max_steps : int
        The number of steps of a trajectory is uniform on 1 .. max_steps.
    seed : int
        Seed of the thread's generator, so that the result depends on no other call.
    acceptance : array of shape (chain,), written
        Mean acceptance probability of the Hamiltonian moves of each chain.
    """
    np.random.seed(seed)  # noqa: NPY002 (the compiled thread's own)
    problem = read(flat)
    point = empty_point(problem)
    whitening, shift, constant = _empty_components(problem)
    mass = np.zeros(point.seen_log_weights.shape[0])
    centres, scatters, left = np.empty_like(shift), np.empty_like(whitening), np.zeros_like(mass)
    scaled, logs = np.zeros(problem.n_tails), np.zeros(problem.n_tails)
    n_sweeps = states.shape[1] - 1
    for c in range(states.shape[0]):
        acceptance[c] = 0.0
        for s in range(n_sweeps):
            x = states[c, s + 1]
            copy_into(x, states[c, s])
            if not unpack_whitened(x, problem, point, whitening, shift, constant):
                continue
            sum_labelled(
                problem.blocks,
                problem.n_rows,
                whitening,
                shift,
                constant,
                mass,
                centres,
                scatters,
            )
            as_gaps(point.seen_factors, centres, scatters)
            if annotated is not None and not _add_annotated(
                annotated,
                point,
                whitening,
                shift,
                constant,
                mass,
                centres,
                scatters,
                scaled,
                logs,
                left,
            ):
                continue
            entered = mass if problem.n_tails == 0 else scaled
            _centre(point.seen_means, entered, centres, scatters)
            _draw_weights(mass + left, problem, x)
            _draw_means(entered, centres, whitening, problem, x)
            moved, probability = _move_scales(
                x, mass, centres, scatters, scaled, logs, step, max_steps, flat, problem
            )
            copy_into(x, moved)
            acceptance[c] += probability / n_sweeps


@compiled
def _empty_components(problem: Problem) -> tuple[Array, Array, Array]:
    n_seen, n_features = n_normals(problem), problem.n_features
    return (
        np.empty((n_seen, n_features, n_features)),
        np.empty((n_seen, n_features)),
        np.empty(n_seen),
    )


@compiled
def _add_annotated(
    annotated: Array,
    point: Point,
    whitening: Array,
    shift: Array,
    constant: Array,
    mass: Array,
    centres: Array,
    scatters: Array,
    scaled: Array,
    logs: Array,
    left: Array,
) -> bool:
    """Add annotated rows to the sums; False where a component is singular as a group sees it."""
    components = Components(
        point.seen_log_weights,
        point.seen_means,
        point.seen_factors,
        whitening,
        shift,
        constant,
        point.nu,
    )
    left[:], scaled[:], logs[:] = 0.0, 0.0, 0.0
    return add_completed_draws(annotated, components, mass, centres, scatters, scaled, logs, left)


@compiled
def _centre(means: Array, mass: Array, centres: Array, scatters: Array) -> None:
    """Turn sums about the present means into the clusters' means and scatters about those.

    `mass` is that with which rows entered the sums.
    """
    n_clusters, n_features = means.shape
    for k in range(n_clusters):
        for d in range(n_features):
            centres[k, d] /= mass[k] if mass[k] > 0.0 else 1.0
            for e in range(d + 1):
                scatters[k, d, e] -= mass[k] * centres[k, d] * centres[k, e]
                scatters[k, e, d] = scatters[k, d, e]
        centres[k] += means[k]


@compiled
def _draw_weights(mass: Array, problem: Problem, x: Array) -> None:
    """Draw w ~ Dirichlet(concentration + rows), on the log: small shapes would underflow."""
    n_parts = problem.n_parts
    log_gamma, rows = np.empty(n_parts), np.empty(n_parts)
    rows_of_parts(mass, problem.n_clusters, n_normals(problem), rows)
    for k in range(n_parts):
        shape = problem.concentration[k] + rows[k]
        boost = math.log(1.0 - np.random.random()) / shape  # noqa: NPY002
        log_gamma[k] = math.log(np.random.standard_gamma(shape + 1.0)) + boost  # noqa: NPY002
    mean = log_gamma.mean()
    for k in range(n_parts - 1):
        x[k] = log_gamma[k] - mean


@compiled
def _draw_means(
    mass: Array,
    centres: Array,
    whitening: Array,
    problem: Problem,
    x: Array,
) -> None:
    """Draw each mean from its Normal given labels and covariances.

    The precision is n_k whitening' whitening + P, P the prior's and n_k what entered the sums; of
    a cluster of two Gaussians about one mean, the sum of both.
    """
    size = problem.n_features
    precision, factor = np.empty((size, size)), np.empty((size, size))
    within, solved = np.empty((size, size)), np.empty(size)
    for k in range(problem.n_clusters):
        for i in range(size):
            prior = 1.0 / (problem.mean_scale[k, i] * problem.mean_scale[k, i])
            solved[i] = prior * problem.mean_location[k, i]
            precision[i] = 0.0
        for q in range(k, n_normals(problem), problem.n_clusters):
            for i in range(size):
                for j in range(i + 1):
                    s = 0.0
                    for m in range(i, size):
                        s += whitening[q, m, i] * whitening[q, m, j]
                    within[i, j] = mass[q] * s
                    within[j, i] = within[i, j]
            for i in range(size):
                for j in range(size):
                    solved[i] += within[i, j] * centres[q, j]
                    precision[i, j] += within[i, j]
        for i in range(size):
            precision[i, i] += 1.0 / (problem.mean_scale[k, i] * problem.mean_scale[k, i])
        if not cholesky(precision, factor):
            continue
        solve_lower(factor, solved)
        for i in range(size):
            solved[i] += np.random.normal()  # noqa: NPY002
        solve_transposed(factor, solved)
        start = first_mean(problem) + k * size
        copy_into(x[start : start + size], solved)


@compiled
def _move_scales(
    x: Array,
    mass: Array,
    centres: Array,
    scatters: Array,
    scaled: Array,
    logs: Array,
    step: float,
    max_steps: int,
    flat: Array,
    problem: Problem,
) -> tuple[Array, float]:
    """Move scales, correlations and degrees of freedom along a trajectory given the clusters' sums.

    Returns the new point and the acceptance probability.
    """
    start = first_scale(problem)
    scale = inverse_root_information(mass, problem, x.shape[0] - start)
    terms, gradient = np.empty(_N_TERMS), np.empty(x.shape[0])
    new, momentum = x.copy(), np.empty(scale.shape[0])
    value = _conditional(new, flat, mass, centres, scatters, scaled, logs, problem, terms, gradient)
    change = -value
    for i in range(momentum.shape[0]):
        momentum[i] = np.random.normal()  # noqa: NPY002
        change += 0.5 * momentum[i] * momentum[i]
    length = step * math.exp(0.2 * np.random.normal())  # noqa: NPY002
    for _ in range(1 + int(max_steps * np.random.random())):  # noqa: NPY002
        for i in range(scale.shape[0]):
            momentum[i] += 0.5 * length * scale[i] * gradient[start + i]
            new[start + i] += length * scale[i] * momentum[i]
        value = _conditional(
            new, flat, mass, centres, scatters, scaled, logs, problem, terms, gradient
        )
        if not math.isfinite(value):
            return x, 0.0
        for i in range(scale.shape[0]):
            momentum[i] += 0.5 * length * scale[i] * gradient[start + i]
    change += value - 0.5 * inner(momentum, momentum)
    probability = math.exp(min(0.0, change)) if math.isfinite(change) else 0.0
    return (new if np.random.random() < probability else x), probability  # noqa: NPY002


@compiled
def _conditional(
    x: Array,
    flat: Array,
    mass: Array,
    centres: Array,
    scatters: Array,
    scaled: Array,
    logs: Array,
    problem: Problem,
    terms: Array,
    gradient: Array,
) -> float:
    """Return the log density of x given the labels; the gradient holds from the scales on.

    It is the M-step's objective with the Jacobian of scales (x = log s), pairs (log odds) or
    diagonal loadings (log),
    degrees of freedom (x = log(nu - 1)) and contamination (log(eta - 1) and log odds).
    """
    value = expected_log_posterior(x, flat, mass, centres, scatters, scaled, logs, terms, gradient)
    o = first_scale(problem)
    for _ in range(problem.n_scale_sets * (1 if problem.scalar else problem.n_features)):
        value += x[o]
        gradient[o] += 1.0
        o += 1
    last = first_of_layers(x, problem)
    end = last - problem.n_nu
    for i in range(o, o + problem.n_pair_sets * problem.n_factors):
        value += x[i]
        gradient[i] += 1.0
    o = o if problem.n_factors == 0 else end  # other loadings are their own coordinates
    for i in range(end, last):
        value += x[i]
        gradient[i] += 1.0
    for i in range(o, end):
        value += _add_odds(x, i, gradient)
    if last < x.shape[0]:
        value += x[last] + _add_odds(x, last + 1, gradient)
        gradient[last] += 1.0
    return value


@compiled
def _add_odds(x: Array, i: int, gradient: Array) -> float:
    """Add the slope of the Jacobian of log odds; return that, less its constant."""
    gradient[i] -= math.tanh(0.5 * x[i])
    return -abs(x[i]) - 2.0 * math.log1p(math.exp(-abs(x[i])))
