"""What weights and labels of rows change in a block: which densities count, and how often."""

import math

from bayesgmm.likelihood.compiled.relative import invert_any
from bayesgmm.runtime.compiling import compiled_fast
from bayesgmm.typing import Array

__all__ = ["EXCLUDED", "exclude", "invert_weighted"]

EXCLUDED = -1e308  # added to a log density; finite, as loops over rows know no infinity


@compiled_fast
def exclude(penalties: Array, i: int, width: int, joint: Array) -> None:
    """Take the clusters that rows of block i do not allow out of `joint` (cluster, row).

    `penalties` (blocks or 0, cluster, row) are 0 where a row allows the cluster and `EXCLUDED`
    elsewhere.
    """
    for k in range(penalties.shape[1] if penalties.shape[0] > 0 else 0):
        for t in range(width):
            joint[k, t] += penalties[i, k, t]


@compiled_fast
def invert_weighted(
    weights: Array,
    i: int,
    width: int,
    n_rows: int,
    largest: Array,
    total: Array,
) -> float:
    """As `invert_any`, rows counted by weights (blocks or 0, row): sums become weight / sum."""
    if weights.shape[0] == 0:
        return invert_any(width, n_rows, largest, total)
    log_likelihood = 0.0
    for t in range(n_rows):
        log_likelihood += weights[i, t] * (largest[t] + math.log(total[t]))
    for t in range(width):
        total[t] = weights[i, t] / total[t]
    return log_likelihood
