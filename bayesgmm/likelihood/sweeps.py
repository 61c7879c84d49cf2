"""Gibbs sweeps of chains that leave a posterior, given all rows or the first of them."""

import numpy as np

from bayesgmm.likelihood.compiled.gibbs import sweep_chains
from bayesgmm.likelihood.compiled.gibbs import window_log_likelihoods as fill_window
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.typing import Array

__all__ = ["FirstRows", "sweep"]


def sweep(target: LogPosterior, states: Array, step: float, max_steps: int, seed: int) -> Array:
    """Move chains on, one sweep a state: labels, weights, means, then scales.

    Parameters
    ----------
    target : LogPosterior
    states : array of shape (chain, state, dim), written but for `states[:, 0]`
        Unconstrained coordinates, fitting units.
    step : float
        Median step size of the Hamiltonian moves of scales and correlations.
    max_steps : int
        Largest number of steps of such a move.
    seed : int

    Returns
    -------
    array of shape (chain,)
        Mean acceptance probability of the Hamiltonian moves.

    Raises
    ------
    DataError
        Where the rows are annotated.
    """
    target.complete_rows()
    return _sweep(target.flat, states, step, max_steps, seed)


class FirstRows:
    """The posterior given the first rows of a sequence, for sampling as their number grows."""

    def __init__(self, target: LogPosterior, values: Array) -> None:
        self._all = LogPosterior(target.resolved, values).flat
        self._seen = self._all.copy()

    def log_likelihoods(self, particles: Array, first: int, stop: int) -> Array:
        """Return log p(x_i) of rows first .. stop - 1: (particle, row), nats, fitting units."""
        window = np.empty((len(particles), stop - first))
        fill_window(particles, self._all, first, window)
        return window

    def sweep(self, states: Array, n_rows: int, step: float, max_steps: int, seed: int) -> Array:
        """Move chains on as `sweep` does, given the first `n_rows` rows."""
        self._seen[0] = n_rows
        return _sweep(self._seen, states, step, max_steps, seed)


def _sweep(flat: Array, states: Array, step: float, max_steps: int, seed: int) -> Array:
    acceptance = np.empty(len(states))
    sweep_chains(states, flat, step, max_steps, seed, acceptance)
    return acceptance
