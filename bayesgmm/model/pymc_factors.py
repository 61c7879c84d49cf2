"""Factor-analytic covariances for the PyMC model: unique scales, and loadings by their convention.

Their law is said in `bayesgmm.likelihood.compiled.loadings`.
"""

import math
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayesgmm.model.components.loadings import below_diagonal, draw_loadings
from bayesgmm.model.resolved import ResolvedSpec

__all__ = ["loadings_of"]


def loadings_of(resolved: ResolvedSpec) -> Any:
    """Declare the loadings; return them, (cluster, feature, factor)."""
    structure, order = resolved.structure, resolved.order
    k, d, q = resolved.n_components, resolved.n_features, structure.n_factors
    sets = structure.n_pair_sets(k)
    scale = np.broadcast_to(resolved.scale_rows, (k, d))[:sets, order] / math.sqrt(q)
    rows, columns = below_diagonal(d, q)
    on, below = structure.loadings_shapes(k, d)
    diagonal = _chi("loadings_diagonal", scale[:, :q].reshape(on), structure.loading_dims("factor"))
    others = pm.Normal(
        "loadings_below",
        0.0,
        scale[:, rows].reshape(below),
        dims=structure.loading_dims("loading"),
    )
    place = np.full((d, q), q + len(rows))
    place[order[rows], columns] = q + np.arange(len(rows))
    place[order[:q], np.arange(q)] = np.arange(q)
    zero = pt.zeros((sets, 1))
    flat = pt.concatenate([pt.atleast_2d(diagonal), pt.atleast_2d(others), zero], axis=1)
    loadings = pt.broadcast_to(flat[:, place], (k, d, q))
    return pm.Deterministic("loadings", loadings, dims=("cluster", "feature", "factor"))


def _chi(name: str, scale: np.ndarray, dims: tuple[str, ...]) -> Any:
    """Declare scale times chi with q, q - 1, ..., 1 degrees of freedom."""
    n_factors = scale.shape[-1]
    freedom = n_factors - np.arange(n_factors)

    def logp(value: Any, unit: Any) -> Any:
        z, half = value / unit, 0.5 * freedom
        constant = (1.0 - half) * math.log(2.0) - pt.gammaln(half)
        return constant + (freedom - 1.0) * pt.log(z) - 0.5 * z**2 - pt.log(unit)

    def random(unit: Any, rng: Any = None, size: Any = None) -> Any:
        unit = np.asarray(unit)
        order = np.arange(n_factors)
        sets = unit.reshape(-1, n_factors) * math.sqrt(n_factors)
        return np.exp(draw_loadings(sets, order, n_factors, 1, rng)[0]).reshape(unit.shape)

    return pm.CustomDist(
        name,
        scale,
        logp=logp,
        random=random,
        support_point=lambda rv, size, unit: unit * np.sqrt(freedom),
        transform=pm.distributions.transforms.log,
        dims=dims,
    )
