"""Whether a result's density is that of a mixture of Gaussians: shown at some of its draws."""

from typing import Any

import numpy as np
import xarray as xr

from bayesgmm.posterior.draws import Draws
from bayesgmm.typing import Array, IntArray

__all__ = ["held_against_gaussians", "some_draws"]

_CLOSE = 1e-6  # relative, between two computations in double precision
_DRAWS = 8


def held_against_gaussians(
    tree: xr.DataTree, log_likelihood: Array, samples: IntArray, close: float = _CLOSE
) -> dict[str, Any]:
    """Hold a model's log likelihood of each row against sum_k w_k Normal(x | mean_k, cov_k).

    Parameters
    ----------
    tree : xarray.DataTree
        With weights, means, covariances and the rows.
    log_likelihood : array of shape (sample, obs), nats
    samples : array of int, shape (sample,)
        Which draws these are, chains one after another.
    close : float
        Largest relative difference that rounding may leave.

    Returns
    -------
    dict
        gaussian (bool), and gap, the largest difference in nats; the attribute ``components``.
    """
    draws = Draws(tree)
    expected = draws.taken(samples).log_densities(draws.rows)
    if expected.shape != log_likelihood.shape:
        return {"gaussian": False, "gap": None}
    gap = np.abs(log_likelihood - expected)
    agrees = gap <= close * np.maximum(1.0, np.abs(expected))
    largest = float(gap.max())
    return {"gaussian": bool(agrees.all()), "gap": largest if np.isfinite(largest) else None}


def some_draws(n_samples: int, most: int = _DRAWS) -> IntArray:
    """Return at most `most` positions, evenly spaced."""
    return np.unique(np.linspace(0, n_samples - 1, most).round().astype(np.int64))
