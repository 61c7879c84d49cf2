"""What is known of rows beside their values: how often they count, their class, their errors."""

import hashlib
from collections.abc import Hashable, Sequence, Set, Sized
from dataclasses import dataclass, replace
from itertools import islice
from numbers import Real
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from bayesgmm.advice import shown
from bayesgmm.arguments import is_storable, items_of
from bayesgmm.data.columns import place_of
from bayesgmm.errors import ConfigError, DataError
from bayesgmm.limits import MAX_ABSOLUTE
from bayesgmm.typing import Array, BoolArray, IntArray

__all__ = [
    "MISSING",
    "Annotations",
    "Missing",
    "WeightsKind",
    "possible_classes",
    "row_errors",
    "row_weights",
]

WeightsKind = Literal["frequency", "sampling"]
Missing = Literal["refuse", "drop", "mar"]
MISSING: tuple[Missing, ...] = get_args(Missing)
_SET = "|"


@dataclass(frozen=True, eq=False)
class Annotations:
    """What is known of rows beside their values. What is absent is None, and costs nothing.

    Parameters
    ----------
    weights : array of shape (obs,), optional
        How often each row counts, at least 0.
    weights_kind : {"frequency", "sampling"}, optional
    classes : tuple of str
        The classes that labels name. Class c is component c; components without a class follow.
    possible : bool array of shape (obs, class), optional
        Classes that each row may belong to; none where its label is unknown.
    errors : array of shape (obs, feature), optional, data units
        Standard deviations of each row's own error.
    """

    weights: Array | None = None
    weights_kind: WeightsKind | None = None
    classes: tuple[str, ...] = ()
    possible: BoolArray | None = None
    errors: Array | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing is known."""
        return self.weights is None and self.possible is None and self.errors is None

    def allowed(self, n_clusters: int) -> BoolArray | None:
        """Return which components each row may belong to: (obs, cluster); None where any.

        Raises
        ------
        ConfigError
            Where there are fewer components than classes.
        """
        if self.possible is None:
            return None
        if n_clusters < len(self.classes):
            raise ConfigError(
                f"the labels name {len(self.classes)} classes, and each has a component: ask for "
                f"at least {len(self.classes)} components, got {n_clusters}.",
                key="n_components",
                value=n_clusters,
            )
        out = np.zeros((len(self.possible), n_clusters), dtype=bool)
        out[:, : len(self.classes)] = self.possible
        out[~self.possible.any(axis=1)] = True
        return out

    @property
    def surveyed(self) -> bool:
        """Whether rows have the weights of a survey."""
        return self.weights_kind == "sampling"

    @property
    def counts(self) -> Array | None:
        """How often each row counts, a survey's weights scaled to sum to the rows that count."""
        if self.weights is None or self.weights_kind == "frequency":
            return self.weights
        return self.weights * (np.count_nonzero(self.weights) / self.weights.sum())

    @property
    def counting(self) -> "Annotations":
        """The same with `counts` as weights, which some of the rows may be taken of."""
        if not self.surveyed:
            return self
        return replace(self, weights=self.counts, weights_kind="frequency")

    def n_counted(self, n_obs: int) -> float:
        """Return the number of rows that count, each by its frequency weight; `n_obs` are there."""
        if self.weights is None:
            return n_obs
        if self.weights_kind == "sampling":
            return int(np.count_nonzero(self.weights))
        total = float(self.weights.sum())
        return int(total) if total.is_integer() else total

    @property
    def class_groups(self) -> tuple[int, ...]:
        """Return a number for each class: equal ones where no label tells two classes apart.

        -1 where no label names a class: it is like the components without one.
        """
        if self.possible is None:
            return ()
        columns = self.possible.T
        firsts = [
            next(i for i, other in enumerate(columns) if np.array_equal(column, other))
            for column in columns
        ]
        return tuple(
            first if column.any() else -1 for first, column in zip(firsts, columns, strict=True)
        )

    def taken(self, index: Any) -> "Annotations":
        """Return what is known of some rows."""
        return replace(
            self,
            weights=None if self.weights is None else self.weights[index],
            possible=None if self.possible is None else self.possible[index],
            errors=None if self.errors is None else self.errors[index],
        )

    def digest(self, of_values: str) -> str:
        """Return the hash of rows whose values have the hash `of_values`, with what is known."""
        digest = hashlib.sha256(of_values.encode())
        digest.update(repr((self.weights_kind, self.classes)).encode())
        for array in (self.weights, self.possible, self.errors):
            digest.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def row_weights(cells: Any, name: str, n_obs: int, lines: IntArray | None = None) -> Array:
    """Return weights (obs,), checked; `lines` says where the rows stand in their file.

    Raises
    ------
    DataError
        Where there is another number of them, one is negative or no number, or all are 0.
    """
    weights = _numbers(cells, name, n_obs)
    _refuse(~np.isfinite(weights), weights, name, "is not a finite number", lines)
    _refuse(weights < 0.0, weights, name, "is below 0", lines)
    _refuse(weights > MAX_ABSOLUTE, weights, name, f"is above {MAX_ABSOLUTE:g}", lines)
    if not weights.any():
        raise DataError(f"all weights in {name!r} are 0: no row counts.", column=name)
    return weights


def row_errors(
    columns: Sequence[tuple[Any, str]], missing: BoolArray, lines: IntArray | None = None
) -> Array:
    """Return errors (obs, feature), data units, checked.

    Parameters
    ----------
    columns : sequence of (cells, name)
        For each feature one number, one per row, or None where it has no error.
    missing : bool array of shape (obs, feature)
        Cells whose value is missing: their error may be missing too, and is 0 then.
    lines : array of shape (obs,), optional
        Where the rows stand in their file.

    Raises
    ------
    DataError
        Where there is another number of them, or one is not above 0.
    """
    errors, n_obs = np.zeros(missing.shape), len(missing)
    for j, (cells, name) in enumerate(columns):
        if cells is None:
            continue
        values = [cells] * n_obs if isinstance(cells, Real) else cells
        numbers = _numbers(values, name, n_obs)
        unneeded = missing[:, j] & np.isnan(numbers)
        unusable = ~np.isfinite(numbers) & ~unneeded
        _refuse(unusable, numbers, name, "is not a finite number", lines)
        _refuse(numbers <= 0.0, numbers, name, "is not above 0", lines)
        _refuse(numbers > MAX_ABSOLUTE, numbers, name, f"is above {MAX_ABSOLUTE:g}", lines)
        errors[:, j] = np.where(unneeded, 0.0, numbers)
    return errors


def possible_classes(
    cells: Sequence[Any],
    name: str,
    n_obs: int,
    categories: Sequence[Any] | None = None,
    lines: IntArray | None = None,
) -> tuple[tuple[str, ...], BoolArray]:
    """Return the classes in order, and which of them each row may belong to: (obs, class).

    Parameters
    ----------
    cells : sequence
        A class, several as "a|b", or None, NaN or "" where the label is unknown.
    name : str
        Of the column.
    n_obs : int
    categories : sequence, optional
        The classes in their order; else they are sorted.
    lines : array of shape (obs,), optional
        Where the rows stand in their file.

    Raises
    ------
    DataError
        Where there is another number of them, all are unknown, or one is no category.

    Examples
    --------
    >>> classes, possible = possible_classes(["b", None, "a|b"], "kind", 3)
    >>> classes, possible.astype(int).tolist()
    (('a', 'b'), [[0, 1], [0, 0], [1, 1]])
    """
    cells = _one_a_row(cells, name, n_obs, "label")
    each = [() if _unknown(cell) else _parts(cell) for cell in cells]
    named = {part for parts in each for part in parts}
    if not named:
        raise DataError(f"all labels in {name!r} are unknown; leave labels out.", column=name)
    classes = tuple(sorted(named, key=_in_order) if categories is None else map(_name, categories))
    if wrong := [part for part in named if not part or not is_storable(part)]:
        row = next(i for i, parts in enumerate(each) if wrong[0] in parts)
        word, number = place_of(row, lines)
        raise DataError(
            f"the label {shown(str(cells[row]), 60)} in {word} {number} of {name!r} "
            f"{'cannot be stored as text' if wrong[0] else f'has an empty class beside {_SET!r}'}.",
            column=name,
            rows=(number,),
        )
    if others := [
        (i, part) for i, parts in enumerate(each) for part in parts if part not in classes
    ]:
        row, part = others[0]
        word, number = place_of(row, lines)
        raise DataError(
            f"the label {shown(part, 60)} in {word} {number} of {name!r} is not one of its "
            "categories.",
            column=name,
            rows=(number,),
        )
    places = {label: c for c, label in enumerate(classes)}
    possible = np.zeros((n_obs, len(classes)), dtype=bool)
    for i, parts in enumerate(each):
        possible[i, [places[part] for part in parts]] = True
    return classes, possible


def _one_a_row(cells: Any, name: str, n_obs: int, what: str) -> list[Any]:
    """Return the cells of a column, where there is one per row."""
    try:
        items = items_of(name, cells, what)
    except ConfigError:
        items = None
    if items is None or isinstance(cells, Set):
        raise DataError(f"{name!r} must hold one {what} per row, got {shown(cells)}.", column=name)
    found = list(islice(items, n_obs + 1))
    if len(found) != n_obs:
        number = len(cells) if isinstance(cells, Sized) else "another number of"
        raise DataError(f"{name!r} has {number} {what}s for {n_obs} rows.", column=name)
    for cell in found:
        if not isinstance(cell, Hashable):
            raise DataError(
                f"{name!r} must hold one {what} per row, got {shown(cell)} for one.", column=name
            )
    return found


def _parts(cell: Any) -> tuple[str, ...]:
    return tuple(part.strip() for part in _name(cell).split(_SET))


def _name(cell: Any) -> str:
    """Return how a class is called: 1 is what a column with missing cells holds as 1.0."""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _in_order(name: str) -> tuple[bool, float, str]:
    """Sort numbers by size, before all else."""
    try:
        return False, float(name), name
    except ValueError:
        return True, 0.0, name


def _unknown(cell: Any) -> bool:
    if cell is None or type(cell).__name__ in ("NAType", "NaTType"):
        return True
    return bool(cell == "" or cell != cell)


def _numbers(cells: Any, name: str, n_obs: int) -> Array:
    if isinstance(cells, np.ndarray) and (cells.dtype, cells.shape) == (np.float64, (n_obs,)):
        return cells
    found = _one_a_row(cells, name, n_obs, "number")
    try:
        return np.array([np.nan if _unknown(c) else float(c) for c in found], dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise DataError(f"{name!r} must hold one number per row.", column=name) from None


def _refuse(
    bad: NDArray[np.bool_], values: Array, name: str, what: str, lines: IntArray | None
) -> None:
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        word, number = place_of(row, lines)
        more = int(bad.sum()) - 1
        raise DataError(
            f"{name!r} {what} in {word} {number}: {values[row]:.6g}"
            f"{f', and in {more} more' if more else ''}; correct it, or leave the row out.",
            column=name,
            rows=(number,),
        )
