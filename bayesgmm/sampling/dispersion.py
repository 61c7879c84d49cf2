"""Where chains start: dispersed over the optima found, so that R-hat can fail."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bayesgmm.mixture.parameters import Parameters
from bayesgmm.mixture.posterior import LogPosterior
from bayesgmm.sampling.frames import Frame, local_root, whitens
from bayesgmm.typing import Array

__all__ = ["ChainStart", "dispersed_starts", "plain_starts"]

_WINDOW = 12.0  # nats below the best optimum beyond which a mode could not hold visible mass


class ChainStart(NamedTuple):
    """The x (dim,), fitting units, at which a chain starts, and the frame in which it moves."""

    x: Array
    frame: Frame


def plain_starts(points: Array) -> list[ChainStart]:
    """Start chains at points (chain, dim), fitting units, that move in x itself."""
    return [ChainStart(np.ascontiguousarray(x), Frame.plain(len(x))) for x in points]


def dispersed_starts(
    log_posterior: LogPosterior,
    optima: Sequence[Parameters],
    n_chains: int,
    rng: np.random.Generator,
) -> list[ChainStart]:
    """Deal the chains out over the optima and jitter each by the local curvature.

    They move in frames whitened at their optima where that serves at all of these: a chain may
    wander to another one.

    Parameters
    ----------
    log_posterior : LogPosterior
    optima : sequence of Parameters
        Distinct optima in one labelling, data units, the best first.
    n_chains : int
    rng : numpy.random.Generator

    Returns
    -------
    list of ChainStart
        Optima more than 12 nats below the best are not used.
    """
    points = [log_posterior.unconstrain(parameters) for parameters in optima]
    values = np.array([log_posterior.evaluate(x).value for x in points])
    kept = [x for x, value in zip(points, values, strict=True) if value > values.max() - _WINDOW]
    used = kept[:n_chains]
    roots = [local_root(log_posterior, x) for x in used]
    whitened = all([whitens(log_posterior, *mode, rng) for mode in zip(used, roots, strict=True)])
    starts = []
    for chain in range(n_chains):
        mode, root = used[chain % len(used)], roots[chain % len(used)]
        frame = Frame(mode, root) if whitened else Frame.plain(len(mode))
        starts.append(ChainStart(_jittered(log_posterior, mode, root, rng), frame))
    return starts


def _jittered(
    log_posterior: LogPosterior, x: Array, root: Array, rng: np.random.Generator
) -> Array:
    """Move x by a draw of the local Normal, less far where that leads far down."""
    value = log_posterior.evaluate(x).value
    step = root @ rng.normal(size=len(x))
    while log_posterior.evaluate(x + step).value < value - 2.0 * len(x):
        step = 0.5 * step
    return x + step
