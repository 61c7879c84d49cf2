"""The rows of a data set as a group of a result, and back: all of them, or some of many."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesgmm.data import Annotations, Dataset
from bayesgmm.likelihood.annotated_rows import values_of
from bayesgmm.likelihood.rows import rows_at
from bayesgmm.likelihood.streamed import is_streamed, n_kept
from bayesgmm.typing import Array

__all__ = ["ALL_ROWS", "SOME_ROWS", "annotations_in", "observed_group", "observed_groups"]

ALL_ROWS, SOME_ROWS = "observed_data", "observed_sample"


def observed_group(data: Dataset) -> xr.Dataset:
    """Return the rows of a data set, and what is known of them, as a group of a result."""
    return _group_of_rows(data.values, data.annotations, data.obs(), data.features)


def observed_groups(data: Dataset) -> dict[str, xr.Dataset]:
    """Return the rows that a result keeps, by the name of their group."""
    if data.in_memory:
        return {ALL_ROWS: observed_group(data)}
    n_obs, some = data.n_obs, is_streamed(data)
    places = np.arange(n_obs)
    if some:
        places = np.sort(np.random.default_rng(n_obs).choice(n_obs, n_kept(data), replace=False))
    values = values_of(rows_at(data, places))
    known = data.annotations and data.annotations.taken(places)
    group = _group_of_rows(values, known, places, data.features)
    return {SOME_ROWS if some else ALL_ROWS: group}


def _group_of_rows(
    values: Array, known: Annotations | None, obs: NDArray[Any], features: tuple[str, ...]
) -> xr.Dataset:
    variables: dict[str, Any] = {"x": (("obs", "feature"), values)}
    coords: dict[str, Any] = {"obs": obs, "feature": list(features)}
    if known is not None:
        if known.weights is not None:
            variables["weights"] = ("obs", known.weights, {"kind": known.weights_kind})
        if known.possible is not None:
            variables["possible"] = (("obs", "class"), known.possible.astype(np.int8))
            coords["class"] = list(known.classes)
        if known.errors is not None:
            variables["errors"] = (("obs", "feature"), known.errors)
    return xr.Dataset(variables, coords)


def annotations_in(group: xr.Dataset) -> Annotations | None:
    """Read back what is known of the rows of a result; None where that is nothing."""
    names = [name for name in ("weights", "possible", "errors") if name in group]
    if not names:
        return None
    weights = group["weights"] if "weights" in names else None
    return Annotations(
        None if weights is None else np.array(weights.values, dtype=float),
        None if weights is None else weights.attrs["kind"],
        tuple(map(str, group["class"].values)) if "possible" in names else (),
        group["possible"].values.astype(bool) if "possible" in names else None,
        np.array(group["errors"].values, dtype=float) if "errors" in names else None,
    )
