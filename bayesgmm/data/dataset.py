"""The data set: reading, checking, and the few facts about it that models need."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from bayesgmm.arguments import check_count, check_flag, path_text
from bayesgmm.data.annotation_columns import AnnotationColumns
from bayesgmm.data.annotations import Annotations, Missing, WeightsKind
from bayesgmm.data.arrow_csv import read_quickly
from bayesgmm.data.building import from_table, left_in_file, way_with_missing
from bayesgmm.data.checking import BLOCK, ArrayRows, Facts, Rows, frozen
from bayesgmm.data.columns import asked_for
from bayesgmm.data.dialect import Dialect, markers
from bayesgmm.data.frames import read_frame
from bayesgmm.data.incomplete import Normal, completed
from bayesgmm.data.parquet import read_parquet
from bayesgmm.data.reading import read_strictly
from bayesgmm.data.recording import recording_steps
from bayesgmm.data.sources import Source
from bayesgmm.data.words import card_of, line_of
from bayesgmm.errors import DataError, ResourceError
from bayesgmm.runtime.keywords import keywords
from bayesgmm.typing import Array, IntArray

__all__ = ["Dataset"]

PathLike = str | os.PathLike[str]

_QUICK_BYTES = 2**16


@dataclass(frozen=True, eq=False, repr=False)
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
        Rows left out because ``missing="drop"`` was asked for.
    kept : array of int or None
        The numbers, from 0, of the rows that were not left out; None where all are there.
    options : mapping
        How the data were read, ``left_out`` among it, the reason by column: plain JSON types.
    n_distinct : int
        Number of distinct rows; estimated (to about 0.1 %) above 1.5 million.
    annotations : Annotations or None
        What is known of the rows beside their values: weights, labels, errors. None where there is
        nothing of the kind, and no cell is missing.
    units : mapping of str to str
        The unit of each feature where it is known; plots and tables show it.

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
    annotations: Annotations | None = field(default=None, repr=False)
    units: Mapping[str, str] = field(default_factory=dict)
    _rows: Rows = field(repr=False, kw_only=True)
    _facts: Facts = field(repr=False, kw_only=True)
    _normal: Normal | None = field(default=None, repr=False, kw_only=True)
    to_fit: ClassVar[bool] = True

    @classmethod
    @keywords()
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
        missing: Missing = "refuse",
        weights: Any = None,
        weights_kind: WeightsKind | None = None,
        labels: Any = None,
        errors: Mapping[str, Any] | None = None,
        units: Mapping[str, str] | None = None,
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
            Texts or numbers that stand for missing values, besides those under `missing`.
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
            The old name of ``missing="drop"``; it goes with the next release.
        missing : {"refuse", "drop", "mar"}
            What to do about missing cells (empty, NA, NaN, N/A, null or None in any case): an
            error, leave their rows out, or keep them. "mar" sums over what a cell may be, exactly;
            it takes cells to be missing at random, which means that whether one is missing depends
            on observed cells alone.
        weights, weights_kind, labels, errors, units
            As for ``from_frame``; a column that annotates rows is no feature. Its numbers are read
            as those of features, and a label that stands for a missing value is unknown.

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
        text = (sep, decimal, encoding, thousands, comment, markers(na))
        dialect = Dialect(*text, row_labels, header, percent, currency)
        missing = way_with_missing(missing, drop_missing)
        columns = None if columns is None else asked_for(columns)
        beside = AnnotationColumns(weights, weights_kind, labels, errors)
        source, options = Source(path_text(path)), dialect.options()
        asked: Any = dict(named=columns is not None, missing=missing, beside=beside, units=units)
        large = source.size >= _QUICK_BYTES
        if large and (table := read_quickly(source, columns, dialect, beside)):
            with suppress(DataError):  # raised again with the line
                return from_table(cls, table, source.path, options, **asked)
        table = read_strictly(source, columns, dialect, beside)
        return from_table(cls, table, source.path, options, **asked)

    @classmethod
    @keywords()
    def from_frame(
        cls,
        df: Any,
        columns: Sequence[str] | None = None,
        *,
        na: Any = (),
        row_labels: str | int | None = None,
        drop_missing: bool = False,
        missing: Missing = "refuse",
        weights: Any = None,
        weights_kind: WeightsKind | None = None,
        labels: Any = None,
        errors: Mapping[str, Any] | None = None,
        units: Mapping[str, str] | None = None,
    ) -> Self:
        """Take a pandas, polars or pyarrow table.

        Parameters
        ----------
        df : data frame
            A table in memory; it is not changed.
        columns, na, row_labels, drop_missing, missing
            As for ``from_csv``; null, None, NA and NaN are missing. The rows of a pandas frame
            are named by its index where no column is named.
        weights : str or array of shape (obs,), optional
            The column, or the numbers, that say how often each row counts. This column, and those
            of labels and errors, are no features.
        weights_kind : {"frequency", "sampling"}, optional
            What weights are; it is never guessed.
        labels : str or array of shape (obs,), optional
            The column, or the classes, of the rows: missing where unknown, ``a|b`` where it is one
            of these. Each class has one component, in the order of categories or sorted. Labelled
            rows are taken as drawn at random like the others: picked ones bias the weights.
        errors : mapping of str to str, number or array of shape (obs,), optional
            By feature the column, or the standard deviations, of each row's own error, data units.
            Where a value is missing, its error may be missing too.
        units : mapping of str to str, optional
            The unit of a feature, by its name; plots and tables show it.

        Raises
        ------
        DataError
            When a chosen column is not numeric or its values fail a check.
        ConfigError
            When an option is wrong, or the kind of the weights is not said.
        """
        dialect = Dialect(na=markers(na), row_labels=row_labels)
        missing = way_with_missing(missing, drop_missing)
        columns = None if columns is None else asked_for(columns)
        beside = AnnotationColumns(weights, weights_kind, labels, errors)
        table = read_frame(df, columns, dialect=dialect, beside=beside)
        options = dialect.options(text=False)
        asked: Any = dict(named=columns is not None, missing=missing, beside=beside, units=units)
        return from_table(cls, table, "frame", options, **asked)

    @classmethod
    @keywords()
    def from_parquet(
        cls,
        path: PathLike,
        columns: Sequence[str] | None = None,
        in_memory: bool = True,
        *,
        na: Any = (),
        row_labels: str | int | None = None,
        drop_missing: bool = False,
        missing: Missing = "refuse",
        weights: Any = None,
        weights_kind: WeightsKind | None = None,
        labels: Any = None,
        errors: Mapping[str, Any] | None = None,
        units: Mapping[str, str] | None = None,
    ) -> Self:
        """Read Parquet.

        Parameters
        ----------
        path : path
            A file, a folder of ``.parquet`` files, or a pattern such as ``"part-*.parquet"``;
            several files are read in the order of their names.
        columns, na, row_labels, drop_missing, missing
            As for ``from_csv``. The index of a pandas frame is never a feature; it names the
            rows where no column is named.
        weights, weights_kind, labels, errors, units
            As for ``from_frame``.
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
        missing = way_with_missing(missing, drop_missing)
        columns = None if columns is None else asked_for(columns)
        beside = AnnotationColumns(weights, weights_kind, labels, errors)
        source, options, named = path_text(path), dialect.options(text=False), columns is not None
        if check_flag("in_memory", in_memory):
            table = read_parquet(source, columns, dialect, beside)
            asked: Any = dict(named=named, missing=missing, beside=beside, units=units)
            return from_table(cls, table, source, options, **asked)
        plain = missing == "refuse" and not beside.given and dialect == Dialect()
        return left_in_file(cls, source, columns, plain, units)

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

    @property
    def in_memory(self) -> bool:
        """Whether ``values`` can be had: rows left in a file are read block by block only."""
        return isinstance(self._rows, ArrayRows)

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
        for block in self._rows.blocks(check_count("max_rows", max_rows)):
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

    def ranges(self) -> tuple[Array, Array]:
        """Return the lowest and the highest values: arrays of shape (feature,), data units."""
        ends = [(np.nanmin(b, axis=0), np.nanmax(b, axis=0)) for _, b in self.blocks()]
        low, high = np.transpose(np.array(ends, dtype=float), (1, 0, 2))
        return np.nanmin(low, axis=0), np.nanmax(high, axis=0)

    def smallest_gaps(self) -> Array:
        """Return the recording steps: array of shape (feature,), data units.

        The step is the smallest gap between distinct values of a feature that has ties, else 0.
        Gaps below 1e-9 of the range are rounding noise (0.1 + 0.2 against 0.3), not steps. Rows
        left in a file are sampled evenly when they hold more than 2**24 values.
        """
        return self._gaps

    @cached_property
    def _gaps(self) -> Array:
        return recording_steps(self._rows, self.annotations)

    @property
    def n_counted(self) -> float:
        """Number of rows that count, each by its frequency weight."""
        known = self.annotations
        return self.n_obs if known is None else known.n_counted(self.n_obs)

    def __repr__(self) -> str:
        """Show where the rows come from, and the columns."""
        return line_of(self)

    def _repr_html_(self) -> str:
        return card_of(self)

    def completed(self, values: Array, rng: np.random.Generator) -> Array:
        """Return some rows, their missing cells drawn from one Normal given the observed ones."""
        return values if self._normal is None else completed(values, self._normal, rng)
