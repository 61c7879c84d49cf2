"""The section on clusters of rows: how far apart, who belongs where, who is ambiguous."""

import numpy as np
import xarray as xr

from bayesgmm.data.columns import plural
from bayesgmm.elpd import label_accuracy
from bayesgmm.likelihood.annotated_rows import values_of
from bayesgmm.limits import AMBIGUOUS, CERTAIN, PARETO_K, SMALLEST_OVERLAP, TAIL_DRAWS
from bayesgmm.plots import coclustering as draw_coclustering
from bayesgmm.plots import membership as draw_membership
from bayesgmm.prediction import (
    Partition,
    coclustering,
    hard_comparison,
    most_ambiguous,
    overlaps,
    parts_of,
)
from bayesgmm.report.asked_for import asked_for
from bayesgmm.report.document import Beside, Block, Picture, Section, Table, Text
from bayesgmm.report.pictures import picture
from bayesgmm.report.subject import MOST_ROWS, Subject
from bayesgmm.summary.numbers import NO_BREAK, percent, plain, significant

__all__ = ["separation"]

_LISTED = 10
_SIZE = (4.6, 4.4)  # inches
_FEWEST = 3


def separation(subject: Subject) -> Section | None:
    """Say how far the clusters are apart; nothing where there is one, or none is Gaussian."""
    several = subject.n_clusters > 1
    if not (several or subject.draws.noise is not None) or not subject.gaussian:
        return None
    blocks: list[Block] = []
    pictures = []
    if subject.named:
        if several:
            blocks.append(_overlap_table(subject))
        blocks += _memberships(subject)
        pictures.append(_membership_picture(subject))
    blocks += _labels_left_out(subject)
    if subject.groups is None:
        left_out = f"The co-clustering matrix is left out for more than {MOST_ROWS} rows."
        blocks.append(Text(left_out))
    else:
        blocks.append(Text(_together(subject, subject.groups)))
        pictures.append(_together_picture(subject, subject.groups))
    blocks.append(Beside(tuple(pictures)))
    blocks.append(Text(f"Interpretation: {asked_for(subject, 'interpretation')}"))
    return Section("separation", "Separation and membership", tuple(blocks))


def _labels_left_out(subject: Subject) -> list[Block]:
    """Say how well the values predict known labels; nothing where there are none."""
    known, draws = subject.known, subject.draws
    if known is None or known.possible is None or known.surveyed:
        return []
    if draws.resolved is None or draws.n_samples < TAIL_DRAWS:
        return []
    found = label_accuracy(draws)
    bad = (
        f" The importance weights behind {plural(found.n_bad, 'row')} are unreliable (Pareto k "
        f"above {PARETO_K})."
        if found.n_bad
        else ""
    )
    return [
        Text(
            f"Each of {plural(found.n_labels, 'known label')} was left out in turn and predicted "
            "from the values of its row and from all other rows and labels: "
            f"{percent(found.accuracy)} are predicted (standard error "
            f"{percent(found.accuracy_error)}). The mean log probability of a label is "
            f"{found.log_score:.3f} nats (standard error {found.log_score_error:.3f}).{bad}"
        )
    ]


def _overlap_table(subject: Subject) -> Table:
    apart = overlaps(subject.draws, subject.pairs, subject.prob)
    size, names = apart.sizes["cluster"], apart["cluster"].values
    rows = []
    for k in range(size):
        for m in range(k + 1, size):
            coefficient = apart["bhattacharyya"].values[:, k, m]
            there, back = (apart["misclassification"].values[:, i, j] for i, j in ((k, m), (m, k)))
            rows.append(
                (
                    f"{names[k]} and {names[m]}",
                    _with_interval(coefficient),
                    _with_interval(there, share=True),
                    _with_interval(back, share=True),
                )
            )
    caption = (
        f"How much each pair of clusters overlaps: posterior means with {subject.interval} "
        "intervals. The Bhattacharyya coefficient is 1 for equal components and 0 for separate "
        "ones. Classification is by Bayes' rule between the two."
    )
    header = (
        "clusters",
        "Bhattacharyya",
        "P(row of the first is classified as the second)",
        "P(row of the second is classified as the first)",
    )
    return Table(caption, header, tuple(rows))


def _with_interval(values: np.ndarray, *, share: bool = False) -> str:
    shown = _share if share else _coefficient
    mean, low, high = (shown(float(value)) for value in values)
    return mean if low == mean == high else f"{mean} ({low} to {high})"


def _share(value: float) -> str:
    return (
        percent(value) if value >= SMALLEST_OVERLAP else f"<{NO_BREAK}{percent(SMALLEST_OVERLAP)}"
    )


def _coefficient(value: float) -> str:
    return (
        significant(value, 2) if value >= SMALLEST_OVERLAP else f"<{NO_BREAK}{SMALLEST_OVERLAP:g}"
    )


def _memberships(subject: Subject) -> list[Block]:
    soft = subject.soft
    largest = parts_of(soft).largest
    certain = float(np.average(largest > CERTAIN, weights=subject.times))
    unsure = int(subject.times[largest < AMBIGUOUS].sum())
    none = subject.draws.noise is None
    or_noise, nor_noise = ("", "") if none else (" or to the noise", ", nor the noise,")
    text = (
        f"Membership probabilities are means over the posterior, so that they carry the "
        f"uncertainty of the parameters. {percent(certain)} of the rows belong to one cluster"
        f"{or_noise} with a probability above {CERTAIN}; {unsure} of {subject.n_shown} have no "
        f"cluster{nor_noise} above {AMBIGUOUS}."
    )
    return [
        Text(text),
        _ambiguous_table(subject, soft),
        *([_beside_kmeans(subject)] if subject.n_clusters > 1 else []),
    ]


def _membership_picture(subject: Subject) -> Picture:
    return picture(
        "membership",
        draw_membership(subject.draws, prob=subject.prob, units=subject.units, figsize=_SIZE),
        "Each row in the colour of its most probable cluster, paler the less certain it is. "
        f"{_crosses(subject)}Rows without a cluster above {AMBIGUOUS} are ringed. With one "
        "feature the height is the probability of each cluster with its "
        f"{subject.interval} interval; with more, the two features in which the clusters lie "
        "farthest apart are shown.",
        "Scatter of the data coloured by cluster, ambiguous rows ringed.",
    )


def _crosses(subject: Subject) -> str:
    return "" if subject.draws.noise is None else "Grey crosses are rows of the noise. "


def _beside_kmeans(subject: Subject) -> Text:
    """Say where k-means' hard labels part from the soft ones."""
    if np.isnan(values_of(subject.draws.table)).any():
        return Text("There is no comparison with k-means, because it does not take missing cells.")
    beside, times = hard_comparison(None, subject.draws, seed=subject.seed), subject.times
    parted = beside.rows["differs"].to_numpy()
    probability, n_parted = beside.rows["probability"].to_numpy(), int(times[parted].sum())
    opening = (
        f"K-means with as many clusters, on columns divided by their standard deviation, agrees "
        f"with the most probable clusters up to an adjusted Rand index of "
        f"{beside.adjusted_rand['kmeans, mixture']:.2f}"
    )
    if not n_parted:
        return Text(f"{opening}: it puts every row where the mixture does.")
    fall = "1 row falls" if n_parted == 1 else f"{n_parted} rows fall"
    there = np.average(probability[parted], weights=times[parted])
    everywhere = np.average(probability, weights=times)
    these = "this row" if n_parted == 1 else f"these {n_parted} rows"
    return Text(
        f"{opening}: {fall} into another cluster, of {subject.n_shown}. For {these} the mean "
        f"maximum membership probability is {there:.2f} ({everywhere:.2f} overall). "
        "K-means gives every row a label without a probability, and knows no scales, "
        f"correlations{'' if subject.draws.noise is None else ', noise'} or weights."
    )


def _ambiguous_table(subject: Subject, soft: xr.Dataset) -> Table:
    values = values_of(subject.draws.table)
    shown = subject.features[:6]
    doubtful = int((parts_of(soft).largest < CERTAIN).sum())
    listed = most_ambiguous(soft, min(max(doubtful, _FEWEST), _LISTED))
    places = subject.places(listed.index)
    rows = tuple(
        (
            str(obs),
            *("–" if np.isnan(value) else plain(value) for value in values[place, : len(shown)]),
            str(row["cluster"]),
            f"{row['probability']:.3f} ({row['lower']:.3f} to {row['upper']:.3f})",
            str(row["runner_up"]),
            f"{row['runner_up_probability']:.3f}",
        )
        for place, obs, row in zip(places, listed.index, listed.to_dict("records"), strict=True)
    )
    header = (
        "row",
        *shown,
        "cluster",
        f"probability ({subject.interval})",
        "runner\N{NON-BREAKING HYPHEN}up",
        "probability",
    )
    caption = f"The {len(rows)} most ambiguous rows, by the entropy of their membership. " + (
        "Rows are named by their labels." if subject.labelled else "Rows are counted from 0."
    )
    absent = " A dash is a missing cell." if np.isnan(values[places]).any() else ""
    return Table(caption + absent, header, rows)


def _together(subject: Subject, found: Partition) -> str:
    """Describe the partition of the rows."""
    counted = np.repeat(found.labels, subject.times)
    sizes = ", ".join(str(size) for size in np.bincount(counted)[1:])
    return (
        f"The partition of the rows that minimises the expected variation of information has "
        f"{plural(found.n_clusters, 'group')} of {sizes} rows; the model has "
        f"{plural(found.n_components, 'component')}. Its expected loss is "
        f"{significant(found.expected_loss, 3)} nats; partitions within "
        f"{significant(found.ball.radius, 3)} nats of it hold {percent(found.ball.prob)} of the "
        "posterior probability. It is invariant to label switching."
    )


def _together_picture(subject: Subject, found: Partition) -> Picture:
    return picture(
        "coclustering",
        draw_coclustering(coclustering(subject.draws), found.labels, figsize=_SIZE),
        "The probability that two rows come from the same component. Rows are ordered by the "
        "partition, whose groups are outlined.",
        "Heat map of co-clustering probabilities in blocks of the partition.",
    )
