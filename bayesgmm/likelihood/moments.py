"""What a pass over rows yields: all that the M-step, the gradient and Gibbs' moves ask of them."""

from typing import NamedTuple, Self

import numpy as np

from bayesgmm.typing import Array

__all__ = ["NONE", "Moments"]

NONE = np.empty(0)


class Moments(NamedTuple):
    """The moments of rows shared out among clusters, fitting coordinates.

    Parameters
    ----------
    log_likelihood : float, nats
    mass : array of shape (normal, then the noise if there is one)
        Sums of the responsibilities; a normal is a cluster, or one of its two Gaussians
        (`bayesgmm.likelihood.compiled.layers`).
    centres : array of shape (normal, feature)
        Weighted means of the rows of each.
    scatters : array of shape (normal, feature, feature)
        Weighted sums of squares and products about those means.
    scaled, logs : arrays of shape (cluster or 0,)
        Of components with the tails of t: sums of E u and E log u, u being the precision by which
        a row is scaled (`bayesgmm.likelihood.compiled.tails`). Centres and scatters are weighted
        by E u too.
    shares : array of shape (cluster or 0,)
        The rows that weights of clusters are in proportion to; those of the mass where absent.
    """

    log_likelihood: float
    mass: Array
    centres: Array
    scatters: Array
    scaled: Array = NONE
    logs: Array = NONE
    shares: Array = NONE

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
        mine, its = self._entered, other._entered
        both = mine + its
        share = np.divide(its, both, out=np.zeros_like(both), where=both > 0.0)
        move = other.centres - self.centres
        between = (mine * share)[:, None, None] * move[:, :, None] * move[:, None, :]
        return Moments(
            self.log_likelihood + other.log_likelihood,
            self.mass + other.mass,
            self.centres + share[:, None] * move,
            self.scatters + other.scatters + between,
            self.scaled + other.scaled,
            self.logs + other.logs,
        )

    def rows(self, n_clusters: int) -> Array:
        """Return the rows of each cluster, and after them of the noise: shape (part,)."""
        n_normals = len(self.centres)
        clusters = self.mass[:n_normals].reshape(-1, n_clusters).sum(axis=0)
        return np.concatenate([clusters, self.mass[n_normals:]])

    @property
    def _entered(self) -> Array:
        """With which weight rows entered centres and scatters: shape (cluster,)."""
        return self.scaled if self.scaled.size else self.mass[: len(self.centres)]
