"""Climbs of the log posterior in its unconstrained coordinates, and its curvature there."""

import numpy as np

from bayesgmm.likelihood.compiled.climbing import ascend, curvature_at
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.typing import Array

__all__ = ["ascend_from", "curvature"]

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
    """Return minus the Hessian (dim, dim) of the log posterior at x, by central differences.

    Steps of a mean are in proportion to the width of its component in that feature given the
    others, which may be that of a recording error: a longer one would leave its rows behind.
    """
    steps, out = np.full(len(x), _STEP), np.empty((len(x), len(x)))
    unit = target.resolved.unit
    covariances = target.constrain(x[None]).covariances[0] / np.multiply.outer(unit, unit)
    with np.errstate(all="ignore"):
        widths = 1.0 / np.sqrt(np.einsum("kdd->kd", np.linalg.pinv(covariances)))
    steps[target.slices["means"]] *= np.clip(np.nan_to_num(widths.ravel()), 1e-9, 1.0)
    curvature_at(x, target.flat, target.annotated, steps, out)
    return out
