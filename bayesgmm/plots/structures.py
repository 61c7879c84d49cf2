"""The plot of BIC over covariance structures and numbers of components."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from bayesgmm.errors import ConfigError
from bayesgmm.model.several import kinds_in
from bayesgmm.plots.look import Size, new_axes, styled
from bayesgmm.plots.plot import Plot, plotted
from bayesgmm.plots.theme import colour_at, finish, ink
from bayesgmm.runtime.keywords import keywords

__all__ = ["MARKERS", "bic_grid"]

_LINEAR = 10.0  # from here on the axis is logarithmic
MARKERS = "os^DvpX"  # one more than there are colours: no two of many lines are alike
_STYLES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)))


@keywords()
@styled
def bic_grid(
    table: pd.DataFrame,
    *,
    figsize: Size | None = None,
    title: str | None = None,
    legend: bool = True,
    colors: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Plot:
    """Draw BIC over the number of components K, one line a covariance structure and family.

    Parameters
    ----------
    table : pandas.DataFrame
        As `bayesgmm.bic_grid` returns it.
    figsize : (float, float), optional
        Width and height of a new figure, inches.
    title : str, optional
        Title instead of the default; "" for none.
    legend : bool
        Whether to draw the legend.
    colors : sequence of str, optional
        Colours instead of the defaults, in the order of the clusters or lines.
    ax : Axes, optional
        Axes to draw in.

    Returns
    -------
    Plot
        BIC less the smallest that is ranked. The ring is the best model; a cross is a fit in which
        chance explains every solution, which is not ranked. Structures that are one model at every
        K are one line. The axis is linear up to 10, a difference to go by, and logarithmic above.

    Examples
    --------
    >>> from bayesgmm import bic_grid as fit_grid
    >>> rows = [[0.0, 1.0], [0.4, 0.7], [0.5, 1.4], [5.0, 3.1], [5.1, 4.0], [5.4, 3.5]]
    >>> grid = fit_grid(rows, [1, 2], ["tied_diag", "tied_spherical"], seed=1, n_starts=4)
    >>> bic_grid(grid).ax.get_xlabel()
    'number of components K'
    """
    lacking = {"covariance", "model", "bic", "flagged"} - set(getattr(table, "columns", ()))
    if not isinstance(table, pd.DataFrame) or lacking or not len(table):
        raise ConfigError(f"expected the table of bic_grid, got {type(table).__name__}.")
    ax = new_axes(7.4, 4.8)
    table = table.assign(kind=kinds_in(table))
    sizes = np.sort(table.index.unique().to_numpy())
    ranked = table["bic"].where(~table["flagged"].astype(bool))
    lowest = float((ranked if ranked.notna().any() else table["bic"]).min())
    gaps = []
    for number, (name, label) in enumerate(_lines(table).items()):
        rows = table[table["kind"] == name].reindex(sizes)
        above = rows["bic"].to_numpy(dtype=float) - lowest
        flagged = rows["flagged"].eq(True).to_numpy()
        gaps.append(np.where(flagged, np.nan, above))
        colour, style = colour_at(number), _STYLES[number % len(_STYLES)]
        marker = MARKERS[number % len(MARKERS)]
        ax.plot(sizes, gaps[-1], ls=style, marker=marker, color=colour, ms=5, lw=1.3, label=label)
        ax.plot(sizes[flagged], above[flagged], "x", color=colour, ms=8, mew=1.8)
    if table["flagged"].any():
        ax.plot([], [], "x", color=ink(), ms=8, mew=1.8, label="all by chance: not ranked")
    best = table[ranked == lowest].reset_index()
    if len(best):
        k = best["K"].to_numpy()[:1]
        label = f"best: K = {k[0]}, {best['model'][0]}"
        ax.plot(k, [0.0], "o", ms=13, mfc="none", mec=ink(), mew=1.4, label=label)
    _scale(ax, float(np.nanmax(gaps, initial=0.0)))
    ax.grid(axis="y", color=ink(0.1), lw=0.7)
    ax.set_axisbelow(True)
    ax.set_xticks(sizes)
    ax.set_xlim(sizes[0] - 0.4, sizes[-1] + 0.4)
    finish(
        ax,
        title="BIC of every covariance structure and number of components",
        x="number of components K",
        y="BIC above the smallest (smaller is better)",
        legend="beside",
    )
    return plotted(ax)


def _scale(ax: Axes, largest: float) -> None:
    """Set an axis that shows differences of a few and of thousands."""
    top = 1.3 * max(largest, _LINEAR)
    decades = 10.0 ** np.arange(math.ceil(math.log10(top)))
    ticks = [tick for tick in np.outer(decades, [1, 2, 5]).ravel() if 1 < tick <= top]
    ax.set_yscale("symlog", linthresh=_LINEAR, linscale=1.2)
    ax.set_yticks([0.0, *ticks], [f"{tick:.0f}" for tick in [0.0, *ticks]])
    ax.yaxis.set_minor_locator(NullLocator())
    ax.set_ylim(-1.2, top)


def _lines(table: pd.DataFrame) -> dict[str, str]:
    """Return the kinds of model to draw, with the names that they share at every K."""
    models = table.set_index("kind")["model"].str.split(" = ")
    names = list(models.index.unique())
    lines: dict[str, str] = {}
    drawn: set[str] = set()
    for name in names:
        if name in drawn:
            continue
        shared = set.intersection(*(set(m) for m in models[[name]]))
        same = [other for other in names if other in shared]
        drawn.update(same)
        lines[name] = " = ".join(same)
    return lines
