"""The density of rows, with its uncertainty."""

from typing import Any

import numpy as np
import xarray as xr
from scipy.special import logsumexp

from bayesgmm.arguments import check_prob
from bayesgmm.likelihood.annotated_rows import recorded_rows
from bayesgmm.limits import INTERVAL
from bayesgmm.prediction.averaged import Average
from bayesgmm.prediction.draws import FitOrPosterior, draws_of, interval, names_for, table_for
from bayesgmm.runtime.keywords import keywords

__all__ = ["density", "log_density"]


@keywords(fit_or_posterior="posterior")
def density(
    posterior: FitOrPosterior | Average, rows: Any = None, prob: float = INTERVAL
) -> xr.Dataset:
    """Return the density of the mixture at rows: posterior mean and interval.

    The mean over draws is the posterior predictive density. Of a row with missing cells it is that
    of the observed ones, so that it is comparable among rows that lack the same cells; of cells
    with errors of their own that of what is recorded with them. Weights and labels do not enter: it
    is the density of the population, whatever is known of the row.

    Parameters
    ----------
    posterior : PointFit, xarray.DataTree or Average
        Labels do not matter. A point fit gives its plug-in density.
    rows : table of shape (obs, feature), data units, optional
        New rows: a Dataset, an array, lists or a frame; None takes the rows of the posterior.
    prob : float
        Probability of the equal-tailed intervals.

    Returns
    -------
    xarray.Dataset
        mean, lower, upper (obs), per unit of the data. Quantiles between two draws are
        interpolated on the log scale.

    Raises
    ------
    ConfigError
        When `prob` is outside (0, 1), or `rows` is None for a point fit.
    DataError
        When the rows are unusable.

    Examples
    --------
    >>> from bayesgmm import fit_em
    >>> fit = fit_em([[0.0], [1.0], [2.0], [3.0]], 1, seed=1)
    >>> density(fit, [[1.5]])["mean"].values.round(4).tolist()
    [0.3568]
    """
    return log_density(posterior, rows, prob).map(np.exp, keep_attrs=True)


@keywords(fit_or_posterior="posterior")
def log_density(
    posterior: FitOrPosterior | Average, rows: Any = None, prob: float = INTERVAL
) -> xr.Dataset:
    """Return the logarithm of what `density` returns, nats, safe far from the data.

    Parameters
    ----------
    posterior, rows, prob
        As for `density`.

    Returns
    -------
    xarray.Dataset
        mean (obs): the log of the mean density, not the mean of the log; lower, upper (obs).

    Raises
    ------
    ConfigError, DataError
        As for `density`.

    Examples
    --------
    >>> from bayesgmm import fit_em
    >>> fit = fit_em([[0.0], [1.0], [2.0], [3.0]], 1, seed=1)
    >>> log_density(fit, [[1.5], [1000.0]])["mean"].values.round(0).tolist()
    [-1.0, -398802.0]
    """
    prob = check_prob(prob)
    draws = draws_of(posterior, labelled=False)
    values = recorded_rows(table_for(draws, rows))
    mean, lower, upper = (np.empty(len(values)) for _ in range(3))

    def summarise(block: slice) -> None:
        by_row = np.ascontiguousarray(draws.log_densities(values[block]).T)
        mean[block] = logsumexp(by_row, axis=1) - np.log(draws.n_samples)
        lower[block], upper[block] = interval(by_row, prob)

    draws.over_row_blocks(len(values), summarise)
    return xr.Dataset(
        {"mean": ("obs", mean), "lower": ("obs", lower), "upper": ("obs", upper)},
        {"obs": names_for(draws, rows, len(values))},
        {"prob": prob},
    )
