"""Whether a result's density is that of a mixture of Gaussians: shown at some of its draws."""

from typing import Any

import numpy as np
import xarray as xr

from bayesgmm.errors import ConfigError
from bayesgmm.likelihood.rowwise import pointwise_log_likelihood
from bayesgmm.posterior.tree import attribute, parameters_of, rows_of
from bayesgmm.typing import Array

__all__ = [
    "COMPONENTS",
    "gaussian_components",
    "held_against_gaussians",
    "refuse_unless_gaussian",
    "some_draws",
]

COMPONENTS = "components"
_CLOSE = 1e-6  # relative, between two computations in double precision
_DRAWS = 8


def held_against_gaussians(
    tree: xr.DataTree, log_likelihood: Array, samples: Array, close: float = _CLOSE
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
    parameters = type(parameters_of(tree))(*(value[samples] for value in parameters_of(tree)))
    rows = rows_of(tree)
    unit = rows.std(axis=0, ddof=1)
    expected = pointwise_log_likelihood(parameters, rows, rows.mean(axis=0), unit)
    if expected.shape != log_likelihood.shape:
        return {"gaussian": False, "gap": None}
    gap = np.abs(log_likelihood - expected)
    agrees = gap <= close * np.maximum(1.0, np.abs(expected))
    largest = float(gap.max())
    return {"gaussian": bool(agrees.all()), "gap": largest if np.isfinite(largest) else None}


def some_draws(n_samples: int, most: int = _DRAWS) -> Array:
    """Return at most `most` positions, evenly spaced."""
    return np.unique(np.linspace(0, n_samples - 1, most).round().astype(np.int64))


def gaussian_components(tree: xr.DataTree) -> bool:
    """Whether the density of a result is that of Gaussians with its parameters."""
    shown = attribute(tree, COMPONENTS)
    return shown is None or bool(shown["gaussian"])


def refuse_unless_gaussian(tree: xr.DataTree) -> None:
    """Raise ConfigError where a user's own model is no mixture of Gaussians."""
    if gaussian_components(tree):
        return
    gap = attribute(tree, COMPONENTS)["gap"]
    by = "" if gap is None else f" (by up to {gap:.3g} nats a row)"
    raise ConfigError(
        "this needs the density of Gaussian components, and the log likelihood of this model is "
        f"not that of Gaussians with its weights, means and covariances{by}: compute it from the "
        "PyMC model; summarize, diagnose, loo, waic, label_free and write_report do work.",
        group="log_likelihood",
        gap=gap,
    )
