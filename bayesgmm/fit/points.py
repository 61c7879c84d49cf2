"""The flat point on which EM's steps act, from parameters and back.

A point is one flat array in fitting coordinates: log weights (cluster), means (cluster, feature),
and the Cholesky factors of the covariances (cluster, feature, feature) with the logarithms of
their diagonals. Every such array is a mixture, so points may be extrapolated.
"""

import numpy as np

from bayesgmm.typing import Array

__all__ = ["point_of", "split"]


def split(point: Array, n_clusters: int, n_features: int) -> tuple[Array, Array, Array]:
    """Return weights, means and covariances of a point, fitting coordinates."""
    means = point[n_clusters : n_clusters * (1 + n_features)].reshape(n_clusters, n_features)
    factors = point[n_clusters * (1 + n_features) :].reshape(n_clusters, n_features, n_features)
    diagonal = np.eye(n_features, dtype=bool)
    factors = np.where(diagonal, np.exp(np.where(diagonal, factors, 0.0)), factors)
    weights = np.exp(point[:n_clusters])
    return weights / weights.sum(), means.copy(), factors @ factors.swapaxes(1, 2)


def point_of(weights: Array, means: Array, covariances: Array) -> Array:
    """Lay weights, means and covariances, fitting coordinates, out as a point."""
    factors = np.linalg.cholesky(covariances)
    diagonal = np.eye(means.shape[1], dtype=bool)
    factors = np.where(diagonal, np.log(np.where(diagonal, factors, 1.0)), factors)
    return np.concatenate([np.log(weights), means.ravel(), factors.ravel()])
