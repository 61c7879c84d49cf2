"""Arrays and nested lists as tables of real numbers."""

import math
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesgmm.advice import shown
from bayesgmm.arguments import require_listed
from bayesgmm.errors import DataError
from bayesgmm.limits import MAX_EXACT_INTEGER

__all__ = ["has_holes", "immutable", "real_array"]


def has_holes(values: NDArray[Any]) -> bool:
    """Whether some cells are missing."""
    return bool(np.isnan(values).any())


def immutable(array: NDArray[Any]) -> bool:
    """Whether this is float64 in C order that no view of it can change."""
    owner: Any = array
    while isinstance(owner, np.ndarray):
        if owner.flags.writeable:
            return False
        owner = owner.base
    plain = array.dtype == np.float64 and array.dtype.isnative and array.flags.c_contiguous
    return plain and (owner is None or isinstance(owner, bytes))


def real_array(data: Any) -> NDArray[Any]:
    """Return a two-dimensional array of a real type."""
    if hasattr(data, "toarray"):
        raise DataError("data is a sparse matrix; pass the dense data.toarray().")
    require_listed(data)
    try:
        array = data if isinstance(data, np.ndarray) else np.asarray(data)
    except (ValueError, TypeError, OverflowError):
        raise DataError(
            "data is ragged: its rows do not all have the same number of values; pass one list "
            "of equal length a row."
        ) from None
    if array.ndim != 2:
        alone = "to_frame()" if hasattr(data, "to_frame") else "reshape(-1, 1)"
        cures = {1: f"one feature is data.{alone}", 3: "data.reshape(len(data), -1)"}
        raise DataError(
            f"data must be two-dimensional (rows by features), got {type(data).__name__} of "
            f"shape {array.shape}; {cures.get(array.ndim, 'pass an array or a data frame')}."
        )
    if not array.shape[1]:
        raise DataError(f"data has no columns (shape {array.shape}).")
    if isinstance(array, np.ma.MaskedArray):
        array = np.ma.filled(array.astype(np.float64), np.nan)
    elif not isinstance(array, np.memmap):
        array = np.asarray(array)
    if array.dtype == object:
        array = _from_objects(array)
    if array.dtype.kind not in "fiu":
        others = [cell for cell in array.ravel().tolist() if not _is_real(cell)]
        examples = ", ".join(map(shown, (others or array.ravel().tolist())[:3]))
        raise DataError(
            f"data must hold real numbers, got dtype {array.dtype}: {examples}; leave out what "
            "is not a number, and convert the rest with .astype(float).",
            dtype=str(array.dtype),
        )
    _refuse_inexact(array, data)
    return array


def _is_real(cell: Any) -> bool:
    return isinstance(cell, Real) and not isinstance(cell, bool | np.bool)


def _from_objects(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array as float64 when it holds only real numbers and missing cells."""
    cells = array.ravel().tolist()
    missing = [c is None or type(c).__name__ in ("NAType", "NaTType") for c in cells]
    if not any(missing) or not all(m or _is_real(c) for c, m in zip(cells, missing, strict=True)):
        return array
    filled = [math.nan if m else float(c) for c, m in zip(cells, missing, strict=True)]
    return np.array(filled).reshape(array.shape)


def _refuse_inexact(array: NDArray[Any], data: Any) -> None:
    """Refuse integers that float64 cannot hold, also those that a list mixes with floats."""
    if array.dtype.kind == "f" and not isinstance(data, list | tuple):
        return
    if not array.size or (array.max() < MAX_EXACT_INTEGER and array.min() > -MAX_EXACT_INTEGER):
        return
    large = (array >= MAX_EXACT_INTEGER) | (array <= -MAX_EXACT_INTEGER)
    for i, j in np.argwhere(large).tolist():
        if isinstance(data[i][j], Integral) and abs(int(data[i][j])) > MAX_EXACT_INTEGER:
            raise DataError(
                f"column 'x{j + 1}' holds the integer {shown(int(data[i][j]))} (row {i + 1}), "
                "above 2**53: it has no exact float64 value. An identifier is the usual cause: "
                "leave the column out, or convert it to float yourself.",
                column=f"x{j + 1}",
                rows=(i + 1,),
            )
