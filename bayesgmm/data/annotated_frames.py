"""Columns of a frame, or arrays, that say something of the rows beside the features."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from bayesgmm.data.annotations import Annotations, possible_classes, row_errors, row_weights
from bayesgmm.data.columns import wanted
from bayesgmm.errors import ConfigError

__all__ = ["separated"]


def separated(
    frame: Any,
    columns: Sequence[str] | None,
    missing: Any,
    weights: Any,
    weights_kind: Any,
    labels: Any,
    errors: Mapping[str, Any] | None,
) -> tuple[Any, Callable[[Sequence[str]], Annotations | None]]:
    """Take the columns that annotate rows from a frame; see `Dataset.from_frame`.

    Returns
    -------
    frame : data frame
        Without these columns where the features are not named.
    known : callable of features
        Returns what is known of the rows, checked; None where nothing is.
    """
    if weights is None and weights_kind is not None:
        raise ConfigError("weights_kind says what weights are; give weights.", key="weights_kind")
    given = (weights, labels, *(errors or {}).values())
    if missing != "mar" and all(value is None for value in given):
        return frame, lambda _: None
    import narwhals as nw

    table = nw.from_native(frame, eager_only=True)
    n_obs = len(table)
    taken = list(dict.fromkeys(value for value in given if isinstance(value, str)))
    wanted(taken or None, [str(name) for name in table.columns], " of the frame")

    def cells(value: Any, name: str) -> tuple[Any, str]:
        if isinstance(value, str):
            return table.get_column(value).to_list(), value
        return value, name

    def known(features: Sequence[str]) -> Annotations:
        of_weights, of_errors = None, None
        if weights is not None:
            values, name = cells(weights, "weights")
            of_weights = row_weights(values, weights_kind, name, n_obs)
        if errors:
            wanted(list(errors), list(features), " among the features")
            of_features = [cells(errors.get(name), f"error of {name}") for name in features]
            of_errors = row_errors(of_features, n_obs)
        classes: tuple[str, ...] = ()
        possible = None
        if labels is not None:
            values, name = cells(labels, "labels")
            classes, possible = possible_classes(values, name, n_obs, _categories(table, labels))
        return Annotations(
            of_weights,
            weights_kind,
            classes,
            possible,
            of_errors,
        )

    if columns is None and taken:
        frame = table.drop(*taken).to_native()
    return frame, known


def _categories(table: Any, labels: Any) -> list[Any] | None:
    """Return the categories of a column in their order; None where it has none."""
    native = table.get_column(labels).to_native() if isinstance(labels, str) else labels
    for home in (native, getattr(native, "cat", None), getattr(native, "dtype", None)):
        categories = getattr(home, "categories", None)
        if categories is not None:
            return list(np.asarray(categories))
    return None
