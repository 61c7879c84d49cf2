"""The section on the parameters and the density."""

import pandas as pd

from bayesgmm.diagnosis import RunStatus
from bayesgmm.limits import IDENTIFIED
from bayesgmm.plots import correlations, density_1d, density_2d, density_pairs, forest
from bayesgmm.report.document import Block, Picture, Section, Text
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
    " The sandwich sd is the standard deviation of estimates from so many rows whatever their law "
    "is (Huber 1967; White 1982): where it is larger than the sd, the rows do not follow the "
    "model, and the intervals are too narrow."
)


def estimates(subject: Subject) -> Section:
    """Give the parameters with intervals and Monte Carlo errors, and the density."""
    blocks: list[Block] = [_density(subject) if subject.gaussian else Text(_NOT_GAUSSIAN)]
    frame = _summary(subject)
    withheld = frame.attrs.get("withheld", {})
    if withheld:
        shares = ", ".join(f"cluster {name} in {score:.0%}" for name, score in withheld.items())
        blocks.append(
            Text(
                f"Of {len(withheld)} clusters no summary is given, because their label does not "
                f"mean the same thing from draw to draw (identified: {shares} of draws, at least "
                f"{100 * IDENTIFIED:g} % needed). The label-free rows at the end of the table "
                "stand for them."
            )
        )
    elif not subject.named:
        blocks.append(
            Text("Only what does not depend on the labels is summarised, as the verdict explains.")
        )
    caption = (
        f"Posterior of the parameters for K = {subject.number}, in data units, with "
        f"equal-tailed {subject.interval} intervals. Means and bounds show the digits that the "
        "Monte Carlo standard error (MCSE) leaves certain. A scale is a standard deviation without "
        "the recording error; intervals of correlations are taken on the artanh scale."
    )
    if "sd_sandwich" in frame:
        caption += _SANDWICH
    blocks.append(estimate_table(caption, frame, subject.units))
    if subject.named:
        blocks += _pictures(subject)
    return Section("estimates", f"Estimates for K = {subject.number}", tuple(blocks))


def _summary(subject: Subject) -> pd.DataFrame:
    """Return the clusters that are identified, or only what depends on no label."""
    if subject.named:
        return summarize(subject.draws, subject.prob)
    if subject.verdict.status is RunStatus.NOT_IDENTIFIED:
        frame = summarize(subject.draws, subject.prob)
        if frame.attrs["withheld"]:
            return frame
    return label_free(subject.draws, subject.prob)


def _density(subject: Subject) -> Picture:
    ellipses = (
        " Each thin ellipse holds half of one cluster at one draw from the posterior: their "
        "scatter is the uncertainty."
        if subject.named
        else ""
    )
    if len(subject.features) == 1:
        return picture(
            "density",
            density_1d(
                subject.draws, prob=subject.prob, components=subject.named, units=subject.units
            ),
            f"The posterior mean density with its pointwise {subject.interval} interval over the "
            "histogram of the data"
            + (", and the share of each cluster." if subject.named else "."),
            "Density curve with an interval band over the histogram of the data.",
        )
    if len(subject.features) == 2:
        return picture(
            "density",
            density_2d(subject.draws, components=subject.named, units=subject.units),
            "The posterior mean density: contours that enclose 50, 80 and 95 % of it, over the "
            f"data.{ellipses}",
            "Contours of the density over a scatter of the data, with ellipses of each cluster.",
        )
    return picture(
        "density",
        density_pairs(subject.draws, components=subject.named, units=subject.units),
        f"The posterior mean density of each feature with its {subject.interval} interval "
        f"(diagonal) and of each pair as contours that enclose 50, 80 and 95 % of it.{ellipses}",
        "Matrix of densities of all pairs of features, with the data and ellipses of each cluster.",
    )


def _pictures(subject: Subject) -> list[Block]:
    blocks: list[Block] = [
        picture(
            "forest",
            forest(subject.draws, prob=subject.prob, units=subject.units),
            "Weights and means of the clusters: medians with 50 % and "
            f"{subject.interval} intervals.",
            "Intervals of the weight and of the mean of each feature, one line a cluster.",
        )
    ]
    resolved = subject.resolved
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
