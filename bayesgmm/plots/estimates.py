"""Plots of estimates with their intervals: weights, means, correlations."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from bayesgmm.arguments import check_prob
from bayesgmm.errors import ConfigError
from bayesgmm.limits import INTERVAL
from bayesgmm.plots.curves import INTERVAL_DRAWS, Shown, to_show
from bayesgmm.plots.layers import draw_interval, interval_handles, told_of_features
from bayesgmm.plots.look import Size, new_axes, new_grid, styled
from bayesgmm.plots.plot import Plot, plotted
from bayesgmm.plots.theme import (
    axis_label,
    colour_at,
    entitle,
    finish,
    ink,
    mark_at,
    noise_colour,
    paper,
    percent,
    printable,
    units_of,
)
from bayesgmm.runtime.keywords import keywords
from bayesgmm.typing import Array

__all__ = ["correlations", "forest"]

_MOST_FEATURES = 8
_MOST_PAIRS = 10


@keywords(source="posterior")
@styled
def forest(
    posterior: Any,
    *,
    prob: float = INTERVAL,
    units: Mapping[str, str] | None = None,
    figsize: Size | None = None,
    title: str | None = None,
    legend: bool = True,
    colors: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Plot:
    """Draw the weights and the means of the clusters with their intervals, and the noise's weight.

    Parameters
    ----------
    posterior : PointFit or DataTree
        A posterior must be relabelled. A point fit is drawn as points.
    prob : float
        Probability of the thin, equal-tailed interval; the thick one holds 50 %.
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
        Axes in a row: the weights, then each feature's means; with more than eight features, the
        eight in which the clusters lie farthest apart.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm import fit_em
    >>> rows = np.random.default_rng(1).normal(size=(40, 2)) + [[0, 0], [6, 3]] * 20
    >>> [ax.get_xlabel() for ax in forest(fit_em(rows, 2, seed=1)).axes]
    ['weight', 'mean of x1 (data units)', 'mean of x2 (data units)']
    """
    prob = check_prob(prob)
    mixture = to_show(posterior, n_draws=INTERVAL_DRAWS)
    known = units_of(posterior, units)
    places = sorted(mixture.separating()[:_MOST_FEATURES].tolist())
    n_panels = 1 + len(places)
    columns = min(n_panels, 3)
    n_rows = -(-n_panels // columns)
    height = n_rows * (1.0 + 0.26 * len(mixture.parts)) + 0.8
    axes = new_grid(n_rows, columns, 2.6 * columns + 0.8, height, sharey=True).ravel()
    for ax in axes[n_panels:]:
        ax.set_visible(False)
    _draw_panel(axes[0], mixture.draws.parameters.parts, mixture, prob)
    finish(axes[0], x="weight", legend=None)
    axes[0].set_xlim(0, None)
    for ax, place in zip(axes[1:n_panels], places, strict=True):
        _draw_panel(ax, mixture.draws.parameters.means[..., place], mixture, prob)
        finish(ax, x=f"mean of {axis_label(mixture.draws.features[place], known)}", legend=None)
    _title(axes[0], mixture, "Weights and means of the clusters", prob, len(places))
    return plotted(axes[:n_panels])


def _draw_panel(ax: Axes, values: Array, mixture: Shown, prob: float) -> None:
    """Draw one row per cluster, and the noise below them, from values (sample, part)."""
    for k in range(values.shape[1]):
        beside = k == mixture.draws.n_components
        colour = noise_colour() if beside else colour_at(k)
        draw_interval(ax, values[:, k], k, prob, colour, "o" if beside else mark_at(k))
    ax.set_yticks(range(len(mixture.parts)), [printable(name) for name in mixture.parts])
    ax.set_ylim(len(mixture.parts) - 0.5, -0.5)
    ax.grid(axis="x", color=ink(0.1), lw=0.7)
    ax.set_axisbelow(True)


def _title(ax: Axes, mixture: Shown, what: str, prob: float, n_shown: int) -> None:
    told = told_of_features(n_shown, mixture)
    handles = interval_handles(mixture.sampled, prob)
    entitle(ax, f"{what}, K = {mixture.draws.n_components}{told}", handles)


@keywords(source="posterior")
@styled
def correlations(
    posterior: Any,
    *,
    prob: float = INTERVAL,
    figsize: Size | None = None,
    title: str | None = None,
    legend: bool = True,
    colors: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Plot:
    """Draw the correlations within each cluster with their intervals.

    Parameters
    ----------
    posterior : PointFit or DataTree
        A posterior must be relabelled, unless its correlations are shared by the clusters.
    prob : float
        Probability of the thin, equal-tailed interval; the thick one holds 50 %.
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
        With more than ten pairs of features, the ten whose correlations are largest in size.

    Raises
    ------
    ConfigError
        When the model has no correlations.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm import fit_em
    >>> rows = np.random.default_rng(1).normal(size=(40, 2)) + [[0, 0], [6, 3]] * 20
    >>> correlations(fit_em(rows, 2, seed=1)).ax.get_xlabel()
    'correlation (no unit)'
    """
    prob = check_prob(prob)
    mixture = to_show(posterior, n_draws=INTERVAL_DRAWS)
    values = mixture.draws.parameters.correlations
    size = len(mixture.draws.features)
    pairs = [(i, j) for i in range(size) for j in range(i)]
    if not pairs or not any(values[..., i, j].any() for i, j in pairs):
        raise ConfigError("this model has no correlations to draw.")
    strength = [-np.abs(values[..., i, j].mean(axis=0)).max() for i, j in pairs]
    pairs = [pairs[n] for n in sorted(np.argsort(strength, kind="stable")[:_MOST_PAIRS])]
    shared = bool((values == values[:, :1]).all()) and mixture.draws.n_components > 1
    shown = 1 if shared else mixture.draws.n_components
    ax = new_axes(6.6, 1.5 + 0.2 * len(pairs) * (shown + 0.6))
    centres = []
    for n, (i, j) in enumerate(pairs):
        start = n * (shown + 0.8)
        centres.append(start + (shown - 1) / 2)
        for k in range(shown):
            colour = ink() if shared else colour_at(k)
            draw_interval(ax, values[:, k, i, j], start + k, prob, colour, mark_at(k))
    names = [
        f"{printable(mixture.draws.features[j], 24)},\n{printable(mixture.draws.features[i], 24)}"
        for i, j in pairs
    ]
    ax.set_yticks(centres, names)
    ax.set_ylim(centres[-1] + shown / 2 + 0.4, -0.9)
    ax.axvline(0, color=ink(0.6), lw=0.9, ls=":")
    ax.set_xlim(-1.02, 1.02)
    ax.grid(axis="x", color=ink(0.1), lw=0.7)
    ax.set_axisbelow(True)
    for k in range(shown):
        label = "all clusters" if shared else printable(mixture.clusters[k])
        colour = ink() if shared else colour_at(k)
        ax.plot([], [], color=colour, lw=2.5, marker=mark_at(k), mfc=paper(), ms=5, label=label)
    what = f"; medians, 50 and {percent(prob)} intervals" if mixture.sampled else ""
    finish(
        ax,
        title=f"Correlations within clusters, K = {mixture.draws.n_components}{what}",
        x="correlation (no unit)",
    )
    return plotted(ax)
