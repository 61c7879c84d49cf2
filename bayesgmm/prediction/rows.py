"""New rows to predict for: any table, checked lightly, as a single row is enough."""

from typing import Any

import numpy as np
from narwhals import dependencies
from numpy.typing import NDArray

from bayesgmm.data import Dataset
from bayesgmm.data.arrays import real_array
from bayesgmm.data.columns import distinct_labels
from bayesgmm.data.frames import index_labels, read_frame
from bayesgmm.errors import DataError
from bayesgmm.limits import MAX_ABSOLUTE
from bayesgmm.typing import Array

__all__ = ["checked_rows", "row_names"]


def checked_rows(rows: Any, features: tuple[str, ...]) -> Array:
    """Return new rows as an array of shape (obs, feature), data units.

    Parameters
    ----------
    rows : Dataset, array, nested lists or data frame
        Columns of a data set or a frame are taken by name, those of anything else by position.
    features : tuple of str
        The features of the model.

    Raises
    ------
    DataError
        When there is no row, a feature is missing, their number is wrong, or a value is missing,
        infinite or above 1e150 in size.
    """
    if isinstance(rows, Dataset):
        if rows.annotations is not None:
            raise DataError(
                "rows have missing cells, weights, labels or errors, which this does not take; "
                "membership and coclustering do."
            )
        values = _by_name(rows, features)
    elif dependencies.is_into_dataframe(rows):
        values = read_frame(rows, features, " of rows").values
    else:
        values = real_array(rows).astype(np.float64)
        if values.shape[1] != len(features):
            raise DataError(
                f"rows must have the {len(features)} features of the model "
                f"({', '.join(features[:8])}), got {values.shape[1]} columns.",
                n_features=values.shape[1],
            )
    if not len(values):
        raise DataError("rows is empty; pass at least one row.")
    _refuse_unusable(values, features)
    return np.ascontiguousarray(values)


def row_names(rows: Any, n_rows: int) -> NDArray[Any]:
    """Return the names of new rows: labels of a data set, the index of a frame, or 0, 1, 2, ..."""
    if isinstance(rows, Dataset):
        return rows.obs()
    if dependencies.is_pandas_dataframe(rows):
        labels = distinct_labels(index_labels(rows), asked=False)
        if labels is not None:
            return np.array(labels)
    return np.arange(n_rows)


def _by_name(rows: Dataset, features: tuple[str, ...]) -> Array:
    for name in features:
        if name not in rows.features:
            raise DataError(
                f"rows have no feature {name!r:.80}; they have {', '.join(rows.features[:8])}.",
                column=name,
            )
    return rows.values[:, [rows.features.index(name) for name in features]]


def _refuse_unusable(values: Array, features: tuple[str, ...]) -> None:
    with np.errstate(invalid="ignore"):
        unusable = np.argwhere(~(np.abs(values) <= MAX_ABSOLUTE))
    if len(unusable):
        row, column = unusable[0].tolist()
        raise DataError(
            f"rows have {len(unusable)} missing, infinite or huge values, first in row {row + 1}, "
            f"column {features[column]!r:.80}: {values[row, column].item()!r}; drop or correct "
            "these rows.",
            rows=np.unique(unusable[:, 0] + 1).tolist(),
            column=features[column],
        )
