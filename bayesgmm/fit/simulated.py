"""Rows drawn from one mixture."""

import numpy as np

from bayesgmm.limits import ERROR_PER_STEP
from bayesgmm.model.parameters import Parameters
from bayesgmm.typing import Array, IntArray

__all__ = ["draw_recorded_rows", "draw_rows"]


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
    return _drawn(parameters, np.linalg.cholesky(parameters.covariances), n_rows, rng)


def draw_recorded_rows(
    parameters: Parameters,
    resolution: Array,
    origin: Array,
    n_rows: int,
    rng: np.random.Generator,
) -> Array:
    """Draw rows of a mixture and record them as the data were: rounded to their steps.

    What is rounded has no recording error yet: a component without a scale gives tied rows.

    Parameters
    ----------
    parameters : Parameters
        One mixture, data units.
    resolution : array of shape (feature,), data units
        Standard deviation of the recording error.
    origin : array of shape (feature,), data units
        A recorded row.
    n_rows : int
    rng : numpy.random.Generator

    Returns
    -------
    array of shape (obs, feature), data units
    """
    excess = parameters.covariances - np.diag(resolution**2)
    unit = np.sqrt(np.einsum("kdd->kd", parameters.covariances))
    outer = unit[:, :, None] * unit[:, None, :]
    variances, axes = np.linalg.eigh(excess / outer)
    roots = unit[:, :, None] * axes * np.sqrt(np.maximum(variances, 0.0))[:, None, :]
    rows, _ = _drawn(parameters, roots, n_rows, rng)
    rounded = resolution > 0.0
    steps = resolution[rounded] / ERROR_PER_STEP
    offsets = (rows[:, rounded] - origin[rounded]) / steps
    rows[:, rounded] = origin[rounded] + steps * np.rint(offsets)
    return rows


def _drawn(
    parameters: Parameters, roots: Array, n_rows: int, rng: np.random.Generator
) -> tuple[Array, IntArray]:
    """Draw rows and their clusters; root root' is each cluster's covariance."""
    weights = parameters.weights / parameters.weights.sum()
    clusters = np.repeat(np.arange(len(weights)), rng.multinomial(n_rows, weights))
    noise = rng.standard_normal((n_rows, parameters.means.shape[1]))
    rows = np.empty_like(noise)
    for k, root in enumerate(roots):
        inside = clusters == k
        rows[inside] = parameters.means[k] + noise[inside] @ root.T
    return rows, clusters
