"""Climbs of the log posterior in its unconstrained coordinates, and its curvature there."""

import numpy as np

from bayesgmm.likelihood.compiled.climbing import ascend, curvature_at
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.typing import Array

__all__ = ["ascend_from", "curvature", "curvatures"]

_STEP = 1e-4


def ascend_from(target: LogPosterior, x: Array, metric: Array, most: int) -> tuple[Array, float]:
    """Climb from x (dim,), fitting units; return where the climb ended and the density there.

    Parameters
    ----------
    target : LogPosterior
    x : array of shape (dim,), written
    metric : array of shape (dim, dim), written
        A positive definite guess at the inverse of minus the Hessian.
    most : int
        Largest number of evaluations.
    """
    return x, ascend(x, target.flat, target.annotated, metric, most, np.empty(len(x)))


def curvature(target: LogPosterior, x: Array) -> Array:
    """Return minus the Hessian (dim, dim) of the log posterior at x (dim,)."""
    return curvatures(target, x[None])[0]


def curvatures(target: LogPosterior, points: Array) -> Array:
    """Return minus the Hessian at each of some points (point, dim), by central differences.

    Shape (point, dim, dim). Steps of a mean are in proportion to the width of its component in that
    feature given the others, which may be that of a recording error: a longer one would leave its
    rows behind.
    """
    n_points, dim = points.shape
    steps, out = np.full(points.shape, _STEP), np.empty((n_points, dim, dim))
    unit = target.resolved.unit
    covariances = target.constrain(points).covariances / np.multiply.outer(unit, unit)
    with np.errstate(all="ignore"):
        widths = 1.0 / np.sqrt(np.einsum("pkdd->pkd", np.linalg.pinv(covariances)))
    narrow = np.clip(np.nan_to_num(widths.reshape(n_points, -1)), 1e-9, 1.0)
    steps[:, target.slices["means"]] *= narrow
    for x, its_steps, hessian in zip(points, steps, out, strict=True):
        curvature_at(x, target.flat, target.annotated, its_steps, hessian)
    return out
