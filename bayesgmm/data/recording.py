"""In which steps features were recorded."""

import math
from collections.abc import Iterable

import numpy as np

from bayesgmm.data.annotations import Annotations
from bayesgmm.data.checking import BLOCK, ArrayRows, Rows, frozen, smallest_gap
from bayesgmm.data.dask_rows import DaskRows
from bayesgmm.typing import Array, IntArray

__all__ = ["recording_steps"]

_SAMPLED_VALUES = 2**24
_SENT_VALUES = 2**20  # of rows elsewhere


def recording_steps(rows: Rows, known: Annotations | None) -> Array:
    """Return the smallest gap of each feature that has ties, else 0: shape (feature,), data units.

    Rows left in a file are sampled evenly when they hold more than 2**24 values.
    """
    values, places = _sampled(rows)
    some = None if known is None else known.taken(places)
    columns = values.T if some is None else _recorded(values, some)
    return frozen(np.array([smallest_gap(column) for column in columns]))


def _recorded(values: Array, known: Annotations) -> Iterable[Array]:
    """Return the observed values of each feature, twice where the row counts more than once."""
    times = np.ones(len(values), dtype=np.int64)
    if known.weights is not None and known.weights_kind == "frequency":
        times = np.minimum(np.ceil(known.weights), 2).astype(np.int64)
    seen = ~np.isnan(values)
    return [
        np.repeat(column[keep], times[keep]) for column, keep in zip(values.T, seen.T, strict=True)
    ]


def _sampled(rows: Rows) -> tuple[Array, slice | IntArray]:
    """Return rows, all or some of them, and which these are."""
    if isinstance(rows, DaskRows):
        n_obs, n_features = rows.shape
        size = min(n_obs, math.ceil(_SENT_VALUES / n_features))
        places = np.linspace(0, n_obs - 1, size).astype(np.int64)
        return rows.at(places), places
    if isinstance(rows, ArrayRows) and not isinstance(rows.array, np.memmap):
        return next(iter(rows.blocks(rows.shape[0]))), slice(None)
    stride, start, kept = math.ceil(math.prod(rows.shape) / _SAMPLED_VALUES), 0, []
    for block in rows.blocks(BLOCK):
        kept.append(block[-start % stride :: stride])
        start += len(block)
    return np.concatenate(kept), slice(None, None, stride)
