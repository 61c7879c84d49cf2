"""The parameters of a mixture in the units of the data."""

from typing import NamedTuple

import numpy as np

from bayesgmm.typing import Array, IntArray

__all__ = ["Parameters", "covariances_from", "permute"]


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


def permute(values: Array, order: IntArray, axis: int) -> Array:
    """Take entries along `axis` in the order given for each of the axes before it."""
    index = order.reshape(order.shape + (1,) * (values.ndim - order.ndim))
    return np.take_along_axis(values, index, axis)


def covariances_from(scales: Array, correlations: Array, resolution: Array) -> Array:
    """Return diag(s) Omega diag(s) + diag(h^2), leading axes broadcast."""
    outer = scales[..., :, None] * scales[..., None, :]
    return outer * correlations + np.diag(resolution**2)
