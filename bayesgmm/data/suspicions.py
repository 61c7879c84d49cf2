"""What looks like no measurement: a column that counts the rows, a code for missing values."""

import re
from typing import Self

import numpy as np

from bayesgmm.advice import Advice, Option
from bayesgmm.limits import ANY_GAP, CODE_GAP, COUNTING_ROWS, HUGE_CODE
from bayesgmm.typing import Array, IntArray

__all__ = ["Suspicions"]

_CODE = re.compile(r"-?(9+|8{2,}|7{2,}|9+\.9+|-?999\.25|32767|32768|2147483647|2147483648)")


class _End:
    """The least value of each column: in how many rows it is, and how far the next one lies.

    Columns with another value near it are dismissed by the first block that holds one.
    """

    def __init__(self, low: Array, high: Array) -> None:
        self.low, self.high, span = low, high, high - low
        self.rows: IntArray = np.zeros(len(low), dtype=np.int64)
        self.following = np.full(len(low), np.inf)
        self._near = low + span * (CODE_GAP / (1.0 + CODE_GAP))
        self.apart = np.flatnonzero(span > 0.0)

    def add(self, block: Array) -> None:
        """Take in the next rows."""
        for j in self.apart.tolist():
            others = block[:, j][block[:, j] != self.low[j]]
            self.rows[j] += len(block) - len(others)
            self.following[j] = others.min(initial=self.following[j])
        self._dismiss()

    def merge(self, other: Self) -> None:
        """Take in what was seen of other rows."""
        self.rows += other.rows
        self.following = np.minimum(self.following, other.following)
        self._dismiss()

    def _dismiss(self) -> None:
        self.apart = self.apart[self.following[self.apart] >= self._near[self.apart]]


class Suspicions:
    """Gathered over blocks of rows; `sentences` says what was found.

    Parameters
    ----------
    low, high : array of shape (feature,)
        The least and the greatest values of all rows.
    n_obs : int
        Number of rows.
    counting : bool
        Whether to look for columns that count the rows.

    Examples
    --------
    >>> found = Suspicions(np.array([1.0, -999.0]), np.array([4.0, 4.1]), 4)
    >>> found.add(np.array([[1.0, 3.5], [3.0, -999.0], [2.0, 4.1], [4.0, -999.0]]))
    >>> found.codes()
    {1: (-999.0, 2)}
    """

    def __init__(self, low: Array, high: Array, n_obs: int, *, counting: bool = True) -> None:
        self._ends = (1.0, _End(low, high)), (-1.0, _End(-high, -low))
        self._low, self._high = low, high
        # which of the integers from low to high were seen, where there is one for each row
        whole = (low % 1.0 == 0.0) & (high - low == n_obs - 1.0)
        looked_at = np.flatnonzero(whole & (n_obs >= COUNTING_ROWS) & counting).tolist()
        self._seen = {j: np.zeros(n_obs, dtype=bool) for j in looked_at}

    def add(self, block: Array) -> None:
        """Take in the next rows."""
        for sign, end in self._ends:
            if end.apart.size:
                end.add(sign * block)
        for j, seen in list(self._seen.items()):
            steps = block[:, j] - self._low[j]
            if np.all(steps % 1.0 == 0.0):
                seen[steps.astype(np.int64)] = True
            else:
                del self._seen[j]

    def merge(self, other: Self) -> None:
        """Take in what was seen of other rows; none of the columns counts them."""
        for (_, mine), (_, its) in zip(self._ends, other._ends, strict=True):
            mine.merge(its)
        self._seen = {}

    def counters(self) -> list[int]:
        """Return the places of columns that hold consecutive integers, each once."""
        return [j for j, seen in self._seen.items() if seen.all()]

    def codes(self) -> dict[int, tuple[float, int]]:
        """Return the value, and its number of rows, that lies far from all others of a column."""
        found = {}
        for sign, end in self._ends:
            for j in end.apart[end.rows[end.apart] > 1].tolist():
                value = sign * float(end.low[j])
                gap = end.following[j] - end.low[j]
                width = end.high[j] - end.following[j]  # of all other values
                least = CODE_GAP if _is_code(value) else ANY_GAP
                if value != 0.0 and width > 0.0 and gap >= least * width:
                    found[j] = (value, int(end.rows[j]))
        return found

    def sentences(self, features: tuple[str, ...], named: bool) -> list[str]:
        """Say what was found; columns that were asked for by name may count the rows."""
        said: list[str] = []
        for j in [] if named else self.counters():
            rest = [name for name in features if name != features[j]]
            leave = Advice("; to leave it out, pass ", Option("columns", rest)) if rest else ""
            said.append(
                Advice(
                    f"column {features[j]!r} numbers the rows ({self._low[j]:.15g} to "
                    f"{self._high[j]:.15g}) and seems not to be a measurement; if it names the "
                    "rows, pass ",
                    Option("row_labels", features[j]),
                    leave,
                    ".",
                )
            )
        for j, (value, count) in self.codes().items():
            said.append(
                Advice(
                    f"column {features[j]!r} holds {_exact(value)} in {count} rows, far from all "
                    "its other values: if it stands for missing values, pass ",
                    Option("na", [_exact(value)]),
                    " where the file or frame is read.",
                )
            )
        return said


def _exact(value: float) -> str:
    """Return the shortest text that is this number."""
    return repr(value).removesuffix(".0")


def _is_code(value: float) -> bool:
    return abs(value) >= HUGE_CODE or bool(_CODE.fullmatch(f"{value:.15g}"))
