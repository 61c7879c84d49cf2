"""A data set of whatever is given where data are taken."""

import os
from typing import Any

import numpy as np

from bayesgmm.advice import shown
from bayesgmm.data.annotations import Annotations
from bayesgmm.data.arrays import immutable, real_array
from bayesgmm.data.building import checked, from_table
from bayesgmm.data.checking import ArrayRows, frozen
from bayesgmm.data.dataset import Dataset
from bayesgmm.data.frames import read_frame
from bayesgmm.errors import DataError
from bayesgmm.typing import Array

__all__ = ["as_dataset", "dataset_again"]


def as_dataset(data: Any, *, copy: bool = True) -> Dataset:
    """Return the data set itself, or check what was given and make one of it.

    Parameters
    ----------
    data : Dataset, array, memory map, nested lists or data frame of shape (obs, feature)
        Every column of a frame is a feature; ``Dataset.from_frame`` chooses among them. A
        float64 memory map is not copied and must not change; anything else is copied unless it
        is float64 in C order and read-only.
    copy : bool
        False reads an array where it lies, block by block: for a data set that lives no longer
        than one call, as later changes of the array would show in it.

    Raises
    ------
    DataError
        When it is not a table of finite numbers or fails another check.

    Examples
    --------
    >>> as_dataset([[1], [2], [4]]).values.tolist()
    [[1.0], [2.0], [4.0]]
    """
    if isinstance(data, Dataset):
        return data
    if isinstance(data, str | os.PathLike):
        raise DataError(f"got the path {shown(data)}: read it with Dataset.from_csv(path).")
    if _is_frame(data):
        table = read_frame(data, None, every=True)
        return from_table(Dataset, table, "frame", {}, named=False)
    array = real_array(data)
    if copy and not isinstance(array, np.memmap) and not immutable(array):
        array = np.array(array, dtype=np.float64, order="C")
    features = tuple(f"x{j + 1}" for j in range(array.shape[1]))
    return checked(Dataset, ArrayRows(array), features, "array")


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
