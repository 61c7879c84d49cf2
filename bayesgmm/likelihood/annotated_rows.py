"""Rows with missing cells, errors of their own, weights or labels, and the groups they form."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from bayesgmm.data import Annotations, Dataset
from bayesgmm.data.alike import alike_rows
from bayesgmm.errors import DataError
from bayesgmm.model.components import Noise
from bayesgmm.model.parameters import Parameters
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.typing import Array, BoolArray, IntArray

__all__ = [
    "AnnotatedRows",
    "RowGroup",
    "RowTable",
    "annotated_rows",
    "counting_rows",
    "groups_of",
    "log_unit_of",
    "log_unit_of_cells",
    "plain_rows",
    "powered",
    "recorded_rows",
    "require_noise",
    "row_log_units",
    "rows_of",
    "table_of",
    "times_of",
    "values_of",
    "with_features",
    "with_noise",
    "without_one",
    "written_out",
]

_COUNTED_AT_ONCE = 2**16


@dataclass(frozen=True, eq=False)
class RowGroup:
    """Rows that share what is observed of them and with which errors; data units.

    Parameters
    ----------
    places : array of shape (obs,)
        Where the rows stand among all rows.
    observed : array of shape (observed,)
        Features that are observed, ascending; there may be none.
    values : array of shape (obs, observed)
    errors : array of shape (observed,)
        Standard deviations that are added to the components' for these rows.
    n_features : int
    weights : array of shape (obs,), optional
        How often each row counts; once where absent.
    allowed : bool array of shape (obs, cluster), optional
        Clusters that each row may belong to; all where absent.
    background : array of shape (obs,), optional
        Log density of each row under the noise, where there is noise.
    """

    places: IntArray
    observed: IntArray
    values: Array
    errors: Array
    n_features: int
    weights: Array | None = None
    allowed: BoolArray | None = None
    background: Array | None = None

    @property
    def whole(self) -> bool:
        """Whether every cell is observed, and without error."""
        return len(self.observed) == self.n_features and not self.errors.any()

    @property
    def plain(self) -> bool:
        """Whether nothing at all is said of these rows but their values."""
        said = (self.weights, self.allowed, self.background)
        return self.whole and all(value is None for value in said)


@dataclass(frozen=True, eq=False)
class AnnotatedRows:
    """Rows, and what is known about them beside their values. What is absent costs nothing.

    A row with weight w counts w times; a row with the clusters A has the log likelihood
    log sum_A w_k f_k; a row with errors e sees components with covariances Sigma_k + diag(e^2);
    all of them over the observed cells.

    Parameters
    ----------
    values : Dataset or array of shape (obs, feature), data units
        NaN where a cell is missing. A memory map or a file is read where it lies.
    weights : array of shape (obs,), optional
        At least 0.
    allowed : bool array of shape (obs, cluster), optional
        Clusters that each row may belong to, at least one.
    errors : array of shape (obs, feature), optional, data units
        Standard deviations, at least 0.
    noise : Noise, optional
        Rows may belong to it too, but for those with a known cluster.

    Raises
    ------
    ValueError
        Where an annotation has another shape, or a value that it cannot have.

    Examples
    --------
    >>> rows = AnnotatedRows(np.array([[1.0, 2.0], [np.nan, 3.0], [4.0, 5.0]]), np.array([1, 1, 2]))
    >>> [(group.places.tolist(), group.observed.tolist()) for group in rows.groups]
    [([1], [1]), ([0, 2], [0, 1])]
    >>> rows.counted.tolist()
    [3.0, 4.0]
    """

    values: Dataset | Array
    weights: Array | None = None
    allowed: BoolArray | None = None
    errors: Array | None = None
    noise: Noise | None = None

    def __post_init__(self) -> None:
        """Check the annotations."""
        shapes = {
            "weights": (self.weights, (len(self),)),
            "allowed": (self.allowed, (len(self), self._n_allowed)),
            "errors": (self.errors, (len(self), self.n_features)),
        }
        for name, (value, shape) in shapes.items():
            if value is not None and value.shape != shape:
                raise ValueError(f"{name} must have shape {shape}, got {value.shape}.")
        for name, numbers in (("weights", self.weights), ("errors", self.errors)):
            if numbers is not None and not (np.isfinite(numbers) & (numbers >= 0.0)).all():
                raise ValueError(f"{name} must be finite and at least 0.")
        if self.allowed is not None and not self.allowed.any(axis=1).all():
            raise ValueError("every row must be allowed at least one cluster.")

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.values.n_obs if isinstance(self.values, Dataset) else len(self.values)

    def __getitem__(self, index: Any) -> "AnnotatedRows":
        """Return some of the rows, as an index along their axis takes them."""
        return self.with_values(self.table[index], index)

    @property
    def table(self) -> Array:
        """The values in memory, or mapped into it: shape (obs, feature)."""
        return self.values.values if isinstance(self.values, Dataset) else self.values

    @property
    def n_features(self) -> int:
        """Number of features."""
        values = self.values
        return values.n_features if isinstance(values, Dataset) else int(values.shape[1])

    def require_clusters(self, n_clusters: int) -> None:
        """Raise ValueError where rows say which of another number of clusters they may be in."""
        if self.allowed is not None and self._n_allowed != n_clusters:
            raise ValueError(
                f"rows allow some of {self._n_allowed} clusters; the mixture has {n_clusters}."
            )

    @property
    def _n_allowed(self) -> int:
        return self.allowed.shape[-1] if self.allowed is not None else 0

    def chunks(self, size: int) -> Iterator["AnnotatedRows"]:
        """Yield the rows, at most `size` at a time."""
        if isinstance(self.values, Dataset):
            for start, block in self.values.blocks(size):
                yield self.with_values(block, slice(start, start + len(block)))
        else:
            yield from (self[start : start + size] for start in range(0, len(self), size))

    @cached_property
    def groups(self) -> tuple[RowGroup, ...]:
        """The rows in groups."""
        values = self.table
        observed = ~np.isnan(values)
        groups = []
        for places in alike_rows(observed, self.errors):
            columns = np.flatnonzero(observed[places[0]])
            groups.append(
                RowGroup(
                    places=places,
                    observed=columns,
                    values=values.take(places, axis=0).take(columns, axis=1),
                    errors=np.zeros(len(columns))
                    if self.errors is None
                    else self.errors[places[0], columns],
                    n_features=self.n_features,
                    weights=_unless(self.weights, places, 1.0),
                    allowed=_unless(self.allowed, places, True),
                    background=None if self._background is None else self._background[places],
                )
            )
        return tuple(groups)

    @cached_property
    def _background(self) -> Array | None:
        """Log density of each row under the noise, data units; -inf where its cluster is known."""
        if self.noise is None:
            return None
        found = self.noise.log_density(self.table)
        return found if self.allowed is None else np.where(self.allowed.all(axis=1), found, -np.inf)

    @property
    def n_counted(self) -> float:
        """Number of rows, counted by their weights."""
        return len(self) if self.weights is None else float(self.weights.sum())

    @cached_property
    def counted(self) -> Array:
        """How often each feature was observed, rows counted by their weights: shape (feature,)."""
        total = np.zeros(self.n_features)
        for chunk in self.chunks(_COUNTED_AT_ONCE):
            weights = np.ones(len(chunk)) if chunk.weights is None else chunk.weights
            total += weights @ ~np.isnan(chunk.table)
        return total

    def with_values(self, values: Array, index: Any) -> "AnnotatedRows":
        """Return some of the rows, as an index along their axis takes them, given their values."""
        annotations = (self.weights, self.allowed, self.errors)
        weights, allowed, errors = (None if a is None else a[index] for a in annotations)
        return AnnotatedRows(values, weights, allowed, errors, self.noise)


RowTable = Array | AnnotatedRows


def rows_of(data: Dataset, n_clusters: int) -> Dataset | AnnotatedRows:
    """Return the rows of a data set with what is known of them, for so many clusters."""
    known = data.annotations
    return data if known is None else annotated_rows(data, known, n_clusters)


def table_of(data: Dataset, n_clusters: int) -> RowTable:
    """Return the rows in memory of a data set, with what is known of them."""
    rows = rows_of(data, n_clusters)
    return rows.values if isinstance(rows, Dataset) else rows


def annotated_rows(values: Dataset | Array, known: Annotations, n_clusters: int) -> AnnotatedRows:
    """Return rows with what is known of them, for so many clusters; see `AnnotatedRows`."""
    return AnnotatedRows(values, known.counts, known.allowed(n_clusters), known.errors)


def groups_of(rows: RowTable) -> tuple[RowGroup, ...]:
    """Return the groups of rows; an array is one group of complete rows."""
    if isinstance(rows, AnnotatedRows):
        return rows.groups
    places, columns = np.arange(len(rows)), np.arange(rows.shape[1])
    return (RowGroup(places, columns, rows, np.zeros(len(columns)), len(columns)),)


def plain_rows(rows: RowTable) -> Array:
    """Return rows of which nothing but their values is known.

    Raises
    ------
    DataError
        Where something else is, which the caller does not take.
    """
    if isinstance(rows, AnnotatedRows):
        raise DataError(
            "this verb does not take rows with missing cells, weights, labels or errors so far; "
            "relabel, diagnose, summarize, predictions, pictures, the report, loo, waic, "
            "log_evidence, smc_evidence and extend do."
        )
    return rows


def values_of(rows: RowTable) -> Array:
    """Return the values of rows alone: shape (obs, feature), NaN where a cell is missing."""
    return rows.table if isinstance(rows, AnnotatedRows) else rows


def times_of(rows: RowTable) -> IntArray:
    """Return how many rows each stands for: shape (obs,).

    Whole weights are numbers of rows. Others (a survey's, or the fractions that EM takes) are not:
    each row stands for itself, and for none where its weight is 0.
    """
    weights = rows.weights if isinstance(rows, AnnotatedRows) else None
    if weights is None:
        return np.ones(len(rows), dtype=np.int64)
    return ((weights > 0.0) if (weights % 1.0).any() else weights).astype(np.int64)


def written_out(table: RowTable) -> tuple[RowTable, IntArray | None]:
    """Return the rows that rows stand for, and of which each is a copy; None without weights.

    The weights of a survey are no numbers of rows: its rows that count keep theirs.
    """
    if not isinstance(table, AnnotatedRows) or table.weights is None:
        return table, None
    times = times_of(table)
    owner = np.repeat(np.arange(len(table)), times)
    rows = table[owner]
    return (replace(rows, weights=None) if np.array_equal(times, table.weights) else rows), owner


def with_features(rows: RowTable, index: list[int]) -> RowTable:
    """Return rows with some of their features, in that order."""
    if not isinstance(rows, AnnotatedRows):
        return rows[:, index]
    errors = None if rows.errors is None else rows.errors[:, index]
    noise = None if rows.noise is None else rows.noise.margin(index)
    return AnnotatedRows(rows.table[:, index], rows.weights, rows.allowed, errors, noise)


def recorded_rows(rows: RowTable) -> RowTable:
    """Return rows as the population shows them, whoever they are: without weights and labels."""
    if not isinstance(rows, AnnotatedRows):
        return rows
    return AnnotatedRows(rows.table, errors=rows.errors, noise=rows.noise)


def with_noise(rows: Dataset | RowTable, noise: Noise | None) -> Dataset | RowTable:
    """Return rows that may belong to the noise too, where there is one."""
    if noise is None:
        return rows
    table = rows if isinstance(rows, AnnotatedRows) else AnnotatedRows(rows)
    return table if table.noise is noise else replace(table, noise=noise)


def require_noise(rows: RowTable, parameters: Parameters) -> None:
    """Raise ValueError where a mixture has noise and the rows do not know of it."""
    if parameters.noise is not None and not (isinstance(rows, AnnotatedRows) and rows.noise):
        raise ValueError("rows of a mixture with noise must carry it (with_noise).")


def counting_rows(rows: RowTable) -> RowTable:
    """Return the rows that count: those whose weight is not 0."""
    if not isinstance(rows, AnnotatedRows) or rows.weights is None or rows.weights.all():
        return rows
    return rows[rows.weights > 0.0]


def powered(rows: RowTable, power: float) -> AnnotatedRows:
    """Return rows whose likelihood enters to a power: each counts that many times as often."""
    table = rows if isinstance(rows, AnnotatedRows) else AnnotatedRows(rows)
    weights = np.ones(len(table)) if table.weights is None else table.weights
    return replace(table, weights=power * weights)


def without_one(rows: RowTable, row: int) -> RowTable:
    """Return the rows without one copy of a row: counted once less, or not there."""
    if isinstance(rows, AnnotatedRows) and rows.weights is not None and rows.weights[row] > 1.0:
        weights = rows.weights.copy()
        weights[row] -= 1.0
        return replace(rows, weights=weights)
    return rows[np.arange(len(rows)) != row]


def log_unit_of(rows: Dataset | RowTable, resolved: ResolvedSpec, n_vectors: float = 0.0) -> float:
    """Return what a log density loses on the way to data units, nats.

    It is the sum of the log units of the cells that are observed, rows counted by their weights,
    and of vectors of means or scales, if it is a density of these too.
    """
    if isinstance(rows, AnnotatedRows):
        return log_unit_of_cells(rows.counted, resolved, n_vectors)
    n_rows = rows.n_obs if isinstance(rows, Dataset) else len(rows)
    return (n_rows + n_vectors) * resolved.log_unit


def log_unit_of_cells(counted: Array, resolved: ResolvedSpec, n_vectors: float = 0.0) -> float:
    """Return the same, given how often each feature (feature,) was observed."""
    return float(counted @ np.log(resolved.unit)) + n_vectors * resolved.log_unit


def row_log_units(rows: RowTable, unit: Array) -> Array:
    """Return the same for each row, counted once: shape (obs,)."""
    if isinstance(rows, AnnotatedRows):
        return ~np.isnan(rows.table) @ np.log(unit)
    return np.full(len(rows), np.log(unit).sum())


def _unless(annotation: Any, places: IntArray, usual: Any) -> Any:
    """Return the annotation of some rows, or None where it says nothing."""
    if annotation is None:
        return None
    part = annotation[places]
    return None if (part == usual).all() else part
