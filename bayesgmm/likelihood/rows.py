"""The E-step's pass over all rows: held in memory in blocks, or streamed chunk by chunk."""

from collections.abc import Iterable, Iterator
from copy import copy
from functools import reduce
from typing import NamedTuple

import numpy as np

from bayesgmm.data import Dataset
from bayesgmm.likelihood.compiled.kernels import BLOCK, blocked, row_responsibilities, sum_rows
from bayesgmm.likelihood.compiled.m_step import moments, moments_at, whiten_point
from bayesgmm.likelihood.moments import Moments
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.runtime.parallel import Threads
from bayesgmm.typing import Array

__all__ = ["Rows", "whole_blocks"]

CHUNK = 256 * BLOCK  # rows a task of a thread; fixed, so that sums do not depend on the threads
HELD_BYTES = 2**25


def whole_blocks(n_rows: int) -> int:
    """Return the largest number of rows up to `n_rows` that leaves no block of a pass half full."""
    return n_rows - n_rows % BLOCK if n_rows > BLOCK else n_rows


class _Whitened(NamedTuple):
    whitening: Array
    shift: Array
    constant: Array


class Rows:
    """Rows as the E-step reads them.

    Data of at most 32 MiB are laid out once in blocks; larger data are read where they lie,
    65,536 rows at a time. Several chunks are shared out among threads and merged in their order.

    Parameters
    ----------
    resolved : ResolvedSpec
        Gives the fitting coordinates.
    data : Dataset or array of shape (obs, feature), data units
    n_threads : int or None
        None is the number of processors. The sums do not depend on it.
    """

    def __init__(
        self, resolved: ResolvedSpec, data: Dataset | Array, n_threads: int | None = None
    ) -> None:
        self.n_rows, n_features = (
            (data.n_obs, data.n_features) if isinstance(data, Dataset) else data.shape
        )
        self._data = data
        self._size = (resolved.n_components, n_features)
        self._centre, self._unit = np.array(resolved.centre), np.array(resolved.unit)
        self._threads = Threads(n_threads)
        self._held: list[tuple[Array, int]] | None = None
        if 8 * self.n_rows * n_features <= HELD_BYTES:
            self._held = [(self._blocked(chunk), len(chunk)) for chunk in self._chunks()]

    def with_components(self, resolved: ResolvedSpec) -> "Rows":
        """Return the same rows for another number of components."""
        other = copy(self)
        other._size = (resolved.n_components, resolved.n_features)
        return other

    def moments(self, point: Array) -> Moments:
        """Return the moments of all rows at a point of EM."""
        if self._held is None:
            parts = self._in_order(point, ((chunk, -1) for chunk in self._chunks()))
        elif len(self._held) == 1:
            return self._of_chunk(point, *self._held[0])
        else:
            parts = self._in_order(point, self._held)
        return reduce(Moments.merge, parts)

    def log_certainty(self, point: Array) -> float:
        """Return sum_i log max_k r_ik, nats: 0 where every row is certain of its cluster."""
        whitened, total = self._whitened(point), 0.0
        for chunk in self._chunks(CHUNK // 8):
            responsibilities = np.empty((self._size[0], len(chunk)))
            row_responsibilities(self._blocked(chunk), *whitened, responsibilities)
            total += float(np.log(responsibilities.max(axis=0)).sum())
        return total

    def _chunks(self, size: int = CHUNK) -> Iterator[Array]:
        if isinstance(self._data, Dataset):
            return (chunk for _, chunk in self._data.blocks(size))
        values = self._data
        return (values[start : start + size] for start in range(0, len(values), size))

    def _blocked(self, chunk: Array) -> Array:
        return blocked(chunk, self._centre, self._unit)

    def _whitened(self, point: Array) -> _Whitened:
        n_clusters, n_features = self._size
        square = (n_clusters, n_features, n_features)
        whitened = _Whitened(np.empty(square), np.empty(self._size), np.empty(n_clusters))
        whiten_point(point, *whitened)
        return whitened

    def _of_chunk(self, point: Array, chunk: Array, n_rows: int) -> Moments:
        n_clusters, n_features = self._size
        mass, centres = np.zeros(n_clusters), np.zeros(self._size)
        scatters = np.zeros((n_clusters, n_features, n_features))
        if n_rows >= 0:
            value = moments_at(point, chunk, n_rows, mass, centres, scatters)
        else:
            whitened, unit = self._whitened(point), 1.0 / self._unit
            first, second = np.zeros_like(centres), np.zeros_like(scatters)
            value = sum_rows(chunk, self._centre, unit, *whitened, mass, first, second)
            moments(point, mass, first, second, centres, scatters)
        return Moments(value, mass, centres, scatters)

    def _in_order(self, point: Array, chunks: Iterable[tuple[Array, int]]) -> Iterator[Moments]:
        """Go through chunks in threads, a few ahead of the merge."""
        return self._threads.few_at_once(lambda part: self._of_chunk(point, *part), chunks)
