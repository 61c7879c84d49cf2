"""Log evidences under powers of the likelihood, on a path of posteriors that starts at the prior.

The states lie so close that draws of one, weighted, are draws of the next: chains start from these.
With s_j the effective number of draws at the power p_j, and l_n the log likelihood of draw n of all
states together, each weighted by its state's s_j over its number of draws, the log evidences f_j
solve

    f_j = log sum_n w_n exp(p_j l_n) / sum_i s_i exp(p_i l_n - f_i),    f_0 = 0 for the prior,

which needs neither a proposal nor the labels, and weighs modes by what all states know of them.

References
----------
Shirts and Chodera (2008), Journal of Chemical Physics 129:124105; Kong, McCullagh, Meng, Nicolae
and Tan (2003), Journal of the Royal Statistical Society B 65:585.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import logsumexp, softmax

from bayesgmm.errors import SamplingError, SamplingInterrupted
from bayesgmm.likelihood.annotated_rows import powered
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.posterior.mcmc_error import effective_size
from bayesgmm.runtime.arithmetic import sound_arithmetic
from bayesgmm.runtime.seeds import integer
from bayesgmm.sampling.chain_starts import plain_starts
from bayesgmm.sampling.nuts import ChainSettings, run_chains
from bayesgmm.sampling.smc import draw_prior
from bayesgmm.typing import Array

__all__ = ["evidences_of_powers"]

logger = logging.getLogger(__name__)

_OVERLAP = 0.25  # effective share of one state's draws as draws of the next
_MOST_STATES = 100
_HALVINGS = 60
_FINE = 0.02  # of a power: how closely the next one is sought
_TOLERANCE = 1e-8  # nats
_MOST_ITERATIONS = 200


@dataclass(frozen=True)
class _State:
    """Draws at one power: the log likelihood of each, shape (chain, draw), nats, data units."""

    power: float
    values: Array


def evidences_of_powers(
    target: LogPosterior,
    powers: Sequence[float],
    settings: ChainSettings,
    chains: int,
    seed: np.random.SeedSequence,
) -> tuple[Array, Array]:
    """Return the log evidence under each power of the likelihood, and its standard error.

    Parameters
    ----------
    target : LogPosterior
    powers : sequence of float
        Increasing, in (0, 1].
    settings : ChainSettings
        Of the run at each state of the path.
    chains : int
        At least 2; the error is the jackknife's over them.
    seed : numpy.random.SeedSequence

    Returns
    -------
    values, errors : arrays of shape (power,), nats, data units

    Raises
    ------
    SamplingError
        Where the path does not arrive, or its evidences do not settle.
    """
    states = _path(target, powers, settings, chains, seed)
    wanted = [next(j for j, s in enumerate(states) if s.power == power) for power in powers]
    logs = _solved(states, _stepping_stones(states))
    without = np.stack(
        [_solved([_without(state, chain) for state in states], logs) for chain in range(chains)]
    )
    spread = ((without - without.mean(axis=0)) ** 2).sum(axis=0)
    return logs[wanted], np.sqrt(spread * (chains - 1) / chains)[wanted]


def _path(
    target: LogPosterior,
    powers: Sequence[float],
    settings: ChainSettings,
    chains: int,
    seed: np.random.SeedSequence,
) -> list[_State]:
    """Draw at the prior, at each power, and at as many between as overlap asks for."""
    rng = np.random.default_rng(seed.spawn(1)[0])
    points = draw_prior(target, chains * settings.draws, rng).reshape(chains, settings.draws, -1)
    states, goals = [_State(0.0, _log_likelihoods(target, points))], list(powers)
    while goals and len(states) < _MOST_STATES:
        last = states[-1]
        power = _next_power(last, goals[0])
        weights = _weights(last, power)
        starts = rng.choice(weights.size, chains, p=weights)
        tempered = replace(target, rows=powered(target.rows, power))
        flat = points.reshape(weights.size, -1)
        seeds = [integer(child, 64) for child in seed.spawn(chains)]
        with sound_arithmetic(SamplingError):
            drawn = run_chains(tempered, plain_starts(flat[starts]), seeds, settings)
        if drawn.interrupted:
            raise SamplingInterrupted("interrupted on the path from the prior.", partial=None)
        points = drawn.x
        states.append(_State(power, _log_likelihoods(target, points)))
        if power == goals[0]:
            goals.pop(0)
    if goals:
        raise SamplingError(
            f"{_MOST_STATES} steps from the prior do not reach the posterior: the priors are far "
            "wider than the data. Narrow the priors of means and scales."
        )
    logger.info("K = %d: %d states", target.resolved.n_components, len(states))
    return states


def _log_likelihoods(target: LogPosterior, points: Array) -> Array:
    """Return the log likelihood of all rows at points (chain, draw, dim), nats, data units."""
    flat = np.ascontiguousarray(points.reshape(-1, target.dim))
    values = target.terms(flat, target.log_densities(flat))["log_likelihood"]
    return np.where(np.isfinite(values), values, -np.inf).reshape(points.shape[:-1])


def _weights(state: _State, power: float) -> Array:
    """Return the weights of a state's draws at another power: they sum to 1."""
    logs = (power - state.power) * state.values.ravel()
    weights = np.exp(logs - logs.max())
    return weights / weights.sum()


def _next_power(state: _State, goal: float) -> float:
    """Return the largest power up to the goal at which enough of the draws still count."""

    def reached(power: float) -> bool:
        weights = _weights(state, power)
        return bool(1.0 / (weights @ weights) >= _OVERLAP * weights.size)

    if reached(goal):
        return goal
    low, high = state.power, goal
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high) if low > 0.0 else 0.1 * high
        low, high = (middle, high) if reached(middle) else (low, middle)
        if high - low < _FINE * low:
            break
    return low if low > state.power else high


def _stepping_stones(states: Sequence[_State]) -> Array:
    """Return log evidences from each pair of neighbours alone, to start from."""
    steps = [
        logsumexp((there.power - here.power) * here.values) - np.log(here.values.size)
        for here, there in zip(states, states[1:], strict=False)
    ]
    return np.concatenate([[0.0], np.cumsum(steps)])


def _solved(states: Sequence[_State], logs: Array) -> Array:
    """Solve for the log evidences of all states from a start: by Newton's steps, where they help.

    The equations are those of the maximum of a concave function (Kong et al. 2003): share_nj being
    the part that state j has in draw n, sum_n w_n share_nj = s_j.
    """
    powers = np.array([state.power for state in states])
    sizes = np.array([effective_size(state.values) for state in states])
    counts = [state.values.size for state in states]
    values = np.concatenate([state.values.ravel() for state in states])
    weights = np.repeat(sizes / counts, counts)
    known = np.isfinite(values)  # without likelihood a draw counts for the prior alone
    terms = np.outer(powers, values[known]) + np.log(sizes)[:, None]
    sizes[0] -= weights[~known].sum()
    weights = weights[known]
    shares = softmax(terms - logs[:, None], axis=0)
    for _ in range(_MOST_ITERATIONS):
        held = shares @ weights
        curvature = np.diag(held) - (shares * weights) @ shares.T
        newton = np.zeros_like(logs)
        newton[1:] = np.linalg.lstsq(curvature[1:, 1:], (held - sizes)[1:])[0]
        plain = np.log(held / sizes)
        plain -= plain[0]
        for step in (newton, plain):
            tried = softmax(terms - (logs + step)[:, None], axis=0)
            if np.abs(tried @ weights - sizes).max() < np.abs(held - sizes).max():
                break
        logs, shares = logs + step, tried
        if np.abs(step).max() < _TOLERANCE:
            return logs
    raise SamplingError(
        f"the evidences along the powers of the likelihood did not settle in {_MOST_ITERATIONS} "
        "iterations: take more draws."
    )


def _without(state: _State, chain: int) -> _State:
    return replace(state, values=np.delete(state.values, chain, axis=0))
