"""The flat point on which EM's steps act, from parameters and back.

A point is one flat array in fitting coordinates: log weights (cluster), means (cluster, feature),
the Cholesky factors of the covariances (cluster, feature, feature) with the logarithms of their
diagonals; then the log weight of the noise, where there is one; then the tail, the logarithms of
degrees of freedom (cluster,), where components are t, or the two coordinates of contamination;
last, in the points of EM alone, loadings and logs of unique variances (`.factor_points`).
Every such array is a mixture, so points may be extrapolated; one without noise and tail may start
a mixture that has them.
"""

import numpy as np
from scipy.special import expit, logsumexp

from bayesgmm.typing import Array

__all__ = ["beyond", "n_plain", "parts", "point_of", "split"]


def n_plain(n_clusters: int, n_features: int) -> int:
    """Return how many numbers of a point are weights, means and covariances of clusters."""
    return n_clusters * (1 + n_features + n_features**2)


def split(point: Array, n_clusters: int, n_features: int) -> tuple[Array, Array, Array]:
    """Return weights, means and covariances of a point, fitting coordinates.

    The weights are those of the clusters among themselves.
    """
    means = point[n_clusters : n_clusters * (1 + n_features)].reshape(n_clusters, n_features)
    factors = point[n_clusters * (1 + n_features) : n_plain(n_clusters, n_features)]
    factors = factors.reshape(n_clusters, n_features, n_features)
    diagonal = np.eye(n_features, dtype=bool)
    factors = np.where(diagonal, np.exp(np.where(diagonal, factors, 0.0)), factors)
    return _shares(point, n_clusters), means.copy(), factors @ factors.swapaxes(1, 2)


def point_of(weights: Array, means: Array, covariances: Array) -> Array:
    """Lay weights, means and covariances, fitting coordinates, out as a point."""
    factors = np.linalg.cholesky(covariances)
    diagonal = np.eye(means.shape[1], dtype=bool)
    factors = np.where(diagonal, np.log(np.where(diagonal, factors, 1.0)), factors)
    return np.concatenate([np.log(weights), means.ravel(), factors.ravel()])


def beyond(point: Array, n_clusters: int, n_features: int, n_noises: int) -> tuple[Array, Array]:
    """Return what a point says of the noise, and its tail.

    Returns
    -------
    log_noise : array of shape (noise or 0,)
        Log weight of the noise over that of all clusters together.
    tail : array, of no size where the point has none
    """
    others = point[n_plain(n_clusters, n_features) :]
    if not n_noises:
        return others[:0], others
    return others[:n_noises] - logsumexp(point[:n_clusters]), others[n_noises:]


def parts(
    point: Array, n_clusters: int, n_features: int, n_noises: int
) -> tuple[Array, Array | None, Array]:
    """Return the weights of clusters and noise, which sum to 1, and the tail of a point.

    Returns
    -------
    weights : array of shape (cluster,)
    noise : array of shape (), or None
        None where the point has no noise.
    tail : array, of no size where the point has none
    """
    weights = _shares(point, n_clusters)
    log_noise, tail = beyond(point, n_clusters, n_features, n_noises)
    noise = expit(log_noise[0]) if log_noise.size else None
    return weights if noise is None else (1.0 - noise) * weights, noise, tail


def _shares(point: Array, n_clusters: int) -> Array:
    weights = np.exp(point[:n_clusters])
    return weights / weights.sum()
