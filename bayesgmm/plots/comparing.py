"""Plots of the comparison of numbers of components."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bayesgmm.data.columns import plural
from bayesgmm.errors import ConfigError
from bayesgmm.evidence import probability_heading, shown_probability
from bayesgmm.limits import ELPD_ERRORS, PARETO_K, SMALL_DIFFERENCE
from bayesgmm.model.several import ByModel
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.plots.by_structure import draw_by_structure
from bayesgmm.plots.look import Size, asked_look, new_axes, new_grid, styled
from bayesgmm.plots.plot import Plot, plotted
from bayesgmm.plots.theme import colour_at, entitle, finish, ink, paper
from bayesgmm.runtime.keywords import keywords
from bayesgmm.typing import Array, BoolArray

__all__ = ["criteria", "pareto_k"]

_TOLD = 1e-3  # lower bars cannot be seen, nor their errors
_MOST_DOTS = 100_000


@keywords()
@styled
def criteria(
    comparison: Any,
    *,
    chosen: MixtureSpec | int | None = None,
    figsize: Size | None = None,
    title: str | None = None,
    legend: bool = True,
    colors: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Plot:
    """Draw every criterion over the number of components K, on aligned axes.

    Parameters
    ----------
    comparison : Comparison
    chosen : MixtureSpec or int, optional
        The model to mark, or its K where one model has it; the one that the comparison chooses by
        LOO when None.
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
        Four axes: information criteria; expected log predictive density; log evidence; probability
        of K. Each is drawn as the difference from its best value where that helps; the grey band
        is the chosen K. Of several covariance structures BIC, LOO, the quoted evidence and the
        probability are shown, one colour a structure.

    Examples
    --------
    >>> from bayesgmm import compare
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> axes = criteria(compare(rows, [1, 2], draws=200, seed=1)).axes
    >>> axes[-1].get_xlabel()
    'number of components K'
    """
    if not all(hasattr(comparison, name) for name in ("chosen", "models", "table")):
        raise ConfigError(f"expected a Comparison, got {type(comparison).__name__}.")
    table = comparison.table
    ks = table.index.to_numpy()
    narrow = asked_look().narrow
    rows, heights = (2, (1, 0.8)) if narrow else (4, (1, 1, 1, 0.7))
    axes = new_grid(rows, 4 // rows, 6.8, 8.6, sharex=True, height_ratios=heights).ravel()
    wanted = comparison.chosen().model if chosen is None else chosen
    model = ByModel({spec: spec for spec in comparison.models}, comparison.same)[wanted]
    k = model.n_components
    for ax in axes:
        ax.axvspan(k - 0.18, k + 0.18, color=ink(0.07), lw=0, zorder=0)
        ax.grid(axis="y", color=ink(0.1), lw=0.7)
        ax.set_axisbelow(True)
    if len({spec.kind for spec in comparison.models}) > 1:
        gaps = draw_by_structure(axes, comparison, model)
        what = "Criteria over K and kind of model (ringed: the chosen"
        for ax, values in zip(axes, gaps, strict=False):
            _zoom(ax, ks, [values])
    else:
        _draw_information(axes[0], table, ks)
        _draw_predictive(axes[1], comparison, ks)
        _draw_evidence(axes[2], table, ks)
        _draw_probability(axes[3], table, ks)
        what = "Criteria over K (grey: the chosen"
    axes[3].set_xticks(np.unique(ks))
    for ax in axes[-2:] if narrow else axes[-1:]:
        ax.set_xlabel("number of components K", fontsize=asked_look().points(9.5))
    handles = _short_legend(axes) if narrow else []
    entitle(axes[0], f"{what} K = {comparison.numbers[model]})", handles)
    return plotted(axes)


def _short_legend(axes: np.ndarray) -> list[Any]:
    """Shorten what panels too small for it say; return what one legend for all of them names."""
    named: dict[str, Any] = {}
    for ax in axes:
        ax.set_ylabel(ax.get_ylabel().split("(")[0].rstrip())
        if ax.get_legend() is not None:
            ax.get_legend().remove()
        for handle in ax.get_legend_handles_labels()[0]:
            short = re.split(r" \(best|[;,]", handle.get_label())[0]
            if not short.startswith("bars"):
                handle.set_label(short)
                named.setdefault(short, handle)
    return list(named.values())


def _draw_information(ax: Axes, table: pd.DataFrame, ks: Array) -> None:
    gaps = []
    for column, name, style, colour in (
        ("bic", "BIC", "o-", colour_at(0)),
        ("icl", "ICL", "s--", colour_at(1)),
        ("aic", "AIC", "^:", colour_at(2)),
    ):
        values = table[column].to_numpy(dtype=float)
        if np.isfinite(values).any():
            gaps.append(values - np.nanmin(values))
            label = f"{name} (best: K = {ks[np.nanargmin(values)]})"
            ax.plot(ks, gaps[-1], style, color=colour, ms=5, lw=1.3, label=label)
    _zoom(ax, ks, gaps)
    finish(ax, y="above the smallest\n(smaller is better)", legend="above")


def _draw_predictive(ax: Axes, comparison: Any, ks: Array) -> None:
    differences = comparison.differences.reindex(ks)
    gaps = []
    for column, name, style, colour, shift in (
        ("elpd_loo", "LOO", "o-", colour_at(0), -0.05),
        ("elpd_waic", "WAIC", "s--", colour_at(1), 0.05),
    ):
        values = comparison.table[column].to_numpy(dtype=float)
        if not np.isfinite(values).any():
            continue
        gaps.append(values - np.nanmax(values))
        label = f"{name} (best: K = {ks[np.nanargmax(values)]})"
        bars = None
        if column == "elpd_loo":
            bars = ELPD_ERRORS * differences["se_diff"].to_numpy(dtype=float)
            label += f"; bars: {ELPD_ERRORS:g} se of the difference"
        ax.errorbar(
            ks + shift, gaps[-1], yerr=bars, fmt=style, color=colour, ms=5, lw=1.1, capsize=3,
            label=label,
        )  # fmt: skip
    label = f"{SMALL_DIFFERENCE:g} below the best"
    ax.axhline(-SMALL_DIFFERENCE, color=ink(0.46), lw=0.9, ls=":", label=label)
    _zoom(ax, ks, gaps)
    finish(ax, y="elpd less the best\n(larger is better)", legend="above")


def _draw_evidence(ax: Axes, table: pd.DataFrame, ks: Array) -> None:
    quoted = table["log_evidence"].to_numpy(dtype=float)
    gaps = []
    if np.isfinite(quoted).any():
        best = np.nanmax(quoted)
        for column, name, style, colour, shift in (
            ("log_evidence_bridge", "bridge", "o", colour_at(0), -0.06),
            ("log_evidence_smc", "sequential Monte Carlo", "s", colour_at(2), 0.06),
        ):
            values = table[column].to_numpy(dtype=float) - best
            errors = table[f"{column}_error"].to_numpy(dtype=float)
            sound, unknown = np.isfinite(errors), ~np.isfinite(errors) & np.isfinite(values)
            gaps.append(values)
            if sound.any():
                ax.errorbar(
                    ks[sound] + shift, values[sound], yerr=2 * errors[sound], fmt=style,
                    color=colour, ms=5, lw=1.1, capsize=3, label=f"{name}; bars: 2 errors",
                )  # fmt: skip
            if unknown.any():
                label = f"{name}, error unknown"
                ax.plot(ks[unknown] + shift, values[unknown], "x", color=colour, ms=7, label=label)
        label = f"quoted (best: K = {ks[np.nanargmax(quoted)]})"
        ax.plot(ks, quoted - best, "-", color=ink(0.46), lw=1.1, zorder=1, label=label)
    _zoom(ax, ks, gaps)
    finish(ax, y="nats below the best\n(larger is better)", legend="above")


def _draw_probability(ax: Axes, table: pd.DataFrame, ks: Array) -> None:
    values = table["probability"].to_numpy(dtype=float)
    errors = table["probability_error"].to_numpy(dtype=float)
    known = np.isfinite(values)
    label = f"{probability_heading(table)}; uniform prior"
    ax.bar(ks[known], values[known], width=0.5, color=colour_at(0), label=label)
    shown = known & (values >= _TOLD)
    ax.errorbar(
        ks[shown], values[shown], yerr=2 * errors[shown], fmt="none", color=ink(), lw=1.1,
        capsize=3, label="bars: 2 Monte Carlo errors",
    )  # fmt: skip
    for k, value, error in zip(ks, values, errors, strict=True):
        text = "not given" if np.isnan(value) else shown_probability(value)
        height = 0.0 if np.isnan(value) else value + 2 * error
        ax.text(k, height + 0.03, text, ha="center", va="bottom", fontsize=asked_look().points(8))
    ax.set_ylim(0, 1.35)
    finish(ax, y="probability", legend="above")


def _zoom(ax: Axes, ks: Array, gaps: list[Array]) -> None:
    """Cut the axis where a few K dwarf the differences among the others, and write those out."""
    sizes = np.abs(np.array(gaps)) if gaps else np.zeros((1, len(ks)))
    worst = np.where(np.isfinite(sizes), sizes, 0.0).max(axis=0)
    limit = max(1.4 * float(np.sort(worst)[len(ks) // 2]), 12.0)
    if worst.max() < 2 * limit:
        return
    sign = 1.0 if np.nansum(gaps) > 0 else -1.0
    if sign > 0:
        ax.set_ylim(-0.15 * limit, 1.4 * limit)
    else:
        ax.set_ylim(-1.4 * limit, 0.3 * limit)
    for k, column in zip(ks[worst > 1.4 * limit], sizes.T[worst > 1.4 * limit], strict=True):
        low, high = sign * np.nanmin(column), sign * np.nanmax(column)
        text = f"{low:.0f}" if round(low) == round(high) else f"{low:.0f} to {high:.0f}"
        ax.annotate(
            f"off the scale:\n{text}", (k, sign * limit), xytext=(0, 0),
            fontsize=asked_look().points(8),
            bbox={"facecolor": paper(), "edgecolor": "none", "alpha": 0.85, "pad": 1.5},
            textcoords="offset points", ha="center", va="center",
        )  # fmt: skip


@keywords()
@styled
def pareto_k(
    elpd: Any,
    *,
    figsize: Size | None = None,
    title: str | None = None,
    legend: bool = True,
    colors: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Plot:
    """Draw the Pareto k of every row, by which the importance sampling of LOO is judged.

    Parameters
    ----------
    elpd : ELPDData
        As `bayesgmm.loo` returns it.
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
        The six rows with the highest k above 0.7 carry their number, from 0. Of more than 100,000
        rows it is a histogram, and the legend names those six.

    References
    ----------
    Vehtari, Simpson, Gelman, Yao and Gabry (2024), J. Machine Learning Research 25:72.

    Examples
    --------
    >>> from bayesgmm import loo, sample
    >>> tree = sample([[0.0], [1.0], [2.0], [4.0]], 1, draws=200, seed=1)
    >>> pareto_k(loo(tree)).ax.get_ylabel()
    'Pareto k (no unit)'
    """
    if getattr(elpd, "pareto_k", None) is None:
        raise ConfigError(f"expected what loo returns, got {type(elpd).__name__}.")
    values = np.asarray(elpd.pareto_k, dtype=float).ravel()
    high = values > PARETO_K
    ax = new_axes(7.0, 3.6)
    if len(values) > _MOST_DOTS:
        return _histogram_of_k(ax, values, high)
    rows = np.arange(len(values))
    many = len(values) > 1000
    ax.plot(
        rows[~high], values[~high], "o", color=colour_at(0), ms=2.0 if many else 3.2, alpha=0.7,
        mec="none", rasterized=many, label=f"k ≤ {PARETO_K}: {plural(int((~high).sum()), 'row')}",
    )  # fmt: skip
    ax.plot(
        rows[high], values[high], "D", color=colour_at(1), ms=5,
        label=f"k > {PARETO_K}, unreliable: {plural(int(high.sum()), 'row')}",
    )  # fmt: skip
    ax.axhline(PARETO_K, color=ink(), lw=0.9, ls="--")
    for row in np.argsort(-values)[: min(6, int(high.sum()))]:
        ax.annotate(
            str(row),
            (row, values[row]),
            xytext=(5, 3),
            textcoords="offset points",
            fontsize=asked_look().points(8),
        )
    low, top = np.nanmin(values, initial=0.0), np.nanmax(values, initial=PARETO_K)
    ax.set_ylim(low - 0.08, top + 0.25 * (top - low))
    finish(
        ax,
        title="Pareto k of each row in leave-one-out cross-validation",
        x="row, from 0",
        y="Pareto k (no unit)",
        legend="beside",
    )
    return plotted(ax)


def _histogram_of_k(ax: Axes, values: Array, high: BoolArray) -> Plot:
    """Draw how many rows have which Pareto k, and name those with the highest above the limit."""
    edges = np.histogram_bin_edges(values[np.isfinite(values)], bins=60).tolist()
    finite = np.clip(values, edges[0], edges[-1])
    ax.hist(
        finite[~high], edges, log=True, color=colour_at(0),
        label=f"k ≤ {PARETO_K}: {plural(int((~high).sum()), 'row')}",
    )  # fmt: skip
    worst = np.argsort(-values, kind="stable")[: min(6, int(high.sum()))]
    named = f", highest in row{'s' if len(worst) > 1 else ''} {', '.join(map(str, worst))}"
    ax.hist(
        finite[high], edges, log=True, color=colour_at(1),
        label=f"k > {PARETO_K}, unreliable: {plural(int(high.sum()), 'row')}"
        + (named if len(worst) else ""),
    )  # fmt: skip
    ax.axvline(PARETO_K, color=ink(), lw=0.9, ls="--")
    finish(
        ax,
        title="Pareto k of the rows in leave-one-out cross-validation",
        x="Pareto k (no unit)",
        y="rows",
        legend="beside",
    )
    return plotted(ax)
