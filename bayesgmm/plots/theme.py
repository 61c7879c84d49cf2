"""What all pictures share: colours, axes, names made safe for print."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayesgmm.advice import shown
from bayesgmm.arguments import check_count, check_instance, check_texts
from bayesgmm.errors import ConfigError
from bayesgmm.posterior.tree import attribute

__all__ = [
    "DATA",
    "HIGHLIGHT",
    "MUTED",
    "PREDICTED",
    "axis_label",
    "cluster_colour",
    "colour_at",
    "entitle",
    "finish",
    "mark_at",
    "new_axes",
    "new_grid",
    "percent",
    "printable",
    "units_of",
]

# Okabe and Ito's palette (2008, jfly.uni-koeln.de/color), its yellow and black left out: yellow is
# too faint on white, black is the data's.
_PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DATA = "#333333"
MUTED = "#8a8a8a"
HIGHLIGHT = "#000000"
PREDICTED = "#5b3a8c"  # what a model predicts as a whole: the colour of no cluster
_MARKS = "os^Dv<>P"
_LONGEST = 40

Location = Literal["best", "above", "below", "upper right"] | None


def cluster_colour(number: int) -> str:
    """Return the colour of a cluster, the same in every picture; six, then they come again.

    Parameters
    ----------
    number : int
        Number of the cluster, from 1; of clusters that have names, its place among them.

    Returns
    -------
    str
        Hexadecimal colour that readers with colour vision deficiency can tell from the others.

    Examples
    --------
    >>> cluster_colour(1), cluster_colour(7)
    ('#0072B2', '#0072B2')
    """
    return colour_at(check_count("number", number) - 1)


def mark_at(place: int) -> str:
    """Return the mark of a line by its place: those nearby differ also without colours."""
    return _MARKS[place % len(_MARKS)]


def colour_at(place: int) -> str:
    """Return the colour of the cluster, or of another thing in a row, at a place from 0."""
    return _PALETTE[place % len(_PALETTE)]


def printable(text: str, longest: int = _LONGEST) -> str:
    r"""Return a name as matplotlib may draw it: no mathematics, no control signs, not too long.

    Examples
    --------
    >>> printable("price in $")
    'price in \\$'
    """
    shown = "".join(c if c.isprintable() else f"\\x{ord(c):x}" for c in text)
    if len(shown) > longest:
        shown = shown[: longest - 1] + "…"
    return shown.replace("$", r"\$")


def percent(prob: float) -> str:
    """Return a probability in per cent, not rounded.

    Examples
    --------
    >>> percent(0.955)
    '95.5 %'
    """
    return f"{100 * prob:.6g} %"


def units_of(source: Any, given: Mapping[str, str] | None = None) -> Mapping[str, str]:
    """Return the unit of each feature: as given, or as the result states it; empty where none is.

    Raises
    ------
    ConfigError
        Where `given` is no mapping to texts.
    """
    if given is not None:
        check_instance("units", given, Mapping, "a mapping of features to units")
        check_texts("units", list(given.values()))
        return given
    about = attribute(source, "about") if isinstance(source, xr.DataTree) else None
    units = (about or {}).get("units") or {}
    return units if isinstance(units, Mapping) else {}


def axis_label(feature: str, units: Mapping[str, str]) -> str:
    """Return the feature's name with its unit, or "data units" where none is known."""
    return f"{printable(feature)} ({printable(str(units.get(feature, 'data units')))})"


def new_axes(ax: Axes | None, width: float = 7.0, height: float = 4.2) -> Axes:
    """Return the axes given, or the axes of a new figure that no global state knows.

    Raises
    ------
    ConfigError
        Where `ax` is none of matplotlib's axes, or was taken off its figure.
    """
    if ax is not None:
        plain = isinstance(ax, Axes) and ax.name == "rectilinear" and ax.figure is not None
        if not plain:
            what = "plain axes that lie in a figure, such as those of plt.subplots()"
            raise ConfigError(f"ax must be {what}, got {shown(ax)}.", key="ax", value=ax)
        return ax
    return Figure(figsize=(width, height), layout="constrained").add_subplot()


def new_grid(rows: int, columns: int, width: float, height: float, **options: Any) -> np.ndarray:
    """Return an array of axes (rows, columns) of a new figure, sizes in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure.subplots(rows, columns, squeeze=False, **options)


def finish(
    ax: Axes, *, title: str = "", x: str = "", y: str = "", legend: Location = "best"
) -> Axes:
    """Write title and labels, thin the frame, and put the legend where it is asked for.

    Parameters
    ----------
    ax : Axes
    title, x, y : str
        What the picture shows, and what the axes are.
    legend : {"best", "above", "below", "upper right"} or None
        Where inside, over or under the axes; None for no legend.
    """
    wide = ax.get_position().width * ax.get_figure(root=True).get_figwidth()  # type: ignore[union-attr]
    if title:
        wrapped = textwrap.fill(title, max(24, int(13.5 * wide)))
        ax.set_title(wrapped, fontsize=10.5, loc="left", pad=8)
    ax.set_xlabel(x, fontsize=9.5)
    ax.set_ylabel(y, fontsize=9.5)
    ax.tick_params(labelsize=8.5)
    ax.spines[["top", "right"]].set_visible(False)
    labels = ax.get_legend_handles_labels()[1]
    legend = legend if labels else None
    if legend == "below":
        columns = 1 if wide < 3.5 else 2 if len(labels) in (2, 4) else 3
        ax.legend(
            loc="upper center",
            bbox_to_anchor=(0.5, -0.17 if wide < 3.5 else -0.13),
            ncols=columns,
            frameon=False,
            fontsize=8.5,
        )
    elif legend == "above":
        columns = 2 if len("".join(labels)) > 70 else 3
        ax.legend(
            loc="lower left",
            bbox_to_anchor=(0.0, 1.0),
            borderaxespad=0.1,
            ncols=columns,
            frameon=False,
            fontsize=8.5,
        )
    elif legend is not None:
        ax.legend(loc=legend, frameon=True, framealpha=0.85, edgecolor="none", fontsize=8.5)
    return ax


def entitle(
    ax: Axes, title: str, handles: Sequence[Artist] | None = None, columns: int = 4
) -> None:
    """Write the title of the figure that `ax` lies in, and its legend below all panels.

    Parameters
    ----------
    ax : Axes
        The legend is of what was drawn here unless `handles` are given.
    title : str
    handles : sequence of Artist, optional
    columns : int
        Columns of the legend.
    """
    figure = ax.get_figure(root=True)
    if figure is None:
        return
    figure.suptitle(title, fontsize=10.5, x=0.01, ha="left")
    shown = ax.get_legend_handles_labels()[0] if handles is None else list(handles)
    if shown:
        figure.legend(
            handles=shown, loc="outside lower center", ncols=columns, frameon=False, fontsize=8.5
        )
