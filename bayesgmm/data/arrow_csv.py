"""CSV files read block by block by Arrow's compiled reader, as strictly as cell by cell.

Whatever this reader is not sure to read as `bayesgmm.data.reading` would makes it give up; that
reader then reads the file, or says what is wrong with it.
"""

import codecs
import io
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bayesgmm.data.annotation_columns import NO_ANNOTATIONS, AnnotationColumns
from bayesgmm.data.columns import Column, Table
from bayesgmm.data.csv_blocks import Blocks, Unsure
from bayesgmm.data.dialect import BLANK, Dialect
from bayesgmm.data.grouped_digits import can_ungroup, without_groupers
from bayesgmm.data.reading import Layout, Texts, annotations_in, layout_of, table_of
from bayesgmm.data.records import HEAD, Records, check_separator, header_of
from bayesgmm.data.sources import Source, codec_of
from bayesgmm.data.text_cells import BoolArray, all_numbers, may_bear_sign, read_cells
from bayesgmm.errors import DataError
from bayesgmm.limits import MAX_EXACT_INTEGER
from bayesgmm.typing import Array, IntArray

__all__ = ["read_quickly"]

BLOCK_BYTES = 2**20
_COPIES_OF_TEXT = 4  # cells with signs are held several times over while they are read
_HEAD_BYTES = 2**16
_SAMPLED_CELLS = 400
_KEPT_CELLS = 200
_MOST_PARSED_TWICE = 3
_COMMA = r"(?i)^[ \t]*[+-]?\d+,\d+(?:e[+-]?\d+)?[ \t]*$"
# the usual ones; any other way of writing them is read as text
_NULLS = ["", "NA", "na", "NaN", "nan", "N/A", "n/a", "NULL", "null", "None", "<NA>"]


def read_quickly(
    source: Source,
    columns: Sequence[str] | None,
    dialect: Dialect,
    beside: AnnotationColumns = NO_ANNOTATIONS,
) -> Table | None:
    """Read a CSV file, or return None where it has to be read cell by cell."""
    if dialect.sep == BLANK or not dialect.sep.isascii():
        return None
    if set(dialect.comment or "") & set("\r\n"):
        return None
    signed = dialect.percent or dialect.currency
    try:
        with source.open() as stream:
            blocks = Blocks(stream, dialect, BLOCK_BYTES // (_COPIES_OF_TEXT if signed else 1))
            reader = _Reader.starting(blocks, columns, dialect, source, beside)
            each = iter(blocks)
            for block in itertools.chain([reader.after_header(next(each))], each):
                reader.add(block)
        return reader.table(columns, beside)
    except (Unsure, DataError, OSError, EOFError, StopIteration, UnicodeError):
        return None


def _head(source: Source, dialect: Dialect) -> tuple[str, bool]:
    """Return the first lines of a file, and whether they are all of it."""
    codec = codec_of(dialect.encoding)
    with source.open() as stream:
        raw, rest = stream.read(_HEAD_BYTES), stream.read(1)
    decoder = codecs.getincrementaldecoder("utf-8-sig" if codec == "utf-8" else codec)()
    text = decoder.decode(raw, final=not rest)
    return (text[: text.rfind("\n") + 1] if rest else text), not rest


def _depends_on_rows(header: Sequence[str], dialect: Dialect) -> bool:
    """Whether more rows than were seen may show that the first line is no header."""
    numbers = dialect.header is None and any(map(dialect.read, header))
    return numbers or len(header) == 1 or not header[0][:1].isalnum()


def _examine(column: Column, cells: list[str], dialect: Dialect) -> bool:
    """Keep examples of a column's numbers and their signs; whether Arrow has to read it as text."""
    if all(map(dialect.is_bare, cells)):
        column.show(*cells)
        return False
    found = [(text, cell) for text in cells if (cell := dialect.read(text)) is not None]
    numbers = [(text, cell.sign) for text, cell in found if not math.isnan(cell.value)]
    column.show(*(text for text, _ in numbers))
    column.signs = {sign: (1, text) for text, sign in reversed(numbers)}
    return any(sign for _, sign in numbers)


@dataclass
class _Reader:
    """The columns read so far: the numeric ones in one growing array, an account of the others.

    Lines are counted among those that are kept.
    """

    layout: Layout
    dialect: Dialect
    path: str
    blocks: Blocks
    columns: list[Column]
    texts: set[int]
    values: Array
    n_unsigned: IntArray
    kept: Texts
    line: int
    n_bytes: int
    n_rows: int = 0
    n_parsed_twice: int = 0
    options: dict[tuple[bool, ...], tuple[Any, Any, Any]] = field(default_factory=dict)

    @classmethod
    def starting(
        cls,
        blocks: Blocks,
        columns: Sequence[str] | None,
        dialect: Dialect,
        source: Source,
        beside: AnnotationColumns,
    ) -> "_Reader":
        """Read the header, as the strict reader does."""
        head, is_all = _head(source, dialect)
        records = Records(io.StringIO(head, newline=""), dialect, source.path)
        check_separator(records.head_lines(), dialect, source.path)
        header, rows = header_of(iter(records), dialect, columns, source.path)
        layout = layout_of(header, columns, dialect, source.path, beside)
        sample = list(itertools.islice(rows, _SAMPLED_CELLS))
        if not sample or any(len(fields) != len(header) for _, fields in sample):
            raise Unsure
        if not is_all and len(sample) < HEAD and _depends_on_rows(header, dialect):
            raise Unsure
        read = [Column(name) for name in layout.names]
        texts = set()
        for j, place in enumerate(layout.places):
            cells = [fields[place] for _, fields in sample]
            if _examine(read[j], cells, dialect):
                texts.add(j)
        values, none = np.empty((0, len(read))), np.zeros(len(read), dtype=np.int64)
        kept: Texts = {name: [] for name in layout.texts}
        first, size = sample[0][0], source.size
        path = source.path
        return cls(layout, dialect, path, blocks, read, texts, values, none, kept, first, size)

    def after_header(self, block: bytes) -> bytes:
        """Return what follows the lines before the first row, and count only those kept."""
        before, start = self.blocks.kept_before(self.line), 0
        if block.count(b"\n") <= before:
            raise Unsure
        for _ in range(before):
            start = block.index(b"\n", start) + 1
        self.line = before + 1
        return block[start:]

    def add(self, block: bytes) -> None:
        """Take in the rows of a block."""
        import pyarrow

        whole = self.n_parsed_twice < _MOST_PARSED_TWICE
        numeric = tuple(
            whole and j not in self.texts and not c.n_others for j, c in enumerate(self.columns)
        )
        bare = None
        if all(numeric) and not self.layout.texts and can_ungroup(self.dialect):
            bare = without_groupers(block, self.dialect)
        try:
            batch = self._parsed(bare or block, numeric)
        except pyarrow.ArrowInvalid:
            self.n_parsed_twice += 1
            numeric = (False,) * len(self.columns)
            batch = self._parsed(block, numeric)
        new = self._room_for(batch.num_rows, len(block))
        if places := [j for j, number in enumerate(numeric) if number]:
            self._take_numbers(batch, places, new)
        by_sign: dict[str, list[int]] = {}
        for j in [j for j, number in enumerate(numeric) if not number]:
            by_sign.setdefault(next(filter(None, self.columns[j].signs), ""), []).append(j)
        for sign, places in by_sign.items():
            self._take_texts(batch, places, sign, new)
        for name, place in self.layout.texts.items():
            self.kept[name] += batch.column(str(place)).to_pylist()
        self.n_rows += len(new)
        self.line += len(new)

    def _room_for(self, n_new: int, n_bytes: int) -> Array:
        """Return the next rows of the array, made longer where it ends; first as all bytes need."""
        if self.n_rows + n_new > len(self.values):
            expected = 0 if self.n_rows else n_new * (1 + self.n_bytes // n_bytes)
            size = max(self.n_rows + n_new, len(self.values) + len(self.values) // 2, expected)
            if self.n_rows:
                self.values.resize((size, len(self.columns)), refcheck=False)
            else:
                self.values = np.empty((size, len(self.columns)))
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
            batches = table.to_batches()
        except pyarrow.ArrowInvalid:
            if not any(numeric):
                raise Unsure from None
            raise
        if len(batches) != 1:
            raise Unsure
        return batches[0]

    def _options(self, numeric: tuple[bool, ...]) -> tuple[Any, Any, Any]:
        """Return Arrow's options where these columns are numeric and the others text."""
        import pyarrow
        from pyarrow import csv

        types = {
            str(place): pyarrow.float64() if number else pyarrow.string()
            for place, number in zip(self.layout.places, numeric, strict=True)
        }
        types |= {str(place): pyarrow.string() for place in self.layout.texts.values()}
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
        low, high = np.fmin.reduce(numbers, axis=None), np.fmax.reduce(numbers, axis=None)
        if max(-low, high) >= MAX_EXACT_INTEGER:
            raise Unsure
        missing = np.isnan(numbers)
        if missing.any():
            n_null = sum(column.null_count for column in batch.columns)
            if np.count_nonzero(missing) != n_null:
                raise Unsure
        if self.dialect.missing_numbers:
            missing |= np.isin(numbers, list(self.dialect.missing_numbers))
            numbers = np.where(missing, np.nan, numbers)
        new[:, places if len(places) < new.shape[1] else slice(None)] = numbers
        self.n_unsigned[places] += len(new)
        if missing.any():
            self.n_unsigned[places] -= np.count_nonzero(missing, axis=0)

    def _take_texts(self, batch: Any, places: list[int], sign: str, new: Array) -> None:
        """Read columns of text whose numbers bear one sign, all at once where nothing is odd."""
        import pyarrow

        cells = [batch.column(j) for j in places]
        together, shape = pyarrow.concat_arrays(cells), (len(places), len(new))
        values = all_numbers(together, sign, self.dialect)
        if values is None:
            each = read_cells(together, sign, self.dialect)
            values = each.values.reshape(shape)
            n_signed = np.count_nonzero(each.signed.reshape(shape), axis=1)
            left = each.left.reshape(shape)
        else:
            values = values.reshape(shape)
            n_signed = np.count_nonzero(~np.isnan(values), axis=1) * bool(sign)
            left = np.zeros(shape, dtype=bool)
        self.n_unsigned[places] += np.count_nonzero(~np.isnan(values), axis=1) - n_signed
        for i, j in enumerate(places):
            self._count(self.columns[j], int(n_signed[i]), sign)
            if left[i].any():
                self._take_left(self.columns[j], cells[i], left[i], values[i])
        if np.abs(values).max(initial=0.0, where=~np.isnan(values)) >= MAX_EXACT_INTEGER:
            raise Unsure
        new[:, places] = values.T

    def _take_left(self, column: Column, cells: Any, left: BoolArray, out: Array) -> None:
        """Read what may be a number written otherwise cell by cell, and count the rest."""
        from pyarrow import compute

        rows = np.flatnonzero(left)
        odd = cells.take(rows)
        alone = may_bear_sign(odd, self.dialect)
        alone[:_KEPT_CELLS] = True
        lines = [self.blocks.line_of(self.line + row) for row in rows[alone].tolist()]
        column.add(odd.filter(alone).to_pylist(), lines, self.dialect.read)
        out[rows[alone]] = column.chunks.pop()
        rest = odd.filter(~alone)
        column.n_others += len(rest)
        column.n_commas += compute.sum(compute.match_substring_regex(rest, _COMMA)).as_py() or 0

    def _count(self, column: Column, n_numbers: int, sign: str) -> None:
        """Count numbers, and note their sign; only the strict reader says where it stands."""
        if n_numbers:
            column.n_numbers += n_numbers
            column.signs.setdefault(sign, (self.line, ""))

    def table(self, columns: Sequence[str] | None, beside: AnnotationColumns) -> Table:
        """Choose the features; unsure where one has a cell that is no number."""
        for column, count in zip(self.columns, self.n_unsigned.tolist(), strict=True):
            self._count(column, count, "")
        chosen = [
            j
            for j, c in enumerate(self.columns)
            if columns is not None or c.numeric or c.decimal_commas
        ]
        if not chosen or any(self.columns[j].n_others for j in chosen):
            raise Unsure
        self.values.resize((self.n_rows, len(self.columns)), refcheck=False)
        values = self.values if len(chosen) == len(self.columns) else self.values[:, chosen]
        table = table_of(
            self.columns, self.layout, columns, self.dialect, self.path, self.kept, None, values
        )
        rows = np.arange(self.n_rows)
        known = annotations_in(self.kept, beside, self.dialect, self.path, rows)
        return table._replace(beside=known)
