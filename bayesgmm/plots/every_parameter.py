"""The plot of the chains of every parameter."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from bayesgmm.labels import Quantity
from bayesgmm.plots.curves import evenly
from bayesgmm.plots.look import asked_look, new_grid, styled
from bayesgmm.plots.plot import Plot, plotted
from bayesgmm.plots.theme import (
    colour_at,
    entitle,
    entitle_panel,
    finish,
    ink,
    predicted,
    printable,
)

__all__ = ["every_trace", "panels_of"]

_SHOWN = 250

type Panels = dict[str, list[Quantity]]


def panels_of(quantities: Sequence[Quantity]) -> Panels:
    """Return the quantities by what they are of: those of all clusters share a panel."""
    panels: Panels = {}
    for quantity in quantities:
        of = " and ".join(quantity.features)
        name = f"{quantity.kind} of {of}" if of else quantity.kind
        panels.setdefault(name.replace("_", " "), []).append(quantity)
    return panels


@styled
def every_trace(panels: Panels, clusters: Sequence[str]) -> Plot:
    """Draw the trace of each quantity, chains one after another, clusters by colour.

    Parameters
    ----------
    panels : dict of str to list of Quantity
    clusters : sequence of str
        What they are called, in their order.
    """
    axes = _grid(panels)
    for ax, (name, quantities) in zip(axes, panels.items(), strict=False):
        for quantity in quantities:
            _draw_trace(ax, quantity)
        _finish(ax, name)
    entitle(axes[0], "Traces of all parameters, chains one after another", _handles(clusters))
    return plotted(axes[: len(panels)])


def _grid(panels: Panels) -> np.ndarray:
    columns = min(len(panels), 4)
    rows = -(-len(panels) // columns)
    axes = new_grid(rows, columns, 0.6 + 2.2 * columns, 0.8 + 1.35 * rows).ravel()
    for ax in axes[len(panels) :]:
        ax.set_visible(False)
    return axes


def _draw_trace(ax: Axes, quantity: Quantity) -> None:
    n_chains, n_draws = quantity.values.shape
    chosen = evenly(n_draws, _SHOWN)
    x = (np.arange(n_chains)[:, None] * n_draws + chosen).ravel()
    ax.plot(x, quantity.values[:, chosen].ravel(), lw=0.5, color=_colour(quantity))
    for chain in range(1, n_chains):
        ax.axvline(chain * n_draws, color=ink(0.5), lw=0.5)
    ax.set_xlim(0, n_chains * n_draws)
    ax.locator_params(nbins=4)


def _finish(ax: Axes, name: str) -> None:
    finish(ax, legend=None)
    entitle_panel(ax, printable(name), asked_look().points(8))
    ax.tick_params(labelsize=asked_look().points(7))


def _colour(quantity: Quantity) -> str:
    return predicted() if quantity.cluster is None else colour_at(quantity.cluster)


def _handles(clusters: Sequence[str]) -> list[Line2D]:
    return [
        Line2D([], [], color=colour_at(k), label=printable(f"cluster {name}"))
        for k, name in enumerate(clusters)
    ]
