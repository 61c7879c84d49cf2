"""Rows that the estimator is given, and how often each counts."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import _check_sample_weight, validate_data

from bayesgmm.arguments import require_listed
from bayesgmm.data import Dataset, as_dataset
from bayesgmm.errors import DataError
from bayesgmm.estimator.refusals import refused_as
from bayesgmm.likelihood.annotated_rows import AnnotatedRows, RowTable, rows_of
from bayesgmm.likelihood.rows import CHUNK, chunks_of
from bayesgmm.limits import MAX_ABSOLUTE
from bayesgmm.typing import Array

__all__ = ["fitted_data", "row_blocks", "weights_of"]

_DTYPES = (np.float64, np.float32)


def fitted_data(estimator: Any, X: Any, sample_weight: Any) -> tuple[Dataset, np.dtype]:
    """Return the data to fit and the type of what is said of them, once scikit-learn has checked.

    Without missing cells and weights other than 1 they are a data set without annotations. A data
    set is taken as it is, wherever its rows lie.
    """
    if isinstance(X, Dataset):
        return _taken(estimator, X, sample_weight), np.dtype(np.float64)
    require_listed(X)
    with refused_as(DataError):
        values = validate_data(
            estimator,
            X,
            dtype=list(_DTYPES),
            ensure_min_samples=2,
            ensure_all_finite=_finite(estimator),
        )
    weights = weights_of(sample_weight, values)
    names = getattr(estimator, "feature_names_in_", None)
    if weights is None and not np.isnan(values).any():
        named = None if names is None else pd.Index(names, dtype=object)
        data = as_dataset(values if named is None else pd.DataFrame(values, columns=named))
        return data, values.dtype
    if names is None:
        names = [f"x{j + 1}" for j in range(values.shape[1])]
    data = Dataset.from_frame(
        pd.DataFrame(values, columns=pd.Index(names, dtype=object)),
        missing="mar",
        weights=weights,
        weights_kind=None if weights is None else "frequency",
    )
    return data, values.dtype


def _taken(estimator: Any, data: Dataset, sample_weight: Any) -> Dataset:
    if sample_weight is not None:
        raise DataError(
            "weights of a Dataset are those that it was made with; leave sample_weight out."
        )
    estimator.n_features_in_ = data.n_features
    estimator.feature_names_in_ = np.array(data.features, dtype=object)
    return data


def row_blocks(estimator: Any, X: Any) -> Iterator[tuple[RowTable, np.dtype]]:
    """Yield rows for a fitted estimator, and the type that they had: at once, or block by block.

    Raises
    ------
    DataError
        Where they are no rows of the features that it was fitted to.
    """
    if not isinstance(X, Dataset):
        yield _new_rows(estimator, X)
        return
    names = list(getattr(estimator, "feature_names_in_", X.features))
    if list(X.features) != names or X.n_features != estimator.n_features_in_:
        raise DataError(
            f"the rows have the features {', '.join(X.features):.200}, and the mixture was fitted "
            f"to {', '.join(names):.200}."
        )
    for block in chunks_of(rows_of(X, estimator.n_components), CHUNK):
        yield block, np.dtype(np.float64)


def _new_rows(estimator: Any, X: Any) -> tuple[RowTable, np.dtype]:
    """Return rows in float64 for a fitted estimator, and the type that they had."""
    finite = _finite(estimator)
    require_listed(X)
    with refused_as(DataError):
        rows = validate_data(
            estimator, X, dtype=list(_DTYPES), order="C", reset=False, ensure_all_finite=finite
        )
    values = rows.astype(np.float64, copy=False)
    return (AnnotatedRows(values) if np.isnan(values).any() else values), rows.dtype


def weights_of(sample_weight: Any, rows: Any) -> Array | None:
    """Return how often each row counts, checked; None where each counts once.

    Raises
    ------
    DataError
        Where there is not one number per row, or one is negative, missing or infinite.
    """
    if sample_weight is None:
        return None
    require_listed(sample_weight)
    with refused_as(DataError):
        if np.iscomplexobj(np.asarray(sample_weight)):
            raise ValueError("sample_weight must hold real numbers, not complex ones")
        weights = _check_sample_weight(
            sample_weight, rows, dtype=np.float64, ensure_non_negative=True
        )
    if weights.max() > MAX_ABSOLUTE:
        raise DataError(f"sample_weight must be {MAX_ABSOLUTE:g} at most, got {weights.max():g}.")
    return None if (weights == 1.0).all() else weights


def _finite(estimator: Any) -> Any:
    return "allow-nan" if estimator.missing == "mar" else True
