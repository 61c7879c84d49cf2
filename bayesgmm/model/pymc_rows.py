"""Rows with missing cells, weights, labels and errors in the PyMC model."""

import math
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayesgmm.data import Annotations
from bayesgmm.typing import Array

__all__ = ["observe"]

_SIGNATURE = "(k),(k,d),(k,d,d),(),(g,d),(g,d),(k)->(d)"


def observe(
    weights: Any,
    means: Any,
    covariances: Any,
    values: Array,
    known: Annotations,
    *,
    picked: bool = False,
) -> None:
    """Declare the observed rows ``x`` in the model at hand, labels summed out, data units.

    A row is a Normal on its observed cells, with its own errors, in one of the clusters that it may
    belong to. Rows that share what is observed and with which errors share a ``row_pattern``. The
    likelihood of ``x`` is that of one copy of each row; the potential ``copies`` adds the others.

    Parameters
    ----------
    weights, means, covariances : tensors of shape (cluster,), (cluster, feature) and \
            (cluster, feature, feature), data units
    values : array of shape (obs, feature), data units
        NaN where a cell is missing.
    known : Annotations
    picked : bool
        Whether rows with labels were picked for these: they have the density given the label.
    """
    seen = ~np.isnan(values)
    errors = np.zeros(values.shape) if known.errors is None else np.where(seen, known.errors, 0.0)
    patterns, which = np.unique(np.hstack([seen, errors]), axis=0, return_inverse=True)
    d = values.shape[1]
    n_clusters = int(means.type.shape[0])
    allowed = known.allowed(n_clusters)
    if allowed is None:
        allowed = np.ones((1, n_clusters), dtype=bool)
    dims = ("row_pattern", "feature")
    pm.modelcontext(None).add_coord("row_pattern", list(range(1, len(patterns) + 1)))
    rows = pm.Data("x_data", np.where(seen, values, 0.0), dims=("obs", "feature"))
    rows.set_value(np.where(seen, values, np.nan))  # pm.Data itself takes no NaN
    parameters = (
        *(weights, means, covariances),
        pm.Data("x_pattern", which.ravel(), dims="obs"),
        pm.Data("pattern_seen", patterns[:, :d].astype(bool), dims=dims, shape=(len(patterns), d)),
        pm.Data("pattern_errors", patterns[:, d:], dims=dims, shape=(len(patterns), d)),
        pt.as_tensor(allowed)
        if len(allowed) == 1
        else pm.Data("x_allowed", allowed, dims=("obs", "cluster")),
    )
    log_densities = _log_densities_given_labels if picked else _log_densities
    pm.CustomDist(
        "x",
        *parameters,
        dist=_rows,
        logp=log_densities,
        signature=_SIGNATURE,
        observed=rows,
        dims=("obs", "feature"),
    )
    counts = known.counts
    if counts is not None:
        copies = pm.Data("x_weights", counts, dims="obs")
        pm.Potential("copies", (copies - 1.0) * log_densities(rows, *parameters), dims="obs")


def _log_densities(
    rows: Any,
    weights: Any,
    means: Any,
    covariances: Any,
    which: Any,
    seen: Any,
    errors: Any,
    allowed: Any,
) -> Any:
    """Return log sum_A w_k N(x; mu_k, Sigma_k + diag(e^2)) over the observed cells: (obs,)."""
    size = means.shape[-1]
    whole = covariances[None] + pt.eye(size) * (errors**2)[:, None, None, :]
    both = (seen[:, :, None] & seen[:, None, :])[:, None]
    factors = pt.linalg.cholesky(pt.where(both, whole, pt.eye(size)))  # (pattern, cluster, D, D)
    inverses = pt.linalg.solve_triangular(
        factors, pt.broadcast_to(pt.eye(size), factors.shape), lower=True, b_ndim=2
    )
    log_scales = pt.log(pt.diagonal(factors, axis1=-2, axis2=-1)).sum(axis=-1)
    offsets = pt.where(seen[which][:, None], rows[:, None] - means[None], 0.0)
    whitened = (inverses[which] * offsets[:, :, None, :]).sum(axis=-1)
    log_constant = 0.5 * math.log(2.0 * math.pi) * seen[which].sum(axis=-1)
    densities = -0.5 * (whitened**2).sum(axis=-1) - log_scales[which] - log_constant[:, None]
    joint = pt.where(allowed, pt.log(weights) + densities, -np.inf)
    return pt.logsumexp(joint, axis=-1)


def _log_densities_given_labels(rows: Any, weights: Any, *others: Any) -> Any:
    """Return the same less log sum_A w_k, the chance of a row's label."""
    chance = pt.where(others[-1], weights, 0.0).sum(axis=-1)
    return _log_densities(rows, weights, *others) - pt.log(chance)


def _rows(
    weights: Any,
    means: Any,
    covariances: Any,
    which: Any,
    seen: Any,
    errors: Any,
    allowed: Any,
    size: Any,
) -> Any:
    """Return whole rows of the mixture, with the errors of each, in clusters that it may be in."""
    shares = pt.where(allowed, weights, 0.0)
    shares = pt.broadcast_to(shares, (which.shape[0], shares.shape[1]))
    cluster = pm.Categorical.dist(shares / shares.sum(axis=-1, keepdims=True))
    own = errors[which]
    return pm.MvNormal.dist(
        means[cluster], covariances[cluster] + pt.eye(own.shape[1]) * (own**2)[:, None, :]
    )
