"""Partitions of the rows by hierarchical clustering, one tree for all numbers of components."""

from collections.abc import Iterable
from typing import NamedTuple, Self

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

from bayesgmm.likelihood.compiled.merging import merging_order
from bayesgmm.typing import Array, IntArray

__all__ = ["Sums", "hierarchical_partitions", "sums_of"]

_LINKED_ROWS = 500  # a tree takes their square


class Sums(NamedTuple):
    """Moments of several starts, in coordinates divided by the spread of each feature.

    Parameters
    ----------
    mass : array of shape (start, cluster)
    centres : array of shape (start, cluster, feature)
    scatters : array of shape (start, cluster, feature, feature)
        About the centres.
    """

    mass: Array
    centres: Array
    scatters: Array

    @classmethod
    def joined(cls, parts: Iterable["Sums"]) -> Self:
        """Return the starts of all parts, one after another."""
        return cls(*map(np.concatenate, zip(*parts, strict=True)))

    def stretched(self, scale: Array) -> "Sums":
        """Return the same in coordinates that are `scale` (feature,) times as large."""
        return Sums(self.mass, self.centres * scale, self.scatters * np.outer(scale, scale))

    def halved(self) -> "Sums":
        """Return the starts with one cluster more: each cluster of the first start in halves.

        Along its longest axis, so that its mean and covariance stay.
        """
        mass, centres, scatters = (values[0] for values in self)
        variances, axes = np.linalg.eigh(scatters / mass[:, None, None])
        apart = _APART * np.sqrt(np.maximum(variances[:, -1:], 0.0)) * axes[:, :, -1]
        size = range(len(mass))
        rows = np.concatenate([np.tile(mass, (len(mass), 1)), 0.5 * mass[:, None]], axis=1)
        means = np.concatenate([np.tile(centres, (len(mass), 1, 1)), centres[:, None]], axis=1)
        within = np.concatenate([np.tile(scatters, (len(mass), 1, 1, 1)), scatters[:, None]], 1)
        rows[size, size] *= 0.5
        means[size, size] -= apart
        means[:, -1] += apart
        left = scatters - mass[:, None, None] * apart[:, :, None] * apart[:, None, :]
        within[size, size] = within[:, -1] = 0.5 * left
        return Sums(rows, means, within)


_APART = 0.8  # standard deviations


def sums_of(rows: Array, responsibilities: Array) -> Sums:
    """Return the sums of one start from the share (obs, cluster) of each row in each cluster."""
    mass = responsibilities.sum(axis=0)
    centres = (responsibilities.T @ rows) / mass[:, None]
    offsets = rows[:, None, :] - centres
    weighted = responsibilities[:, :, None] * offsets
    scatters = weighted.transpose(1, 2, 0) @ offsets.transpose(1, 0, 2)
    return Sums(mass[None], centres[None], scatters[None])


def hierarchical_partitions(
    rows: Array, sizes: Iterable[int], rng: np.random.Generator
) -> dict[int, Sums]:
    """Cut three trees at each number of clusters.

    The first is that from which mclust starts: model-based, with unconstrained covariances, on
    principal components divided by the roots of their singular values; with one feature, no tree
    but parts between quantiles. The others are Ward's, on the rows as they are and sphered. At most
    500 rows, chosen at random, make the trees.

    Parameters
    ----------
    rows : array of shape (obs, feature)
        Divided by the spread of each feature.
    sizes : iterable of int
    rng : Generator

    References
    ----------
    Scrucca and Raftery (2015), Advances in Data Analysis and Classification 9:447.
    """
    if len(rows) > _LINKED_ROWS:
        rows = rows[np.sort(rng.choice(len(rows), _LINKED_ROWS, replace=False))]
    _, lengths, axes = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    lengths = np.maximum(lengths, 1e-8 * lengths[0])
    along = (rows - rows.mean(axis=0)) @ axes.T
    model_based = _model_based(along / np.sqrt(lengths))
    trees = [linkage(rows, "ward"), linkage(along / lengths, "ward")]
    found = {}
    for k in sizes:
        first = model_based(k) if rows.shape[1] > 1 else _quantiles(rows[:, 0], k)
        labels = [first, *(fcluster(tree, k, "maxclust") - 1 for tree in trees)]
        found[k] = Sums.joined(sums_of(rows, _one_hot(each, k)) for each in labels)
    return found


def _quantiles(values: Array, n_clusters: int) -> IntArray:
    """Return parts of as many values each."""
    cuts = np.quantile(values, np.arange(1, n_clusters) / n_clusters)
    return np.searchsorted(cuts, values)


def _model_based(rows: Array) -> "_Tree":
    distinct, where, counts = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
    order = np.empty((max(len(distinct) - 1, 0), 2), dtype=np.int64)
    merging_order(np.ascontiguousarray(distinct), counts.astype(float), order)
    return _Tree(order, where.ravel())


class _Tree(NamedTuple):
    """Merges of clusters named by their first row, and the row that stands for each of all."""

    order: IntArray
    where: IntArray

    def __call__(self, n_clusters: int) -> IntArray:
        labels = np.arange(len(self.order) + 1)
        for kept, gone in self.order[: max(len(labels) - n_clusters, 0)]:
            labels[labels == gone] = kept
        return np.unique(labels, return_inverse=True)[1][self.where]


def _one_hot(labels: IntArray, n_clusters: int) -> Array:
    """Return responsibilities of labels; an empty cluster shares in all rows."""
    shares = np.eye(n_clusters)[labels]
    return shares + (shares.sum(axis=0) == 0.0) / len(labels)
