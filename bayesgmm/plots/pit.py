"""The plot of leave-one-out probabilities: how far they are from even."""

from collections.abc import Mapping
from functools import cache

import numpy as np
from matplotlib.axes import Axes

from bayesgmm.plots.look import new_grid, styled
from bayesgmm.plots.plot import Plot, plotted
from bayesgmm.plots.theme import axis_label, entitle, finish, ink, percent, predicted
from bayesgmm.typing import Array

__all__ = ["pit_ecdf"]

_MOST_FEATURES = 6
_ENVELOPE = 0.95
_SIMULATED = 1000
_GRID = np.linspace(0.0, 1.0, 101)


@styled
def pit_ecdf(pit: Array, features: tuple[str, ...], units: Mapping[str, str]) -> Plot:
    """Draw the share of probabilities up to each level less the level, one panel per feature.

    Parameters
    ----------
    pit : array of shape (row, feature)
        As `loo_pit` returns it.
    features : tuple of str
    units : mapping of str to str

    Returns
    -------
    Plot
        Six features at most. The band holds the whole line for 95 % of samples of even
        probabilities: of 1,000 simulated ones, as many lie within (Säilynoja, Bürkner and Vehtari
        2022, Statistics and Computing 32:32).
    """
    shown = range(min(len(features), _MOST_FEATURES))
    columns = min(len(shown), 3)
    rows = -(-len(shown) // columns)
    axes = new_grid(rows, columns, 1.2 + 2.6 * columns, 0.7 + 2.2 * rows, sharey=True).ravel()
    for ax in axes[len(shown) :]:
        ax.set_visible(False)
    for place, ax in zip(shown, axes, strict=False):
        _draw(ax, pit[:, place][~np.isnan(pit[:, place])])
        label = f"LOO-PIT of {axis_label(features[place], units)}"
        finish(ax, x=label, y="" if place % columns else "share less level", legend=None)
    entitle(axes[0], "Leave-one-out probabilities of the observed values")
    return plotted(axes[: len(shown)])


def _draw(ax: Axes, values: Array) -> None:
    half = envelope(len(values))
    ax.fill_between(
        _GRID, -half, half, color=ink(0.12), lw=0, label=f"{percent(_ENVELOPE)} band if uniform"
    )
    ax.axhline(0.0, color=ink(0.5), lw=0.7)
    ax.plot(_GRID, _shares(values) - _GRID, color=predicted(), lw=1.5, label="data")
    ax.set_xlim(0.0, 1.0)


@cache
def envelope(n: int) -> Array:
    """Return the half-width at each level of the band that holds 95 % of even samples of n."""
    rng = np.random.default_rng(n)
    gaps = np.array([_shares(rng.random(n)) - _GRID for _ in range(_SIMULATED)])
    width = np.sqrt(_GRID * (1.0 - _GRID) / n)
    inside = slice(1, -1)
    largest = np.abs(gaps[:, inside] / width[inside]).max(axis=1)
    return width * np.quantile(largest, _ENVELOPE)


def _shares(values: Array) -> Array:
    return np.searchsorted(np.sort(values), _GRID, side="right") / len(values)
