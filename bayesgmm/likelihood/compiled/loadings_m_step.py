"""The M-step of factor-analytic components.

Given loadings Lambda and unique variances psi of a component, its rows' factors have the regression
beta = (I + Lambda' Psi^-1 Lambda)^-1 Lambda' Psi^-1 on the rows and the second moment
Theta = I - beta Lambda + beta S beta', S being the rows' scatter over their number. The expected
log likelihood of rows and factors is a regression in which loadings, then unique variances have
closed forms, own, shared by the components, or shared by the features. Such rounds need the
scatters alone, never the rows: a step goes through several, and never falls.

Where a unique variance is best near 0 these rounds creep towards it, and stand still once there. So
a step begins with the maxima of the likelihood itself. A component's own loadings, given Psi, are
Psi^1/2 V (theta - 1)^1/2, theta the largest eigenvalues of Psi^-1/2 S Psi^-1/2 and V their vectors.
Given all else, a change d of a unique variance that is a component's and a feature's own adds
log(1 + d u) - d v / (1 + d u) to log |Sigma| + tr(Sigma^-1 S), least at d = (v - u) / u^2, with u
and v the feature's diagonal entries of Sigma^-1 and Sigma^-1 S Sigma^-1.

References
----------
Rubin and Thayer (1982), Psychometrika 47:69. McNicholas and Murphy (2008), Statistics and Computing
18:285 (what components share; the alternating expectation-conditional maximisation). Joreskog
(1967), Psychometrika 32:443 (loadings). Zhao, Yu and Jiang (2008), Statistics and Computing 18:109
(unique variances one by one).
"""

import math

import numpy as np

from bayesgmm.likelihood.compiled.coordinates import read
from bayesgmm.likelihood.compiled.layers import rows_of_parts
from bayesgmm.likelihood.compiled.m_step import EMPTY, write_component
from bayesgmm.likelihood.compiled.points import write_factor
from bayesgmm.likelihood.compiled.tails import maximise_tails
from bayesgmm.likelihood.compiled.vectors import all_finite
from bayesgmm.likelihood.compiled.whitening import cholesky
from bayesgmm.runtime.compiling import compiled
from bayesgmm.typing import Array

__all__ = ["maximise_loadings", "rebuild"]

_ROUNDS, _SETTLED = 30, 1e-4
_LEAST = 1e-300  # rows of the noise: the logarithm of its weight stays finite
_LEAST_UNIQUE = 1e-8  # of a variance of the data: where a factor takes a feature as its own, EM
# would creep towards 0 for ever
_RIDGE = 1e-14  # of a trace: a factor that nothing loads on is no division by 0
_LARGEST = 300.0  # of a log variance


@compiled
def _round(
    mass: Array,
    scatters: Array,
    shared: tuple[bool, bool, bool],
    error: Array,
    loadings: Array,
    unique: Array,
) -> float:
    """Go through one round; return the largest change of the log of a unique variance.

    Parameters
    ----------
    mass : array of shape (cluster,)
    scatters : array of shape (cluster, feature, feature)
        Over the number of rows.
    shared : three bool
        Whether clusters share their loadings and their unique variances, and features these.
    error : array of shape (feature,)
        Deviation of the recording error.
    loadings : array of shape (cluster, feature, factor), written
    unique : array of shape (cluster, feature), written
        Unique variances, recording error included.
    """
    n_clusters, n_features, n_factors = loadings.shape
    cross = np.empty((n_clusters, n_features, n_factors))
    moments = np.empty((n_clusters, n_factors, n_factors))
    for k in range(n_clusters):
        scaled = loadings[k] / unique[k].reshape((n_features, 1))
        inverse = np.linalg.inv(np.eye(n_factors) + loadings[k].T @ scaled)
        regression = scaled @ inverse
        cross[k] = scatters[k] @ regression
        moments[k] = inverse + regression.T @ cross[k]
    if shared[0]:
        _share_loadings(mass, unique, cross, moments, loadings)
    else:
        for k in range(n_clusters):
            left = moments[k] + _RIDGE * np.trace(moments[k]) * np.eye(n_factors)
            loadings[k] = np.linalg.solve(left, np.ascontiguousarray(cross[k].T)).T
    return _write_unique(mass, scatters, shared, error, cross, moments, loadings, unique)


@compiled
def _most_likely(scatter: Array, unique: Array, loadings: Array) -> None:
    """Write the most likely loadings of one component, its unique variances given.

    Parameters
    ----------
    scatter : array of shape (feature, feature)
        Over the number of rows.
    unique : array of shape (feature,)
    loadings : array of shape (feature, factor), written
    """
    n_features, n_factors = loadings.shape
    root, scaled = np.sqrt(unique), np.empty_like(scatter)
    for i in range(n_features):
        for j in range(n_features):
            scaled[i, j] = scatter[i, j] / (root[i] * root[j])
    sizes, axes = np.linalg.eigh(scaled)
    for j in range(n_factors):
        last = n_features - 1 - j
        loadings[:, j] = root * axes[:, last] * math.sqrt(max(sizes[last] - 1.0, 0.0))


@compiled
def _one_by_one(scatter: Array, error: Array, loadings: Array, unique: Array) -> None:
    """Write the unique variance of each feature in turn, of one component.

    Parameters
    ----------
    scatter : array of shape (feature, feature)
        Over the number of rows.
    error : array of shape (feature,)
    loadings : array of shape (feature, factor)
    unique : array of shape (feature,), written
    """
    n_features = unique.shape[0]
    inverse = np.linalg.inv(loadings @ loadings.T + np.diag(unique))
    both = inverse @ scatter @ inverse
    for d in range(n_features):
        u, v = inverse[d, d], both[d, d]
        if not (math.isfinite(u) and math.isfinite(v) and u > 0.0):
            return
        value = max(unique[d] + (v - u) / (u * u), error[d] * error[d], _LEAST_UNIQUE)
        change = value - unique[d]
        factor = change / (1.0 + change * u)
        column, other = inverse[:, d].copy(), both[:, d].copy()
        for i in range(n_features):
            for j in range(n_features):
                inverse[i, j] -= factor * column[i] * column[j]
                both[i, j] -= factor * (column[i] * other[j] + other[i] * column[j])
                both[i, j] += factor * factor * v * column[i] * column[j]
        unique[d] = value


@compiled
def _share_loadings(
    mass: Array, unique: Array, cross: Array, moments: Array, loadings: Array
) -> None:
    """Write the loadings of all clusters: a weighted regression for each feature."""
    n_clusters, n_features, n_factors = loadings.shape
    for d in range(n_features):
        left, right = np.zeros((n_factors, n_factors)), np.zeros(n_factors)
        for k in range(n_clusters):
            weight = mass[k] / unique[k, d]
            left += weight * moments[k]
            right += weight * cross[k, d]
        left += _RIDGE * np.trace(left) * np.eye(n_factors)
        loadings[:, d] = np.linalg.solve(left, right)


@compiled
def _write_unique(
    mass: Array,
    scatters: Array,
    shared: tuple[bool, bool, bool],
    error: Array,
    cross: Array,
    moments: Array,
    loadings: Array,
    unique: Array,
) -> float:
    n_clusters, n_features, n_factors = loadings.shape
    fresh, total = np.empty_like(unique), mass.sum()
    for k in range(n_clusters):
        for d in range(n_features):
            left = scatters[k, d, d]
            for i in range(n_factors):
                explained = -2.0 * cross[k, d, i]
                for j in range(n_factors):
                    explained += moments[k, i, j] * loadings[k, d, j]
                left += loadings[k, d, i] * explained
            fresh[k, d] = left
    if shared[1]:
        for d in range(n_features):
            fresh[:, d] = (mass * fresh[:, d]).sum() / total
    if shared[2]:
        for k in range(n_clusters):
            fresh[k] = fresh[k].mean()
    moved = 0.0
    for k in range(n_clusters):
        for d in range(n_features):
            value = max(fresh[k, d], error[d] * error[d], _LEAST_UNIQUE)
            moved = max(moved, abs(math.log(value / unique[k, d])))
            unique[k, d] = value
    return moved


@compiled
def _write_covariance(loadings: Array, unique: Array, out: Array) -> None:
    """Write Lambda Lambda' + diag(psi)."""
    out[:] = loadings @ loadings.T
    for d in range(unique.shape[0]):
        out[d, d] += unique[d]


@compiled
def maximise_loadings(
    point: Array,
    flat: Array,
    n_factors: int,
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

    Arguments are those of `bayesgmm.likelihood.compiled.m_step.maximise`; a point ends with the
    loadings (cluster, feature, factor) and the logs of the unique variances (cluster, feature).
    """
    problem = read(flat)
    n_clusters, n_features = problem.n_clusters, problem.n_features
    rows = np.empty(problem.n_parts)
    rows_of_parts(mass, n_clusters, n_clusters, rows)
    for k in range(n_clusters):
        if not rows[k] > EMPTY:
            return k
    end = point.shape[0] - n_clusters * n_features * (n_factors + 1)
    loadings, unique = _state(point, n_clusters, n_features, n_factors)
    shares = np.empty_like(scatters)
    for k in range(n_clusters):
        shares[k] = scatters[k] / mass[k]
        for d in range(n_features):
            shares[k, d, d] += ridge
    shared = (problem.n_pair_sets == 1, problem.n_scale_sets == 1, problem.scalar)
    if not (all_finite(shares) and all_finite(loadings)):
        return int(np.argmin(rows[:n_clusters]))
    for k in range(n_clusters):
        if not shared[0]:
            _most_likely(shares[k], unique[k], loadings[k])
        if not shared[1] and not shared[2]:
            _one_by_one(shares[k], problem.resolution, loadings[k], unique[k])
    for _ in range(_ROUNDS):
        if _round(rows, shares, shared, problem.resolution, loadings, unique) < _SETTLED:
            break
    after = n_clusters * (1 + n_features + n_features * n_features)
    log_total = math.log(mass.sum())
    for k in range(n_clusters, problem.n_parts):
        out[after] = math.log(max(rows[k], _LEAST)) - log_total
    tail = out[after + problem.n_parts - n_clusters : end]
    maximise_tails(mass, scaled, logs, problem.nu, problem.n_nu, tail)
    out[end:] = np.concatenate((loadings.ravel(), np.log(unique).ravel()))
    covariance, factor = np.empty((n_features, n_features)), np.empty((n_features, n_features))
    for k in range(n_clusters):
        out[k] = math.log(rows[k]) - log_total
        _write_covariance(loadings[k], unique[k], covariance)
        if not write_component(k, centres, covariance, floor, factor, out):
            return k
    return -1


@compiled
def _state(point: Array, n_clusters: int, n_features: int, n_factors: int) -> tuple[Array, Array]:
    """Return copies of the loadings and the unique variances at the end of a point."""
    end = point.shape[0] - n_clusters * n_features
    start = end - n_clusters * n_features * n_factors
    loadings = point[start:end].copy().reshape((n_clusters, n_features, n_factors))
    unique = np.exp(np.minimum(np.maximum(point[end:], -_LARGEST), _LARGEST))
    return loadings, unique.reshape((n_clusters, n_features))


@compiled
def rebuild(point: Array, n_clusters: int, n_features: int, n_factors: int, error: Array) -> None:
    """Write the covariances of a point, in place, that its loadings and unique variances make.

    Unique variances are raised to the square of the recording error.
    """
    loadings, unique = _state(point, n_clusters, n_features, n_factors)
    covariance, factor = np.empty((n_features, n_features)), np.empty((n_features, n_features))
    end, o = point.shape[0] - n_clusters * n_features, n_clusters * (1 + n_features)
    for k in range(n_clusters):
        for d in range(n_features):
            unique[k, d] = max(unique[k, d], error[d] * error[d], _LEAST_UNIQUE)
        _write_covariance(loadings[k], unique[k], covariance)
        if cholesky(covariance, factor):
            write_factor(factor, point, o + k * n_features * n_features)
    point[end:] = np.log(unique).ravel()
