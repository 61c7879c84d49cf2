"""Facts of rows with missing cells or weights: those of one Normal, by EM on what is observed."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from bayesgmm.typing import Array, BoolArray, IntArray

__all__ = ["Normal", "completed", "normal_of", "patterns_of"]

_TOLERANCE = 1e-11  # of a step, in standard deviations
_MOST_STEPS = 1_000


class Normal(NamedTuple):
    """Mean (feature,) and covariance (feature, feature) of one Normal, data units."""

    mean: Array
    covariance: Array


def patterns_of(observed: BoolArray) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield rows that share what is observed of them, and those features."""
    patterns, which = np.unique(observed, axis=0, return_inverse=True)
    for i, pattern in enumerate(patterns):
        yield np.flatnonzero(which.ravel() == i), np.flatnonzero(pattern)


def normal_of(values: Array, weights: Array) -> Normal:
    """Fit one Normal by maximum likelihood; NaN is a missing cell.

    Parameters
    ----------
    values : array of shape (obs, feature), data units
        Each feature is observed at least once, and varies.
    weights : array of shape (obs,)

    References
    ----------
    Ghahramani and Jordan (1994), Advances in Neural Information Processing Systems 6:120.
    """
    observed = ~np.isnan(values)
    counted = weights @ observed
    origin = weights @ np.where(observed, values, 0.0) / counted
    offsets = np.where(observed, values - origin, 0.0)
    unit = np.sqrt(weights @ offsets**2 / counted)
    scaled = np.where(observed, offsets / unit, np.nan)
    groups = [
        (scaled[np.ix_(rows, seen)], weights[rows], seen) for rows, seen in patterns_of(observed)
    ]
    size, total = values.shape[1], sum(part.sum() for _, part, seen in groups if len(seen))
    mean, covariance = np.zeros(size), np.eye(size)
    for _ in range(_MOST_STEPS):
        first, second = np.zeros(size), np.zeros((size, size))
        for part, counts, seen in groups:
            if not len(seen):
                continue
            filled, left = _expected(part, seen, mean, covariance)
            first += counts @ filled
            second += (counts[:, None] * filled).T @ filled + counts.sum() * left
        new = first / total
        next_covariance = second / total - np.outer(new, new)
        step = max(np.abs(new - mean).max(), np.abs(next_covariance - covariance).max())
        mean, covariance = new, next_covariance
        if step < _TOLERANCE:
            break
    return Normal(origin + unit * mean, covariance * np.outer(unit, unit))


def _expected(part: Array, seen: IntArray, mean: Array, covariance: Array) -> tuple[Array, Array]:
    """Return rows filled with their conditional means, and the conditional covariance."""
    size = len(mean)
    hidden = np.setdiff1d(np.arange(size), seen)
    filled, left = np.empty((len(part), size)), np.zeros((size, size))
    filled[:, seen] = part
    if len(hidden):
        slopes = np.linalg.solve(covariance[np.ix_(seen, seen)], covariance[np.ix_(seen, hidden)])
        filled[:, hidden] = mean[hidden] + (part - mean[seen]) @ slopes
        left[np.ix_(hidden, hidden)] = (
            covariance[np.ix_(hidden, hidden)] - covariance[np.ix_(hidden, seen)] @ slopes
        )
    return filled, left


def completed(values: Array, normal: Normal, rng: np.random.Generator) -> Array:
    """Return rows whose missing cells are drawn from one Normal, given those observed.

    Parameters
    ----------
    values : array of shape (obs, feature), data units
    normal : Normal
    rng : numpy.random.Generator
    """
    out = np.empty_like(values)
    for rows, seen in patterns_of(~np.isnan(values)):
        hidden = np.setdiff1d(np.arange(values.shape[1]), seen)
        filled, left = _expected(values[np.ix_(rows, seen)], seen, *normal)
        noise = rng.standard_normal((len(rows), len(hidden)))
        filled[:, hidden] += noise @ np.linalg.cholesky(left[np.ix_(hidden, hidden)]).T
        out[rows] = filled
    return out
