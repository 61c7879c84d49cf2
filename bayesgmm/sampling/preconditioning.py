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

from bayesgmm.likelihood.compiled.fused import TERMS, log_posterior
from bayesgmm.likelihood.compiled.memory import part
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.runtime.compiling import compiled, compiled_fast
from bayesgmm.sampling.climbing import curvature
from bayesgmm.typing import Array

__all__ = ["Frame", "framed_log_posterior", "local_root", "unframed", "whitens"]

_PROBES = 32
_UNEXPLAINED = 0.25  # share of the squared gradient that the quadratic may leave over
_N_TERMS = len(TERMS)


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
    curvatures, axes = np.linalg.eigh(curvature(log_posterior, x))
    root = (axes / np.sqrt(np.maximum(curvatures, 1.0))) @ axes.T
    return 0.5 * (root + root.T)


def whitens(log_posterior: LogPosterior, x: Array, root: Array, rng: np.random.Generator) -> bool:
    """Whether the posterior is nearly a standard Normal in u at draws from that Normal.

    There the gradient in u would be -u; half of the draws must leave less than a quarter of its
    square unexplained.
    """
    unexplained = []
    for u in rng.normal(size=(_PROBES, len(x))):
        evaluation = log_posterior.evaluate(x + root @ u)
        if np.isfinite(evaluation.value) and np.isfinite(evaluation.gradient).all():
            with np.errstate(over="ignore"):
                gap = root @ evaluation.gradient + u
                unexplained.append(gap @ gap / len(x))
        else:
            unexplained.append(np.inf)
    return bool(np.median(unexplained) < _UNEXPLAINED)


@compiled
def framed_log_posterior(
    u: Array, flat: Array, centre: Array, root: Array, gradient: Array
) -> float:
    """Return the log posterior density at x(u), nats, and write its gradient in u.

    Parameters
    ----------
    u : array of shape (dim,)
    flat : array
        The problem, `bayesgmm.likelihood.compiled.coordinates.flatten`.
    centre, root : arrays
        Of the `Frame`.
    gradient : array of shape (dim,), written
    """
    size = u.shape[0]
    memory = np.empty(2 * size + _N_TERMS)
    x, slope = part(memory, 0, (size,)), part(memory, size, (size,))
    terms = part(memory, 2 * size, (_N_TERMS,))
    if root.shape[0] == 0:
        value = log_posterior(u, flat, 1.0, 1.0, terms, gradient)
    else:
        unframed(u, centre, root, x)
        value = log_posterior(x, flat, 1.0, 1.0, terms, slope)
        gradient[:] = 0.0
        _add_products(root, slope, gradient)
    memory[0] = value  # the last use of that in which the parts lie
    return value


@compiled
def unframed(u: Array, centre: Array, root: Array, x: Array) -> None:
    """Write x = centre + root u."""
    if root.shape[0] == 0:
        x[:] = u
    else:
        x[:] = centre
        _add_products(root, u, x)


@compiled_fast
def _add_products(matrix: Array, weights: Array, out: Array) -> None:
    """Add a symmetric matrix times `weights`, four of its rows at a time."""
    size = weights.shape[0]
    for j in range(0, size - 3, 4):
        a0, a1, a2, a3 = weights[j], weights[j + 1], weights[j + 2], weights[j + 3]
        for i in range(size):
            s = a0 * matrix[j, i] + a1 * matrix[j + 1, i]
            out[i] += s + a2 * matrix[j + 2, i] + a3 * matrix[j + 3, i]
    for j in range(size - size % 4, size):
        for i in range(size):
            out[i] += weights[j] * matrix[j, i]
