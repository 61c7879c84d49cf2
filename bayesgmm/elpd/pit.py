"""Where each row lies in its leave-one-out predictive distribution, feature by feature."""

import numpy as np
from scipy.special import ndtr, stdtr

from bayesgmm.elpd.predictive import relative_efficiency
from bayesgmm.likelihood.annotated_rows import AnnotatedRows, values_of
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.pareto import smoothed
from bayesgmm.typing import Array, IntArray

__all__ = ["loo_pit"]


def loo_pit(draws: Draws, places: IntArray) -> Array:
    """Return the probability of values below each observed one, given all other rows.

    The row as a whole is left out, by smoothed importance weights; its feature is then predicted
    from no other feature of it.

    Parameters
    ----------
    draws : Draws
        With the log likelihood of each row, of a mixture without noise.
    places : array of shape (row,)
        Of the rows among all.

    Returns
    -------
    array of shape (row, feature)
        NaN for missing cells. Even on (0, 1) where the model predicts the feature well.

    References
    ----------
    Gelfand, Dey and Chang (1992), Bayesian Statistics 4:147. Vehtari, Gelman and Gabry (2017),
    Statistics and Computing 27:1413.
    """
    log_likelihood = draws.tree["log_likelihood"].to_dataset()["x"].values
    by_row = log_likelihood.reshape(draws.n_samples, -1)
    efficiency, table = relative_efficiency(draws.tree), draws.table
    values = values_of(table)[places]
    errors = np.zeros_like(values)
    if isinstance(table, AnnotatedRows) and table.errors is not None:
        errors = table.errors[places]
    variances = np.einsum("skdd->skd", draws.parameters.normals.covariances)
    deviations, out = np.sqrt(variances), np.empty_like(values)
    for row, (place, cells, its_errors) in enumerate(zip(places, values, errors, strict=True)):
        log_weights, _ = smoothed(-by_row[:, place], efficiency)
        if its_errors.any():
            deviations = np.sqrt(variances + its_errors**2)
        out[row] = np.exp(log_weights) @ _below(draws, cells, deviations)
    return out


def _below(draws: Draws, cells: Array, deviations: Array) -> Array:
    """Return the probability of less than each cell under each draw, (sample, feature)."""
    parameters = draws.parameters
    normals = parameters.normals
    standard = (cells - normals.means) / deviations
    below = ndtr(standard) if parameters.nu is None else stdtr(parameters.nu[:, :, None], standard)
    return np.einsum("sk,skd->sd", normals.weights, below)
