"""Facts of rows with missing cells or weights: those of one Normal, by EM on what is observed."""

from collections.abc import Iterator
from typing import NamedTuple, Self

import numpy as np

from bayesgmm.typing import Array, BoolArray, IntArray

__all__ = ["Normal", "NormalSums", "completed", "patterns_of"]

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


class NormalSums:
    """What the fit of one Normal asks of rows: sums of those that share what is observed of them.

    Parameters
    ----------
    origin : array of shape (feature,), data units
        Near the rows; sums are about it.
    """

    def __init__(self, origin: Array) -> None:
        self._origin = origin
        self._sums: dict[bytes, tuple[BoolArray, float, Array, Array]] = {}

    def add(self, values: Array, weights: Array) -> None:
        """Take in rows (obs, feature), NaN where a cell is missing, and how often each counts."""
        observed = ~np.isnan(values)
        for rows, seen in patterns_of(observed):
            part, counts, pattern = values[np.ix_(rows, seen)], weights[rows], observed[rows[0]]
            part -= self._origin[seen]
            self._enter(pattern, counts.sum(), counts @ part, (counts[:, None] * part).T @ part)

    def merge(self, other: Self) -> None:
        """Take in the sums, about the same origin, of the rows that follow."""
        for sums in other._sums.values():
            self._enter(*sums)

    def _enter(self, pattern: BoolArray, n: float, first: Array, products: Array) -> None:
        known = self._sums.get(pattern.tobytes())
        if known is not None:
            n, first, products = known[1] + n, known[2] + first, known[3] + products
        self._sums[pattern.tobytes()] = pattern, n, first, products

    def fit(self) -> Normal:
        """Return the Normal of maximum likelihood; each feature is observed, and varies.

        References
        ----------
        Ghahramani and Jordan (1994), Advances in Neural Information Processing Systems 6:120.
        """
        size = len(self._origin)
        counted, squares = np.zeros(size), np.zeros(size)
        for pattern, n, _, products in self._sums.values():
            counted[pattern] += n
            squares[pattern] += np.diag(products)
        unit = np.sqrt(squares / counted)
        groups = []
        for pattern, n, first, products in self._sums.values():
            seen = np.flatnonzero(pattern)
            if len(seen):
                scale = unit[seen]
                groups.append((seen, n, first / scale, products / np.outer(scale, scale)))
        total = sum(n for _, n, _, _ in groups)
        mean, covariance = np.zeros(size), np.eye(size)
        for _ in range(_MOST_STEPS):
            first, second = np.zeros(size), np.zeros((size, size))
            for group in groups:
                of_first, of_second = _expected_sums(*group, mean, covariance)
                first += of_first
                second += of_second
            new = first / total
            next_covariance = second / total - np.outer(new, new)
            step = max(np.abs(new - mean).max(), np.abs(next_covariance - covariance).max())
            mean, covariance = new, next_covariance
            if step < _TOLERANCE:
                break
        return Normal(self._origin + unit * mean, covariance * np.outer(unit, unit))

    def apart(self) -> tuple[Normal, Array]:
        """Return the Normal of independent features, and correlations (feature, feature).

        Each mean and variance is that of the cells observed; each correlation that of the rows
        that show both features, NaN where in these one does not vary.
        """
        size = len(self._origin)
        n, first, squares, products = (np.zeros((size, size)) for _ in range(4))
        for pattern, counted, sums, of_products in self._sums.values():
            both = np.ix_(pattern, pattern)
            n[both] += counted
            first[both] += sums[:, None]
            squares[both] += np.diag(of_products)[:, None]
            products[both] += of_products
        with np.errstate(invalid="ignore", divide="ignore"):
            covariances = products / n - (first / n) * (first / n).T
            variances = squares / n - (first / n) ** 2
            correlations = covariances / np.sqrt(variances * variances.T)
        mean = self._origin + np.diag(first) / np.diag(n)
        return Normal(mean, np.diag(np.diag(covariances))), correlations


def _given(seen: IntArray, mean: Array, covariance: Array) -> tuple[Array, Array, Array]:
    """Return how cells follow from those seen, x = offset + slopes x_seen, and what is left.

    Shapes (feature,), (feature, seen) and (feature, feature), the conditional covariance.
    """
    size = len(mean)
    hidden = np.setdiff1d(np.arange(size), seen)
    slopes, left = np.zeros((size, len(seen))), np.zeros((size, size))
    slopes[seen, np.arange(len(seen))] = 1.0
    if len(hidden):
        across = covariance[np.ix_(seen, hidden)]
        solved = np.linalg.solve(covariance[np.ix_(seen, seen)], across)
        slopes[hidden] = solved.T
        left[np.ix_(hidden, hidden)] = covariance[np.ix_(hidden, hidden)] - across.T @ solved
    offset = mean - slopes @ mean[seen]
    offset[seen] = 0.0
    return offset, slopes, left


def _expected_sums(
    seen: IntArray, n: float, first: Array, products: Array, mean: Array, covariance: Array
) -> tuple[Array, Array]:
    """Return the expected sums of rows and of their products, given those of cells seen."""
    offset, slopes, left = _given(seen, mean, covariance)
    moved = slopes @ first
    across = np.outer(moved, offset)
    second = slopes @ products @ slopes.T + across + across.T
    return moved + n * offset, second + n * (np.outer(offset, offset) + left)


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
        offset, slopes, left = _given(seen, *normal)
        filled = offset + values[np.ix_(rows, seen)] @ slopes.T
        noise = rng.standard_normal((len(rows), len(hidden)))
        filled[:, hidden] += noise @ np.linalg.cholesky(left[np.ix_(hidden, hidden)]).T
        out[rows] = filled
    return out
