"""Plots of who belongs where: membership probabilities and co-clustering."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from bayesgmm.advice import shown
from bayesgmm.arguments import check_real, require_listed
from bayesgmm.data.columns import plural
from bayesgmm.errors import ConfigError
from bayesgmm.likelihood.annotated_rows import AnnotatedRows, RowTable
from bayesgmm.limits import AMBIGUOUS, INTERVAL, STRAY
from bayesgmm.model.components import NOISE
from bayesgmm.plots.curves import Shown, evenly, to_show
from bayesgmm.plots.look import Size, asked_look, new_axes, styled
from bayesgmm.plots.observed import points_of
from bayesgmm.plots.plot import Plot, plotted
from bayesgmm.plots.theme import (
    axis_label,
    colour_at,
    finish,
    ink,
    mark_at,
    noise_colour,
    paper,
    printable,
    units_of,
)
from bayesgmm.prediction._membership import Parts, parts_of
from bayesgmm.prediction._membership import membership as membership_of
from bayesgmm.runtime.keywords import keywords
from bayesgmm.typing import Array, IntArray

__all__ = ["coclustering", "membership"]


@keywords(source="posterior")
@styled
def membership(
    posterior: Any,
    rows: Any = None,
    *,
    features: tuple[str, str] | None = None,
    prob: float = INTERVAL,
    ambiguous: float = AMBIGUOUS,
    units: Mapping[str, str] | None = None,
    figsize: Size | None = None,
    title: str | None = None,
    legend: bool = True,
    colors: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Plot:
    """Draw each row in the colour of its most probable cluster, the paler the less sure.

    With one feature the height is the probability of each cluster, with its interval. Rows that are
    most probably noise are grey crosses. Rows whose largest probability is below `ambiguous` are
    ringed; a dot marks those whose class is known. Rows that lack a feature of the plot are
    counted in its title.

    Parameters
    ----------
    posterior : PointFit or DataTree
        A posterior must be relabelled.
    rows : Dataset, array of shape (obs, feature) or frame, optional
        The data; a posterior holds its own.
    features : tuple of str, optional
        The two features to show; by default those in which the clusters lie farthest apart.
    prob : float
        Probability of the intervals (one feature only).
    ambiguous : float
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
        When a point fit is given without rows.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm import fit_em
    >>> rows = np.random.default_rng(1).normal(size=(40, 2)) + [[0, 0], [6, 3]] * 20
    >>> membership(fit_em(rows, 2, seed=1), rows).ax.get_title("left")
    'Membership of 40 rows: the paler, the less certain'
    """
    ambiguous = check_real("ambiguous", ambiguous)
    mixture = to_show(posterior, rows)
    if mixture.rows is None:
        raise ConfigError("a point fit does not hold its data: pass rows= to show them.")
    known = units_of(posterior, units)
    one = len(mixture.draws.features) == 1
    places = [0] if one else _pair(mixture, features)
    points = points_of(mixture.rows, places)
    chosen = evenly(len(points.places), 5000)
    shown, rows = points.values[chosen], mixture.rows[points.places[chosen]]
    soft = membership_of(posterior, rows, prob=prob)
    parts = parts_of(soft)
    unsure = parts.largest < ambiguous
    labels = [axis_label(mixture.draws.features[place], known) for place in places]
    if one:
        ax = new_axes(7.0, 4.2)
        _draw_probabilities(ax, shown[:, 0], parts, mixture, unsure)
        noise = mixture.draws.noise is not None
        labels.append(f"probability of the cluster{', or of noise' if noise else ''}")
    else:
        ax = new_axes(6.4, 5.0)
        _draw_rows(ax, shown, parts, mixture, unsure)
    _mark_known(ax, shown, rows, one)
    for k, name in enumerate(mixture.parts):
        colour, mark = _colour_and_mark(k, mixture)
        ax.plot([], [], mark, color=colour, ms=5, label=printable(name))
    ax.plot(
        [], [], "o", mfc="none", mec=ink(), ms=8,
        label=f"largest probability < {ambiguous:g} ({plural(int(unsure.sum()), 'row')})",
    )  # fmt: skip
    hidden = f" ({points.hidden} not shown)" if points.hidden else ""
    number = plural(len(points.places), "row")
    title = f"Membership of {number}{hidden}: the paler, the less certain"
    return plotted(finish(ax, title=title, x=labels[0], y=labels[1]))


def _mark_known(ax: Axes, shown: Array, rows: RowTable, one: bool) -> None:
    """Mark rows whose class is known with a dot."""
    if not isinstance(rows, AnnotatedRows) or rows.allowed is None:
        return
    known = shown[rows.allowed.sum(axis=1) == 1]
    heights = np.ones(len(known)) if one else known[:, 1]
    label = f"class known ({plural(len(known), 'row')})"
    ax.plot(known[:, 0], heights, ".", color=ink(), ms=4, mew=0, zorder=5, label=label)


def _pair(mixture: Shown, features: tuple[str, str] | None) -> list[int]:
    if features is None:
        return sorted(mixture.separating()[:2].tolist())
    return mixture.places(features, 2)


def _colour_and_mark(place: int, mixture: Shown) -> tuple[str, str]:
    """Return colour and mark of a cluster, or of the noise that comes after them."""
    if place == mixture.draws.n_components:
        return noise_colour(), "x"
    return colour_at(place), mark_at(place)


def _tints(probability: Array, colour: str) -> Array:
    """Return colours (obs, 3) that fade from the one given at 1 to nearly the paper's at 0.35."""
    share = np.clip((probability - 0.35) / 0.65, 0.12, 1.0)[:, None]
    return share * np.array(to_rgb(colour)) + (1 - share) * np.array(to_rgb(paper()))


def _edges(mark: str) -> dict[str, Any]:
    """Return what is drawn around a mark; a cross has no inside."""
    return {"lw": 1.1} if mark == "x" else {"edgecolors": ink() + "40", "lw": 0.3}


def _draw_rows(ax: Axes, shown: Array, parts: Parts, mixture: Shown, unsure: np.ndarray) -> None:
    order = np.argsort(-parts.largest, kind="stable")  # the doubtful on top of rows tied with them
    shown, unsure, largest = shown[order], unsure[order], parts.largest[order]
    part = parts.mean.argmax(axis=1)[order]
    size = float(np.clip(3000 / len(shown), 4, 26))
    for k in range(len(parts.names)):
        own, (colour, mark) = part == k, _colour_and_mark(k, mixture)
        ax.scatter(
            shown[own, 0], shown[own, 1], s=size, c=_tints(largest[own], colour), marker=mark,
            rasterized=len(shown) > 1000, **_edges(mark),
        )  # fmt: skip
    ax.scatter(
        shown[unsure, 0], shown[unsure, 1], s=3.2 * size + 16, facecolors="none",
        edgecolors=ink(), linewidths=0.9,
    )  # fmt: skip


def _draw_probabilities(
    ax: Axes, column: Array, parts: Parts, mixture: Shown, unsure: np.ndarray
) -> None:
    for k in range(len(parts.names)):
        mean, low, high = (values[:, k] for values in parts[1:])
        colour, mark = _colour_and_mark(k, mixture)
        ax.vlines(column, low, high, color=colour, lw=0.8, alpha=0.35)
        ax.scatter(
            column, mean, s=20, c=_tints(mean, colour), marker=mark, zorder=3, **_edges(mark)
        )
    ax.scatter(
        column[unsure], parts.largest[unsure], s=70, facecolors="none", edgecolors=ink(), lw=0.9,
        zorder=4,
    )  # fmt: skip
    ax.set_ylim(-0.03, 1.05)


@keywords()
@styled
def coclustering(
    probabilities: xr.DataArray | Array,
    partition: Any = None,
    *,
    figsize: Size | None = None,
    title: str | None = None,
    legend: bool = True,
    colors: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Plot:
    """Draw the probability that two rows share a component, rows ordered by a partition.

    Rows of a noise share none. Where the probabilities say how probably each row is noise, a strip
    beside the matrix shows it.

    Parameters
    ----------
    probabilities : array of shape (obs, obs)
        As `bayesgmm.coclustering` returns it.
    partition : integers of shape (obs,), optional
        The cluster of each row, as in the labels of `bayesgmm.partition`; its blocks are outlined.
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
    >>> from bayesgmm import coclustering as probabilities, fit_em
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> coclustering(probabilities(fit_em(rows, 2, seed=1), rows)).ax.get_title("left")
    'Co-clustering, ordered by similarity'
    """
    matrix = _square(probabilities)
    n = len(matrix)
    labels = np.zeros(n, dtype=int) if partition is None else _labels(partition, n)
    order = _ordered(matrix, labels)
    ax = new_axes(5.8, 5.0)
    image = ax.imshow(
        matrix[np.ix_(order, order)], cmap="cividis", vmin=0, vmax=1, interpolation="nearest",
        extent=(0, n, n, 0),
    )  # fmt: skip
    look = asked_look()
    beside = partition is not None and look.legend and not look.narrow
    bar = ax.get_figure(root=True).colorbar(  # type: ignore[union-attr]
        image, ax=ax, shrink=0.85, location="bottom" if beside else "right"
    )
    bar.set_label("probability of the same component", fontsize=look.points(9))
    bar.ax.tick_params(labelsize=look.points(8))
    noise = _noise_of(probabilities)
    if noise is not None:
        _draw_strip(ax, noise[order])
    if partition is not None:
        _outline(ax, labels[order], None if noise is None else noise[order])
    what = "the partition" if partition is not None else "similarity"
    finish(
        ax,
        title=f"Co-clustering, ordered by {what}",
        x="rows in this order" + ("" if noise is None else "; at the right, P(noise) of each"),
        y="rows in this order",
        legend="beside" if partition is not None else None,
    )
    return plotted(ax)


def _square(probabilities: Any) -> Array:
    matrix = _array(probabilities, "fiub")
    square = matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1] > 0
    if not square or not np.isfinite(matrix).all():
        raise ConfigError(
            "expected a matrix (obs, obs) as coclustering returns it, got "
            f"{type(probabilities).__name__} of shape {np.shape(matrix)}."
        )
    return matrix.astype(float)


def _labels(partition: Any, n_obs: int) -> IntArray:
    labels = _array(partition, "iu")
    if labels.shape != (n_obs,):
        raise ConfigError(
            f"partition must hold the number of a cluster for each of {n_obs} rows, got "
            f"{shown(partition)}.",
            key="partition",
            value=partition,
        )
    return labels


def _array(value: Any, kinds: str) -> np.ndarray:
    """Return an array of one of these kinds, an empty one where this is none."""
    require_listed(value)
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        return np.empty(0)
    return array if array.dtype.kind in kinds else np.empty(0)


def _ordered(matrix: Array, labels: IntArray) -> IntArray:
    """Order rows by label, and within one by how surely they lie with the others of it."""
    cohesion = np.array(
        [row[labels == label].mean() for row, label in zip(matrix, labels, strict=True)]
    )
    return np.lexsort((-cohesion, labels))


def _noise_of(probabilities: Any) -> Array | None:
    """Return how probably each row is noise (obs,), where `coclustering` says so."""
    if isinstance(probabilities, xr.DataArray) and NOISE in probabilities.coords:
        return np.asarray(probabilities[NOISE], dtype=float)
    return None


def _draw_strip(ax: Axes, noise: Array) -> None:
    """Draw how probably each row is noise beside the matrix, in the order of its rows."""
    n = float(len(noise))
    left, right = 1.02 * n, 1.06 * n
    extent = (left, right, n, 0.0)
    ax.imshow(noise[:, None], cmap="cividis", vmin=0, vmax=1, extent=extent, label=NOISE)
    ax.set(xlim=(0.0, right), ylim=(n, 0.0))


def _outline(ax: Axes, ordered: IntArray, noise: Array | None) -> None:
    groups = zip(*np.unique(ordered, return_index=True, return_counts=True), strict=True)
    for place, (value, start, size) in enumerate(groups):
        end = start + size
        beside = noise is not None and 1.0 - noise[start:end].mean() < STRAY
        ax.plot(
            [start, end, end, start, start], [start, start, end, end, start],
            color=noise_colour() if beside else colour_at(place), lw=2.2, clip_on=False,
            label=f"group {value}{' (noise)' if beside else ''}: {size} rows",
        )  # fmt: skip
