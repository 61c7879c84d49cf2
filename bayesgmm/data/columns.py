"""The columns of a table while it is read: numbers, and an account of all other cells."""

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, NamedTuple

import numpy as np

from bayesgmm.advice import Advice, Option, shown
from bayesgmm.arguments import is_storable, items_of
from bayesgmm.data.cures import cure_of, has_decimal_comma
from bayesgmm.data.dialect import Cell, Dialect
from bayesgmm.errors import ConfigError, DataError
from bayesgmm.typing import Array, IntArray

__all__ = [
    "NOT_ASKED_FOR",
    "Classes",
    "Column",
    "Table",
    "asked_for",
    "chosen_columns",
    "distinct_labels",
    "left_out",
    "place_of",
    "plural",
    "wanted",
]

NOT_ASKED_FOR = "is not asked for"
_EXAMPLES = 200
_MOST_NAMES = 10**6  # no table has as many columns


class Classes(NamedTuple):
    """The cells of a column of labels, None where unknown, and its classes if ordered."""

    cells: Sequence[Any]
    order: Sequence[Any] | None = None

    @staticmethod
    def order_of(labels: Any) -> Sequence[Any] | None:
        """Return the categories of labels in their order; None where they have none."""
        for home in (labels, getattr(labels, "cat", None), getattr(labels, "dtype", None)):
            categories = getattr(home, "categories", None)
            if categories is not None:
                return list(np.asarray(categories))
        return None


class Table(NamedTuple):
    """What a reader hands over; a missing cell is NaN.

    ``values`` has shape (obs, feature); ``lines`` holds the 1-based line of the file on which each
    row starts, where the source is a text file; ``ignored`` gives for each column that is not a
    feature the reason; ``notes`` hold what the reader should be told. ``beside`` holds columns that
    annotate rows: numbers, or the cells of labels.
    """

    values: Array
    features: tuple[str, ...]
    ignored: Mapping[str, str] = {}
    row_labels: tuple[str, ...] | None = None
    lines: IntArray | None = None
    notes: tuple[str, ...] = ()
    beside: Mapping[str, Array | Classes] = {}


@dataclass
class Column:
    """The cells of one column read so far: its numbers, and an account of all others.

    ``odd`` and ``fine`` hold the texts of the first cells that are no number and of those that
    are, ``signs`` the first place of each sign of a unit ("" where a number has none).
    """

    name: str
    kind: str = "text"
    place: str = "line"
    chunks: list[Array] = field(default_factory=list)
    n_numbers: int = 0
    n_others: int = 0
    n_commas: int = 0
    others: list[tuple[int, Any]] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    fine: list[str] = field(default_factory=list)
    signs: dict[str, tuple[int, Any]] = field(default_factory=dict)
    integer: tuple[int, Any] | None = None

    @property
    def numeric(self) -> bool:
        """Whether at least half of the cells that hold anything hold a number."""
        return self.n_numbers >= self.n_others

    @property
    def decimal_commas(self) -> bool:
        """Whether most of the cells that are no number would be one with a decimal comma."""
        return 2 * self.n_commas >= self.n_others > 0

    def add(
        self, cells: Iterable[Any], places: Iterable[int], parse: Callable[[Any], Cell | None]
    ) -> None:
        """Take in cells one by one; ``parse`` gives NaN for missing, None for what is no number."""
        numbers = []
        for cell, place in zip(cells, places, strict=True):
            found = parse(cell)
            numbers.append(math.nan if found is None else found.value)
            if found is None:
                self.n_others += 1
                self.n_commas += has_decimal_comma(cell)
                if len(self.others) < 3:
                    self.others.append((place, cell))
                if len(self.odd) < _EXAMPLES and isinstance(cell, str):
                    self.odd.append(cell)
            elif not math.isnan(found.value):
                if found.sign not in self.signs:
                    self.signs[found.sign] = (place, cell)
                self.show(cell)
        self.take(np.array(numbers, dtype=np.float64))

    def show(self, *cells: Any) -> None:
        """Keep texts of numbers as examples."""
        room = _EXAMPLES - len(self.fine)
        self.fine += [cell for cell in cells[: max(room, 0)] if isinstance(cell, str)]

    def take(self, numbers: Array) -> None:
        """Take in cells that are all numbers or NaN."""
        self.chunks.append(numbers)
        self.n_numbers += int(np.count_nonzero(~np.isnan(numbers)))

    def check(
        self, where: str, dialect: Dialect | None, more: str, role: str = "be a feature"
    ) -> None:
        """Raise DataError unless all cells are numbers of one unit or missing, integers exact."""
        head = f"column {self.name!r}{where}"
        if self.others:
            cells = ", ".join(f"{shown(cell)} ({self.place} {row})" for row, cell in self.others)
            fault = f"{plural(self.n_others, 'cell')} not a number"
            cure = (dialect and cure_of(self.odd, self.fine, self.n_others, dialect)) or more
            what = fault if self.n_others else "not a plain numeric type"
            raise DataError(
                f"{head} ({self.kind}) cannot {role}: {what}: {cells}; " + cure,
                column=self.name,
                rows=tuple(row for row, _ in self.others),
            )
        if len(self.signs) > 1:
            cells = ", ".join(
                f"{shown(cell)} ({self.place} {row})" for row, cell in self.signs.values()
            )
            raise DataError(
                f"{head} mixes numbers of different units: {cells}; give all cells of a column "
                "the same sign, or none.",
                column=self.name,
                rows=tuple(row for row, _ in self.signs.values()),
            )
        if self.integer is not None:
            row, value = self.integer
            raise DataError(
                Advice(
                    f"{head} holds the integer {shown(value)} ({self.place} {row}), above 2**53: "
                    "it has no exact float64 value. An identifier is the usual cause: leave the "
                    "column out with ",
                    Option("columns", ...),
                    ", or convert it to float yourself.",
                ),
                column=self.name,
                rows=(row,),
            )


def in_percent(share: float, digits: int = 0) -> str:
    """Return a share as a percentage with so many decimals, as every message writes it.

    Examples
    --------
    >>> in_percent(0.89), in_percent(0.0254, 1)
    ('89 %', '2.5 %')
    """
    return f"{100.0 * share:.{digits}f} %"


def plural(count: int, noun: str) -> str:
    """Return a count with its noun, such as "3 rows"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def place_of(row: int, lines: IntArray | None) -> tuple[str, int]:
    """Return where a row stands: the line of its file where that is known, or its number from 1."""
    return ("row", row + 1) if lines is None else ("line", int(lines[row]))


def distinct_labels(labels: tuple[str, ...] | None, asked: bool) -> tuple[str, ...] | None:
    """Return labels that name each row once; others are refused where they were asked for."""
    if labels is not None and (wrong := [label for label in labels if not is_storable(label)]):
        raise DataError(
            f"the row label {shown(wrong[0])} cannot be stored as text in a file; change it.",
            value=wrong[0],
        )
    if labels is None or len(set(labels)) == len(labels):
        return labels
    if not asked:
        return None
    twice, count = Counter(labels).most_common(1)[0]
    raise DataError(
        Advice(
            f"the row labels name {count} rows {shown(twice)}: they must differ; choose another "
            "column, or leave out ",
            Option("row_labels"),
            ".",
        ),
        value=twice,
    )


def asked_for(columns: Iterable[Any]) -> list[str]:
    """Return the names of columns that a user asks for, as text.

    Raises
    ------
    ConfigError
        For what is no list of names.
    """
    names: list[str] = []
    for column in items_of("columns", columns, "names"):
        if not isinstance(column, str | Hashable) or len(names) == _MOST_NAMES:
            raise ConfigError(
                f"columns must be a list of names, got {shown(columns)}.", value=columns
            )
        names.append(str(column))
    return names


def wanted(columns: Sequence[str] | None, available: Sequence[str], where: str) -> list[str]:
    """Return the names of the columns to look at: those asked for, else all."""
    if columns is None:
        return list(available)
    names = asked_for(columns)
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"columns must be distinct names, got {shown(names)}.", value=names)
    for name in names:
        if name not in available:
            close = get_close_matches(name, available, 1)
            hint = f"did you mean {close[0]!r}?" if close else f"it has {shown(list(available))}."
            raise DataError(f"there is no column {shown(name)}{where}; {hint}", column=name)
    return names


def chosen_columns(
    columns: list[Column],
    explicit: bool,
    where: str,
    dialect: Dialect | None = None,
    *,
    lacking: bool = False,
) -> list[Column]:
    """Return the columns that become features, each checked; `lacking` ones may hold no value."""
    chosen = [c for c in columns if explicit or c.numeric or c.decimal_commas]
    good = [c.name for c in columns if c.numeric and not c.others and c.n_numbers]
    choose = Advice(", or choose numeric columns: ", Option("columns", good)) if good else ""
    more = "correct it" + choose + "."
    for column in chosen:
        column.check(where, dialect, more)
        if not column.n_numbers and not lacking:
            raise DataError(
                f"column {column.name!r}{where} has no values: every cell is missing; " + more,
                column=column.name,
            )
    if not chosen:
        raise DataError(_nothing_numeric(columns, where, dialect))
    return chosen


def _nothing_numeric(columns: list[Column], where: str, dialect: Dialect | None) -> str:
    names = shown([c.name for c in columns])
    text = f"there is no numeric column{where}; its columns are {names}"
    for column in columns:
        cure = dialect and cure_of(column.odd, column.fine, column.n_others, dialect)
        if cure:
            row, cell = column.others[0]
            return f"{text}; {column.name!r} holds {shown(cell)} ({column.place} {row}): " + cure
    return f"{text}."


def left_out(
    columns: list[Column], dialect: Dialect | None = None
) -> tuple[dict[str, str], list[str]]:
    """Return why each column is not a feature, and which of them an option would make one."""
    reasons, curable = {}, []
    for column in columns:
        if not column.others:
            reasons[column.name] = "holds no values"
            continue
        row, cell = column.others[0]
        what = "few numbers" if column.n_numbers else "no number"
        reasons[column.name] = f"holds {what}: {shown(cell)} in {column.place} {row}"
        cure = dialect and cure_of(column.odd, column.fine, column.n_others, dialect)
        if cure:
            reasons[column.name] += "; " + _reads_it(cure)
            curable.append(column.name)
    return reasons, curable


def _reads_it(cure: str) -> str:
    """Say "decimal=',' reads it" of "pass decimal=','."; other cures only lose their full stop."""
    if not isinstance(cure, Advice):
        return cure.removesuffix(".")
    first, *others, last = cure.parts
    if (first, last) != ("pass ", "."):
        return Advice(first, *others, str(last).removesuffix("."))
    return Advice(*others, f" read{'s' * (len(cure.options) == 1)} it")
