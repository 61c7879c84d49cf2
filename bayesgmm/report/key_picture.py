"""The picture of the first page: the density of the features over the data."""

from bayesgmm.limits import PAIRED_FEATURES
from bayesgmm.plots import density_1d, density_2d, density_pairs
from bayesgmm.report.document import Picture
from bayesgmm.report.pictures import picture
from bayesgmm.report.subject import Subject

__all__ = ["key_picture"]


def key_picture(subject: Subject) -> Picture:
    """Draw the posterior density of the features over the data."""
    ellipses = (
        " Each thin ellipse is the 50 % ellipse of one cluster at one posterior draw: "
        "their scatter is the uncertainty."
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
            "The posterior mean density: contours enclosing 50, 80 and 95 % probability, over the "
            f"data.{ellipses}",
            "Contours of the density over a scatter of the data, with ellipses of each cluster.",
        )
    n_features, some = len(subject.features), ""
    if n_features > PAIRED_FEATURES:
        some = (
            f" {PAIRED_FEATURES} of {n_features} features are shown, those that separate the "
            "clusters best: by the variance of the clusters' means over the mean variance within "
            "clusters (Fisher 1936)."
        )
    return picture(
        "density",
        density_pairs(subject.draws, components=subject.named, units=subject.units),
        f"The posterior mean density of each feature with its {subject.interval} interval "
        f"(diagonal) and of each pair as contours enclosing 50, 80 and 95 % probability."
        f"{ellipses}{some}",
        "Matrix of densities of pairs of features, with the data and ellipses of each cluster.",
    )
