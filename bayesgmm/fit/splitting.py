"""Components that coincide, and the splits that may lead on from there.

A point where two components coincide is a stationary point of the likelihood, since it is the fit
with one component fewer. It is a saddle, unless no split of any component gains anything.
"""

import numpy as np

from bayesgmm.fit.points import point_of, split
from bayesgmm.likelihood.compiled.m_step import EMPTY
from bayesgmm.typing import Array

__all__ = ["merged", "split_and_merged", "split_points"]

_SAME = 0.01  # standard deviations, and share of a variance
_APART = 0.8  # standard deviations of the component that is split
_FEWER = 0.25  # of the rows, in an uneven split
_WIDE, _TIGHT = 1.6, 0.4


def merged(
    point: Array, n_clusters: int, n_features: int, n_rows: int
) -> tuple[Array, Array, Array]:
    """Return weights, means and covariances with components that coincide made one.

    Parameters
    ----------
    point : array, as in `bayesgmm.fit.points`
    n_clusters, n_features, n_rows : int
    """
    weights, means, covariances = split(point, n_clusters, n_features)
    while (pair := _nearest_pair(weights, means, covariances, n_rows)) is not None:
        weights, means, covariances = _made_one(weights, means, covariances, *pair)
    return weights, means, covariances


def _made_one(
    weights: Array, means: Array, covariances: Array, kept: int, gone: int
) -> tuple[Array, Array, Array]:
    """Return the mixture with two components made one that has their moments."""
    total = weights[kept] + weights[gone]
    share = weights[gone] / total
    gap = means[gone] - means[kept]
    means[kept] += share * gap
    covariances[kept] += share * (covariances[gone] - covariances[kept])
    covariances[kept] += share * (1.0 - share) * np.outer(gap, gap)
    weights[kept] = total
    one, *others = (np.delete(value, gone, axis=0) for value in (weights, means, covariances))
    return one, others[0], others[1]


def split_and_merged(
    point: Array, n_clusters: int, n_features: int, rng: np.random.Generator
) -> Array:
    """Make two random components one and split a random one: one more start of EM.

    Parameters
    ----------
    point : array, as in `bayesgmm.fit.points`
        Usually an optimum. Of two components at least.
    n_clusters, n_features : int
    rng : Generator

    Returns
    -------
    array, a point

    References
    ----------
    Ueda, Nakano, Ghahramani and Hinton (2000), Neural Computation 12:2109.
    """
    kept, gone = rng.choice(n_clusters, 2, replace=False)
    fewer = _made_one(*split(point, n_clusters, n_features), int(kept), int(gone))
    points = split_points(*fewer, n_clusters)
    return points[int(rng.integers(len(points)))]


def split_points(weights: Array, means: Array, covariances: Array, n_clusters: int) -> list[Array]:
    """Return points of EM with `n_clusters` components: each component in turn is split.

    Along each of its principal axes into two halves that lie apart and into two uneven parts either
    way, and into a tight and a wide part at one place: what the fourth and the third moments of its
    rows, and their tails, may ask for. Where more than one component is missing, the parts stand
    beside copies of the one that is split.
    """
    points = []
    missing = n_clusters - len(weights)
    for k in range(len(weights)):
        for parts in _parts(means[k], covariances[k]):
            shares, places, spreads = (np.array(value) for value in zip(*parts, strict=True))
            copies = np.arange(missing + 1) % 2
            counts = np.bincount(copies, minlength=2)
            points.append(
                point_of(
                    np.append(np.delete(weights, k), weights[k] * (shares / counts)[copies]),
                    np.concatenate([np.delete(means, k, axis=0), places[copies]]),
                    np.concatenate([np.delete(covariances, k, axis=0), spreads[copies]]),
                )
            )
    return points


def _parts(mean: Array, covariance: Array) -> list[list[tuple[float, Array, Array]]]:
    """Return pairs of (share, mean, covariance) into which one Gaussian is split."""
    variances, axes = np.linalg.eigh(covariance)
    here = [(0.5, mean, _TIGHT * covariance), (0.5, mean, _WIDE * covariance)]
    pairs = [here]
    for variance, axis in zip(variances, axes.T, strict=True):
        apart = _APART * np.sqrt(variance) * axis
        left = covariance - np.outer(apart, apart)
        pairs.append([(0.5, mean - apart, left), (0.5, mean + apart, left)])
        for way in (apart, -apart):
            far = way * (1.0 - _FEWER) / np.sqrt(_FEWER * (1.0 - _FEWER))
            near = -way * _FEWER / np.sqrt(_FEWER * (1.0 - _FEWER))
            pairs.append([(_FEWER, mean + far, left), (1.0 - _FEWER, mean + near, left)])
    return pairs


def _nearest_pair(
    weights: Array, means: Array, covariances: Array, n_rows: int
) -> tuple[int, int] | None:
    """Return two components that coincide, or None."""
    n_clusters = len(weights)
    held = weights * n_rows > EMPTY
    for i in range(n_clusters):
        if not held[i]:
            continue
        try:
            inverse = np.linalg.inv(np.linalg.cholesky(covariances[i]))
        except np.linalg.LinAlgError:  # it coincides with none
            continue
        for j in range(i + 1, n_clusters):
            gap = inverse @ (means[j] - means[i])
            ratio = inverse @ covariances[j] @ inverse.T - np.eye(len(gap))
            if held[j] and abs(gap).max() < _SAME and abs(ratio).max() < _SAME:
                return i, j
    return None
