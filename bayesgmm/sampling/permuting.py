"""Points of a posterior under other labels, and which labels bring them near to a place."""

from collections.abc import Iterator

import numpy as np

from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.typing import Array, BoolArray, IntArray

__all__ = ["Permuting", "cluster_coordinates", "orders_within", "permutation_matrix"]


def permutation_matrix(target: LogPosterior, order: IntArray) -> Array:
    """Return P (dim, dim): P x are the coordinates with cluster k taken from `order[k]`."""
    return Permuting(target).columns(np.eye(target.dim), order)


class Permuting:
    """Products with the matrices P of `permutation_matrix`."""

    def __init__(self, target: LogPosterior) -> None:
        self._free = target.resolved.n_parts - 1
        self._weights = np.vstack([np.eye(self._free), -np.ones((1, self._free))])
        self._index = cluster_coordinates(target)

    def points(self, points: Array, order: IntArray) -> Array:
        """Return P x of each of the points (point, dim)."""
        out, free = points.copy(), self._free
        out[:, :free] = points[:, :free] @ self._weights[order[: self._free]].T
        out[:, self._index.ravel()] = points[:, self._index[order].ravel()]
        return out

    def columns(self, matrix: Array, order: IntArray) -> Array:
        """Return the product of a matrix (any, dim) and P."""
        out, free = matrix.copy(), self._free
        out[:, :free] = matrix[:, :free] @ self._weights[order[: self._free]]
        out[:, self._index[order].ravel()] = matrix[:, self._index.ravel()]
        return out


def cluster_coordinates(target: LogPosterior) -> IntArray:
    """Return which coordinates are each cluster's own (cluster, coordinate), weights aside."""
    index, moved = np.arange(target.dim), target.resolved.own_blocks
    blocks = [index[target.slices[name]] for name in moved if name in target.slices]
    return np.hstack([block.reshape(target.resolved.n_components, -1) for block in blocks])


def orders_within(
    within: BoolArray, begun: list[int], left: BoolArray
) -> Iterator[tuple[list[int], BoolArray]]:
    """Yield the orders of labels that keep points within reach at all places, and which points.

    Parameters
    ----------
    within : bool array of shape (place, label, point)
    begun : list of int
        The labels of the first places.
    left : bool array of shape (point,)
        The points within reach at those places.
    """
    if len(begun) == len(within):
        yield begun, left
        return
    for label, points in enumerate(within[len(begun)]):
        if label not in begun and (there := left & points).any():
            yield from orders_within(within, [*begun, label], there)
