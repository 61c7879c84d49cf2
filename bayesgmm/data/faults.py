"""Cells that no data set may hold: counted, and refused with their places."""

from collections.abc import Callable
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from bayesgmm.advice import Advice, Option
from bayesgmm.data.columns import place_of, plural
from bayesgmm.errors import DataError
from bayesgmm.limits import MAX_ABSOLUTE
from bayesgmm.typing import Array, IntArray

__all__ = ["Faults", "Lines"]

Lines = IntArray | None


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
                ", or marginalise over the cells with ",
                Option("missing", "mar"),
                ", which assumes that they are missing at random",
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

    def merge(self, other: Self, n_before: int) -> None:
        """Take in those of other rows, before which so many rows stand."""
        for kind, counts in other.counts.items():
            self.counts[kind] += counts
            cells = other.first[kind][: 3 - len(self.first[kind])]
            self.first[kind] += [(n_before + i, j) for i, j in cells]

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
