"""What plots show of rows: the cells that were observed, counted by their weights."""

from dataclasses import dataclass

import numpy as np

from bayesgmm.data.columns import plural
from bayesgmm.likelihood.annotated_rows import AnnotatedRows, RowTable, times_of, values_of
from bayesgmm.typing import Array, IntArray

__all__ = ["Column", "Points", "column_of", "points_of", "told_of"]


@dataclass(frozen=True, eq=False)
class Column:
    """The observed cells of one feature.

    Parameters
    ----------
    places : array of shape (cell,)
        In which rows they stand.
    values : array of shape (cell,), data units
    weights : array of shape (cell,), optional
        How often each counts.
    times : array of shape (cell,)
        How many rows each stands for.
    label : str
        What the legend of a single panel says of them.
    """

    places: IntArray
    values: Array
    weights: Array | None
    times: IntArray
    label: str


@dataclass(frozen=True, eq=False)
class Points:
    """The rows that show all of some features.

    Parameters
    ----------
    places : array of shape (point,)
        Where they stand among all rows.
    values : array of shape (point, feature), data units
    sizes : array of shape (point,), optional
        Their weights, as multiples of the mean.
    hidden : int
        Number of rows that lack one.
    """

    places: IntArray
    values: Array
    sizes: Array | None
    hidden: int


def column_of(rows: RowTable, place: int) -> Column:
    """Return what was observed of a feature."""
    values = values_of(rows)[:, place]
    if not isinstance(rows, AnnotatedRows):
        places = np.arange(len(values))
        return Column(places, values, None, times_of(rows), f"data, {len(values)} rows")
    seen, times = ~np.isnan(values), times_of(rows)
    weights = None if rows.weights is None else rows.weights[seen]
    hidden = int(times[~seen].sum())
    parts = [f"data, {plural(int(times[seen].sum()), 'row')}"]
    if weights is not None:
        parts.append("by weight")
    if rows.errors is not None and rows.errors[seen, place].any():
        parts.append("with their errors")
    label = ", ".join(parts) + (f" ({hidden} not observed)" if hidden else "")
    return Column(np.flatnonzero(seen), values[seen], weights, times[seen], label)


def told_of(rows: RowTable) -> str:
    """Say in the legend of several panels what is shown of rows."""
    if not isinstance(rows, AnnotatedRows):
        return f"data, {len(rows)} rows"
    return "data, observed cells" + ("" if rows.weights is None else ", by weight")


def points_of(rows: RowTable, places: list[int]) -> Points:
    """Return the rows that show all features at `places`."""
    values = values_of(rows)[:, places]
    if not isinstance(rows, AnnotatedRows):
        return Points(np.arange(len(values)), values, None, 0)
    shown = np.flatnonzero(~np.isnan(values).any(axis=1))
    weights = None if rows.weights is None else rows.weights[shown]
    sizes = None if weights is None else weights / weights.mean()
    return Points(shown, values[shown], sizes, len(values) - len(shown))
