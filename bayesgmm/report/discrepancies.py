"""Statistics of the data beside those of data sets drawn from the posterior."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from bayesgmm.likelihood.annotated_rows import RowTable, values_of, written_out
from bayesgmm.plots.observed import Column, column_of
from bayesgmm.typing import Array

__all__ = ["Discrepancy", "discrepancies"]

_MOST_FEATURES = 6
_MOST_PAIRS = 10
_FEWEST_TOGETHER = 3


@dataclass(frozen=True, eq=False)
class Discrepancy:
    """A statistic of the data, and of replicated data sets.

    Parameters
    ----------
    name : str
    own : float
        Of the data.
    replicated : array of shape (data set,)
    joint : bool
        Whether it is of several features together.
    """

    name: str
    own: float
    replicated: Array
    joint: bool = False

    @property
    def p(self) -> float:
        """Share of replicated data sets with a value at least as large."""
        return float((self.replicated >= self.own).mean())

    @property
    def shown_p(self) -> str:
        """The share as text; of no data set or of all it is only known to be nearly 0 or 1."""
        least = 1.0 / len(self.replicated)
        if self.p in (0.0, 1.0):
            return f"> {1.0 - least:.3f}" if self.p else f"< {least:.3f}"
        return f"{self.p:.3f}"


def _moment(x: Array, weights: Array | None, order: int) -> Array:
    """Return a standardized central moment over the last axis, of rows that count by weights."""
    centre = np.average(x, axis=-1, weights=weights)
    offsets = x - np.expand_dims(centre, -1)
    variance = np.average(offsets**2, axis=-1, weights=weights)
    return np.average(offsets**order, axis=-1, weights=weights) / variance ** (order / 2)


_STATISTICS: Mapping[str, Callable[[Array, Array | None], Array]] = {
    "smallest": lambda x, _: x.min(axis=-1),
    "largest": lambda x, _: x.max(axis=-1),
    "skewness": lambda x, weights: _moment(x, weights, 3),
    "excess kurtosis": lambda x, weights: _moment(x, weights, 4) - 3.0,
}
_OF_NO_WEIGHT = ("smallest", "largest")  # a survey that favours the ends of a population has others


def discrepancies(
    rows: RowTable, replicated: Array, features: tuple[str, ...]
) -> list[Discrepancy]:
    """Set statistics of single features, of pairs, and of all together beside replicates of them.

    Parameters
    ----------
    rows : AnnotatedRows or array of shape (obs, feature)
    replicated : array of shape (data set, row, feature)
        Of the rows as often as they count.
    features : tuple of str

    Returns
    -------
    list of Discrepancy
        Six features and ten pairs at most.

    References
    ----------
    Gelman, Meng and Stern (1996), Statistica Sinica 6:733. Mardia (1970), Biometrika 57:519.
    """
    written, _ = written_out(rows)
    return [
        *_of_features(written, replicated, features),
        *_of_pairs(written, replicated, features),
        *_of_distances(written, replicated),
    ]


def _of_features(
    rows: RowTable, replicated: Array, features: tuple[str, ...]
) -> Iterator[Discrepancy]:
    for d, feature in enumerate(features[:_MOST_FEATURES]):
        column: Column = column_of(rows, d)
        values = replicated[:, column.places, d]
        for name, statistic in _STATISTICS.items():
            if column.weights is None or name not in _OF_NO_WEIGHT:
                own = float(statistic(column.values, column.weights))
                yield Discrepancy(f"{name} of {feature}", own, statistic(values, column.weights))


def _of_pairs(
    rows: RowTable, replicated: Array, features: tuple[str, ...]
) -> Iterator[Discrepancy]:
    """Yield the correlations of the whole data, clusters together."""
    table, weights = values_of(rows), _weights_of(rows)
    for i, j in list(combinations(range(len(features)), 2))[:_MOST_PAIRS]:
        both = ~np.isnan(table[:, [i, j]]).any(axis=1)
        if both.sum() < _FEWEST_TOGETHER:
            continue
        counted = None if weights is None else weights[both]
        name = f"correlation of {features[i]} and {features[j]}"
        own = float(_correlation(table[both, i], table[both, j], counted))
        others = _correlation(replicated[:, both, i], replicated[:, both, j], counted)
        yield Discrepancy(name, own, others, joint=True)


def _of_distances(rows: RowTable, replicated: Array) -> Iterator[Discrepancy]:
    """Yield what Mahalanobis distances from the centre of all complete rows say."""
    table, weights = values_of(rows), _weights_of(rows)
    complete = ~np.isnan(table).any(axis=1)
    n_features = table.shape[1]
    if n_features < 2 or complete.sum() <= n_features + 1:
        return
    counted = None if weights is None else weights[complete]
    own = _distances(table[complete], counted)
    others = np.array([_distances(each[complete], counted) for each in replicated])
    if counted is None:
        largest = others.max(axis=1)
        yield Discrepancy("largest Mahalanobis distance", float(own.max()), largest, joint=True)
    name = "Mardia's kurtosis (mean fourth power of the distances)"
    fourth = np.average(others**4, axis=1, weights=counted)
    yield Discrepancy(name, float(np.average(own**4, weights=counted)), fourth, joint=True)


def _weights_of(rows: RowTable) -> Array | None:
    return getattr(rows, "weights", None)


def _correlation(x: Array, y: Array, weights: Array | None) -> Array:
    """Return the correlation over the last axis, of rows that count by weights."""
    dx, dy = (z - np.average(z, axis=-1, weights=weights)[..., None] for z in (x, y))
    means = [np.average(z, axis=-1, weights=weights) for z in (dx * dy, dx * dx, dy * dy)]
    found: Array = means[0] / np.sqrt(means[1] * means[2])
    return found


def _distances(x: Array, weights: Array | None) -> Array:
    """Return the distance of rows (row, feature) from their mean, by their own covariance."""
    centred = x - np.average(x, axis=0, weights=weights)
    counted = np.ones(len(x)) if weights is None else weights
    covariance = (counted[:, None] * centred).T @ centred / counted.sum()
    solved = np.linalg.solve(np.linalg.cholesky(covariance), centred.T)
    found: Array = np.sqrt((solved**2).sum(axis=0))
    return found
