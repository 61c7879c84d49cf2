"""Components with the tails of Student's t: what is known of their degrees of freedom."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincc, gammaln

from bayesgmm.typing import Array

__all__ = ["Tails", "expected_weights", "half_in_the_plane"]

_LEAST = 1e-6  # above it: the logarithm stays finite
_FROM = 1.0  # degrees of freedom: below, a component has no mean


@dataclass(frozen=True)
class Tails:
    """The degrees of freedom nu of the components of a mixture of t.

    Unknown ones have the prior Gamma(shape, rate) cut to nu > 1 and normalised, and the coordinate
    log(nu - 1).

    Parameters
    ----------
    nu : float, "shared" or "own"
        Known; one unknown number for all clusters; or one per cluster.
    shape, rate : float
        Of the prior.

    References
    ----------
    Juarez and Steel (2010), Journal of Business and Economic Statistics 28:52 (the prior).
    """

    nu: float | str
    shape: float
    rate: float

    @property
    def lowest(self) -> float:
        """Where the prior is cut."""
        return _FROM

    @property
    def known(self) -> bool:
        """Whether the degrees of freedom are given."""
        return not isinstance(self.nu, str)

    @property
    def own(self) -> bool:
        """Whether each cluster has degrees of freedom of its own."""
        return self.nu == "own"

    def n_free(self, n_components: int) -> int:
        """Return how many degrees of freedom are unknown."""
        return 0 if self.known else n_components if self.own else 1

    def given(self, n_components: int) -> Array:
        """Return those that are known, else a place to start from: shape (cluster,)."""
        return np.full(n_components, float(self.nu) if self.known else 2.0 * self.shape / self.rate)

    @property
    def log_constant(self) -> float:
        """The log of what normalises nu^(shape - 1) exp(-rate nu) above 1."""
        above = float(gammaincc(self.shape, self.rate * _FROM))
        return self.shape * math.log(self.rate) - float(gammaln(self.shape)) - math.log(above)

    def draws(self, size: tuple[int, ...], rng: np.random.Generator) -> Array:
        """Draw from the prior."""
        out = rng.gamma(self.shape, 1.0 / self.rate, size)
        while (low := out <= _FROM).any():
            out[low] = rng.gamma(self.shape, 1.0 / self.rate, int(low.sum()))
        return out

    def free(self, nu: Array) -> Array:
        """Return the coordinates (..., n_free) of degrees of freedom (..., cluster)."""
        if self.known:
            return nu[..., :0]
        return np.log(np.maximum((nu if self.own else nu[..., :1]) - _FROM, _LEAST))


def expected_weights(squares: Array, n_cells: int, nu: Array) -> Array:
    """Return E[u | row] = (nu + d) / (nu + q) for squared distances q of rows with d cells.

    Parameters
    ----------
    squares : array of shape (..., obs)
        Squared Mahalanobis distances from a component, by its scale matrix.
    n_cells : int
    nu : array, which broadcasts with `squares`

    References
    ----------
    Peel and McLachlan (2000), Statistics and Computing 10:339.

    Examples
    --------
    >>> expected_weights(np.array([0.0, 2.0, 20.0]), 2, np.array([4.0])).tolist()
    [1.5, 1.0, 0.25]
    """
    return (nu + n_cells) / (nu + squares)


def half_in_the_plane(nu: Array | None) -> Array:
    """Return the squared Mahalanobis distance within which half of a component in the plane lies.

    That is 2 log 2 of a Gaussian; half the square of a t has the distribution F(2, nu).

    Parameters
    ----------
    nu : array, or None where components are Gaussian

    Examples
    --------
    >>> half_in_the_plane(None).round(3).item(), half_in_the_plane(np.array([3.0, 1e9])).round(3)
    (1.386, array([1.762, 1.386]))
    """
    gaussian = 2.0 * math.log(2.0)
    return np.array(gaussian) if nu is None else nu * np.expm1(gaussian / nu)
