"""Passes over rows in the partitions of a Dask collection, by its workers."""

from collections.abc import Callable, Iterator
from functools import cached_property, reduce
from typing import Any, cast

from bayesgmm.data import Annotations, Dataset
from bayesgmm.data.dask_rows import DaskRows
from bayesgmm.likelihood.annotated_rows import (
    AnnotatedRows,
    RowTable,
    annotated_rows,
    log_unit_of,
    log_unit_of_cells,
    rows_of,
    with_noise,
)
from bayesgmm.likelihood.moments import Moments
from bayesgmm.likelihood.rows import CHUNK, Rows
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.typing import Array

__all__ = ["DistributedRows", "rows_for"]


class DistributedRows(Rows):
    """Rows on the workers of Dask, as passes read them: each partition in one thread.

    Parameters
    ----------
    resolved : ResolvedSpec
    data : Dataset
        Its `partitions` are there.
    """

    cores = 1

    def __init__(self, resolved: ResolvedSpec, data: Dataset) -> None:
        self._source, self._resolved = data, resolved
        self._data = with_noise(rows_of(data, resolved.n_components), resolved.noise)
        self._parts = cast(DaskRows, data.partitions)
        self._set_size(resolved)
        self.n_rows = data.n_obs

    @cached_property
    def blurred(self) -> bool:
        """Whether some rows have missing cells or errors of their own."""
        known = self._source.annotations
        return known is not None and (known.errors is not None or self._source.incomplete)

    @property
    def plain_blocks(self) -> None:
        """None: they are not held here."""
        return None

    def with_components(self, resolved: ResolvedSpec) -> "DistributedRows":
        """Return the same rows for another number of components."""
        return DistributedRows(resolved, self._source)

    def sums(self, point: Array) -> Moments:
        """Return the moments of all rows at a point of EM: those of partitions, in their order."""
        return reduce(Moments.merge, self._of_each(_sums_of, point))

    def log_certainty(self, point: Array) -> float:
        """Return sum_i log max_k r_ik, nats: 0 where every row is certain of its cluster."""
        return sum(self._of_each(_certainty_of, point))

    def log_unit(self, resolved: ResolvedSpec, n_vectors: float = 0.0) -> float:
        """Return what a log density loses on the way to data units, nats; see `log_unit_of`."""
        if self._source.annotations is None:
            return log_unit_of(self._source, resolved, n_vectors)
        return log_unit_of_cells(self._counted, resolved, n_vectors)

    @cached_property
    def _counted(self) -> Array:
        """How often each feature was observed, rows counted by their weights: shape (feature,)."""
        return sum(self.each(_counted_in))  # type: ignore[return-value]

    def each[Result](
        self, task: Callable[..., Result], *arguments: Any, size: int = CHUNK
    ) -> Iterator[Result]:
        """Yield what a task, of a module, returns of each chunk of the rows, in their order."""
        for found in self._of_each(_results_of, task, arguments, size):
            yield from found

    def _of_each(self, function: Callable[..., Any], *arguments: Any) -> Iterator[Any]:
        """Yield what a function returns of each partition, with what is known of its rows."""
        return self._parts.each(function, self._resolved, *arguments, own=self._parts.known)


def _rows_in(values: Array, resolved: ResolvedSpec, known: Annotations | None) -> Rows:
    table = values if known is None else annotated_rows(values, known, resolved.n_components)
    return Rows(resolved, table, 1, hold=False)


def _sums_of(
    values: Array, resolved: ResolvedSpec, point: Array, known: Annotations | None = None
) -> Moments:
    return _rows_in(values, resolved, known).sums(point)


def _certainty_of(
    values: Array, resolved: ResolvedSpec, point: Array, known: Annotations | None = None
) -> float:
    return _rows_in(values, resolved, known).log_certainty(point)


def _results_of(
    values: Array,
    resolved: ResolvedSpec,
    task: Any,
    arguments: tuple[Any, ...],
    size: int,
    known: Annotations | None = None,
) -> list[Any]:
    return list(_rows_in(values, resolved, known).each(task, *arguments, size=size))


def _counted_in(chunk: RowTable) -> Array:
    table = chunk if isinstance(chunk, AnnotatedRows) else AnnotatedRows(chunk)
    return table.counted


def rows_for(resolved: ResolvedSpec, data: Dataset) -> Rows:
    """Return the rows of a data set as passes read them, wherever they are."""
    return Rows(resolved, data) if data.partitions is None else DistributedRows(resolved, data)
