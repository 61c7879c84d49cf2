"""What all plots share: colours, axes, names made safe for print."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import xarray as xr
from matplotlib import rcParams
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.transforms import ScaledTranslation

from bayesgmm.arguments import check_count, check_instance, check_texts
from bayesgmm.plots.look import asked_look
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.tree import units_in
from bayesgmm.runtime.keywords import keywords

__all__ = [
    "axis_label",
    "cluster_colour",
    "colour_at",
    "dash_at",
    "entitle",
    "entitle_panel",
    "finish",
    "ink",
    "mark_at",
    "noise_colour",
    "paper",
    "percent",
    "predicted",
    "printable",
    "units_of",
]

# Okabe and Ito's palette (2008, jfly.uni-koeln.de/color), its yellow and black left out: yellow is
# too faint on white, black is the data's. Then five of Tol's "muted" (2021, SRON/EPS/TN/09-002) and
# a brown, that can be told from these on white and on black.
_PALETTE = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"),
    *("#AA4466", "#999933", "#AA4499", "#44AA99", "#A0703A", "#7F7FCF"),
)
_PREDICTED = {False: "#5b3a8c", True: "#b79ae0"}  # on light and dark paper: no cluster's colour
_MARKS = "os^Dv<>P"
_DASHES = ("--", "-.", ":", (0, (6, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))
_LONGEST = 40
_LETTER = 0.5  # width of a letter, of the size of the text
_EQUALS = "\u00a0=\u00a0"  # in which no line is broken

Location = Literal["beside", "above"] | None


@keywords()
def cluster_colour(number: int) -> str:
    """Return the colour of a cluster, the same in every plot; twelve, then they come again.

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
    >>> cluster_colour(1), cluster_colour(13)
    ('#0072B2', '#0072B2')
    """
    return _PALETTE[(check_count("number", number) - 1) % len(_PALETTE)]


def mark_at(place: int) -> str:
    """Return the mark of a line by its place: those nearby differ also without colours."""
    return _MARKS[place % len(_MARKS)]


def colour_at(place: int) -> str:
    """Return the colour of the cluster, or of another thing in a row, at a place from 0."""
    colours = asked_look().colors or _PALETTE
    return colours[place % len(colours)]


def dash_at(place: int) -> Any:
    """Return the dashes of a line by its place."""
    return _DASHES[place % len(_DASHES)]


def ink(strength: float = 1.0) -> str:
    """Return the colour of text in the style at hand, at less strength mixed with the paper's.

    Examples
    --------
    >>> ink(), ink(0.5), paper()
    ('#000000', '#808080', '#ffffff')
    """
    front, back = np.array([to_rgb(rcParams["text.color"]), to_rgb(paper())])
    return to_hex(strength * front + (1.0 - strength) * back)


def noise_colour() -> str:
    """Return the colour of the noise: that of no cluster, and not that of the data."""
    return ink(0.6)


def paper() -> str:
    """Return the colour of the ground in the style at hand."""
    return to_hex(rcParams["axes.facecolor"])


def predicted() -> str:
    """Return the colour of what a model predicts as a whole: that of no cluster."""
    return _PREDICTED[sum(to_rgb(paper())) < 1.5]


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
    """Return the unit of each feature, as given or as the result, fit or data set states it.

    Raises
    ------
    ConfigError
        Where `given` is no mapping to texts.
    """
    if given is not None:
        check_instance("units", given, Mapping, "a mapping of features to units")
        check_texts("units", list(given.values()))
        return given
    if isinstance(source, Draws):
        source = source.source
    return units_in(source) if isinstance(source, xr.DataTree) else getattr(source, "units", {})


def axis_label(feature: str, units: Mapping[str, str]) -> str:
    """Return the feature's name with its unit, or with "data units" if there is room."""
    unit = units.get(feature, "" if asked_look().narrow else "data units")
    return f"{printable(feature)} ({printable(str(unit))})" if unit else printable(feature)


def finish(
    ax: Axes,
    *,
    title: str = "",
    x: str = "",
    y: str = "",
    legend: Location = "beside",
    handles: Sequence[Artist] | None = None,
) -> Axes:
    """Write title and labels, thin the frame, and put the legend where it hides nothing.

    Parameters
    ----------
    ax : Axes
    title, x, y : str
        What the plot shows, and what the axes are. A title that the caller gave stands in place
        of that of a plot of one panel.
    legend : {"beside", "above"} or None
        Beside the axes where there is room, else below them; over them; or none.
    handles : sequence of Artist, optional
        What the legend names; what was drawn with a label by default.
    """
    look, (width, height) = asked_look(), _room(ax)
    if look.alone and look.title is not None:
        title = look.title
    if title:
        size = look.points(10.5)
        room = 0.9 * width if look.narrow else width
        entitle_panel(ax, _wrapped(title, room, size), size, pad=look.points(8))
    size = look.points(9.5)
    ax.set_xlabel(_wrapped(x, 0.9 * width if look.narrow else width, size), fontsize=size)
    ax.set_ylabel(_wrapped(y, 0.8 * height if look.narrow else height, size), fontsize=size)
    ax.tick_params(labelsize=look.points(8.5))
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[:].set_in_layout(False)  # their ticks are measured with the labels
    shown = ax.get_legend_handles_labels()[0] if handles is None else list(handles)
    if look.legend and legend and shown:
        _put_legend(ax, shown, width, legend)
    return ax


def entitle_panel(ax: Axes, text: str, size: float, **options: Any) -> None:
    """Write the title of a panel, at a height that need not be looked for: no tick is above it."""
    ax.set_title(text, fontsize=size, loc="left", y=1.0, **options)


def _room(ax: Axes) -> tuple[float, float]:
    """Return width and height of axes, inches, as they are before what stands beside them."""
    figure = ax.get_figure(root=False)
    assert figure is not None
    box, inches = ax.get_position(), 1.0 / figure.get_dpi()
    return box.width * figure.bbox.width * inches, box.height * figure.bbox.height * inches


def _wrapped(text: str, inches: float, size: float) -> str:
    """Break a text into lines that fit a width; a letter is about half its size wide."""
    letters = max(int(72 * inches / (_LETTER * size)), 8)
    lines = []
    if len(text) > letters:
        text = text.replace(" (", "\n(")
    for line in text.replace(" = ", _EQUALS).split("\n"):
        lines.append("")
        for piece in re.findall(r"[ ]*[^ _]+_*|[ ]*_+", line):
            if lines[-1] and len(lines[-1] + piece) > letters:
                lines.append(piece.lstrip())
            else:
                lines[-1] += piece
    return "\n".join(lines).replace(_EQUALS, " = ")


def _put_legend(ax: Axes, handles: Sequence[Artist], width: float, where: str) -> None:
    look = asked_look()
    size = look.points(8.5)
    options: dict[str, Any] = {"handles": handles, "frameon": False, "fontsize": size}
    below = {
        "ncols": _columns(handles, 1.15 * width, size),
        "columnspacing": 1.0,
        "handletextpad": 0.5,
    }
    if where == "above":
        options |= below | {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0)}
        ax.legend(borderaxespad=0.1, **options)
    elif look.narrow:
        lines = 1 + ax.get_xlabel().count("\n")
        depth = look.points(25 + 13 * lines) / 72
        scale = ax.get_figure(root=True).dpi_scale_trans  # type: ignore[union-attr]
        options |= below | {"loc": "upper left", "bbox_to_anchor": (0.0, 0.0)}
        shifted = ax.transAxes + ScaledTranslation(0.0, -depth, scale)
        ax.legend(bbox_transform=shifted, borderaxespad=0.0, **options)
    else:
        ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0, **options)


def _columns(handles: Sequence[Artist], inches: float, size: float) -> int:
    """Return how many columns of a legend fit in a width."""
    longest = max(len(str(each.get_label())) for each in handles)
    points = size * (0.9 * _LETTER * longest + 4.0)
    return int(np.clip(72 * inches / points, 1, len(handles)))


def entitle(
    ax: Axes, title: str, handles: Sequence[Artist] | None = None, columns: int = 6
) -> None:
    """Write the title of the figure that `ax` lies in, and its legend below all panels.

    Parameters
    ----------
    ax : Axes
        The legend is of what was drawn here unless `handles` are given.
    title : str
        One that the caller gave stands in its place.
    handles : sequence of Artist, optional
    columns : int
        Columns of the legend, at most.
    """
    look, figure = asked_look(), ax.get_figure(root=False)
    if figure is None:
        return
    title = title if look.title is None else look.title
    if title:
        size = look.points(10.5)
        wrapped = _wrapped(title, look.width, size)
        figure.suptitle(wrapped, fontsize=size, x=0.01, ha="left")
    shown = ax.get_legend_handles_labels()[0] if handles is None else list(handles)
    if shown and look.legend:
        size = look.points(8.5)
        figure.legend(
            handles=shown, loc="outside lower center", frameon=False, fontsize=size,
            ncols=min(columns, _columns(shown, 0.85 * look.width, size)), columnspacing=1.0,
        )  # fmt: skip
