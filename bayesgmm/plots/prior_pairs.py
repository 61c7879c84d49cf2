"""The plot of what the prior predicts of pairs of features."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from bayesgmm.plots.curves import evenly, to_show
from bayesgmm.plots.look import new_grid, styled
from bayesgmm.plots.observed import points_of
from bayesgmm.plots.plot import Plot, plotted
from bayesgmm.plots.priors import prior_draws
from bayesgmm.plots.theme import axis_label, entitle, finish, ink, predicted
from bayesgmm.posterior.draws import Draws
from bayesgmm.prediction import simulate
from bayesgmm.typing import Array

__all__ = ["prior_pairs"]

_MOST_FEATURES = 4
_ROWS = 1500
_SHOWN = 400


@styled
def prior_pairs(draws: Draws, seed: int | None, units: Mapping[str, str]) -> Plot:
    """Draw rows that the prior predicts, and the data, for each pair of features.

    Parameters
    ----------
    draws : Draws
        A posterior, which holds model and data.
    seed : int or None
        Of the prior's draws.
    units : mapping of str to str

    Returns
    -------
    Plot
        The pairs of the four features in which the clusters lie farthest apart. Each predicted row
        is of its own draw from the prior.

    Raises
    ------
    ConfigError
        When the posterior is of a PyMC model of one's own.
    """
    rng = np.random.default_rng(seed)
    mixture = to_show(draws)
    chosen = sorted(mixture.separating()[:_MOST_FEATURES].tolist())
    pairs = [(i, j) for place, j in enumerate(chosen) for i in chosen[:place]]
    predicted_rows = simulate(prior_draws(draws, rng), _ROWS, seed=seed)["x"].values
    columns = min(len(pairs), 3)
    rows = -(-len(pairs) // columns)
    axes = new_grid(rows, columns, 1.0 + 2.7 * columns, 0.8 + 2.4 * rows).ravel()
    for ax in axes[len(pairs) :]:
        ax.set_visible(False)
    for ax, pair in zip(axes, pairs, strict=False):
        observed = points_of(mixture.draws.table, list(pair)).values
        _draw(ax, predicted_rows[:, list(pair)], observed)
        x, y = (axis_label(draws.features[place], units) for place in pair)
        finish(ax, x=x, y=y, legend=None)
    entitle(axes[0], "What the prior alone predicts of pairs")
    return plotted(axes[: len(pairs)])


def _draw(ax: Axes, prior: Array, observed: Array) -> None:
    shown = observed[evenly(len(observed), _SHOWN)]
    ax.plot(*prior.T, ".", ms=2.2, mec="none", alpha=0.4, color=predicted(), rasterized=True,
            label="rows by the prior")  # fmt: skip
    ax.plot(*shown.T, "o", ms=2.6, mec="none", color=ink(), alpha=0.7, rasterized=True,
            label="data")  # fmt: skip
    low, high = np.quantile(prior, [0.01, 0.99], axis=0)
    low, high = np.minimum(low, observed.min(axis=0)), np.maximum(high, observed.max(axis=0))
    ax.set_xlim(low[0], high[0])
    ax.set_ylim(low[1], high[1])
