"""Rows drawn from one mixture."""

import numpy as np

from bayesgmm.mixture.parameters import Parameters
from bayesgmm.typing import Array, IntArray

__all__ = ["draw_rows"]


def draw_rows(
    parameters: Parameters, n_rows: int, rng: np.random.Generator
) -> tuple[Array, IntArray]:
    """Draw rows of a mixture, cluster by cluster.

    Parameters
    ----------
    parameters : Parameters
        One mixture, data units.
    n_rows : int
    rng : numpy.random.Generator

    Returns
    -------
    rows : array of shape (obs, feature), data units
    clusters : array of shape (obs,), increasing
    """
    weights = parameters.weights / parameters.weights.sum()
    clusters = np.repeat(np.arange(len(weights)), rng.multinomial(n_rows, weights))
    factors = np.linalg.cholesky(parameters.covariances)
    noise = rng.standard_normal((n_rows, parameters.means.shape[1]))
    rows = np.empty_like(noise)
    for k, factor in enumerate(factors):
        inside = clusters == k
        rows[inside] = parameters.means[k] + noise[inside] @ factor.T
    return rows, clusters
