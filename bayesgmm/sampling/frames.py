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

from bayesgmm.compiling import compiled, compiled_fast
from bayesgmm.mixture.fused import TERMS, log_posterior
from bayesgmm.mixture.posterior import LogPosterior
from bayesgmm.typing import Array

__all__ = ["Frame", "framed_log_posterior", "local_root", "unframed", "whitens"]

_STEP = 1e-4
_PROBES = 32
_UNEXPLAINED = 0.25  # share of the squared gradient that the quadratic may leave over
_N_TERMS = len(TERMS)


class Frame(NamedTuple):
    """The map x = centre + root u from a chain's coordinates to the unconstrained ones.

    Parameters
    ----------
    centre : array of shape (dim,), fitting units
    root : array of shape (dim, dim), upper triangular
        Of shape (0, 0) where the chain moves in x itself.
    """

    centre: Array
    root: Array

    @classmethod
    def plain(cls, dim: int) -> "Frame":
        """Return the frame of a chain that moves in x itself."""
        return cls(np.zeros(dim), np.empty((0, 0)))

    def inverse(self, x: Array) -> Array:
        """Return the u of an x (dim,)."""
        return np.linalg.solve(self.root, x - self.centre) if len(self.root) else x


def local_root(log_posterior: LogPosterior, x: Array) -> Array:
    """Return the root of the inverse of minus the Hessian at x (dim,), by central differences.

    No direction gets a standard deviation above 1, the order of the prior's.
    """
    hessian = np.empty((len(x), len(x)))
    for i in range(len(x)):
        step = np.zeros(len(x))
        step[i] = _STEP
        below, above = log_posterior.evaluate(x - step), log_posterior.evaluate(x + step)
        hessian[i] = (below.gradient - above.gradient) / (2.0 * _STEP)
    curvatures, axes = np.linalg.eigh(0.5 * (hessian + hessian.T))
    precision = (axes * np.maximum(curvatures, 1.0)) @ axes.T
    return np.ascontiguousarray(np.triu(np.linalg.inv(np.linalg.cholesky(precision)).T))


def whitens(log_posterior: LogPosterior, x: Array, root: Array, rng: np.random.Generator) -> bool:
    """Whether the posterior is nearly a standard Normal in u at draws from that Normal.

    There the gradient in u would be -u; half of the draws must leave less than a quarter of its
    square unexplained.
    """
    unexplained = []
    for u in rng.normal(size=(_PROBES, len(x))):
        evaluation = log_posterior.evaluate(x + root @ u)
        gap = evaluation.gradient @ root + u
        unexplained.append(gap @ gap / len(x) if np.isfinite(evaluation.value) else np.inf)
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
        The problem, `bayesgmm.mixture.coordinates.flatten`.
    centre, root : arrays
        Of the `Frame`.
    gradient : array of shape (dim,), written
    """
    terms = np.empty(_N_TERMS)
    if root.shape[0] == 0:
        return log_posterior(u, flat, 1.0, 1.0, terms, gradient)
    x, slope = np.empty(u.shape[0]), np.empty(u.shape[0])
    unframed(u, centre, root, x)
    value = log_posterior(x, flat, 1.0, 1.0, terms, slope)
    _pull_back(slope, root, gradient)
    return value


@compiled_fast
def unframed(u: Array, centre: Array, root: Array, x: Array) -> None:
    """Write x = centre + root u."""
    for i in range(u.shape[0]):
        if root.shape[0] == 0:
            x[i] = u[i]
            continue
        s = centre[i]
        for j in range(i, u.shape[0]):
            s += root[i, j] * u[j]
        x[i] = s


@compiled_fast
def _pull_back(slope: Array, root: Array, gradient: Array) -> None:
    """Write the gradient in u, root' times that in x."""
    for j in range(gradient.shape[0]):
        gradient[j] = 0.0
    for i in range(gradient.shape[0]):
        for j in range(i, gradient.shape[0]):
            gradient[j] += root[i, j] * slope[i]
