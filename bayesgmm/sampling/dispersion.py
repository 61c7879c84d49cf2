"""Where chains start: dispersed over the optima found, so that R-hat can fail."""

from collections.abc import Sequence

import numpy as np

from bayesgmm.mixture.parameters import Parameters
from bayesgmm.mixture.posterior import LogPosterior
from bayesgmm.typing import Array

__all__ = ["dispersed_starts"]

_WINDOW = 12.0  # nats below the best optimum beyond which a mode could not hold visible mass
_STEP = 1e-4


def dispersed_starts(
    log_posterior: LogPosterior,
    optima: Sequence[Parameters],
    n_chains: int,
    rng: np.random.Generator,
) -> Array:
    """Deal the chains out over the optima and jitter each by the local curvature.

    Parameters
    ----------
    log_posterior : LogPosterior
    optima : sequence of Parameters
        Distinct optima in one labelling, data units, the best first.
    n_chains : int
    rng : numpy.random.Generator

    Returns
    -------
    array of shape (chain, dim), fitting units
        Optima more than 12 nats below the best are not used.
    """
    points = [log_posterior.unconstrain(parameters) for parameters in optima]
    values = np.array([log_posterior.evaluate(x).value for x in points])
    kept = [x for x, value in zip(points, values, strict=True) if value > values.max() - _WINDOW]
    return np.stack([_jittered(log_posterior, kept[c % len(kept)], rng) for c in range(n_chains)])


def _jittered(log_posterior: LogPosterior, x: Array, rng: np.random.Generator) -> Array:
    """Move x by a normal step of the local standard deviations, shorter where it leads far down."""
    deviation = _local_deviations(log_posterior, x)
    value = log_posterior.evaluate(x).value
    step = deviation * rng.normal(size=len(x))
    while log_posterior.evaluate(x + step).value < value - 2.0 * len(x):
        step = 0.5 * step
    return x + step


def _local_deviations(log_posterior: LogPosterior, x: Array) -> Array:
    """Return 1 / sqrt(-d2 log p / dx2) of each coordinate, at most 1, by central differences."""
    curvature = np.empty(len(x))
    for i in range(len(x)):
        step = np.zeros(len(x))
        step[i] = _STEP
        above, below = log_posterior.evaluate(x + step), log_posterior.evaluate(x - step)
        curvature[i] = (below.gradient[i] - above.gradient[i]) / (2.0 * _STEP)
    return 1.0 / np.sqrt(np.maximum(curvature, 1.0))
