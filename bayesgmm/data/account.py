"""What was understood of a data set, for people: rows, columns, units, and what was left out."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from bayesgmm.advice import Advice, Option, shown
from bayesgmm.data.alike import alike_rows
from bayesgmm.data.annotations import Annotations
from bayesgmm.data.columns import NOT_ASKED_FOR, plural
from bayesgmm.data.dataset import Dataset
from bayesgmm.data.words import with_unit
from bayesgmm.limits import COSTLY, GROUP_COST
from bayesgmm.typing import Array, BoolArray, IntArray

__all__ = ["account", "facts_of"]

_MOST_NAMES = 12
_MOST_ROWS = 5
_NOT_READING = ("ignored_columns", "left_out", "in_memory")
_USUAL = {"sep": ",", "decimal": ".", "encoding": "utf-8", "missing": "refuse"}


def facts_of(data: Dataset) -> dict[str, Any]:
    """Return which rows a result rests on and how they were read, as plain JSON types."""
    dropped: list[int] = []
    absence = None if data.annotations is None else _absence_in(data)
    if data.kept is not None:
        rows = np.arange(data.n_obs + data.n_dropped)
        dropped = (np.setdiff1d(rows, data.kept)[:_MOST_ROWS] + 1).tolist()
    options = {name: value for name, value in data.options.items() if name not in _NOT_READING}
    return {
        "hash": data.hash,
        "source": data.source,
        "rows": data.n_obs,
        "dropped": data.n_dropped,
        "dropped_rows": dropped,
        "columns": list(data.features),
        "left_out": dict(data.options.get("left_out", {})),
        "missing": {} if absence is None else absence.facts(data.features),
        "row_labels": None if data.row_labels is None else list(data.row_labels[:_MOST_ROWS]),
        "reading": {k: v for k, v in options.items() if k not in _USUAL or v != _USUAL[k]},
        **({"units": dict(data.units)} if data.units else {}),
        **({} if absence is None else _known_of(data, absence)),
    }


class _Absence(NamedTuple):
    """Which cells of rows are missing.

    Parameters
    ----------
    counts : array of shape (feature,)
        Cells of each feature that are missing.
    n_complete : int
        Rows without such a cell.
    patterns : bool array of shape (pattern, feature)
        In which combinations cells are missing, each once.
    """

    counts: IntArray
    n_complete: int
    patterns: BoolArray

    def facts(self, features: tuple[str, ...]) -> dict[str, Any]:
        """Return how many cells of which columns are missing, and in how many patterns of rows."""
        counts = dict(zip(features, self.counts.tolist(), strict=True))
        return {
            "cells": {name: count for name, count in counts.items() if count},
            "complete": self.n_complete,
            "patterns": len(self.patterns),
        }


def _absence_of(block: Array) -> _Absence:
    absent = np.isnan(block)
    complete = int((~absent.any(axis=1)).sum())
    return _Absence(absent.sum(axis=0), complete, np.unique(absent, axis=0))


def _absence_in(data: Dataset) -> _Absence:
    """Return which cells are missing, in one pass over the rows."""
    counts, complete, patterns = zip(*data.of_blocks(_absence_of), strict=True)
    return _Absence(sum(counts), sum(complete), np.unique(np.concatenate(patterns), axis=0))


def _known_of(data: Dataset, absence: _Absence) -> dict[str, Any]:
    """Return what is known of the rows beside their values."""
    known, facts = data.annotations or Annotations(), dict[str, Any]()
    if known.weights is not None:
        facts["weights"] = {
            "kind": known.weights_kind,
            "sum": float(known.weights.sum()),
            "largest": float(known.weights.max()),
            "zero": int((known.weights == 0.0).sum()),
        }
    if known.possible is not None:
        named = known.possible.sum(axis=1)
        counts = known.possible[named == 1].sum(axis=0).tolist()
        facts["labels"] = {
            "classes": dict(zip(known.classes, counts, strict=True)),
            "sets": int((named > 1).sum()),
            "unknown": int((named == 0).sum()),
        }
    if known.errors is not None:
        facts["errors"] = {
            name: [float(cells.min()), float(cells.max())]
            for name, column in zip(data.features, known.errors.T, strict=True)
            if (cells := column[column > 0.0]).size
        }
    facts["groups"] = _groups_in(data, known.errors, absence)
    return facts


def _groups_in(data: Dataset, errors: Array | None, absence: _Absence) -> int:
    """Return in how many groups the rows fall that share what is observed, and with which errors.

    Each is whitened by covariances of its own.
    """
    if errors is None:
        return len(absence.patterns)
    absent = np.concatenate(list(data.of_blocks(np.isnan)))
    return sum(1 for _ in alike_rows(~absent, errors))


def account(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what was understood, each line as its heading and its text.

    Parameters
    ----------
    facts : mapping
        As `facts_of` returns it, or a result stores it.

    Examples
    --------
    >>> facts = {"source": "a.csv", "rows": 9, "columns": ["x"], "units": {"x": "cm"}}
    >>> for head, text in account(facts | {"left_out": {"id": "holds ..."}}):
    ...     print(head, "|", text)
    data | a.csv: 9 rows, 1 column
    columns | x (cm)
    left out | 'id' holds ...
    """
    columns, rows, dropped = facts["columns"], facts["rows"], facts.get("dropped", 0)
    source = {"-": "standard input"}.get(facts["source"], facts["source"])
    yield "data", f"{source}: {plural(rows, 'row')}, {plural(len(columns), 'column')}"
    named = [with_unit(name, facts.get("units") or {}) for name in columns]
    yield "columns", _cut(named)
    missing = facts.get("missing") or {}
    if missing.get("cells"):
        cells = ", ".join(f"{count} of {shown(name)}" for name, count in missing["cells"].items())
        complete = plural(missing["complete"], "complete row")
        yield "missing", f"{cells}; {complete}, {plural(missing['patterns'], 'pattern')}"
    yield from _of_rows(facts)
    if labels := facts.get("row_labels"):
        yield "row names", ", ".join(labels[:3]) + (", ..." if rows > 3 else "")
    if reading := facts.get("reading"):
        options: list[str | Option] = [Option(name, value) for name, value in reading.items()]
        yield "read with", Advice.joined(", ", options)
    reasons = facts.get("left_out") or {}
    left_out = {name: reason for name, reason in reasons.items() if reason != NOT_ASKED_FOR}
    for name, reason in list(left_out.items())[:_MOST_NAMES]:
        yield "left out", f"{shown(name)} " + reason
    if len(left_out) > _MOST_NAMES:
        yield "left out", f"{plural(len(left_out) - _MOST_NAMES, 'more column')}"
    if rest := [name for name in reasons if name not in left_out]:
        asked = "was" if len(rest) == 1 else "were"
        yield "left out", f"{plural(len(rest), 'column')} that {asked} not asked for: {_cut(rest)}"
    if dropped:
        which = facts.get("dropped_rows") or []
        places = f": row{'s' * (dropped > 1)} {_cut(which, _MOST_ROWS, dropped)}" if which else ""
        yield "left out", f"{plural(dropped, 'row')} with a missing value{places}"


def _of_rows(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is known of the rows beside their values."""
    if weights := facts.get("weights"):
        zero = f"; {plural(weights['zero'], 'row')} of weight 0" if weights["zero"] else ""
        total, largest = (f"{weights[name]:.12g}" for name in ("sum", "largest"))
        yield "weights", f"{weights['kind']}, sum {total}, largest {largest}{zero}"
    if labels := facts.get("labels"):
        by_class = [f"{shown(name)} {count}" for name, count in labels["classes"].items()]
        several = f"; {plural(labels['sets'], 'row')} of several classes" if labels["sets"] else ""
        yield "labels", f"{_cut(by_class)}{several}; {labels['unknown']} unknown"
    if errors := facts.get("errors"):
        ranges = [
            f"{shown(name)} {low:.6g}" + (f" to {high:.6g}" if high > low else "")
            for name, (low, high) in errors.items()
        ]
        yield "errors", _cut(ranges)
    groups = facts.get("groups", 0)
    if (worth := groups * GROUP_COST) >= COSTLY * facts["rows"]:
        yield (
            "cost",
            f"{groups} different patterns of missing cells and errors: a pass over the rows costs "
            f"as much as over about {worth:,} complete rows",
        )


def _cut(names: list[Any], most: int = _MOST_NAMES, total: int | None = None) -> str:
    """Return names separated by commas, and how many more there are."""
    total = len(names) if total is None else total
    text = ", ".join(map(str, names[:most]))
    return text if total <= most else f"{text} and {total - most} more"
