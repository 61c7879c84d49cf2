"""The parameters of a mixture in the units of the data."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bayesgmm.typing import Array, IntArray

__all__ = [
    "Parameters",
    "covariances_from",
    "in_fitting_units",
    "log_of_weights",
    "matrices_of",
    "pair_names",
    "pairs_of",
    "permute",
    "without_error",
]

_ROUNDING = 1e-10  # of the recording error's variance: below, a scale is 0


class Parameters(NamedTuple):
    """Parameters of one mixture, or of many along leading axes; data units.

    Parameters
    ----------
    weights : array of shape (..., cluster)
    means : array of shape (..., cluster, feature)
    scales : array of shape (..., cluster, feature)
        Standard deviations without the recording error.
    correlations, covariances : arrays of shape (..., cluster, feature, feature)
        covariances = diag(scales) correlations diag(scales) + diag(h^2).
    """

    weights: Array
    means: Array
    scales: Array
    correlations: Array
    covariances: Array

    def permuted(self, order: IntArray) -> "Parameters":
        """Return the parameters with cluster k taken from `order[..., k]`."""
        axis = order.ndim - 1
        return Parameters(*(permute(value, order, axis) for value in self))


def pair_names(features: Sequence[str]) -> list[str]:
    """Name the pairs of features in the order of the rows of a lower triangle."""
    return [f"{features[i]}, {features[j]}" for i in range(len(features)) for j in range(i)]


def pairs_of(matrices: Array) -> Array:
    """Return the entries (..., pair) below the diagonal, in the order of `pair_names`."""
    rows, columns = np.tril_indices(matrices.shape[-1], -1)
    return matrices[..., rows, columns]


def matrices_of(pairs: Array, n_features: int) -> Array:
    """Return the correlation matrices (..., feature, feature) of correlations (..., pair)."""
    rows, columns = np.tril_indices(n_features, -1)
    matrices = np.empty((*pairs.shape[:-1], n_features, n_features))
    matrices[..., rows, columns] = matrices[..., columns, rows] = pairs
    matrices[..., range(n_features), range(n_features)] = 1.0
    return matrices


def permute(values: Array, order: IntArray, axis: int) -> Array:
    """Take entries along `axis` in the order given for each of the axes before it."""
    index = order.reshape(order.shape + (1,) * (values.ndim - order.ndim))
    return np.take_along_axis(values, index, axis)


def covariances_from(scales: Array, correlations: Array, resolution: Array) -> Array:
    """Return diag(s) Omega diag(s) + diag(h^2), leading axes broadcast."""
    outer = scales[..., :, None] * scales[..., None, :]
    return outer * correlations + np.diag(resolution**2)


def without_error(covariances: Array, resolution: Array) -> tuple[Array, Array]:
    """Return scales and correlations such that `covariances_from` gives the covariances again.

    A scale whose variance is the recording error's alone is 0, and so are its correlations.

    Parameters
    ----------
    covariances : array of shape (cluster, feature, feature)
    resolution : array of shape (feature,)
    """
    variances = np.einsum("kdd->kd", covariances) - resolution**2
    variances = np.where(variances > _ROUNDING * resolution**2, variances, 0.0)
    scales = np.sqrt(variances)
    outer = scales[:, :, None] * scales[:, None, :]
    within = np.divide(covariances, outer, out=np.zeros_like(covariances), where=outer > 0.0)
    diagonal = np.eye(covariances.shape[-1], dtype=bool)
    return scales, np.where(diagonal, 1.0, np.clip(within, -1.0, 1.0))


def log_of_weights(weights: Array) -> Array:
    """Return log weights, finite also where a weight is 0: that of the smallest normal number."""
    return np.log(np.maximum(weights, np.finfo(float).tiny))


def in_fitting_units(
    parameters: Parameters, centre: Array, unit: Array
) -> tuple[Array, Array, Array]:
    """Return log weights, means and covariances of draws as the compiled passes take them.

    Parameters
    ----------
    parameters : Parameters
        Draws, arrays of shape (sample, ...), data units.
    centre, unit : arrays of shape (feature,), data units
    """
    means = np.ascontiguousarray((parameters.means - centre) / unit)
    covariances = np.ascontiguousarray(parameters.covariances / np.multiply.outer(unit, unit))
    log_weights = np.ascontiguousarray(log_of_weights(parameters.weights))
    return log_weights, means, covariances
