"""Maximum likelihood estimates with intervals from the curvature of the likelihood."""

import math
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.special import ndtri

from bayesgmm.errors import ConfigError, DataError
from bayesgmm.fit import PointFit
from bayesgmm.labels import Quantity, cluster_quantities, deviations_at
from bayesgmm.likelihood.climbing import curvature
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.model.parameters import Parameters
from bayesgmm.posterior.draws import Draws
from bayesgmm.runtime.parallel import one_blas_thread
from bayesgmm.typing import Array

__all__ = ["LikelihoodEstimate", "likelihood_estimates"]


class LikelihoodEstimate(NamedTuple):
    """A maximum likelihood estimate and the ends of its interval, NaN where there is none."""

    value: float
    lower: float
    upper: float


def likelihood_estimates(fit: PointFit, draws: Draws, prob: float) -> dict[str, LikelihoodEstimate]:
    """Return the estimates of a fit under the names of the posterior's summary.

    Intervals are Wald's, from minus the inverse Hessian of the log likelihood by the delta method:
    of weights on the logit scale, of scales and the like on the log scale, of correlations on the
    artanh scale. They take the rows as many enough for the likelihood to be near to a Gaussian's.

    Parameters
    ----------
    fit : PointFit
        By maximum likelihood, of the posterior's model and data.
    draws : Draws
        Its clusters name those of the fit that are nearest, by means in the features' spreads.
    prob : float
        Probability of the intervals.

    Returns
    -------
    dict of str to LikelihoodEstimate
        Without intervals where the Hessian is singular or the fit lies on a bound; empty for a
        user's own model.

    References
    ----------
    McLachlan and Peel (2000), Finite Mixture Models, section 2.15 (observed information).
    """
    if draws.resolved is None:
        return {}
    point = _in_order_of(fit.parameters, draws)
    estimates = cluster_quantities(draws, point.at(None))
    values = {quantity.name: float(quantity.values.ravel()[0]) for quantity in estimates}
    errors = _standard_errors(point, draws)
    reach = float(ndtri(0.5 + 0.5 * prob))
    return {
        quantity.name: _estimate(
            quantity, values[quantity.name], reach * errors.get(quantity.name, math.nan)
        )
        for quantity in estimates
    }


def _in_order_of(parameters: Parameters, draws: Draws) -> Parameters:
    """Return the point with its clusters in the order of those of the draws."""
    _, unit = draws.frame
    theirs, own = draws.parameters.means.mean(axis=0), parameters.means
    distances = (((theirs[:, None] - own) / unit) ** 2).sum(axis=2)
    return parameters.at(None).permuted(linear_sum_assignment(distances)[1][None]).at(0)


def _standard_errors(point: Parameters, draws: Draws) -> dict[str, float]:
    """Return the standard errors by name; empty where there are none."""
    try:
        target = draws.target
        x = target.unconstrain(point.at(None))[0]
    except (ConfigError, DataError, NotImplementedError):
        return {}
    if not np.isfinite(x).all():
        return {}
    with one_blas_thread():
        prior = curvature(LogPosterior(target.resolved, target.rows[:0]), x)
        covariance = _inverse(curvature(target, x) - prior)
    return {} if covariance is None else deviations_at(draws, target, x, covariance)


def _inverse(information: Array) -> Array | None:
    if not np.isfinite(information).all() or np.linalg.eigvalsh(information)[0] <= 0.0:
        return None
    return np.linalg.inv(information)


def _estimate(quantity: Quantity, value: float, reach: float) -> LikelihoodEstimate:
    """Return the interval of half-width `reach`, symmetric on the scale of the quantity."""
    if not math.isfinite(reach):
        return LikelihoodEstimate(value, math.nan, math.nan)
    if quantity.correlation:
        half = reach / (1.0 - value**2)
        return LikelihoodEstimate(value, *np.tanh(np.arctanh(value) + [-half, half]).tolist())
    if quantity.kind in ("weights", "noise_weight", "good_share"):
        odds, half = math.log(value / (1.0 - value)), reach / (value * (1.0 - value))
        low, high = (1.0 / (1.0 + math.exp(-(odds + sign * half))) for sign in (-1.0, 1.0))
        return LikelihoodEstimate(value, low, high)
    if quantity.kind in ("means", "loadings"):
        return LikelihoodEstimate(value, value - reach, value + reach)
    factor = math.exp(reach / value)
    return LikelihoodEstimate(value, value / factor, value * factor)
