"""Whole climbs of EM on plain rows of Gaussians, and searches from several starts, in one call.

Rows are complete, without annotations and in memory; components are Gaussian, without factors.
"""

import math

import numpy as np

from bayesgmm.likelihood.compiled.factored import Codes, maximise_factored, move_into
from bayesgmm.likelihood.compiled.m_step import bound_point, maximise, moments_at
from bayesgmm.likelihood.compiled.points import write_factor
from bayesgmm.likelihood.compiled.vectors import copy_into
from bayesgmm.likelihood.compiled.whitening import cholesky
from bayesgmm.runtime.compiling import compiled
from bayesgmm.typing import Array, IntArray

__all__ = [
    "CLIMB_ROOM",
    "COLLAPSED",
    "CONVERGED",
    "STOPPED",
    "climb_plain",
    "search_plain",
]

CONVERGED, STOPPED, COLLAPSED = 0, 1, 2
CLIMB_ROOM = 3  # entries of a path beyond its largest number of steps
_PLAIN_STEPS = 5
_PSEUDO_ROWS = 0.3


@compiled
def _bounded(
    point: Array,
    n_clusters: int,
    flat: Array,
    climbed: Array | None,
    codes: Codes | None,
    left: bool,
) -> None:
    """Move a point, in place, into its structure and above the recording error."""
    if codes is not None:
        move_into(point, n_clusters, codes[0], codes[1], codes[2])
    elif left:
        bound_point(point, flat, climbed)


@compiled
def _step(
    point: Array,
    flat: Array,
    climbed: Array | None,
    codes: Codes | None,
    sums: tuple[Array, Array, Array],
    floor: Array,
    ridge: float,
    out: Array,
) -> int:
    mass, centres, scatters = sums
    if codes is not None:
        return maximise_factored(
            point, codes[0], codes[1], codes[2], mass, centres, scatters, floor, ridge, out
        )
    none = np.empty(0)
    return maximise(point, flat, climbed, mass, centres, scatters, none, none, floor, ridge, out)


@compiled
def _moments(point: Array, blocks: Array, n_rows: int, sums: tuple[Array, Array, Array]) -> float:
    mass, centres, scatters = sums
    mass[:] = 0.0
    none = np.empty(0)
    return moments_at(point, None, blocks, n_rows, None, mass, centres, scatters, none, none)


@compiled
def _empty_sums(n_clusters: int, n_features: int) -> tuple[Array, Array, Array]:
    return (
        np.zeros(n_clusters),
        np.zeros((n_clusters, n_features)),
        np.zeros((n_clusters, n_features, n_features)),
    )


@compiled
def _length(x: Array, first: Array, second: Array) -> float:
    """Return by how much two steps in one direction may be lengthened."""
    moved, bent = 0.0, 0.0
    for i in range(x.shape[0]):
        move = first[i] - x[i]
        moved += move * move
        bent += (second[i] - first[i] - move) ** 2
    return math.sqrt(moved / max(bent, 1e-300))


@compiled
def _extrapolate(x: Array, first: Array, second: Array, length: float, ahead: Array) -> None:
    """Write the point that two steps lead to when they are lengthened."""
    for i in range(x.shape[0]):
        move = first[i] - x[i]
        bend = second[i] - first[i] - move
        ahead[i] = x[i] + 2.0 * length * move + length**2 * bend


@compiled
def climb_plain(
    x: Array,
    n_clusters: int,
    flat: Array,
    climbed: Array | None,
    codes: Codes | None,
    left: bool,
    blocks: Array,
    n_rows: int,
    floor: Array,
    ridge: float,
    enough: float,
    max_iter: int,
    path: Array,
) -> tuple[int, int, int]:
    """Alternate two EM steps and one extrapolation along them.

    Parameters
    ----------
    x : array, see `bayesgmm.likelihood.compiled.points`, written
        Where the climb starts, then where it ended.
    n_clusters : int
    flat, climbed : arrays, or array and None
        As in `bayesgmm.likelihood.compiled.m_step.maximise`; not read where there are codes.
    codes : (bool, bool, int) or None
        `bayesgmm.likelihood.compiled.factored.codes_of`; None for structures of scales and
        correlations.
    left : bool
        Whether a leap may leave a structure of scales and correlations, or fall below its
        recording error.
    blocks : array, `bayesgmm.likelihood.compiled.kernels.blocked`
    n_rows : int
    floor : array of shape (feature,)
    ridge : float
    enough : float, nats
        The climb has converged when what it can be expected to gain is less.
    max_iter : int
    path : array of shape (max_iter + CLIMB_ROOM,), written
        The log likelihood at each step.

    Returns
    -------
    n_path, status, component : int
        Entries of the path; one of this module's codes; the component that collapsed, or -1.

    References
    ----------
    Varadhan and Roland (2008), Scandinavian J. Statistics 35:335, scheme S3.
    """
    sums = _empty_sums(n_clusters, floor.shape[0])
    first, second, ahead = np.empty_like(x), np.empty_like(x), np.empty_like(x)
    longest, n = 1.0, 0
    value = _moments(x, blocks, n_rows, sums)
    while True:
        path[n] = value
        n += 1
        collapsed = _step(x, flat, climbed, codes, sums, floor, ridge, first)
        if collapsed >= 0:
            return n, COLLAPSED, collapsed
        value = _moments(first, blocks, n_rows, sums)
        path[n] = value
        n += 1
        collapsed = _step(first, flat, climbed, codes, sums, floor, ridge, second)
        if collapsed >= 0:
            copy_into(x, first)
            return n, COLLAPSED, collapsed
        length = _length(x, first, second)
        gain = path[n - 1] - path[n - 2]
        if (abs(gain) if ridge > 0.0 else gain) * max(1.0, length) < enough:
            copy_into(x, first)
            return n, CONVERGED, -1
        if n > max_iter:
            copy_into(x, first)
            return n, STOPPED, -1
        if n == max_iter:
            copy_into(x, second)
            path[n] = _moments(second, blocks, n_rows, sums)
            return n + 1, STOPPED, -1
        length = min(length, longest)
        tried, leapt = length > 1.0, False
        if tried:
            _extrapolate(x, first, second, length, ahead)
            _bounded(ahead, n_clusters, flat, climbed, codes, left)
            value = _moments(ahead, blocks, n_rows, sums)
            leapt = value >= path[n - 1]
        if leapt:
            copy_into(x, ahead)
        else:
            copy_into(x, second)
            value = _moments(second, blocks, n_rows, sums)
        if n >= 2 * _PLAIN_STEPS:
            longest = 4.0 * longest if leapt or not tried else max(1.0, longest / 4.0)


@compiled
def _begin(
    flat: Array,
    climbed: Array | None,
    codes: Codes | None,
    left: bool,
    sums: tuple[Array, Array, Array],
    total: Array,
    floor: Array,
    point: Array,
    out: Array,
) -> None:
    """Write the M-step of a partition's sums; with pseudo rows where a cluster is singular."""
    mass, centres, scatters = sums
    n_clusters, n_features = centres.shape
    factor, o = np.empty((n_features, n_features)), n_clusters * (1 + n_features)
    log_rows = math.log(mass.sum())
    for k in range(n_clusters):
        point[k] = math.log(mass[k]) - log_rows
        for i in range(n_features):
            point[n_clusters + k * n_features + i] = centres[k, i]
        cholesky((scatters[k] + _PSEUDO_ROWS * total) / (mass[k] + _PSEUDO_ROWS), factor)
        write_factor(factor, point, o + k * n_features * n_features)
    _bounded(point, n_clusters, flat, climbed, codes, left)
    if _step(point, flat, climbed, codes, sums, floor, 0.0, out) >= 0:
        copy_into(out, point)


@compiled
def search_plain(
    mass: Array,
    centres: Array,
    scatters: Array,
    total: Array,
    flat: Array,
    climbed: Array | None,
    codes: Codes | None,
    left: bool,
    blocks: Array,
    n_rows: int,
    floor: Array,
    wide: Array,
    n_always: int,
    n_best: int,
    n_glances: int,
    enough: float,
    max_iter: int,
    ends: Array,
    values: Array,
    status: IntArray,
) -> None:
    """Climb from the most promising of several starts.

    Parameters
    ----------
    mass, centres, scatters : arrays with an axis of starts before those of `Moments`
        The sums of a partition, from which each start takes its first M-step.
    total : array of shape (feature, feature)
        The covariance of all rows.
    wide : array of shape (start,)
        The ridge under which each takes its first steps.
    n_always, n_best : int
        How many of the first starts are climbed from whatever they promise, and how many of the
        others, those whose likelihood after `n_glances` EM steps is the highest.
    ends, values, status : arrays with an axis of starts, written
        The point reached, its log likelihood, and a code of this module; -1 where a start was
        left after its first steps.
    others
        As in `climb_plain`.
    """
    n_starts, n_clusters = mass.shape
    n_features = floor.shape[0]
    sums, path = _empty_sums(n_clusters, n_features), np.empty(max_iter + CLIMB_ROOM)
    point, following = np.empty(ends.shape[1]), np.empty(ends.shape[1])
    promise = np.full(n_starts, -math.inf)
    for s in range(n_starts):
        given = mass[s], centres[s], scatters[s]
        _begin(flat, climbed, codes, left, given, total, floor, point, ends[s])
        status[s] = -1
        for _ in range(n_glances):
            values[s] = _moments(ends[s], blocks, n_rows, sums)
            if _step(ends[s], flat, climbed, codes, sums, floor, wide[s], following) >= 0:
                status[s] = COLLAPSED
                break
            copy_into(ends[s], following)
        if status[s] < 0:
            values[s] = promise[s] = _moments(ends[s], blocks, n_rows, sums)
    others = n_best
    order = np.argsort(-promise[n_always:])
    for place in range(n_starts):
        s = place if place < n_always else n_always + order[place - n_always]
        if status[s] >= 0 or (place >= n_always and others == 0):
            continue
        if place >= n_always:
            others -= 1
        n, code, _ = climb_plain(
            ends[s],
            n_clusters,
            flat,
            climbed,
            codes,
            left,
            blocks,
            n_rows,
            floor,
            0.0,
            enough,
            max_iter,
            path,
        )
        values[s], status[s] = path[n - 1], code
