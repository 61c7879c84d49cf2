"""What rows must satisfy, and the facts that two passes over them find out."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from bayesgmm.data.columns import plural
from bayesgmm.data.faults import Lines
from bayesgmm.data.passes import FirstPass, SecondPass
from bayesgmm.data.suspicions import Suspicions
from bayesgmm.errors import DataError
from bayesgmm.limits import GAP_FLOOR, MAX_CONDITION, MIN_RANGE, NAMED_LOAD
from bayesgmm.typing import Array

__all__ = [
    "BLOCK",
    "ArrayRows",
    "Facts",
    "Rows",
    "bounded_correlation",
    "concluded",
    "examine",
    "frozen",
    "glance",
    "refuse_collinear",
    "refuse_constant",
    "refuse_copies",
    "require_sound",
    "smallest_gap",
]

BLOCK = 16_384
_BLOCK_VALUES = 2**17
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


def examine(rows: Rows, features: tuple[str, ...], lines: Lines) -> tuple[Facts, Suspicions]:
    """Check the rows in two passes, the second centred by the first; blocks bound the memory."""
    n_obs, n_features = rows.shape
    first, size = FirstPass(n_obs, features), max(1, min(BLOCK, _BLOCK_VALUES // n_features))
    if n_obs > 1:
        for block in rows.blocks(size):
            first.add(block)
    require_sound(first, n_obs, features, lines)
    second = SecondPass(first.bounds)
    for block in rows.blocks(size):
        second.add(block)

    def bounded() -> Array:
        return bounded_correlation(rows, first.high - first.low)

    return concluded(first, second, first.digest.hexdigest(), features, bounded), second.suspicions


def require_sound(
    first: FirstPass, n_obs: int, features: tuple[str, ...], lines: Lines = None
) -> None:
    """Raise DataError for what a first pass shows to be wrong with rows."""
    if n_obs < 2:
        raise DataError(f"at least 2 rows are needed, got {n_obs}.", n_obs=n_obs)
    first.faults.refuse(lines)
    span, largest = first.high - first.low, np.maximum(abs(first.low), abs(first.high))
    refuse_constant(first.low, span, largest, features)


def concluded(
    first: FirstPass,
    second: SecondPass,
    digest: str,
    features: tuple[str, ...],
    bounded: Callable[[], Array],
) -> Facts:
    """Return the facts that two passes found out, and refuse collinear columns.

    Parameters
    ----------
    first, second : FirstPass, SecondPass
    digest : str
        Hash of the rows.
    features : tuple of str
    bounded : callable
        Returns a correlation (feature, feature) that rows far out do not make.
    """
    n_obs, span = first.n_rows, first.high - first.low
    rest = second.rest / n_obs
    products = second.products - n_obs * np.outer(rest, rest)
    deviations = np.sqrt(np.diag(products))
    correlation = products / np.outer(deviations, deviations)
    if n_obs <= len(features):
        refuse_copies(correlation, n_obs, features)
    elif _condition(correlation) > MAX_CONDITION:
        refuse_collinear(bounded(), features)
    return Facts(
        digest,
        frozen(first.bounds.centre + span * rest),
        frozen(span * deviations / math.sqrt(n_obs - 1)),
        first.distinct.count(),
    )


def glance(rows: Rows, features: tuple[str, ...], lines: Lines) -> Facts:
    """Check rows that nothing is fitted to: one is enough, and they need not vary."""
    first = FirstPass(rows.shape[0], features)
    for block in rows.blocks(BLOCK):
        first.add(block)
    first.faults.refuse(lines)
    nothing = frozen(np.full(len(features), np.nan))
    count = first.distinct.count()
    return Facts(first.digest.hexdigest(), frozen(first.bounds.centre), nothing, count)


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
            f"column {features[j]!r} varies by {span[j]:.3g} only, and squares of less than "
            f"{MIN_RANGE:g} are 0 in double precision; give it in another unit.",
            column=features[j],
            columns=tuple(features[i] for i in narrow),
        )


def _condition(correlation: Array) -> float:
    """Return the condition number, capped where the smallest eigenvalue is all rounding."""
    sizes = np.linalg.eigvalsh(correlation)
    return float(sizes[-1] / max(sizes[0], np.finfo(np.float64).eps))


def bounded_correlation(rows: Rows, span: Array) -> Array:
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


def refuse_copies(correlation: Array, n_obs: int, features: tuple[str, ...]) -> None:
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
