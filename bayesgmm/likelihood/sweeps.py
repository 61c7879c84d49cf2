"""Gibbs sweeps of chains that leave a posterior, given all rows or the first of them."""

from dataclasses import replace

import numpy as np

from bayesgmm.errors import DataError
from bayesgmm.likelihood.annotated_rows import AnnotatedRows, row_log_units
from bayesgmm.likelihood.compiled.gibbs import sweep_chains
from bayesgmm.likelihood.compiled.gibbs import window_log_likelihoods as fill_window
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.typing import Array, IntArray

__all__ = ["FirstAnnotatedRows", "FirstRows", "first_rows", "sweep"]

_LARGEST_PART = 0.125  # of what is there of the row already


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
        Where rows have weights that are no numbers of rows.
    """
    if isinstance(target.rows, AnnotatedRows):
        _whole_weights(target.rows)
    return _sweep(target.flat, target.annotated, states, step, max_steps, seed)


class FirstRows:
    """The posterior given the first rows of a sequence, for sampling as their number grows."""

    def __init__(self, target: LogPosterior, values: Array) -> None:
        self._all = LogPosterior(target.resolved, values).flat
        self._seen = self._all.copy()
        self._n_rows = len(values)

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._n_rows

    def log_likelihoods(self, particles: Array, first: int, stop: int) -> Array:
        """Return log p(x_i) of rows first .. stop - 1: (particle, row), nats, fitting units."""
        window = np.empty((len(particles), stop - first))
        fill_window(particles, self._all, first, window)
        return window

    def sweep(self, states: Array, n_rows: int, step: float, max_steps: int, seed: int) -> Array:
        """Move chains on as `sweep` does, given the first `n_rows` rows."""
        self._seen[0] = n_rows
        return _sweep(self._seen, None, states, step, max_steps, seed)


class FirstAnnotatedRows:
    """The same for annotated rows, and for components that are not Gaussian.

    A row that counts often comes in parts, spread over the others. The posterior given its first
    parts is then like that of all rows less certain, and never that of one row many times.
    """

    def __init__(self, target: LogPosterior, rows: AnnotatedRows) -> None:
        self._target, self._rows = target, rows
        self._places, self._counts = _parts(_whole_weights(rows))

    def __len__(self) -> int:
        """Return the number of parts."""
        return len(self._places)

    def log_likelihoods(self, particles: Array, first: int, stop: int) -> Array:
        """Return log p of parts first .. stop - 1: (particle, part), nats, fitting units."""
        places, which = np.unique(self._places[first:stop], return_inverse=True)
        rows = self._rows[places]
        found = self._target.rowwise(particles, rows)
        found += row_log_units(rows, self._target.resolved.unit)
        found[np.isnan(found)] = -np.inf
        return found[:, which] * self._counts[first:stop]

    def sweep(self, states: Array, n_parts: int, step: float, max_steps: int, seed: int) -> Array:
        """Move chains on as `sweep` does, given the first `n_parts` parts."""
        places, counts = self._places[:n_parts], self._counts[:n_parts]
        weights = np.bincount(places, counts, minlength=len(self._rows))
        seen = weights > 0.0
        rows = replace(self._rows[seen], weights=weights[seen])
        target = LogPosterior(self._target.resolved, rows)
        annotated = np.empty(0) if target.annotated is None else target.annotated
        return _sweep(target.flat, annotated, states, step, max_steps, seed)


def first_rows(target: LogPosterior, order: IntArray) -> FirstRows | FirstAnnotatedRows:
    """Return the posterior given the first of the rows in an order (obs,) of their places."""
    rows = target.rows[order]
    if target.resolved.tails is not None and not isinstance(rows, AnnotatedRows):
        rows = AnnotatedRows(rows)
    if isinstance(rows, AnnotatedRows):
        return FirstAnnotatedRows(target, rows)
    return FirstRows(target, rows)


def _sweep(
    flat: Array, annotated: Array | None, states: Array, step: float, max_steps: int, seed: int
) -> Array:
    acceptance = np.empty(len(states))
    sweep_chains(states, flat, annotated, step, max_steps, seed, acceptance)
    return acceptance


def _whole_weights(rows: AnnotatedRows) -> Array:
    """Return how often each row counts, which must be a number of rows that have labels."""
    weights = np.ones(len(rows)) if rows.weights is None else rows.weights
    if (weights % 1.0).any():
        raise DataError(
            "the evidence and sequential Monte Carlo need weights that are whole numbers of rows; "
            "a survey's weights give a pseudo-likelihood, which has neither."
        )
    return weights


def _parts(weights: Array) -> tuple[IntArray, Array]:
    """Divide rows by their weights into parts, in an order in which each comes in evenly.

    Parameters
    ----------
    weights : array of shape (obs,), whole numbers
        Of rows in an order whose beginnings all look like the whole.

    Returns
    -------
    places : array of shape (part,)
        The row of each part.
    counts : array of shape (part,)
        How often it counts: once at first, then by an eighth of what is there of the row.
    """
    places, counts, times = [], [], []
    taken = np.zeros(len(weights))
    while (left := np.flatnonzero(taken < weights)).size:
        sizes = np.maximum(1.0, np.floor(_LARGEST_PART * taken[left]))
        sizes = np.minimum(sizes, weights[left] - taken[left])
        places.append(left)
        counts.append(sizes)
        offsets = (left + 0.5) / len(weights)
        times.append((taken[left] + offsets * sizes) / weights[left])
        taken[left] += sizes
    if not places:
        return np.zeros(0, dtype=np.int64), np.zeros(0)
    order = np.argsort(np.concatenate(times), kind="stable")
    return np.concatenate(places)[order], np.concatenate(counts)[order]
