"""Coordinates in which a chain moves: the unconstrained ones, or those whitened at an optimum.

NUTS adapts one scale to each coordinate. Where the parameters are correlated (the mean and the
spread of overlapping components, all means of one cluster along its long axis) its draws are
worth several times more in u, x = centre + root u, root root' the inverse of the curvature at an
optimum: there the posterior is nearly a standard Normal (Neal 2011, Handbook of Markov Chain
Monte Carlo, section 5.4.1). That needs a density that is quadratic as far as the draws go; where
the gradient says otherwise, the chain moves in x itself.
"""

from typing import NamedTuple

import numpy as np

from bayesgmm.likelihood.climbing import curvature
from bayesgmm.likelihood.interface import LogDensity
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.typing import Array

__all__ = ["Frame", "local_root", "root_of", "whitens"]

_PROBES = 32
_UNEXPLAINED = 0.25  # share of the squared gradient that the quadratic may leave over


class Frame(NamedTuple):
    """The map x = centre + root u from a chain's coordinates to the unconstrained ones.

    Parameters
    ----------
    centre : array of shape (dim,), fitting units
    root : array of shape (dim, dim), symmetric
        Of shape (0, 0) where the chain moves in x itself.
    """

    centre: Array
    root: Array

    @classmethod
    def plain(cls, dim: int) -> "Frame":
        """Return the frame of a chain that moves in x itself."""
        return cls(np.zeros(dim), np.empty((0, 0)))


def local_root(log_posterior: LogPosterior, x: Array) -> Array:
    """Return the symmetric root of the inverse of minus the Hessian at x, by central differences.

    No direction gets a standard deviation above 1, the order of the prior's.
    """
    return root_of(curvature(log_posterior, x))


def root_of(precision: Array) -> Array:
    """Return the same root of minus a Hessian (dim, dim) that is known."""
    curvatures, axes = np.linalg.eigh(precision)
    root = (axes / np.sqrt(np.maximum(curvatures, 1.0))) @ axes.T
    return 0.5 * (root + root.T)


def whitens(density: LogDensity, x: Array, root: Array, rng: np.random.Generator) -> bool:
    """Whether the density is nearly a standard Normal in u at draws from that Normal.

    There the gradient in u would be -u; half of the draws must leave less than a quarter of its
    square unexplained.
    """
    unexplained = []
    for u in rng.normal(size=(_PROBES, len(x))):
        evaluation = density.evaluate(x + root @ u)
        if np.isfinite(evaluation.value) and np.isfinite(evaluation.gradient).all():
            with np.errstate(over="ignore"):
                gap = root @ evaluation.gradient + u
                unexplained.append(gap @ gap / len(x))
        else:
            unexplained.append(np.inf)
    return bool(np.median(unexplained) < _UNEXPLAINED)
