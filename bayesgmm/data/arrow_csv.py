"""CSV files read block by block by Arrow's compiled reader, as strictly as cell by cell.

Whatever this reader is not sure to read as `bayesgmm.data.reading` would makes it give up; that
reader then reads the file, or says what is wrong with it.
"""

import codecs
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bayesgmm.data.columns import Column, Table
from bayesgmm.data.dialect import BLANK, MISSING, Dialect
from bayesgmm.data.reading import Layout, layout_of, table_of
from bayesgmm.data.records import Records, check_separator, header_of
from bayesgmm.data.sources import Source, codec_of
from bayesgmm.errors import DataError
from bayesgmm.limits import MAX_EXACT_INTEGER
from bayesgmm.typing import Array

__all__ = ["read_quickly"]

BLOCK_BYTES = 2**19
_HEAD_BYTES = 2**16
_SAMPLED_CELLS = 400
# the usual ones; any other way of writing them is read cell by cell
_NULLS = ["", "NA", "na", "NaN", "nan", "N/A", "n/a", "NULL", "null", "None", "<NA>"]


class _Unsure(Exception):
    """The block may hold what the compiled reader takes otherwise."""


def read_quickly(source: Source, columns: Sequence[str] | None, dialect: Dialect) -> Table | None:
    """Read a CSV file, or return None where it has to be read cell by cell."""
    if dialect.sep == BLANK or dialect.comment or dialect.percent or dialect.currency:
        return None
    try:
        with source.open() as stream:
            blocks = _blocks(stream, dialect)
            first = next(blocks)
            reader = _Reader.starting(first, columns, dialect, source)
            for block in itertools.chain([reader.after_header(first)], blocks):
                reader.add(block)
        return reader.table(columns)
    except (_Unsure, DataError, OSError, EOFError, StopIteration, UnicodeError):
        return None


def _blocks(stream: Any, dialect: Dialect) -> Iterator[bytes]:
    """Yield checked UTF-8 text in blocks that end with a line, never with a blank one."""
    codec = codec_of(dialect.encoding)
    decoder = None if codec == "utf-8" else codecs.getincrementaldecoder(codec)()
    rest, mark = b"", codecs.BOM_UTF8
    while chunk := stream.read(BLOCK_BYTES):
        new = chunk.removeprefix(mark) if decoder is None else decoder.decode(chunk).encode()
        chunk, mark = rest + new, b""
        end = chunk.rfind(b"\n") + 1
        body = chunk[:end].rstrip(b"\r\n")
        end = min(end, len(body) + (2 if chunk[len(body) :].startswith(b"\r\n") else 1))
        rest = chunk[end:]
        if body:
            yield _checked(chunk[:end], dialect)
    if decoder is not None:
        rest += decoder.decode(b"", final=True).encode()
    if rest := rest.rstrip(b"\r\n"):
        yield _checked(rest + b"\n", dialect)


def _checked(block: bytes, dialect: Dialect) -> bytes:
    """Return the block if it is text whose quotes and line ends mean the same to all readers."""
    if not block.isascii():
        block.decode()
    if b"\0" in block or (b"\r" in block and block.count(b"\r") != block.count(b"\r\n")):
        raise _Unsure
    if b'"' in block:
        sep = re.escape(dialect.sep.encode())
        quoted = rb'(?:(?<=\n)|(?<=%b)|\A)"[^"\n]*"(?=%b|\r?\n|\Z)' % (sep, sep)
        if 2 * len(re.findall(quoted, block)) != block.count(b'"'):
            raise _Unsure
    return block


@dataclass
class _Reader:
    """The columns read so far: the numeric ones in one growing array, an account of the others."""

    layout: Layout
    dialect: Dialect
    path: str
    columns: list[Column]
    values: Array
    labels: list[str]
    line: int
    n_bytes: int
    n_rows: int = 0
    options: dict[tuple[bool, ...], tuple[Any, Any, Any]] = field(default_factory=dict)

    @classmethod
    def starting(
        cls, block: bytes, columns: Sequence[str] | None, dialect: Dialect, source: Source
    ) -> "_Reader":
        """Read the header, as the strict reader does."""
        path, n_bytes = source.path, source.size
        head = block[: block.rfind(b"\n", 0, _HEAD_BYTES) + 1 or len(block)].decode()
        records = Records(io.StringIO(head, newline=""), dialect, path)
        check_separator(records.head_lines(), dialect, path)
        header, rows = header_of(iter(records), dialect, columns, path)
        layout = layout_of(header, columns, dialect, path)
        sample = list(itertools.islice(rows, _SAMPLED_CELLS))
        if not sample or any(len(fields) != len(header) for _, fields in sample):
            raise _Unsure
        read = [Column(name) for name in layout.names]
        for column, place in zip(read, layout.places, strict=True):
            column.show(*(fields[place] for _, fields in sample))
        return cls(layout, dialect, path, read, np.empty((0, len(read))), [], sample[0][0], n_bytes)

    def after_header(self, block: bytes) -> bytes:
        """Return what follows the lines before the first row."""
        start = 0
        for _ in range(self.line - 1):
            start = block.index(b"\n", start) + 1
        return block[start:]

    def add(self, block: bytes) -> None:
        """Take in the rows of a block."""
        import pyarrow

        numeric = tuple(not c.n_others for c in self.columns)
        try:
            batch = self._parsed(block, numeric)
        except pyarrow.ArrowInvalid:
            numeric = (False,) * len(self.columns)
            batch = self._parsed(block, numeric)
        new = self._room_for(batch.num_rows, len(block))
        if places := [j for j, number in enumerate(numeric) if number]:
            self._take_numbers(batch, places, new)
        for j in [j for j, number in enumerate(numeric) if not number]:
            if self.columns[j].n_others:
                self._tally(self.columns[j], batch.column(j))
            else:
                self._read_texts(self.columns[j], batch.column(j).to_pylist(), new[:, j])
        if self.layout.labels is not None:
            self.labels += batch.column(len(numeric)).to_pylist()
        self.n_rows += len(new)
        self.line += len(new)

    def _room_for(self, n_new: int, n_bytes: int) -> Array:
        """Return the next rows of the array, made longer where it ends; first as all bytes need."""
        if self.n_rows + n_new > len(self.values):
            expected = 0 if self.n_rows else n_new * (1 + self.n_bytes // n_bytes)
            size = max(self.n_rows + n_new, len(self.values) + len(self.values) // 2, expected)
            self.values.resize((size, len(self.columns)), refcheck=False)
        return self.values[self.n_rows : self.n_rows + n_new]

    def _parsed(self, block: bytes, numeric: tuple[bool, ...]) -> Any:
        """Parse a block; columns are named by their places."""
        import pyarrow
        from pyarrow import csv

        if numeric not in self.options:
            self.options[numeric] = self._options(numeric)
        read, parse, convert = self.options[numeric]
        read.block_size = len(block) + 1
        try:
            source = pyarrow.BufferReader(block)
            table = csv.read_csv(source, read, parse, convert, pyarrow.system_memory_pool())
            return table.combine_chunks().to_batches()[0]
        except pyarrow.ArrowInvalid:
            if not any(numeric):
                raise _Unsure from None
            raise

    def _options(self, numeric: tuple[bool, ...]) -> tuple[Any, Any, Any]:
        """Return Arrow's options where these columns are numeric and the others text."""
        import pyarrow
        from pyarrow import csv

        types = {
            str(place): pyarrow.float64() if number else pyarrow.string()
            for place, number in zip(self.layout.places, numeric, strict=True)
        }
        if self.layout.labels is not None:
            types[str(self.layout.labels)] = pyarrow.string()
        names = list(map(str, range(len(self.layout.header))))
        return (
            csv.ReadOptions(column_names=names, use_threads=False),
            csv.ParseOptions(delimiter=self.dialect.sep, ignore_empty_lines=False),
            csv.ConvertOptions(
                column_types=types,
                include_columns=list(types),
                null_values=[*_NULLS, *self.dialect.na],
                decimal_point=self.dialect.decimal,
            ),
        )

    def _take_numbers(self, batch: Any, places: list[int], new: Array) -> None:
        """Store parsed columns and count their numbers; a missing cell is NaN, and only that."""
        if len(places) < batch.num_columns:
            batch = batch.select(places)
        numbers = batch.to_tensor(null_to_nan=True, row_major=True).to_numpy()
        missing = np.isnan(numbers)
        n_missing = [column.null_count for column in batch.columns]
        largest = np.abs(numbers).max(initial=0.0, where=~missing)
        if largest >= MAX_EXACT_INTEGER or np.count_nonzero(missing) != sum(n_missing):
            raise _Unsure
        new[:, places if len(places) < new.shape[1] else slice(None)] = numbers
        for j, count in zip(places, n_missing, strict=True):
            self.columns[j].n_numbers += len(new) - count
            if self.dialect.missing_numbers:
                marked = np.isin(new[:, j], list(self.dialect.missing_numbers))
                self.columns[j].n_numbers -= int(np.count_nonzero(marked))
                new[marked, j] = np.nan

    def _read_texts(self, column: Column, cells: list[str], out: Array) -> None:
        """Read a column cell by cell, where the compiled reader did not take all of it."""
        before = column.n_numbers
        column.add(cells, range(self.line, self.line + len(cells)), self.dialect.read)
        out[:] = column.chunks.pop()
        if column.n_others and before == 0:
            sample = cells[:_SAMPLED_CELLS]
            column.fine = [cell for cell in sample if self.dialect.read(cell) is not None]
        if np.abs(out).max(initial=0.0, where=~np.isnan(out)) >= MAX_EXACT_INTEGER:
            raise _Unsure

    def _tally(self, column: Column, cells: Any) -> None:
        """Count the numbers in a column of text."""
        from pyarrow import compute

        def count(pattern: str) -> int:
            matched = compute.match_substring_regex(cells, f"(?i)^[ \t]*(?:{pattern})[ \t]*$")
            return int(compute.sum(matched).as_py() or 0)

        n_numbers = count(self.dialect.number_pattern)
        n_missing = count("|".join(map(re.escape, MISSING)))
        column.n_numbers += n_numbers
        column.n_others += len(cells) - n_numbers - n_missing
        column.n_commas += count(r"[+-]?\d+,\d+(?:e[+-]?\d+)?")

    def table(self, columns: Sequence[str] | None) -> Table:
        """Choose the features; unsure where one has a cell that is no number."""
        chosen = [
            j
            for j, c in enumerate(self.columns)
            if columns is not None or c.numeric or c.decimal_commas
        ]
        if not chosen or any(self.columns[j].n_others for j in chosen):
            raise _Unsure
        self.values.resize((self.n_rows, len(self.columns)), refcheck=False)
        values = self.values if len(chosen) == len(self.columns) else self.values[:, chosen]
        return table_of(
            self.columns, self.layout, columns, self.dialect, self.path, self.labels, None, values
        )
