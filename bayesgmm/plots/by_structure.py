"""Criteria over the number of components, one line a covariance structure and family."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from bayesgmm.evidence import probability_heading
from bayesgmm.limits import ELPD_ERRORS
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.plots.look import asked_look
from bayesgmm.plots.structures import MARKERS
from bayesgmm.plots.theme import colour_at, finish, ink
from bayesgmm.typing import Array

__all__ = ["draw_by_structure"]


def draw_by_structure(axes: np.ndarray, comparison: Any, chosen: MixtureSpec) -> list[Array]:
    """Draw BIC, elpd by LOO, log evidence and probability; return the distances in the first three.

    Parameters
    ----------
    axes : array of four Axes
    comparison : Comparison
        Of several covariance structures or families.
    chosen : MixtureSpec
        Its values are ringed.
    """
    table = comparison.table
    errors = dict(zip(comparison.elpds["loo"], comparison.differences["se_diff"], strict=True))
    bars = np.array([errors.get(spec, np.nan) for spec in comparison.models])
    panels = (
        (table["bic"], None, "BIC above the smallest\n(smaller is better)"),
        (table["elpd_loo"], ELPD_ERRORS * bars, "elpd by LOO less the best\n(larger is better)"),
        (
            table["log_evidence"],
            2 * table["log_evidence_error"].to_numpy(dtype=float),
            "log evidence less the best\n(larger is better)",
        ),
    )
    gaps = []
    for ax, (column, bar, label) in zip(axes[:3], panels, strict=True):
        values = column.to_numpy(dtype=float)
        best = np.fmin.reduce(values) if column.name == "bic" else np.fmax.reduce(values)
        gaps.append(values - best)
        _draw_lines(ax, comparison, gaps[-1], bar, chosen)
        finish(ax, y=label, legend="above" if ax is axes[0] else None)
    _draw_shares(axes[3], comparison)
    return gaps


def _kinds(comparison: Any) -> list[str]:
    return list(dict.fromkeys(spec.kind for spec in comparison.models))


def _draw_lines(
    ax: Axes, comparison: Any, values: Array, bars: Array | None, chosen: MixtureSpec
) -> None:
    ks = comparison.table.index.to_numpy()
    names = np.array([spec.kind for spec in comparison.models])
    kinds = _kinds(comparison)
    for place, name in enumerate(kinds):
        own = (names == name) & np.isfinite(values)
        shift = 0.06 * (place - (len(kinds) - 1) / 2)
        known = None if bars is None else np.where(np.isfinite(bars[own]), bars[own], 0.0)
        ax.errorbar(
            ks[own] + shift, values[own], yerr=known, ms=5, lw=1.1,
            fmt=f"{MARKERS[place % len(MARKERS)]}-", capsize=3, color=colour_at(place), label=name,
        )  # fmt: skip
        row = comparison.models.index(chosen)
        if chosen.kind == name and np.isfinite(values[row]):
            ax.plot(ks[row] + shift, values[row], "o", ms=12, mfc="none", mec=ink(), mew=1.2)


def _draw_shares(ax: Axes, comparison: Any) -> None:
    ks = comparison.table.index.to_numpy()
    names = np.array([spec.kind for spec in comparison.models])
    values = comparison.table["probability"].to_numpy(dtype=float)
    errors = comparison.table["probability_error"].to_numpy(dtype=float)
    kinds = _kinds(comparison)
    width = 0.8 / len(kinds)
    for place, name in enumerate(kinds):
        own = (names == name) & np.isfinite(values)
        at = ks[own] + width * (place - (len(kinds) - 1) / 2)
        ax.bar(at, values[own], width=0.9 * width, color=colour_at(place))
        ax.errorbar(at, values[own], yerr=2 * errors[own], fmt="none", color=ink(), lw=1.1)
    ax.set_ylim(0, 1.1)
    heading = probability_heading(comparison.named_table)
    told = f"{heading}; uniform prior; bars: 2 Monte Carlo errors"
    ax.set_title(told, fontsize=asked_look().points(8.5), loc="left")
    finish(ax, y="probability", legend=None)
