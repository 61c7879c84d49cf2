"""The fused log posterior: value and gradient on unconstrained coordinates in one pass."""

import math

from bayesgmm.likelihood.compiled.coordinates import (
    HALF_NORMAL,
    INVERSE_GAMMA,
    LOG_4,
    Point,
    Problem,
    empty_point,
    first_of_layers,
    n_normals,
    read,
    unpack_whitened,
)
from bayesgmm.likelihood.compiled.grouped import Components, sum_grouped
from bayesgmm.likelihood.compiled.kernels import sum_blocks
from bayesgmm.likelihood.compiled.layers import rows_of_parts
from bayesgmm.likelihood.compiled.loadings import add_loadings_prior
from bayesgmm.likelihood.compiled.pull_back import (
    Sums,
    empty_sums,
    pull_back_covariances,
    sum_moments,
)
from bayesgmm.likelihood.compiled.tails import nu_slope
from bayesgmm.runtime.compiling import compiled
from bayesgmm.typing import Array

__all__ = ["PRIORS", "TERMS", "expected_log_posterior", "log_posterior"]

PRIORS = ("weights", "means", "scales", "pairs", "nu", "contamination")
TERMS = ("log_likelihood", *PRIORS, "jacobian")
_N_PRIORS = len(PRIORS)
_JACOBIAN = len(TERMS) - 1


@compiled
def log_posterior(
    x: Array,
    flat: Array,
    annotated: Array | None,
    inverse_temperature: float,
    jacobian: float,
    terms: Array,
    gradient: Array,
) -> float:
    """Return the log posterior density at x, nats, every constant included.

    Parameters
    ----------
    x : array of shape (dim,)
        Unconstrained coordinates, fitting units.
    flat : array
        The problem, `bayesgmm.likelihood.compiled.coordinates.flatten`.
    annotated : array or None
        Rows that are not in it, `bayesgmm.likelihood.compiled.row_groups.flatten_parts`.
    inverse_temperature : float
        Power of the likelihood: 1 for the posterior, 0 for the prior.
    jacobian : float
        1 for the density in x; 0 for the density in (weights, means, scales, y) at x.
    terms : array of shape (8,), written
        The untempered parts named by `TERMS`; priors on their natural scale.
    gradient : array of shape (dim,), written
    """
    problem = read(flat)
    point = empty_point(problem)
    sums = empty_sums(problem)
    if not unpack_whitened(x, problem, point, sums.whitening, sums.shift, sums.constant):
        return -math.inf
    if annotated is None:
        terms[0] = sum_blocks(
            problem.blocks,
            problem.n_rows,
            sums.whitening,
            sums.shift,
            sums.constant,
            sums.mass,
            sums.first,
            sums.second,
        )
    else:
        terms[0] = _sum_annotated(problem, annotated, point, sums)
    return _finish(x, problem, point, sums, inverse_temperature, jacobian, terms, gradient)


@compiled
def _sum_annotated(problem: Problem, annotated: Array, point: Point, sums: Sums) -> float:
    """Fill the sums over all rows; return their log likelihood."""
    components = Components(
        point.seen_log_weights,
        point.seen_means,
        point.seen_factors,
        sums.whitening,
        sums.shift,
        sums.constant,
        point.nu,
    )
    return sum_grouped(
        problem.blocks,
        problem.n_rows,
        annotated,
        components,
        sums.mass,
        sums.first,
        sums.second,
        sums.scaled,
        sums.logs,
    )


@compiled
def expected_log_posterior(
    x: Array,
    flat: Array,
    mass: Array,
    centres: Array,
    scatters: Array,
    scaled: Array,
    logs: Array,
    terms: Array,
    gradient: Array,
) -> float:
    """Return the M-step's objective: expected complete log likelihood plus log prior, nats.

    Parameters
    ----------
    x, flat, terms, gradient
        As in `log_posterior`; no Jacobian.
    mass : array of shape (normal, then the noise)
        Sums of the responsibilities.
    centres : array of shape (normal, feature), fitting units
        Weighted means of the rows of each Gaussian: one a cluster, or two (`.layers`).
    scatters : array of shape (normal, feature, feature), fitting units
        Weighted sums of squares and products about those means.
    scaled, logs : arrays of shape (cluster or 0,)
        Sums of E u and E log u of components with tails (`.tails`).
    """
    problem = read(flat)
    point = empty_point(problem)
    sums = empty_sums(problem)
    if not unpack_whitened(x, problem, point, sums.whitening, sums.shift, sums.constant):
        return -math.inf
    terms[0] = sum_moments(mass, centres, scatters, scaled, logs, point, sums)
    return _finish(x, problem, point, sums, 1.0, 0.0, terms, gradient)


@compiled
def _finish(
    x: Array,
    problem: Problem,
    point: Point,
    sums: Sums,
    inverse_temperature: float,
    jacobian: float,
    terms: Array,
    gradient: Array,
) -> float:
    """Add the priors to the sums over rows and carry both back to x."""
    for i in range(_N_PRIORS):
        terms[1 + i] = problem.constants[i]
    terms[_JACOBIAN] = 0.0
    _temper(sums, inverse_temperature)
    if problem.n_layers > 1:
        rows_of_parts(sums.mass, problem.n_clusters, n_normals(problem), sums.rows)
    o = _add_weights(problem, point, sums, jacobian, terms, gradient)
    o = _add_means(o, problem, point, sums, terms, gradient)
    pull_back_covariances(o, problem, point, sums, gradient)
    o = _add_scales(o, x, problem, point, jacobian, terms, gradient)
    _add_pairs(o, problem, point, jacobian, terms, gradient)
    if problem.n_factors > 0:
        value, log_jacobian = add_loadings_prior(
            o, x, point.loadings, problem.order, problem.prior_scale, jacobian, gradient
        )
        terms[4] += value
        terms[_JACOBIAN] += log_jacobian
    o = first_of_layers(x, problem)
    _add_nu(o - problem.n_nu, problem, point, sums, jacobian, terms, gradient)
    if problem.n_layers > 1:
        _add_layers(o, x, problem, point, sums, jacobian, terms, gradient)
    value = inverse_temperature * terms[0] + jacobian * terms[_JACOBIAN]
    for i in range(_N_PRIORS):
        value += terms[1 + i]
    return value if math.isfinite(value) else -math.inf


@compiled
def _temper(sums: Sums, inverse_temperature: float) -> None:
    n_clusters, n_features = sums.first.shape
    for k in range(sums.mass.shape[0]):
        sums.mass[k] *= inverse_temperature
    for k in range(sums.scaled.shape[0]):
        sums.scaled[k] *= inverse_temperature
        sums.logs[k] *= inverse_temperature
    for k in range(n_clusters):
        for i in range(n_features):
            sums.first[k, i] *= inverse_temperature
            for j in range(n_features):
                sums.second[k, i, j] *= inverse_temperature


@compiled
def _add_weights(
    problem: Problem, point: Point, sums: Sums, jacobian: float, terms: Array, gradient: Array
) -> int:
    """Add the Dirichlet weights of K parts, whose Jacobian is K prod w.

    d log w_k / d x_j = [k = j] - [k = K] - w_j + w_K.
    """
    n_parts = problem.n_parts
    if n_parts == 1:
        return 0
    total, last = 0.0, n_parts - 1
    for k in range(n_parts):
        total += sums.rows[k] + problem.concentration[k] - 1.0 + jacobian
        terms[1] += (problem.concentration[k] - 1.0) * point.log_weights[k]
        terms[_JACOBIAN] += point.log_weights[k]
    terms[_JACOBIAN] += math.log(n_parts)
    own = sums.rows[last] + problem.concentration[last] - math.exp(point.log_weights[last]) * total
    for k in range(last):
        pull = sums.rows[k] + problem.concentration[k] - math.exp(point.log_weights[k]) * total
        gradient[k] = pull - own
    return last


@compiled
def _add_means(
    o: int, problem: Problem, point: Point, sums: Sums, terms: Array, gradient: Array
) -> int:
    """Add the Normal means: the likelihood's gradient is A' first."""
    for k in range(problem.n_clusters):
        for d in range(problem.n_features):
            s = 0.0
            for q in range(k, n_normals(problem), problem.n_clusters):
                for m in range(d, problem.n_features):
                    s += sums.whitening[q, m, d] * sums.first[q, m]
            scale = problem.mean_scale[k, d]
            z = (point.means[k, d] - problem.mean_location[k, d]) / scale
            terms[2] -= 0.5 * z * z
            gradient[o] = s - z / scale
            o += 1
    return o


@compiled
def _add_scales(
    o: int,
    x: Array,
    problem: Problem,
    point: Point,
    jacobian: float,
    terms: Array,
    gradient: Array,
) -> int:
    """Add the priors of the scales, on the log."""
    pull = 1.0
    if problem.scale_family == INVERSE_GAMMA:
        pull = _add_rate(problem, point, terms)
    for s in range(problem.n_scale_sets):
        for d in range(problem.n_features):
            if problem.scalar and d < problem.n_features - 1:
                continue
            value, slope = _scale_prior(
                x[o], point.scales[s, d], problem.prior_scale[s, d], pull, problem
            )
            terms[3] += value
            terms[_JACOBIAN] += x[o]
            gradient[o] = gradient[o] + slope + jacobian
            o += 1
    return o


@compiled
def _add_rate(problem: Problem, point: Point, terms: Array) -> float:
    """Add the rate of the precisions: -T where it is known, else what integrating it out leaves.

    With T = sum (prior_scale / s)^2 over S scales of one feature that is
    -(g + S a) log(1 + T), a the shape and g that of the rate: `bayesgmm.model.scale_priors`.
    Returns minus the derivative in T.
    """
    total = 0.0
    for s in range(problem.n_scale_sets):
        z = problem.prior_scale[s, 0] / point.scales[s, 0]
        total += z * z
    if problem.hyper_shape == 0.0:
        terms[3] -= total
        return 1.0
    shape = problem.hyper_shape + problem.n_scale_sets * problem.scale_shape
    terms[3] -= shape * math.log1p(total)
    return shape / (1.0 + total)


@compiled
def _scale_prior(
    log_scale: float, scale: float, prior_scale: float, pull: float, problem: Problem
) -> tuple[float, float]:
    """Return log p(s) less its constant and what `_add_rate` adds; its derivative in log s."""
    if problem.scale_family == HALF_NORMAL:
        z = scale / prior_scale
        return -0.5 * z * z, -z * z
    if problem.scale_family == INVERSE_GAMMA:
        z, power = prior_scale / scale, 2.0 * problem.scale_shape + 1.0
        return -power * log_scale, 2.0 * pull * z * z - power
    z = (log_scale - math.log(prior_scale)) / problem.scale_shape
    return -0.5 * z * z - log_scale, -z / problem.scale_shape - 1.0


@compiled
def _add_pairs(
    o: int, problem: Problem, point: Point, jacobian: float, terms: Array, gradient: Array
) -> None:
    """Add the priors of the partial correlations, on the log odds.

    (1 + y) / 2 ~ Beta(b, b), b = eta + (D - 2 - j) / 2.
    """
    if not problem.has_pairs:
        return
    size = problem.n_features
    for p in range(problem.n_pair_sets):
        for i in range(size):
            for j in range(i - 1, -1, -1):
                gap = point.log_gap[p, i, j]
                shape = problem.eta + 0.5 * (size - 2 - j)
                terms[4] += (shape - 1.0) * (gap - LOG_4)
                terms[_JACOBIAN] += gap - LOG_4
                pull = (shape - 1.0 + jacobian) * point.partial[p, i, j]
                gradient[o + i * (i - 1) // 2 + j] -= pull
        o += size * (size - 1) // 2


@compiled
def _add_nu(
    o: int,
    problem: Problem,
    point: Point,
    sums: Sums,
    jacobian: float,
    terms: Array,
    gradient: Array,
) -> None:
    """Add the Gamma prior of degrees of freedom above 1, on log(nu - 1), and their likelihood."""
    for s in range(problem.n_nu):
        nu, slope = point.nu[s], 0.0
        for k in range(s, problem.n_tails if problem.n_nu == 1 else s + 1):
            slope += nu_slope(nu, sums.mass[k], sums.scaled[k], sums.logs[k])
        terms[5] += (problem.nu_shape - 1.0) * math.log(nu) - problem.nu_rate * nu
        terms[_JACOBIAN] += math.log(nu - 1.0)
        slope += (problem.nu_shape - 1.0) / nu - problem.nu_rate
        gradient[o + s] = (nu - 1.0) * slope + jacobian


@compiled
def _add_layers(
    o: int,
    x: Array,
    problem: Problem,
    point: Point,
    sums: Sums,
    jacobian: float,
    terms: Array,
    gradient: Array,
) -> None:
    """Add the priors of contamination, and what the likelihood says of it.

    log(eta - 1) is Normal and a uniform, whose log odds have the Jacobian 2 (a - 1/2) (1 - a).
    """
    n_clusters, excess = problem.n_clusters, point.layers[0] - 1.0
    z = (x[o] - problem.excess_location) / problem.excess_sigma
    terms[6] -= 0.5 * z * z + x[o]
    gradient[o] = excess * sums.wide_gradient[0] - z / problem.excess_sigma - 1.0 + jacobian
    good, others = 0.0, 0.0
    for k in range(n_clusters):
        good += sums.mass[k]
        others += sums.mass[n_clusters + k]
    a, rest = math.exp(point.layers[1]), math.exp(point.layers[2])
    slope = 2.0 * (a - 0.5) * rest
    gradient[o + 1] = slope * good / a - 2.0 * (a - 0.5) * others
    gradient[o + 1] += jacobian * (2.0 * rest - 2.0 * (a - 0.5))
    odds = abs(x[o + 1])
    terms[_JACOBIAN] += x[o] - math.log(2.0) - odds - 2.0 * math.log1p(math.exp(-odds))
