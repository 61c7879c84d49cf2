"""How much each row counts in the means of the clusters, by the family of these."""

import numpy as np
from scipy.special import expit

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
    the row. A row counts so often in the sums of location and scale. In a contaminated component
    it counts once if it is good, and 1 / inflation times if it is one of the others.

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
    if not parameters.tailed:
        return np.broadcast_to(1.0, (len(rows), n_clusters, n_samples))
    out, normals = np.empty((len(rows), n_clusters, n_samples)), parameters.normals
    for group in groups_of(rows):
        n_cells = len(group.observed)
        whitening = _whitening(normals, group)
        means = normals.means[..., group.observed]
        step = max(_VALUES // max(n_samples * n_clusters * n_cells, 1), 1)
        for start in range(0, len(group.places), step):
            part = slice(start, start + step)
            squares = _squares(group.values[part], means, whitening)
            if parameters.nu is None:
                weights = _of_layers(parameters, squares, whitening)
            else:
                weights = expected_weights(squares, n_cells, parameters.nu[..., None])
            out[group.places[part]] = weights.transpose(2, 1, 0)
    return out


def _of_layers(parameters: Parameters, squares: Array, whitening: Array) -> Array:
    """Return P(good | row) + P(other | row) / inflation: (sample, cluster, obs)."""
    good_share, inflation = (
        np.asarray(value)[:, None, None] for value in (parameters.good_share, parameters.inflation)
    )
    log_dets = np.log(np.einsum("...dd->...d", whitening)).sum(axis=-1)[..., None]
    narrow, wide = np.split(log_dets - 0.5 * squares, 2, axis=1)
    with np.errstate(divide="ignore"):
        odds = np.log1p(-good_share) - np.log(good_share) + wide - narrow
    other = expit(odds)
    return 1.0 - other * (1.0 - 1.0 / inflation)


def _whitening(parameters: Parameters, group: RowGroup) -> Array:
    """Return the inverse Cholesky factors of the covariances of observed cells with errors."""
    square = (..., *np.ix_(group.observed, group.observed))
    covariances = parameters.covariances[square] + np.diag(group.errors**2)
    return np.linalg.inv(np.linalg.cholesky(covariances))


def _squares(values: Array, means: Array, whitening: Array) -> Array:
    """Return the squared Mahalanobis distances of rows (obs, cell): (sample, cluster, obs)."""
    whitened = whitening @ (values.T - means[..., None])
    return np.square(whitened).sum(axis=-2)
