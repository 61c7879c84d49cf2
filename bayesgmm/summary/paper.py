"""A table of estimates as a paper prints it: words, units, and digits that mean something."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from bayesgmm.data.words import with_unit
from bayesgmm.labels import Quantity
from bayesgmm.summary.numbers import fixed

__all__ = ["Estimate", "paper_table"]

_WORDS = {
    "weights": "weight",
    "noise_weight": "weight of the noise",
    "means": "mean",
    "scales": "standard deviation",
    "correlations": "correlation",
    "loadings": "loading on a factor",
    "unique_scales": "standard deviation beside the factors",
    "nu": "degrees of freedom",
    "log_likelihood": "log likelihood",
    "sorted_weights": "weight by rank",
    "entropy": "entropy of the memberships",
    "occupied": "clusters that hold rows",
}
_MOST_DECIMALS = 12


class Estimate(NamedTuple):
    """What is known of one quantity: mean, deviation, Monte Carlo error, and its intervals."""

    mean: float
    sd: float
    error: float
    intervals: Mapping[str, tuple[float, float]]

    @property
    def decimals(self) -> int:
        """Two significant digits of the deviation, fewer where the Monte Carlo error is larger."""
        sizes = [v for v in (self.sd / 10.0, self.error) if math.isfinite(v) and v > 0.0]
        if not sizes:
            return 3
        return int(min(max(-math.floor(math.log10(max(sizes))), 0), _MOST_DECIMALS))


def paper_table(
    quantities: Sequence[Quantity],
    estimates: Sequence[Estimate],
    clusters: Sequence[str],
    units: Mapping[str, str],
    tails: bool,
) -> pd.DataFrame:
    """Return the estimates as text, one row per quantity.

    Parameters
    ----------
    quantities, estimates : sequences of Quantity and Estimate
    clusters : sequence of str
        What the clusters are called.
    units : mapping of str to str
        By feature, where known.
    tails : bool
        Whether the components are t, whose scales are no standard deviations.

    Returns
    -------
    pandas.DataFrame
        Index parameter, in words with the unit; columns cluster ("" for what belongs to none), mean
        and one for each interval, "low to high".
    """
    rows = []
    for quantity, estimate in zip(quantities, estimates, strict=True):
        digits = estimate.decimals
        shown = {
            name: f"{fixed(low, digits)} to {fixed(high, digits)}"
            for name, (low, high) in estimate.intervals.items()
        }
        place = quantity.cluster
        cluster = "" if place is None else clusters[place]
        rows.append({"cluster": cluster, "mean": fixed(estimate.mean, digits), **shown})
    names = [_in_words(quantity, units, tails) for quantity in quantities]
    return pd.DataFrame(rows, index=pd.Index(names, name="parameter"))


def _in_words(quantity: Quantity, units: Mapping[str, str], tails: bool) -> str:
    kind, _, rest = quantity.name.partition("[")
    words = "scale" if tails and kind == "scales" else _WORDS.get(kind, quantity.name)
    if kind == "correlations":
        return f"{words} of {' and '.join(quantity.features)}"
    if quantity.features:
        return f"{words} of {with_unit(quantity.features[0], units)}"
    return f"{words}, {rest.rstrip(']')}" if kind == "sorted_weights" else words
