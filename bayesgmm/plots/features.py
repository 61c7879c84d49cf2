"""Plots of many features: the profile of the clusters' means, and loadings on factors."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from bayesgmm.arguments import check_prob
from bayesgmm.errors import ConfigError
from bayesgmm.limits import AGREED_LOADINGS, INTERVAL, PROFILE_FEATURES, PROFILE_FEATURES_NARROW
from bayesgmm.model.components.loadings import agreement, aligned
from bayesgmm.plots.curves import INTERVAL_DRAWS, Shown, to_show
from bayesgmm.plots.layers import draw_interval, interval_handles, told_of_features
from bayesgmm.plots.look import Size, asked_look, new_grid, styled
from bayesgmm.plots.plot import Plot, plotted
from bayesgmm.plots.theme import colour_at, entitle, finish, ink, mark_at, paper, printable
from bayesgmm.runtime.keywords import keywords
from bayesgmm.typing import Array, IntArray

__all__ = ["loadings", "profile"]

_LONG_NAME, _SHORT_NAME = 24, 14
_BAND = 0.6  # of the distance of two features, within which the intervals of one lie


@keywords()
@styled
def profile(
    posterior: Any,
    *,
    features: Sequence[str] | None = None,
    prob: float = INTERVAL,
    figsize: Size | None = None,
    title: str | None = None,
    legend: bool = True,
    colors: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Plot:
    """Draw the means of each cluster over the features, in standard deviations of each.

    A feature's mean and standard deviation are those of the whole mixture, so that 0 is the mean of
    all rows that it describes.

    Parameters
    ----------
    posterior : PointFit or DataTree
        A posterior must be relabelled. A point fit is drawn as points.
    features : sequence of str, optional
        Which ones, in this order; all by default, or in the order of the data the 40 (in a plot
        of less than 5 inches, 8) that separate the clusters best: by the variance of the clusters'
        means over the mean variance within clusters.
    prob : float
        Probability of the thin, equal-tailed interval; the thick one holds 50 %.
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

    References
    ----------
    Fisher (1936), Annals of Eugenics 7:179 (the ratio of the two variances).

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm import fit_em
    >>> rows = np.random.default_rng(1).normal(size=(40, 3)) + [[0, 0, 0], [6, 3, 1]] * 20
    >>> plot = profile(fit_em(rows, 2, seed=1))
    >>> [label.get_text() for label in plot.ax.get_yticklabels()]
    ['x1', 'x2', 'x3']
    """
    prob = check_prob(prob)
    mixture = to_show(posterior, n_draws=INTERVAL_DRAWS)
    places = _places(mixture, features, mixture.separating())
    centre, spread = mixture.whole()
    values = (mixture.draws.parameters.means - centre) / spread
    n_clusters = mixture.draws.n_components
    ax = new_grid(1, 1, 7.0, 2.0 + 0.26 * len(places))[0, 0]
    for k in range(n_clusters):
        heights = _heights(len(places), k, n_clusters)
        middle = np.median(values[:, k, places], axis=0)
        ax.plot(middle, heights, color=colour_at(k), lw=0.8, alpha=0.5)
        for place, height in zip(places, heights, strict=True):
            draw_interval(ax, values[:, k, place], height, prob, colour_at(k), mark_at(k))
    _set_features(ax, mixture, places)
    handles = [
        *(
            Line2D([], [], color=colour_at(k), lw=1.4, marker=mark_at(k), mfc=paper(), ms=5,
                   label=printable(name))
            for k, name in enumerate(mixture.clusters)
        ),
        *interval_handles(mixture.sampled, prob),
    ]  # fmt: skip
    finish(ax, x="mean less that of all, in standard deviations", legend=None)
    told = told_of_features(len(places), mixture, chosen=features is not None)
    entitle(ax, f"Profile of the clusters, K = {n_clusters}{told}", handles)
    return plotted(ax)


@keywords()
@styled
def loadings(
    posterior: Any,
    *,
    features: Sequence[str] | None = None,
    prob: float = INTERVAL,
    figsize: Size | None = None,
    title: str | None = None,
    legend: bool = True,
    colors: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Plot:
    """Draw how the features load on the factors: the correlation of each with each factor.

    It is the loading over the standard deviation within the cluster. Factors are turned as in
    `summarize`, towards one another from draw to draw, and those on which the draws do not agree
    are left out. Factors of one number in two clusters have nothing in common.

    Parameters
    ----------
    posterior : PointFit or DataTree
        Of a model with factors. A posterior must be relabelled unless its loadings are shared.
    features : sequence of str, optional
        Which ones, in this order; all by default, or in the order of the data the 40 (in a plot
        of less than 5 inches, 8) that load most on a factor.
    prob : float
        Probability of the thin, equal-tailed interval; the thick one holds 50 %.
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
        Axes in a row, one per cluster; one alone where clusters share their loadings.

    Raises
    ------
    ConfigError
        When the model has no factors.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm import MixtureSpec, fit_em
    >>> rng = np.random.default_rng(1)
    >>> rows = rng.normal(size=(90, 1)) * [2.0, 1.0, -1.0] + rng.normal(size=(90, 3))
    >>> loadings(fit_em(rows, MixtureSpec(1, "factor", n_factors=1), seed=1)).axes.shape
    (1,)
    """
    prob = check_prob(prob)
    mixture = to_show(posterior, n_draws=INTERVAL_DRAWS)
    values, agreed = _turned(mixture)
    loading = np.abs(np.where(agreed[:, None], values.mean(axis=0), 0.0)).max(axis=(0, 2))
    places = _places(mixture, features, np.argsort(-loading, kind="stable").astype(np.int64))
    n_panels, n_factors = agreed.shape
    width, height = 2.2 * n_panels + 2.0, 1.9 + 0.2 * len(places) * (0.5 + 0.5 * n_factors)
    axes = new_grid(1, n_panels, width, height, sharey=True, sharex=True)[0]
    for k, ax in enumerate(axes):
        shared = n_panels < mixture.draws.n_components
        colour = ink() if shared else colour_at(k)
        for j in np.flatnonzero(agreed[k]).tolist():
            for place, at in zip(places, _heights(len(places), j, n_factors), strict=True):
                draw_interval(ax, values[:, k, place, j], at, prob, colour, mark_at(j))
        _set_features(ax, mixture, places)
        ax.set_xlim(-1.02, 1.02)
        name = "all clusters" if shared else printable(mixture.clusters[k])
        finish(ax, x=f"correlation in {name}", legend=None)
    told = told_of_features(len(places), mixture, chosen=features is not None, by="load most")
    left_out = int(np.sum(~agreed))
    told += f"; {left_out} left out, on which draws do not agree" if left_out else ""
    marks = [
        Line2D([], [], ls="", marker=mark_at(j), mfc=paper(), mec=ink(), ms=5,
               label=f"factor {j + 1}")
        for j in range(n_factors)
    ]  # fmt: skip
    entitle(
        axes[0],
        f"Features and factors, K = {mixture.draws.n_components}, q = {n_factors}{told}",
        [*marks, *interval_handles(mixture.sampled, prob)[1:]],
    )
    return plotted(axes)


def _turned(mixture: Shown) -> tuple[Array, np.ndarray]:
    """Return correlations (sample, cluster, feature, factor), and which factors draws agree on.

    Clusters that share their loadings are one.
    """
    parameters = mixture.draws.parameters
    if parameters.loadings is None:
        raise ConfigError("this model has no factors, and so no loadings to draw.")
    spread = np.sqrt(np.einsum("skdd->skd", parameters.covariances))
    given, spread = parameters.loadings, spread[..., None]
    shared = given.shape[1] == 1 or (given == given[:, :1]).all()
    several = [0] if shared else range(given.shape[1])
    together = np.stack([aligned(given[:, k]) for k in several], axis=1)
    agreed = [agreement(together[:, place]) >= AGREED_LOADINGS for place in range(len(several))]
    return together / spread[:, list(several)], np.array(agreed)


def _places(mixture: Shown, features: Sequence[str] | None, ranked: IntArray) -> list[int]:
    """Return the features to draw: those named, or in their order the first of a ranking."""
    if features is not None:
        return mixture.places(features)
    most = PROFILE_FEATURES_NARROW if asked_look().narrow else PROFILE_FEATURES
    return sorted(ranked[:most].tolist())


def _heights(n_features: int, which: int, of: int) -> Array:
    """Return where the intervals of one line lie: side by side at each feature."""
    offset = _BAND * ((which + 0.5) / of - 0.5)
    return np.arange(n_features, dtype=float) + offset


def _set_features(ax: Axes, mixture: Shown, places: list[int]) -> None:
    longest = _SHORT_NAME if asked_look().narrow else _LONG_NAME
    names = [printable(mixture.draws.features[place], longest) for place in places]
    ax.set_yticks(range(len(places)), names)
    ax.set_ylim(len(places) - 0.5, -0.5)
    ax.axvline(0, color=ink(0.6), lw=0.9, ls=":")
    ax.grid(axis="x", color=ink(0.1), lw=0.7)
    ax.set_axisbelow(True)
