"""What changes in the answer between models that are not ruled out, in words."""

from collections.abc import Mapping

import numpy as np
from scipy.optimize import linear_sum_assignment

from bayesgmm.data.columns import plural
from bayesgmm.likelihood.annotated_rows import times_of, values_of
from bayesgmm.limits import SAME_GROUP
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.kept_rows import with_kept_rows
from bayesgmm.prediction import partition
from bayesgmm.typing import Array, IntArray

__all__ = ["changes_between"]

_SAMPLES = 200
_MOST_ROWS = 2000


def changes_between(draws: Mapping[str, Draws], chosen: str, seed: int) -> str:
    """Compare the partitions of the rows by several models: groups, their shares, their means.

    A group of one partition is there in another where the rows that both have are more than half
    of those that either has (Jaccard's index).

    Parameters
    ----------
    draws : mapping of str to Draws
        By what stands after "K = "; of the same rows.
    chosen : str
        The model that the others are compared with.
    seed : int
        Of the partitions.

    Returns
    -------
    str
        Empty where there is nothing to compare.
    """
    if chosen not in draws or len(draws) < 2:
        return ""
    table = with_kept_rows(draws[chosen]).table
    places = np.linspace(0, len(table) - 1, min(len(table), _MOST_ROWS)).round().astype(np.int64)
    rows = table if len(places) == len(table) else table[places]
    labels = {
        k: partition(d.thinned(_SAMPLES), rows=rows, seed=seed).labels for k, d in draws.items()
    }
    times, values = times_of(rows), values_of(rows)
    others = [k for k in draws if k != chosen]
    of = "" if rows is table else f" (of {len(places)} rows, evenly spaced)"
    if all((labels[k] == labels[chosen])[times > 0].all() for k in others):
        groups = plural(int(labels[chosen].max()), "group")
        return f"The partition of the rows{of} is the same with K = {', '.join(draws)}: {groups}."
    counts = ", ".join(f"{labels[k].max()} with K = {k}" for k in draws)
    agreement = ", ".join(
        f"{_adjusted_rand(labels[chosen], labels[k], times):.2f} with K = {k}" for k in others
    )
    sentences = [
        f"Groups of the partition of the rows{of}: {counts}. Adjusted Rand index with that of "
        f"K = {chosen}: {agreement}."
    ]
    sentences += _shared(labels, chosen, others, values, times)
    return " ".join(sentences)


def _shared(
    labels: Mapping[str, IntArray],
    chosen: str,
    others: list[str],
    values: Array,
    times: IntArray,
) -> list[str]:
    """Say which groups are in all partitions, and how far their shares and means move."""
    own = labels[chosen]
    matches = [_matched(own, labels[k], times) for k in others]
    in_all = [g for g in range(1, own.max() + 1) if all(g in match for match in matches)]
    if not in_all:
        return ["No group is in all of them."]
    first, spread = _summaries(own, values, times), _spread(values, times)
    moves = [
        np.abs(np.array([_summaries(labels[k], values, times)[m[g]] - first[g] for g in in_all]))
        for k, m in zip(others, matches, strict=True)
    ]
    moved = np.array(moves).reshape(-1, 1 + values.shape[1])
    share, mean = float(moved[:, 0].max()), float(np.nanmax(moved[:, 1:] / spread))
    total = plural(int(own.max()), "group")
    which = f"Of its {total} {len(in_all)}" if len(in_all) < own.max() else f"Its {total}"
    verb = "is" if len(in_all) == 1 else "are"
    return [
        f"{which} {verb} in all of them; shares of the rows move by at most {100 * share:.1f} "
        f"percentage points, means by at most {mean:.2f} standard deviations of a feature."
    ]


def _matched(own: IntArray, other: IntArray, times: IntArray) -> dict[int, int]:
    """Return for each group of one partition the group of another that is the same, if any."""
    joint = np.zeros((own.max(), other.max()))
    np.add.at(joint, (own - 1, other - 1), times)
    either = joint.sum(axis=1)[:, None] + joint.sum(axis=0) - joint
    jaccard = np.divide(joint, either, out=np.zeros_like(joint), where=either > 0)
    pairs = zip(*linear_sum_assignment(-jaccard), strict=True)
    return {int(a) + 1: int(b) + 1 for a, b in pairs if jaccard[a, b] > SAME_GROUP}


def _summaries(labels: IntArray, values: Array, times: IntArray) -> dict[int, Array]:
    """Return of each group its share of the rows and its mean of each feature."""
    found = {}
    for group in range(1, labels.max() + 1):
        weights = np.where(labels == group, times, 0)
        seen = ~np.isnan(values) * weights[:, None]
        with np.errstate(invalid="ignore"):
            means = (seen * np.nan_to_num(values)).sum(axis=0) / seen.sum(axis=0)
        found[group] = np.append(weights.sum() / times.sum(), means)
    return found


def _spread(values: Array, times: IntArray) -> Array:
    """Return the standard deviation of the observed cells of each feature."""
    return np.nanstd(np.repeat(values, times, axis=0), axis=0)


def _adjusted_rand(a: IntArray, b: IntArray, times: IntArray) -> float:
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(np.repeat(a, times), np.repeat(b, times)))
