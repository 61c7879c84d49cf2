"""Pictures of how a point fit was found."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from bayesgmm.errors import ConfigError
from bayesgmm.fit import PointFit
from bayesgmm.plots.theme import HIGHLIGHT, finish, new_grid

__all__ = ["em_path"]

_FLOOR = 1e-9


def em_path(fit: PointFit) -> np.ndarray:
    """Draw the path of the winning run, and every optimum that the starts reached.

    Parameters
    ----------
    fit : PointFit

    Returns
    -------
    array of matplotlib.axes.Axes, flat
        The gap to the last value at each iteration, on a logarithmic scale; and the distinct
        optima with the number of starts that reached each, the collapsed ones crossed.

    Examples
    --------
    >>> from bayesgmm import fit_em
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> left, right = em_path(fit_em(rows, 2, seed=1))
    >>> left.get_xlabel()
    'iteration'
    """
    if not isinstance(fit, PointFit):
        raise ConfigError(f"expected a PointFit, got {type(fit).__name__}.")
    left, right = new_grid(1, 2, 8.4, 3.8)[0]
    objective = "log likelihood" if fit.log_posterior is None else "log posterior"
    _draw_path(left, fit)
    final = fit.path[-1]
    finish(
        left,
        title=f"The winning run: {len(fit.path)} iterations to a {objective} of {final:.3f} nats",
        x="iteration",
        y=f"{objective} below the end (nats)",
        legend=None,
    )
    _draw_optima(right, fit)
    starts = sum(optimum.count for optimum in fit.optima)
    finish(
        right,
        title=f"Where {starts} starts ended: {len(fit.optima)} distinct optima",
        x="number of starts that reached it",
        y=f"{objective} (nats)",
        legend="best",
    )
    return np.array([left, right])


def _draw_path(ax: Axes, fit: PointFit) -> None:
    gaps = fit.path[-1] - fit.path
    shown = gaps > _FLOOR
    iterations = np.arange(1, len(fit.path) + 1)
    ax.plot(iterations[shown], gaps[shown], "o-", color=HIGHLIGHT, lw=1.2, ms=2.5)
    if shown.any():
        ax.set_yscale("log")
    ax.grid(color="#e6e6e6", lw=0.7)
    ax.set_axisbelow(True)


def _draw_optima(ax: Axes, fit: PointFit) -> None:
    for flagged, marker, colour, label in (
        (False, "o", "#0072B2", "regular optimum"),
        (True, "x", "#D55E00", "collapsed onto a few rows"),
    ):
        chosen = [optimum for optimum in fit.optima if optimum.flagged == flagged]
        if chosen:
            ax.plot(
                [optimum.count for optimum in chosen],
                [optimum.objective for optimum in chosen],
                marker, color=colour, ms=6, ls="", label=label,
            )  # fmt: skip
    kept = fit.log_likelihood if fit.log_posterior is None else fit.log_posterior
    ax.axhline(kept, color=HIGHLIGHT, lw=0.8, ls=":", label="kept")
    if len(fit.optima) == 1:
        ax.set_ylim(kept - 1.0, kept + 1.0)
    ax.set_xlim(0, None)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(color="#e6e6e6", lw=0.7)
    ax.set_axisbelow(True)
