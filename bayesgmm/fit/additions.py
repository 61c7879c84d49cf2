"""Starts from an optimum with one component fewer: a component is added, or one is split."""

from collections.abc import Iterator

import numpy as np

from bayesgmm.fit.points import point_of, split
from bayesgmm.fit.splitting import split_points
from bayesgmm.typing import Array, IntArray

__all__ = ["added_component", "splits_of", "tied_groups"]

_LEAST_TIED = 3  # rows: two always gain less than a component costs
_PSEUDO_ROWS = 0.3


def tied_groups(rows: Array, error: Array) -> list[tuple[int, IntArray]]:
    """Return groups of rows that share a value of a feature, what gains most by it first.

    A component on m tied rows has a density higher by up to the ratio of the feature's spread to
    its recording error, a gain of m times its logarithm.

    Parameters
    ----------
    rows : array of shape (obs, feature), fitting coordinates, in which the spread is about 1
    error : array of shape (feature,), fitting coordinates

    Returns
    -------
    list of (feature, rows)
    """
    groups: list[tuple[float, int, IntArray]] = []
    for feature in np.flatnonzero(error > 0.0):
        order = np.argsort(rows[:, feature], kind="stable")
        ends = np.flatnonzero(np.diff(rows[order, feature]) > 0.0) + 1
        for members in np.split(order, ends):
            if len(members) >= _LEAST_TIED:
                gain = -len(members) * float(np.log(error[feature]))
                groups.append((gain, int(feature), members))
    groups.sort(key=lambda group: -group[0])
    return [(feature, members) for _, feature, members in groups]


def added_component(
    point: Array, rows: Array, n_clusters: int, feature: int, members: IntArray, error: Array
) -> Array:
    """Return a point with one component more, on rows that share a value of a feature.

    Parameters
    ----------
    point : array, as in `bayesgmm.fit.points`
    rows : array of shape (obs, feature), fitting coordinates
    n_clusters : int
        Of `point`.
    feature : int
    members : array of int
    error : array of shape (feature,), fitting coordinates
    """
    weights, means, covariances = split(point, n_clusters, rows.shape[1])
    own = rows[members]
    pooled = np.einsum("k,kij->ij", weights, covariances)
    offsets = own - own.mean(axis=0)
    tied = (offsets.T @ offsets + _PSEUDO_ROWS * pooled) / (len(own) + _PSEUDO_ROWS)
    tied[feature], tied[:, feature] = 0.0, 0.0
    tied[feature, feature] = error[feature] ** 2
    share = len(own) / len(rows)
    return point_of(
        np.append((1.0 - share) * weights, share),
        np.vstack([means, own.mean(axis=0)]),
        np.concatenate([covariances, tied[None]]),
    )


def splits_of(points: list[Array], n_clusters: int, n_features: int) -> Iterator[Array]:
    """Yield points with one component more, each component of each point split in turn."""
    for point in points:
        yield from split_points(*split(point, n_clusters, n_features), n_clusters + 1)
