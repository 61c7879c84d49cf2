"""How a plot is to look: what the caller asked for, where it is drawn, how large text is."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import is_color_like, to_hex
from matplotlib.figure import Figure, SubFigure

from bayesgmm.advice import shown
from bayesgmm.arguments import check_flag, check_instance, check_numbers, items_of
from bayesgmm.errors import ConfigError

__all__ = ["Look", "Size", "asked_look", "new_axes", "new_grid", "styled"]

_FULL = 4.6  # inches from which on text has its full size
_NARROW = 5.0  # inches below which nothing stands beside the axes
_SMALLEST = 0.72  # of that size: 6 points on ticks, the least that journals print
_LARGEST = 100.0  # inches of a figure

type Size = tuple[float, float]


@dataclass
class Look:
    """What one call of a plot asks for, and what follows once it is clear where it is drawn."""

    figsize: Size | None = None
    title: str | None = None
    legend: bool = True
    colors: tuple[str, ...] | None = None
    ax: Axes | None = None
    width: float = 7.0
    alone: bool = True

    @property
    def scale(self) -> float:
        """How large text is, of its full size."""
        return float(np.clip(self.width / _FULL, _SMALLEST, 1.0))

    @property
    def narrow(self) -> bool:
        """Whether there is no room beside the axes."""
        return self.width < _NARROW

    def points(self, full: float) -> float:
        """Return a size of text, or of what goes with it."""
        return full * self.scale


_LOOK: ContextVar[Look | None] = ContextVar("look", default=None)


def asked_look() -> Look:
    """Return the look of the plot that is being drawn."""
    return _LOOK.get() or Look()


def styled[**P, R](draw: Callable[P, R]) -> Callable[P, R]:
    """Let a plot heed the keywords figsize, title, legend, colors and ax, as far as it has them.

    They are checked here, and hold for all that is drawn in the call.
    """

    @functools.wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> R:
        names = ("figsize", "title", "legend", "colors", "ax")
        with _looking(_checked({name: kwargs[name] for name in names if name in kwargs})):
            return draw(*args, **kwargs)

    return drawn


@contextmanager
def _looking(look: Look) -> Iterator[None]:
    token = _LOOK.set(look)
    try:
        yield
    finally:
        _LOOK.reset(token)


def _checked(given: dict[str, Any]) -> Look:
    look = Look(**{name: value for name, value in given.items() if value is not None})
    if look.title is not None:
        check_instance("title", look.title, str, "text")
    check_flag("legend", look.legend)
    look.colors = None if look.colors is None else _colours(look.colors)
    look.figsize = None if look.figsize is None else _size(look.figsize)
    if look.ax is not None:
        _check_axes(look.ax)
        look.width = _inches(look.ax)
        if look.figsize is not None:
            raise ConfigError(
                "figsize is the size of a new figure; leave it out where ax= is given.",
                key="figsize",
                value=look.figsize,
            )
    if look.figsize is not None:
        look.width = look.figsize[0]
    return look


def _colours(given: Any) -> tuple[str, ...]:
    found, wrong = list[str](), given
    for each in items_of("colors", given, "colours, such as ['black', '#0072B2']"):
        wrong = each
        if not is_color_like(each):
            found = []
            break
        found.append(to_hex(each))
    if not found:
        raise ConfigError(
            "colors must be colours of matplotlib, one per cluster, such as ['black', '#0072B2'], "
            f"got {shown(wrong)}.",
            key="colors",
            value=given,
        )
    return tuple(found)


def _size(given: Any) -> Size:
    width, height = check_numbers("figsize", given, (2,)).tolist()
    if not 1.0 <= min(width, height) <= max(width, height) <= _LARGEST:
        raise ConfigError(
            f"figsize must be width and height in inches, 1 to {_LARGEST:g} each, got "
            f"{shown(given)}.",
            key="figsize",
            value=given,
        )
    return width, height


def _check_axes(ax: Any) -> None:
    if not (isinstance(ax, Axes) and ax.name == "rectilinear" and ax.figure is not None):
        what = "plain axes that lie in a figure, such as those of plt.subplots()"
        raise ConfigError(f"ax must be {what}, got {shown(ax)}.", key="ax", value=ax)


def new_axes(width: float = 7.0, height: float = 4.2) -> Axes:
    """Return the axes that were given, or those of a new figure that no global state knows.

    Parameters
    ----------
    width, height : float
        Of the new figure where the caller does not say, inches.
    """
    look = asked_look()
    look.alone = True
    if look.ax is not None:
        return look.ax
    return _new_figure(look, width, height).add_subplot()


def new_grid(rows: int, columns: int, width: float, height: float, **options: Any) -> np.ndarray:
    """Return an array of axes (rows, columns), in a new figure or in the place of the axes given.

    Parameters
    ----------
    rows, columns : int
    width, height : float
        Of the new figure where the caller does not say, inches.
    **options
        As of `matplotlib.figure.Figure.subplots`.
    """
    look = asked_look()
    look.alone = False
    place = _new_figure(look, width, height) if look.ax is None else _in_place_of(look, look.ax)
    return place.subplots(rows, columns, squeeze=False, **options)


def _new_figure(look: Look, width: float, height: float) -> Figure:
    size = look.figsize or (width, height)
    look.width = size[0]
    return Figure(figsize=size, layout="constrained")


def _in_place_of(look: Look, ax: Axes) -> SubFigure:
    """Give the place of axes to several, which are drawn in their stead."""
    spec, figure = ax.get_subplotspec(), ax.get_figure(root=False)
    if spec is None or figure is None:
        raise ConfigError(
            "this plot has several panels and needs axes with a place in a grid, such as those "
            "of plt.subplots(); these have none.",
            key="ax",
            value=ax,
        )
    root = ax.get_figure(root=True)
    if root is not None and root.get_layout_engine() is None:
        root.set_layout_engine("constrained")
    ax.remove()
    return figure.add_subfigure(spec)


def _inches(ax: Axes) -> float:
    """Return the width of the place of axes, their labels with them."""
    figure = ax.get_figure(root=True)
    return 7.0 if figure is None else ax.get_position().width * figure.get_figwidth() / 0.8
