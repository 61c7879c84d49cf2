"""What two passes over rows find out, block by block: what they hold, and how it varies."""

import hashlib
import json
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from bayesgmm.data.faults import Faults
from bayesgmm.data.suspicions import Suspicions
from bayesgmm.limits import MAX_ABSOLUTE
from bayesgmm.typing import Array

__all__ = ["KEPT_HASHES", "Bounds", "DistinctRows", "FirstPass", "SecondPass", "digest_of"]

KEPT_HASHES = 2**21


class Bounds(NamedTuple):
    """Means, lowest and highest values (feature,) of so many rows, data units."""

    centre: Array
    low: Array
    high: Array
    n_rows: int


class FirstPass:
    """Everything that one pass over rows can tell.

    Parameters
    ----------
    n_obs : int
    features : tuple of str
    kept : int
        Hashes by which distinct rows are counted.
    """

    def __init__(self, n_obs: int, features: tuple[str, ...], kept: int = KEPT_HASHES) -> None:
        size = len(features)
        self.n_rows = 0
        self.origin, self.total = np.zeros(size), np.zeros(size)
        self.low, self.high = np.full(size, np.inf), np.full(size, -np.inf)
        self.faults = Faults(features)
        self.distinct = DistinctRows(min(n_obs, kept))
        self.digest = digest_of(n_obs, features)

    def add(self, block: Array) -> None:
        """Take in the next rows."""
        if np.abs(block).max() <= MAX_ABSOLUTE:
            if not self.n_rows:
                self.origin = block[0].copy()
            columns = columns_of(block)
            self.low = np.minimum(self.low, columns.min(axis=1))
            self.high = np.maximum(self.high, columns.max(axis=1))
            self.distinct.add(columns)
            columns -= self.origin[:, None]
            self.total += columns.sum(axis=1)
            self.digest.update(block.astype("<f8", copy=False).ravel())
        else:
            self.faults.note(block, self.n_rows)
        self.n_rows += len(block)

    @property
    def bounds(self) -> Bounds:
        """What a second pass needs."""
        centre = self.origin + self.total / max(self.n_rows, 1)
        return Bounds(centre, self.low, self.high, self.n_rows)

    def merge(self, other: Self) -> None:
        """Take in what another pass found of the rows that follow; hashes of values aside."""
        if not self.n_rows:
            self.origin = other.origin
        self.total += other.total + other.n_rows * (other.origin - self.origin)
        self.low, self.high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        self.faults.merge(other.faults, self.n_rows)
        self.distinct.merge(other.distinct)
        self.n_rows += other.n_rows


class SecondPass:
    """What a pass over rows can tell that is centred by a first one.

    Parameters
    ----------
    bounds : Bounds
        What the first pass found of all rows.
    counting : bool
        Whether to look for columns that count the rows, which takes a byte a row.
    """

    def __init__(self, bounds: Bounds, *, counting: bool = True) -> None:
        size = len(bounds.low)
        self._centre, self._span = bounds.centre, bounds.high - bounds.low
        self.rest, self.products = np.zeros(size), np.zeros((size, size))
        self.suspicions = Suspicions(bounds.low, bounds.high, bounds.n_rows, counting=counting)

    def add(self, block: Array) -> None:
        """Take in the next rows."""
        self.suspicions.add(block)
        scaled = columns_of(block)
        scaled -= self._centre[:, None]
        scaled /= self._span[:, None]
        self.rest += scaled.sum(axis=1)
        self.products += scaled @ scaled.T

    def merge(self, other: Self) -> None:
        """Take in what another pass found of other rows."""
        self.suspicions.merge(other.suspicions)
        self.rest += other.rest
        self.products += other.products


def digest_of(n_obs: int, features: tuple[str, ...]) -> Any:
    """Return the hash of the shape and the names of rows, to be updated by their values."""
    return hashlib.sha256(json.dumps([n_obs, len(features), *features]).encode())


class DistinctRows:
    """Count distinct rows by 64-bit hashes, in bounded memory: 16 MiB.

    Only hashes below a limit are kept, and the limit is halved whenever too many are (distinct
    sampling, Gibbons 2001): exact up to about 1.5 million distinct rows.
    """

    def __init__(self, most: int) -> None:
        self.limit = 2**64 - 1
        self.kept = np.empty(most, dtype=np.uint64)
        self.used = 0

    def add(self, columns: Array) -> None:
        """Take in the next rows: array of shape (feature, obs)."""
        self._take(_row_hashes(columns))

    def merge(self, other: Self) -> None:
        """Take in what another has counted."""
        if other.limit < self.limit:
            self.limit = other.limit
            own = self.kept[: self.used]
            own = own[own <= self.limit]
            self.used = len(own)
            self.kept[: self.used] = own
        self._take(np.unique(other.kept[: other.used]))

    def _take(self, hashes: NDArray[np.uint64]) -> None:
        hashes = hashes[hashes <= self.limit]
        while self.used + len(hashes) > len(self.kept):
            self._make_room(len(hashes))
            hashes = hashes[hashes <= self.limit]
        self.kept[self.used : self.used + len(hashes)] = hashes
        self.used += len(hashes)

    def _make_room(self, wanted: int) -> None:
        distinct = np.unique(self.kept[: self.used])
        if 4 * len(distinct) > 3 * len(self.kept) or len(distinct) + wanted > len(self.kept):
            self.limit >>= 1
            distinct = distinct[distinct <= self.limit]
        self.used = len(distinct)
        self.kept[: self.used] = distinct

    def count(self) -> int:
        """Return the number of distinct rows."""
        kept = self.kept[: self.used]
        kept.sort()
        n_kept = 1 + int(np.count_nonzero(kept[1:] != kept[:-1]))
        return n_kept * 2**64 // (self.limit + 1)


def _row_hashes(columns: Array) -> NDArray[np.uint64]:
    """Return a hash of each row, from array of shape (feature, obs), which is folded by halves."""
    hashes = (columns + 0.0).view(np.uint64)  # -0.0 is 0.0
    step = 1
    while half := len(hashes) // 2:
        _mix(hashes[:half], step)  # not the others, so that the order of columns counts
        hashes[:half] ^= hashes[-half:]
        hashes, step = hashes[: len(hashes) - half], step + 1
    _mix(hashes, step)
    row_hashes: NDArray[np.uint64] = hashes[0]
    return row_hashes


def _mix(hashes: NDArray[np.uint64], step: int) -> None:
    """Replace numbers in place by hashes of them, distinct where they are; others at each step."""
    hashes += np.uint64(0xD1B54A32D192ED03 * step % 2**64)
    hashes *= np.uint64(0x9E3779B97F4A7C15)
    hashes ^= hashes >> np.uint64(32)
    hashes *= np.uint64(0xBF58476D1CE4E5B9)
    hashes ^= hashes >> np.uint64(29)


def columns_of(block: Array) -> Array:
    """Return a copy by columns: reducing along contiguous memory is five times as fast."""
    return np.array(block.T, order="C")
