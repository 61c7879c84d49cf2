"""The standard deviation of estimates of many rows, whatever law the rows have.

A posterior is as sure as its model allows. Where no mixture of such components is the law of the
rows, estimates from samples of n rows vary about the mixture nearest to it with the covariance
H^-1 J H^-1, not H^-1: H is minus the Hessian of the log posterior, J the variance of the sum of the
rows' scores. With many rows the posterior's own deviation is small, and what a wrong model does to
it may be larger.

References
----------
Huber (1967), Proc. 5th Berkeley Symposium 1:221. White (1982), Econometrica 50:1. Müller (2013),
Econometrica 81:1805 (in the place of the posterior's covariance).
"""

import numpy as np

from bayesgmm.errors import ConfigError, DataError
from bayesgmm.labels.delta_method import deviations_at
from bayesgmm.likelihood.annotated_rows import AnnotatedRows
from bayesgmm.likelihood.climbing import curvature, curvature_by_some, row_scores, some_rows
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.limits import IDENTIFIED, SANDWICH_ROWS
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.tree import attribute
from bayesgmm.runtime.parallel import one_blas_thread
from bayesgmm.typing import Array

__all__ = ["sandwich_deviations"]


def sandwich_deviations(draws: Draws) -> dict[str, float]:
    """Return the sandwich standard deviation of each of `cluster_quantities`, data units.

    H and J are taken at the mean of the draws, from 100,000 of the rows where there are more.

    Parameters
    ----------
    draws : Draws

    Returns
    -------
    dict of str to float
        Empty for fewer than 100,000 rows; where labels do not mean the same from draw to draw, or
        the mean of the draws is not near a mode; for a user's own model, and under the weights of a
        survey, which have this variance already.
    """
    try:
        target = draws.target
    except (ConfigError, DataError):
        return {}
    if target.n_counted < SANDWICH_ROWS or not _one_labelling(draws):
        return {}
    with one_blas_thread():
        x = draws.coordinates.reshape(-1, target.dim).mean(axis=0)
        covariance = _sandwich(target, x, attribute(draws.tree, "seed") or 0)
        return {} if covariance is None else deviations_at(draws, x, covariance)


def _one_labelling(draws: Draws) -> bool:
    scores = attribute(draws.tree, "identification") or []
    labelled = not draws.groups.exchangeable or attribute(draws.tree, "relabelling") is not None
    return labelled and all(score >= IDENTIFIED for score in scores)


def _sandwich(target: LogPosterior, x: Array, seed: int) -> Array | None:
    """Return H^-1 J H^-1 (dim, dim) at x (dim,); None where x is not near a mode."""
    many = len(target.rows) > SANDWICH_ROWS
    some = some_rows(target, SANDWICH_ROWS, seed) if many else target
    precision = curvature_by_some(target, some, x) if many else curvature(target, x)
    if not np.isfinite(precision).all() or np.linalg.eigvalsh(precision)[0] <= 0.0:
        return None
    inverse, gradient = np.linalg.inv(precision), target.evaluate(x).gradient
    if not gradient @ inverse @ gradient < target.dim:
        return None
    of_scores = target.n_counted / some.n_counted * _variance_of_scores(some, x)
    found: Array = inverse @ of_scores @ inverse
    return 0.5 * (found + found.T)


def _variance_of_scores(target: LogPosterior, x: Array) -> Array:
    """Return the variance (dim, dim) of the sum of the rows' scores, each counted by its weight."""
    rows, total, squares = target.rows, np.zeros(len(x)), np.zeros((len(x), len(x)))
    weights = rows.weights if isinstance(rows, AnnotatedRows) else None
    for part, scores in row_scores(target, x):
        counted = scores if weights is None else weights[part, None] * scores
        total += counted.sum(axis=0)
        squares += counted.T @ scores
    return squares - np.outer(total, total) / target.n_counted
