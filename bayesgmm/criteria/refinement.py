"""The evidence from particles that cover the posterior, whatever the weights of its modes there."""

import math
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from bayesgmm.criteria.bridge import log_ratio, log_ratios
from bayesgmm.criteria.proposal import PROBES, fit_proposal
from bayesgmm.labels import Allocations, stephens
from bayesgmm.mixture.posterior import LogPosterior
from bayesgmm.resources import available_cores
from bayesgmm.sampling.smc import CHAIN_LENGTH, MAX_STEPS, resample
from bayesgmm.sampling.tempering import log_densities, sweep_chains
from bayesgmm.typing import Array

__all__ = ["refine"]


def refine(
    target: LogPosterior,
    particles: Array,
    step: float,
    seed: np.random.SeedSequence,
    cores: int | None = None,
) -> tuple[float, float]:
    """Estimate the log evidence anew from the particles of independent runs.

    Every second run makes one half. In each half Gaussians, symmetric in the labels, are fitted to
    the particles of all runs alike, so that a mode need only have been met; points of these
    Gaussians are weighted for the posterior, resampled and moved by Gibbs sweeps, and a bridge
    between the sweeps' states and fresh points gives the half's evidence. A mode that only one
    half has met parts the halves, and then the error is large.

    Parameters
    ----------
    target : LogPosterior
    particles : array of shape (run, particle, dim), fitting units
        At least two runs.
    step : float
        Median step size of the Hamiltonian moves.
    seed : SeedSequence
    cores : int, optional
        Threads; the result does not depend on it.

    Returns
    -------
    value, error : float
        Log of the mean of the halves' evidences, nats, data units, and its standard error: that of
        the bridges, or half the halves' difference where that is more.

    References
    ----------
    Meng and Wong (1996), Statistica Sinica 6:831 (the bridge). Ionides (2008), Journal of
    Computational and Graphical Statistics 17:295 (weights cut at their mean times sqrt n).
    """
    half = partial(_half, target, step)
    with ThreadPoolExecutor(min(2, cores or available_cores())) as pool:
        halves = pool.map(half, (particles[::2], particles[1::2]), seed.spawn(2))
    values, errors = np.array(list(halves)).T
    relative = np.exp(values - values.max())
    error = max(float(np.hypot(*(relative * errors))), abs(float(np.diff(relative)[0])))
    shift = len(target.values) * target.resolved.log_unit
    value = float(values.max()) + math.log(relative.mean()) - shift
    return value, error / float(relative.sum())


def _half(
    target: LogPosterior, step: float, particles: Array, seed: np.random.SeedSequence
) -> tuple[float, float]:
    """Return the log evidence from some runs and its error, fitting units."""
    rng = np.random.default_rng(seed)
    points = _relabelled(target, particles.reshape(-1, target.dim))
    size = len(points)
    fit = fit_proposal(points, int(rng.integers(2**32)))
    proposed = rng.permutation(fit.draw(4 * size, rng))
    probes = np.concatenate([points[:: max(1, size // PROBES)], proposed[:PROBES]])
    proposal = fit.symmetrised(target, probes)
    at_proposed = log_ratios(target, proposal, proposed)
    starting, bridging = at_proposed[: 2 * size], at_proposed[2 * size :]
    weights = np.exp(starting - starting.max())
    # Where few points carry the weights (before the cut) the chains' starts count for no more.
    distinct = weights.sum() ** 2 / (weights**2).sum()
    weights = np.minimum(weights, weights.mean() * math.sqrt(len(weights)))
    chosen = resample(weights, max(4, size // CHAIN_LENGTH), rng)
    states = np.empty((len(chosen), CHAIN_LENGTH, target.dim))
    states[:, 0] = proposed[chosen]
    acceptance = np.empty(len(chosen))
    sweep_chains(states, target.flat, step, MAX_STEPS, int(rng.integers(2**32)), acceptance)
    at_states = log_ratios(target, proposal, states.reshape(-1, target.dim))
    value, error = log_ratio(at_states.reshape(states.shape[:2]), bridging)
    return value, error * math.sqrt(max(1.0, len(chosen) / distinct))


def _relabelled(target: LogPosterior, points: Array) -> Array:
    """Return points (point, dim) under labels on which their allocations agree."""
    if not target.resolved.exchangeable:
        return points
    density = np.empty(len(points))
    log_densities(points, target.flat, density)
    resolved, parameters = target.resolved, target.constrain(points)
    allocations = Allocations(parameters, target.values, resolved.centre, resolved.unit)
    orders = stephens(allocations, int(density.argmax()))
    return target.unconstrain(parameters.permuted(orders))
