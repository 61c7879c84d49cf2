"""How precisely the draws determine each quantity."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from arviz_stats.base import array_stats

from bayesgmm.labels import Quantity
from bayesgmm.posterior.mcmc_error import r_hat
from bayesgmm.prediction import most_ambiguous
from bayesgmm.report.document import Table
from bayesgmm.report.subject import Subject
from bayesgmm.summary.numbers import fixed, significant
from bayesgmm.typing import Array

__all__ = ["bound_errors", "derived_quantities", "half_way", "precision_table"]

_ROWS = 3
_LAG = 10
_NOTHING = 1e-8  # sd of a probability that no draw moves
_MOST_PAIRS = 10
_FEWEST_DRAWS = 50  # of half a chain
_LARGEST_OF_MANY = 3.0  # standard errors: the largest of some dozens of moves


def derived_quantities(subject: Subject) -> list[Quantity]:
    """Return overlaps of pairs of clusters and memberships of ambiguous rows, draw by draw."""
    draws, found = subject.draws, list[Quantity]()
    if subject.n_clusters < 2:
        return found
    names = [str(name) for name in draws.clusters]
    for k, m, coefficient, missed in subject.pairs[: 2 * _MOST_PAIRS]:
        if k < m:
            name = f"overlap of clusters {names[k]} and {names[m]}"
            found.append(Quantity(name, coefficient.reshape(draws.shape)))
        name = f"P(row of cluster {names[k]} is classified as {names[m]})"
        found.append(Quantity(name, missed.reshape(draws.shape)))
    listed = most_ambiguous(subject.soft, _ROWS)
    places = subject.places(listed.index)
    shares = draws.responsibilities(draws.table[np.asarray(places)])
    for i, (row, cluster) in enumerate(zip(listed.index, listed["cluster"], strict=True)):
        if str(cluster) in names:
            values = shares[:, names.index(str(cluster)), i].reshape(draws.shape)
            found.append(Quantity(f"membership of row {row} in cluster {cluster}", values))
    return [quantity for quantity in found if quantity.values.std() > _NOTHING]


def precision_table(caption: str, quantities: Sequence[Quantity], subject: Subject) -> Table:
    """Lay out effective sizes, R-hat, Monte Carlo errors and autocorrelation."""
    rows = tuple(_line(quantity, subject.tails) for quantity in quantities)
    header = (
        "quantity", "bulk ESS", "tail ESS", "R\N{NON-BREAKING HYPHEN}hat", "MCSE of mean",
        "MCSE of lower", "MCSE of upper", "autocorrelation, lag 1", f"lag {_LAG}",
    )  # fmt: skip
    return Table(caption, header, rows)


def _line(quantity: Quantity, tails: tuple[float, float]) -> tuple[str, ...]:
    values, judged = quantity.values, quantity.judged
    error = quantity.statistics.mcse_mean
    lags = autocorrelation(values)
    return (
        quantity.name,
        fixed(judged.ess_bulk, 0),
        fixed(judged.ess_tail, 0),
        fixed(judged.r_hat, 3),
        *(significant(value, 2) for value in (error, *bound_errors(values, tails))),
        *(fixed(float(lags[lag]), 2) if lag < len(lags) else "–" for lag in (1, _LAG)),
    )


def autocorrelation(values: Array) -> Array:
    """Return the autocorrelation by lag of values (chain, draw), the mean of those of chains."""
    moving = values[np.ptp(values, axis=1) > 0.0]
    if not len(moving):
        return np.full(values.shape[1], np.nan)
    found: Array = array_stats.autocorr(moving, axis=1).mean(axis=0)
    return found


def bound_errors(values: Array, probabilities: Iterable[float]) -> list[float]:
    """Return the Monte Carlo standard errors of quantiles of values (chain, draw)."""
    if np.ptp(values) == 0.0:
        return [math.nan for _ in probabilities]
    return [
        float(array_stats.mcse(values, chain_axis=0, draw_axis=1, method="quantile", prob=p))
        for p in probabilities
    ]


def half_way(subject: Subject) -> tuple[str, float, float, float] | None:
    """Say how far means and bounds from half of the draws lie from those of all.

    Returns
    -------
    tuple or None
        The quantity that moves most, by how much, what Monte Carlo error explains, all in
        posterior standard deviations, and the largest R-hat of the half; None for few draws.
    """
    n_draws = subject.draws.shape[1] // 2
    if n_draws < _FEWEST_DRAWS:
        return None
    largest, r_hats, expected = ("", 0.0), list[float](), 0.0
    for quantity in subject.quantities:
        values, deviation = quantity.values, float(quantity.values.std())
        if deviation == 0.0:
            continue
        half = values[:, :n_draws]
        whole, part = (np.array([v.mean(), *np.quantile(v, subject.tails)]) for v in (values, half))
        moved = float(np.abs(part - whole).max() / deviation)
        largest = max(largest, (quantity.name, moved), key=lambda pair: pair[1])
        r_hats.append(r_hat(half))
        errors = [quantity.statistics.mcse_mean, *bound_errors(values, subject.tails)]
        expected = max(expected, np.nanmax(errors) / deviation)
    if not r_hats:
        return None
    return (*largest, _LARGEST_OF_MANY * expected, float(np.nanmax(r_hats)))
