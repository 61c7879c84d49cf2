"""The coarsened posterior of K over alpha."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from bayesgmm.arguments import check_instance
from bayesgmm.evidence import Coarsened
from bayesgmm.plots.look import Size, new_grid, styled
from bayesgmm.plots.plot import Plot, plotted
from bayesgmm.plots.theme import colour_at, entitle, finish, ink, mark_at
from bayesgmm.runtime.keywords import keywords

__all__ = ["over_alpha"]


@keywords()
@styled
def over_alpha(
    coarsened: Coarsened,
    *,
    figsize: Size | None = None,
    title: str | None = None,
    legend: bool = True,
    colors: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Plot:
    """Draw p(K) against alpha, the number of rows up to which the model is believed.

    Parameters
    ----------
    coarsened : Coarsened
        As `bayesgmm.coarsened` returns it.
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
        One line per K; the last point, at the right edge, is the comparison itself, where alpha is
        infinite.

    Examples
    --------
    >>> from bayesgmm import coarsened, compare
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> comparison = compare(rows, [1, 2], draws=200, seed=1)
    >>> len(over_alpha(coarsened(comparison, [2, 8], draws=200)).axes[0].lines)
    2
    """
    found = check_instance("coarsened", coarsened, Coarsened, "what bayesgmm.coarsened returns")
    by_alpha = found.probabilities
    alphas = by_alpha.index.to_numpy(dtype=float)
    finite = alphas[np.isfinite(alphas)]
    edge = finite.max() * 4.0
    at = np.where(np.isfinite(alphas), alphas, edge)
    axes = new_grid(1, 1, 6.8, 3.8).ravel()
    for place, (k, values) in enumerate(by_alpha.items()):
        axes[0].plot(
            at,
            values,
            marker=mark_at(place),
            color=colour_at(place),
            ms=5,
            lw=1.1,
            label=f"K = {k}",
        )
    axes[0].set_xscale("log")
    axes[0].set_xticks([*finite, edge], [*(f"{alpha:.3g}" for alpha in finite), "all"])
    axes[0].minorticks_off()
    axes[0].set_ylim(-0.02, 1.02)
    axes[0].grid(axis="y", color=ink(0.1), lw=0.7)
    axes[0].set_axisbelow(True)
    finish(
        axes[0],
        x="alpha (rows): the larger, the more exact the model",
        y="p(K)",
        legend="above",
    )
    entitle(axes[0], "Number of components, if only nearly Gaussian", handles=[])
    return plotted(axes)
