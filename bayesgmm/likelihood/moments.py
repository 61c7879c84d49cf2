"""What a pass over rows yields: all that the M-step, the gradient and Gibbs' moves ask of them."""

from typing import NamedTuple, Self

import numpy as np

from bayesgmm.typing import Array

__all__ = ["AS_MASS", "Moments"]

AS_MASS = np.empty(0)


class Moments(NamedTuple):
    """The moments of rows shared out among clusters, fitting coordinates.

    Parameters
    ----------
    log_likelihood : float, nats
    mass : array of shape (cluster,)
        Sums of the responsibilities.
    centres : array of shape (cluster, feature)
        Weighted means of the rows of each cluster.
    scatters : array of shape (cluster, feature, feature)
        Weighted sums of squares and products about those means.
    shares : array of shape (cluster or 0,)
        The rows that weights of clusters are in proportion to; those of the mass where absent.
    """

    log_likelihood: float
    mass: Array
    centres: Array
    scatters: Array
    shares: Array = AS_MASS

    def merge(self, other: Self) -> "Moments":
        """Return the moments of both sets of rows, of which neither has shares.

        References
        ----------
        Chan, Golub and LeVeque (1983), The American Statistician 37:242.

        Examples
        --------
        >>> one = Moments(-1.0, np.ones(1), np.zeros((1, 1)), np.zeros((1, 1, 1)))
        >>> other = Moments(-2.0, np.ones(1), np.full((1, 1), 2.0), np.zeros((1, 1, 1)))
        >>> both = one.merge(other)
        >>> both.centres.item(), both.scatters.item()
        (1.0, 2.0)
        """
        mass = self.mass + other.mass
        share = np.divide(other.mass, mass, out=np.zeros_like(mass), where=mass > 0.0)
        move = other.centres - self.centres
        between = (self.mass * share)[:, None, None] * move[:, :, None] * move[:, None, :]
        return Moments(
            self.log_likelihood + other.log_likelihood,
            mass,
            self.centres + share[:, None] * move,
            self.scatters + other.scatters + between,
        )
