"""The E-step's pass over all rows: held in memory, or streamed chunk by chunk."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from functools import cached_property, reduce
from typing import Any, cast

import numpy as np
from scipy.special import log_softmax

from bayesgmm.data import Dataset
from bayesgmm.data.arrays import has_holes
from bayesgmm.likelihood.annotated_rows import (
    AnnotatedRows,
    RowTable,
    log_unit_of,
    rows_of,
    values_of,
    with_noise,
)
from bayesgmm.likelihood.compiled.each_row import grouped_responsibilities
from bayesgmm.likelihood.compiled.kernels import BLOCK, sum_rows
from bayesgmm.likelihood.compiled.m_step import moments, moments_at
from bayesgmm.likelihood.compiled.points import whiten_point
from bayesgmm.likelihood.layout import Layout, lay_out
from bayesgmm.likelihood.moments import Moments
from bayesgmm.likelihood.picked import Picked, picked_in
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.runtime.parallel import Threads, end_if_stopped
from bayesgmm.typing import Array, IntArray

__all__ = ["CHUNK", "FEW_VALUES", "Rows", "chunks_of", "rows_at", "whole_blocks"]

CHUNK = 256 * BLOCK  # rows a task of a thread; fixed, so that sums do not depend on the threads
HELD_BYTES = 2**25
FEW_VALUES = 200_000  # rows x clusters x features: a pass over more takes a millisecond


def whole_blocks(n_rows: int) -> int:
    """Return the largest number of rows up to `n_rows` that leaves no block of a pass half full."""
    return n_rows - n_rows % BLOCK if n_rows > BLOCK else n_rows


def rows_at(rows: Dataset | RowTable, places: IntArray) -> RowTable:
    """Return the rows at some places, ascending; those left in a file are gone through once."""
    data = _values_of(rows)
    if not isinstance(data, Dataset):
        return cast(RowTable, rows)[places]
    if data.partitions is not None:
        values = data.partitions.at(places)
        return rows.with_values(values, places) if isinstance(rows, AnnotatedRows) else values
    parts, start = [], 0
    for chunk in chunks_of(rows, CHUNK):
        low, high = np.searchsorted(places, (start, start + len(chunk)))
        parts.append(chunk[places[low:high] - start])
        start += len(chunk)
    return _joined(parts)


def _joined(parts: Sequence[RowTable]) -> RowTable:
    """Return parts of the same rows, one after another."""
    first, tables = parts[0], np.concatenate([values_of(part) for part in parts])
    if not isinstance(first, AnnotatedRows):
        return tables
    known = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("weights", "allowed", "errors")
        if getattr(first, name) is not None
    }
    return AnnotatedRows(tables, **known, noise=first.noise)


def _values_of(rows: Dataset | RowTable) -> Dataset | Array:
    return rows.values if isinstance(rows, AnnotatedRows) else rows


def chunks_of(rows: Dataset | RowTable, size: int) -> Iterator[RowTable]:
    """Yield rows, at most `size` at a time."""
    if isinstance(rows, Dataset):
        return (chunk for _, chunk in rows.blocks(size))
    if isinstance(rows, AnnotatedRows):
        return rows.chunks(size)
    return (rows[start : start + size] for start in range(0, len(rows), size))


def _lacks_cells(chunk: RowTable) -> bool:
    return has_holes(values_of(chunk))


class Rows:
    """Rows as passes read them.

    Data of at most 32 MiB are laid out once; larger data are read where they lie, 65,536 rows at a
    time. Several chunks are shared out among threads and merged in their order.

    Parameters
    ----------
    resolved : ResolvedSpec
        Gives the fitting coordinates.
    data : Dataset, AnnotatedRows or array of shape (obs, feature), data units
    n_threads : int or None
        None is the number of processors. The sums do not depend on it.
    hold : bool
        False lays nothing out beforehand, which a single pass would not repay.
    """

    cores: int | None = None  # threads of a task; None where the caller may say

    def __init__(
        self,
        resolved: ResolvedSpec,
        data: Dataset | RowTable,
        n_threads: int | None = None,
        *,
        hold: bool = True,
    ) -> None:
        if isinstance(data, Dataset):
            data = rows_of(data, resolved.n_components)
        data = with_noise(data, resolved.noise)
        self.n_rows = data.n_obs if isinstance(data, Dataset) else len(data)
        self._data: Dataset | RowTable = data
        self._set_size(resolved)
        self._centre, self._unit = np.array(resolved.centre), np.array(resolved.unit)
        self._threads = Threads(n_threads)
        self._resolved = resolved
        self._held: list[Layout] | None = None
        if hold and 8 * self.n_rows * resolved.n_features <= HELD_BYTES:
            self._held = [self._laid_out(chunk) for chunk in self.chunks()]

    def _set_size(self, resolved: ResolvedSpec) -> None:
        self._size = (resolved.n_components, resolved.n_features)
        self._n_noises, self._n_layers = resolved.n_noises, resolved.n_layers
        self._error = resolved.resolution / resolved.unit if resolved.n_layers > 1 else None
        self._n_tails = resolved.n_tails
        k, d = self._size
        self._n_read = k * (1 + d + d * d) + resolved.n_noises + resolved.n_in_tail

    @cached_property
    def _picked(self) -> Picked | None:
        data = self._data
        return None if isinstance(data, Dataset) else picked_in(data, self._resolved)

    @property
    def n_counted(self) -> float:
        """Number of rows, counted by their weights."""
        return self._data.n_counted if isinstance(self._data, AnnotatedRows) else self.n_rows

    @cached_property
    def blurred(self) -> bool:
        """Whether some rows have missing cells or errors of their own."""
        data = self._data
        if not isinstance(data, AnnotatedRows):
            return False
        return data.errors is not None or any(self.each(_lacks_cells))

    @property
    def plain_blocks(self) -> Array | None:
        """The rows in blocks where they are few, complete, without annotations, and of Gaussians.

        Compiled code then needs nothing else, and a climb on them may be one call.
        """
        k, d = self._size
        if self._held is None or len(self._held) != 1 or self.n_rows * k * d > FEW_VALUES:
            return None
        others = self._n_noises or self._n_tails or self._n_layers > 1 or self._picked is not None
        return None if others or self._held[0].annotated is not None else self._held[0].blocks

    def with_components(self, resolved: ResolvedSpec) -> "Rows":
        """Return the same rows for another number of components.

        Raises
        ------
        ValueError
            Where the rows say which clusters they may belong to, and their number is another.
        """
        if isinstance(self._data, AnnotatedRows):
            self._data.require_clusters(resolved.n_components)
        other = copy(self)
        other._set_size(resolved)
        return other

    def moments(self, point: Array) -> Moments:
        """Return the moments of all rows at a point of EM; what it says of factors is not read."""
        end_if_stopped()
        point = point[: self._n_read]
        found = self.sums(point)
        if self._picked is None:
            return found
        k, d = self._size
        after = k * (1 + d + d * d)
        parts = np.concatenate([point[:k], point[after : after + self._n_noises]])
        log_weights = log_softmax(parts)
        return found._replace(
            log_likelihood=found.log_likelihood - self._picked.log_chance(log_weights),
            shares=self._picked.shares(found.rows(k), log_weights),
        )

    def sums(self, point: Array) -> Moments:
        """Return the same as if no row had been picked for its label."""
        parts: Iterable[Moments]
        if self._held is not None and len(self._held) == 1:
            parts = (self._of_layout(point, self._held[0]),)
        else:
            chunks = self.chunks() if self._held is None else self._held
            parts = self._in_order(point, chunks)
        return reduce(Moments.merge, parts)

    def log_unit(self, resolved: ResolvedSpec, n_vectors: float = 0.0) -> float:
        """Return what a log density loses on the way to data units, nats; see `log_unit_of`."""
        return log_unit_of(self._data, resolved, n_vectors)

    def log_certainty(self, point: Array) -> float:
        """Return sum_i log max_k r_ik, nats: 0 where every row is certain of its cluster.

        Rows are counted by their weights.
        """
        whitened, total, point = self._empty_components(), 0.0, point[: self._n_read]
        components = whiten_point(point, self._n_noises, self._error, *whitened)
        n_clusters, n_normals = self._size[0], len(whitened[2])
        for chunk in self.chunks(CHUNK // 8):
            responsibilities = np.empty((n_normals + self._n_noises, len(chunk)))
            n_plain, blocks, annotated, order = self._laid_out(chunk)
            grouped_responsibilities(blocks, n_plain, annotated, components, responsibilities)
            clusters = responsibilities[:n_normals].reshape(-1, n_clusters, len(chunk)).sum(axis=0)
            largest = np.maximum(clusters.max(axis=0), responsibilities[n_normals:].sum(axis=0))
            certainty = np.log(largest)
            if isinstance(chunk, AnnotatedRows) and chunk.weights is not None:
                certainty *= chunk.weights if order is None else chunk.weights[order]
            total += float(certainty.sum())
        return total

    def chunks(self, size: int = CHUNK) -> Iterator[RowTable]:
        """Yield the rows, so many at a time."""
        return chunks_of(self._data, size)

    def each[Result](
        self, task: Callable[..., Result], *arguments: Any, size: int = CHUNK
    ) -> Iterator[Result]:
        """Yield what a task returns of each chunk of the rows, in their order.

        Parameters
        ----------
        task : callable of (AnnotatedRows or array of shape (row, feature), *arguments)
            Of a module, so that other processes find it.
        *arguments
            The same for all chunks.
        size : int
            Rows of a chunk.
        """
        return (task(chunk, *arguments) for chunk in self.chunks(size))

    def at(self, places: IntArray) -> RowTable:
        """Return the rows at some places, ascending."""
        return rows_at(self._data, places)

    def _laid_out(self, chunk: RowTable) -> Layout:
        return lay_out(
            chunk,
            self._centre,
            self._unit,
            self._size[0],
            n_layers=self._n_layers,
            gaussian=not self._n_tails,
        )

    def _empty_components(self) -> tuple[Array, Array, Array]:
        n_normals, n_features = self._n_layers * self._size[0], self._size[1]
        whitening = np.zeros((n_normals, n_features, n_features))
        return whitening, np.zeros((n_normals, n_features)), np.zeros(n_normals)

    def _empty_moments(self) -> tuple[Array, Array, Array, Array, Array]:
        scatters, centres, normals = self._empty_components()
        mass, tails = np.zeros(len(normals) + self._n_noises), np.zeros((2, self._n_tails))
        return mass, centres, scatters, tails[0], tails[1]

    def _of_layout(self, point: Array, layout: Layout) -> Moments:
        sums = self._empty_moments()
        rows = layout.blocks, layout.n_plain, layout.annotated
        value = moments_at(point, self._error, *rows, *sums)
        return Moments(value, *sums)

    def _of_chunk(self, point: Array, chunk: RowTable) -> Moments:
        """Return the moments of rows that are not held; plain ones are not laid out either."""
        if isinstance(chunk, AnnotatedRows) or self._n_tails:
            return self._of_layout(point, self._laid_out(chunk))
        mass, first, second, _, _ = self._empty_moments()
        centres, scatters = np.empty_like(first), np.empty_like(second)
        whitened = self._empty_components()
        components = whiten_point(point, self._n_noises, self._error, *whitened)
        value = sum_rows(chunk, self._centre, 1.0 / self._unit, *whitened, mass, first, second)
        moments(components, mass, first, second, centres, scatters)
        return Moments(value, mass, centres, scatters)

    def _in_order(self, point: Array, chunks: Iterable[RowTable | Layout]) -> Iterator[Moments]:
        """Go through chunks in threads, a few ahead of the merge."""

        def pass_over(chunk: RowTable | Layout) -> Moments:
            if isinstance(chunk, Layout):
                return self._of_layout(point, chunk)
            return self._of_chunk(point, chunk)

        return self._threads.few_at_once(pass_over, chunks)
