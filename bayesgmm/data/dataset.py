"""The data set: reading, checking, and the few facts about it that models need."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bayesgmm.advice import Advice, Option
from bayesgmm.arguments import check_count
from bayesgmm.data.annotations import Annotations
from bayesgmm.data.arrays import has_holes
from bayesgmm.data.checking import BLOCK, ArrayRows, Facts, Rows, frozen
from bayesgmm.data.dask_rows import DaskRows
from bayesgmm.data.from_sources import FromSources
from bayesgmm.data.incomplete import Normal, completed
from bayesgmm.data.recording import recording_steps
from bayesgmm.data.words import card_of, line_of
from bayesgmm.errors import ResourceError
from bayesgmm.typing import Array, IntArray

__all__ = ["Dataset"]


@dataclass(frozen=True, eq=False, repr=False)
class Dataset(FromSources):
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

    @property
    def partitions(self) -> DaskRows | None:
        """The rows on the workers of Dask; None where they are not there."""
        return self._rows if isinstance(self._rows, DaskRows) else None

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
            Advice(
                f"the values of {self.source} were left in the file; they need {need:.3g} GB of "
                "memory. Iterate over blocks(), read fewer columns, or pass ",
                Option("in_memory", True),
                ".",
            ),
            gigabytes=need,
        )

    def blocks(self, max_rows: int = BLOCK) -> Iterator[tuple[int, Array]]:
        """Yield (number of the first row from 0, block of rows), at most ``max_rows`` a block."""
        start = 0
        for block in self._rows.blocks(check_count("max_rows", max_rows)):
            yield start, frozen(block)
            start += len(block)

    def of_blocks[Result](self, function: Callable[[Array], Result]) -> Iterator[Result]:
        """Yield what a function, of a module, returns of each block of rows, in their order.

        Where rows are on the workers of Dask these apply it, each partition being a block.
        """
        if isinstance(self._rows, DaskRows):
            return self._rows.each(function)
        return (function(block) for _, block in self.blocks())

    @cached_property
    def incomplete(self) -> bool:
        """Whether some cells are missing."""
        return self.annotations is not None and any(self.of_blocks(has_holes))

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
        low, high = np.transpose(np.array(list(self.of_blocks(_ends_of)), dtype=float), (1, 0, 2))
        return np.fmin.reduce(low, axis=0), np.fmax.reduce(high, axis=0)

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


def _ends_of(block: Array) -> tuple[Array, Array]:
    """Return the lowest and the highest values (feature,) of rows, NaN where none is observed."""
    return np.fmin.reduce(block, axis=0), np.fmax.reduce(block, axis=0)
