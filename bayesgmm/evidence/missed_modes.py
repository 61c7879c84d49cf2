"""Modes that draws do not visit, and what they hold: Laplace nominates, importance sampling weighs.

A mode is visited if one of a few hundred draws, spread over the run, climbs to it. The mass of one
that is not is measured by draws of a multivariate t there: the mean of their weights, times the
share that climbs to this mode and not to another.
"""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import gammaln, logsumexp

from bayesgmm.errors import ConfigError, SamplingError
from bayesgmm.evidence.bridge import bridge
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.limits import PARETO_K, VISIBLE
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.pareto import smoothed
from bayesgmm.runtime.parallel import one_blas_thread
from bayesgmm.sampling.posterior_modes import (
    Labelling,
    PosteriorMode,
    climb,
    laplace_shares,
    nominated,
)
from bayesgmm.sampling.resampling import resample
from bayesgmm.sampling.stored_modes import GROUP, modes_of
from bayesgmm.typing import Array

__all__ = ["LeftOut", "MissedMode", "left_out", "missed_modes", "mode_mass"]

logger = logging.getLogger(__name__)

_DRAWS = 200
_RARE, _NEAREST = 0.05, 20  # of 200 independent draws none is in such a mode once in 30,000
_PROPOSED, _RESAMPLED = 2000, 200
_BRIDGED, _BRIDGED_PER_DIM = 1000, 12
_FREEDOM = 5.0  # degrees of freedom of the t


@dataclass(frozen=True)
class MissedMode:
    """A mode of the posterior that the draws do not visit.

    Parameters
    ----------
    share : float
        Of the posterior's mass.
    error : float or None
        Standard error of the share; None where it is Laplace's approximation, since the weights of
        the importance sampling have no finite variance.
    log_posterior : float
        Log posterior density in the unconstrained coordinates at the mode, nats, data units.
    weights : tuple of float
    means : tuple of tuple of float
        One tuple per cluster, data units; clusters in the order of the weights.

    Examples
    --------
    >>> mode = MissedMode(0.3, 0.01, -1291.4, (0.36, 0.64), ((2.04, 54.5), (4.29, 80.0)))
    >>> mode.share
    0.3
    """

    share: float
    error: float | None
    log_posterior: float
    weights: tuple[float, ...]
    means: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class LeftOut:
    """All modes that the draws do not visit, and their part of the posterior.

    Parameters
    ----------
    modes : tuple of MissedMode
        The largest share first.
    share, error : float
        Of all of them together, and its standard error as far as it is known.
    visible : int
        Modes that hold 1 % by Laplace's approximation, visited or not.

    Examples
    --------
    >>> LeftOut((), share=0.4, error=0.02, visible=2).grave
    True
    """

    modes: tuple[MissedMode, ...]
    share: float
    error: float
    visible: int

    @property
    def grave(self) -> bool:
        """Whether they hold more than 1 %."""
        return self.share > VISIBLE

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {**vars(self), "modes": [vars(mode) for mode in self.modes]}


def left_out(draws: Draws, *, seed: int = 0) -> LeftOut | None:
    """Return the known modes that the draws do not visit, with their masses; None for no such mode.

    Parameters
    ----------
    draws : Draws
        Of a posterior; one without stored modes leaves out none.
    seed : int
        Of the importance sampling and the bridge.
    """
    if GROUP not in draws.tree or draws.resolved is None:
        return None
    target, points = draws.target, draws.coordinates
    modes = modes_of(draws.tree, target)
    with one_blas_thread():
        missed = missed_modes(target, modes, points)
        if not missed:
            return None
        masses = [mode_mass(target, mode, seed) for mode in missed]
        visited = [mode for mode in modes if not any(mode is other for other in missed)]
        total, error = _mass_of_draws(target, points, visited, seed)
        shares = _shares(masses, total)
        if shares.sum() > VISIBLE:
            rare = [
                share <= _RARE and _touched(target, mode, points)
                for mode, share in zip(missed, shares, strict=True)
            ]
            missed = [mode for mode, seen in zip(missed, rare, strict=True) if not seen]
            masses = [mass for mass, seen in zip(masses, rare, strict=True) if not seen]
            shares = _shares(masses, total)
    if not missed:
        return None
    errors = np.array([mass.error for mass in masses])
    together = float(shares.sum())
    found = [
        _described(target, mode, float(share), float(share * (1.0 - share) * own))
        for mode, share, own in zip(missed, shares, errors, strict=True)
    ]
    known = np.where(np.isfinite(errors), errors, 0.0)
    spread = math.hypot(error, *(known * shares / max(together, 1e-300)))
    return LeftOut(
        modes=tuple(sorted(found, key=lambda mode: -mode.share)),
        share=together,
        error=together * (1.0 - together) * spread,
        visible=int((laplace_shares(modes) >= VISIBLE).sum()),
    )


def _shares(masses: Sequence["ModeMass"], total: float) -> Array:
    """Return the share of each mass, given the log of what the draws visit, fitting units."""
    values = np.array([mass.value for mass in masses])
    return np.exp(values - logsumexp([total, *values]))


def _touched(target: LogPosterior, mode: PosteriorMode, draws: Array) -> bool:
    """Whether one of the draws nearest to a mode climbs to it, of all there are.

    Two hundred draws may all lie elsewhere where a mode holds a few per cent.
    """
    points, labelling = draws.reshape(-1, draws.shape[2]), Labelling(target)
    points = points[np.isfinite(points).all(axis=1)]
    nearest = np.argsort(labelling.distances(mode, points), kind="stable")[:_NEAREST]
    return any(labelling.is_at(mode, *climb(target, points[i])) for i in nearest)


def missed_modes(
    target: LogPosterior, modes: Sequence[PosteriorMode], draws: Array
) -> list[PosteriorMode]:
    """Return the modes that could hold visible mass and to which no draw climbs.

    Parameters
    ----------
    target : LogPosterior
    modes : sequence of PosteriorMode
        Of these, those that `nominated` names.
    draws : array of shape (chain, draw, dim), fitting units
        At most 200, spread over all chains, are climbed from: the nearest to a mode first.
    """
    points = draws.reshape(-1, draws.shape[2])
    points = points[np.isfinite(points).all(axis=1)]
    points = points[np.unique(np.linspace(0, len(points) - 1, _DRAWS).astype(np.int64))]
    if not len(points) or not modes:
        return []
    labelling, ends = Labelling(target), dict[int, tuple[Array, float]]()

    def visited(mode: PosteriorMode) -> bool:
        for i in np.argsort(labelling.distances(mode, points), kind="stable").tolist():
            if i not in ends:
                ends[i] = climb(target, points[i])
            if labelling.is_at(mode, *ends[i]):
                return True
        return False

    return [mode for mode in nominated(modes) if not visited(mode)]


@dataclass(frozen=True)
class ModeMass:
    """The log of a mode's mass, nats, fitting units, and its error: inf where it is Laplace's."""

    value: float
    error: float
    k_hat: float


def mode_mass(target: LogPosterior, mode: PosteriorMode, seed: int) -> ModeMass:
    """Measure the mass of a mode in all its labellings, within its basin of attraction.

    Draws of a t at the mode count where their labels are nearest to it as they are: these points
    are one of `multiplicity` equal parts of the space.

    References
    ----------
    Vehtari, Simpson, Gelman, Yao and Gabry (2024), J. Machine Learning Research 25:72 (k-hat).
    """
    rng, labelling = np.random.default_rng(seed), Labelling(target)
    proposed, log_proposal = _students(mode, rng)
    ratios = target.log_densities(proposed) - log_proposal
    own = labelling.matched(mode, proposed)[1] & np.isfinite(ratios)
    ratios = np.where(own, ratios, -math.inf)
    if not np.isfinite(ratios).any():
        return ModeMass(mode.log_mass, math.inf, math.inf)
    finite = ratios[np.isfinite(ratios)]
    k_hat = smoothed(finite)[1]
    if not k_hat <= PARETO_K:
        return ModeMass(mode.log_mass, math.inf, k_hat)
    weights = np.exp(ratios - finite.max())
    chosen, counts = np.unique(resample(weights, _RESAMPLED, rng), return_counts=True)
    ends = [climb(target, proposed[i]) for i in chosen]
    within = np.array([labelling.is_at(mode, *end) for end in ends])
    inside = max(float(counts[within].sum()), 0.5) / _RESAMPLED
    value = finite.max() + math.log(weights.mean() * inside * mode.multiplicity)
    relative = weights.var() / (weights.mean() ** 2 * _PROPOSED)
    return ModeMass(value, math.sqrt(relative + (1.0 - inside) / (inside * _RESAMPLED)), k_hat)


def _students(mode: PosteriorMode, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return draws (draw, dim) of a t at the mode, and the log density there."""
    dim = len(mode.x)
    curvatures, axes = np.linalg.eigh(mode.precision)
    noise = rng.standard_normal((_PROPOSED, dim))
    noise *= np.sqrt(_FREEDOM / rng.chisquare(_FREEDOM, _PROPOSED))[:, None]
    constant = gammaln(0.5 * (_FREEDOM + dim)) - gammaln(0.5 * _FREEDOM)
    constant += 0.5 * (np.log(curvatures).sum() - dim * math.log(_FREEDOM * math.pi))
    squares = (noise**2).sum(axis=1)
    log_density = constant - 0.5 * (_FREEDOM + dim) * np.log1p(squares / _FREEDOM)
    return mode.x + noise @ (axes / np.sqrt(curvatures)).T, log_density


def _mass_of_draws(
    target: LogPosterior, draws: Array, visited: Sequence[PosteriorMode], seed: int
) -> tuple[float, float]:
    """Return the log evidence of what the draws visit, fitting units, and its error.

    A thousand draws will do: what they visit is compared with 1 % of it. Where a bridge cannot be
    built it is the sum of the visited modes' Laplace masses.
    """
    enough = max(_BRIDGED, _BRIDGED_PER_DIM * target.dim)
    thinned = draws[:, :: max(1, draws.shape[0] * draws.shape[1] // enough)]
    shift = target.log_unit_of_rows
    try:
        value, error = bridge(target, thinned, seed)
        return value + shift, error
    except (ConfigError, SamplingError) as reason:
        logger.info("no bridge from the draws: %s", reason)
    masses = [mode.log_mass for mode in visited]
    return (float(logsumexp(masses)) if masses else -math.inf), 0.0


def _described(target: LogPosterior, mode: PosteriorMode, share: float, error: float) -> MissedMode:
    parameters = target.constrain(mode.x[None])
    order = np.argsort(parameters.means[0, :, 0], kind="stable")
    return MissedMode(
        share=share,
        error=error if math.isfinite(error) else None,
        log_posterior=mode.log_density + target.value_shift,
        weights=tuple(parameters.weights[0, order].tolist()),
        means=tuple(tuple(row) for row in parameters.means[0, order].tolist()),
    )
