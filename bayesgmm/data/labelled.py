"""Tables of xarray as frames, with their names and units."""

from typing import TYPE_CHECKING, Any

import numpy as np

from bayesgmm.advice import shown
from bayesgmm.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["framed"]


def framed(data: Any) -> tuple[Any, dict[str, str]]:
    """Return an object of xarray as a pandas frame, and anything else as it is, with the units.

    Parameters
    ----------
    data : xarray.DataArray or xarray.Dataset, or anything else
        An array has the dims (row, column), or feature and obs in any order; a data set has one
        variable a column, all along one dim. Coordinates along these name rows and columns, and
        the attribute ``units`` of a variable is its unit.

    Raises
    ------
    DataError
        When it has other dims than those of a table.

    Examples
    --------
    >>> import xarray as xr
    >>> frame, units = framed(xr.Dataset({"width": ("row", [1.0, 2.0], {"units": "cm"})}))
    >>> frame["width"].tolist(), units
    ([1.0, 2.0], {'width': 'cm'})
    """
    if not type(data).__module__.startswith("xarray."):
        return data, {}
    import xarray as xr

    if isinstance(data, xr.Dataset):
        return _of_variables(data)
    return _of_array(data) if isinstance(data, xr.DataArray) else (data, {})


def _of_variables(data: Any) -> tuple[Any, dict[str, str]]:
    plain = data.reset_coords(drop=True)
    if len(plain.dims) != 1 or any(v.ndim != 1 for v in plain.data_vars.values()):
        raise DataError(
            "the variables of an xarray.Dataset must all lie along one dim to be the columns of a "
            f"table, got the dims {shown(dict(plain.sizes))}; pass one DataArray, (row, column)."
        )
    units = {str(name): _unit(variable) for name, variable in plain.data_vars.items()}
    return _numbered(plain.to_dataframe()), {name: unit for name, unit in units.items() if unit}


def _of_array(data: Any) -> tuple[Any, dict[str, str]]:
    if data.ndim != 2:
        raise DataError(
            f"an xarray.DataArray must have two dims, (row, column), got {shown(data.dims)}."
        )
    if data.dims[0] == "feature" or data.dims[1] == "obs":
        data = data.transpose()
    rows, columns = data.dims
    names = (
        list(map(str, data[columns].values))
        if columns in data.coords
        else [f"x{j + 1}" for j in range(data.sizes[columns])]
    )
    frame = data.reset_coords(drop=True).to_pandas().set_axis(names, axis=1)
    unit = _unit(data)
    return _numbered(frame), dict.fromkeys(names, unit) if unit else {}


def _unit(variable: Any) -> str:
    unit = variable.attrs.get("units", "")
    return unit if isinstance(unit, str) else ""


def _numbered(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Drop an index that only counts the rows from 0."""
    counts = np.array_equal(np.asarray(frame.index), np.arange(len(frame)))
    return frame.reset_index(drop=True) if counts else frame
