"""The log likelihood of every row at every draw."""

from collections import deque

import numpy as np

from bayesgmm.likelihood.compiled.draws import fill_log_likelihoods
from bayesgmm.likelihood.compiled.kernels import blocked
from bayesgmm.model.parameters import Parameters, in_fitting_units
from bayesgmm.runtime.parallel import in_threads
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
        fill_log_likelihoods(blocks, log_weights[part], means[part], covariances[part], out[part])

    deque(in_threads(fill, range(0, len(out), _DRAWS_PER_TASK), cores=cores), maxlen=0)
    out -= np.log(unit).sum()
    return out
