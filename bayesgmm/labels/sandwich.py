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
from bayesgmm.likelihood.climbing import curvature_by_some, row_scores, some_rows
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.limits import IDENTIFIED, SANDWICH_ROWS
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.kept_rows import kept_target
from bayesgmm.posterior.tree import attribute
from bayesgmm.runtime.parallel import one_blas_thread
from bayesgmm.typing import Array

__all__ = ["sandwich_deviations"]

_LIKE = 2.0


def sandwich_deviations(draws: Draws) -> dict[str, float]:
    """Return the sandwich standard deviation of each of `cluster_quantities`, data units.

    H and J are taken at the mean of the draws, from 100,000 of the rows where there are more; of
    rows left in a file, from the 20,000 that the result keeps.

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
        target, n_counted = kept_target(draws)
    except (ConfigError, DataError):
        return {}
    if n_counted < SANDWICH_ROWS or not _one_labelling(draws):
        return {}
    with one_blas_thread():
        points = target.unconstrain(draws.parameters)
        seed = attribute(draws.tree, "seed") or 0
        covariance = _sandwich(target, n_counted, points, seed)
        if covariance is None:
            return {}
        return deviations_at(draws, target, points.mean(axis=0), covariance)


def _one_labelling(draws: Draws) -> bool:
    scores = attribute(draws.tree, "identification") or []
    labelled = not draws.groups.exchangeable or attribute(draws.tree, "relabelling") is not None
    return labelled and all(score >= IDENTIFIED for score in scores)


def _sandwich(target: LogPosterior, n_counted: float, points: Array, seed: int) -> Array | None:
    """Return H^-1 J H^-1 (dim, dim) at the mean of draws (draw, dim); None far from a mode.

    `target` knows all of the rows that count, or some.
    """
    x, many = points.mean(axis=0), len(target.rows) > SANDWICH_ROWS
    some = some_rows(target, SANDWICH_ROWS, seed) if many else target
    each = n_counted / some.n_counted
    precision = curvature_by_some(some, each, x)
    if not np.isfinite(precision).all() or np.linalg.eigvalsh(precision)[0] <= 0.0:
        return None
    inverse = np.linalg.inv(precision)
    if n_counted > target.n_counted:
        near = _spread_like(points, precision)
    else:
        gradient = target.evaluate(x).gradient
        near = bool(gradient @ inverse @ gradient < target.dim)
    if not near:
        return None
    found: Array = inverse @ (each * _variance_of_scores(some, x)) @ inverse
    return 0.5 * (found + found.T)


def _spread_like(points: Array, precision: Array) -> bool:
    """Whether draws (draw, dim) spread as a Normal of this precision does, within a factor.

    Where some rows alone are known no gradient says whether the mean is near a mode; where draws
    spread as the curvature at their mean says, it is.
    """
    spread = float(np.trace(precision @ np.cov(points, rowvar=False).reshape(precision.shape)))
    return 1.0 / _LIKE < spread / len(precision) < _LIKE


def _variance_of_scores(target: LogPosterior, x: Array) -> Array:
    """Return the variance (dim, dim) of the sum of the rows' scores, each counted by its weight."""
    rows, total, squares = target.rows, np.zeros(len(x)), np.zeros((len(x), len(x)))
    weights = rows.weights if isinstance(rows, AnnotatedRows) else None
    for part, scores in row_scores(target, x):
        counted = scores if weights is None else weights[part, None] * scores
        total += counted.sum(axis=0)
        squares += counted.T @ scores
    return squares - np.outer(total, total) / target.n_counted
