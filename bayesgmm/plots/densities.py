"""Pictures of the fitted density: one feature, two features, all pairs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from bayesgmm.arguments import check_flag
from bayesgmm.errors import ConfigError
from bayesgmm.likelihood.annotated_rows import RowTable, values_of
from bayesgmm.limits import INTERVAL
from bayesgmm.plots.curves import Shown, bin_edges, evenly, mass_levels, to_show
from bayesgmm.plots.observed import Column, column_of, points_of
from bayesgmm.plots.plot import Plot, plotted
from bayesgmm.plots.theme import (
    DATA,
    MUTED,
    axis_label,
    colour_at,
    entitle,
    finish,
    new_axes,
    new_grid,
    percent,
    printable,
    units_of,
)

__all__ = ["density_1d", "density_2d", "density_pairs"]

_MASSES = (0.5, 0.8, 0.95)
_RADIUS = np.sqrt(2 * np.log(2.0))  # of the ellipse that holds half of a Normal in the plane
_ELLIPSES, _ELLIPSES_A_PANEL = 40, 12
_SHOWN_ROWS = 5000


def density_1d(
    source: Any,
    rows: Any = None,
    *,
    feature: str | None = None,
    prob: float = INTERVAL,
    components: bool = True,
    units: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Plot:
    """Draw the density of one feature with an interval band and its components over the data.

    Parameters
    ----------
    source : PointFit or DataTree
    rows : Dataset, array of shape (obs, feature) or frame, optional
        The data; a posterior holds its own.
    feature : str, optional
        The first by default; with several features the curve is the exact marginal.
    prob : float
        Probability of the pointwise, equal-tailed band.
    components : bool
        Whether to draw the components; leave them out where the labels are not identified.
    units : mapping of str to str, optional
        The unit of each feature, for the axis.
    ax : Axes, optional

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
    mixture, ax = to_show(source, rows), new_axes(ax)
    name = mixture.draws.features[0] if feature is None else feature
    place = mixture.index(name)
    if mixture.rows is not None:
        _draw_histogram(ax, column_of(mixture.rows, place))
    _draw_curves(ax, mixture, place, prob, components)
    what = "Posterior mean density" if mixture.sampled else "Fitted density"
    label = axis_label(name, units_of(source, units))
    title = f"{what} of {printable(name)}, K = {mixture.draws.n_components}"
    return plotted(finish(ax, title=title, x=label, y="density (per unit)", legend="best"))


def _draw_histogram(ax: Axes, column: Column) -> None:
    """Draw one feature's values as a histogram with a rug, densities per unit."""
    values = column.values
    ax.hist(
        values, bins=bin_edges(values, column.times).tolist(), weights=column.weights, density=True,
        color="#dcdcdc", edgecolor="white", lw=0.4, label=column.label,
    )  # fmt: skip
    marks = values[evenly(len(values), 1000)]
    ax.plot(
        marks, np.full(len(marks), 0.018), "|", color=DATA, ms=6, mew=0.6,
        alpha=float(np.clip(10 / np.sqrt(len(marks)), 0.2, 1)),
        transform=ax.get_xaxis_transform(),
    )  # fmt: skip


def _draw_curves(ax: Axes, mixture: Shown, place: int, prob: float, components: bool) -> None:
    grid = mixture.density([place], 400, prob)
    points = grid["x"].values
    if mixture.sampled:
        ax.fill_between(
            points, grid["lower"], grid["upper"], color="black", alpha=0.22, lw=0,
            label=f"{percent(prob)} interval",
        )  # fmt: skip
    what = "posterior mean" if mixture.sampled else "fitted density"
    ax.plot(points, grid["mean"], color="black", lw=1.6, label=what)
    if components and mixture.draws.n_components > 1:
        for k, curve in enumerate(grid["components"].values):
            name = printable(mixture.clusters[k])
            ax.plot(points, curve, color=colour_at(k), lw=1.5, ls="--", label=name)
    ax.set_xlim(points[0], points[-1])
    ax.set_ylim(bottom=0)


def density_2d(
    source: Any,
    rows: Any = None,
    *,
    features: tuple[str, str] | None = None,
    components: bool = True,
    units: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Plot:
    """Draw the density of two features as contours, and ellipses of the components.

    The contours enclose 50, 80 and 95 % of the posterior mean density (of the fitted density for
    a point fit). Each thin ellipse holds half of one component at one draw, so that their
    scatter is the uncertainty of its mean and covariance.

    Parameters
    ----------
    source : PointFit or DataTree
    rows : Dataset, array of shape (obs, feature) or frame, optional
        The data; a posterior holds its own.
    features : tuple of str, optional
        The first two by default; with more features the density is their exact marginal.
    components : bool
        Whether to draw the ellipses; leave them out where the labels are not identified.
    units : mapping of str to str, optional
    ax : Axes, optional

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
    mixture, ax = to_show(source, rows), new_axes(ax, 6.4, 5.2)
    if len(mixture.draws.features) < 2:
        raise ConfigError("density_2d needs two features and the model has one; take density_1d.")
    first, second = (0, 1) if features is None else mixture.places(features, 2)
    pair = (first, second)
    names = [mixture.draws.features[place] for place in pair]
    _draw_rows(ax, mixture, pair)
    _draw_contours(ax, mixture, pair, 120)
    if components:
        _draw_ellipses(ax, mixture, pair, _ELLIPSES)
    handles = [
        Line2D([], [], color="black", lw=1.0, label="50, 80, 95 % of the density"),
        *_cluster_handles(mixture, components),
    ]
    if mixture.rows is not None:
        text = _told_of_rows(mixture.rows, pair)
        handles.append(Line2D([], [], marker="o", ls="", color=MUTED, ms=4, label=text))
    known = units_of(source, units)
    what = "Posterior mean density" if mixture.sampled else "Fitted density"
    finish(
        ax,
        title=f"{what} of {printable(names[0])} and {printable(names[1])}, "
        f"K = {mixture.draws.n_components}",
        x=axis_label(names[0], known),
        y=axis_label(names[1], known),
        legend=None,
    )
    ax.legend(handles=handles, fontsize=8.5, framealpha=0.85, edgecolor="none")
    return plotted(ax)


def _cluster_handles(mixture: Shown, components: bool) -> list[Line2D]:
    if not components:
        return []
    what = "half of a cluster, one line a draw" if mixture.sampled else "half of a cluster"
    return [
        *(
            Line2D([], [], color=colour_at(k), lw=1.6, label=printable(name))
            for k, name in enumerate(mixture.clusters)
        ),
        Line2D([], [], color=MUTED, lw=0.8, marker="o", mfc="none", ms=7, label=what),
    ]


def _told_of_rows(rows: RowTable, pair: tuple[int, int]) -> str:
    """Say how many rows a panel shows, and what their sizes mean."""
    points = points_of(rows, [*pair])
    n = len(points.values)
    notes = [f"{_SHOWN_ROWS} shown"] if n > _SHOWN_ROWS else []
    if points.hidden:
        notes.append(f"{points.hidden} more lack one of the two")
    sizes = "" if points.sizes is None else ", area by weight"
    return f"data, {n} rows{sizes}" + (f" ({'; '.join(notes)})" if notes else "")


def _draw_rows(ax: Axes, mixture: Shown, pair: tuple[int, int], relative_size: float = 1.0) -> None:
    if mixture.rows is None:
        return
    points = points_of(mixture.rows, [*pair])
    chosen = evenly(len(points.values), _SHOWN_ROWS)
    x, y = points.values[chosen].T
    diameter = relative_size * float(np.clip(60 / np.sqrt(max(len(x), 1)), 1.5, 4.5))
    many = len(x) > 1000
    if points.sizes is None:
        ax.plot(
            x, y, "o", color=MUTED, mec="none", ms=diameter, alpha=0.6, zorder=1, rasterized=many
        )
        return
    areas = diameter**2 * points.sizes[chosen]
    ax.scatter(x, y, areas, color=MUTED, lw=0, alpha=0.6, zorder=1, rasterized=many)


def _draw_contours(ax: Axes, mixture: Shown, pair: tuple[int, int], size: int) -> None:
    grid = mixture.density(pair, size)
    surface = grid["mean"].values
    ax.contour(
        grid["x"], grid["y"], surface, levels=mass_levels(surface, _MASSES), colors="black",
        linewidths=[0.7, 1.0, 1.3], alpha=0.8, zorder=3,
    )  # fmt: skip
    ax.set_xlim(mixture.limits(pair[0]))
    ax.set_ylim(mixture.limits(pair[1]))


def _draw_ellipses(ax: Axes, mixture: Shown, pair: tuple[int, int], most: int) -> None:
    angle = np.linspace(0, 2 * np.pi, 73)
    circle = _RADIUS * np.stack([np.cos(angle), np.sin(angle)])
    index = list(pair)
    chosen = evenly(len(mixture.draws.parameters.weights), most)
    alpha = 0.3 if mixture.sampled else 1.0
    for k in range(mixture.draws.n_components):
        means = mixture.draws.parameters.means[chosen][:, k, index]
        blocks = mixture.draws.parameters.covariances[chosen][:, k][:, index][:, :, index]
        outlines = means[:, :, None] + np.linalg.cholesky(blocks) @ circle
        gaps = np.full((len(chosen), 2, 1), np.nan)
        joined = np.concatenate([outlines, gaps], axis=2).transpose(1, 0, 2).reshape(2, -1)
        ax.plot(*joined, color=colour_at(k), lw=0.8, alpha=alpha, zorder=2)


def density_pairs(
    source: Any,
    rows: Any = None,
    *,
    features: tuple[str, ...] | None = None,
    components: bool = True,
    units: Mapping[str, str] | None = None,
) -> Plot:
    """Draw every pair of features as in `density_2d`, and each feature alone on the diagonal.

    Parameters
    ----------
    source : PointFit or DataTree
    rows : Dataset, array of shape (obs, feature) or frame, optional
        The data; a posterior holds its own.
    features : tuple of str, optional
        Which ones; by default the six at most whose clusters lie farthest apart.
    components : bool
        Whether to draw the components; leave them out where the labels are not identified.
    units : mapping of str to str, optional

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
    mixture = to_show(source, rows)
    known = units_of(source, units)
    if features is None:
        places = sorted(mixture.separating()[:6].tolist())
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
            ax.tick_params(labelsize=7.5, labelleft=column == 0 or row == column)
            ax.xaxis.label.set_fontsize(8)
            ax.yaxis.label.set_fontsize(8)
    _finish_pairs(grid_axes, mixture, components)
    return plotted(grid_axes)


def _draw_panel(ax: Axes, mixture: Shown, pair: tuple[int, int], components: bool) -> None:
    i, j = pair
    if i == j:
        if mixture.rows is not None:
            _draw_histogram(ax, column_of(mixture.rows, i))
        _draw_curves(ax, mixture, i, INTERVAL, components)
    elif i < j:
        _draw_rows(ax, mixture, pair, 0.6)
        _draw_contours(ax, mixture, pair, 60)
        if components:
            _draw_ellipses(ax, mixture, pair, _ELLIPSES_A_PANEL)
    else:
        ax.set_visible(False)


def _told_of_panels(rows: RowTable | None) -> str:
    lacking = rows is not None and bool(np.isnan(values_of(rows)).any())
    return "data (each panel: rows that show it)" if lacking else "data"


def _finish_pairs(grid_axes: np.ndarray, mixture: Shown, components: bool) -> None:
    handles = [
        Line2D([], [], color="black", lw=1.0, label="density; 50, 80, 95 % of it"),
        *_cluster_handles(mixture, components and mixture.draws.n_components > 1),
        Line2D([], [], marker="o", ls="", color=MUTED, ms=4, label=_told_of_panels(mixture.rows)),
    ]
    what = "Posterior mean density" if mixture.sampled else "Fitted density"
    title = f"{what} of each feature and pair, K = {mixture.draws.n_components}"
    entitle(grid_axes[0, 0], title, handles, columns=3 if len(grid_axes) > 2 else 2)
