"""The bridge's proposal: Gaussians fitted to draws, made symmetric in the labels."""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import logsumexp

from bayesgmm.errors import (
    ConvergenceWarning,
    DataError,
    DataWarning,
    DegeneracyWarning,
    DegenerateFitError,
    SamplingError,
)
from bayesgmm.evidence.round_groups import MAX_GAUSSIANS, Groups, round_groups
from bayesgmm.evidence.shrinkage import shrunk_moments
from bayesgmm.fit import PointFit
from bayesgmm.fit.em import starting_fit
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.sampling.permuting import Permuting, cluster_coordinates, orders_within
from bayesgmm.sampling.preconditioning import local_root
from bayesgmm.typing import Array, BoolArray, IntArray

__all__ = ["Proposal", "fit_proposal", "unwarned"]

NEGLIGIBLE = -16.0
PROBES = 200
_STARTS = 1
_TOLERANCE = 1e-4
_SPANS_LESS = (
    "the draws span fewer dimensions than the posterior has (a constant chain?); no evidence can "
    "be computed. Sample again with more draws."
)
_VALUES = 2**20  # whitened coordinates at a time: 8 MiB


@dataclass(frozen=True, eq=False)
class Proposal:
    """A normalised density q(x) = (1 / m) sum_s sum_g w_g N(P_s x | m_g, F_g F_g').

    The sum over s is that over the m permutations of the labels within exchangeable groups: K! of
    them where all labels are exchangeable.

    Parameters
    ----------
    weights : array of shape (gaussian,)
    means : array of shape (gaussian, dim)
    factors : array of shape (gaussian, dim, dim)
        Lower triangles F_g.
    whitenings : array of shape (term, dim, dim)
        F_g^-1 P_s of the terms that count.
    shifts : array of shape (term, dim)
        F_g^-1 m_g.
    constants : array of shape (term,)
        log w_g - log det F_g - dim / 2 log 2 pi - log m.
    """

    weights: Array
    means: Array
    factors: Array
    whitenings: Array
    shifts: Array
    constants: Array

    def draw(self, size: int, rng: np.random.Generator) -> Array:
        """Draw points (size, dim), in the labelling of the draws that were fitted."""
        chosen = np.repeat(np.arange(len(self.weights)), rng.multinomial(size, self.weights))
        noise = rng.standard_normal((size, self.means.shape[1]))
        for gaussian, factor in enumerate(self.factors):
            noise[chosen == gaussian] = noise[chosen == gaussian] @ factor.T
        return np.asarray(self.means[chosen] + noise)

    def log_density(self, points: Array) -> Array:
        """Return log q of points (point, dim), nats."""
        whitening = self.whitenings.reshape(-1, points.shape[1]).T
        out = np.empty(len(points))
        step = max(1, _VALUES // whitening.shape[1])
        for start in range(0, len(points), step):
            part = slice(start, start + step)
            z = (points[part] @ whitening).reshape(-1, *self.shifts.shape) - self.shifts
            terms = self.constants - 0.5 * np.einsum("ngd,ngd->ng", z, z)
            out[part] = np.logaddexp.reduce(terms, axis=1)
        return out

    def symmetrised(self, target: LogPosterior, points: Array) -> Self:
        """Return the mean over all permutations of exchangeable labels.

        Parameters
        ----------
        target : LogPosterior
            Where its labels are not exchangeable nothing is done.
        points : array of shape (point, dim)
            What the density is wanted at: permuted Gaussians that contribute nothing there are
            left out, and the divisor stays the number of all.
        """
        groups = target.resolved.groups
        if not groups.exchangeable:
            return self
        reference, permuting = self.log_density(points), Permuting(target)
        whitenings, shifts, constants = [*self.whitenings], [*self.shifts], [*self.constants]
        for gaussian, order, near in _within_reach(self, target, points, reference):
            whitening = self.whitenings[gaussian]
            shift, constant = self.shifts[gaussian], self.constants[gaussian]
            there = permuting.points(points[near], order)
            density = _log_gaussian(there, whitening, shift, constant)
            if (density - reference[near]).max() > NEGLIGIBLE:
                whitenings.append(permuting.columns(whitening, order))
                shifts.append(shift)
                constants.append(constant)
        return replace(
            self,
            whitenings=np.stack(whitenings),
            shifts=np.stack(shifts),
            constants=np.array(constants) - groups.log_order,
        )


def fit_proposal(target: LogPosterior, draws: Array, seed: int) -> Proposal:
    """Fit Gaussians to draws by EM, twice as many again as long as BIC falls.

    Each covariance is then shrunk towards the shape that the posterior's curvature has at its mean:
    in hundreds of coordinates that of the draws alone is mostly noise. Where draws are fewer than
    one free covariance has parameters, EM has no correlations: it goes on where the curvature at a
    mode is round.

    Parameters
    ----------
    target : LogPosterior
        Of which the draws are.
    draws : array of shape (draw, dim)
        Unconstrained coordinates, in one labelling as far as there is one, chain after chain.
    seed : int

    Raises
    ------
    SamplingError
        When the draws span fewer dimensions than they have.
    """
    n_draws, dim = draws.shape
    if not draws.std(axis=0).all():
        raise SamplingError(_SPANS_LESS)
    if n_draws < dim * (dim + 3) // 2:
        groups = round_groups(target, draws, seed)
    else:
        groups = _free_groups(draws, seed)
    moments = [
        shrunk_moments(draws, shares, local_root(target, mean))
        for shares, mean in zip(groups.shares, groups.means, strict=True)
    ]
    return _of_moments(groups.weights, *(np.stack(each) for each in zip(*moments, strict=True)))


def _free_groups(draws: Array, seed: int) -> Groups:
    """Return the groups that Gaussians with free covariances find."""
    best = _gaussians(draws, 1, seed)
    if best is None:
        raise SamplingError(_SPANS_LESS)
    number = 2
    while number <= MAX_GAUSSIANS:
        fit = _gaussians(draws, number, seed)
        if fit is None or fit.bic >= best.bic:
            break
        best, number = fit, 2 * number
    free = _of_moments(best.weights, best.means, best.covariances)
    terms = [
        _log_gaussian(draws, *term)
        for term in zip(free.whitenings, free.shifts, free.constants, strict=True)
    ]
    return Groups(free.weights, free.means, np.exp(terms - logsumexp(terms, axis=0)))


def _of_moments(weights: Array, means: Array, covariances: Array) -> Proposal:
    """Return the density of Gaussians (gaussian,), in the one labelling that they have."""
    factors = np.linalg.cholesky(covariances)
    dim = means.shape[1]
    inverses = np.stack([solve_triangular(f, np.eye(dim), lower=True) for f in factors])
    constants = np.log(weights) - 0.5 * dim * math.log(2.0 * math.pi)
    constants -= np.log(np.einsum("gdd->gd", factors)).sum(axis=1)
    return Proposal(
        weights=weights / weights.sum(),
        means=means,
        factors=factors,
        whitenings=inverses,
        shifts=np.einsum("gij,gj->gi", inverses, means),
        constants=constants,
    )


@contextmanager
def unwarned() -> Iterator[None]:
    """Keep back what EM says of poor fits, which BIC judges here.

    Filters are those of the whole process: who fits in threads must hold this around all of them.
    """
    with warnings.catch_warnings():
        for category in (ConvergenceWarning, DataWarning, DegeneracyWarning):
            warnings.simplefilter("ignore", category)
        yield


def _within_reach(
    proposal: Proposal, target: LogPosterior, points: Array, reference: Array
) -> Iterator[tuple[int, IntArray, BoolArray]]:
    """Yield Gaussians and permutations, the identity aside, that a bound does not rule out, where.

    The Mahalanobis distance of a cluster's own coordinates under their marginal is at most that of
    all coordinates: one cluster far from its place makes the term negligible.
    """
    own = cluster_coordinates(target)
    n_clusters, allowed = len(own), target.resolved.groups.allowed
    unchanged = list(range(n_clusters))
    margins = proposal.constants[:, None] - reference - NEGLIGIBLE
    for gaussian, (mean, factor) in enumerate(zip(proposal.means, proposal.factors, strict=True)):
        least = np.empty((n_clusters, n_clusters, len(points)))  # place, label, point
        for place, index in enumerate(own):
            marginal = np.linalg.cholesky(factor[index] @ factor[index].T)
            z = (points[:, own] - mean[index]) @ np.linalg.inv(marginal).T
            least[place] = 0.5 * (z**2).sum(axis=2).T
        within = (least < margins[gaussian]) & allowed[:, :, None]
        for order, near in orders_within(within, [], np.ones(len(points), dtype=bool)):
            if order != unchanged:
                yield gaussian, np.array(order), near


def _gaussians(draws: Array, number: int, seed: int) -> PointFit | None:
    """Fit so many Gaussians; None where the draws do not carry them."""
    with unwarned():
        try:
            spec = MixtureSpec(number, resolution=0.0)
            return starting_fit(draws, spec, seed=seed, n_starts=_STARTS, tol=_TOLERANCE)
        except (DataError, DegenerateFitError):
            return None


def _log_gaussian(points: Array, whitening: Array, shift: Array, constant: float) -> Array:
    z = points @ whitening.T - shift
    return constant - 0.5 * np.einsum("nd,nd->n", z, z)
