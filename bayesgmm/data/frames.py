"""Data frames of any library as tables of numbers."""

import math
from collections.abc import Sequence
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np

from bayesgmm.advice import Advice, Option, shown
from bayesgmm.arguments import is_storable
from bayesgmm.data.annotation_columns import NO_ANNOTATIONS, AnnotationColumns
from bayesgmm.data.columns import (
    NOT_ASKED_FOR,
    Classes,
    Column,
    Table,
    chosen_columns,
    left_out,
    wanted,
)
from bayesgmm.data.dialect import Cell, Dialect
from bayesgmm.errors import ConfigError, DataError
from bayesgmm.limits import MAX_EXACT_INTEGER
from bayesgmm.typing import Array

__all__ = ["annotating_cells", "frame_column", "index_labels", "read_frame", "values_in"]

_PLAIN = Dialect()


def frame_column(series: Any, first: int, dialect: Dialect = _PLAIN) -> Column:
    """Read one narwhals series; a column without a numeric type is only accounted for."""
    dtype = getattr(series.to_native(), "dtype", series.dtype)
    column = Column(str(series.name), kind=f"dtype {dtype}", place="row")
    if not series.dtype.is_numeric():
        cells = series.to_list()
        places = range(first, first + len(cells))
        column.add(cells, places, lambda cell: _cell_in(cell, dialect))
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
    if dialect.missing_numbers:
        numbers[np.isin(numbers, list(dialect.missing_numbers))] = np.nan
    column.take(numbers)
    return column


def _cell_in(cell: Any, dialect: Dialect) -> Cell | None:
    """Return the number that a cell of a non-numeric column holds, NaN for missing, or None."""
    if cell is None or type(cell).__name__ in ("NAType", "NaTType"):
        return Cell(math.nan)
    if isinstance(cell, str):
        return dialect.read(cell)
    real = isinstance(cell, (Real, Decimal)) and not isinstance(cell, bool)
    return Cell(float(cell)) if real else None


def read_frame(
    frame: Any,
    columns: Sequence[str] | None,
    where: str = " of the frame",
    *,
    every: bool = False,
    dialect: Dialect = _PLAIN,
    beside: AnnotationColumns = NO_ANNOTATIONS,
    lacking: bool = False,
) -> Table:
    """Read a pandas, polars or pyarrow table; see `Dataset.from_frame` for the rules.

    With ``every`` all columns are features, so that one without numbers is an error. Of the
    dialect only ``na`` and ``row_labels`` are used. Columns named in `beside` annotate rows. With
    `lacking` other rows follow, which may hold the values of a named column that has none here.
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
    label_column, labels = _labels_of(table, by_name, dialect, where)
    available = [name for name in by_name if name != label_column]
    annotating = beside.wanted(columns, available, where)
    available = [name for name in available if name not in annotating]
    names = wanted(columns, available, where)
    if unstorable := [name for name in names if not is_storable(name)]:
        raise DataError(
            f"the name {shown(unstorable[0])} of a column{where} cannot be stored as text in a "
            "file; rename it.",
            column=unstorable[0],
        )
    if not names:
        raise DataError(f"there are no columns{where}.")
    if not len(table):
        raise DataError(f"there are no rows{where}.")
    read = [frame_column(table.get_column(by_name[name]), 1, dialect) for name in names]
    named = columns is not None
    chosen = chosen_columns(read, every or named, where, lacking=named and lacking)
    features = tuple(column.name for column in chosen)
    reasons, _ = left_out([column for column in read if column.name not in features])
    return Table(
        np.stack([column.chunks[0] for column in chosen], axis=1),
        features,
        {name: reasons.get(name, NOT_ASKED_FOR) for name in available if name not in features},
        row_labels=labels,
        beside={
            name: annotating_cells(
                table.get_column(by_name[name]), name in beside.numbers, where, dialect
            )
            for name in annotating
        },
    )


def values_in(frame: Any, features: Sequence[str], where: str, first: int = 1) -> Array:
    """Return the values (row, feature) of a part of the rows, the first of which has a number."""
    import narwhals as nw

    table = nw.from_native(frame, eager_only=True)
    by_name = {str(name): name for name in table.columns}
    read = [frame_column(table.get_column(by_name[name]), first) for name in features]
    for column in read:
        column.check(where, None, "correct it.")
    return np.stack([column.chunks[0] for column in read], axis=1)


def annotating_cells(
    series: Any, numbers: bool, where: str, dialect: Dialect = _PLAIN, first: int = 1
) -> Array | Classes:
    """Read a column that annotates rows: numbers as strictly as features, or classes."""
    if not numbers:
        cells = [None if _stands_for_missing(c, dialect) else c for c in series.to_list()]
        return Classes(cells, Classes.order_of(series.to_native()))
    column = frame_column(series, first, dialect)
    column.check(where, None, "correct it.", "be weights or errors")
    return column.chunks[0]


def _stands_for_missing(cell: Any, dialect: Dialect) -> bool:
    """Whether a label is unknown: missing, or what `na` says stands for that."""
    if isinstance(cell, str):
        return not cell.strip() or (bool(dialect.na) and cell in dialect.na)
    found = _cell_in(cell, dialect)
    return found is not None and (math.isnan(found.value) or found.value in dialect.missing_numbers)


def index_labels(table: Any) -> tuple[str, ...] | None:
    """Return the index of a pandas frame as labels, where it is not the plain row number."""
    import narwhals as nw

    index: Any = nw.maybe_get_index(nw.from_native(table, eager_only=True, pass_through=True))
    labelled = index is not None and type(index).__name__ != "RangeIndex"
    return tuple(map(str, index)) if labelled else None


def _labels_of(
    table: Any, by_name: dict[str, Any], dialect: Dialect, where: str
) -> tuple[str | None, tuple[str, ...] | None]:
    """Return the column of row labels, if it is one, and the labels; else those of the index."""
    given = dialect.row_labels
    if given is None:
        return None, index_labels(table)
    names = list(by_name)
    if isinstance(given, int) and given > len(names):
        raise ConfigError(
            Advice(
                Option("row_labels", given),
                f" is the number of a column{where}, from 1 to {len(names)}.",
            ),
            key="row_labels",
            value=given,
        )
    name = names[given - 1] if isinstance(given, int) else wanted([given], names, where)[0]
    return name, tuple(map(str, table.get_column(by_name[name]).to_list()))
