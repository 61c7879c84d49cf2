"""New rows to predict for: any table, checked lightly, as a single row is enough."""

from collections.abc import Iterator
from dataclasses import replace
from numbers import Real
from typing import Any

import narwhals as nw
import numpy as np
from narwhals import dependencies
from numpy.typing import NDArray

from bayesgmm.advice import shown
from bayesgmm.data import Annotations, Dataset
from bayesgmm.data.arrays import real_array
from bayesgmm.data.columns import distinct_labels
from bayesgmm.data.frames import index_labels, read_frame
from bayesgmm.data.labelled import framed
from bayesgmm.errors import DataError
from bayesgmm.likelihood.annotated_rows import (
    AnnotatedRows,
    RowTable,
    annotated_rows,
    with_features,
)
from bayesgmm.limits import MAX_ABSOLUTE
from bayesgmm.typing import Array

__all__ = ["blocks_of_rows", "checked_rows", "row_names"]


def checked_rows(rows: Any, features: tuple[str, ...], clusters: NDArray[Any]) -> RowTable:
    """Return new rows (obs, feature), data units, with what is known of them.

    Parameters
    ----------
    rows : Dataset, array, nested lists, data frame or series
        Columns of a data set or a frame are taken by name, those of anything else by position. One
        row may come as a list of its numbers, or as a series of pandas with the features' names.
    features : tuple of str
        The features of the model.
    clusters : array of shape (cluster,)
        What the clusters are called; labels of rows are of these.

    Raises
    ------
    DataError
        When there is no row, a feature is missing, their number is wrong, a label is no cluster's,
        or a value is infinite, above 1e150 in size, or missing where none may be.
    """
    rows = _tabular(rows, features)
    if isinstance(rows, Dataset):
        places = _places(rows, features)
        if rows.annotations is not None:
            known = _of_clusters(rows.annotations, clusters)
            return with_features(annotated_rows(rows, known, len(clusters)), places)
        values = rows.values[:, places]
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


def blocks_of_rows(
    rows: Dataset, features: tuple[str, ...], clusters: NDArray[Any], size: int
) -> Iterator[AnnotatedRows]:
    """Yield the rows of a data set as `checked_rows` returns them, so many at a time.

    Rows of a data set have been checked.
    """
    places, known = _places(rows, features), rows.annotations or Annotations()
    table = annotated_rows(rows, _of_clusters(known, clusters), len(clusters))
    for chunk in table.chunks(size):
        block: Any = with_features(chunk, places)
        yield block


def row_names(rows: Any, features: tuple[str, ...], n_rows: int) -> NDArray[Any]:
    """Return the names of new rows: labels of a data set, the index of a frame, or 0, 1, 2, ..."""
    rows = _tabular(rows, features)
    if isinstance(rows, Dataset):
        return rows.obs()
    if dependencies.is_pandas_dataframe(rows):
        labels = distinct_labels(index_labels(rows), asked=False)
        if labels is not None:
            return np.array(labels)
    return np.arange(n_rows)


def _tabular(rows: Any, features: tuple[str, ...]) -> Any:
    """Return rows as a table of two dims: one row, or one feature, may have been given as one."""
    rows = framed(rows)[0]
    if dependencies.is_into_series(rows):
        named = features[0] in getattr(rows, "index", ())
        if len(features) == 1 and not named:
            return nw.from_native(rows, series_only=True).alias(features[0]).to_frame().to_native()
        if dependencies.is_pandas_series(rows):
            row = rows.to_frame().T.infer_objects()
            return row if isinstance(rows.name, str) else row.reset_index(drop=True)
        rows = rows.to_numpy()
    listed = isinstance(rows, list | tuple) and rows and all(isinstance(x, Real) for x in rows)
    if listed or (isinstance(rows, np.ndarray) and rows.ndim == 1):
        return np.reshape(np.asarray(rows), (-1, 1) if len(features) == 1 else (1, -1))
    return rows


def _places(rows: Dataset, features: tuple[str, ...]) -> list[int]:
    for name in features:
        if name not in rows.features:
            raise DataError(
                f"rows have no feature {shown(name)}; they have {', '.join(rows.features[:8])}.",
                column=name,
            )
    return [rows.features.index(name) for name in features]


def _of_clusters(known: Annotations, clusters: NDArray[Any]) -> Annotations:
    """Return what is known of rows, their classes those of a mixture, by name."""
    if known.possible is None:
        return known
    names = tuple(map(str, clusters))
    for label in known.classes:
        if label not in names:
            raise DataError(
                f"rows are labelled {shown(label, 60)}, and the mixture has no cluster of that "
                f"name; its clusters are {', '.join(names[:8])}.",
                label=label,
            )
    possible = np.zeros((len(known.possible), len(names)), dtype=bool)
    possible[:, [names.index(label) for label in known.classes]] = known.possible
    return replace(known, classes=names, possible=possible)


def _refuse_unusable(values: Array, features: tuple[str, ...]) -> None:
    with np.errstate(invalid="ignore"):
        unusable = np.argwhere(~(np.abs(values) <= MAX_ABSOLUTE))
    if len(unusable):
        row, column = unusable[0].tolist()
        raise DataError(
            f"rows have {len(unusable)} missing, infinite or huge values, first in row {row + 1}, "
            f"column {shown(features[column])}: {values[row, column].item()!r}; drop or correct "
            "these rows.",
            rows=np.unique(unusable[:, 0] + 1).tolist(),
            column=features[column],
        )
