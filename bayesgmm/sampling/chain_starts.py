"""Where chains start: dispersed over the modes found, so that R-hat can fail."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bayesgmm.likelihood.interface import LogDensity
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.limits import VISIBLE
from bayesgmm.runtime.parallel import one_blas_thread
from bayesgmm.sampling.posterior_modes import PosteriorMode, laplace_shares
from bayesgmm.sampling.preconditioning import Frame, root_of, whitens
from bayesgmm.typing import Array, IntArray

__all__ = ["ChainStart", "chains_of", "dispersed_starts", "plain_starts"]


class ChainStart(NamedTuple):
    """Where a chain starts, u (dim,), in the coordinates of the frame in which it moves."""

    u: Array
    frame: Frame


def plain_starts(points: Array) -> list[ChainStart]:
    """Start chains at points (chain, dim), fitting units, that move in x itself."""
    return [ChainStart(np.ascontiguousarray(x), Frame.plain(len(x))) for x in points]


def dispersed_starts(
    log_posterior: LogPosterior,
    modes: Sequence[PosteriorMode],
    n_chains: int,
    rng: np.random.Generator,
) -> list[ChainStart]:
    """Deal the chains out over the modes and jitter each by the local curvature.

    They move in frames whitened at their modes where that serves at all of these: a chain may
    wander to another one.

    Parameters
    ----------
    log_posterior : LogPosterior
    modes : sequence of PosteriorMode
        At least one.
    n_chains : int
    rng : numpy.random.Generator

    Returns
    -------
    list of ChainStart
        As many at each mode as `chains_of` says.
    """
    counts = chains_of(laplace_shares(modes), n_chains)
    dealt = [mode for mode, count in zip(modes, counts, strict=True) if count]
    used = [mode.x for mode in dealt]
    owner = np.repeat(np.arange(len(used)), counts[counts > 0])
    starts = []
    with one_blas_thread():
        roots = [root_of(mode.precision) for mode in dealt]
        whitened = [whitens(log_posterior, *pair, rng) for pair in zip(used, roots, strict=True)]
        for i in owner:
            mode, root = used[i], roots[i]
            u = _jitter(log_posterior, mode, root, rng)
            if all(whitened):
                starts.append(ChainStart(u, Frame(mode, root)))
            else:
                starts.append(ChainStart(mode + root @ u, Frame.plain(len(mode))))
    return starts


def chains_of(shares: Array, n_chains: int) -> IntArray:
    """Return how many chains start at each mode (mode,), given the modes' shares of the mass.

    One at each that holds 1 %, the largest first; each further one goes where there are fewest for
    the mass (d'Hondt's method).
    """
    counts = np.zeros(len(shares), dtype=np.int64)
    visible = [i for i in np.argsort(-shares, kind="stable") if shares[i] >= VISIBLE]
    counts[visible[:n_chains]] = 1
    for _ in range(n_chains - int(counts.sum())):
        counts[np.argmax(shares / (counts + 1))] += 1
    return counts


def _jitter(density: LogDensity, mode: Array, root: Array, rng: np.random.Generator) -> Array:
    """Draw u of the local Normal, shortened where it leads far down."""
    lowest = density.evaluate(mode).value - 2.0 * len(mode)
    u = rng.normal(size=len(mode))
    while density.evaluate(mode + root @ u).value < lowest:
        u = 0.5 * u
    return u
