"""Which option would read the cells that are no number: found by reading them with it."""

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any

from bayesgmm.advice import Advice, Option
from bayesgmm.data.dialect import MISSING, PADDING, Dialect

__all__ = ["advice", "cure_of", "has_decimal_comma", "looks_like_thousands"]

_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+(e[+-]?\d+)?", re.ASCII | re.I)
_WORDS = "missing unknown none nil nd n.d. n.a. n/d na. tbd x"
_SIGNS = "? - -- --- . .. * ** : \u2013 \u2014 \u2026 #n/a #n/v #na #div/0! #value! #ref! #num!"
_KNOWN_MARKERS = frozenset([*_WORDS.split(), *_SIGNS.split()])
_MOST_MARKERS = 3


def has_decimal_comma(cell: Any) -> bool:
    """Whether a cell is a number once its comma is the decimal sign."""
    return bool(_DECIMAL_COMMA.fullmatch(str(cell).strip(PADDING)))


def cure_of(odd: Sequence[str], fine: Sequence[str], n_odd: int, dialect: Dialect) -> str:
    """Return what to pass so that cells which are no number are read, or "".

    Parameters
    ----------
    odd, fine : sequence of str
        Cells of one column that are no number, and some that are.
    n_odd : int
        How many are no number in all.
    dialect : Dialect
        With which they were read.
    """
    if not odd:
        return ""
    if dialect.comment is None and all(cell.lstrip().startswith("#") for cell in odd):
        return Advice("if these lines are comments, pass ", Option("comment", "#"), ".")
    for changes in _changes(dialect):
        if _reads(odd, fine, dialect.but(**changes)):
            return _worded(changes, odd, fine, dialect)
    texts = sorted({cell.strip(PADDING) for cell in odd})
    known = all(text.lower() in _KNOWN_MARKERS for text in texts)
    wordless = len(fine) >= len(odd) and not any(c.isdigit() for text in texts for c in text)
    if n_odd == len(odd) and len(texts) <= _MOST_MARKERS and (known or wordless):
        quoted = " and ".join(map(repr, texts))
        one = len(texts) == 1
        return Advice(
            f"if {quoted} stand{'s' * one} for missing values, pass ",
            Option("na", texts),
            "; otherwise correct them.",
        )
    if any(map(has_decimal_comma, odd)) and dialect.sep == ",":
        return "its commas look like decimal signs: write the file with another separator than ','."
    return ""


def advice(changes: dict[str, Any]) -> Advice:
    """Return options as text.

    Examples
    --------
    >>> advice({"sep": ";", "decimal": ","})
    "sep=';' and decimal=','"
    """
    return Advice.joined(" and ", [Option(name, value) for name, value in changes.items()])


def looks_like_thousands(cells: Sequence[str], sign: str) -> bool:
    """Whether a decimal sign in numbers of one column separates thousands instead.

    All cells that hold it have groups of three digits after it, and the others are integers below
    1,000, some of them there.

    Examples
    --------
    >>> looks_like_thousands(["711", "2,148", "12,500"], ",")
    True
    >>> looks_like_thousands(["711", "2,148", "1,5"], ","), looks_like_thousands(["0,125"], ",")
    (False, False)
    """
    grouped = re.compile(rf"[+-]?[1-9]\d{{0,2}}(?:{re.escape(sign)}\d{{3}})+", re.ASCII)
    texts = [text for cell in cells if (text := cell.strip(PADDING)).lower() not in MISSING]
    large = [text for text in texts if sign in text]
    small = [text for text in texts if sign not in text]
    return (
        bool(large and small)
        and all(map(grouped.fullmatch, large))
        and all(re.fullmatch(r"[+-]?\d{1,3}", text, re.ASCII) for text in small)
    )


def _changes(dialect: Dialect) -> Iterator[dict[str, Any]]:
    """Yield sets of options that differ from the dialect, the smallest first."""
    other = "," if dialect.decimal == "." else "."
    singles: list[dict[str, Any]] = [
        {name: True} for name in ("percent", "currency") if not getattr(dialect, name)
    ]
    if dialect.thousands is None:
        singles += [{"thousands": sign} for sign in (",", ".", " ", "'", "_")]
    if dialect.sep != other:
        singles.append({"decimal": other})
    for size in (1, 2, 3):
        for parts in itertools.combinations(singles, size):
            changes = {name: value for part in parts for name, value in part.items()}
            decimal = changes.get("decimal", dialect.decimal)
            thousands = changes.get("thousands", dialect.thousands)
            if len(changes) == size and decimal != thousands:
                yield changes


def _reads(odd: Sequence[str], fine: Sequence[str], dialect: Dialect) -> bool:
    """Whether the dialect reads all of these cells, as numbers of one unit."""
    found = [dialect.read(cell) for cell in (*odd, *fine)]
    return all(cell is not None for cell in found) and (
        len({cell.sign for cell in found if cell and cell.value == cell.value}) == 1
    )


def _worded(
    changes: dict[str, Any], odd: Sequence[str], fine: Sequence[str], dialect: Dialect
) -> str:
    if changes == {"thousands": ","} and dialect.sep != ",":
        if any(cell.strip(PADDING).lstrip("+-").startswith("0") for cell in odd):
            return Advice("if the comma is the decimal sign, pass ", Option("decimal", ","), ".")
        if not fine:
            return Advice(
                "if the comma separates thousands, pass ",
                Option("thousands", ","),
                "; if it is the decimal sign, pass ",
                Option("decimal", ","),
                ".",
            )
    pass_them = Advice("pass ", advice(changes), ".")
    if changes == {"thousands": ","}:
        return "the comma seems to separate thousands: " + pass_them
    if changes == {"decimal": ","}:
        return "if the comma is the decimal sign, " + pass_them
    return pass_them
