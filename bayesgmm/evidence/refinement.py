"""The evidence from particles that cover the posterior, whatever the weights of its modes there."""

import math
from functools import partial
from typing import NamedTuple

import numpy as np

from bayesgmm.evidence.bridge import crossed, log_ratios
from bayesgmm.evidence.proposal import PROBES, Proposal, fit_proposal, unwarned
from bayesgmm.labels import Allocations, stephens
from bayesgmm.likelihood.annotated_rows import RowTable
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.likelihood.sweeps import sweep
from bayesgmm.limits import AGREEMENT
from bayesgmm.posterior.draws import Draws
from bayesgmm.runtime.parallel import available_cores, in_threads, one_blas_thread
from bayesgmm.runtime.seeds import drawn_integer
from bayesgmm.sampling.resampling import resample
from bayesgmm.sampling.smc import MAX_STEPS
from bayesgmm.typing import Array

__all__ = ["refine"]

ROUNDS = 3
CHAINS = 128
KEPT = 32
LONGEST = 256
_JUDGED = 4  # one state in so many says whether chains still rise
_ALLOCATED_ROWS, _LABEL_PASSES = 250, 10  # labels here serve the proposal alone


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
    Gaussians are weighted for the posterior and resampled, chains of Gibbs sweeps go on from there
    until they rise no more, and a bridge from these chains gives the half's evidence. Where the
    halves differ by more than 3 errors one of them has missed a mode, or met one by chance: both
    begin anew from the chains of both.

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
    """
    half = partial(_half, target, step)
    covers = [part.reshape(-1, target.dim) for part in (particles[::2], particles[1::2])]
    n_threads = min(2, cores or available_cores())
    for child in seed.spawn(ROUNDS):
        with unwarned(), one_blas_thread():
            one, other = in_threads(half, covers, child.spawn(2), cores=n_threads)
        if abs(one.value - other.value) <= AGREEMENT * math.hypot(one.error, other.error):
            break
        covers = [np.concatenate([one.states, other.states])] * 2
    larger = max(one.value, other.value)
    first, second = math.exp(one.value - larger), math.exp(other.value - larger)
    error = max(math.hypot(first * one.error, second * other.error), abs(first - second))
    return larger + math.log(0.5 * (first + second)), error / (first + second)


class _Half(NamedTuple):
    """The log evidence from some runs, its error, and the states behind it (state, dim)."""

    value: float
    error: float
    states: Array


def _half(target: LogPosterior, step: float, cover: Array, seed: np.random.SeedSequence) -> _Half:
    """Return the log evidence from points (point, dim) that cover the posterior."""
    rng = np.random.default_rng(seed)
    points = _relabelled(target, cover)
    fit = fit_proposal(target, points, drawn_integer(rng))
    proposed = fit.draw(2 * len(points), rng)
    every = max(1, len(points) // PROBES)
    proposal = fit.symmetrised(target, np.concatenate([points[::every], proposed[:: 2 * every]]))
    ratios = log_ratios(target, proposal, proposed)
    # Every second point starts every second chain, since the bridge wants independent halves; in
    # each of them the points stand one Gaussian after another: both halves have equal shares.
    weights = np.exp(ratios - ratios.max())
    starts = np.empty((CHAINS, target.dim))
    for part in (slice(0, None, 2), slice(1, None, 2)):
        starts[part] = proposed[part][resample(weights[part], CHAINS // 2, rng)]
    chains = _settled(target, proposal, starts, step, rng)
    states = _relabelled(target, chains.reshape(-1, target.dim))
    by_chain = states.reshape(chains.shape)
    value, error = crossed(target, (by_chain[::2], by_chain[1::2]), seed.spawn(1)[0])
    return _Half(value, error, states)


def _settled(
    target: LogPosterior, proposal: Proposal, starts: Array, step: float, rng: np.random.Generator
) -> Array:
    """Return states (chain, state, dim) of chains that have left their starts (chain, dim) behind.

    Starts crowd where the proposal has its mass, and a posterior with wider tails is reached by
    and by, its density rising against the proposal's: chains go on, each time twice as long, until
    it rises no more, or for 256 sweeps.
    """
    length, states, before = KEPT, starts[:, None], -math.inf
    while True:
        states = _swept(target, states[:, -1], length, step, rng)
        some = states[:, _JUDGED - 1 :: _JUDGED].reshape(-1, target.dim)
        level = log_ratios(target, proposal, some).mean()
        if level <= before or length >= LONGEST:
            return states
        before, length = level, 2 * length


def _swept(
    target: LogPosterior, starts: Array, length: int, step: float, rng: np.random.Generator
) -> Array:
    """Return `KEPT` states (chain, state, dim), evenly spaced, of chains of so many sweeps."""
    states = np.empty((len(starts), length + 1, target.dim))
    states[:, 0] = starts
    sweep(target, states, step, MAX_STEPS, drawn_integer(rng))
    every = length // KEPT
    return np.ascontiguousarray(states[:, every::every])


def _relabelled(target: LogPosterior, points: Array) -> Array:
    """Return points (point, dim) under labels on which their allocations agree."""
    groups = target.resolved.groups
    if not groups.exchangeable:
        return points
    density = target.log_densities(points)
    resolved, parameters = target.resolved, target.constrain(points)
    draws = Draws.of(
        parameters,
        resolved.features,
        rows=_some_rows(target.rows),
        frame=(resolved.centre, resolved.unit),
        groups=groups,
    )
    orders = stephens(Allocations(draws), int(density.argmax()), _LABEL_PASSES)
    return target.unconstrain(parameters.permuted(orders))


def _some_rows(rows: RowTable) -> RowTable:
    """Return rows from all over the table."""
    if len(rows) <= _ALLOCATED_ROWS:
        return rows
    return rows[np.linspace(0, len(rows) - 1, _ALLOCATED_ROWS).round().astype(np.int64)]
