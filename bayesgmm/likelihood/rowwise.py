"""The log likelihood of every row at every draw."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from bayesgmm.likelihood.compiled.kernels import blocked, row_log_likelihoods
from bayesgmm.likelihood.compiled.whitening import whiten_draw
from bayesgmm.model.parameters import Parameters, in_fitting_units
from bayesgmm.runtime.compiling import compiled
from bayesgmm.typing import Array

__all__ = ["pointwise_log_likelihood"]

_DRAWS_PER_TASK = 250


def pointwise_log_likelihood(
    parameters: Parameters, values: Array, centre: Array, unit: Array, *, cores: int = 1
) -> Array:
    """Return log p(x_i | draw), labels summed out.

    Parameters
    ----------
    parameters : Parameters
        Draws, arrays of shape (sample, ...), data units.
    values : array of shape (obs, feature), data units
    centre, unit : arrays of shape (feature,), data units
        Coordinates in which the arithmetic is done; the result does not depend on them.
    cores : int
        Threads; the result does not depend on it.

    Returns
    -------
    array of shape (sample, obs), nats, data units
    """
    blocks = blocked(values, centre, unit)
    log_weights, means, covariances = in_fitting_units(parameters, centre, unit)
    out = np.empty((len(log_weights), len(values)))

    def fill(start: int) -> None:
        part = slice(start, start + _DRAWS_PER_TASK)
        _fill(blocks, log_weights[part], means[part], covariances[part], out[part])

    with ThreadPoolExecutor(cores) as pool:
        list(pool.map(fill, range(0, len(out), _DRAWS_PER_TASK)))
    out -= np.log(unit).sum()
    return out


@compiled
def _fill(blocks: Array, log_weights: Array, means: Array, covariances: Array, out: Array) -> None:
    n_clusters, n_features = means.shape[1], means.shape[2]
    factors = np.empty((n_clusters, n_features, n_features))
    whitening = np.empty((n_clusters, n_features, n_features))
    shift = np.empty((n_clusters, n_features))
    constant = np.empty(n_clusters)
    for s in range(out.shape[0]):
        if whiten_draw(
            log_weights[s], means[s], covariances[s], factors, whitening, shift, constant
        ):
            row_log_likelihoods(blocks, whitening, shift, constant, out[s])
        else:
            out[s] = np.nan
