"""Starting points of the fits: partitions of several kinds, and moves of one component."""

from collections.abc import Callable

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans, kmeans_plusplus

from bayesgmm.fit.points import point_of, split
from bayesgmm.likelihood.annotated_rows import AnnotatedRows, RowTable
from bayesgmm.model.components import Structure
from bayesgmm.runtime.seeds import drawn_integer
from bayesgmm.typing import Array, IntArray

__all__ = ["START_KINDS", "draw_start", "draw_starts", "random_shares", "swap_component"]

_LINKED_ROWS = 500  # linkage takes their square
_PSEUDO_ROWS = 0.3
_LEAST_VARIANCE = 1e-8  # in units of the whole data's
_TIGHT = 0.5  # of another component's variance: what is set down at a row starts smaller


def draw_starts(
    rows: Array,
    n_clusters: int,
    structure: Structure,
    n_starts: int,
    seed: np.random.SeedSequence,
    table: RowTable | None = None,
    *,
    noisy: bool = False,
) -> list[Array]:
    """Return starting points of EM, each from its own child of the seed.

    Two are hierarchical (Ward's linkage, on the rows as they are and sphered). The others take in
    turn k-means++ partitions of the rows with their features stretched at random, the rows nearest
    to random rows, slices across a random direction, and random responsibilities: which kind finds
    the best optimum most often differs from data to data by a factor of 40 (iris K = 4, galaxies
    K = 4 and 6, Old Faithful K = 3 and 4). Beside a noise every second start has one part more, of
    which a random one is left to it.

    Parameters
    ----------
    rows : array of shape (obs, feature), fitting coordinates
        All rows or a sample of them.
    n_clusters : int
    structure : Structure
    n_starts : int
    seed : SeedSequence
    table : AnnotatedRows or array of shape (obs, feature), optional
        The same rows as they were read: what is known of their weights and clusters counts.
    noisy : bool
        Whether the mixture has a noise.

    Returns
    -------
    list of arrays, points as in `bayesgmm.fit.points`
    """
    labelled = isinstance(table, AnnotatedRows) and table.allowed is not None
    total = _total(rows)
    points = []
    for i, child in enumerate(seed.spawn(n_starts)):
        rng = np.random.default_rng(child)
        left = noisy and not labelled and i > 0 and (i % 2 == 1 or n_clusters == 1)
        n_parts = n_clusters + left
        if i < 2:
            sphered = _sphered(rows, total) if i else rows
            responsibilities = _hierarchical(sphered, n_parts, rng)
        else:
            responsibilities = random_shares(i, rows, n_parts, rng)
        if isinstance(table, AnnotatedRows):
            responsibilities = _informed(responsibilities, table)
        point = _point(rows, responsibilities, structure, total)
        points.append(_left_to_noise(point, n_parts, rows.shape[1], rng) if left else point)
    return points


def random_shares(which: int, rows: Array, n_clusters: int, rng: np.random.Generator) -> Array:
    """Return the responsibilities (obs, cluster) of a random start; kinds take turns in `which`."""
    kinds: tuple[Callable[[Array, int, np.random.Generator], Array], ...] = (
        _stretched_plus_plus,
        _random_rows,
        _slices,
        _stretched_plus_plus,
        _random_responsibilities,
    )
    return kinds[which % len(kinds)](rows, n_clusters, rng)


def _total(rows: Array) -> Array:
    """Return the covariance of all rows; of independent features where rows are too few for it."""
    if len(rows) <= rows.shape[1]:
        return np.diag(rows.var(axis=0))
    return np.cov(rows, rowvar=False, bias=True).reshape(rows.shape[1], rows.shape[1])


def _sphered(rows: Array, total: Array) -> Array:
    """Return rows with the identity as covariance; as they are where they are too few for that."""
    if len(rows) <= rows.shape[1]:
        return rows
    return rows @ np.linalg.inv(np.linalg.cholesky(total)).T


def _left_to_noise(point: Array, n_parts: int, n_features: int, rng: np.random.Generator) -> Array:
    """Return a point with one component less, whose weight the noise has."""
    weights, means, covariances = split(point, n_parts, n_features)
    dropped = int(rng.integers(n_parts))
    kept = np.delete(np.arange(n_parts), dropped)
    share = weights[dropped]
    plain = point_of(weights[kept] / (1.0 - share), means[kept], covariances[kept])
    return np.append(plain, np.log(share / (1.0 - share)))


def draw_start(
    kind: str, rows: Array, n_clusters: int, structure: Structure, rng: np.random.Generator
) -> Array:
    """Return one starting point of EM of a kind named in `START_KINDS`; see `draw_starts`.

    It is the M-step itself where each cluster has rows enough for its covariance.
    """
    total = _total(rows)
    return _point(rows, START_KINDS[kind](rows, n_clusters, rng), structure, total, exact=True)


def swap_component(
    point: Array, rows: Array, n_clusters: int, rng: np.random.Generator, varied: float = 0.0
) -> Array:
    """Take a random component away and set it down at a random row: one more start of EM.

    Parameters
    ----------
    point : array, as in `bayesgmm.fit.points`
        Usually an optimum: K - 1 of its components are then in good places already.
    rows : array of shape (obs, feature), fitting coordinates
    n_clusters : int
    rng : Generator
    varied : float
        The standard deviation of the log of its covariance's size.

    Returns
    -------
    array, a point

    References
    ----------
    Zhao, Hautamaki, Karkkainen and Franti (2012), Pattern Recognition Letters 33:2120.
    """
    weights, means, covariances = split(point, n_clusters, rows.shape[1])
    moved, shape = (0, 0) if n_clusters == 1 else rng.choice(n_clusters, 2, replace=False)
    means[moved] = rows[rng.integers(len(rows))]
    size = _TIGHT * np.exp(rng.normal(0.0, varied)) if varied else _TIGHT
    covariances[moved] = size * covariances[shape]
    return point_of(weights, means, covariances)


def _point(
    rows: Array,
    responsibilities: Array,
    structure: Structure,
    total: Array,
    exact: bool = False,
) -> Array:
    """One M-step, with a pseudo row of the whole data's covariance in each cluster.

    With `exact` without it, where each cluster has rows enough for its covariance.
    """
    mass = responsibilities.sum(axis=0)
    means = (responsibilities.T @ rows) / mass[:, None]
    offsets = rows[:, None, :] - means
    weighted = responsibilities[:, :, None] * offsets
    scatters = weighted.transpose(1, 2, 0) @ offsets.transpose(1, 0, 2)
    if exact and mass.min() > rows.shape[1] + 1:
        covariances = structure.covariances(mass, scatters)
        if np.linalg.eigvalsh(covariances).min() > _LEAST_VARIANCE:
            return point_of(mass / mass.sum(), means, covariances)
    covariances = structure.covariances(mass + _PSEUDO_ROWS, scatters + _PSEUDO_ROWS * total)
    return point_of(mass / mass.sum(), means, covariances)


def _informed(responsibilities: Array, known: AnnotatedRows) -> Array:
    """Return responsibilities in the clusters that rows are allowed, rows counted by weights."""
    allowed, weights = known.allowed, known.weights
    if allowed is not None:
        certain = allowed / allowed.sum(axis=1, keepdims=True)
        _, order = linear_sum_assignment(certain.T @ responsibilities, maximize=True)
        responsibilities = responsibilities[:, order] * allowed
        total = responsibilities.sum(axis=1, keepdims=True)
        responsibilities = np.where(
            total > 0.0, responsibilities / np.where(total > 0.0, total, 1.0), certain
        )
    if weights is not None:
        responsibilities = weights[:, None] * responsibilities
    return responsibilities + (responsibilities.sum(axis=0) == 0.0) / len(responsibilities)


def _one_hot(labels: IntArray, n_clusters: int) -> Array:
    """Return responsibilities of labels; an empty cluster shares in all rows."""
    responsibilities = np.eye(n_clusters)[labels]
    return responsibilities + (responsibilities.sum(axis=0) == 0.0) / len(labels)


def _nearest(rows: Array, centres: Array) -> Array:
    distances = (rows**2).sum(axis=1)[:, None] - 2.0 * rows @ centres.T + (centres**2).sum(axis=1)
    return _one_hot(distances.argmin(axis=1), len(centres))


def _plus_plus(rows: Array, n_clusters: int, rng: np.random.Generator) -> Array:
    centres, _ = kmeans_plusplus(rows, n_clusters, random_state=drawn_integer(rng, 31))
    return _nearest(rows, centres)


def _stretched_plus_plus(rows: Array, n_clusters: int, rng: np.random.Generator) -> Array:
    return _plus_plus(rows * np.exp(rng.normal(size=rows.shape[1])), n_clusters, rng)


def _slices(rows: Array, n_clusters: int, rng: np.random.Generator) -> Array:
    """Cut the rows across a random direction, at random rows."""
    along = rows @ rng.normal(size=rows.shape[1])
    cuts = np.sort(along[rng.choice(len(rows), n_clusters - 1, replace=False)])
    return _one_hot(np.searchsorted(cuts, along), n_clusters)


def _kmeans(rows: Array, n_clusters: int, rng: np.random.Generator) -> Array:
    kmeans = KMeans(n_clusters, n_init=1, random_state=drawn_integer(rng, 31))
    return _one_hot(kmeans.fit_predict(rows), n_clusters)


def _random_rows(rows: Array, n_clusters: int, rng: np.random.Generator) -> Array:
    return _nearest(rows, rows[rng.choice(len(rows), n_clusters, replace=False)])


def _random_responsibilities(rows: Array, n_clusters: int, rng: np.random.Generator) -> Array:
    return rng.dirichlet(np.full(n_clusters, 0.5), size=len(rows))


def _hierarchical(rows: Array, n_clusters: int, rng: np.random.Generator) -> Array:
    if n_clusters == 1:
        return np.ones((len(rows), 1))
    if len(rows) <= _LINKED_ROWS:
        linked = rows
    else:
        linked = rows[rng.choice(len(rows), _LINKED_ROWS, replace=False)]
    labels = fcluster(linkage(linked, "ward"), n_clusters, "maxclust").astype(np.int64) - 1
    centres = np.array([linked[labels == k].mean(axis=0) for k in range(labels.max() + 1)])
    assigned = _one_hot(labels, n_clusters) if linked is rows else _nearest(rows, centres)
    missing = n_clusters - assigned.shape[1]
    return np.pad(assigned, ((0, 0), (0, missing)), constant_values=1.0 / len(rows))


START_KINDS: dict[str, Callable[[Array, int, np.random.Generator], Array]] = {
    "kmeans": _kmeans,
    "k-means++": _plus_plus,
    "random": _random_responsibilities,
    "random_from_data": _random_rows,
}
