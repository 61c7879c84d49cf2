"""What normalises the priors, fitting units."""

import math

import numpy as np
from scipy.special import betaln, gammaln

from bayesgmm.model.components.loadings import log_constant
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.typing import Array

__all__ = ["prior_constants"]


def prior_constants(resolved: ResolvedSpec) -> Array:
    """Return the log normalising constants of all priors, in the order of `PRIORS`: shape (6,)."""
    k, d = resolved.n_components, resolved.n_features
    structure, eta = resolved.structure, resolved.eta
    half_log_2pi = 0.5 * math.log(2.0 * math.pi)
    concentrations, tails = resolved.concentrations, resolved.tails
    weights = gammaln(concentrations.sum()) - gammaln(concentrations).sum()
    means = -np.log(resolved.mean_rows[1] / resolved.unit).sum() - k * d * half_log_2pi
    free = resolved.free_scale / structure.free_unit(resolved.unit)
    scales = resolved.scale_prior.log_constant(free)
    columns = np.tril_indices(d, -1)[1]
    shapes = eta + 0.5 * (d - 2 - columns)
    sets = structure.n_pair_sets(k)
    pairs = -sets * betaln(shapes, shapes).sum() if structure.has_free_correlations else 0.0
    if structure.has_loadings:
        scale = resolved.scale_rows[0] / resolved.unit
        pairs = log_constant(scale, resolved.order, structure.n_factors, sets)
    nu = 0.0 if tails is None else resolved.n_free_nu * tails.log_constant
    layers = 0.0 if resolved.contamination is None else resolved.contamination.log_constant
    return np.array([weights, means, scales, pairs, nu, layers])
