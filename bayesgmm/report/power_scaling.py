"""How much the posterior moves when prior or likelihood are raised to a power near 1."""

import logging
from typing import TYPE_CHECKING

import xarray as xr

from bayesgmm.likelihood.annotated_rows import AnnotatedRows
from bayesgmm.limits import PRIOR_MATTERS
from bayesgmm.posterior.draws import Draws

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["power_scaled"]


def power_scaled(draws: Draws) -> "pd.DataFrame":
    """Return the sensitivity of weights, means and scales, as `arviz.psense_summary` gives it."""
    import arviz as az

    names = ["means", "scales"] if draws.n_components == 1 else ["weights", "means", "scales"]
    advice = logging.getLogger("arviz_stats.psense")
    level = advice.level
    advice.setLevel(logging.ERROR)
    try:
        return az.psense_summary(_weighted(draws), var_names=names, threshold=PRIOR_MATTERS)
    finally:
        advice.setLevel(level)


def _weighted(draws: Draws) -> xr.DataTree:
    """Return the posterior with the log likelihood of each row as often as it counts."""
    table = draws.table
    if not isinstance(table, AnnotatedRows) or table.weights is None:
        return draws.tree
    tree = draws.tree.copy()
    rows = tree["log_likelihood"].to_dataset()
    tree["log_likelihood"] = xr.DataTree(rows * xr.DataArray(table.weights, dims="obs"))
    return tree
