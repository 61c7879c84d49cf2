"""Clusters of several posteriors told one by one, under the names of the first."""

from scipy.optimize import linear_sum_assignment

from bayesgmm.comparison.outcome import Comparison
from bayesgmm.likelihood.annotated_rows import times_of
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.posterior.draws import Draws
from bayesgmm.prediction import membership
from bayesgmm.typing import IntArray

__all__ = ["matched", "usable"]


def usable(comparison: Comparison, spec: MixtureSpec) -> bool:
    """Return whether the clusters of a model may be told one by one."""
    if spec not in comparison.posteriors or spec not in comparison.verdicts:
        return False
    verdict = comparison.verdicts[spec]
    return verdict.ok and verdict.status.labels_hold


def matched(reference: Draws, draws: Draws) -> IntArray:
    """Return the cluster of `draws` that each cluster of the reference shares its rows with."""
    one, other = (membership(each)["mean"].values for each in (reference, draws))
    shared = (times_of(reference.table)[:, None] * one).T @ other
    return linear_sum_assignment(-shared)[1]
