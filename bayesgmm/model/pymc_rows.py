"""Rows with missing cells, weights, labels and errors in the PyMC model."""

import math
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayesgmm.data import Annotations
from bayesgmm.typing import Array

__all__ = ["Mixture", "observe"]

_SIGNATURE = "(k),(k,d),(k,d,d),(),(g,d),(g,d),(k)->(d)"
_ALLOWED = 5  # its place among the parameters after the weights
_WITH_TAILS = "(k),(k,d),(k,d,d),(),(g,d),(g,d),(k),(k)->(d)"
_WITH_NOISE = "(k),(k,d),(k,d,d),(),(g,d),(g,d),(k),(),(d),(d)->(d)"
_WITH_BOTH = "(k),(k,d),(k,d,d),(),(g,d),(g,d),(k),(k),(),(d),(d)->(d)"


class Mixture(NamedTuple):
    """The tensors of a mixture, data units.

    Parameters
    ----------
    weights : shape (cluster,)
    means : shape (cluster, feature)
    covariances : shape (cluster, feature, feature)
    nu : shape (cluster,), optional
        Degrees of freedom, where components are t.
    noise : scalar, optional
        The weight of the noise, where there is one.
    box : array of shape (2, feature), optional
        On which it lies.
    wide : shape (cluster, feature, feature), optional
        Covariances of the rows that are not good, where clusters are contaminated.
    good_share : scalar, optional
        The share of the good ones.
    """

    weights: Any
    means: Any
    covariances: Any
    nu: Any = None
    noise: Any = None
    box: Any = None
    wide: Any = None
    good_share: Any = None

    @property
    def normals(self) -> "Mixture":
        """The mixture with each Gaussian as a cluster, the wide ones after the others."""
        if self.wide is None:
            return self
        shares = [self.good_share * self.weights, (1.0 - self.good_share) * self.weights]
        return self._replace(
            weights=pt.concatenate(shares),
            means=pt.concatenate([self.means, self.means]),
            covariances=pt.concatenate([self.covariances, self.wide]),
            wide=None,
        )

    @property
    def further(self) -> tuple[Any, ...]:
        """What there is beside Gaussians."""
        of_noise = () if self.noise is None else (self.noise, *map(pt.as_tensor, self.box))
        return (*(() if self.nu is None else (self.nu,)), *of_noise)

    @property
    def signature(self) -> str:
        """The signature of the distribution of a row."""
        if self.noise is None:
            return _SIGNATURE if self.nu is None else _WITH_TAILS
        return _WITH_NOISE if self.nu is None else _WITH_BOTH


def observe(mixture: Mixture, values: Array, known: Annotations, *, picked: bool = False) -> None:
    """Declare the observed rows ``x`` in the model at hand, labels summed out, data units.

    A row is a Normal, or a t, on its observed cells, with its own errors, in one of the clusters
    that it may belong to, or noise. Rows that share what is observed and with which errors share a
    ``row_pattern``. The likelihood of ``x`` is that of one copy of each row; the potential
    ``copies`` adds the others.

    Parameters
    ----------
    mixture : Mixture
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
    n_clusters = int(mixture.means.type.shape[0])
    allowed = known.allowed(n_clusters)
    if allowed is None:
        allowed = np.ones((1, n_clusters), dtype=bool)
    kind = "cluster" if mixture.wide is None else "normal"
    if mixture.wide is not None:
        allowed = np.tile(allowed, 2)
        pm.modelcontext(None).add_coord(kind, list(range(1, 2 * n_clusters + 1)))
    mixture = mixture.normals
    dims = ("row_pattern", "feature")
    pm.modelcontext(None).add_coord("row_pattern", list(range(1, len(patterns) + 1)))
    rows = pm.Data("x_data", np.where(seen, values, 0.0), dims=("obs", "feature"))
    rows.set_value(np.where(seen, values, np.nan))  # pm.Data itself takes no NaN
    parameters = (
        *(mixture.weights, mixture.means, mixture.covariances),
        pm.Data("x_pattern", which.ravel(), dims="obs"),
        pm.Data("pattern_seen", patterns[:, :d].astype(bool), dims=dims, shape=(len(patterns), d)),
        pm.Data("pattern_errors", patterns[:, d:], dims=dims, shape=(len(patterns), d)),
        pt.as_tensor(allowed)
        if len(allowed) == 1
        else pm.Data("x_allowed", allowed, dims=("obs", kind)),
        *mixture.further,
    )
    log_densities = partial(
        _log_densities_given_labels if picked else _log_densities, mixture.nu is not None
    )
    pm.CustomDist(
        "x",
        *parameters,
        dist=partial(_rows, mixture.nu is not None),
        logp=log_densities,
        signature=mixture.signature,
        observed=rows,
        dims=("obs", "feature"),
    )
    counts = known.counts
    if counts is not None:
        copies = pm.Data("x_weights", counts, dims="obs")
        pm.Potential("copies", (copies - 1.0) * log_densities(rows, *parameters), dims="obs")


def _log_densities(
    has_tails: bool,
    rows: Any,
    weights: Any,
    means: Any,
    covariances: Any,
    which: Any,
    seen: Any,
    errors: Any,
    allowed: Any,
    *further: Any,
) -> Any:
    """Return log sum_A w_k f(x; mu_k, Sigma_k + diag(e^2)) over the observed cells: (obs,)."""
    nu, noise = _divided(has_tails, further)
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
    distances, n_seen = (whitened**2).sum(axis=-1), seen[which].sum(axis=-1)[:, None]
    densities = _log_standard(distances, n_seen, nu) - log_scales[which]
    joint = pt.where(allowed, pt.log(weights) + densities, -np.inf)
    if noise is not None:
        free = pt.broadcast_to(pt.all(allowed, axis=-1), (rows.shape[0],))
        beside = pt.where(free, _log_noise(rows, seen[which], *noise), -np.inf)
        joint = pt.concatenate([joint, beside[:, None]], axis=-1)
    return pt.logsumexp(joint, axis=-1)


def _divided(has_tails: bool, further: tuple[Any, ...]) -> tuple[Any, Any]:
    """Return the degrees of freedom, and weight and box of the noise, or None for each."""
    nu, noise = (further[0], further[1:]) if has_tails else (None, further)
    return nu, noise or None


def _log_standard(distances: Any, n_seen: Any, nu: Any) -> Any:
    """Return the log density of whitened rows at squared distances (obs, cluster)."""
    if nu is None:
        return -0.5 * (distances + math.log(2.0 * math.pi) * n_seen)
    half = 0.5 * (nu + n_seen)
    constant = pt.gammaln(half) - pt.gammaln(0.5 * nu) - 0.5 * n_seen * pt.log(math.pi * nu)
    return constant - half * pt.log1p(distances / nu)


def _log_noise(rows: Any, seen: Any, weight: Any, low: Any, high: Any) -> Any:
    """Return the log joint density (obs,) of the noise over the observed cells."""
    inside = pt.all(~seen | ((rows >= low) & (rows <= high)), axis=-1)
    density = -pt.where(seen, pt.log(high - low), 0.0).sum(axis=-1)
    return pt.where(inside, pt.log(weight) + density, -np.inf)


def _log_densities_given_labels(has_tails: bool, rows: Any, weights: Any, *others: Any) -> Any:
    """Return the same less log sum_A w_k, the chance of a row's label."""
    chance = pt.where(others[_ALLOWED], weights, 0.0).sum(axis=-1)
    return _log_densities(has_tails, rows, weights, *others) - pt.log(chance)


def _rows(
    has_tails: bool,
    weights: Any,
    means: Any,
    covariances: Any,
    which: Any,
    seen: Any,
    errors: Any,
    allowed: Any,
    *others: Any,
) -> Any:
    """Return whole rows of the mixture, with the errors of each, in clusters that it may be in."""
    *further, size = others
    nu, noise = _divided(has_tails, tuple(further))
    shares = pt.where(allowed, weights, 0.0)
    shares = pt.broadcast_to(shares, (which.shape[0], shares.shape[1]))
    cluster = pm.Categorical.dist(shares / shares.sum(axis=-1, keepdims=True))
    own = errors[which]
    spread = covariances[cluster] + pt.eye(own.shape[1]) * (own**2)[:, None, :]
    if nu is None:
        rows = pm.MvNormal.dist(means[cluster], spread)
    else:
        scale = pm.Gamma.dist(0.5 * nu[cluster], 0.5 * nu[cluster])
        gaps = pm.MvNormal.dist(pt.zeros_like(means[cluster]), spread)
        rows = means[cluster] + gaps / pt.sqrt(scale)[:, None]
    if noise is None:
        return rows
    weight, low, high = noise
    free = pt.broadcast_to(pt.all(allowed, axis=-1), (which.shape[0],))
    beside = pm.Bernoulli.dist(pt.where(free, weight, 0.0))
    anywhere = pm.Uniform.dist(pt.broadcast_to(low, rows.shape), high)
    return pt.where(beside[:, None], anywhere, rows)
