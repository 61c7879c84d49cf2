"""Rows of a Dask collection: gone through on its workers, partition by partition."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from bayesgmm.data.arrays import real_array
from bayesgmm.data.columns import wanted
from bayesgmm.data.frames import read_frame
from bayesgmm.errors import ConfigError, DataError
from bayesgmm.runtime.dask_client import client_at_hand, require_dask
from bayesgmm.typing import Array, IntArray

__all__ = ["DaskRows", "dask_parquet", "dask_rows"]

_OF_ARRAYS = " of the array"


class DaskRows:
    """Rows in the partitions of a Dask collection.

    No row leaves its worker but those that are asked for: a function goes to each partition, and
    what it returns comes back, in the order of the partitions. A partition whose worker dies is
    made again by another from what it was made of.

    Parameters
    ----------
    parts : sequence of dask.delayed.Delayed
        Frames or arrays, none of them empty.
    features : tuple of str
    ignored : dict of str to str
        Why other columns are no features.
    client : distributed.Client or None
        None computes in this process.
    """

    def __init__(
        self,
        parts: Sequence[Any],
        features: tuple[str, ...],
        ignored: dict[str, str],
        client: Any,
    ) -> None:
        self.features, self.ignored = features, ignored
        self._parts, self._client = parts, client

    @property
    def n_parts(self) -> int:
        """Number of partitions."""
        return len(self._parts)

    @cached_property
    def sizes(self) -> IntArray:
        """Number of rows of each partition."""
        return np.array(list(self.each(len)), dtype=np.int64)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of columns."""
        return int(self.sizes.sum()), len(self.features)

    def each[Result](
        self,
        function: Callable[..., Result],
        *arguments: Any,
        own: Sequence[Any] | None = None,
    ) -> Iterator[Result]:
        """Yield what a function returns of the values (row, feature) of each partition, in order.

        Parameters
        ----------
        function : callable of (array, *arguments)
            Of a module, so that workers find it.
        *arguments
            The same for all partitions.
        own : sequence, optional
            One more argument for each, after the array.
        """
        from dask import delayed

        shared = delayed((self.features, function, arguments), traverse=False)
        each = [()] * self.n_parts if own is None else [(argument,) for argument in own]
        task = delayed(_applied, pure=False)
        tasks = [task(part, shared, mine) for part, mine in zip(self._parts, each, strict=True)]
        if self._client is None:
            import dask

            yield from dask.compute(*tasks)
            return
        futures = self._client.compute(tasks)
        futures.reverse()
        while futures:
            yield futures.pop().result()

    def blocks(self, max_rows: int) -> Iterator[Array]:
        """Yield blocks of at most ``max_rows`` rows, which come to this process one by one."""
        for place in range(self.n_parts):
            one = DaskRows(self._parts[place : place + 1], self.features, {}, self._client)
            for values in one.each(np.asarray):
                for start in range(0, len(values), max_rows):
                    yield values[start : start + max_rows]

    def at(self, places: IntArray) -> Array:
        """Return the rows at some places, ascending."""
        ends = np.cumsum(self.sizes)
        cuts = np.searchsorted(places, ends[:-1])
        parts = zip(np.split(places, cuts), ends - self.sizes, strict=True)
        own = [some - start for some, start in parts]
        return np.concatenate(list(self.each(_taken, own=own)))


def _taken(values: Array, places: IntArray) -> Array:
    return values[places]


def _applied(part: Any, shared: Any, own: tuple[Any, ...]) -> Any:
    """Apply a function to the values of a partition, on its worker."""
    features, function, arguments = shared
    return function(_values_of(part, features), *own, *arguments)


def _values_of(part: Any, features: tuple[str, ...]) -> Array:
    """Return the values (row, feature) of a partition, float64 in C order."""
    if isinstance(part, np.ndarray):
        return np.ascontiguousarray(real_array(part), dtype=np.float64)
    if not len(part):
        return np.empty((0, len(features)))
    return np.ascontiguousarray(read_frame(part, features, " of the partition").values)


def _columns_of(part: Any, columns: Sequence[str] | None) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the features of a partition, and why other columns are none."""
    if isinstance(part, np.ndarray):
        available = [f"x{j + 1}" for j in range(part.shape[1])]
        return tuple(wanted(columns, available, _OF_ARRAYS)), {}
    if not len(part):
        return (), {}
    table = read_frame(part, columns, " of the collection")
    return table.features, dict(table.ignored)


def dask_rows(collection: Any, columns: Sequence[str] | None) -> DaskRows:
    """Return the rows of a Dask array or frame; the client is the one at hand, if there is one.

    Raises
    ------
    ConfigError
        Where it is no Dask collection, or Dask is not installed.
    DataError
        Where it has no rows, or an array has other columns than were asked for.
    """
    require_dask()
    import dask
    from dask import delayed

    if hasattr(collection, "to_delayed") and hasattr(collection, "rechunk"):
        if collection.ndim != 2:
            raise DataError(f"data must be two-dimensional, got the shape {collection.shape}.")
        collection = collection.rechunk({1: -1})
        parts = list(collection.to_delayed()[:, 0])
    elif hasattr(collection, "to_delayed"):
        parts = collection.to_delayed()
    else:
        raise ConfigError(
            f"a Dask array or frame is needed, got {type(collection).__name__}; "
            "Dataset.from_frame takes frames in memory.",
            value=collection,
        )
    client, features, ignored = client_at_hand(), tuple[str, ...](), dict[str, str]()
    for part in parts:
        task = delayed(_columns_of, pure=False)(part, columns)
        done = dask.compute(task)[0] if client is None else client.compute(task).result()
        features, ignored = done
        if features:
            break
    if not features:
        raise DataError("the collection has no rows.")
    sizes = DaskRows(parts, features, ignored, client).sizes
    held = [part for part, size in zip(parts, sizes, strict=True) if size]
    rows = DaskRows(held, features, ignored, client)
    rows.sizes = sizes[sizes > 0]
    return rows


def dask_parquet(path: str, columns: Sequence[str] | None) -> DaskRows:
    """Return the rows of Parquet as Dask reads them."""
    require_dask()
    import dask.dataframe as dd

    return dask_rows(dd.read_parquet(path, columns=columns), columns)
