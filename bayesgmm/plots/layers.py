"""What plots of densities are made of: histograms, curves, rows, contours, ellipses."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from bayesgmm.likelihood.annotated_rows import RowTable
from bayesgmm.model.components import NOISE, half_in_the_plane, half_of_layers
from bayesgmm.plots.curves import Shown, bin_edges, evenly, mass_levels
from bayesgmm.plots.look import asked_look
from bayesgmm.plots.observed import Column, points_of
from bayesgmm.plots.theme import (
    colour_at,
    dash_at,
    ink,
    mark_at,
    noise_colour,
    paper,
    percent,
    printable,
)
from bayesgmm.typing import Array

__all__ = [
    "cluster_handles",
    "draw_contours",
    "draw_curves",
    "draw_ellipses",
    "draw_histogram",
    "draw_interval",
    "draw_noise_box",
    "draw_rows",
    "interval_handles",
    "to_log_axis",
    "told_of_features",
    "told_of_pair",
]

_MASSES = (0.5, 0.8, 0.95)
_SHOWN_ROWS = 5000
_LOWEST = 1e-4  # of the peak, on a logarithmic axis without data
_NOISE_DASH = (0, (1, 1.5))


def draw_histogram(ax: Axes, column: Column) -> None:
    """Draw one feature's values as a histogram with a rug, densities per unit."""
    values = column.values
    ax.hist(
        values, bins=bin_edges(values, column.times).tolist(), weights=column.weights, density=True,
        color=ink(0.14), edgecolor=paper(), lw=0.4, label=column.label,
    )  # fmt: skip
    marks = values[evenly(len(values), 1000)]
    ax.plot(
        marks, np.full(len(marks), 0.018), "|", color=ink(0.8), ms=6, mew=0.6,
        alpha=float(np.clip(10 / np.sqrt(len(marks)), 0.2, 1)),
        transform=ax.get_xaxis_transform(),
    )  # fmt: skip


def draw_curves(ax: Axes, mixture: Shown, place: int, prob: float, components: bool) -> None:
    """Draw the density of one feature with its band, its components dashed and the noise dotted.

    The noise has no label to be taken for another: it is drawn without the components too.
    """
    grid = mixture.density([place], 400, prob)
    points = grid["x"].values
    if mixture.sampled:
        ax.fill_between(
            points, grid["lower"], grid["upper"], color=ink(), alpha=0.22, lw=0,
            label=f"{percent(prob)} interval",
        )  # fmt: skip
    what = "posterior mean" if mixture.sampled else "fitted density"
    ax.plot(points, grid["mean"], color=ink(), lw=1.6, label=what)
    if components and len(mixture.parts) > 1:
        for k, curve in enumerate(grid["components"].values):
            name = printable(mixture.clusters[k])
            ax.plot(points, curve, color=colour_at(k), lw=1.5, ls=dash_at(k), label=name)
    if NOISE in grid:
        ax.plot(points, grid[NOISE], color=noise_colour(), lw=1.5, ls=_NOISE_DASH, label=NOISE)
    ax.set_xlim(points[0], points[-1])
    if ax.get_yscale() == "linear":
        ax.set_ylim(bottom=0)


def to_log_axis(ax: Axes) -> None:
    """Give a panel of densities a logarithmic axis, which ends a little below what the data show.

    The lowest bar, of one row, or the noise is the lowest; other densities fall without end.
    """
    bars = [bar.get_height() for bar in ax.patches if isinstance(bar, Rectangle)]
    curves = {str(line.get_label()): np.asarray(line.get_ydata()) for line in ax.lines}
    highest = max([*bars, *(curve.max() for curve in curves.values())])
    shown = [bar for bar in bars if bar > 0.0] or [_LOWEST * highest]
    noise = curves.get(NOISE, np.empty(0))
    lowest = min([*shown, *noise[noise > 0.0]])
    low, high = 0.3 * lowest, 2.0 * highest
    if ax.get_yscale() == "log":  # as axes that share it have it
        (before, after) = ax.get_ylim()
        low, high = min(low, before), max(high, after)
    ax.set_yscale("log")
    ax.set_ylim(low, high)


def cluster_handles(mixture: Shown, components: bool) -> list[Line2D]:
    """Return what a legend shows of the clusters and of the noise."""
    noise = [
        Line2D([], [], color=noise_colour(), lw=1.2, ls=_NOISE_DASH, label=text)
        for text in [mixture.noise_told]
        if text
    ]
    if not components:
        return noise
    several = mixture.sampled and not asked_look().narrow
    what = "50 % ellipse, one per draw" if several else "50 % ellipse"
    return [
        *(
            Line2D(
                [], [], color=colour_at(k), lw=1.6, marker=mark_at(k), ms=5, label=printable(name)
            )
            for k, name in enumerate(mixture.clusters)
        ),
        Line2D([], [], color=ink(0.46), lw=0.8, marker="o", mfc="none", ms=7, label=what),
        *noise,
    ]


def told_of_pair(rows: RowTable, pair: tuple[int, int]) -> str:
    """Say how many rows a panel shows, and what their sizes mean."""
    points = points_of(rows, [*pair])
    n = len(points.values)
    notes = [f"{_SHOWN_ROWS} shown"] if n > _SHOWN_ROWS else []
    if points.hidden:
        notes.append(f"{points.hidden} more lack one of the two")
    sizes = "" if points.sizes is None else ", area by weight"
    return f"data, {n} rows{sizes}" + (f" ({'; '.join(notes)})" if notes else "")


def draw_rows(ax: Axes, mixture: Shown, pair: tuple[int, int], relative_size: float = 1.0) -> None:
    """Draw the rows, 5,000 at most, the area of a point by its weight."""
    if mixture.rows is None:
        return
    points = points_of(mixture.rows, [*pair])
    chosen = evenly(len(points.values), _SHOWN_ROWS)
    x, y = points.values[chosen].T
    diameter = relative_size * float(np.clip(60 / np.sqrt(max(len(x), 1)), 1.5, 4.5))
    many = len(x) > 1000
    if points.sizes is None:
        ax.plot(
            x,
            y,
            "o",
            color=ink(0.46),
            mec="none",
            ms=diameter,
            alpha=0.6,
            zorder=1,
            rasterized=many,
        )
        return
    areas = diameter**2 * points.sizes[chosen]
    ax.scatter(x, y, areas, color=ink(0.46), lw=0, alpha=0.6, zorder=1, rasterized=many)


def draw_contours(ax: Axes, mixture: Shown, pair: tuple[int, int], size: int) -> None:
    """Draw the contours of the density, on a grid of `size` points a side."""
    x, y, surface = mixture.surface(pair, size)
    ax.contour(
        x, y, surface, levels=mass_levels(surface, _MASSES), colors=ink(),
        linewidths=[0.7, 1.0, 1.3], alpha=0.8, zorder=3,
    )  # fmt: skip
    ax.set_xlim(mixture.limits(pair[0]))
    ax.set_ylim(mixture.limits(pair[1]))


def draw_noise_box(ax: Axes, mixture: Shown, pair: tuple[int, int]) -> None:
    """Draw the outline of the box in which the noise lies, where there is one."""
    noise = mixture.draws.noise
    if noise is None:
        return
    (left, low), (right, high) = noise.low[[*pair]], noise.high[[*pair]]
    ax.plot(
        [left, right, right, left, left], [low, low, high, high, low],
        color=noise_colour(), lw=1.2, ls=_NOISE_DASH, zorder=1.5,
    )  # fmt: skip


def draw_ellipses(ax: Axes, mixture: Shown, pair: tuple[int, int], most: int) -> None:
    """Draw half of each component at `most` draws, and a mark at its mean."""
    angle = np.linspace(0, 2 * np.pi, 73)
    circle = np.stack([np.cos(angle), np.sin(angle)])
    index = list(pair)
    chosen = evenly(len(mixture.draws.parameters.weights), most)
    alpha = 0.3 if mixture.sampled else 1.0
    found = mixture.draws.parameters.margin(index).at(chosen)
    squares = half_in_the_plane(found.nu)
    if found.inflation is not None and found.good_share is not None:
        squares = half_of_layers(found.inflation, found.good_share)[:, None]
    squares = np.broadcast_to(squares, found.weights.shape)
    for k in range(mixture.draws.n_components):
        means = found.means[:, k]
        blocks = squares[:, k, None, None] * found.covariances[:, k]
        outlines = means[:, :, None] + np.linalg.cholesky(blocks) @ circle
        gaps = np.full((len(chosen), 2, 1), np.nan)
        joined = np.concatenate([outlines, gaps], axis=2).transpose(1, 0, 2).reshape(2, -1)
        ax.plot(*joined, color=colour_at(k), lw=0.8, alpha=alpha, zorder=2)
        ax.plot(
            *means.mean(axis=0), mark_at(k), color=colour_at(k), mec=paper(), mew=0.7, ms=6,
            zorder=4,
        )  # fmt: skip


def draw_interval(
    ax: Axes, values: Array, height: float, prob: float, colour: str, mark: str
) -> None:
    """Draw the median of draws, and across it their middle half and a wider interval."""
    tails = [(1 - prob) / 2, 0.25, 0.5, 0.75, (1 + prob) / 2]
    low, first, middle, third, high = np.quantile(values, tails)
    ax.plot([low, high], [height, height], color=colour, lw=1.4, solid_capstyle="butt")
    ax.plot([first, third], [height, height], color=colour, lw=4.0, solid_capstyle="butt")
    ax.plot([middle], [height], mark, color=paper(), mec=colour, ms=5, mew=1.4)


def interval_handles(sampled: bool, prob: float) -> list[Line2D]:
    """Return what a legend shows of `draw_interval`."""
    what = "median" if sampled else "estimate"
    mark = Line2D([], [], marker="o", ls="", mfc=paper(), mec=ink(), ms=5, label=what)
    if not sampled:
        return [mark]
    return [
        mark,
        Line2D([], [], color=ink(), lw=4.0, label="50 % interval"),
        Line2D([], [], color=ink(), lw=1.4, label=f"{percent(prob)} interval"),
    ]


def told_of_features(
    n_shown: int, mixture: Shown, *, chosen: bool = False, by: str = "separate the clusters best"
) -> str:
    """Say in a title how many of the features are shown, and which; nothing where all are."""
    n_features = len(mixture.draws.features)
    if n_shown == n_features:
        return ""
    which = "" if chosen or asked_look().narrow else f", those that {by}"
    return f"; {n_shown} of {n_features} features{which}"
