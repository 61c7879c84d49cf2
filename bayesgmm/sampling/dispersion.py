"""Where chains start: dispersed over the optima found, so that R-hat can fail."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bayesgmm.mixture.parameters import Parameters
from bayesgmm.mixture.posterior import LogPosterior
from bayesgmm.resources import one_blas_thread
from bayesgmm.sampling.frames import Frame, local_root, whitens
from bayesgmm.typing import Array

__all__ = ["ChainStart", "dispersed_starts", "plain_starts"]

_WINDOW = 12.0  # nats below the best optimum beyond which a mode could not hold visible mass


class ChainStart(NamedTuple):
    """Where a chain starts, u (dim,), in the coordinates of the frame in which it moves."""

    u: Array
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
    starts = []
    with one_blas_thread():
        roots = [local_root(log_posterior, x) for x in used]
        whitened = [whitens(log_posterior, *pair, rng) for pair in zip(used, roots, strict=True)]
        for chain in range(n_chains):
            mode, root = used[chain % len(used)], roots[chain % len(used)]
            u = _jitter(log_posterior, mode, root, rng)
            if all(whitened):
                starts.append(ChainStart(u, Frame(mode, root)))
            else:
                starts.append(ChainStart(mode + root @ u, Frame.plain(len(mode))))
    return starts


def _jitter(
    log_posterior: LogPosterior, mode: Array, root: Array, rng: np.random.Generator
) -> Array:
    """Draw u of the local Normal, shortened where it leads far down."""
    lowest = log_posterior.evaluate(mode).value - 2.0 * len(mode)
    u = rng.normal(size=len(mode))
    while log_posterior.evaluate(mode + root @ u).value < lowest:
        u = 0.5 * u
    return u
