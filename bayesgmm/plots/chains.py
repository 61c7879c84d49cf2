"""Plots of the chains: traces and ranks before and after relabelling."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from bayesgmm.advice import shown
from bayesgmm.errors import ConfigError
from bayesgmm.model.parameters import permute
from bayesgmm.plots.curves import evenly
from bayesgmm.plots.look import Size, asked_look, new_grid, styled
from bayesgmm.plots.plot import Plot, plotted
from bayesgmm.plots.theme import (
    axis_label,
    colour_at,
    entitle,
    finish,
    ink,
    mark_at,
    printable,
    units_of,
)
from bayesgmm.posterior.tree import check_posterior, clusters_of
from bayesgmm.runtime.keywords import keywords
from bayesgmm.typing import Array

__all__ = ["ranks", "traces"]

_SHOWN = 500
_BINS = 20


@keywords()
@styled
def traces(
    posterior: xr.DataTree,
    *,
    feature: str | None = None,
    units: Mapping[str, str] | None = None,
    figsize: Size | None = None,
    title: str | None = None,
    legend: bool = True,
    colors: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Plot:
    """Draw the traces of the clusters' means, in the labels as sampled and as relabelled.

    Parameters
    ----------
    posterior : xarray.DataTree
    feature : str, optional
        Feature whose means are drawn; the first by default.
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
        Axes to draw in. They are removed, and the panels take their place.

    Returns
    -------
    Plot
        Axes one below another: as sampled, and after relabelling; one panel where the draws were
        never relabelled.

    Examples
    --------
    >>> from bayesgmm.sampling import sample
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> tree = sample(rows, 2, draws=100, seed=1)
    >>> [ax.get_title("left") for ax in traces(tree).axes]
    ['Means of x1, labels as sampled', 'Means of x1, after relabelling']
    """
    name, stages = _stages(posterior, feature)
    known = units_of(posterior, units)
    axes = new_grid(len(stages), 1, 7.2, 0.8 + 2.0 * len(stages), sharex=True, sharey=True).ravel()
    n_chains = posterior["posterior"].sizes["chain"]
    ordered = "draw" if n_chains == 1 else f"draw, chains 0 to {n_chains - 1} one after another"
    for ax, (stage, values) in zip(axes, stages.items(), strict=True):
        _draw_traces(ax, values)
        last = ax is axes[-1]
        finish(
            ax,
            title=f"Means of {printable(name)}, {stage}",
            x=ordered if last else "",
            y=axis_label(name, known),
            legend=None,
        )
    handles = [
        Line2D([], [], marker=mark_at(k), ls="", ms=4, color=colour_at(k), label=name)
        for k, name in enumerate(_cluster_labels(posterior))
    ]
    entitle(axes[0], f"Traces, {n_chains} chain{'s' if n_chains > 1 else ''}", handles, columns=6)
    return plotted(axes)


def _stages(posterior: xr.DataTree, feature: str | None) -> tuple[str, dict[str, Array]]:
    """Return the feature and its means (chain, draw, cluster) in each labelling."""
    check_posterior(posterior)
    means = posterior["posterior"].to_dataset()["means"]
    features = [str(name) for name in means["feature"].values]
    name = features[0] if feature is None else feature
    if not isinstance(name, str) or name not in features:
        raise ConfigError(f"there is no feature {shown(name)}.", feature=name)
    values = means.values[..., features.index(name)]
    stats = posterior["sample_stats"].to_dataset() if "sample_stats" in posterior else {}
    if "permutation" not in stats:
        return name, {"labels as sampled": values}
    back = np.argsort(stats["permutation"].values, axis=2)
    return name, {"labels as sampled": permute(values, back, 2), "after relabelling": values}


def _cluster_labels(posterior: xr.DataTree) -> list[str]:
    return [printable(f"cluster {name}") for name in clusters_of(posterior)]


def _draw_traces(ax: Axes, values: Array) -> None:
    n_chains, n_draws, n_clusters = values.shape
    chosen = evenly(n_draws, _SHOWN)
    for k in range(n_clusters):
        for chain in range(n_chains):
            ax.plot(
                chain * n_draws + chosen, values[chain, chosen, k], mark_at(k), ms=2.0, alpha=0.6,
                mec="none", color=colour_at(k), rasterized=True,
            )  # fmt: skip
    for chain in range(1, n_chains):
        ax.axvline(chain * n_draws, color=ink(), lw=0.7)
    ax.set_xlim(0, n_chains * n_draws)


@keywords()
@styled
def ranks(
    posterior: xr.DataTree,
    *,
    feature: str | None = None,
    figsize: Size | None = None,
    title: str | None = None,
    legend: bool = True,
    colors: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Plot:
    """Draw how the draws of each chain rank among all, in both labellings, with R-hat.

    Parameters
    ----------
    posterior : xarray.DataTree
    feature : str, optional
        Feature whose means are drawn; the first by default.
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
        Axes of shape (labelling, cluster). Over a line for each chain, how many of its draws lie in
        each twentieth of the ranks. Chains that agree stay in the grey band, which holds 95 % of
        the counts of draws without autocorrelation.

    References
    ----------
    Vehtari et al. (2021), Bayesian Analysis 16:667.

    Examples
    --------
    >>> from bayesgmm.sampling import sample
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> tree = sample(rows, 2, draws=100, seed=1)
    >>> ranks(tree).axes.shape
    (2, 2)
    """
    name, stages = _stages(posterior, feature)
    n_chains, _, n_clusters = next(iter(stages.values())).shape
    width, height = min(1.6 + 2.3 * n_clusters, 11.0), 0.9 + 0.45 * n_chains
    axes = new_grid(
        len(stages), n_clusters, width, 0.8 + height * len(stages), sharex=True, sharey=True
    )
    counts = {stage: _rank_counts(values) for stage, values in stages.items()}
    lane = 1.15 * max(int(drawn.max()) for drawn in counts.values())
    for row, (stage, values) in enumerate(stages.items()):
        for k, cluster in enumerate(_cluster_labels(posterior)):
            ax = axes[row, k]
            _draw_ranks(ax, counts[stage][:, k], lane, colour_at(k))
            finish(
                ax,
                x="rank among all draws" if row == len(stages) - 1 else "",
                y=stage if k == 0 else "",
                legend=None,
            )
            title = f"{cluster}, R-hat {_rhat(values[..., k]):.3f}"
            ax.set_title(title, fontsize=asked_look().points(9), color=colour_at(k))
    axes[0, 0].set_ylim(n_chains * lane, 0.0)
    middles = lane * np.arange(1, n_chains + 1) - values.shape[1] / _BINS
    axes[0, 0].set_yticks(middles, [f"chain {i}" for i in range(n_chains)])
    axes[0, 0].set_xlim(0.0, 1.0)
    axes[0, 0].set_xticks([0.0, 0.5, 1.0], ["low", "middle", "high"])
    entitle(axes[0, 0], f"Ranks of the means of {printable(name)}", columns=5)
    return plotted(axes)


def _rhat(values: Array) -> float:
    from arviz_stats.base import array_stats

    return float(array_stats.rhat(values, chain_axis=0, draw_axis=1)) if len(values) > 1 else np.nan


def _rank_counts(values: Array) -> Array:
    """Count the draws of each chain in each bin of ranks: (chain, cluster, bin)."""
    from scipy.stats import rankdata

    n_chains, n_draws, n_clusters = values.shape
    ranked = rankdata(values.reshape(-1, n_clusters), method="ordinal", axis=0) - 1
    bins = (ranked * _BINS // len(ranked)).reshape(values.shape)
    return (bins[..., None] == np.arange(_BINS)).sum(axis=1)


def _draw_ranks(ax: Axes, counts: Array, lane: float, colour: str) -> None:
    """Draw the counts (chain, bin) of each chain upwards from a line of its own."""
    from scipy.stats import binom

    n_draws = int(counts[0].sum())
    low, high = (float(binom.ppf(tail, n_draws, 1 / _BINS)) for tail in (0.025, 0.975))
    edges = np.linspace(0.0, 1.0, _BINS + 1)
    for chain, heights in enumerate(counts):
        line, first = lane * (chain + 1), chain == 0
        band = "95 % of the counts if chains agree" if first else None
        ax.axhspan(line - low, line - high, color=ink(0.13), lw=0, label=band)
        ax.stairs(line - heights, edges, baseline=None, color=colour, lw=1.3)
        ax.axhline(line, color=ink(), lw=0.6, label="no draws" if first else None)
