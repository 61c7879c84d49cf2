"""A proposal for importance sampling: Student's t at the modes of a posterior, over all labels."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import gammaln, logsumexp

from bayesgmm.advice import Advice, Option
from bayesgmm.errors import SamplingError
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.sampling.permuting import Permuting, cluster_coordinates, orders_within
from bayesgmm.sampling.posterior_modes import PosteriorMode
from bayesgmm.typing import Array, BoolArray, IntArray

__all__ = ["StudentMixture", "no_proposals"]

_NEGLIGIBLE = -30.0  # nats
_MOST_TERMS = 5000  # t under other labels; where so many overlap, labels mean nothing


def no_proposals(why: str) -> SamplingError:
    """Return the error of proposals that cannot be made or weighed; it carries `why`."""
    nuts = Option("method", "nuts")
    return SamplingError(
        Advice(f"importance sampling at the modes failed: {why}. Sample with ", nuts, "."), why=why
    )


@dataclass(frozen=True, eq=False)
class StudentMixture:
    """A normalised density q(x) = (1 / m) sum_s sum_j w_j t(P_s x | m_j, F_j F_j', nu).

    The sum over s is that over the m permutations of the labels within exchangeable groups.

    Parameters
    ----------
    target : LogPosterior
        Says which labels are exchangeable, and which coordinates belong to clusters.
    weights : array of shape (mode,)
        They sum to 1.
    means : array of shape (mode, dim)
    factors : array of shape (mode, dim, dim)
        Lower triangles.
    freedom : float
        Degrees of freedom nu.
    """

    target: LogPosterior
    weights: Array
    means: Array
    factors: Array
    freedom: float

    @classmethod
    def at_modes(
        cls, target: LogPosterior, modes: Sequence[PosteriorMode], weights: Array, freedom: float
    ) -> Self:
        """Return a t at each mode, shaped as the curvature there.

        Parameters
        ----------
        target : LogPosterior
        modes : sequence of PosteriorMode
            With positive definite precisions.
        weights : array of shape (mode,)
        freedom : float
        """
        covariances = np.stack([np.linalg.inv(mode.precision) for mode in modes])
        covariances = 0.5 * (covariances + covariances.swapaxes(1, 2))
        means = np.stack([mode.x for mode in modes])
        return cls(target, weights, means, np.linalg.cholesky(covariances), freedom)

    def draw(self, size: int, rng: np.random.Generator) -> Array:
        """Draw independent points (size, dim), each in the labelling of its mode."""
        dim = self.means.shape[1]
        chosen = rng.choice(len(self.weights), size, p=self.weights)
        noise = rng.standard_normal((size, dim))
        noise *= np.sqrt(self.freedom / rng.chisquare(self.freedom, size))[:, None]
        out = self.means[chosen]
        for j, factor in enumerate(self.factors):
            mine = chosen == j
            out[mine] += noise[mine] @ factor.T
        return out

    def log_density(self, points: Array) -> Array:
        """Return log q of points (point, dim), nats.

        Terms under other labels are left out where they are more than 30 nats below those under
        the point's own.

        Raises
        ------
        SamplingError
            Where labels overlap so much that thousands of terms count.
        """
        own = np.stack([self._log_term(j, points) for j in range(len(self.weights))])
        out = logsumexp(own, axis=0)
        groups = self.target.resolved.groups
        if not groups.exchangeable:
            return out
        reference, permuting = out.copy(), Permuting(self.target)
        for number, (j, order, near) in enumerate(self._within_reach(points, reference)):
            if number >= _MOST_TERMS:
                raise no_proposals(
                    "the clusters overlap so much that the proposal is a sum over too many orders "
                    "of the labels"
                )
            there = permuting.points(points[near], order)
            out[near] = np.logaddexp(out[near], self._log_term(j, there))
        return out - groups.log_order

    def _log_term(self, j: int, points: Array) -> Array:
        """Return log w_j t_j of points (point, dim)."""
        dim, nu = points.shape[1], self.freedom
        z = solve_triangular(self.factors[j], (points - self.means[j]).T, lower=True)
        return self._height(j) - 0.5 * (nu + dim) * np.log1p((z**2).sum(axis=0) / nu)

    def _height(self, j: int) -> float:
        """Return log w_j t_j at its mean."""
        dim, nu = self.means.shape[1], self.freedom
        constant = (
            gammaln(0.5 * (nu + dim)) - gammaln(0.5 * nu) - 0.5 * dim * math.log(nu * math.pi)
        )
        return float(constant - np.log(np.diag(self.factors[j])).sum() + np.log(self.weights[j]))

    def _within_reach(
        self, points: Array, reference: Array
    ) -> Iterator[tuple[int, IntArray, BoolArray]]:
        """Yield modes and orders, the identity aside, that a bound does not rule out, and where.

        The Mahalanobis distance of a cluster's own coordinates under their marginal is at most that
        of all coordinates: one cluster far from its place makes the term negligible.
        """
        own = cluster_coordinates(self.target)
        n_clusters, allowed = len(own), self.target.resolved.groups.allowed
        dim, nu, unchanged = self.means.shape[1], self.freedom, list(range(n_clusters))
        for j, (mean, factor) in enumerate(zip(self.means, self.factors, strict=True)):
            if self.weights[j] == 0.0:
                continue
            drop = np.maximum(self._height(j) - reference - _NEGLIGIBLE, 0.0)
            margin = nu * np.expm1(2.0 * drop / (nu + dim))
            within = np.empty((n_clusters, n_clusters, len(points)), dtype=bool)
            for place, index in enumerate(own):
                marginal = np.linalg.cholesky(factor[index] @ factor[index].T)
                gaps = (points[:, own] - mean[index]).reshape(-1, len(index))
                z = solve_triangular(marginal, gaps.T, lower=True)
                least = (z**2).sum(axis=0).reshape(-1, n_clusters)
                within[place] = (least < margin[:, None]).T
            within &= allowed[:, :, None]
            for order, near in orders_within(within, [], np.ones(len(points), dtype=bool)):
                if order != unchanged:
                    yield j, np.array(order), near
