"""Rows that share what is observed of them, and with which errors."""

from collections.abc import Iterator

import numpy as np

from bayesgmm.typing import Array, BoolArray, IntArray

__all__ = ["alike_rows"]


def alike_rows(observed: BoolArray, errors: Array | None) -> Iterator[IntArray]:
    """Yield the places of rows that share observed cells and their errors."""
    if not len(observed):
        return iter(())
    packed = np.packbits(observed, axis=1)
    few = errors is None and packed.shape[1] <= 2
    kind = np.dtype(np.uint16 if few else np.uint64)  # 16 bits have a radix sort
    filled = np.zeros((len(packed), -(-packed.shape[1] // kind.itemsize) * kind.itemsize), np.uint8)
    filled[:, : packed.shape[1]] = packed
    keys = filled.view(kind)
    if errors is not None:
        cells = np.where(observed, errors, 0.0) + 0.0
        keys = np.concatenate([keys, np.ascontiguousarray(cells).view(np.uint64)], axis=1)
    order = np.argsort(keys[:, 0], kind="stable") if few else np.lexsort(keys.T[::-1])
    in_order = keys[order]
    changes = (in_order[1:] != in_order[:-1]).any(axis=1)
    return iter(np.split(order, np.flatnonzero(changes) + 1))
