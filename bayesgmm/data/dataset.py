"""The data set: reading, checking, and the few facts about it that models need."""

import math
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np

from bayesgmm.data.checking import (
    BLOCK,
    ArrayRows,
    Facts,
    Lines,
    Rows,
    examine,
    frozen,
    immutable,
    real_array,
    smallest_gap,
)
from bayesgmm.data.frames import ParquetRows, read_frame, read_parquet
from bayesgmm.data.reading import Table, plural, read_csv, shown
from bayesgmm.errors import DataError, DataWarning, ResourceError
from bayesgmm.typing import Array, IntArray

__all__ = ["Dataset", "as_dataset", "check_components"]

PathLike = str | os.PathLike[str]

_SAMPLED_VALUES = 2**24
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
        The index of a pandas frame, where it is not the plain row number.
    hash : str
        SHA-256 of shape, features and values.
    source : str
        The path as given, "array" or "frame".
    n_dropped : int
        Rows left out because ``drop_missing`` was asked for.
    kept : array of int or None
        The numbers, from 0, of the rows that were not left out; None where all are there.
    options : mapping
        How the data were read, ``ignored_columns`` among it: plain JSON types.
    n_distinct : int
        Number of distinct rows; estimated (to about 0.1 %) above 1.5 million.

    Examples
    --------
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
        drop_missing: bool = False,
    ) -> Self:
        """Read a CSV file with a header line; nothing is guessed and nothing is repaired.

        Parameters
        ----------
        path : path
            The file.
        columns : sequence of str or None
            The columns that become features, in this order. None takes the numeric ones: those
            where at least half of the cells that hold anything hold a number. If such a column
            has other cells, that is an error; the remaining columns are listed in
            ``options["ignored_columns"]``.
        sep, decimal : str
            Field separator (one character) and decimal sign ("." or ",").
        encoding : str
            Text encoding; a UTF-8 byte-order mark is understood.
        drop_missing : bool
            Leave out rows with a missing cell (empty, NA, NaN, N/A, null or None in any case)
            instead of refusing them.

        Raises
        ------
        DataError
            When the file cannot be read, is malformed, or its values fail a check.
        ConfigError
            When an argument is not of the allowed kind.
        """
        table = read_csv(os.fspath(path), columns, sep, decimal, encoding)
        options = {"sep": sep, "decimal": decimal, "encoding": encoding}
        return cls._from_table(table, os.fspath(path), options, drop_missing)

    @classmethod
    def from_frame(
        cls, df: Any, columns: Sequence[str] | None = None, *, drop_missing: bool = False
    ) -> Self:
        """Take a pandas, polars or pyarrow table.

        Parameters
        ----------
        df : data frame
            A table in memory; it is not changed.
        columns, drop_missing
            As for ``from_csv``; null, None, NA and NaN are missing.

        Raises
        ------
        DataError
            When a chosen column is not numeric or its values fail a check.
        """
        return cls._from_table(read_frame(df, columns), "frame", {}, drop_missing)

    @classmethod
    def from_parquet(
        cls, path: PathLike, columns: Sequence[str] | None = None, in_memory: bool = True
    ) -> Self:
        """Read a Parquet file (needs pyarrow).

        Parameters
        ----------
        path : path
            The file.
        columns : sequence of str or None
            As for ``from_csv``; an index without a name is never a feature.
        in_memory : bool
            False leaves the rows in the file and computes every fact block by block; ``values``
            is then refused, and the file must not change.

        Raises
        ------
        DataError
            When the file cannot be read or its values fail a check.
        ConfigError
            When pyarrow is not installed.
        """
        if in_memory:
            return cls._from_table(
                read_parquet(os.fspath(path), columns), os.fspath(path), {}, False
            )
        rows = ParquetRows(os.fspath(path), columns)
        options = {"in_memory": False, "ignored_columns": list(rows.ignored)}
        return cls._checked(rows, rows.features, os.fspath(path), options=options)

    @classmethod
    def _from_table(
        cls, table: Table, source: str, options: dict[str, Any], drop_missing: bool
    ) -> Self:
        values, labels, lines = table.values, table.row_labels, table.lines
        keep, kept = ~np.isnan(values).any(axis=1), None
        if drop_missing and not keep.all():
            kept = np.flatnonzero(keep)
            values, lines = values[keep], lines if lines is None else lines[keep]
            labels = labels and tuple(x for x, kept in zip(labels, keep, strict=True) if kept)
        options |= {"drop_missing": drop_missing, "ignored_columns": list(table.ignored)}
        return cls._checked(
            ArrayRows(frozen(values)),
            table.features,
            source,
            row_labels=labels,
            kept=kept,
            n_dropped=len(keep) - len(values),
            options=options,
            lines=lines,
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
    ) -> Self:
        facts = examine(rows, features, lines)
        n_obs = rows.shape[0]
        duplicated = n_obs - facts.n_distinct
        if 2 * duplicated > n_obs:
            warnings.warn(
                f"{duplicated} of {n_obs} rows are duplicates of an earlier row: check that rows "
                "are separate observations, and not a table of counts or a repeated join.",
                DataWarning,
                skip_file_prefixes=(_PACKAGE,),
            )
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
        """Hash of the content hash."""
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


def as_dataset(data: Any, *, copy: bool = True) -> Dataset:
    """Return the data set itself, or check what was given and make one of it.

    Parameters
    ----------
    data : Dataset, array, memory map, nested lists or data frame of shape (obs, feature)
        Every column of a frame is a feature; ``Dataset.from_frame`` chooses among them. A
        float64 memory map is not copied and must not change; anything else is copied unless it
        is float64 in C order and read-only.
    copy : bool
        False reads an array where it lies, block by block: for a data set that lives no longer
        than one call, as later changes of the array would show in it.

    Raises
    ------
    DataError
        When it is not a table of finite numbers or fails another check.

    Examples
    --------
    >>> as_dataset([[1], [2], [4]]).values.tolist()
    [[1.0], [2.0], [4.0]]
    """
    if isinstance(data, Dataset):
        return data
    if isinstance(data, str | os.PathLike):
        raise DataError(f"got the path {shown(data)}: read it with Dataset.from_csv(path).")
    if _is_frame(data):
        return Dataset._from_table(read_frame(data, None, every=True), "frame", {}, False)
    array = real_array(data)
    if copy and not isinstance(array, np.memmap) and not immutable(array):
        array = np.array(array, dtype=np.float64, order="C")
    features = tuple(f"x{j + 1}" for j in range(array.shape[1]))
    return Dataset._checked(ArrayRows(array), features, "array")


def _is_frame(data: Any) -> bool:
    if isinstance(data, np.ndarray | list | tuple):
        return False
    from narwhals import dependencies

    return dependencies.is_into_dataframe(data) or type(data).__name__ == "LazyFrame"


def check_components(data: Dataset, n_components: int, *, prior: bool = True) -> None:
    """Check that the data can carry this number of components.

    Parameters
    ----------
    data : Dataset
        The data.
    n_components : int
        Number of components K.
    prior : bool
        Whether a prior stands in where rows are few.

    Raises
    ------
    DataError
        When there are not more rows than components, or fewer distinct rows.

    Warns
    -----
    DataWarning
        When there are fewer than ``K (D + 1)`` rows.
    """
    n_obs, n_features = data.n_obs, data.n_features
    facts = {"n_obs": n_obs, "n_distinct": data.n_distinct, "n_components": n_components}
    if n_obs <= n_components:
        raise DataError(
            f"{plural(n_components, 'component')} need more than {plural(n_components, 'row')}, "
            f"got {n_obs}; ask for fewer components.",
            **facts,
        )
    if data.n_distinct < n_components:
        raise DataError(
            f"{n_components} components need as many distinct rows, got {data.n_distinct} among "
            f"{n_obs}; ask for at most {data.n_distinct} components.",
            **facts,
        )
    enough = n_components * (n_features + 1)
    if n_obs < enough:
        danger = "the prior dominates" if prior else "they may fit no more than chance"
        simpler = "'tied', 'diag', 'spherical', 'tied_diag' or 'tied_spherical'"
        warnings.warn(
            f"{n_obs} rows are few for {plural(n_components, 'component')} in "
            f"{plural(n_features, 'feature')} (fewer than K (D + 1) = {enough}): "
            f"{danger}. Take fewer components or a simpler covariance structure: "
            f"{simpler if n_features > 1 else repr('tied')}.",
            DataWarning,
            skip_file_prefixes=(_PACKAGE,),
        )
