"""The curvature of the log posterior in its unconstrained coordinates."""

import numpy as np

from bayesgmm.likelihood.compiled.climbing import curvature_at
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.typing import Array

__all__ = ["curvature"]

_STEP = 1e-4


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
    curvature_at(x, target.flat, steps, out)
    return out
