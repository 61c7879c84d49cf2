"""Plots of predictive checks."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from bayesgmm.arguments import check_prob
from bayesgmm.likelihood.annotated_rows import written_out
from bayesgmm.limits import INTERVAL
from bayesgmm.plots.curves import bin_edges
from bayesgmm.plots.look import Size, new_grid, styled
from bayesgmm.plots.observed import Column, column_of, told_of
from bayesgmm.plots.plot import Plot, plotted
from bayesgmm.plots.theme import axis_label, entitle, finish, ink, percent, predicted, units_of
from bayesgmm.posterior.draws import view_of
from bayesgmm.posterior.kept_rows import with_kept_rows
from bayesgmm.prediction import posterior_predictive as replicate
from bayesgmm.runtime.keywords import keywords
from bayesgmm.typing import Array

__all__ = ["posterior_predictive"]

_MOST_FEATURES = 6


@keywords(n_data_sets="n")
@styled
def posterior_predictive(
    posterior: xr.DataTree,
    *,
    n: int = 200,
    prob: float = INTERVAL,
    seed: int | None = None,
    units: Mapping[str, str] | None = None,
    figsize: Size | None = None,
    title: str | None = None,
    legend: bool = True,
    colors: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Plot:
    """Draw the histogram of the data over what data sets drawn from the posterior would show.

    Only observed cells are compared, weighted by their rows; see `bayesgmm.posterior_predictive`.

    Parameters
    ----------
    posterior : xarray.DataTree
        If it has a group posterior_predictive, that is drawn.
    n : int
        Number of replicated data sets to draw if it has none.
    prob : float
        Probability of the equal-tailed interval of each bar.
    seed : int, optional
        Random seed of the replicates; generated if None.
    units : mapping of str to str, optional
        Unit of each feature, for the axes; by default as the data, fit or result states it.
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
        One panel per feature, six at most.

    Examples
    --------
    >>> from bayesgmm.sampling import sample
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> tree = sample(rows, 2, draws=100, seed=1)
    >>> len(posterior_predictive(tree, n=40, seed=1).axes)
    1
    """
    prob = check_prob(prob)
    view = with_kept_rows(view_of(posterior))
    table = view.table
    if "posterior_predictive" not in posterior:
        posterior = replicate(view, n, seed)
    rows, _ = written_out(table)
    group = posterior["posterior_predictive"].to_dataset()["x"]
    features = [str(name) for name in group["feature"].values][:_MOST_FEATURES]
    known = units_of(posterior, units)
    columns = min(len(features), 2 if len(features) <= 4 else 3)
    n_rows = -(-len(features) // columns)
    width = 6.6 if columns == 1 else 3.7 * columns
    axes = new_grid(n_rows, columns, width, 2.7 * n_rows + 0.8).ravel()
    for ax in axes[len(features) :]:
        ax.set_visible(False)
    for place, (ax, name) in enumerate(zip(axes[: len(features)], features, strict=True)):
        replicates = group.values[..., place].reshape(-1, len(rows))
        column = column_of(rows, place)
        _draw_check(ax, column, replicates[:, column.places], prob, told_of(rows))
        finish(ax, x=axis_label(name, known), y="rows a bin", legend=None)
    n_clusters = posterior["posterior"].sizes["cluster"]
    entitle(axes[0], f"Data against data sets drawn from the posterior, K = {n_clusters}")
    return plotted(axes[: len(features)])


def _draw_check(ax: Axes, column: Column, replicates: Array, prob: float, label: str) -> None:
    edges = bin_edges(column.values, column.times)
    width = edges[1] - edges[0]
    edges = np.concatenate([[edges[0] - 2 * width, edges[0] - width], edges])
    edges = np.concatenate([edges, [edges[-1] + width, edges[-1] + 2 * width]])
    weights = column.weights
    counts = np.array([np.histogram(values, edges, weights=weights)[0] for values in replicates])
    low, middle, high = np.quantile(counts, [(1 - prob) / 2, 0.5, (1 + prob) / 2], axis=0)
    ax.stairs(
        np.histogram(column.values, edges, weights=weights)[0],
        edges,
        fill=True,
        color=ink(0.19),
        label=label,
    )
    centres = (edges[1:] + edges[:-1]) / 2
    ax.vlines(
        centres, low, high, color=predicted(), lw=2.2, alpha=0.75,
        label=f"{percent(prob)} of replicated data sets",
    )  # fmt: skip
    ax.plot(centres, middle, "o", color=predicted(), ms=3, label="their median")
    ax.set_ylim(0, None)
    ax.set_xlim(edges[0], edges[-1])
