"""What rows must satisfy, and the facts that two passes over them find out."""

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from bayesgmm.advice import Advice, Option
from bayesgmm.data.columns import place_of, plural
from bayesgmm.data.suspicions import Suspicions
from bayesgmm.errors import DataError
from bayesgmm.limits import GAP_FLOOR, MAX_ABSOLUTE, MAX_CONDITION, MIN_RANGE, NAMED_LOAD
from bayesgmm.typing import Array, IntArray

__all__ = [
    "BLOCK",
    "ArrayRows",
    "Facts",
    "Faults",
    "Lines",
    "Rows",
    "digest_of",
    "examine",
    "frozen",
    "glance",
    "refuse_collinear",
    "refuse_constant",
    "smallest_gap",
]

Lines = IntArray | None

BLOCK = 16_384
_BLOCK_VALUES = 2**17
_KEPT_HASHES = 2**21
_SAMPLED_VALUES = 2**20


class Rows(Protocol):
    """Rows that can be read again and again, wherever they are kept."""

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of columns."""

    def blocks(self, max_rows: int) -> Iterator[Array]:
        """Yield float64 blocks in C order, each of ``max_rows`` rows but the last."""


@dataclass(frozen=True)
class ArrayRows:
    """Rows of an array of any real type and order, in memory or mapped from a file."""

    array: NDArray[Any]

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of columns."""
        return self.array.shape[0], self.array.shape[1]

    def blocks(self, max_rows: int) -> Iterator[Array]:
        """Yield float64 blocks in C order, each of ``max_rows`` rows but the last."""
        for start in range(0, len(self.array), max_rows):
            yield np.ascontiguousarray(self.array[start : start + max_rows], dtype=np.float64)


class Facts(NamedTuple):
    """What two passes over the rows find out."""

    hash: str
    centre: Array
    spread: Array
    n_distinct: int


def frozen(array: Array) -> Array:
    """Return a read-only view."""
    view = array.view()
    view.flags.writeable = False
    return view


def smallest_gap(column: Array) -> float:
    """Return the smallest gap that is not rounding noise, 0 without ties; data units."""
    values = np.sort(column)
    gaps = np.diff(values)
    noise = 4 * np.finfo(np.float64).eps * np.abs(values[[0, -1]]).max()
    if gaps.min() > noise:
        return 0.0
    steps = gaps[gaps > GAP_FLOOR * (values[-1] - values[0])]
    return float(steps.min()) if steps.size else 0.0


class Faults:
    """Cells that no data set may hold, counted by column, and where the first of them stand.

    Parameters
    ----------
    features : tuple of str
    """

    _kinds: ClassVar[dict[str, tuple[Callable[[Array], NDArray[np.bool]], str]]] = {
        "missing": (
            np.isnan,
            Advice(
                "where a file or frame is read, leave these rows out with ",
                Option("missing", "drop"),
                ", or sum over what the cells may be with ",
                Option("missing", "mar"),
                ", which takes them as missing at random",
            ),
        ),
        "infinite": (np.isinf, "correct these cells or drop their rows"),
        "huge": (
            lambda block: np.abs(block) > MAX_ABSOLUTE,
            f"above {MAX_ABSOLUTE:g} in size: correct these cells or change the unit",
        ),
    }

    def __init__(self, features: tuple[str, ...]) -> None:
        self.features = features
        self.counts = {kind: np.zeros(len(features), dtype=np.int64) for kind in self._kinds}
        self.first: dict[str, list[tuple[int, int]]] = {kind: [] for kind in self._kinds}

    def note(self, block: Array, n_before: int = 0) -> None:
        """Count those of a block of rows, before which so many rows stand."""
        for kind, (found, _) in self._kinds.items():
            bad = found(block)
            self.counts[kind] += bad.sum(axis=0)
            cells = np.argwhere(bad)[: 3 - len(self.first[kind])]
            self.first[kind] += [(n_before + int(i), int(j)) for i, j in cells]

    def refuse(self, lines: Lines, allowed: str | None = None) -> None:
        """Raise DataError for the first kind that is there and not allowed."""
        for kind, (_, cure) in self._kinds.items():
            counts = self.counts[kind]
            if kind == allowed or not counts.any():
                continue
            columns = np.flatnonzero(counts)
            shares = [f"{counts[j]} in column {self.features[j]!r}" for j in columns[:3]]
            more = f" and {len(columns) - 3} more columns" if len(columns) > 3 else ""
            places = [(*place_of(i, lines), self.features[j]) for i, j in self.first[kind]]
            first = ", ".join(f"{word} {number} ({name!r})" for word, number, name in places)
            raise DataError(
                f"data has {plural(int(counts.sum()), f'{kind} value')}: {', '.join(shares)}"
                f"{more}; first in {first}; " + cure + ".",
                column=places[0][2],
                rows=tuple(number for _, number, _ in places),
                counts={self.features[j]: int(counts[j]) for j in columns},
            )


class _FirstPass:
    """Everything that one pass over the rows can tell."""

    def __init__(self, n_obs: int, features: tuple[str, ...]) -> None:
        size = len(features)
        self.n_rows = 0
        self.origin, self.total = np.zeros(size), np.zeros(size)
        self.low, self.high = np.full(size, np.inf), np.full(size, -np.inf)
        self.faults = Faults(features)
        self.distinct = _DistinctRows(n_obs)
        self.digest = digest_of(n_obs, features)

    def add(self, block: Array) -> None:
        """Take in the next rows."""
        if np.abs(block).max() <= MAX_ABSOLUTE:
            if not self.n_rows:
                self.origin = block[0].copy()
            columns = _columns(block)
            self.low = np.minimum(self.low, columns.min(axis=1))
            self.high = np.maximum(self.high, columns.max(axis=1))
            self.distinct.add(columns)
            columns -= self.origin[:, None]
            self.total += columns.sum(axis=1)
            self.digest.update(block.astype("<f8", copy=False).ravel())
        else:
            self.faults.note(block, self.n_rows)
        self.n_rows += len(block)


def digest_of(n_obs: int, features: tuple[str, ...]) -> Any:
    """Return the hash of the shape and the names of rows, to be updated by their values."""
    return hashlib.sha256(json.dumps([n_obs, len(features), *features]).encode())


class _DistinctRows:
    """Count distinct rows by 64-bit hashes, in bounded memory: 16 MiB.

    Only hashes below a limit are kept, and the limit is halved whenever too many are (distinct
    sampling, Gibbons 2001): exact up to about 1.5 million distinct rows.
    """

    def __init__(self, n_obs: int) -> None:
        self.limit = 2**64 - 1
        self.kept = np.empty(min(n_obs, _KEPT_HASHES), dtype=np.uint64)
        self.used = 0

    def add(self, columns: Array) -> None:
        """Take in the next rows: array of shape (feature, obs)."""
        hashes = _row_hashes(columns)
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


def examine(rows: Rows, features: tuple[str, ...], lines: Lines) -> tuple[Facts, Suspicions]:
    """Check the rows in two passes, the second centred by the first; blocks bound the memory."""
    n_obs, n_features = rows.shape
    if n_obs < 2:
        raise DataError(f"at least 2 rows are needed, got {n_obs}.", n_obs=n_obs)
    first, size = _FirstPass(n_obs, features), max(1, min(BLOCK, _BLOCK_VALUES // n_features))
    for block in rows.blocks(size):
        first.add(block)
    first.faults.refuse(lines)
    span = first.high - first.low
    refuse_constant(first.low, span, np.maximum(abs(first.low), abs(first.high)), features)
    centre = first.origin + first.total / n_obs
    rest, products = np.zeros(n_features), np.zeros((n_features, n_features))
    suspicions = Suspicions(first.low, first.high, n_obs)
    for block in rows.blocks(size):
        suspicions.add(block)
        scaled = _columns(block)
        scaled -= centre[:, None]
        scaled /= span[:, None]
        rest += scaled.sum(axis=1)
        products += scaled @ scaled.T
    rest /= n_obs
    products -= n_obs * np.outer(rest, rest)
    deviations = np.sqrt(np.diag(products))
    correlation = products / np.outer(deviations, deviations)
    if n_obs <= n_features:
        _refuse_copies(correlation, n_obs, features)
    elif _condition(correlation) > MAX_CONDITION:
        refuse_collinear(_bounded_correlation(rows, span), features)
    facts = Facts(
        first.digest.hexdigest(),
        frozen(centre + span * rest),
        frozen(span * deviations / math.sqrt(n_obs - 1)),
        first.distinct.count(),
    )
    return facts, suspicions


def glance(rows: Rows, features: tuple[str, ...], lines: Lines) -> Facts:
    """Check rows that nothing is fitted to: one is enough, and they need not vary."""
    first = _FirstPass(rows.shape[0], features)
    for block in rows.blocks(BLOCK):
        first.add(block)
    first.faults.refuse(lines)
    centre = first.origin + first.total / max(first.n_rows, 1)
    nothing = frozen(np.full(len(features), np.nan))
    return Facts(first.digest.hexdigest(), frozen(centre), nothing, first.distinct.count())


def _columns(block: Array) -> Array:
    """Return a copy by columns: reducing along contiguous memory is five times as fast."""
    return np.array(block.T, order="C")


def refuse_constant(low: Array, span: Array, size: Array, features: tuple[str, ...]) -> None:
    """Refuse columns whose range is within a few roundings of their values, or has no square."""
    constant = np.flatnonzero(span <= 8 * np.finfo(np.float64).eps * size)
    if constant.size:
        named = ", ".join(f"{features[j]!r} (all {low[j]:.6g})" for j in constant[:3])
        raise DataError(
            f"{plural(constant.size, 'column')} constant: {named}; leave out what does not vary.",
            column=features[constant[0]],
            columns=tuple(features[j] for j in constant),
        )
    narrow = np.flatnonzero(span < MIN_RANGE)
    if narrow.size:
        j = int(narrow[0])
        raise DataError(
            f"column {features[j]!r} varies by {span[j]:.3g} only, and the square of less than "
            f"{MIN_RANGE:g} is no number here; give it in another unit.",
            column=features[j],
            columns=tuple(features[i] for i in narrow),
        )


def _condition(correlation: Array) -> float:
    """Return the condition number, capped where the smallest eigenvalue is all rounding."""
    sizes = np.linalg.eigvalsh(correlation)
    return float(sizes[-1] / max(sizes[0], np.finfo(np.float64).eps))


def _bounded_correlation(rows: Rows, span: Array) -> Array:
    """Return the correlation of weighted rows, far ones weighted to an ordinary distance.

    A linear relation between columns holds for the rows under any weights. What a row far out in
    several columns makes of their correlation does not.
    """
    middle, width = _typical(rows, span)
    total, sums, products = 0.0, np.zeros(len(span)), np.zeros((len(span), len(span)))
    for block in rows.blocks(BLOCK):
        scaled = (block - middle) / width
        weights = 1.0 / np.maximum(1.0, np.abs(scaled).max(axis=1))
        scaled *= weights[:, None]
        total += weights @ weights
        sums += weights @ scaled
        products += scaled.T @ scaled
    mean = sums / total
    covariance = products / total - np.outer(mean, mean)
    deviations = np.sqrt(np.diag(covariance))
    return covariance / np.outer(deviations, deviations)


def _typical(rows: Rows, span: Array) -> tuple[Array, Array]:
    """Return each column's median and its median distance from there, of rows sampled evenly."""
    n_obs, n_features = rows.shape
    stride = math.ceil(n_obs * n_features / _SAMPLED_VALUES)
    sample = np.concatenate([block[::stride] for block in rows.blocks(BLOCK)])
    middle = np.median(sample, axis=0)
    apart = np.abs(sample - middle).T
    width = [np.median(a[a > 0.0]) if a.any() else s for a, s in zip(apart, span, strict=True)]
    return middle, np.maximum(width, 1e-100 * span)


def _refuse_copies(correlation: Array, n_obs: int, features: tuple[str, ...]) -> None:
    """Refuse a column that follows from one other: no more can be seen in so few rows."""
    if n_obs == 2:
        return
    nearly_one = 1.0 - 2.0 / MAX_CONDITION
    for j, i in np.argwhere(np.tril(abs(correlation) > nearly_one, -1)):
        refuse_collinear(correlation[np.ix_([i, j], [i, j])], (features[i], features[j]))


def refuse_collinear(correlation: Array, features: tuple[str, ...]) -> None:
    """Refuse columns of which one is a linear combination of others."""
    condition = _condition(correlation)
    if condition <= MAX_CONDITION:
        return
    loads = np.abs(np.linalg.eigh(correlation).eigenvectors[:, 0])
    involved = tuple(features[j] for j in np.flatnonzero(loads > NAMED_LOAD * loads.max()))
    raise DataError(
        f"columns {', '.join(map(repr, involved))} are collinear (condition number of the "
        f"correlation {condition:.1e}, above {MAX_CONDITION:g}): one follows from the others; "
        "leave one of them out.",
        column=involved[-1],
        columns=involved,
    )
