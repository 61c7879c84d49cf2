"""Standard deviations of what is said of clusters, from a covariance of the coordinates."""

import numpy as np

from bayesgmm.labels.quantities import cluster_quantities
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.posterior.draws import Draws
from bayesgmm.typing import Array

__all__ = ["deviations_at"]

_STEP = 1e-3  # of a standard deviation


def deviations_at(
    draws: Draws, target: LogPosterior, x: Array, covariance: Array
) -> dict[str, float]:
    """Return the standard deviation of each of `cluster_quantities`, by its name, data units.

    The delta method, with slopes by central differences.

    Parameters
    ----------
    draws : Draws
        Their clusters are described.
    target : LogPosterior
        Of their model, whatever rows it knows.
    x : array of shape (dim,), fitting units
    covariance : array of shape (dim, dim)
        Of an estimate at x.
    """
    steps = _STEP * np.sqrt(np.diag(covariance))
    points = np.concatenate([x + np.diag(steps), x - np.diag(steps)])
    found = {}
    for quantity in cluster_quantities(draws, target.constrain(points)):
        above, below = np.split(quantity.values.ravel(), 2)
        slope = (above - below) / (2.0 * steps)
        found[quantity.name] = float(np.sqrt(slope @ covariance @ slope))
    return found
