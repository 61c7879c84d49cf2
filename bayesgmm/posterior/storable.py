"""Trees as a file can hold them: numbers, and texts for everything else."""

import json
from typing import Any

import numpy as np
import xarray as xr

__all__ = ["encoding_of", "storable"]

_PACKED = {"zlib": True, "complevel": 1, "shuffle": True}  # higher levels gain a hundredth
_LARGE = 2**20  # bytes of an array that is worth it


def storable(tree: xr.DataTree) -> xr.DataTree:
    """Return a tree whose variables are numbers or text, and whose attributes are too.

    Samplers and users leave what netCDF does not know: None, objects, dates. None becomes the empty
    text, a date its ISO form, and anything else its JSON text where it has one.

    Examples
    --------
    >>> tree = xr.DataTree.from_dict({"a": xr.Dataset({"v": ("x", np.array([None, {"k": 1}]))})})
    >>> storable(tree)["a"]["v"].values.tolist()
    ['', '{"k": 1}']
    """
    new = tree.copy()
    for node in new.subtree:
        own = node.to_dataset(inherit=False)
        odd = {k: v for k, v in own.variables.items() if v.dtype.kind not in "biufcU"}
        texts = {k: (v.dims, _texts(v.values), _plain(v.attrs)) for k, v in odd.items()}
        plain = {k: v.copy() for k, v in own.variables.items() if k not in odd}
        for variable in plain.values():
            variable.attrs = _plain(variable.attrs)
        coords = set(map(str, own.coords))
        both = {**plain, **texts}
        node.dataset = xr.Dataset(
            {k: v for k, v in both.items() if str(k) not in coords},
            {k: v for k, v in both.items() if str(k) in coords},
            _plain(own.attrs),
        )
    return new


def encoding_of(tree: xr.DataTree) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the encoding that packs large arrays, and stores texts as characters in UTF-8.

    Strings of variable length have crashed the process: HDF5 2.0 keeps the conversion of their
    fill values, with a pointer to its file, after that file was closed, and uses it for the next.
    """
    return {
        node.path: {
            str(name): {"dtype": "S1"} if variable.dtype.kind not in "biufc" else _PACKED
            for name, variable in node.to_dataset(inherit=False).variables.items()
            if variable.dtype.kind not in "biufc" or variable.nbytes >= _LARGE
        }
        for node in tree.subtree
    }


def _texts(values: np.ndarray) -> np.ndarray:
    """Return an array of text of the same shape."""
    if values.dtype.kind in "Mm":
        return values.astype(str)
    flat = [_text(value) for value in values.ravel().tolist()]
    return np.array(flat, dtype=str).reshape(values.shape)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="backslashreplace")
    missing = value is None or value != value  # pandas makes NaN of None among texts
    return "" if missing else json.dumps(value, default=str)


def _plain(attributes: dict[Any, Any]) -> dict[str, Any]:
    """Return attributes as netCDF takes them: a bool, a mapping or None become JSON text."""
    return {str(name): _attribute(value) for name, value in attributes.items()}


def _attribute(value: Any) -> Any:
    array = np.asarray(value) if isinstance(value, list | tuple | np.ndarray | np.generic) else None
    numbers = array is not None and array.dtype.kind in "iuf" and array.ndim < 2
    if numbers or isinstance(value, str | int | float) and not isinstance(value, bool):
        return value
    return json.dumps(array.tolist() if array is not None else value, default=str)
