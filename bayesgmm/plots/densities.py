"""Plots of the fitted density: one feature, two features, all pairs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from bayesgmm.arguments import check_flag
from bayesgmm.errors import ConfigError
from bayesgmm.likelihood.annotated_rows import RowTable, values_of
from bayesgmm.limits import INTERVAL, PAIRED_FEATURES, PAIRED_FEATURES_NARROW
from bayesgmm.plots.curves import Shown, to_show
from bayesgmm.plots.layers import (
    cluster_handles,
    draw_contours,
    draw_curves,
    draw_ellipses,
    draw_histogram,
    draw_noise_box,
    draw_rows,
    to_log_axis,
    told_of_features,
    told_of_pair,
)
from bayesgmm.plots.look import Size, asked_look, new_axes, new_grid, styled
from bayesgmm.plots.observed import column_of
from bayesgmm.plots.plot import Plot, plotted
from bayesgmm.plots.theme import axis_label, entitle, finish, ink, printable, units_of
from bayesgmm.runtime.keywords import keywords

__all__ = ["density_1d", "density_2d", "density_pairs"]

_ELLIPSES, _ELLIPSES_A_PANEL = 40, 12


@keywords(source="posterior")
@styled
def density_1d(
    posterior: Any,
    rows: Any = None,
    *,
    feature: str | None = None,
    prob: float = INTERVAL,
    components: bool = True,
    log: bool = False,
    units: Mapping[str, str] | None = None,
    figsize: Size | None = None,
    title: str | None = None,
    legend: bool = True,
    colors: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Plot:
    """Draw the density of one feature with an interval band and its components over the data.

    Noise is part of the density, and drawn as a dotted line of its own.

    Parameters
    ----------
    posterior : PointFit or DataTree
    rows : Dataset, array of shape (obs, feature) or frame, optional
        The data; a posterior holds its own.
    feature : str, optional
        The first by default; with several features the curve is the exact marginal.
    prob : float
        Probability of the pointwise, equal-tailed band.
    components : bool
        Whether to draw the components; set it to False if the labels are not identified.
    log : bool
        Whether the density has a logarithmic axis, which shows the tails: a Gaussian falls ever
        more steeply, a t does not, and noise is constant.
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
        Axes to draw in.

    Returns
    -------
    Plot

    Examples
    --------
    >>> from bayesgmm import fit_em
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> density_1d(fit_em(rows, 2, seed=1), rows).ax.get_title("left")
    'Fitted density of x1, K = 2'
    """
    check_flag("components", components)
    check_flag("log", log)
    mixture, ax = to_show(posterior, rows), new_axes()
    name = mixture.draws.features[0] if feature is None else feature
    place = mixture.index(name)
    if mixture.rows is not None:
        draw_histogram(ax, column_of(mixture.rows, place))
    draw_curves(ax, mixture, place, prob, components)
    if log:
        to_log_axis(ax)
    what = "Posterior mean density" if mixture.sampled else "Fitted density"
    label = axis_label(name, units_of(posterior, units))
    title = f"{what} of {printable(name)}, K = {mixture.draws.n_components}"
    return plotted(finish(ax, title=title, x=label, y="density (per unit)", legend="beside"))


@keywords(source="posterior")
@styled
def density_2d(
    posterior: Any,
    rows: Any = None,
    *,
    features: tuple[str, str] | None = None,
    components: bool = True,
    units: Mapping[str, str] | None = None,
    figsize: Size | None = None,
    title: str | None = None,
    legend: bool = True,
    colors: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Plot:
    """Draw the density of two features as contours, and ellipses of the components.

    The contours enclose 50, 80 and 95 % of the posterior mean density (of the fitted density for
    a point fit). Each thin ellipse holds half of one component at one draw, so that their
    scatter is the uncertainty of its mean and covariance. Where there is noise, which is part of
    the density, a dotted line is the box in which it lies.

    Parameters
    ----------
    posterior : PointFit or DataTree
    rows : Dataset, array of shape (obs, feature) or frame, optional
        The data; a posterior holds its own.
    features : tuple of str, optional
        The first two by default; with more features the density is their exact marginal.
    components : bool
        Whether to draw the ellipses; set it to False if the labels are not identified.
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
        Axes to draw in.

    Returns
    -------
    Plot

    Raises
    ------
    ConfigError
        When the model has a single feature, or none of that name.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm import fit_em
    >>> rows = np.random.default_rng(1).normal(size=(40, 2)) + [[0, 0], [6, 3]] * 20
    >>> density_2d(fit_em(rows, 2, seed=1), rows).ax.get_xlabel()
    'x1 (data units)'
    """
    check_flag("components", components)
    mixture, ax = to_show(posterior, rows), new_axes(6.4, 5.2)
    if len(mixture.draws.features) < 2:
        raise ConfigError("density_2d needs two features and the model has one; take density_1d.")
    first, second = (0, 1) if features is None else mixture.places(features, 2)
    pair = (first, second)
    names = [mixture.draws.features[place] for place in pair]
    draw_rows(ax, mixture, pair)
    draw_contours(ax, mixture, pair, 120)
    draw_noise_box(ax, mixture, pair)
    if components:
        draw_ellipses(ax, mixture, pair, _ELLIPSES)
    handles = [
        Line2D([], [], color=ink(), lw=1.0, label="50, 80, 95 % probability"),
        *cluster_handles(mixture, components),
    ]
    if mixture.rows is not None:
        text = told_of_pair(mixture.rows, pair)
        handles.append(Line2D([], [], marker="o", ls="", color=ink(0.46), ms=4, label=text))
    known = units_of(posterior, units)
    what = "Posterior mean density" if mixture.sampled else "Fitted density"
    finish(
        ax,
        title=f"{what} of {printable(names[0])} and {printable(names[1])}, "
        f"K = {mixture.draws.n_components}",
        x=axis_label(names[0], known),
        y=axis_label(names[1], known),
        handles=handles,
    )
    return plotted(ax)


@keywords(source="posterior")
@styled
def density_pairs(
    posterior: Any,
    rows: Any = None,
    *,
    features: tuple[str, ...] | None = None,
    components: bool = True,
    units: Mapping[str, str] | None = None,
    figsize: Size | None = None,
    title: str | None = None,
    legend: bool = True,
    colors: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Plot:
    """Draw every pair of features as in `density_2d`, and each feature alone on the diagonal.

    Parameters
    ----------
    posterior : PointFit or DataTree
    rows : Dataset, array of shape (obs, feature) or frame, optional
        The data; a posterior holds its own.
    features : tuple of str, optional
        Which ones; by default the six at most, three in a plot of less than 5 inches, that
        separate the clusters best: by the variance of the clusters' means over the mean variance
        within clusters (Fisher 1936). The title says how many of all they are.
    components : bool
        Whether to draw the components; set it to False if the labels are not identified.
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
        Axes of shape (feature, feature). Those above the diagonal are empty and hidden.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm import fit_em
    >>> rows = np.random.default_rng(1).normal(size=(40, 2)) + [[0, 0], [6, 3]] * 20
    >>> density_pairs(fit_em(rows, 2, seed=1), rows).axes.shape
    (2, 2)
    """
    check_flag("components", components)
    mixture = to_show(posterior, rows)
    known = units_of(posterior, units)
    if features is None:
        most = PAIRED_FEATURES_NARROW if asked_look().narrow else PAIRED_FEATURES
        places = sorted(mixture.separating()[:most].tolist())
    else:
        places = mixture.places(features)
    size = len(places)
    grid_axes = new_grid(size, size, max(1.2 + 1.75 * size, 4.7), 1.2 + 1.6 * size, sharex="col")
    for row, j in enumerate(places):
        for column, i in enumerate(places):
            ax = grid_axes[row, column]
            _draw_panel(ax, mixture, (i, j), components)
            label = "density" if row == column else axis_label(mixture.draws.features[j], known)
            finish(
                ax,
                x=axis_label(mixture.draws.features[i], known) if row == size - 1 else "",
                y=label if column == 0 or row == column else "",
                legend=None,
            )
            ax.tick_params(labelleft=column == 0 or row == column)
            for each in (ax.xaxis, ax.yaxis):
                each.label.set_fontsize(asked_look().points(8))
                each.set_tick_params(labelsize=asked_look().points(7.5))
    told = told_of_features(size, mixture, chosen=features is not None)
    _finish_pairs(grid_axes, mixture, components, told)
    return plotted(grid_axes)


def _draw_panel(ax: Axes, mixture: Shown, pair: tuple[int, int], components: bool) -> None:
    i, j = pair
    if i == j:
        if mixture.rows is not None:
            draw_histogram(ax, column_of(mixture.rows, i))
        draw_curves(ax, mixture, i, INTERVAL, components)
    elif i < j:
        draw_rows(ax, mixture, pair, 0.6)
        draw_contours(ax, mixture, pair, 60)
        draw_noise_box(ax, mixture, pair)
        if components:
            draw_ellipses(ax, mixture, pair, _ELLIPSES_A_PANEL)
    else:
        ax.set_visible(False)


def _told_of_panels(rows: RowTable | None) -> str:
    lacking = rows is not None and bool(np.isnan(values_of(rows)).any())
    return "data (each panel: rows that show it)" if lacking else "data"


def _finish_pairs(grid_axes: np.ndarray, mixture: Shown, components: bool, told: str) -> None:
    handles = [
        Line2D([], [], color=ink(), lw=1.0, label="50, 80, 95 % probability"),
        *cluster_handles(mixture, components and len(mixture.parts) > 1),
        Line2D(
            [], [], marker="o", ls="", color=ink(0.46), ms=4, label=_told_of_panels(mixture.rows)
        ),
    ]
    what = "Posterior mean density" if mixture.sampled else "Fitted density"
    title = f"{what} of pairs, K = {mixture.draws.n_components}{told}"
    entitle(grid_axes[0, 0], title, handles, columns=3 if len(grid_axes) > 2 else 2)
