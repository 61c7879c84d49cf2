"""The section on the parameters."""

import pandas as pd

from bayesgmm.data.columns import in_percent
from bayesgmm.diagnosis import RunStatus
from bayesgmm.limits import IDENTIFIED, MANY_FEATURES, PROFILE_FEATURES
from bayesgmm.plots import correlations, forest, loadings, profile
from bayesgmm.report.document import Block, Picture, Section, Text
from bayesgmm.report.estimate_tables import tables_by_kind
from bayesgmm.report.pictures import picture
from bayesgmm.report.subject import Subject
from bayesgmm.report.tables import estimate_table
from bayesgmm.summary import label_free, summarize

__all__ = ["estimates"]

_NOT_GAUSSIAN = (
    "The log likelihood of this model is not that of a mixture of Gaussians with its weights, "
    "means and covariances. Density, membership, overlap and data sets drawn from the posterior "
    "are therefore not given here; the summaries, the verdict and LOO rest on the model's own log "
    "likelihood."
)

_SANDWICH = (
    " The sandwich sd is the standard deviation of estimates from so many rows whatever their "
    "distribution (Huber 1967; White 1982): where it is larger than the sd, the rows do not follow "
    "the model, and the intervals are too narrow."
)


def estimates(subject: Subject) -> Section:
    """Give the parameters with intervals, and the likelihood's estimates beside."""
    blocks: list[Block] = [] if subject.gaussian else [Text(_NOT_GAUSSIAN)]
    frame = _summary(subject)
    withheld = frame.attrs.get("withheld", {})
    if withheld:
        shares = ", ".join(
            f"cluster {name} in {in_percent(score)}" for name, score in withheld.items()
        )
        blocks.append(
            Text(
                f"{len(withheld)} clusters have no summary, because their labels do not "
                f"mean the same thing from draw to draw (identified: {shares} of draws, at least "
                f"{100 * IDENTIFIED:g} % needed). The label-invariant quantities in the table "
                "take their place."
            )
        )
    elif not subject.named:
        blocks.append(
            Text("Only label-invariant quantities are summarised, as the verdict explains.")
        )
    if subject.named:
        blocks += [Text(_what_is_shown(subject, frame)), *tables_by_kind(subject, frame)]
        blocks += _pictures(subject)
    else:
        caption = f"Label-invariant quantities, with equal-tailed {subject.interval} intervals."
        blocks.append(estimate_table(caption, frame, subject.units))
    return Section("estimates", f"Estimates for K = {subject.number}", tuple(blocks))


def _what_is_shown(subject: Subject, frame: pd.DataFrame) -> str:
    """Say what the columns of the tables are."""
    told = (
        f"Posterior means, standard deviations and equal-tailed {subject.interval} intervals for "
        f"K = {subject.number}, in data units; numbers show the digits that their Monte Carlo "
        "standard error leaves certain. A scale is a standard deviation without the recording "
        "error; intervals of correlations are taken on the artanh scale."
    )
    if subject.fit is not None:
        told += (
            " ML is the maximum likelihood estimate of the same model, with the Wald interval of "
            "the same probability from the Hessian of the log likelihood; a dash where it has "
            "none. Where both differ, the prior or the shape of the likelihood matters."
        )
    if "sd_sandwich" in frame:
        told += _SANDWICH
    return told


def _summary(subject: Subject) -> pd.DataFrame:
    """Return the clusters that are identified, or only what depends on no label."""
    if subject.named:
        return summarize(subject.draws, subject.prob)
    if subject.verdict.status is RunStatus.NOT_IDENTIFIED:
        frame = summarize(subject.draws, subject.prob)
        if frame.attrs["withheld"]:
            return frame
    return label_free(subject.draws, subject.prob)


def _profile(subject: Subject) -> Picture:
    """Show the means of the clusters over many features."""
    return picture(
        "profile",
        profile(subject.draws, prob=subject.prob),
        "Profile of the clusters: the mean of each feature in each cluster less that of all rows, "
        f"in standard deviations of the feature; medians with 50 % and {subject.interval} "
        f"intervals.{_some(subject, 'separate the clusters best')}",
        "One line per cluster over the features, with the interval of each mean.",
    )


def _loadings(subject: Subject) -> Picture:
    """Show how the features load on the factors."""
    return picture(
        "loadings",
        loadings(subject.draws, prob=subject.prob),
        "Correlation of each feature with each factor of its cluster, that is its loading over the "
        f"standard deviation in the cluster: medians with 50 % and {subject.interval} intervals. "
        "Factors with the same number in two clusters are unrelated. A factor on which the draws "
        f"do not agree is left out.{_some(subject, 'load most on a factor')}",
        "Intervals of the correlations of features and factors, one panel per cluster.",
    )


def _some(subject: Subject, which: str) -> str:
    """Say that not all features are shown, where that is so."""
    n_features = len(subject.features)
    if n_features <= PROFILE_FEATURES:
        return ""
    return f" {PROFILE_FEATURES} of {n_features} features are shown, those that {which}."


def _pictures(subject: Subject) -> list[Block]:
    blocks: list[Block] = [_profile(subject)] if len(subject.features) >= MANY_FEATURES else []
    blocks.append(
        picture(
            "forest",
            forest(subject.draws, prob=subject.prob, units=subject.units),
            "Weights and means of the clusters: medians with 50 % and "
            f"{subject.interval} intervals.",
            "Intervals of the weight and of the mean of each feature, one line per cluster.",
        )
    )
    resolved = subject.resolved
    if resolved is not None and resolved.structure.has_loadings:
        blocks.append(_loadings(subject))
    if resolved is not None and resolved.structure.has_correlations(resolved.n_features):
        blocks.append(
            picture(
                "correlations",
                correlations(subject.draws, prob=subject.prob),
                "Correlations of the features within each cluster: medians with 50 % and "
                f"{subject.interval} intervals. With more than ten pairs the ten strongest are "
                "shown.",
                "Intervals of the within-cluster correlations between -1 and 1.",
            )
        )
    return blocks
