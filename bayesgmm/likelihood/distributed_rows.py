"""Passes over rows in the partitions of a Dask collection, by its workers."""

from collections.abc import Callable, Iterator
from functools import reduce
from typing import Any, cast

from bayesgmm.data import Dataset
from bayesgmm.data.dask_rows import DaskRows
from bayesgmm.likelihood.annotated_rows import RowTable, with_noise
from bayesgmm.likelihood.moments import Moments
from bayesgmm.likelihood.rows import CHUNK, Rows
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.typing import Array, IntArray

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
        self._data, self._resolved = data, resolved
        self._parts = cast(DaskRows, data.partitions)
        self.n_rows = data.n_obs

    @property
    def n_counted(self) -> float:
        """Number of rows."""
        return self.n_rows

    @property
    def blurred(self) -> None:
        """None: all cells are observed, without errors of their own."""

    @property
    def plain_blocks(self) -> None:
        """None: they are not held here."""
        return None

    def with_components(self, resolved: ResolvedSpec) -> "DistributedRows":
        """Return the same rows for another number of components."""
        return DistributedRows(resolved, cast(Dataset, self._data))

    def moments(self, point: Array) -> Moments:
        """Return the moments of all rows at a point of EM: those of partitions, in their order."""
        return reduce(Moments.merge, self._parts.each(_moments_of, self._resolved, point))

    def log_certainty(self, point: Array) -> float:
        """Return sum_i log max_k r_ik, nats: 0 where every row is certain of its cluster."""
        return sum(self._parts.each(_certainty_of, self._resolved, point))

    def each[Result](
        self, task: Callable[..., Result], *arguments: Any, size: int = CHUNK
    ) -> Iterator[Result]:
        """Yield what a task, of a module, returns of each chunk of the rows, in their order."""
        for found in self._parts.each(_results_of, self._resolved, task, arguments, size):
            yield from found

    def at(self, places: IntArray) -> RowTable:
        """Return the rows at some places, ascending."""
        return cast(RowTable, with_noise(self._parts.at(places), self._resolved.noise))


def _moments_of(values: Array, resolved: ResolvedSpec, point: Array) -> Moments:
    return Rows(resolved, values, 1, hold=False).moments(point)


def _certainty_of(values: Array, resolved: ResolvedSpec, point: Array) -> float:
    return Rows(resolved, values, 1, hold=False).log_certainty(point)


def _results_of(
    values: Array, resolved: ResolvedSpec, task: Any, arguments: tuple[Any, ...], size: int
) -> list[Any]:
    return list(Rows(resolved, values, 1, hold=False).each(task, *arguments, size=size))


def rows_for(resolved: ResolvedSpec, data: Dataset) -> Rows:
    """Return the rows of a data set as passes read them, wherever they are."""
    return Rows(resolved, data) if data.partitions is None else DistributedRows(resolved, data)
