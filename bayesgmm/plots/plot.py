"""What every plot function returns."""

import io
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayesgmm.arguments import check_one_of, path_text
from bayesgmm.errors import ConfigError
from bayesgmm.posterior.whole_files import replacing

__all__ = ["Plot", "plotted"]


@dataclass(frozen=True, eq=False, repr=False)
class Plot:
    """A finished picture: it can be changed, saved, and shows itself in a notebook.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        No global state holds it, unless it is the figure of axes that were passed in.
    axes : array of matplotlib.axes.Axes
        What was drawn on; the function that returns the plot gives the shape, (1,) for one.

    Examples
    --------
    >>> from bayesgmm import fit_em
    >>> from bayesgmm.plots import density_1d
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> plot = density_1d(fit_em(rows, 2, seed=1), rows)
    >>> plot.axes.shape, plot.ax.get_title("left")
    ((1,), 'Fitted density of x1, K = 2')
    """

    figure: Figure
    axes: np.ndarray

    @property
    def ax(self) -> Axes:
        """The axes, of a plot that has one.

        Raises
        ------
        ConfigError
            When there are several.
        """
        if self.axes.size != 1:
            raise ConfigError(f"this plot has {self.axes.size} axes: take one of plot.axes.")
        return self.axes.ravel()[0]

    def savefig(self, path: str | os.PathLike[str], **options: Any) -> None:
        """Write the figure to a file; the ending says in which format.

        Parameters
        ----------
        path : path
            An existing file is replaced.
        **options
            As of `matplotlib.figure.Figure.savefig`, which says what is wrong with them.

        Raises
        ------
        ConfigError
            For an ending that is no format of plots.
        ResultFileError
            When the file cannot be written; what stood there before is unchanged.
        """
        ending = Path(path_text(path)).suffix.removeprefix(".").lower()
        known = sorted(self.figure.canvas.get_supported_filetypes())
        format = options.pop("format", None) or ending or "png"
        check_one_of("format", format, known)
        with replacing(path, overwrite=True) as temporary:
            self.figure.savefig(temporary, format=format, **options)

    def close(self) -> None:
        """Give the figure's memory back."""
        if self._held_by_pyplot():
            sys.modules["matplotlib.pyplot"].close(self.figure)
        for ax in self.figure.axes:
            ax.remove()  # to clear axes is to make them anew
        self.figure.clear()

    def _repr_png_(self) -> bytes | None:
        """Return the plot for a notebook; None where pyplot will show the figure itself."""
        if self._held_by_pyplot():
            return None
        stream = io.BytesIO()
        self.figure.savefig(stream, format="png")
        return stream.getvalue()

    def _held_by_pyplot(self) -> bool:
        pyplot = sys.modules.get("matplotlib.pyplot")
        number = getattr(self.figure, "number", None)
        return pyplot is not None and number is not None and pyplot.fignum_exists(number)

    def __repr__(self) -> str:
        """Show the title of the figure, or those of its panels."""
        panels = [ax.get_title("left") for ax in self.axes.ravel()]
        titles = [self.figure.get_suptitle()] if self.figure.get_suptitle() else panels
        return f"Plot({', '.join(repr(' '.join(title.split())) for title in titles if title)})"


def plotted(axes: Axes | np.ndarray) -> Plot:
    """Return the plot of axes, which all lie in one figure."""
    array = np.atleast_1d(np.asarray(axes, dtype=object))
    return Plot(array.ravel()[0].get_figure(root=True), array)
