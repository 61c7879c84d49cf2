"""Log likelihoods at many points near one another, where most rows belong to one cluster alone.

The log likelihood of rows that no other cluster can claim at any of the points is that of one
Gaussian: a function of their number, their sum and their squares and products, which are added up
once for all points. Other rows are evaluated at each point, by the clusters that may claim them.
What is left out is below the rounding of a row's log likelihood, as bounds over all points show
(`bayesgmm.likelihood.compiled.certain`).
"""

from typing import NamedTuple

import numpy as np

from bayesgmm.likelihood.batches import Components, components_at, summed_log_likelihoods
from bayesgmm.likelihood.compiled.certain import (
    HIGHEST,
    LOWEST,
    MOVE,
    NARROWEST,
    WIDEST,
    sort_rows,
)
from bayesgmm.likelihood.compiled.kernels import BLOCK
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.typing import Array, IntArray

__all__ = ["PointGroup", "log_likelihoods_by_group", "near_one_another"]

_LEAST_POINTS = 32  # to tell the rows apart costs as much as a few
_MOST_GROUPS = 4
_MOST_CLUSTERS = 62  # bits of an integer
_WIDEST, _FARTHEST = 1.25, 1.0  # stretches and moves of points that share bounds
_LEAST = 40.0  # nats: exp(-40) is 0.02 of the rounding of a number near 1
_WORTHWHILE = 0.1  # share of the densities to be saved


class PointGroup(NamedTuple):
    """Points whose components are near those of one of them.

    Parameters
    ----------
    places : array of shape (point,)
        Which points.
    components : Components or None
        Theirs; None where a covariance is singular.
    reference : Components or None
        Of that one, without the axis of points; None where these are points left over.
    bounds : array of shape (5, cluster)
        As `sort_rows` takes them.
    """

    places: IntArray
    components: Components | None
    reference: Components | None
    bounds: Array


def near_one_another(points: Array, target: LogPosterior) -> list[PointGroup]:
    """Divide points (point, dim) into groups that share bounds; none where rows are not plain.

    Each begins with the first point that no group has; those of few points are left over.
    """
    resolved = target.resolved
    shape = resolved.n_layers * resolved.n_components, resolved.n_features
    plain = target.annotated is None
    if not plain or not 1 < shape[0] <= _MOST_CLUSTERS or len(points) < _LEAST_POINTS:
        return []
    components, regular = components_at(points, target.flat, shape)
    groups, others, left = list[PointGroup](), list[IntArray](), np.flatnonzero(regular)
    while left.size and len(groups) < _MOST_GROUPS:
        group, left = _around(left, components)
        if len(group.places) < _LEAST_POINTS:
            others.append(group.places)
        else:
            groups.append(group)
    rest, singular = np.sort(np.concatenate([*others, left])), np.flatnonzero(~regular)
    none = np.empty((5, 0))
    if groups and rest.size:
        groups.append(PointGroup(rest, _at(rest, components), None, none))
    if groups and singular.size:
        groups.append(PointGroup(singular, None, None, none))
    return groups


def _at(places: IntArray, components: Components) -> Components:
    return Components(*(each[places] for each in components))


def _around(left: IntArray, components: Components) -> tuple[PointGroup, IntArray]:
    """Return the group of the first point, and the points that are not in it."""
    reference = Components(*(each[left[0]] for each in components))
    some = _at(left, components)
    stretch, move = _moves(some, reference)
    singular = np.linalg.svd(stretch, compute_uv=False)
    far = np.linalg.norm(move, axis=2)
    near = (
        (singular[..., 0] < _WIDEST) & (singular[..., -1] > 1.0 / _WIDEST) & (far < _FARTHEST)
    ).all(axis=1)
    near[0] = True
    constant, singular, far = some.constant[near], singular[near], far[near]
    bounds = np.empty((5, constant.shape[1]))
    bounds[HIGHEST], bounds[LOWEST] = constant.max(axis=0), constant.min(axis=0)
    bounds[NARROWEST], bounds[WIDEST] = singular[..., -1].min(axis=0), singular[..., 0].max(axis=0)
    bounds[MOVE] = far.max(axis=0)
    return PointGroup(left[near], _at(left[near], components), reference, bounds), left[~near]


def _moves(components: Components, reference: Components) -> tuple[Array, Array]:
    """Return B and e of each point and cluster: rows whitened by the reference become B z + e."""
    stretch = components.whitening @ np.linalg.inv(reference.whitening)
    moved = np.einsum("pkij,kj->pki", stretch, reference.shift)
    return stretch, moved - components.shift


def log_likelihoods_by_group(
    groups: list[PointGroup], target: LogPosterior, cores: int | None = None
) -> Array:
    """Return the log likelihood of the rows of a target at all points of some groups, nats.

    Parameters
    ----------
    groups : list of PointGroup
        `near_one_another` of the points, of the same model.
    target : LogPosterior
        Its rows, all of them plain.
    cores : int, optional
        Threads; the result does not depend on it.

    Returns
    -------
    array of shape (point,)
        -inf where a covariance is singular.
    """
    out = np.full(sum(len(group.places) for group in groups), -np.inf)
    for group in groups:
        if group.components is None:
            continue
        out[group.places] = (
            summed_log_likelihoods(group.components, target.flat, target.n_rows, cores)
            if group.reference is None
            else _of_group(group.components, group.reference, group.bounds, target, cores)
        )
    return out


def _of_group(
    components: Components,
    reference: Components,
    bounds: Array,
    target: LogPosterior,
    cores: int | None,
) -> Array:
    n_clusters, size = reference.shift.shape
    clusters = np.empty(target.n_rows, dtype=np.int64)
    mass, first = np.zeros(n_clusters), np.zeros((n_clusters, size))
    second = np.zeros((n_clusters, size, size))
    sort_rows(target.flat, *reference, bounds, _LEAST, clusters, mass, first, second)
    sets = _sets_of(clusters, n_clusters)
    evaluated = sum(len(rows) * len(own) for own, rows in sets)
    if evaluated > (1.0 - _WORTHWHILE) * target.n_rows * n_clusters:
        return summed_log_likelihoods(components, target.flat, target.n_rows, cores)
    out = _of_certain_rows(components, reference, mass, first, second)
    rows = np.asarray(target.rows)
    for own, places in sets:
        some = LogPosterior(target.resolved, rows[places])
        theirs = Components(*(np.ascontiguousarray(each[:, own]) for each in components))
        out += summed_log_likelihoods(theirs, some.flat, len(places), cores)
    return out


def _sets_of(clusters: IntArray, n_clusters: int) -> list[tuple[IntArray, IntArray]]:
    """Return sets of two clusters or more, and the rows that they share.

    Rows of a set that would not fill a block go to those of all clusters.
    """
    everything = np.arange(n_clusters)
    found, place, number = np.unique(clusters, return_inverse=True, return_counts=True)
    sets, others = [], []
    for i, code in enumerate(found.tolist()):
        own = everything[(code >> everything) & 1 == 1]
        if len(own) == 1:
            continue
        rows = np.flatnonzero(place == i)
        if number[i] < BLOCK or len(own) == n_clusters:
            others.append(rows)
        else:
            sets.append((own, rows))
    if others:
        sets.append((everything, np.sort(np.concatenate(others))))
    return sets


def _of_certain_rows(
    components: Components, reference: Components, mass: Array, first: Array, second: Array
) -> Array:
    """Return the log likelihood (point,) of rows from their sums in the reference's coordinates.

    The sum of |B z + e|^2 is tr(B S B') + 2 e' B s + n |e|^2.
    """
    stretch, move = _moves(components, reference)
    whole = np.tril(second) + np.tril(second, -1).swapaxes(1, 2)
    squares = np.einsum("pkij,pkij->pk", stretch @ whole, stretch)
    products = np.einsum("pki,pki->pk", move, np.einsum("pkij,kj->pki", stretch, first))
    squares += 2.0 * products + mass * (move**2).sum(axis=2)
    return (mass * components.constant - 0.5 * squares).sum(axis=1)
