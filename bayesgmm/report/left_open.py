"""What the choice of one K leaves open: other K, what changes with them, the average over all."""

import numpy as np

from bayesgmm.data.columns import plural
from bayesgmm.limits import AMBIGUOUS, SETTLED_K
from bayesgmm.prediction import average, group_membership, partition
from bayesgmm.report.subject import Subject
from bayesgmm.summary.numbers import percent

__all__ = ["left_open"]

_MOST_ROWS = 2000


def left_open(subject: Subject) -> list[str]:
    """Say which K are not ruled out and what the answer would be with them; nothing by hand."""
    choice = subject.choice
    if choice is None:
        return []
    texts = (choice.left_open, choice.changes, _averaged(subject))
    return [text for text in texts if text]


def _averaged(subject: Subject) -> str:
    """Give the groups of the rows averaged over K, where no K holds nearly all probability."""
    comparison = subject.comparison
    if comparison is None or len(subject.draws.table) > _MOST_ROWS:
        return ""
    probabilities = comparison.table["probability"].to_numpy(dtype=float)
    informed = all(spec.labels_inform_weights for spec in comparison.models)
    one_family = len({(spec.family, spec.noise) for spec in comparison.models}) == 1
    known = ~np.isnan(probabilities)
    if not informed or not one_family or not known.any() or probabilities[known].max() > SETTLED_K:
        return ""
    over_k = average(comparison)
    groups = partition(over_k, seed=comparison.seed)
    surest = group_membership(over_k, groups)["mean"].max("group").values
    times = subject.times
    sizes = ", ".join(str(int(size)) for size in np.bincount(groups.labels, times)[1:])
    doubtful = int(times[surest < AMBIGUOUS].sum())
    symbol = comparison.probability_symbol
    return (
        f"No K has more than {percent(SETTLED_K)} of the probability. Averaged by {symbol}, "
        f"the partition of the rows has {plural(groups.n_clusters, 'group')} of {sizes} rows; "
        f"{doubtful} of "
        f"{subject.n_obs} rows belong to their group with a probability below {AMBIGUOUS}."
    )
