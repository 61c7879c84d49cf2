"""LOO of rows with a high Pareto k by moment matching: the draws moved to where the row is out."""

import warnings
from typing import NamedTuple

import arviz as az
import numpy as np
import xarray as xr

from bayesgmm.elpd.predictive import relative_efficiency
from bayesgmm.likelihood.interface import LogDensity
from bayesgmm.limits import IDENTIFIED_TO_MATCH
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.tree import attribute
from bayesgmm.typing import Array, IntArray

__all__ = ["MatchedRows", "match_moments", "may_match_moments"]

_SAMPLE = ("chain", "draw")


class MatchedRows(NamedTuple):
    """Leave-one-out terms of some rows after moment matching, arrays of shape (row,).

    Parameters
    ----------
    elpd : array, nats
    pareto_k : array
        Never above what PSIS left.
    error : array, nats
        Monte Carlo standard error of each term, one over the root of the effective sample size of
        its weights; NaN where no move made the Pareto k smaller and the term is PSIS's.
    """

    elpd: Array
    pareto_k: Array
    error: Array


def may_match_moments(draws: Draws) -> bool:
    """Say whether the draws lie in one labelling's cell, which an affine move then leaves alone.

    Relabelled draws of the built-in model whose clusters all have an identification score of at
    least 0.99; a single component has no labels to fold.
    """
    if draws.resolved is None:
        return False
    if draws.n_components == 1:
        return True
    scores = attribute(draws.tree, "identification")
    return bool(scores) and min(scores) >= IDENTIFIED_TO_MATCH


def match_moments(view: Draws, rows: IntArray, limit: float) -> MatchedRows:
    """Estimate leave-one-out terms by importance sampling from moved draws.

    The draws, on the unconstrained coordinates, are moved to the mean, then the marginal
    variances, then the covariance that their importance weights give the posterior without the
    row, over and over as long as Pareto k falls and exceeds the limit. The final estimate takes
    half of the draws moved and half as they are, as one sample of the mixture of both densities.

    Parameters
    ----------
    view : Draws
        One for which `may_match_moments`, with the group log_likelihood.
    rows : array of int
        Positions of the rows.
    limit : float
        Pareto k at which to stop.

    References
    ----------
    Paananen, Piironen, Buerkner and Vehtari (2021), Statistics and Computing 31:16; the algorithm
    is ArviZ's `loo_moment_match`.
    """
    target: LogDensity = view.target
    values = view.tree["log_likelihood"].to_dataset()["x"].transpose(..., "obs")
    coords = {name: values[name] for name in _SAMPLE}
    part = xr.DataTree.from_dict({"log_likelihood": xr.Dataset({"x": values.isel(obs=rows)})})

    def log_posterior(points: xr.DataArray) -> xr.DataArray:
        return xr.DataArray(target.log_densities(points.values), coords, _SAMPLE)

    def log_likelihood(points: xr.DataArray, place: int) -> xr.DataArray:
        row = int(rows[place])
        of_row = target.rowwise(points.values, target.rows[row : row + 1])
        return xr.DataArray(of_row[..., 0], coords, _SAMPLE)

    relative = relative_efficiency(view.tree)
    # Its warnings repeat what the Pareto k say; points far out have no density, which it expects.
    with warnings.catch_warnings(), np.errstate(over="ignore", invalid="ignore"):
        warnings.simplefilter("ignore")
        matched = az.loo_moment_match(
            part,
            az.loo(part, pointwise=True, var_name="x", reff=relative),
            log_posterior,
            log_likelihood,
            xr.DataArray(view.coordinates, coords, (*_SAMPLE, "coordinate")),
            var_name="x",
            reff=relative,
            k_threshold=limit,
            pointwise=True,
        )
    size = np.full(len(rows), np.nan) if matched.n_eff_i is None else matched.n_eff_i.values
    return MatchedRows(matched.elpd_i.values, matched.pareto_k.values, 1.0 / np.sqrt(size))
