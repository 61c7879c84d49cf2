"""Evidences under powers of the likelihood, by sequential Monte Carlo from the prior.

Rows cannot be taken in one by one at a power below 1, nor labels drawn: the likelihood is heated
from the prior up, and particles move by Hamiltonian steps on the density itself, which has the
power as an argument.
"""

import math
from typing import NamedTuple

import numpy as np

from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.runtime.parallel import end_if_stopped, in_threads
from bayesgmm.sampling.resampling import resample
from bayesgmm.sampling.smc import draw_prior
from bayesgmm.typing import Array

__all__ = ["evidences_by_power"]

KEPT_SAMPLE_SIZE = 0.5
TARGET_ACCEPTANCE = 0.75
MOVES, MAX_STEPS = 3, 8
_HALVINGS = 40


class _At(NamedTuple):
    """Log density in x at a power, its gradient, and the log likelihood, of one particle."""

    value: float
    gradient: Array
    log_likelihood: float


def evidences_by_power(
    target: LogPosterior,
    powers: Array,
    *,
    n_particles: int = 128,
    n_runs: int = 4,
    seed: np.random.SeedSequence,
    cores: int | None = None,
) -> Array:
    """Return the log of the integral of prior times likelihood to each power.

    Parameters
    ----------
    target : LogPosterior
    powers : array of shape (power,)
        Increasing, in (0, 1].
    n_particles, n_runs : int
        Particles of each run, and independent runs.
    seed : numpy.random.SeedSequence
    cores : int, optional
        Threads; the result does not depend on it.

    Returns
    -------
    array of shape (run, power), nats, fitting units

    References
    ----------
    Neal (2001), Statistics and Computing 11:125 (weights between powers). Del Moral, Doucet and
    Jasra (2006), JRSS B 68:411 (resampling and moves between them).
    """

    def one(child: np.random.SeedSequence) -> Array:
        return _run(target, powers, n_particles, np.random.default_rng(child))

    return np.stack(list(in_threads(one, seed.spawn(n_runs), cores=cores)))


def _run(target: LogPosterior, powers: Array, size: int, rng: np.random.Generator) -> Array:
    points = draw_prior(target, size, rng)
    log_likelihood = np.array([_at(target, x, 0.0).log_likelihood for x in points])
    found, power, log_evidence, step = [], 0.0, 0.0, 0.5
    for wanted in powers:
        while power < wanted:
            end_if_stopped()
            new = _next_power(log_likelihood, power, wanted)
            logs = (new - power) * log_likelihood
            weights = np.exp(logs - logs.max())
            log_evidence += float(logs.max()) + math.log(weights.mean())
            power = new
            spread = _spread(points, weights)
            points = points[resample(weights, size, rng)]
            log_likelihood, step = _moved(target, points, power, spread, step, rng)
        found.append(log_evidence)
    return np.array(found)


def _next_power(log_likelihood: Array, power: float, wanted: float) -> float:
    """Return the largest power up to the one wanted that keeps the effective sample."""

    def kept(new: float) -> float:
        logs = (new - power) * log_likelihood
        weights = np.exp(logs - logs.max())
        return float(weights.sum() ** 2 / ((weights**2).sum() * len(weights)))

    if kept(wanted) >= KEPT_SAMPLE_SIZE:
        return wanted
    low, high = power, wanted
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if kept(middle) >= KEPT_SAMPLE_SIZE else (low, middle)
    return low


def _spread(points: Array, weights: Array) -> Array:
    """Return the standard deviation of each coordinate of weighted points."""
    centre = np.average(points, axis=0, weights=weights)
    return np.sqrt(np.average((points - centre) ** 2, axis=0, weights=weights))


def _moved(
    target: LogPosterior,
    points: Array,
    power: float,
    spread: Array,
    step: float,
    rng: np.random.Generator,
) -> tuple[Array, float]:
    """Move points (particle, dim), written, by Hamiltonian steps; return log likelihoods, step."""
    log_likelihood = np.empty(len(points))
    for _ in range(MOVES):
        accepted = 0.0
        for place, x in enumerate(points):
            here = _at(target, x, power)
            moved, there, probability = _proposed(target, x, here, power, step * spread, rng)
            if rng.random() < probability:
                points[place], here = moved, there
            log_likelihood[place] = here.log_likelihood
            accepted += probability
        step *= math.exp(accepted / len(points) - TARGET_ACCEPTANCE)
    return log_likelihood, step


def _proposed(
    target: LogPosterior,
    x: Array,
    here: _At,
    power: float,
    lengths: Array,
    rng: np.random.Generator,
) -> tuple[Array, _At, float]:
    """Follow the Hamiltonian from a random momentum, in coordinates divided by the lengths."""
    momentum = rng.standard_normal(len(x))
    energy = here.value - 0.5 * momentum @ momentum
    moved, there = x.copy(), here
    for _ in range(rng.integers(1, MAX_STEPS + 1)):
        momentum = momentum + 0.5 * lengths * there.gradient
        moved = moved + lengths * momentum
        there = _at(target, moved, power)
        if not math.isfinite(there.value):
            return x, here, 0.0
        momentum = momentum + 0.5 * lengths * there.gradient
    gain = there.value - 0.5 * momentum @ momentum - energy
    return moved, there, math.exp(min(gain, 0.0)) if math.isfinite(gain) else 0.0


def _at(target: LogPosterior, x: Array, power: float) -> _At:
    found = target.evaluate(x, inverse_temperature=power)
    return _At(found.value, found.gradient, found.terms["log_likelihood"])
