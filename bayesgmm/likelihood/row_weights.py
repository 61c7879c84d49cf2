"""How much each row counts in the means of the clusters, by the family of these."""

import numpy as np

from bayesgmm.likelihood.annotated_rows import RowGroup, RowTable, groups_of
from bayesgmm.model.components import expected_weights
from bayesgmm.model.parameters import Parameters
from bayesgmm.typing import Array

__all__ = ["row_weights"]

_VALUES = 2**20  # whitened cells that lie in memory at a time: 8 MiB


def row_weights(parameters: Parameters, rows: RowTable) -> Array:
    """Return how much a row counts in the mean of a cluster, if it belongs to that.

    Gaussian components count all of their rows alike, once. Components with tails are Gaussians
    whose covariance is divided by an unknown number of each row: returned is its expectation given
    the row. A row counts so often in the sums of location and scale.

    Parameters
    ----------
    parameters : Parameters
        Draws, arrays of shape (sample, ...), data units.
    rows : AnnotatedRows or array of shape (obs, feature), data units
        Observed cells are used, with the errors of their rows.

    Returns
    -------
    array of shape (obs, cluster, sample)

    Examples
    --------
    >>> one = Parameters(np.ones((1, 1)), np.zeros((1, 1, 1)), *np.ones((3, 1, 1, 1, 1)),
    ...                  nu=np.full((1, 1), 4.0))
    >>> row_weights(one, np.array([[0.0], [1.0], [6.0]])).ravel().tolist()
    [1.25, 1.0, 0.125]
    """
    n_samples, n_clusters = parameters.weights.shape
    if parameters.nu is None:  # no tails
        return np.broadcast_to(1.0, (len(rows), n_clusters, n_samples))
    out = np.empty((len(rows), n_clusters, n_samples))
    for group in groups_of(rows):
        n_cells = len(group.observed)
        whitening = _whitening(parameters, group)
        means = parameters.means[..., group.observed]
        step = max(_VALUES // max(n_samples * n_clusters * n_cells, 1), 1)
        for start in range(0, len(group.places), step):
            part = slice(start, start + step)
            squares = _squares(group.values[part], means, whitening)
            weights = expected_weights(squares, n_cells, parameters.nu[..., None])
            out[group.places[part]] = weights.transpose(2, 1, 0)
    return out


def _whitening(parameters: Parameters, group: RowGroup) -> Array:
    """Return the inverse Cholesky factors of the covariances of observed cells with errors."""
    square = (..., *np.ix_(group.observed, group.observed))
    covariances = parameters.covariances[square] + np.diag(group.errors**2)
    return np.linalg.inv(np.linalg.cholesky(covariances))


def _squares(values: Array, means: Array, whitening: Array) -> Array:
    """Return the squared Mahalanobis distances of rows (obs, cell): (sample, cluster, obs)."""
    whitened = whitening @ (values.T - means[..., None])
    return np.square(whitened).sum(axis=-2)
