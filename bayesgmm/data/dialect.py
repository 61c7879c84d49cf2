"""How the cells of a text file are written, and which number each holds."""

import math
import re
import unicodedata
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from numbers import Real
from typing import Any, NamedTuple, Self

from bayesgmm.advice import Advice, Option, shown
from bayesgmm.arguments import check_flag, check_instance, items_of
from bayesgmm.errors import ConfigError

__all__ = [
    "BLANK",
    "CODES",
    "GROUPERS",
    "MISSING",
    "PADDING",
    "SIGN_BLANKS",
    "Dialect",
    "markers",
]

BLANK = "blank"
_MOST, _LARGE = 10_000, 10**308  # marks of missing values; what is larger is no number of a table
MISSING = frozenset({"", "na", "nan", "n/a", "null", "none", "<na>"})
PADDING = " \t"  # str.strip and float would also take control characters for blanks
SIGN_BLANKS = PADDING + "\u00a0\u202f"  # between a number and its sign
GROUPERS = {" ": " \u00a0\u2009\u202f", "'": "'\u2019", ",": ",", ".": ".", "_": "_"}
CODES = "USD|EUR|GBP|JPY|CHF|CNY|INR|AUD|CAD|SEK|NOK|DKK|PLN|BRL|MXN|KRW|ZAR|NZD"
_CODE = re.compile(rf"(?<![A-Za-z])(?:{CODES})(?![A-Za-z])")


class Cell(NamedTuple):
    """The number in a cell (NaN: missing) and the sign of its unit, such as "$"; "" is none."""

    value: float
    sign: str = ""


@dataclass(frozen=True)
class Dialect:
    """How a text file is written; the options of `Dataset.from_csv`, checked.

    Examples
    --------
    >>> Dialect(thousands=",", currency=True).read("-$2,148.50")
    Cell(value=-2148.5, sign='$')
    >>> Dialect().read("2,148") is None
    True
    """

    sep: str = ","
    decimal: str = "."
    encoding: str = "utf-8"
    thousands: str | None = None
    comment: str | None = None
    na: tuple[str, ...] = ()
    row_labels: str | int | None = None
    header: bool | None = None
    percent: bool = False
    currency: bool = False

    def __post_init__(self) -> None:
        """Check every option."""
        self._check_types()
        sep, decimal, thousands = self.sep, self.decimal, self.thousands
        one = sep == BLANK or (len(sep) == 1 and sep not in '"\r\n')
        if not one or decimal not in (".", ",") or sep == decimal:
            raise ConfigError(
                Advice(
                    Option("sep"),
                    " must be one character (or 'blank' for runs of blanks) and ",
                    Option("decimal"),
                    " '.' or ',', and the two must differ, got ",
                    Option("sep", sep),
                    ", ",
                    Option("decimal", decimal),
                    ".",
                )
            )
        if thousands is not None and (thousands not in GROUPERS or thousands == decimal):
            raise ConfigError(
                Advice(
                    Option("thousands"),
                    " must be one of , . ' _ or a blank, and not the decimal sign, got "
                    f"{shown(thousands)} with ",
                    Option("decimal", decimal),
                    ".",
                ),
                key="thousands",
                value=thousands,
            )
        if self.comment is not None and (not self.comment.strip() or '"' in self.comment):
            raise ConfigError(
                Advice(
                    Option("comment"),
                    " must be the characters with which comment lines start, such as '#', got "
                    f"{shown(self.comment)}.",
                ),
                key="comment",
                value=self.comment,
            )
        self._check_row_labels()

    def _check_types(self) -> None:
        for name in ("sep", "decimal", "encoding", "thousands", "comment"):
            value = getattr(self, name)
            if value is not None or _DEFAULTS[name] is not None:
                check_instance(name, value, str, "text")
        for name in ("header", "percent", "currency"):
            value = getattr(self, name)
            if value is not None or _DEFAULTS[name] is not None:
                check_flag(name, value)

    def _check_row_labels(self) -> None:
        labels = self.row_labels
        position = isinstance(labels, int) and not isinstance(labels, bool) and labels >= 1
        if labels is not None and not position and not isinstance(labels, str):
            raise ConfigError(
                Advice(
                    Option("row_labels"),
                    f" must be the name of a column or its number, from 1, got {shown(labels)}.",
                ),
                key="row_labels",
                value=labels,
            )

    def but(self, **changes: Any) -> Self:
        """Return the dialect with other options."""
        return replace(self, **changes)

    def options(self, text: bool = True) -> dict[str, Any]:
        """Return what was asked for, as plain JSON types; of text also what it always has."""
        always = {"sep": self.sep, "decimal": self.decimal, "encoding": self.encoding}
        given = {name: value for name, value in asdict(self).items() if name not in always}
        changed = {name: value for name, value in given.items() if value != _DEFAULTS[name]}
        if "na" in changed:
            changed["na"] = list(self.na)
        return (always if text else {}) | changed

    @property
    def delimiter(self) -> str:
        """The one character between fields once runs of blanks are made one."""
        return " " if self.sep == BLANK else self.sep

    @property
    def plain(self) -> bool:
        """Whether cells hold bare numbers: no thousands, no signs."""
        return not (self.thousands or self.percent or self.currency)

    @cached_property
    def number_pattern(self) -> str:
        """The regular expression, to be matched regardless of case, of a bare number."""
        point, whole = re.escape(self.decimal), r"\d+"
        if self.thousands:
            group = f"[{GROUPERS[self.thousands]}]"
            indian = rf"\d{{1,2}}(?:{group}\d{{2}})+{group}\d{{3}}"
            whole = rf"(?:\d{{1,3}}(?:{group}\d{{3}})+|{indian}|\d+)"
        mantissa = rf"(?:{whole}(?:{point}\d*)?|{point}\d+)"
        return rf"[+-]?(?:{mantissa}(?:e[+-]?\d+)?|inf(?:inity)?)"

    @cached_property
    def _number(self) -> re.Pattern[str]:
        return re.compile(self.number_pattern, re.ASCII | re.I)

    @cached_property
    def _marked(self) -> tuple[frozenset[str], frozenset[float]]:
        bare = (self.but(na=()), Dialect())
        cells = [dialect.read(text) for text in self.na for dialect in bare]
        numbers = [cell.value for cell in cells if cell is not None]
        return frozenset(self.na), frozenset(number for number in numbers if number == number)

    @property
    def missing_numbers(self) -> frozenset[float]:
        """The numbers that stand for missing values."""
        return self._marked[1]

    def is_bare(self, text: str) -> bool:
        """Whether this is a number without a sign of its unit and without blanks around it."""
        return self._number.fullmatch(text) is not None

    def read(self, cell: str) -> Cell | None:
        """Return the number that a cell holds, or None where it holds something else."""
        text = cell.strip(PADDING)
        if text.lower() in MISSING or (self.na and text in self._marked[0]):
            return Cell(math.nan)
        sign = ""
        if (self.percent or self.currency) and not self.is_bare(text):
            text, sign = self._without_sign(text)
        if not self.is_bare(text):
            return None
        if self.thousands:
            for grouper in GROUPERS[self.thousands]:
                text = text.replace(grouper, "")
        value = float(text.replace(self.decimal, "."))
        return Cell(math.nan if self.na and value in self._marked[1] else value, sign)

    def absent(self, cell: str) -> bool:
        """Whether a cell stands for a missing value."""
        found = self.read(cell)
        return found is not None and math.isnan(found.value)

    def _without_sign(self, text: str) -> tuple[str, str]:
        """Return what is left of a cell without its percent or currency sign, and the sign."""
        if self.percent and text.endswith("%"):
            return text[:-1].rstrip(SIGN_BLANKS), "%"
        if not self.currency:
            return text, ""
        places = [(i, i + 1) for i, c in enumerate(text) if unicodedata.category(c) == "Sc"]
        places += [found.span() for found in _CODE.finditer(text)]
        if len(places) != 1:
            return text, ""
        start, end = places[0]
        sign = text[start:end]
        before, after = (part.strip(SIGN_BLANKS) for part in (text[:start], text[end:]))
        if before in ("", "+", "-"):
            return before + after, sign
        return (before, sign) if not after else (text, "")


_DEFAULTS = {field.name: field.default for field in fields(Dialect)}


def markers(na: Any) -> tuple[str, ...]:
    """Return the texts that stand for missing values, from one or several texts or numbers.

    Examples
    --------
    >>> markers(-999), markers(["?", -9.5]), markers(None)
    (('-999',), ('?', '-9.5'), ())
    """
    if na is None:
        return ()
    marks: list[str] = []
    for one in [na] if isinstance(na, str | Real) else items_of("na", na, "texts or numbers"):
        large = isinstance(one, int) and abs(one) > _LARGE
        if isinstance(one, bool) or not isinstance(one, str | Real) or large or len(marks) == _MOST:
            raise ConfigError(
                f"na must be texts or numbers that stand for missing values, got {shown(one)}.",
                key="na",
                value=one,
            )
        marks.append(str(one).strip(PADDING))
    return tuple(marks)
