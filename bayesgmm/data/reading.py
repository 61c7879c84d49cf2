"""Strict reading of CSV files: every cell a number, or an error."""

import io
import itertools
import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bayesgmm.advice import Advice, Option
from bayesgmm.data.annotation_columns import NO_ANNOTATIONS, AnnotationColumns
from bayesgmm.data.columns import (
    NOT_ASKED_FOR,
    Classes,
    Column,
    Table,
    chosen_columns,
    left_out,
    wanted,
)
from bayesgmm.data.cures import advice, looks_like_thousands
from bayesgmm.data.dialect import PADDING, Dialect
from bayesgmm.data.records import Record, Records, check_separator, header_of, refuse_uneven
from bayesgmm.data.sources import Source, check_text
from bayesgmm.errors import ConfigError, DataError
from bayesgmm.limits import MAX_EXACT_INTEGER
from bayesgmm.typing import Array, IntArray

__all__ = ["Layout", "Texts", "annotations_in", "layout_of", "read_strictly", "table_of"]

_CHUNK = 8_192


class Layout(NamedTuple):
    """Which column of a file is which: names, and places counted from 0.

    `texts` are the columns kept as text: row labels, named None, and those that annotate rows.
    """

    header: list[str]
    names: list[str]
    places: list[int]
    texts: dict[str | None, int]


Texts = dict[str | None, list[str]]


def read_strictly(
    source: Source,
    columns: Sequence[str] | None,
    dialect: Dialect,
    beside: AnnotationColumns = NO_ANNOTATIONS,
) -> Table:
    """Read a CSV file cell by cell; see `Dataset.from_csv` for the rules and the errors."""
    path = source.path
    raw, codec = check_text(source.read(), dialect.encoding, path)
    records = Records(io.TextIOWrapper(io.BytesIO(raw), codec, newline=""), dialect, path)
    check_separator(records.head_lines(), dialect, path)
    header, rows = header_of(iter(records), dialect, columns, path)
    layout = layout_of(header, columns, dialect, path, beside)
    read = [Column(name) for name in layout.names]
    starts: list[IntArray] = []
    texts: Texts = {name: [] for name in layout.texts}
    wrong: list[Record] = []
    n_rows = 0
    for batch in itertools.batched(rows, _CHUNK):
        n_rows += len(batch)
        wrong += [record for record in batch if len(record[1]) != len(header)]
        if not wrong:
            lines, fields = zip(*batch, strict=True)
            starts.append(np.array(lines, dtype=np.int64))
            cells = list(zip(*fields, strict=True))
            for column, place in zip(read, layout.places, strict=True):
                _add_cells(column, cells[place], lines, dialect)
            for name, place in layout.texts.items():
                texts[name] += cells[place]
    refuse_uneven(wrong, n_rows, header, dialect, path)
    if not starts:
        raise DataError(f"{path!r} has a header but no rows.", path=path)
    each = np.concatenate(starts)
    table = table_of(read, layout, columns, dialect, path, texts, each)
    return table._replace(beside=annotations_in(texts, beside, dialect, path, each))


def layout_of(
    header: list[str],
    columns: Sequence[str] | None,
    dialect: Dialect,
    path: str,
    beside: AnnotationColumns,
) -> Layout:
    """Find the columns to read, the one that holds row labels, and those that annotate rows."""
    where = f" of {path!r}"
    labels = _label_place(header, dialect.row_labels, where)
    if labels is not None and columns is not None and header[labels] in map(str, columns):
        raise ConfigError(
            Advice(
                f"column {header[labels]!r} holds the row labels and cannot be a feature too; "
                "leave it out of ",
                Option("columns"),
                ", or leave out ",
                Option("row_labels"),
                ".",
            ),
            key="row_labels",
            value=dialect.row_labels,
        )
    rest = [name for place, name in enumerate(header) if place != labels]
    annotating = beside.wanted(columns, rest, where)
    names = wanted(columns, [name for name in rest if name not in annotating], where)
    for name in (*names, *annotating):
        if header.count(name) > 1:
            raise DataError(
                f"{path!r} has duplicate column names: {[name]}; rename them.",
                path=path,
                column=name,
            )
    texts: dict[str | None, int] = {} if labels is None else {None: labels}
    texts |= {name: header.index(name) for name in annotating}
    return Layout(header, names, [header.index(name) for name in names], texts)


def _label_place(header: list[str], given: str | int | None, where: str) -> int | None:
    if given is None:
        return None
    if isinstance(given, str) and (given in header or not given.isdecimal()):
        return header.index(wanted([given], header, where)[0])
    if not 1 <= int(given) <= len(header):
        raise DataError(
            Advice(
                Option("row_labels", given),
                f" is the number of a column{where}, from 1 to {len(header)}.",
            ),
            value=given,
        )
    return int(given) - 1


def _add_cells(
    column: Column, cells: Sequence[str], lines: Sequence[int], dialect: Dialect
) -> None:
    """Parse a run of text cells, in one sweep where each is a plain number."""
    joined = "".join(cells)
    try:
        simple = dialect.plain and dialect.decimal == "." and not dialect.na
        if not (simple and joined.isascii() and joined.isprintable()) or "_" in joined:
            raise ValueError("float() would take more than plain numbers")
        column.take(np.fromiter(map(float, cells), np.float64, count=len(cells)))
        column.show(*cells)
    except ValueError:
        column.add(cells, lines, dialect.read)
    if column.integer is None:
        for i in np.flatnonzero(np.abs(column.chunks[-1]) >= MAX_EXACT_INTEGER).tolist():
            digits = re.sub(r"\D", "", cells[i])
            exact = re.fullmatch(r"[^.,eE]*", cells[i].strip(PADDING))
            if exact and digits and int(digits) > MAX_EXACT_INTEGER:
                column.integer = lines[i], cells[i]
                break


def table_of(
    read: list[Column],
    layout: Layout,
    columns: Sequence[str] | None,
    dialect: Dialect,
    path: str,
    texts: Texts,
    lines: IntArray | None,
    values: Array | None = None,
) -> Table:
    """Choose the features among the columns read, and account for all others.

    `values` holds the features, where the columns do not hold their cells.
    """
    chosen = chosen_columns(read, columns is not None, f" of {path!r}", dialect)
    features = tuple(column.name for column in chosen)
    rest = [column for column in read if column.name not in features]
    reasons, curable = left_out(rest, dialect)
    ignored = {
        name: reasons.get(name, NOT_ASKED_FOR)
        for place, name in enumerate(layout.header)
        if name not in features and place not in layout.texts.values()
    }
    if values is None:
        values = np.stack([np.concatenate(c.chunks) for c in chosen], axis=1)
    found = [_grouped_note(column, dialect) for column in chosen]
    found += [f"column {name!r} was left out: it " + reasons[name] + "." for name in curable]
    return Table(
        values,
        features,
        ignored,
        tuple(label.strip(PADDING) for label in texts[None]) if None in texts else None,
        lines,
        tuple(filter(None, found)),
    )


def annotations_in(
    texts: Texts, beside: AnnotationColumns, dialect: Dialect, path: str, lines: IntArray
) -> dict[str, Array | Classes]:
    """Read the columns that annotate rows: numbers as strictly as features, classes as texts."""
    found: dict[str, Array | Classes] = {}
    for name in beside.names:
        if name in beside.numbers:
            column = Column(name)
            _add_cells(column, texts[name], lines.tolist(), dialect)
            column.check(f" of {path!r}", dialect, "correct it.", "be weights or errors")
            found[name] = column.chunks[0]
        else:
            cells = [cell.strip(PADDING) for cell in texts[name]]
            found[name] = Classes([None if dialect.absent(cell) else cell for cell in cells])
    return found


def _grouped_note(column: Column, dialect: Dialect) -> str:
    """Say where a decimal sign seems to separate thousands; empty where it does not."""
    sign = dialect.decimal
    if dialect.thousands is not None or not looks_like_thousands(column.fine, sign):
        return ""
    text = next(cell for cell in column.fine if sign in cell).strip(PADDING)
    number = dialect.read(text)
    changes = {"thousands": sign, "decimal": "." if sign == "," else ","}
    cure = "remove it" if dialect.sep == changes["decimal"] else Advice("pass ", advice(changes))
    return (
        f"column {column.name!r}: {text} was read as {number.value if number else math.nan:g}, but "
        f"all its cells with {sign!r} have three digits after it, and the others are integers "
        "below 1000; if it separates thousands, " + cure + "."
    )
