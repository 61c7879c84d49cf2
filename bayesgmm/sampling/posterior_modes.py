"""Modes of the posterior in its unconstrained coordinates, each with its Laplace mass.

With the Jacobian included the density has no pole where a weight is 0, whatever the concentration,
and none at a scale of 0 that the recording error or a log-normal prior bounds.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.special import logsumexp

from bayesgmm.likelihood.climbing import ascend_from, curvature, curvatures
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.limits import LAPLACE_FACTOR, VISIBLE
from bayesgmm.typing import Array, IntArray

__all__ = [
    "EVALUATIONS",
    "KnownShapes",
    "Labelling",
    "PosteriorMode",
    "climb",
    "climbed_mode",
    "distinct_modes",
    "is_maximum",
    "laplace_shares",
    "local_covariances",
    "mode_at",
    "nominated",
]

EVALUATIONS = 2000
_LARGEST = 40.0  # of log weights, log scales and log odds: further out lie poles, not modes
_CURVED = 1e-6  # smallest curvature of a maximum; that of every prior is far above
_OFF_SADDLE = 0.1
_SADDLES = 4
_UNEXPLAINED = 0.5  # share of the squared gradient at a point that a mode's quadratic leaves over
_SAME_VALUE, _SAME_PLACE = 1e-3, 1e-2  # nats, squared standard deviations
_TWINS = 1e-3  # largest difference of two clusters that are one
_APART = 1e12  # cost of labels that the prior tells apart


@dataclass(frozen=True, eq=False)
class PosteriorMode:
    """A local maximum of the log posterior density in x, all its labellings taken together.

    Parameters
    ----------
    x : array of shape (dim,)
        Unconstrained coordinates, fitting units, in one labelling.
    log_density : float
        Log posterior density in x there, nats, fitting units.
    precision : array of shape (dim, dim)
        Minus the Hessian.
    multiplicity : int
        Number of distinct labellings: the permutations within exchangeable groups (K! where all are
        alike) over those that leave x unchanged.
    """

    x: Array
    log_density: float
    precision: Array
    multiplicity: int

    @property
    def log_mass(self) -> float:
        """Laplace's approximation of the log of its mass, nats, fitting units."""
        log_volume = len(self.x) * math.log(2.0 * math.pi) - np.linalg.slogdet(self.precision)[1]
        return float(self.log_density + 0.5 * log_volume + math.log(self.multiplicity))


class Labelling:
    """How points compare with one another where labels mean nothing.

    Parameters
    ----------
    log_posterior : LogPosterior
    """

    def __init__(self, log_posterior: LogPosterior) -> None:
        resolved = log_posterior.resolved
        self.n_clusters = resolved.n_components
        moved = resolved.own_blocks
        index = np.arange(log_posterior.dim)
        own = [index[log_posterior.slices[n]] for n in moved if n in log_posterior.slices]
        self._own = np.hstack([part.reshape(self.n_clusters, -1) for part in own])
        self._groups = resolved.groups
        self._n_free = resolved.n_parts - 1

    def blocks(self, points: Array) -> Array:
        """Return what belongs to each cluster: centred log weight and its own coordinates.

        Parameters
        ----------
        points : array of shape (point, dim)

        Returns
        -------
        array of shape (point, cluster, coordinate)
        """
        free = points[:, : self._n_free]
        parts = np.concatenate([free, -free.sum(axis=1, keepdims=True)], axis=1)
        weights = parts[:, : self.n_clusters]
        return np.concatenate([weights[:, :, None], points[:, self._own]], axis=2)

    def permuted(self, x: Array, order: IntArray) -> Array:
        """Return x (dim,) with cluster k taken from `order[k]`."""
        out = x.copy()
        out[: self._n_free] = self.blocks(x[None])[0, order[: self._n_free], 0]
        out[self._own] = x[self._own[order]]
        return out

    def costs(self, mode: PosteriorMode, points: Array) -> Array:
        """Return how far each label of each point is from each cluster of a mode.

        Squared differences in standard deviations, those of a cluster's coordinates where all
        others are held. A permutation of the mode permutes them, so that the points to which the
        identity is the cheapest assignment are one of as many equal parts of the space as there
        are permutations.

        Returns
        -------
        array of shape (point, cluster, label)
        """
        reference = self.blocks(mode.x[None])[0]
        sharpness = np.maximum(np.diag(mode.precision), 1.0)
        weights = np.concatenate([np.ones((self.n_clusters, 1)), sharpness[self._own]], axis=1)
        gaps = reference[:, None] - self.blocks(points)[:, None]
        costs = (weights[:, None] * gaps**2).sum(axis=3)
        costs[:, ~self._groups.allowed] += _APART
        return costs

    def matched(self, mode: PosteriorMode, points: Array) -> tuple[Array, Array]:
        """Return points with the labels that bring them nearest to a mode, and who had them.

        Returns
        -------
        points : array of shape (point, dim)
        own : array of shape (point,), bool
            The points whose labels were the nearest as they are.
        """
        costs = self.costs(mode, points)
        as_they_are = np.einsum("pkk->p", costs)
        out, own = points.copy(), np.ones(len(points), dtype=bool)
        settled = (costs.argmin(axis=2) == np.arange(self.n_clusters)).all(axis=1)
        for i in np.flatnonzero(~settled):
            rows, order = linear_sum_assignment(costs[i])
            own[i] = as_they_are[i] <= costs[i][rows, order].sum() * (1.0 + 1e-9) + 1e-12
            if not own[i]:
                out[i] = self.permuted(points[i], order)
        return out, own

    def distances(self, mode: PosteriorMode, points: Array) -> Array:
        """Return squared distances (point,) from a mode in its own standard deviations."""
        gaps = self.matched(mode, points)[0] - mode.x
        return np.einsum("pi,ij,pj->p", gaps, mode.precision, gaps)

    def is_at(self, mode: PosteriorMode, x: Array, log_density: float) -> bool:
        """Whether a climb that ended at x (dim,) has ended at this mode, in any labelling."""
        near = abs(mode.log_density - log_density) < _SAME_VALUE
        return near and bool(self.distances(mode, x[None])[0] < _SAME_PLACE)

    def multiplicity(self, x: Array) -> int:
        """Return the number of distinct labellings of x (dim,)."""
        blocks = self.blocks(x[None])[0]
        twins = (np.abs(blocks[:, None] - blocks) < _TWINS).all(axis=2) & self._groups.allowed
        stabiliser = _orders(np.unique(twins, axis=0).sum(axis=1))
        return _orders(len(group) for group in self._groups.groups) // stabiliser


def _orders(sizes: Iterable[int]) -> int:
    """Return how many permutations move labels within groups of these sizes."""
    return math.prod(math.factorial(int(size)) for size in sizes)


def climb(log_posterior: LogPosterior, x: Array) -> tuple[Array, float]:
    """Climb from x (dim,), fitting units; return where the climb ended and the density there."""
    metric = local_covariances(log_posterior, x[None])[0]
    return _ascended(log_posterior, x, metric)


def _ascended(log_posterior: LogPosterior, x: Array, metric: Array) -> tuple[Array, float]:
    start = np.clip(x, *_bounds(log_posterior))
    return ascend_from(log_posterior, start, metric, EVALUATIONS)


def climbed_mode(
    log_posterior: LogPosterior,
    x: Array,
    metric: Array | None = None,
    known: Sequence[PosteriorMode] = (),
) -> PosteriorMode | None:
    """Climb from x (dim,) to a mode; a saddle on the way is left along its rising direction.

    None is returned where the climb leads to a pole, or no higher than a known mode at its place.

    Parameters
    ----------
    log_posterior : LogPosterior
    x : array of shape (dim,)
    metric : array of shape (dim, dim), optional
        That of `local_covariances` at x.
    known : sequence of PosteriorMode
    """
    labelling = Labelling(log_posterior)
    for _ in range(_SADDLES):
        if metric is None:
            x, value = climb(log_posterior, x)
        else:
            x, value = _ascended(log_posterior, x, metric)
            metric = None
        if any(value <= mode.log_density and labelling.is_at(mode, x, value) for mode in known):
            return None
        if _at_pole(log_posterior, x, value):
            return None
        mode = mode_at(log_posterior, x)
        if mode is None:
            return None
        curvatures, axes = np.linalg.eigh(mode.precision)
        if curvatures[0] > _CURVED:
            return mode
        sides = [x + side * _OFF_SADDLE * axes[:, 0] for side in (1.0, -1.0)]
        x = max(sides, key=lambda side: log_posterior.evaluate(side).value)
    return None


def is_maximum(log_posterior: LogPosterior, x: Array, value: float, precision: Array) -> bool:
    """Whether a climb that ended at x (dim,) ended at a maximum of this curvature, at no pole."""
    if _at_pole(log_posterior, x, value) or not np.isfinite(precision).all():
        return False
    return bool(np.linalg.eigvalsh(precision)[0] > _CURVED)


def _at_pole(log_posterior: LogPosterior, x: Array, value: float) -> bool:
    low, high = _bounds(log_posterior)
    return not math.isfinite(value) or bool(((x <= low + 1.0) | (x >= high - 1.0)).any())


def mode_at(log_posterior: LogPosterior, x: Array) -> PosteriorMode | None:
    """Return the mode whose place x (dim,) is known; None where the density is not finite."""
    precision = curvature(log_posterior, x)
    if not np.isfinite(precision).all():
        return None
    return PosteriorMode(
        x=x,
        log_density=log_posterior.evaluate(x).value,
        precision=precision,
        multiplicity=Labelling(log_posterior).multiplicity(x),
    )


def local_covariances(log_posterior: LogPosterior, points: Array) -> Array:
    """Return the inverse of minus the Hessian at points (point, dim), or at the bounds they pass.

    Shape (point, dim, dim). No standard deviation is above 1, which is the order of the prior's.
    Directions of negative curvature count with its size. They are rough, to begin climbs with.
    """
    out = curvatures(log_posterior, np.clip(points, *_bounds(log_posterior)), rough=True)
    for hessian in out:
        hessian[:] = _inverse(hessian) if np.isfinite(hessian).all() else np.eye(len(hessian))
    return out


def _inverse(hessian: Array) -> Array:
    sizes, axes = np.linalg.eigh(hessian)
    return np.asarray((axes / np.maximum(np.abs(sizes), 1.0)) @ axes.T)


class KnownShapes:
    """Metrics of modes found, for points at which one mode's quadratic explains the gradient.

    A Hessian costs as many gradients as there are coordinates, one gradient tells whether that of
    a mode serves.

    Parameters
    ----------
    log_posterior : LogPosterior
    modes : sequence of PosteriorMode
    """

    def __init__(self, log_posterior: LogPosterior, modes: Sequence[PosteriorMode]) -> None:
        self._log_posterior, self._modes = log_posterior, modes
        self._labelling = Labelling(log_posterior)

    @cached_property
    def _metrics(self) -> list[Array]:
        return [_inverse(mode.precision) for mode in self._modes]

    def near(self, x: Array) -> tuple[Array, Array] | None:
        """Return x (dim,) in the labels of the mode that explains its gradient, and the metric.

        With M the metric and H its inverse, g + H (x - mode) must be less than half of g, squares
        in M. None where it is not.
        """
        best, least = None, _UNEXPLAINED
        for mode, metric in zip(self._modes, self._metrics, strict=True):
            moved = self._labelling.matched(mode, x[None])[0][0]
            gradient = self._log_posterior.evaluate(moved).gradient
            gap = gradient + mode.precision @ (moved - mode.x)
            share = (gap @ metric @ gap) / max(gradient @ metric @ gradient, 1e-300)
            if share < least:
                best, least = (moved, metric.copy()), share
        return best


def distinct_modes(
    log_posterior: LogPosterior, modes: Iterable[PosteriorMode]
) -> list[PosteriorMode]:
    """Merge modes that are one but for their labels; the one of largest Laplace mass first."""
    labelling = Labelling(log_posterior)
    kept: list[PosteriorMode] = []
    for mode in sorted(modes, key=lambda mode: -mode.log_density):
        if not any(labelling.is_at(other, mode.x, mode.log_density) for other in kept):
            kept.append(mode)
    return sorted(kept, key=lambda mode: -mode.log_mass)


def laplace_shares(modes: Sequence[PosteriorMode]) -> Array:
    """Return the share of each mode (mode,) in the sum of their Laplace masses."""
    masses = np.array([mode.log_mass for mode in modes])
    return np.exp(masses - logsumexp(masses))


def nominated(modes: Sequence[PosteriorMode]) -> list[PosteriorMode]:
    """Return the modes that could hold visible mass, the largest Laplace mass first.

    Those of the smallest mass are left out that together hold less than a twentieth of 1 %.
    """
    shares = laplace_shares(modes)
    order = np.argsort(-shares, kind="stable")
    tails = shares[order][::-1].cumsum()[::-1]
    return [modes[i] for i in order[tails >= VISIBLE / LAPLACE_FACTOR]]


def _bounds(log_posterior: LogPosterior) -> tuple[Array, Array]:
    high = np.full(log_posterior.dim, _LARGEST)
    high[log_posterior.slices["means"]] = np.inf
    return -high, high
