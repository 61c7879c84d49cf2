"""The data set: reading, checking, and the few facts about it that models need."""

import math
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from bayesgmm.data.arrow_csv import read_quickly
from bayesgmm.data.checking import (
    BLOCK,
    ArrayRows,
    Facts,
    Lines,
    Rows,
    examine,
    frozen,
    smallest_gap,
)
from bayesgmm.data.columns import Table, distinct_labels
from bayesgmm.data.dialect import Dialect, markers
from bayesgmm.data.frames import read_frame
from bayesgmm.data.parquet import ParquetRows, read_parquet
from bayesgmm.data.reading import read_strictly
from bayesgmm.data.sources import Source
from bayesgmm.errors import ConfigError, DataError, DataWarning, ResourceError
from bayesgmm.typing import Array, IntArray

__all__ = ["Dataset"]

PathLike = str | os.PathLike[str]

_SAMPLED_VALUES = 2**24
_QUICK_BYTES = 2**16
_PACKAGE = os.path.dirname(os.path.dirname(__file__))


@dataclass(frozen=True, eq=False)
class Dataset:
    """Rows of numbers that passed every check; made by ``from_csv``, ``as_dataset`` and the like.

    Two data sets are equal when their hashes are.

    Attributes
    ----------
    features : tuple of str
        Names of the columns; bare arrays get x1 ... xD.
    row_labels : tuple of str or None
        The names of the rows, the coordinate obs of all results: a column that was named, or the
        index of a pandas frame where it is not the row number and names each row once.
    hash : str
        SHA-256 of shape, features and values.
    source : str
        The path as given, "array" or "frame".
    n_dropped : int
        Rows left out because ``drop_missing`` was asked for.
    kept : array of int or None
        The numbers, from 0, of the rows that were not left out; None where all are there.
    options : mapping
        How the data were read, ``left_out`` among it, the reason by column: plain JSON types.
    n_distinct : int
        Number of distinct rows; estimated (to about 0.1 %) above 1.5 million.

    Examples
    --------
    >>> from bayesgmm.data import as_dataset
    >>> data = as_dataset([[1.0, 20.0], [2.0, 10.0], [4.0, 15.0]])
    >>> data.features, data.n_obs, data.spread().tolist()
    (('x1', 'x2'), 3, [1.5275252316519468, 5.0])
    """

    features: tuple[str, ...]
    row_labels: tuple[str, ...] | None
    hash: str
    source: str
    n_distinct: int
    n_dropped: int = 0
    kept: IntArray | None = field(default=None, repr=False)
    options: Mapping[str, Any] = field(default_factory=dict)
    _rows: Rows = field(repr=False, kw_only=True)
    _facts: Facts = field(repr=False, kw_only=True)

    @classmethod
    def from_csv(
        cls,
        path: PathLike,
        columns: Sequence[str] | None = None,
        *,
        sep: str = ",",
        decimal: str = ".",
        encoding: str = "utf-8",
        thousands: str | None = None,
        comment: str | None = None,
        na: Any = (),
        row_labels: str | int | None = None,
        header: bool | None = None,
        percent: bool = False,
        currency: bool = False,
        drop_missing: bool = False,
    ) -> Self:
        """Read a CSV file with a header line; nothing is guessed and nothing is repaired.

        A file packed by gzip or zstd is unpacked. A first line such as ``sep=;``, which Excel
        writes, is skipped where it names the separator in use.

        Parameters
        ----------
        path : path
            The file; "-" is standard input.
        columns : sequence of str or None
            The columns that become features, in this order. None takes the numeric ones: those
            where at least half of the cells that hold anything hold a number. If such a column
            has other cells, that is an error; the remaining columns and the reasons are listed
            in ``options["left_out"]``.
        sep, decimal : str
            Field separator (one character, or "blank" for any run of blanks and tabs) and
            decimal sign ("." or ",").
        encoding : str
            Text encoding; a UTF-8 byte-order mark is understood.
        thousands : {",", ".", "'", "_", " "} or None
            Sign between groups of digits, as in 2,148.
        comment : str or None
            Lines that start with it are skipped.
        na : str, number or sequence of these
            Texts or numbers that stand for missing values, besides those under `drop_missing`.
        row_labels : str, int or None
            The column that names the rows, by its name or its number from 1. With 1 the header
            may lack a name for it, as R writes it.
        header : bool or None
            False: the first line is data, and the columns are named x1 ... xD. True: it is the
            header. None: it is the header, and one that looks like data is an error.
        percent, currency : bool
            Read cells such as "12 %" as 12 and "$9.50" as 9.5. A column with several signs, or
            with signs in some cells only, is an error.
        drop_missing : bool
            Leave out rows with a missing cell (empty, NA, NaN, N/A, null or None in any case)
            instead of refusing them.

        Raises
        ------
        DataError
            When the file cannot be read, is malformed, or its values fail a check.
        ConfigError
            When an argument is not of the allowed kind.

        Warns
        -----
        DataWarning
            For a column that one of the options would make a feature, one that counts the rows,
            one whose numbers may have been misread, and a repeated value far from all others.
        """
        dialect = Dialect(
            sep,
            decimal,
            encoding,
            thousands,
            comment,
            markers(na),
            row_labels,
            header,
            percent,
            currency,
        )
        source, options, named = Source(os.fspath(path)), dialect.options(), columns is not None
        if source.size >= _QUICK_BYTES and (table := read_quickly(source, columns, dialect)):
            with suppress(DataError):  # raised again with the line
                return cls._from_table(table, source.path, options, drop_missing, named=named)
        table = read_strictly(source, columns, dialect)
        return cls._from_table(table, source.path, options, drop_missing, named=named)

    @classmethod
    def from_frame(
        cls,
        df: Any,
        columns: Sequence[str] | None = None,
        *,
        na: Any = (),
        row_labels: str | int | None = None,
        drop_missing: bool = False,
    ) -> Self:
        """Take a pandas, polars or pyarrow table.

        Parameters
        ----------
        df : data frame
            A table in memory; it is not changed.
        columns, na, row_labels, drop_missing
            As for ``from_csv``; null, None, NA and NaN are missing. The rows of a pandas frame
            are named by its index where no column is named.

        Raises
        ------
        DataError
            When a chosen column is not numeric or its values fail a check.
        """
        dialect = Dialect(na=markers(na), row_labels=row_labels)
        table, options = read_frame(df, columns, dialect=dialect), dialect.options(text=False)
        return cls._from_table(table, "frame", options, drop_missing, named=columns is not None)

    @classmethod
    def from_parquet(
        cls,
        path: PathLike,
        columns: Sequence[str] | None = None,
        in_memory: bool = True,
        *,
        na: Any = (),
        row_labels: str | int | None = None,
        drop_missing: bool = False,
    ) -> Self:
        """Read Parquet.

        Parameters
        ----------
        path : path
            A file, a folder of ``.parquet`` files, or a pattern such as ``"part-*.parquet"``;
            several files are read in the order of their names.
        columns, na, row_labels, drop_missing
            As for ``from_csv``. The index of a pandas frame is never a feature; it names the
            rows where no column is named.
        in_memory : bool
            False leaves the rows in the file and computes every fact block by block; ``values``
            is then refused, and the files must not change.

        Raises
        ------
        DataError
            When a file cannot be read, is damaged, or its values fail a check; also later, when
            rows left in a file are read and the file is no longer what it was.
        ConfigError
            When an option needs the rows in memory.
        """
        dialect = Dialect(na=markers(na), row_labels=row_labels)
        source, options, named = os.fspath(path), dialect.options(text=False), columns is not None
        if in_memory:
            table = read_parquet(source, columns, dialect)
            return cls._from_table(table, source, options, drop_missing, named=named)
        if drop_missing or dialect != Dialect():
            raise ConfigError(
                "na, row_labels and drop_missing need the rows in memory; pass in_memory=True, or "
                "write a file without these rows.",
                key="in_memory",
            )
        rows = ParquetRows(source, columns)
        options = {"in_memory": False, "ignored_columns": list(rows.ignored)}
        options["left_out"] = dict(rows.ignored)
        return cls._checked(rows, rows.features, source, options=options, named=named)

    @classmethod
    def _from_table(
        cls,
        table: Table,
        source: str,
        options: dict[str, Any],
        drop_missing: bool,
        *,
        named: bool,
    ) -> Self:
        values, lines = table.values, table.lines
        labels = distinct_labels(table.row_labels, "row_labels" in options)
        n_rows, kept, missing = len(values), None, np.isnan(values)
        if drop_missing and missing.any():
            keep = ~missing.any(axis=1)
            kept = np.flatnonzero(keep)
            values, lines = values[keep], lines if lines is None else lines[keep]
            labels = labels and tuple(x for x, kept in zip(labels, keep, strict=True) if kept)
        options |= {"drop_missing": drop_missing, "ignored_columns": list(table.ignored)}
        options["left_out"] = dict(table.ignored)
        return cls._checked(
            ArrayRows(frozen(values)),
            table.features,
            source,
            row_labels=labels,
            kept=kept,
            n_dropped=n_rows - len(values),
            options=options,
            lines=lines,
            named=named,
            notes=table.notes,
        )

    @classmethod
    def _checked(
        cls,
        rows: Rows,
        features: tuple[str, ...],
        source: str,
        *,
        row_labels: tuple[str, ...] | None = None,
        kept: IntArray | None = None,
        n_dropped: int = 0,
        options: Mapping[str, Any] | None = None,
        lines: Lines = None,
        named: bool = True,
        notes: tuple[str, ...] = (),
    ) -> Self:
        facts, suspicions = examine(rows, features, lines)
        n_obs = rows.shape[0]
        duplicated = n_obs - facts.n_distinct
        told = [*notes, *suspicions.sentences(features, named)]
        if 2 * duplicated > n_obs:
            told.append(
                f"{duplicated} of {n_obs} rows are duplicates of an earlier row: check that rows "
                "are separate observations, and not a table of counts or a repeated join."
            )
        for sentence in told:
            warnings.warn(sentence, DataWarning, skip_file_prefixes=(_PACKAGE,))
        return cls(
            features,
            row_labels,
            facts.hash,
            source,
            facts.n_distinct,
            n_dropped,
            kept,
            dict(options or {}),
            _rows=rows,
            _facts=facts,
        )

    def __eq__(self, other: object) -> bool:
        """Whether the other holds the same features and values."""
        return isinstance(other, Dataset) and self.hash == other.hash

    def __hash__(self) -> int:
        """Hash of the hash."""
        return hash(self.hash)

    @property
    def n_obs(self) -> int:
        """Number of rows."""
        return self._rows.shape[0]

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return self._rows.shape[1]

    @cached_property
    def values(self) -> Array:
        """Array of shape (obs, feature), data units, float64 in C order, read-only.

        Raises
        ------
        ResourceError
            When the rows were left in a Parquet file.
        """
        if isinstance(self._rows, ArrayRows):
            return frozen(np.ascontiguousarray(self._rows.array, dtype=np.float64))
        need = self.n_obs * self.n_features * 8 / 1e9
        raise ResourceError(
            f"the values of {self.source} were left in the file; they need {need:.3g} GB of "
            "memory. Iterate over blocks(), read fewer columns, or pass in_memory=True.",
            gigabytes=need,
        )

    def blocks(self, max_rows: int = BLOCK) -> Iterator[tuple[int, Array]]:
        """Yield (number of the first row from 0, block of rows), at most ``max_rows`` a block."""
        start = 0
        for block in self._rows.blocks(max_rows):
            yield start, frozen(block)
            start += len(block)

    def obs(self) -> NDArray[Any]:
        """Return the names of the rows: their labels, or where there are none 0, 1, 2, ..."""
        return np.arange(self.n_obs) if self.row_labels is None else np.array(self.row_labels)

    def centre(self) -> Array:
        """Return the means: array of shape (feature,), data units."""
        return self._facts.centre

    def spread(self) -> Array:
        """Return the standard deviations (n - 1): array of shape (feature,), data units."""
        return self._facts.spread

    def smallest_gaps(self) -> Array:
        """Return the recording steps: array of shape (feature,), data units.

        The step is the smallest gap between distinct values of a feature that has ties, else 0.
        Gaps below 1e-9 of the range are rounding noise (0.1 + 0.2 against 0.3), not steps. Rows
        left in a file are sampled evenly when they hold more than 2**24 values.
        """
        return self._gaps

    @cached_property
    def _gaps(self) -> Array:
        return frozen(np.array([smallest_gap(column) for column in self._sampled().T]))

    def _sampled(self) -> Array:
        if isinstance(self._rows, ArrayRows) and not isinstance(self._rows.array, np.memmap):
            return self.values
        stride = math.ceil(self.n_obs * self.n_features / _SAMPLED_VALUES)
        return np.concatenate([block[-start % stride :: stride] for start, block in self.blocks()])
