"""The section on tails and strays: rows far out, and what families say of the clusters."""

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bayesgmm.comparison import Comparison, clusters_by_family
from bayesgmm.data.columns import plural
from bayesgmm.likelihood.annotated_rows import values_of
from bayesgmm.limits import STRAY
from bayesgmm.model.components import NOISE
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.plots import density_1d
from bayesgmm.prediction import strays as strays_of
from bayesgmm.report.document import Block, Picture, Section, Table, Text
from bayesgmm.report.family_words import tails_found
from bayesgmm.report.pictures import picture
from bayesgmm.report.subject import Subject
from bayesgmm.summary.numbers import percent, plain, significant

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["strays"]

_LISTED = 10
_FEWEST = 3
_FEATURES = 4


def strays(subject: Subject) -> Section | None:
    """Name rows far out, and set families side by side; nothing where there is neither."""
    blocks: list[Block] = []
    draws = subject.draws
    if subject.gaussian and (draws.noise is not None or draws.parameters.tailed):
        found = strays_of(draws, prob=subject.prob)
        blocks += [Text(_in_words(subject, found)), _table(subject, found)]
        blocks.append(_picture(subject, found))
    if subject.comparison is not None and subject.choice is not None:
        blocks += _families(subject, subject.comparison, subject.choice.model)
    return Section("strays", "Tails and strays", tuple(blocks)) if blocks else None


def _in_words(subject: Subject, found: "pd.DataFrame") -> str:
    tailed = subject.draws.parameters.tailed
    sentences = [tails_found(subject.draws, subject.tails)] if tailed else []
    share = subject.draws.parameters.noise
    if share is not None:
        low, high = np.quantile(share, subject.tails)
        sentences.append(
            f"The noise holds {percent(share.mean())} of the population ({percent(low)} to "
            f"{percent(high)}): rows that belong to no cluster."
        )
    sentences.append(
        "The weight of a row says how much it counts in the estimates of the clusters' means: "
        "about 1 for a usual row, 0 for one without influence."
    )
    places = np.sort(subject.places(found.index[found["stray"]]))
    number = int(subject.times[places].sum())
    verb = "has" if number == 1 else "have"
    told = plural(number, "row") if number else "No row"
    sentences.append(f"{told} of {subject.n_shown} {verb} a weight below {STRAY:g}.")
    if tailed and number:
        sentences.append(
            "The model expects such rows: they are in the tail of their cluster, and not "
            "necessarily errors."
        )
    return " ".join(sentences)


def _table(subject: Subject, found: "pd.DataFrame") -> Table:
    listed = found.head(min(max(int(found["stray"].sum()), _FEWEST), _LISTED))
    places = subject.places(listed.index)
    values, shown = values_of(subject.draws.table)[places], subject.features[:_FEATURES]
    rows = tuple(
        (
            str(obs),
            *("–" if np.isnan(value) else plain(value) for value in cells[: len(shown)]),
            *_stray_cells(row, named=subject.named),
        )
        for obs, cells, row in zip(listed.index, values, listed.to_dict("records"), strict=True)
    )
    noise = (f"noise ({subject.interval})",) if NOISE in found else ()
    named = ("nearest cluster", "probability") if subject.named else ()
    header = ("row", *shown, f"weight ({subject.interval})", *noise, *named)
    caption = (
        f"The {len(rows)} rows that count least, with {subject.interval} intervals over the draws. "
    )
    if noise:
        caption += "Noise is the probability that the row belongs to no cluster. "
    caption += "Rows are named by their labels." if subject.labelled else "Rows count from 0."
    absent = " A dash is a missing cell." if np.isnan(values).any() else ""
    return Table(caption + absent, header, rows)


def _stray_cells(row: Mapping[Hashable, Any], *, named: bool) -> tuple[str, ...]:
    cells = [
        f"{row[name]:.3f} ({row[f'{name}_lower']:.3f} to {row[f'{name}_upper']:.3f})"
        for name in ("weight", NOISE)
        if name in row
    ]
    return (*cells, str(row["cluster"]), f"{row['probability']:.3f}") if named else tuple(cells)


def _picture(subject: Subject, found: "pd.DataFrame") -> Picture:
    """Show the feature in which the rows that count least lie farthest out."""
    values = values_of(subject.draws.table)
    places = subject.places(found.index[:_LISTED])
    middle, spread = np.nanmedian(values, axis=0), np.nanstd(values, axis=0)
    gaps = np.abs(values[places] - middle) / spread
    feature = subject.features[int(np.nan_to_num(gaps).max(axis=0).argmax())]
    noise = " The dotted line is the noise." if NOISE in found else ""
    return picture(
        "tails",
        density_1d(
            subject.draws, feature=feature, components=subject.named, units=subject.units, log=True
        ),
        f"The posterior mean density of {feature} on a logarithmic axis, over the histogram of the "
        f"data: the feature in which the rows that count least lie farthest out.{noise}",
        "Density curve with heavy tails on a logarithmic axis over the histogram of the data.",
    )


def _families(subject: Subject, comparison: Comparison, model: MixtureSpec) -> list[Block]:
    """Set the clusters under other families beside those of the chosen model."""
    alike = [
        spec
        for spec in comparison.models
        if (spec.n_components, spec.covariance) == (model.n_components, model.covariance)
    ]
    if len(alike) < 2 or not (subject.named and subject.verdict.ok):
        return []
    table = clusters_by_family(comparison, model, subject.prob)
    left_out, families = table.attrs["left_out"], table.index.get_level_values("family").unique()
    if len(families) < 2:
        return [Text(f"{_left_out(left_out)} No other family is left to compare with.")]
    shown = subject.features[:_FEATURES]
    columns = ["weight", *(f"{what} {name}" for what in ("mean", "scale") for name in shown)]
    rows = tuple(
        (*map(str, name), *(_with_ends(row, column) for column in columns))
        for name, row in zip(table.index, table.to_dict("records"), strict=True)
    )
    caption = (
        f"The clusters under each family with K = {model.n_components}: posterior means with "
        f"{subject.interval} intervals. Clusters are matched by the rows that they share. The "
        "scale of a component with tails is that of its bulk, smaller than its standard deviation."
    )
    if len(subject.features) > _FEATURES:
        caption += f" The first {_FEATURES} features are shown."
    if left_out:
        caption += f" {_left_out(left_out)}"
    return [Table(caption, ("cluster", "family", *columns), rows, words=(1,))]


def _left_out(families: list[str]) -> str:
    return f"Left out: {'; '.join(families)} (their clusters are not identified)."


def _with_ends(row: Mapping[Hashable, Any], column: str) -> str:
    if np.isnan(row[column]):
        return "–"
    mean, low, high = (significant(row[f"{column}{end}"], 3) for end in ("", "_lower", "_upper"))
    return f"{mean} ({low} to {high})"
