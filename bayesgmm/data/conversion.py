"""A data set of whatever is given where data are taken."""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bayesgmm.advice import shown
from bayesgmm.data.annotations import Annotations
from bayesgmm.data.arrays import immutable, real_array
from bayesgmm.data.building import checked, from_table
from bayesgmm.data.checking import ArrayRows, frozen
from bayesgmm.data.columns import NOT_ASKED_FOR, asked_for, wanted
from bayesgmm.data.dataset import Dataset
from bayesgmm.data.frames import read_frame
from bayesgmm.data.labelled import framed
from bayesgmm.errors import DataError
from bayesgmm.typing import Array

__all__ = ["as_dataset", "dataset_again"]


def as_dataset(data: Any, columns: Sequence[str] | None = None, *, copy: bool = True) -> Dataset:
    """Return the data set itself, or check what was given and make one of it.

    Parameters
    ----------
    data : Dataset, array, memory map, nested lists or data frame of shape (obs, feature)
        Frames are those of pandas, polars, pyarrow and xarray, with their names. A float64 memory
        map is not copied and must not change; anything else is copied unless it
        is float64 in C order and read-only.
    columns : sequence of str, optional
        The features, in this order; all columns by default. Those of arrays are x1 ... xD.
    copy : bool
        False reads an array where it lies, block by block: for a data set that lives no longer
        than one call, as later changes of the array would show in it.

    Raises
    ------
    DataError
        When it is not a table of finite numbers or fails another check, or lacks a column.

    Examples
    --------
    >>> as_dataset([[1, 5], [2, 7], [4, 6]], ["x2"]).values.tolist()
    [[5.0], [7.0], [6.0]]
    """
    if isinstance(data, Dataset):
        return data if columns is None else _some_of(data, columns)
    if isinstance(data, str | os.PathLike):
        raise DataError(f"got the path {shown(data)}: read it with Dataset.from_csv(path).")
    data, units = framed(data)
    if _is_frame(data):
        asked = None if columns is None else asked_for(columns)
        table = read_frame(data, asked, every=True)
        units = {name: unit for name, unit in units.items() if name in table.features}
        return from_table(Dataset, table, "frame", {}, named=asked is not None, units=units)
    array = real_array(data)
    if copy and not isinstance(array, np.memmap) and not immutable(array):
        array = np.array(array, dtype=np.float64, order="C")
    features = tuple(f"x{j + 1}" for j in range(array.shape[1]))
    if columns is not None:
        chosen = wanted(asked_for(columns), features, " of the array")
        array, features = array[:, [features.index(name) for name in chosen]], tuple(chosen)
    return checked(Dataset, ArrayRows(array), features, "array")


def _some_of(data: Dataset, columns: Sequence[str]) -> Dataset:
    """Return a data set with some of its features, in another order perhaps."""
    chosen = tuple(wanted(asked_for(columns), data.features, " of the data"))
    if chosen == data.features:
        return data
    places = [data.features.index(name) for name in chosen]
    values, known = np.ascontiguousarray(data.values[:, places]), data.annotations
    if known is not None:
        errors = None if known.errors is None else known.errors[:, places]
        known = replace(known, errors=errors if errors is not None and errors.any() else None)
        known = None if known.empty and not np.isnan(values).any() else known
    others = {name: NOT_ASKED_FOR for name in data.features if name not in chosen}
    return checked(
        type(data),
        ArrayRows(frozen(values)),
        chosen,
        data.source,
        row_labels=data.row_labels,
        kept=data.kept,
        n_dropped=data.n_dropped,
        options={**data.options, "left_out": {**data.options.get("left_out", {}), **others}},
        known=known,
        units={name: unit for name, unit in data.units.items() if name in chosen},
    )


def dataset_again(
    values: Array,
    features: tuple[str, ...],
    row_labels: tuple[str, ...] | None,
    known: Annotations | None,
) -> Dataset:
    """Return a data set of rows that were one before, such as those of a result.

    Parameters
    ----------
    values : array of shape (obs, feature)
        NaN where a cell is missing.
    features, row_labels : tuple of str
    known : Annotations or None
        What is known of the rows beside their values.
    """
    if known is None and np.isnan(values).any():
        known = Annotations()
    rows = ArrayRows(frozen(values))
    return checked(Dataset, rows, features, "array", row_labels=row_labels, known=known)


def _is_frame(data: Any) -> bool:
    if isinstance(data, np.ndarray | list | tuple):
        return False
    from narwhals import dependencies

    return dependencies.is_into_dataframe(data) or type(data).__name__ == "LazyFrame"
