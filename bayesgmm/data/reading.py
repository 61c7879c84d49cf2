"""Strict reading of CSV files: every cell a number, or an error."""

import codecs
import csv
import io
import itertools
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bayesgmm.errors import ConfigError, DataError
from bayesgmm.typing import Array, IntArray

__all__ = [
    "MAX_EXACT_INTEGER",
    "Column",
    "Table",
    "chosen_columns",
    "number",
    "plural",
    "read_bytes",
    "read_csv",
    "shown",
    "wanted",
]


MAX_EXACT_INTEGER = 2**53
MISSING = frozenset({"", "na", "nan", "n/a", "null", "none", "<na>"})
_NUMBER = re.compile(r"[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf(inity)?)", re.ASCII | re.I)
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+(e[+-]?\d+)?", re.ASCII | re.I)
_PADDING = " \t"  # str.strip and float would also take control characters for blanks
_CHUNK = 8_192
_OTHER_FORMATS = {
    b"\x1f\x8b": "compressed by gzip: unpack it first (gunzip)",
    b"BZh": "compressed by bzip2: unpack it first (bunzip2)",
    b"\xfd7zXZ": "compressed by xz: unpack it first (unxz)",
    b"PK\x03\x04": "a zip archive or an Excel workbook: unpack it, or save its sheet as CSV",
    b"PAR1": "Parquet: give it the ending .parquet, or read it with from_parquet",
}


class Table(NamedTuple):
    """What a reader hands over; a missing cell is NaN.

    ``values`` has shape (obs, feature); ``lines`` holds the 1-based line of the file on which each
    row starts, where the source is a text file; ``ignored`` names the columns not chosen.
    """

    values: Array
    features: tuple[str, ...]
    ignored: tuple[str, ...] = ()
    row_labels: tuple[str, ...] | None = None
    lines: IntArray | None = None


@dataclass
class Column:
    """The cells of one column read so far: its numbers, and an account of all others."""

    name: str
    kind: str = "text"
    place: str = "line"
    chunks: list[Array] = field(default_factory=list)
    n_numbers: int = 0
    n_others: int = 0
    n_commas: int = 0
    others: list[tuple[int, Any]] = field(default_factory=list)
    integer: tuple[int, Any] | None = None

    @property
    def numeric(self) -> bool:
        """Whether at least half of the cells that hold anything hold a number."""
        return self.n_numbers >= self.n_others

    def add(self, cells: Iterable[Any], places: Iterable[int], parse: Callable[[Any], Any]) -> None:
        """Take in cells one by one; ``parse`` gives a float, NaN for missing, None for others."""
        numbers = []
        for cell, place in zip(cells, places, strict=True):
            value = parse(cell)
            numbers.append(math.nan if value is None else value)
            if value is None:
                self.n_others += 1
                self.n_commas += bool(_DECIMAL_COMMA.fullmatch(str(cell).strip()))
                if len(self.others) < 3:
                    self.others.append((place, cell))
        self.take(np.array(numbers, dtype=np.float64))

    def take(self, numbers: Array) -> None:
        """Take in cells that are all numbers or NaN."""
        self.chunks.append(numbers)
        self.n_numbers += int(np.count_nonzero(~np.isnan(numbers)))

    def check(self, where: str, cure: str) -> None:
        """Raise DataError unless every cell is a number or missing and no integer is inexact."""
        head = f"column {self.name!r}{where}"
        if self.others:
            cells = ", ".join(f"{shown(cell)} ({self.place} {row})" for row, cell in self.others)
            fault = f"{plural(self.n_others, 'cell')} not a number"
            if self.place == "line" and 2 * self.n_commas >= self.n_others > 0:
                cure = "if the comma is the decimal sign, pass decimal=','."
            raise DataError(
                f"{head} ({self.kind}) cannot be a feature: "
                f"{fault if self.n_others else 'not a plain numeric type'}: {cells}; {cure}",
                column=self.name,
                rows=tuple(row for row, _ in self.others),
            )
        if self.integer is not None:
            row, value = self.integer
            raise DataError(
                f"{head} holds the integer {shown(value)} ({self.place} {row}), above 2**53: it "
                "has no exact float64 value. An identifier is the usual cause: leave the column "
                "out with columns=[...], or convert it to float yourself.",
                column=self.name,
                rows=(row,),
            )


def shown(value: Any) -> str:
    """Return the repr of a value, cut at 80 characters."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def plural(count: int, noun: str) -> str:
    """Return a count with its noun, such as "3 rows"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def wanted(columns: Sequence[str] | None, available: Sequence[str], where: str) -> list[str]:
    """Return the names of the columns to look at: those asked for, else all."""
    if columns is None:
        return list(available)
    if isinstance(columns, str):
        raise ConfigError(f"columns must be a list of names, got {columns!r}.", value=columns)
    names = [str(name) for name in columns]
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"columns must be distinct names, got {shown(names)}.", value=names)
    for name in names:
        if name not in available:
            close = get_close_matches(name, available, 1)
            hint = f"did you mean {close[0]!r}?" if close else f"it has {shown(list(available))}."
            raise DataError(f"there is no column {name!r}{where}; {hint}", column=name)
    return names


def chosen_columns(columns: list[Column], explicit: bool, where: str) -> list[Column]:
    """Return the columns that become features, each checked."""
    chosen = [c for c in columns if explicit or c.numeric or 2 * c.n_commas >= c.n_others]
    good = [c.name for c in columns if c.numeric and not c.others and c.n_numbers]
    cure = f"correct it{f', or choose numeric columns: columns={shown(good)}' if good else ''}."
    for column in chosen:
        column.check(where, cure)
        if not column.n_numbers:
            raise DataError(
                f"column {column.name!r}{where} has no values: every cell is missing; {cure}",
                column=column.name,
            )
    if not chosen:
        names = shown([c.name for c in columns])
        raise DataError(f"there is no numeric column{where}; its columns are {names}.")
    return chosen


def read_bytes(path: str) -> bytes:
    """Return the content of a file, or say why it cannot be read."""
    file = Path(path)
    try:
        if file.exists() and not (file.is_file() or file.is_fifo()):
            raise DataError(f"{path!r} is not a file but a directory or device.", path=path)
        return file.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"cannot read {path!r}: {reason}.", path=path) from None


def _check_text(raw: bytes, encoding: str, path: str) -> tuple[bytes, str]:
    """Return the bytes without byte-order mark and the codec, once all of it decodes."""
    try:
        codec = codecs.lookup(encoding).name
        "a".encode(codec)
    except (LookupError, ValueError):
        raise ConfigError(f"unknown encoding {encoding!r}.", value=encoding) from None
    codec = "utf-8" if codec == "utf-8-sig" else codec
    wide = codec.startswith(("utf-16", "utf-32"))
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and not wide:
        raise DataError(f"{path!r} is UTF-16 text: pass encoding='utf-16'.", path=path, offset=0)
    for start, what in _OTHER_FORMATS.items():
        if raw.startswith(start) and not raw.isascii():
            raise DataError(f"{path!r} is {what}.", path=path, offset=0)
    if b"\0" in raw and not wide:
        raise DataError(
            f"{path!r} is not a text file: a zero byte at byte offset {raw.index(0)} (it starts "
            f"with {raw[:8]!r}); export the table as CSV.",
            path=path,
            offset=raw.index(0),
        )
    mark = len(codecs.BOM_UTF8) if raw.startswith(codecs.BOM_UTF8) else 0
    if mark and codec != "utf-8":
        raise DataError(f"{path!r} starts with a UTF-8 mark: pass encoding='utf-8'.", path=path)
    try:
        codecs.getincrementaldecoder(codec)().decode(raw[mark:], final=True)
    except UnicodeError as error:
        offset = mark + getattr(error, "start", 0)
        raise DataError(
            f"{path!r} is not {encoding} text: byte {raw[offset : offset + 1]!r} at byte offset "
            f"{offset} (line {raw.count(b'\n', 0, offset) + 1}); pass its encoding, for example "
            "encoding='cp1252' or 'latin-1'.",
            path=path,
            offset=offset,
        ) from None
    return raw[mark:], codec


def _check_separator(text: str, sep: str, path: str) -> None:
    """Refuse a file that would be read as one column but splits evenly at another separator."""
    lines = [line for line in text.splitlines()[:20] if line.strip()]
    if not lines or sep in lines[0]:
        return
    for other in ";\t|, :":
        count = lines[0].count(other)
        if not count or any(line.count(other) < count for line in lines[1:]):
            continue
        commas = other != "," and any(_DECIMAL_COMMA.search(line) for line in lines[1:])
        cure = f"sep={other!r}" + (" and decimal=','" if commas else "")
        raise DataError(
            f"{path!r} has one column when split at {sep!r}, but each line holds {other!r}: pass "
            f"{cure}.",
            path=path,
            sep=other,
            decimal="," if commas else ".",
        )


def _records(stream: Iterable[str], sep: str, path: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, fields) of each record; blank lines only where others follow."""
    reader = csv.reader(stream, delimiter=sep, strict=True)
    start, width = 1, 0
    blank: list[tuple[int, list[str]]] = []

    def unbalanced(detail: str) -> DataError:
        return DataError(
            f"{path!r} has an unbalanced quote in the record of line {start} ({detail}); close or "
            "double the quote.",
            path=path,
            rows=(start,),
        )

    try:
        for fields in reader:
            width = width or len(fields)
            if reader.line_num > start and width > 1:
                pieces = "\n".join(fields).split("\n")[1:-1]
                if any(piece.count(sep) >= width - 1 for piece in pieces):
                    raise unbalanced(f"its quoted cell swallows lines up to {reader.line_num}")
            if fields:
                yield from blank
                blank = []
                yield start, fields
            else:
                blank.append((start, [""] if width == 1 else []))
            start = reader.line_num + 1
    except csv.Error as error:
        raise unbalanced(str(error)) from None


def _header(records: Iterator[tuple[int, list[str]]], path: str) -> list[str]:
    names = [name.strip(_PADDING) for name in next(records, (1, []))[1]]
    numbers = [_NUMBER.fullmatch(name.replace(",", ".")) for name in names]
    if not any(names):
        raise DataError(f"{path!r} is empty: a header and rows are needed.", path=path)
    if all(numbers):
        raise DataError(
            f"{path!r} has no header: its first line holds only numbers ({shown(names)}); add a "
            "line of column names.",
            path=path,
            rows=(1,),
        )
    if "" in names:
        where = names.index("") + 1
        hint = " (row names, perhaps: export without them)" if where == 1 else ""
        raise DataError(f"{path!r} has no name for column {where}{hint}; name it.", path=path)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(
            f"{path!r} has duplicate column names: {shown(twice)}; rename them.",
            path=path,
            column=twice[0],
        )
    return names


def number(cell: str, decimal: str) -> float | None:
    """Return the number that a text cell holds, NaN for missing, None for anything else."""
    text = cell.strip(_PADDING)
    if text.lower() in MISSING:
        return math.nan
    if decimal != ".":
        text = "," if "." in text else text.replace(decimal, ".")
    return float(text) if _NUMBER.fullmatch(text) else None


def _add_cells(column: Column, cells: Sequence[str], lines: Sequence[int], decimal: str) -> None:
    """Parse a run of text cells, in one sweep where each is a plain number."""
    joined = "".join(cells)
    try:
        plain = joined.isascii() and joined.isprintable() and "_" not in joined
        if decimal != "." or not plain:
            raise ValueError("float() would take more than plain numbers")
        column.take(np.fromiter(map(float, cells), np.float64, count=len(cells)))
    except ValueError:
        column.add(cells, lines, lambda cell: number(cell, decimal))
    if column.integer is None:
        for i in np.flatnonzero(np.abs(column.chunks[-1]) >= MAX_EXACT_INTEGER).tolist():
            if re.fullmatch(r"[+-]?\d+", cells[i].strip(_PADDING)) and abs(int(cells[i])) > 2**53:
                column.integer = lines[i], cells[i]
                break


def _refuse_uneven(wrong: list[tuple[int, int]], width: int, sep: str, path: str) -> None:
    if not wrong:
        return
    named = ", ".join(f"line {line} has {count}" for line, count in wrong[:3])
    cure = "correct these lines, or quote cells that hold the separator."
    if sep == "," and all(count == 2 * width for _, count in wrong):
        cure = "if the comma is the decimal sign, use another separator: sep=';', decimal=','."
    raise DataError(
        f"{path!r}: the header has {plural(width, 'field')}, but {plural(len(wrong), 'line')} "
        f"longer or shorter: {named}; {cure}",
        path=path,
        rows=tuple(line for line, _ in wrong[:3]),
    )


def read_csv(
    path: str, columns: Sequence[str] | None, sep: str, decimal: str, encoding: str
) -> Table:
    """Read a CSV file; see ``Dataset.from_csv`` for the rules and the errors."""
    if len(sep) != 1 or sep in '"\r\n' or decimal not in (".", ",") or sep == decimal:
        raise ConfigError(
            "sep must be one character and decimal '.' or ',', and the two must differ, got "
            f"sep={sep!r}, decimal={decimal!r}."
        )
    raw, codec = _check_text(read_bytes(path), encoding, path)
    _check_separator(raw[:65_536].decode(codec, errors="ignore"), sep, path)
    records = _records(io.TextIOWrapper(io.BytesIO(raw), codec, newline=""), sep, path)
    header = _header(records, path)
    where = f" of {path!r}"
    names = wanted(columns, header, where)
    read = [Column(name) for name in names]
    places = [header.index(name) for name in names]
    starts: list[IntArray] = []
    wrong: list[tuple[int, int]] = []
    for batch in itertools.batched(records, _CHUNK):
        lines, rows = zip(*batch, strict=True)
        uneven = [(i, len(row)) for i, row in batch if len(row) != len(header)]
        wrong += uneven
        if not wrong:
            starts.append(np.array(lines, dtype=np.int64))
            cells = list(zip(*rows, strict=True))
            for column, place in zip(read, places, strict=True):
                _add_cells(column, cells[place], lines, decimal)
    _refuse_uneven(wrong, len(header), sep, path)
    if not starts:
        raise DataError(f"{path!r} has a header but no rows.", path=path)
    chosen = chosen_columns(read, columns is not None, where)
    values = np.stack([np.concatenate(c.chunks) for c in chosen], axis=1)
    features = tuple(c.name for c in chosen)
    ignored = tuple(name for name in header if name not in features)
    return Table(values, features, ignored, lines=np.concatenate(starts))
