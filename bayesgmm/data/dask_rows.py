"""Rows of a Dask collection: gone through on its workers, partition by partition."""

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesgmm.data.annotation_columns import NO_ANNOTATIONS, AnnotationColumns
from bayesgmm.data.annotations import Annotations
from bayesgmm.data.arrays import has_holes, real_array
from bayesgmm.data.columns import Classes, wanted
from bayesgmm.data.frames import annotating_cells, read_frame, values_in
from bayesgmm.errors import ConfigError, DataError
from bayesgmm.runtime.dask_client import client_at_hand, placed_on_workers, require_dask
from bayesgmm.typing import Array, BoolArray, IntArray

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
    beside : AnnotationColumns
        Columns that annotate rows, which are no features.

    Attributes
    ----------
    known : sequence or None
        What is known of the rows of each partition beside their values, as `each` takes it for
        `own`; None where that is nothing.
    """

    known: Sequence[Any] | None = None

    def __init__(
        self,
        parts: Sequence[Any],
        features: tuple[str, ...],
        ignored: dict[str, str],
        client: Any,
        beside: AnnotationColumns = NO_ANNOTATIONS,
    ) -> None:
        self.features, self.ignored = features, ignored
        self._parts, self._client, self._beside = parts, client, beside

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

    @property
    def incomplete(self) -> bool:
        """Whether some cells are missing."""
        return any(self.each(has_holes))

    def absent(self) -> BoolArray:
        """Return which cells are missing: shape (obs, feature)."""
        return np.concatenate(list(self.each(np.isnan)))

    def beside(self) -> dict[str, Array | Classes]:
        """Return the columns that annotate rows, which come here whole: numbers, or classes."""
        if not self._beside.names:
            return {}
        asked = [(name, name in self._beside.numbers) for name in self._beside.names]
        firsts = np.cumsum(self.sizes) - self.sizes + 1
        parts = zip(*self._done(_annotating, asked, firsts.tolist()), strict=True)
        return dict(zip(self._beside.names, map(_one_after_another, parts), strict=True))

    def with_known(self, known: Annotations) -> "DaskRows":
        """Return the same rows with what is known of them, which goes to the workers here, once.

        Parameters
        ----------
        known : Annotations
            Of all rows. The weights of a survey go scaled, since a partition knows its own alone.
        """
        ends, other = np.cumsum(self.sizes), copy(self)
        of_parts = [
            known.counting.taken(slice(end - size, end))
            for end, size in zip(ends, self.sizes, strict=True)
        ]
        other.known = placed_on_workers(of_parts, self._client)
        return other

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
            One more argument for each, after the others.
        """
        each = None if own is None else [(argument,) for argument in own]
        return self._done(_applied, (self.features, function, arguments), each)

    def _done(self, function: Any, shared: Any, own: Sequence[Any] | None) -> Iterator[Any]:
        """Yield what a function returns of each partition, what all share, and what each has."""
        from dask import delayed

        common = delayed(shared, traverse=False)
        each = [()] * self.n_parts if own is None else own
        task = delayed(function, pure=False)
        tasks = [task(part, common, mine) for part, mine in zip(self._parts, each, strict=True)]
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
    return function(_values_of(part, features), *arguments, *own)


def _annotating(part: Any, asked: Sequence[tuple[str, bool]], first: int) -> list[Array | Classes]:
    """Return columns of a partition that annotate rows, the first of which has a number."""
    import narwhals as nw

    table = nw.from_native(_frame_of(part), eager_only=True)
    by_name, where = {str(name): name for name in table.columns}, " of the collection"
    return [
        annotating_cells(table.get_column(by_name[name]), numbers, where, first=first)
        for name, numbers in asked
    ]


def _one_after_another(parts: Sequence[Any]) -> Array | Classes:
    """Return the cells of a column, given those of each partition."""
    if not isinstance(parts[0], Classes):
        return np.concatenate(parts)
    orders = [part.order for part in parts]
    agreed = all(order == orders[0] for order in orders)
    cells = list(chain.from_iterable(part.cells for part in parts))
    return Classes(cells, orders[0] if agreed else None)


def _values_of(part: Any, features: tuple[str, ...]) -> Array:
    """Return the values (row, feature) of a partition, float64 in C order."""
    if isinstance(part, np.ndarray):
        names = _names_of(part)
        if features != names:
            part = part[:, [names.index(name) for name in features]]
        return np.ascontiguousarray(real_array(part), dtype=np.float64)
    if not len(part):
        return np.empty((0, len(features)))
    return np.ascontiguousarray(values_in(part, features, " of the partition"))


def _names_of(part: NDArray[Any]) -> tuple[str, ...]:
    return tuple(f"x{j + 1}" for j in range(part.shape[1]))


def _frame_of(part: Any) -> Any:
    if not isinstance(part, np.ndarray):
        return part
    import pandas as pd

    return pd.DataFrame(part, columns=_names_of(part))


def _columns_of(
    part: Any, columns: Sequence[str] | None, beside: AnnotationColumns, lacking: bool
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the features of a partition, and why other columns are none."""
    if isinstance(part, np.ndarray):
        annotating = beside.wanted(columns, _names_of(part), _OF_ARRAYS)
        available = [name for name in _names_of(part) if name not in annotating]
        return tuple(wanted(columns, available, _OF_ARRAYS)), {}
    if not len(part):
        return (), {}
    table = read_frame(part, columns, " of the collection", beside=beside, lacking=lacking)
    return table.features, dict(table.ignored)


def dask_rows(
    collection: Any,
    columns: Sequence[str] | None,
    beside: AnnotationColumns = NO_ANNOTATIONS,
    *,
    lacking: bool = False,
) -> DaskRows:
    """Return the rows of a Dask array or frame; the client is the one at hand, if there is one.

    Parameters
    ----------
    collection : dask.array.Array or dask.dataframe.DataFrame
    columns : sequence of str or None
        Names of the features; None takes those that are numeric in the first partition with rows.
    beside : AnnotationColumns
        Columns that annotate rows, which are no features.
    lacking : bool
        Whether a partition may hold no value of a named column.

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
    names = beside.by_name
    for part in parts:
        task = delayed(_columns_of, pure=False)(part, columns, names, lacking)
        done = dask.compute(task)[0] if client is None else client.compute(task).result()
        features, ignored = done
        if features:
            break
    if not features:
        raise DataError("the collection has no rows.")
    sizes = DaskRows(parts, features, ignored, client).sizes
    held = [part for part, size in zip(parts, sizes, strict=True) if size]
    rows = DaskRows(held, features, ignored, client, names)
    rows.sizes = sizes[sizes > 0]
    return rows


def dask_parquet(
    path: str,
    columns: Sequence[str] | None,
    beside: AnnotationColumns = NO_ANNOTATIONS,
    *,
    lacking: bool = False,
) -> DaskRows:
    """Return the rows of Parquet as Dask reads them; see `dask_rows`."""
    require_dask()
    import dask.dataframe as dd

    asked = None if columns is None else list(dict.fromkeys((*columns, *beside.names)))
    return dask_rows(dd.read_parquet(path, columns=asked), columns, beside, lacking=lacking)
