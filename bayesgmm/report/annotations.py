"""What the section on the data says of rows of which more is known than their values, or less."""

import numpy as np

from bayesgmm.data import Annotations
from bayesgmm.data.columns import plural
from bayesgmm.likelihood.annotated_rows import values_of
from bayesgmm.report.document import Block, Table, Text
from bayesgmm.report.subject import Subject
from bayesgmm.summary.numbers import percent, plain
from bayesgmm.typing import Array

__all__ = ["annotations"]

_MOST_PATTERNS = 10
_MOST_NAMES = 6
_AT_RANDOM = (
    "Cells are taken to be missing at random: whether a cell is missing may depend on cells of its "
    "row that were observed, but not on its own value or on other missing cells. The data cannot "
    "show whether that holds. If, say, large values are missing because they are large, weights, "
    "means and scales are biased, and no check in this report would notice. How the cells came to "
    "be missing has to be known from elsewhere."
)
_OBSERVED_ONLY = (
    "Histograms and statistics of single columns show observed cells only, whereas the fitted "
    "density is that of all rows. The two may differ where missingness depends on other "
    "columns: that alone does not speak against the model."
)
_LABELS = (
    "Each class has one component of its own, with the same name. A row of a known class counts "
    "for that component only; a row with several possible classes counts for those."
)
_ERRORS = (
    "Cells were recorded with errors of their own, Normal with known standard deviations, which "
    "are added to the scales of the clusters row by row. Parameters and densities are those of the "
    "values without these errors; histograms show the values with them."
)


def annotations(subject: Subject) -> tuple[Block, ...]:
    """Say which cells are missing, how rows are weighted, which classes and errors are known."""
    known, values = subject.known, values_of(subject.draws.table)
    blocks: list[Block] = []
    if np.isnan(values).any():
        blocks += _missing(subject, values)
    if known is not None and known.weights is not None:
        blocks.append(Text(_weights(known, known.weights)))
    if known is not None and known.possible is not None:
        blocks += [Text(_LABELS), _labels(known)]
    if known is not None and known.errors is not None:
        blocks += [Text(_ERRORS), _errors(subject, known.errors, values)]
    return tuple(blocks)


def _missing(subject: Subject, values: Array) -> list[Block]:
    absent = np.isnan(values)
    complete, empty = int((~absent.any(axis=1)).sum()), int(absent.all(axis=1).sum())
    nothing = f" {plural(empty, 'row')} with no cell observed say nothing." if empty else ""
    text = (
        f"Of {absent.size} cells {int(absent.sum())} are missing ({percent(absent.mean())}); "
        f"{complete} of {plural(len(values), 'row')} are complete.{nothing} No cell is filled in "
        "and no row left out: a row counts by the density of its observed cells, the others "
        "integrated out exactly."
    )
    lines = tuple(
        (name, str(int(column.sum())), percent(column.mean()))
        for name, column in zip(subject.features, absent.T, strict=True)
    )
    by_column = Table("Missing cells by column.", ("column", "cells missing", "share"), lines)
    return [
        Text(text),
        by_column,
        _patterns(subject.features, absent),
        Text(_AT_RANDOM),
        Text(_OBSERVED_ONLY),
    ]


def _patterns(features: tuple[str, ...], absent: np.ndarray) -> Table:
    """List which cells are missing together, the most frequent first."""
    patterns, counts = np.unique(absent, axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    shown, rest = order[:_MOST_PATTERNS], order[_MOST_PATTERNS:]
    lines = tuple((_missing_of(features, patterns[i]), str(counts[i])) for i in shown)
    more = (
        f" {plural(len(rest), 'more pattern')} with {plural(int(counts[rest].sum()), 'row')} "
        f"{'is' if len(rest) == 1 else 'are'} not listed."
        if len(rest)
        else ""
    )
    caption = f"Which cells are missing together, the most frequent pattern first.{more}"
    return Table(caption, ("cells missing", "rows"), lines)


def _missing_of(features: tuple[str, ...], pattern: np.ndarray) -> str:
    names = [name for name, lacks in zip(features, pattern, strict=True) if lacks]
    if len(names) > _MOST_NAMES:
        names = [*names[:_MOST_NAMES], f"and {len(names) - _MOST_NAMES} more"]
    return ", ".join(names) or "none"


def _weights(known: Annotations, weights: Array) -> str:
    zero = int((weights == 0.0).sum())
    absent = (
        f" {plural(zero, 'row')} of weight 0 {'does' if zero == 1 else 'do'} not count."
        if zero
        else ""
    )
    sizes = (
        f"Their sum is {plain(weights.sum(), 12)}, the largest is {plain(weights.max())}.{absent}"
    )
    if known.weights_kind == "frequency":
        return (
            "Rows have frequency weights: one of weight w stands for w equal rows, here and in all "
            f"that follows. {sizes}"
        )
    return (
        "Rows have the sampling weights of a survey: they correct for how rows were selected, and "
        f"are not numbers of rows. {sizes}"
    )


def _labels(known: Annotations) -> Table:
    assert known.possible is not None
    named = known.possible.sum(axis=1)
    counts = known.possible[named == 1].sum(axis=0)
    lines = [(name, str(count)) for name, count in zip(known.classes, counts, strict=True)]
    if (named > 1).any():
        lines.append(("one of several", str(int((named > 1).sum()))))
    lines.append(("unknown", str(int((named == 0).sum()))))
    return Table("Rows by what is known of their class.", ("class", "rows"), tuple(lines))


def _errors(subject: Subject, errors: Array, values: Array) -> Table:
    lines = []
    for name, column, cells in zip(subject.features, errors.T, values.T, strict=True):
        own = column[(column > 0.0) & ~np.isnan(cells)]
        sizes = (own.min(), np.median(own), own.max()) if len(own) else ()
        shown = [plain(float(size)) for size in sizes] or ["none"] * 3
        lines.append((name, str(len(own)), *shown))
    caption = "Standard deviations of the errors of single cells, data units."
    return Table(caption, ("column", "cells", "smallest", "median", "largest"), tuple(lines))
