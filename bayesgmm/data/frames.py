"""Data frames of any library and Parquet files as tables of numbers."""

import math
from collections.abc import Iterator, Sequence
from decimal import Decimal
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from bayesgmm.data.reading import (
    MAX_EXACT_INTEGER,
    Column,
    Table,
    chosen_columns,
    number,
    read_bytes,
    wanted,
)
from bayesgmm.errors import ConfigError, DataError
from bayesgmm.typing import Array

__all__ = ["ParquetRows", "read_frame", "read_parquet"]

_HEAD = 8_192
_READ_BUFFER = 2**16  # bytes of each column


def _number_in(cell: Any) -> float | None:
    """Return the number that a cell of a non-numeric column holds, NaN for missing, or None."""
    if cell is None or type(cell).__name__ in ("NAType", "NaTType"):
        return math.nan
    if isinstance(cell, str):
        return number(cell, ".")
    real = isinstance(cell, (Real, Decimal)) and not isinstance(cell, bool)
    return float(cell) if real else None


def _frame_column(series: Any, first: int) -> Column:
    """Read one narwhals series; a column without a numeric type is only accounted for."""
    dtype = getattr(series.to_native(), "dtype", series.dtype)
    column = Column(str(series.name), kind=f"dtype {dtype}", place="row")
    if not series.dtype.is_numeric():
        cells = series.to_list()
        column.add(cells, range(first, first + len(cells)), _number_in)
        held = np.flatnonzero(~np.isnan(column.chunks[0]))[:3]
        column.others = column.others or [(first + int(i), cells[i]) for i in held]
        return column
    missing = series.is_null().to_numpy().astype(bool)
    present = series.drop_nulls().to_numpy()
    if present.dtype.kind in "iu":
        large = np.flatnonzero((present > MAX_EXACT_INTEGER) | (present < -MAX_EXACT_INTEGER))
        if large.size:
            row = int(np.flatnonzero(~missing)[large[0]]) + first
            column.integer = (row, int(present[large[0]]))
    numbers = np.full(len(missing), np.nan)
    numbers[~missing] = present.astype(np.float64)
    column.take(numbers)
    return column


def read_frame(
    frame: Any, columns: Sequence[str] | None, where: str = " of the frame", *, every: bool = False
) -> Table:
    """Read a pandas, polars or pyarrow table; see ``Dataset.from_frame`` for the rules.

    With ``every`` all columns are features, so that one without numbers is an error.
    """
    import narwhals as nw

    try:
        table = nw.from_native(frame, eager_only=True)
    except nw.exceptions.DuplicateError:
        raise DataError(f"there are duplicate column names{where}; rename them.") from None
    except TypeError:
        raise DataError(
            f"a data frame in memory is needed, got {type(frame).__name__}; a series becomes one "
            "by .to_frame(), a lazy frame by .collect()."
        ) from None
    by_name = {str(name): name for name in table.columns}
    names = wanted(columns, list(by_name), where)
    if not names:
        raise DataError(f"there are no columns{where}.")
    if not len(table):
        raise DataError(f"there are no rows{where}.")
    read = [_frame_column(table.get_column(by_name[name]), first=1) for name in names]
    chosen = chosen_columns(read, every or columns is not None, where)
    features = tuple(column.name for column in chosen)
    index: Any = nw.maybe_get_index(table)
    labelled = index is not None and type(index).__name__ != "RangeIndex"
    return Table(
        np.stack([column.chunks[0] for column in chosen], axis=1),
        features,
        tuple(name for name in by_name if name not in features),
        row_labels=tuple(map(str, index)) if labelled else None,
    )


def _open_parquet(path: str) -> Any:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise ConfigError(
            "reading Parquet needs pyarrow: pip install pyarrow, or convert the file to CSV."
        ) from None
    if not Path(path).is_file():
        read_bytes(path)
    try:
        # pre-buffering would hold the whole file while its batches are read one by one
        return parquet.ParquetFile(path, pre_buffer=False, buffer_size=_READ_BUFFER)
    except (OSError, ArrowException) as error:
        raise DataError(f"{path!r} is not a Parquet file: {error}", path=path) from None


def _as_table(batches: list[Any]) -> Any:
    import pyarrow

    return pyarrow.Table.from_batches(batches)


def _parquet_names(file: Any) -> list[str]:
    """Return the columns of the file, without the unnamed index that pandas may have added."""
    return [name for name in file.schema_arrow.names if not name.startswith("__index_level_")]


class ParquetRows:
    """Rows of a Parquet file, read block by block.

    Parameters
    ----------
    path : str
        The file; it must not change while it is in use.
    columns : sequence of str or None
        Names of the features; None takes the columns that are numeric in the first rows.
    """

    def __init__(self, path: str, columns: Sequence[str] | None) -> None:
        self.path = path
        file = _open_parquet(path)
        head = next(file.iter_batches(_HEAD, columns=_parquet_names(file)), None)
        if head is None:
            raise DataError(f"{path!r} has no rows.", path=self.path)
        table = read_frame(_as_table([head]), columns, f" of {path!r}")
        self.features, self.ignored = table.features, table.ignored
        self.shape = (int(file.metadata.num_rows), len(self.features))

    def blocks(self, max_rows: int) -> Iterator[Array]:
        """Yield blocks of ``max_rows`` rows; the last may be shorter."""
        kept: list[Array] = []
        for values in self._batches(max_rows):
            kept.append(values)
            while sum(map(len, kept)) >= max_rows:
                joined = np.concatenate(kept)
                kept = [joined[max_rows:]]
                yield np.ascontiguousarray(joined[:max_rows])
        if sum(map(len, kept)):
            yield np.concatenate(kept)

    def _batches(self, max_rows: int) -> Iterator[Array]:
        import narwhals as nw

        first = 1
        file = _open_parquet(self.path)
        for batch in file.iter_batches(max_rows, columns=list(self.features)):
            table = nw.from_native(_as_table([batch]), eager_only=True)
            read = [_frame_column(table.get_column(name), first) for name in self.features]
            for column in read:
                column.check(f" of {self.path!r}", "correct it.")
            yield np.stack([column.chunks[0] for column in read], axis=1)
            first += len(table)


def read_parquet(path: str, columns: Sequence[str] | None) -> Table:
    """Read a Parquet file whole; see ``Dataset.from_parquet``."""
    file = _open_parquet(path)
    return read_frame(file.read(_parquet_names(file)), columns, f" of {path!r}")
