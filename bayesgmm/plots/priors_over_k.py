"""The posterior of K under several priors, in one plot."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bayesgmm.arguments import check_instance
from bayesgmm.evidence import PosteriorsOverK
from bayesgmm.plots.look import Size, new_grid, styled
from bayesgmm.plots.plot import Plot, plotted
from bayesgmm.plots.theme import colour_at, entitle, finish, ink, mark_at
from bayesgmm.runtime.keywords import keywords

__all__ = ["over_k"]

_WIDTH = 0.5  # over which the priors of one K are spread


@keywords()
@styled
def over_k(
    posteriors: PosteriorsOverK,
    *,
    figsize: Size | None = None,
    title: str | None = None,
    legend: bool = True,
    colors: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Plot:
    """Draw p(K), and p(K+) of the number of clusters that hold rows, under several priors.

    Parameters
    ----------
    posteriors : PosteriorsOverK
        As `bayesgmm.posteriors_over_k` returns it.
    figsize : (float, float), optional
        Width and height of a new figure, inches.
    title : str, optional
        Title instead of the default; "" for none.
    legend : bool
        Whether to draw the legend.
    colors : sequence of str, optional
        Colours instead of the defaults, in the order of the clusters or lines.
    ax : Axes, optional
        Axes to draw in. They are removed, and the panels take their place.

    Returns
    -------
    Plot
        Two axes: p(K), and p(K+), there with what each prior expects before any row is seen in
        grey. Bars are two Monte Carlo errors.

    Examples
    --------
    >>> from bayesgmm import compare, posteriors_over_k
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> comparison = compare(rows, [1, 2], draws=200, seed=1)
    >>> over_k(posteriors_over_k(comparison, {"flat": {}})).axes.shape
    (2,)
    """
    found = check_instance(
        "posteriors", posteriors, PosteriorsOverK, "what bayesgmm.posteriors_over_k returns"
    )
    axes = new_grid(2, 1, 6.8, 6.4, sharex=True).ravel()
    shifts = _shifts(len(found.results))
    for place, (name, result) in enumerate(found.results.items()):
        style = {"color": colour_at(place), "marker": mark_at(place)}
        by_k = result.table.groupby(level=0)
        of_k = by_k["probability"].sum(), by_k["error"].apply(lambda e: float(np.hypot.reduce(e)))
        _draw(axes[0], *of_k, shifts[place], {**style, "label": name})
        clusters = result.clusters
        before = clusters["prior"]
        axes[1].plot(
            before.index + shifts[place], before, style["marker"], color=ink(0.27), ms=4, zorder=1
        )
        _draw(axes[1], clusters["probability"], clusters["error"], shifts[place], style)
    counts = sorted({*found.table.columns, *found.clusters.columns})
    axes[1].set_xticks(counts)
    for ax in axes:
        ax.grid(axis="y", color=ink(0.1), lw=0.7)
        ax.set_axisbelow(True)
        ax.set_ylim(bottom=0.0)
    finish(axes[0], y="p(K)", legend="above")
    finish(
        axes[1],
        x="number of components K, and of those that hold rows K+",
        y="p(K+)\n(grey: before the data)",
    )
    entitle(axes[0], "Number of components under several priors", handles=[])
    return plotted(axes)


def _shifts(number: int) -> np.ndarray:
    return np.linspace(-0.5, 0.5, number) * _WIDTH if number > 1 else np.zeros(1)


def _draw(
    ax: Axes, values: pd.Series, errors: pd.Series, shift: float, style: dict[str, Any]
) -> None:
    shown = values >= 1e-4
    ax.errorbar(
        values.index[shown] + shift, values[shown], yerr=2 * errors[shown], ls="none", ms=5, lw=1.1,
        capsize=2, zorder=2, **style,
    )  # fmt: skip
