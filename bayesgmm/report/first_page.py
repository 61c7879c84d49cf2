"""The first section: clusters, density, the choice and what speaks against it."""

import numpy as np

from bayesgmm.labels import Quantity
from bayesgmm.plots.curves import to_show
from bayesgmm.prediction import parts_of
from bayesgmm.report.document import Block, Facts, Section, Table, Text
from bayesgmm.report.key_picture import key_picture
from bayesgmm.report.left_open import left_open
from bayesgmm.report.subject import Subject
from bayesgmm.summary.numbers import fixed, percent
from bayesgmm.summary.paper import Estimate
from bayesgmm.typing import IntArray

__all__ = ["first_page", "with_unit"]

_FEW_FEATURES = 3
_MOST_FEATURES = 12
_MOST_ACROSS = 5
_ONLY_LABEL_FREE = (
    "Some clusters cannot be summarised one by one; the verdict says why. The "
    "results below are label-invariant: the density, the co-clustering of the rows and the "
    "label-free summaries."
)
_NOT_A_RESULT = (
    "The run did not pass the convergence checks: no number below may be used as a result. They "
    "are shown so that the cause can be found."
)


def first_page(subject: Subject) -> Section:
    """Give the answer, or say why there is none."""
    blocks: list[Block] = []
    if not subject.verdict.ok:
        blocks.append(Text(_NOT_A_RESULT))
    elif not subject.named:
        blocks.append(Text(_ONLY_LABEL_FREE))
    if subject.verdict.ok and subject.named:
        blocks.append(_clusters(subject))
    elif subject.verdict.ok and subject.groups is not None:
        sizes = ", ".join(map(str, _group_sizes(subject)))
        blocks.append(Text(f"The partition of the rows has groups of {sizes} rows."))
    if subject.gaussian:
        blocks.append(key_picture(subject))
    if subject.choice is not None:
        blocks.append(Facts(_choice(subject)))
    return Section("brief", "The result in brief", tuple(blocks))


def _choice(subject: Subject) -> tuple[tuple[str, str], ...]:
    """Return the choice, and beside it what speaks against it."""
    assert subject.choice is not None
    against = left_open(subject) or ["No other K is left open."]
    return (
        ("Number of components", f"K = {subject.number}. {subject.choice.reason}"),
        ("What speaks against it", " ".join(against)),
    )


def _clusters(subject: Subject) -> Table:
    """Lay out weights, means and group sizes; clusters are columns where features are many."""
    n_features, n_clusters = len(subject.features), subject.n_clusters
    across = n_features > _FEW_FEATURES and n_clusters <= _MOST_ACROSS
    most = _MOST_FEATURES if across else _FEW_FEATURES
    chosen = to_show(subject.draws).separating()[:most]
    shown = [subject.features[place] for place in sorted(chosen.tolist())]
    lines = {"share of the population": [_in_per_cent(subject, k) for k in range(n_clusters)]}
    of_mean = {(q.features[0], q.cluster): q for q in subject.quantities if q.kind == "means"}
    for name in shown:
        heading = f"mean of {with_unit(name, subject)}"
        lines[heading] = [_with_interval(of_mean[name, k], subject) for k in range(n_clusters)]
    heading, counts = _rows_of(subject)
    lines[heading] = counts
    clusters = [f"cluster {name}" for name in subject.clusters]
    caption = f"Weights and means with {subject.interval} intervals. {_sizes_are(subject)}"
    if len(shown) < n_features:
        caption += f" Of the features the {len(shown)} that separate the clusters best are shown."
    if across:
        rows = tuple((name, *cells) for name, cells in lines.items())
        return Table(caption, ("", *clusters), rows)
    rows = tuple((name, *cells) for name, *cells in zip(clusters, *lines.values(), strict=True))
    return Table(caption, ("", *lines), rows)


def with_unit(feature: str, subject: Subject) -> str:
    """Return the name of a feature, with its unit where that is known."""
    unit = subject.units.get(feature)
    return f"{feature} ({unit})" if unit else feature


def _in_per_cent(subject: Subject, k: int) -> str:
    values = subject.draws.parameters.weights[:, k]
    mean, low, high = values.mean(), *np.quantile(values, subject.tails)
    shown = [percent(float(value)) for value in (mean, low, high)]
    return shown[0] if low == high else f"{shown[0]} ({shown[1]} to {shown[2]})"


def _with_interval(quantity: Quantity, subject: Subject) -> str:
    values = quantity.values
    low, high = np.quantile(values, subject.tails)
    error = quantity.statistics.mcse_mean
    digits = Estimate(float(values.mean()), float(values.std()), error, {}).decimals
    return f"{fixed(values.mean(), digits)} ({fixed(low, digits)} to {fixed(high, digits)})"


def _rows_of(subject: Subject) -> tuple[str, list[str]]:
    """Return for each cluster the size of the group of the partition with most of its rows."""
    assigned = parts_of(subject.soft).mean.argmax(axis=1)
    if subject.groups is None:
        counts = subject.counts(assigned, subject.n_clusters + 1)
        return "rows most probably in it", [str(n) for n in counts[: subject.n_clusters]]
    labels, sizes, cells = subject.groups.labels, _group_sizes(subject), []
    for k in range(subject.n_clusters):
        own = np.bincount(labels[assigned == k], subject.times[assigned == k], len(sizes) + 1)
        cells.append(str(sizes[own.argmax() - 1]) if own.sum() else "0")
    return "rows of its group", cells


def _group_sizes(subject: Subject) -> IntArray:
    assert subject.groups is not None
    return subject.counts(subject.groups.labels, subject.groups.n_clusters + 1)[1:]


def _sizes_are(subject: Subject) -> str:
    """Say what the sizes are, and what there is beside the clusters."""
    sentences = []
    if subject.groups is not None:
        number = subject.groups.n_clusters
        sentences.append(
            "The last entry is the size of the group of the partition that holds most of the "
            f"cluster's rows; the partition has {number} {'group' if number == 1 else 'groups'}."
        )
    share = subject.draws.parameters.noise
    if share is not None:
        low, high = np.quantile(share, subject.tails)
        sentences.append(
            f"The noise holds {percent(share.mean())} of the population ({percent(low)} to "
            f"{percent(high)})."
        )
    return " ".join(sentences)
