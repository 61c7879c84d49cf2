"""Columns of a table, or arrays, that say something of the rows beside the features."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bayesgmm.advice import Advice, Option, shown
from bayesgmm.arguments import check_instance, check_texts
from bayesgmm.data.annotations import (
    Annotations,
    WeightsKind,
    possible_classes,
    row_errors,
    row_weights,
)
from bayesgmm.data.columns import Classes, wanted
from bayesgmm.errors import ConfigError
from bayesgmm.typing import Array, BoolArray, IntArray

__all__ = ["NO_ANNOTATIONS", "AnnotationColumns"]


@dataclass(frozen=True, eq=False)
class AnnotationColumns:
    """What annotates rows: names of columns, which are then no features, or arrays.

    Parameters
    ----------
    weights : str or array of shape (obs,), optional
    weights_kind : {"frequency", "sampling"}, optional
    labels : str or array of shape (obs,), optional
    errors : mapping of str to str, number or array of shape (obs,), optional

    Raises
    ------
    ConfigError
        Where the kind of the weights is not said, is none, or there are no weights.
    """

    weights: Any = None
    weights_kind: WeightsKind | None = None
    labels: Any = None
    errors: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        """Check what is given, and the kind of the weights."""
        if self.errors is not None:
            check_instance("errors", self.errors, Mapping, "a mapping by feature")
            check_texts("errors", list(self.errors))
        if self.weights is None and self.weights_kind is not None:
            raise ConfigError(
                Advice(
                    Option("weights_kind"), " says what weights are; give ", Option("weights"), "."
                ),
                key="weights_kind",
            )
        if self.weights is not None and self.weights_kind not in ("frequency", "sampling"):
            raise ConfigError(
                Advice(
                    "the kind of the weights must be given: ",
                    Option("weights_kind", "frequency"),
                    " if a row stands for that many rows, ",
                    Option("weights_kind", "sampling"),
                    f" for a survey's weights; got {shown(self.weights_kind, 40)}.",
                ),
                key="weights_kind",
                value=self.weights_kind,
            )

    @property
    def given(self) -> bool:
        """Whether anything annotates the rows."""
        return self.weights is not None or self.labels is not None or bool(self.errors)

    @property
    def numbers(self) -> tuple[str, ...]:
        """Columns of numbers, each once."""
        given = (self.weights, *(self.errors or {}).values())
        return tuple(dict.fromkeys(value for value in given if isinstance(value, str)))

    @property
    def names(self) -> tuple[str, ...]:
        """All columns, each once."""
        classes = (self.labels,) if isinstance(self.labels, str) else ()
        return tuple(dict.fromkeys((*self.numbers, *classes)))

    @property
    def by_name(self) -> "AnnotationColumns":
        """The same without arrays: what stands in columns alone."""
        weights = self.weights if isinstance(self.weights, str) else None
        return AnnotationColumns(
            weights,
            None if weights is None else self.weights_kind,
            self.labels if isinstance(self.labels, str) else None,
            {k: v for k, v in (self.errors or {}).items() if isinstance(v, str)},
        )

    def options(self) -> dict[str, Any]:
        """Return what a file or frame was asked for, as plain JSON types."""
        errors = {k: v for k, v in (self.errors or {}).items() if isinstance(v, str | int | float)}
        named: dict[str, Any] = {}
        if isinstance(self.weights, str):
            named |= {"weights": self.weights, "weights_kind": self.weights_kind}
        if isinstance(self.labels, str):
            named["labels"] = self.labels
        return named | ({"errors": errors} if errors else {})

    def wanted(
        self, columns: Sequence[str] | None, available: Sequence[str], where: str
    ) -> list[str]:
        """Return the columns to read beside the features.

        Raises
        ------
        ConfigError
            Where one is to be a feature too.
        DataError
            Where one is not there.
        """
        for name in self.names if columns is not None else ():
            if name in map(str, columns or ()):
                raise ConfigError(
                    Advice(
                        f"column {name!r} holds weights, labels or errors of rows and cannot be a "
                        "feature too; leave it out of ",
                        Option("columns"),
                        ".",
                    ),
                    key="columns",
                    value=name,
                )
        return wanted(self.names or None, available, where) if self.names else []

    def known(
        self,
        beside: Mapping[str, Array | Classes],
        features: Sequence[str],
        n_obs: int,
        absent: Callable[[], BoolArray],
        lines: IntArray | None = None,
    ) -> Annotations:
        """Return what is known of rows, checked.

        Parameters
        ----------
        beside : mapping
            The columns that annotate rows, by name.
        features : sequence of str
        n_obs : int
        absent : callable
            Returns which cells are missing (obs, feature); asked for errors alone.
        lines : array of shape (obs,), optional
            Where the rows stand in their file.

        Raises
        ------
        DataError
            Where a value is none that rows can have, or is not one per row.
        """
        of_weights, of_errors, possible = None, None, None
        classes: tuple[str, ...] = ()
        if self.weights is not None:
            values, name = _cells(self.weights, beside, "weights")
            of_weights = row_weights(values, name, n_obs, lines)
        if self.errors:
            wanted(list(self.errors), list(features), " among the features")
            columns = [
                _cells(self.errors.get(name), beside, f"error of {name}") for name in features
            ]
            of_errors = row_errors(columns, absent(), lines)
        if self.labels is not None:
            values, name = _cells(self.labels, beside, "labels")
            if not isinstance(values, Classes):
                values = Classes(values, Classes.order_of(values))
            classes, possible = possible_classes(values.cells, name, n_obs, values.order, lines)
        return Annotations(of_weights, self.weights_kind, classes, possible, of_errors)


NO_ANNOTATIONS = AnnotationColumns()


def _cells(value: Any, beside: Mapping[str, Array | Classes], name: str) -> tuple[Any, str]:
    """Return the cells of a column, or those given, and how they are called."""
    return (beside[value], value) if isinstance(value, str) else (value, name)
