"""What rows with missing cells or annotations must satisfy, and the facts about them."""

import itertools
from collections.abc import Iterator
from typing import Self

import numpy as np

from bayesgmm.data.annotations import Annotations
from bayesgmm.data.checking import (
    BLOCK,
    Facts,
    Rows,
    frozen,
    refuse_collinear,
    refuse_constant,
    refuse_copies,
)
from bayesgmm.data.columns import plural
from bayesgmm.data.faults import Faults, Lines
from bayesgmm.data.incomplete import Normal, NormalSums
from bayesgmm.data.passes import KEPT_HASHES, DistinctRows, digest_of
from bayesgmm.errors import DataError
from bayesgmm.limits import FEW_TOGETHER
from bayesgmm.typing import Array, IntArray

__all__ = [
    "AnnotatedPass",
    "concluded_annotated",
    "examine_annotated",
    "glance_annotated",
    "require_observed",
    "weighted_blocks",
]


def examine_annotated(
    rows: Rows, features: tuple[str, ...], lines: Lines, known: Annotations
) -> tuple[Facts, Normal, list[str]]:
    """Check rows of which something is known beside their values, in two passes.

    Parameters
    ----------
    rows : Rows
        Data units; NaN where a cell is missing.
    features : tuple of str
    lines : array of shape (obs,), optional
        Where the rows stand in their file.
    known : Annotations

    Returns
    -------
    facts : Facts
        Centre and spread are those of one Normal fitted to what is observed, rows counted by their
        weights; of independent features where there are no more rows than these.
    normal : Normal
        That Normal.
    told : list of str
        What the user has to know.

    Raises
    ------
    DataError
        For a cell that no fit can take, a column that is never observed or does not vary, two that
        are never observed together, or one that follows from others.
    """
    found = AnnotatedPass(rows.shape[0], features)
    for block, weights in weighted_blocks(rows, known):
        found.add(block, weights)
    require_observed(found, known, features, lines)
    sums = NormalSums(found.total / found.counted)
    for block, weights in weighted_blocks(rows, known):
        sums.add(block, weights)
    return concluded_annotated(found, sums, known, found.digest.hexdigest(), features)


class AnnotatedPass:
    """What one pass over rows with missing cells or annotations finds out.

    Parameters
    ----------
    n_obs : int
    features : tuple of str
    kept : int
        Hashes by which distinct rows are counted.
    """

    def __init__(self, n_obs: int, features: tuple[str, ...], kept: int = KEPT_HASHES) -> None:
        size = len(features)
        self.n_rows, self.incomplete = 0, False
        self.n_empty, self.first_empty = 0, 0
        self.low, self.high = np.full(size, np.inf), np.full(size, -np.inf)
        self.total, self.counted = np.zeros(size), np.zeros(size)
        self.together = np.zeros((size, size))
        self.faults, self.digest = Faults(features), digest_of(n_obs, features)
        self.distinct = DistinctRows(min(n_obs, kept))

    def add(self, block: Array, weights: Array) -> None:
        """Take in the next rows, NaN where a cell is missing, and how often each counts."""
        self.faults.note(block, self.n_rows)
        observed, counts = ~np.isnan(block), weights > 0.0
        filled = np.where(observed, block, np.inf)
        with np.errstate(all="ignore"):  # of cells that are refused
            self.low = np.minimum(self.low, filled[counts].min(axis=0, initial=np.inf))
            highest = np.where(observed, block, -np.inf)[counts].max(axis=0, initial=-np.inf)
            self.high = np.maximum(self.high, highest)
            self.total += weights @ np.where(observed, block, 0.0)
        self.counted += weights @ observed
        seen = observed[counts].astype(float)
        self.together += seen.T @ seen
        self.distinct.add(np.ascontiguousarray(filled[counts].T))
        self.digest.update(np.where(observed, block, np.nan).astype("<f8").ravel())
        self.incomplete |= not observed.all()
        self._take_empty(np.flatnonzero(~observed.any(axis=1)))
        self.n_rows += len(block)

    def _take_empty(self, places: IntArray) -> None:
        if len(places) and not self.n_empty:
            self.first_empty = self.n_rows + int(places[0])
        self.n_empty += len(places)

    def merge(self, other: Self) -> None:
        """Take in what another pass found of the rows that follow; hashes of values aside."""
        self.low, self.high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        self.total += other.total
        self.counted += other.counted
        self.together += other.together
        self.faults.merge(other.faults, self.n_rows)
        self.distinct.merge(other.distinct)
        self.incomplete |= other.incomplete
        if other.n_empty and not self.n_empty:
            self.first_empty = self.n_rows + other.first_empty
        self.n_empty += other.n_empty
        self.n_rows += other.n_rows


def require_observed(
    found: AnnotatedPass, known: Annotations, features: tuple[str, ...], lines: Lines = None
) -> None:
    """Raise DataError for what a first pass shows to be wrong with rows."""
    found.faults.refuse(lines, allowed="missing")
    _refuse_unseen(found.together, features)
    low, high = found.low, found.high
    refuse_constant(low, high - low, np.maximum(abs(low), abs(high)), features)


def concluded_annotated(
    found: AnnotatedPass,
    sums: NormalSums,
    known: Annotations,
    of_values: str,
    features: tuple[str, ...],
) -> tuple[Facts, Normal, list[str]]:
    """Return what `examine_annotated` does, given what two passes found out.

    Parameters
    ----------
    found : AnnotatedPass
        That `require_observed` let pass.
    sums : NormalSums
    known : Annotations
    of_values : str
        Hash of the values.
    features : tuple of str
    """
    n = known.n_counted(found.n_rows)
    if min(n, found.n_rows) <= len(features):
        normal, correlation = sums.apart()
        told_apart = np.where(found.together > 2.0, correlation, 0.0)  # two rows lie on a line
        refuse_copies(told_apart, found.n_rows, features)
        deviations = np.sqrt(np.diag(normal.covariance))
    else:
        normal = sums.fit()
        deviations = np.sqrt(np.diag(normal.covariance))
        refuse_collinear(normal.covariance / np.outer(deviations, deviations), features)
    told = _few_together(found.together, features) if found.incomplete else []
    told += _nothing_observed(found.n_empty, found.first_empty)
    facts = Facts(
        known.digest(of_values),
        frozen(normal.mean),
        frozen(deviations * np.sqrt(n / (n - 1.0))),
        found.distinct.count(),
    )
    return facts, normal, told


def weighted_blocks(rows: Rows, known: Annotations) -> Iterator[tuple[Array, Array]]:
    """Yield blocks of rows, and how often each row counts."""
    start = 0
    for block in rows.blocks(BLOCK):
        stop = start + len(block)
        yield block, np.ones(len(block)) if known.weights is None else known.weights[start:stop]
        start = stop


def glance_annotated(
    rows: Rows, features: tuple[str, ...], lines: Lines, known: Annotations
) -> Facts:
    """Check rows that nothing is fitted to: any cell may be missing, and they need not vary."""
    found = AnnotatedPass(rows.shape[0], features)
    for block, weights in weighted_blocks(rows, known):
        found.add(block, weights)
    found.faults.refuse(lines, allowed="missing")
    nothing = frozen(np.full(len(features), np.nan))
    return Facts(known.digest(found.digest.hexdigest()), nothing, nothing, rows.shape[0])


def _refuse_unseen(together: Array, features: tuple[str, ...]) -> None:
    """Raise DataError for columns that are never observed, alone or together.

    `together` (feature, feature) counts the rows that show both.
    """
    for j in np.flatnonzero(np.diag(together) == 0.0).tolist():
        raise DataError(
            f"column {features[j]!r} is never observed; leave it out.", column=features[j]
        )
    for i, j in itertools.combinations(range(len(features)), 2):
        if not together[i, j]:
            names = (features[i], features[j])
            raise DataError(
                f"columns {names[0]!r} and {names[1]!r} are never observed together: the data say "
                "nothing about their correlation; leave one of them out.",
                column=names[1],
                columns=names,
            )


def _few_together(together: Array, features: tuple[str, ...]) -> list[str]:
    """Name pairs of columns that few rows show together."""
    pairs = [
        f"{features[i]!r} and {features[j]!r} ({int(together[i, j])})"
        for i, j in itertools.combinations(range(len(features)), 2)
        if together[i, j] < FEW_TOGETHER
    ]
    if not pairs:
        return []
    more = f" and {len(pairs) - 3} more pairs" if len(pairs) > 3 else ""
    return [
        f"fewer than {FEW_TOGETHER} rows show both of {', '.join(pairs[:3])}{more}: their "
        "correlation rests mostly on the prior and the other columns."
    ]


def _nothing_observed(n_empty: int, first: int) -> list[str]:
    if not n_empty:
        return []
    return [
        f"{plural(n_empty, 'row')} with no cell observed, first row {first + 1}: kept, but "
        "without information about the clusters."
    ]
