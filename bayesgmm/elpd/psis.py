"""ArviZ's PSIS-LOO, also where some rows have the same density in every draw."""

from dataclasses import replace
from typing import Any

import arviz as az
import numpy as np
import xarray as xr

from bayesgmm.posterior.pareto import EQUAL

__all__ = ["psis_loo"]

_SAMPLE = ("chain", "draw")


def psis_loo(posterior: xr.DataTree, relative: float) -> Any:
    """Return ArviZ's estimate from the group log_likelihood, pointwise.

    A row without an observed cell has the density 1 in every draw. Draws have equal weights for
    such a row: its term is its log density, and its Pareto k is 0.

    Parameters
    ----------
    posterior : DataTree
    relative : float
        The effective share of the draws.

    Raises
    ------
    ValueError
        Where every row has the same density in all draws, or the tail of a row is flat.
    """
    options: dict[str, Any] = {"pointwise": True, "var_name": "x", "reff": relative}
    try:
        return az.loo(posterior, **options)
    except ValueError:
        values = posterior["log_likelihood"].to_dataset()["x"]
        still = (values.max(_SAMPLE) - values.min(_SAMPLE) <= EQUAL).values
        if still.all() or not still.any():
            raise
    moving = values.isel(obs=~still).to_dataset(name="x")
    groups = {"posterior": posterior["posterior"].to_dataset(), "log_likelihood": moving}
    found = az.loo(xr.DataTree.from_dict(groups), **options)
    elpd, pareto_k = values.isel(chain=0, draw=0, drop=True) + 0.0, np.zeros(len(still))
    elpd[~still], pareto_k[~still] = found.elpd_i.values, found.pareto_k.values
    return replace(
        found,
        elpd=float(elpd.sum()),
        se=float(np.sqrt(elpd.size * elpd.var())),
        n_data_points=elpd.size,
        elpd_i=elpd,
        pareto_k=elpd.copy(data=pareto_k),
    )
