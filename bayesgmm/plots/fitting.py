"""Plots of how a point fit was found."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FormatStrFormatter, MaxNLocator, NullFormatter

from bayesgmm.errors import ConfigError
from bayesgmm.fit import Climb, PointFit
from bayesgmm.plots.look import Size, asked_look, new_grid, styled
from bayesgmm.plots.plot import Plot, plotted
from bayesgmm.plots.theme import colour_at, entitle, finish, ink
from bayesgmm.runtime.keywords import keywords

__all__ = ["em_path"]

_ABOVE, _BELOW = 0.25, 2.0  # of the range of the optima: how far the plot reaches beyond them


@keywords()
@styled
def em_path(
    fit: PointFit,
    *,
    figsize: Size | None = None,
    title: str | None = None,
    legend: bool = True,
    colors: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Plot:
    """Draw the path of every start, and the optima that the starts reached.

    Parameters
    ----------
    fit : PointFit
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
        Two axes: the objective at each iteration of each start, the path to the fit emphasised,
        those that chance explains or that collapsed apart; and the distinct optima with the number
        of starts that reached each. Where rows were sampled, the paths are those on the sample.

    Examples
    --------
    >>> from bayesgmm import fit_em
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> left, right = em_path(fit_em(rows, 2, seed=1)).axes
    >>> left.get_xlabel()
    'iteration (logarithmic)'
    """
    if not isinstance(fit, PointFit):
        raise ConfigError(f"expected a PointFit, got {type(fit).__name__}.")
    left, right = new_grid(1, 2, 8.4, 4.0)[0]
    objective = "log likelihood" if fit.log_posterior is None else "log posterior"
    sampled = fit.climbs[0].n_obs < fit.n_obs
    on = f" on a sample of {fit.climbs[0].n_obs} rows" if sampled else ""
    starts = "the one start" if len(fit.climbs) == 1 else f"each of {len(fit.climbs)} starts"
    narrow = asked_look().narrow
    took = "" if narrow else f"; the fit took {fit.n_iter} iterations"
    _draw_paths(left, fit)
    finish(
        left,
        title=f"The path of {starts}{on}" + took,
        x="iteration (logarithmic)",
        y=f"{objective} (nats)",
        legend=None,
    )
    _draw_optima(right, fit)
    if not sampled:
        right.set_ylim(left.get_ylim())
    finish(
        right,
        title="Where they ended" if narrow else _where(fit, right),
        x="number of starts that reached it",
        y=f"{objective} (nats)" if sampled else "",
        legend=None,
    )
    named = {
        text: handle
        for ax in (right, left)
        for handle, text in zip(*ax.get_legend_handles_labels(), strict=True)
    }
    entitle(left, "", list(named.values()))
    return plotted(np.array([left, right]))


def _where(fit: PointFit, ax: Axes) -> str:
    believed = sum(not optimum.flagged for optimum in fit.optima)
    chance = sum(optimum.count for optimum in fit.optima if optimum.flagged)
    low, high = ax.get_ylim()
    outside = sum(not low <= optimum.objective <= high for optimum in fit.optima)
    optima = "1 optimum" if believed == 1 else f"{believed} optima"
    ended = f"{_starts(chance)} explained by chance, {_starts(fit.n_collapsed)} collapsed"
    unseen = f" ({outside} of all outside the plot)" if outside else ""
    return f"Where they ended: {optima}, {ended}{unseen}"


def _starts(number: int) -> str:
    return "1 start" if number == 1 else f"{number or 'no'} starts"


def _believed(fit: PointFit, climb: Climb) -> bool:
    if climb.collapsed:
        return False
    return climb.optimum is None or not fit.optima[climb.optimum].flagged


def _draw_paths(ax: Axes, fit: PointFit) -> None:
    kept = next((i for i, o in enumerate(fit.optima) if o.flagged == fit.flagged), None)
    winner = max(
        (climb for climb in fit.climbs if climb.optimum == kept),
        key=lambda climb: (np.array_equal(climb.path, fit.path), climb.path[-1]),
    )
    labels: set[str] = set()
    for climb in fit.climbs:
        if climb is winner:
            _draw_path(ax, climb, ink(), 2.0, "the path to the fit", zorder=4)
            continue
        believed = _believed(fit, climb)
        label = "ended in an optimum" if believed else "by chance, or collapsed"
        once = label if label not in labels else "_"
        labels.add(label)
        colour = colour_at(0) if believed else colour_at(1)
        _draw_path(ax, climb, colour, 0.7, once, zorder=2 if believed else 3)
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(FormatStrFormatter("%d"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlim(1, 1.15 * max(2, *(len(climb.path) for climb in fit.climbs)))
    ax.set_ylim(*_limits(fit))
    ax.grid(color=ink(0.1), lw=0.7)
    ax.set_axisbelow(True)


def _draw_path(
    ax: Axes, climb: Climb, colour: str, width: float, label: str, *, zorder: int
) -> None:
    iterations = np.arange(1, len(climb.path) + 1)
    doubted = colour == colour_at(1)
    alpha = 1.0 if colour == ink() else 0.6
    ax.plot(
        iterations, climb.path, "--" if doubted else "-", color=colour, lw=width, alpha=alpha,
        marker="x" if doubted else "o", ms=4.5 if doubted else 2.5, markevery=[len(iterations) - 1],
        label=label, zorder=zorder,
    )  # fmt: skip


def _limits(fit: PointFit) -> tuple[float, float]:
    """Show where paths end; most begin far below, and some that collapsed are far above."""
    ends = np.array([climb.path[-1] for climb in fit.climbs])
    believed = np.array([_believed(fit, climb) for climb in fit.climbs])
    regular = ends[believed] if believed.any() else ends
    first = np.median([climb.path[0] for climb in fit.climbs])
    low, high = float(np.quantile(regular, 0.1)), float(regular.max())
    span = max(high - low, 0.05 * (high - first), 1.0)
    top = min(float(ends.max()), high + _BELOW * span)
    return low - _BELOW * span, top + _ABOVE * span


def _draw_optima(ax: Axes, fit: PointFit) -> None:
    for flagged, marker, colour, label in (
        (False, "o", colour_at(0), "optimum"),
        (True, "x", colour_at(1), "by chance: narrow, on few rows"),
    ):
        chosen = [optimum for optimum in fit.optima if optimum.flagged == flagged]
        if chosen:
            ax.plot(
                [optimum.count for optimum in chosen],
                [optimum.objective for optimum in chosen],
                marker, color=colour, ms=6, ls="", label=label,
            )  # fmt: skip
    kept = fit.log_likelihood if fit.log_posterior is None else fit.log_posterior
    ax.axhline(kept, color=ink(), lw=0.8, ls=":", label="the fit")
    if len(fit.optima) == 1:
        ax.set_ylim(kept - 1.0, kept + 1.0)
    ax.set_xlim(0, 1.08 * max(optimum.count for optimum in fit.optima))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(color=ink(0.1), lw=0.7)
    ax.set_axisbelow(True)
