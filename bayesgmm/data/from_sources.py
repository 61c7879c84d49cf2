"""How data sets are made: from files, frames and Dask collections."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal, Self

from bayesgmm.arguments import check_flag, check_one_of, path_text
from bayesgmm.data.annotation_columns import AnnotationColumns
from bayesgmm.data.annotations import Missing, WeightsKind
from bayesgmm.data.arrow_csv import read_quickly
from bayesgmm.data.building import (
    from_table,
    left_in_files,
    left_to_dask,
    way_with_missing,
)
from bayesgmm.data.columns import asked_for
from bayesgmm.data.dialect import Dialect, markers
from bayesgmm.data.frames import read_frame
from bayesgmm.data.parquet import read_parquet
from bayesgmm.data.reading import read_strictly
from bayesgmm.data.sources import Source
from bayesgmm.errors import DataError
from bayesgmm.runtime.keywords import keywords

__all__ = ["FromSources"]

PathLike = str | os.PathLike[str]

_QUICK_BYTES = 2**16


class FromSources:
    """The ways in which a data set is made; `Dataset` has them."""

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
            The old name of ``missing="drop"``, removed in the next release.
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
                return from_table(_made(cls), table, source.path, options, **asked)
        table = read_strictly(source, columns, dialect, beside)
        return from_table(_made(cls), table, source.path, options, **asked)

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
        return from_table(_made(cls), table, "frame", options, **asked)

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
        engine: Literal["arrow", "dask"] = "arrow",
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
            is then refused, and the files must not change. What annotates rows is held: 8 bytes a
            row of weights, 1 a row and class of labels, 8 a cell where there are errors.
        engine : {"arrow", "dask"}
            "dask" leaves the rows in the files, as `in_memory` does, and has the workers of the
            Dask client at hand read them; see ``from_dask``. What annotates rows is held here, and
            once more by the workers.

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
        by_dask = check_one_of("engine", engine, ("arrow", "dask")) == "dask"
        if check_flag("in_memory", in_memory) and not by_dask:
            table = read_parquet(source, columns, dialect, beside)
            asked: Any = dict(named=named, missing=missing, beside=beside, units=units)
            return from_table(_made(cls), table, source, options, **asked)
        asked = dict(by_dask=by_dask, plain=dialect == Dialect(), missing=missing, beside=beside)
        return left_in_files(_made(cls), source, columns, units, **asked)

    @classmethod
    @keywords()
    def from_dask(
        cls,
        collection: Any,
        columns: Sequence[str] | None = None,
        *,
        missing: Missing = "refuse",
        weights: Any = None,
        weights_kind: WeightsKind | None = None,
        labels: Any = None,
        errors: Mapping[str, Any] | None = None,
        units: Mapping[str, str] | None = None,
    ) -> Self:
        """Take a Dask array or frame, whose rows stay on the workers.

        A pass over the rows sends a function to each partition, and sums come back, in the order
        of the partitions: any number of workers gives the same bits, and a partition whose worker
        dies is made again. ``values`` is refused. What is taken, and what is not, is as for rows
        that were left in a Parquet file. Where no client of ``distributed`` is at hand, this
        process computes.

        Parameters
        ----------
        collection : dask.array.Array or dask.dataframe.DataFrame
            It is not persisted here: call its ``persist`` where the workers have the memory.
        columns, units
            As for ``from_frame``; those of an array are x1 ... xD.
        missing : {"refuse", "mar"}
            As for ``from_csv``; ``dropna`` of a collection leaves rows out.
        weights, weights_kind, labels, errors
            As for ``from_frame``: columns of the collection, or values of all rows in their order.
            They are held here, 8 bytes a row of weights, 1 a row and class of labels, 8 a cell
            where there are errors; the workers get those of their partitions, once.

        Raises
        ------
        ConfigError
            When it is no such collection, Dask is not installed, or an option needs the rows in
            memory.
        DataError
            When values fail a check.

        Examples
        --------
        >>> import dask.array as da
        >>> from bayesgmm import Dataset
        >>> rows = da.from_array([[1.0, 2.0], [2.0, 1.0], [4.0, 3.0], [5.0, 2.0]], chunks=(2, 2))
        >>> data = Dataset.from_dask(rows, ["x1"], weights="x2", weights_kind="frequency")
        >>> data.features, data.n_counted
        (('x1',), 8)
        """
        columns = None if columns is None else asked_for(columns)
        beside = AnnotationColumns(weights, weights_kind, labels, errors)
        asked: Any = dict(missing=missing, beside=beside)
        return left_to_dask(_made(cls), collection, columns, units, **asked)


def _made(kind: Any) -> Any:
    """Return the class of the data set, which has more than this one."""
    return kind
