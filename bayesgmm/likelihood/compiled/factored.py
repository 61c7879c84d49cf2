"""The M-step of Sigma_k = lambda_k D_k A_k D_k': volumes, shapes and axes, own or shared.

lambda_k is the volume, A_k the shape (diagonal, with determinant 1), D_k the axes. With W_k the
scatter of component k about its mean, n_k its mass and h_kj = (D_k' W_k D_k)_jj, the covariances
maximise

    -1/2 sum_k [ n_k log det Sigma_k + sum_j h_kj / (lambda_k a_kj) ].

Given the axes, volumes and shapes follow in closed form, or by a convex problem in their logs.
Given volumes and shapes that differ by component, shared axes are turned plane by plane: in the
plane of axes i and j the objective is A cos 2t + B sin 2t in the angle t, so that a turn is exact.

References
----------
Celeux and Govaert (1995), Pattern Recognition 28:781. Flury and Gautschi (1986), SIAM Journal on
Scientific and Statistical Computing 7:169 (planar turns). Browne and McNicholas (2014), Statistics
and Computing 24:203 (another step for shared axes).
"""

import math

import numpy as np

from bayesgmm.likelihood.compiled.m_step import EMPTY, write_component
from bayesgmm.likelihood.compiled.points import read_covariances, write_factor
from bayesgmm.likelihood.compiled.vectors import largest_of
from bayesgmm.likelihood.compiled.whitening import cholesky
from bayesgmm.runtime.compiling import compiled
from bayesgmm.typing import Array

__all__ = ["Codes", "codes_of", "factored", "maximise_factored", "move_into"]

_ALONG_FEATURES, _SHARED_AXES, _OWN_AXES = 0, 1, 2
_AXES = {"none": _ALONG_FEATURES, "shared": _SHARED_AXES, "own": _OWN_AXES}
_ROUNDS, _SETTLED = 100, 1e-12
_LEFT = 0.02
_TURNS, _SHAPE_STEPS, _SWEEPS = 20, 500, 30

type Codes = tuple[bool, bool, int]


def codes_of(volumes: str, shapes: str, axes: str) -> Codes:
    """Return what compiled code takes for the factors of a structure, each own, shared or none.

    Examples
    --------
    >>> codes_of("own", "shared", "none")
    (True, False, 0)
    """
    return volumes == "own", shapes == "own", _AXES[axes]


@compiled
def _spread(h: Array, mass: Array, own_volumes: bool, own_shapes: bool, out: Array) -> None:
    """Write lambda_k a_kj, the variances along the axes, from the scatters h along them."""
    n_clusters, n_features = h.shape
    total, volume = 0.0, 0.0
    for k in range(n_clusters):
        logs = 0.0
        for j in range(n_features):
            logs += math.log(h[k, j])
        mean = math.exp(logs / n_features)
        total += mass[k]
        volume += mean
        for j in range(n_features):
            out[k, j] = h[k, j] / (mass[k] if own_volumes else mean)
    if own_shapes and not own_volumes:
        for k in range(n_clusters):
            for j in range(n_features):
                out[k, j] *= volume / total
    elif not own_shapes and not own_volumes:
        for j in range(n_features):
            pooled = 0.0
            for k in range(n_clusters):
                pooled += h[k, j]
            for k in range(n_clusters):
                out[k, j] = pooled / total
    elif not own_shapes:
        _one_shape(h, mass, out)


@compiled
def _one_shape(h: Array, mass: Array, out: Array) -> None:
    """Write lambda_k a_j: shape given volumes and volumes given shape, until they stay."""
    n_clusters, n_features = h.shape
    volume, shape = np.ones(n_clusters), np.empty(n_features)
    for _ in range(_SHAPE_STEPS):
        logs = 0.0
        for j in range(n_features):
            shape[j] = 0.0
            for k in range(n_clusters):
                shape[j] += h[k, j] / volume[k]
            logs += math.log(shape[j])
        mean, moved = math.exp(logs / n_features), 0.0
        for k in range(n_clusters):
            new = 0.0
            for j in range(n_features):
                new += h[k, j] * mean / (shape[j] * mass[k] * n_features)
            moved = max(moved, abs(new / volume[k] - 1.0))
            volume[k] = new
        if moved < _SETTLED:
            break
    for k in range(n_clusters):
        for j in range(n_features):
            out[k, j] = volume[k] * shape[j] / mean


@compiled
def _rotate(one: Array, other: Array, cosine: float, sine: float) -> None:
    """Turn two vectors in their plane, in place."""
    for m in range(one.shape[0]):
        first, second = one[m], other[m]
        one[m] = cosine * first + sine * second
        other[m] = cosine * second - sine * first


@compiled
def _principal_axes(matrix: Array, axes: Array) -> None:
    """Write the eigenvectors of a symmetric matrix, which is overwritten, by rising eigenvalue."""
    size = matrix.shape[0]
    for i in range(size):
        for j in range(size):
            axes[i, j] = 1.0 if i == j else 0.0
    for _ in range(_SWEEPS):
        off, on = 0.0, 0.0
        for i in range(size):
            on += matrix[i, i] * matrix[i, i]
            for j in range(i + 1, size):
                off += matrix[i, j] * matrix[i, j]
                if matrix[i, j] == 0.0:
                    continue
                angle = 0.5 * math.atan2(2.0 * matrix[i, j], matrix[i, i] - matrix[j, j])
                cosine, sine = math.cos(angle), math.sin(angle)
                _rotate(matrix[:, i], matrix[:, j], cosine, sine)
                _rotate(axes[:, i], axes[:, j], cosine, sine)
                _rotate(matrix[i], matrix[j], cosine, sine)
        if not off > 1e-32 * on:
            break
    for i in range(size):
        least = i
        for j in range(i + 1, size):
            if matrix[j, j] < matrix[least, least]:
                least = j
        matrix[i, i], matrix[least, least] = matrix[least, least], matrix[i, i]
        for m in range(size):
            axes[m, i], axes[m, least] = axes[m, least], axes[m, i]


@compiled
def _turn(inner: Array, axes: Array, variances: Array) -> float:
    """Turn shared axes in every plane once, with the scatters along them; return what is gained.

    Parameters
    ----------
    inner : array of shape (cluster, feature, feature), written
        The scatters in the axes.
    axes : array of shape (feature, feature), written
    variances : array of shape (cluster, feature)
    """
    gained, size = 0.0, axes.shape[0]
    for i in range(size - 1):
        for j in range(i + 1, size):
            a, b = 0.0, 0.0
            for k in range(inner.shape[0]):
                c = 1.0 / variances[k, i] - 1.0 / variances[k, j]
                a += 0.5 * c * (inner[k, i, i] - inner[k, j, j])
                b += c * inner[k, i, j]
            gain = a + math.hypot(a, b)
            if not gain > 0.0:
                continue
            gained += gain
            angle = 0.5 * math.atan2(-b, -a)
            cosine, sine = math.cos(angle), math.sin(angle)
            _rotate(axes[:, i], axes[:, j], cosine, sine)
            for k in range(inner.shape[0]):
                _rotate(inner[k, :, i], inner[k, :, j], cosine, sine)
                _rotate(inner[k, i], inner[k, j], cosine, sine)
    return gained


@compiled
def _along(scatters: Array, axes: Array, inner: Array, h: Array) -> float:
    """Write the scatters in the axes, and those along each of them; return the smallest."""
    size, least = axes.shape[1], math.inf
    half = np.empty((size, size))
    for k in range(scatters.shape[0]):
        s = min(k, axes.shape[0] - 1)
        for i in range(size):
            for j in range(size):
                half[i, j] = 0.0
                for m in range(size):
                    half[i, j] += scatters[k, i, m] * axes[s, m, j]
        for i in range(size):
            for j in range(size):
                inner[k, i, j] = 0.0
                for m in range(size):
                    inner[k, i, j] += axes[s, m, i] * half[m, j]
            h[k, i] = inner[k, i, i]
            least = min(least, h[k, i])
    return least


@compiled
def _begin(
    scatters: Array, covariances: Array, axes_kind: int, sources: Array, axes: Array
) -> None:
    """Write the matrices whose principal axes are the first ones, or the axes of the features."""
    n_clusters, size = scatters.shape[0], scatters.shape[1]
    for k in range(n_clusters):
        trace = 0.0
        for i in range(size):
            trace += covariances[k, i, i]
        for i in range(size):
            for j in range(size):
                if axes_kind == _OWN_AXES:
                    sources[k, i, j] = scatters[k, i, j]
                elif axes_kind == _SHARED_AXES:
                    sources[0, i, j] += covariances[k, i, j] / ((k + 1.0) * trace)
                elif i == j:
                    axes[0, i, i] = 1.0


@compiled
def factored(
    scatters: Array,
    mass: Array,
    covariances: Array,
    own_volumes: bool,
    own_shapes: bool,
    axes_kind: int,
    left: float,
) -> bool:
    """Write the covariances of a structure that maximise the expected log likelihood.

    Parameters
    ----------
    scatters : array of shape (cluster, feature, feature)
        About the components' means.
    mass : array of shape (cluster,)
    covariances : array of shape (cluster, feature, feature), written
        The present ones, whose shared axes the search for better ones begins with.
    own_volumes, own_shapes : bool
    axes_kind : int
        Axes along the features, shared, or each component's own.
    left : float
        The search for shared axes ends when a round gains no more than this share of what all have
        gained. A step of EM leaves the rest to the next one.

    Returns
    -------
    bool
        False where a scatter is singular.
    """
    n_clusters, size = scatters.shape[0], scatters.shape[1]
    n_sets = n_clusters if axes_kind == _OWN_AXES else 1
    axes, sources = np.zeros((n_sets, size, size)), np.zeros((n_sets, size, size))
    _begin(scatters, covariances, axes_kind, sources, axes)
    inner, h = np.empty_like(scatters), np.empty((n_clusters, size))
    variances = np.empty_like(h)
    found, last, enough = axes_kind == _ALONG_FEATURES, -math.inf, 0.0
    begun = math.inf
    for k in range(n_clusters):
        enough += _SETTLED * mass[k]
    for _ in range(_ROUNDS):
        if not found:
            for s in range(n_sets):
                _principal_axes(sources[s], axes[s])
        if not _along(scatters, axes, inner, h) > 0.0:
            return False
        _spread(h, mass, own_volumes, own_shapes, variances)
        if axes_kind != _SHARED_AXES:
            break
        value = 0.0
        for k in range(n_clusters):
            for j in range(size):
                value -= mass[k] * math.log(variances[k, j]) + h[k, j] / variances[k, j]
        begun = min(begun, value)
        if value - last <= max(enough, left * (value - begun)):
            break
        last, found = value, own_shapes
        if own_shapes:
            turned = 0.0
            for _ in range(_TURNS):
                gain = _turn(inner, axes[0], variances)
                turned += gain
                if gain <= max(enough, left * turned):
                    break
        else:
            _weigh_by_volume(scatters, variances, sources[0])
    for k in range(n_clusters):
        s = min(k, n_sets - 1)
        for i in range(size):
            for j in range(size):
                covariances[k, i, j] = 0.0
                for m in range(size):
                    covariances[k, i, j] += axes[s, i, m] * variances[k, m] * axes[s, j, m]
    return True


@compiled
def _weigh_by_volume(scatters: Array, variances: Array, out: Array) -> None:
    """Write the sum of scatters over volumes, whose principal axes are those of one shape."""
    size = out.shape[0]
    out[:] = 0.0
    for k in range(scatters.shape[0]):
        logs = 0.0
        for j in range(size):
            logs += math.log(variances[k, j])
        for i in range(size):
            for j in range(size):
                out[i, j] += scatters[k, i, j] / math.exp(logs / size)


@compiled
def maximise_factored(
    point: Array,
    own_volumes: bool,
    own_shapes: bool,
    axes_kind: int,
    mass: Array,
    centres: Array,
    scatters: Array,
    floor: Array,
    ridge: float,
    out: Array,
) -> int:
    """Write the next point of EM; return -1, or the component that has collapsed.

    Arguments are those of `bayesgmm.likelihood.compiled.m_step.maximise`; the recording error does
    not bound covariances here.
    """
    n_clusters, n_features = centres.shape
    for k in range(n_clusters):
        if not mass[k] > EMPTY:
            return k
    ridged = scatters.copy()
    for k in range(n_clusters):
        for i in range(n_features):
            ridged[k, i, i] += ridge * mass[k]
    covariances = read_covariances(point, n_clusters, n_features)
    if not factored(ridged, mass, covariances, own_volumes, own_shapes, axes_kind, _LEFT):
        return int(np.argmin(mass))
    factor = np.empty((n_features, n_features))
    log_total = math.log(mass.sum())
    for k in range(n_clusters):
        out[k] = math.log(mass[k]) - log_total
        if not write_component(k, centres, covariances[k], floor, factor, out):
            return k
    return -1


@compiled
def move_into(
    point: Array, n_clusters: int, own_volumes: bool, own_shapes: bool, axes_kind: int
) -> None:
    """Move a point of EM, in place, to the covariances of the structure nearest to its own.

    They maximise the expected log likelihood of rows with the covariances that the point has.
    """
    n_features = round((math.sqrt(4 * (point.shape[0] // n_clusters) - 3) - 1) / 2)
    covariances = read_covariances(point, n_clusters, n_features)
    mass, largest = np.empty(n_clusters), largest_of(point[:n_clusters])
    scatters = covariances.copy()
    for k in range(n_clusters):
        mass[k] = math.exp(point[k] - largest)
        for i in range(n_features):
            for j in range(n_features):
                scatters[k, i, j] *= mass[k]
    if not factored(scatters, mass, covariances, own_volumes, own_shapes, axes_kind, _LEFT):
        return
    factor, o = np.empty((n_features, n_features)), n_clusters * (1 + n_features)
    for k in range(n_clusters):
        if cholesky(covariances[k], factor):
            write_factor(factor, point, o + k * n_features * n_features)
