"""A resolved mixture and its rows as the numbers that compiled code reads."""

import math

import numpy as np

from bayesgmm.likelihood.compiled.coordinates import (
    HALF_NORMAL,
    INVERSE_GAMMA,
    LOG_NORMAL,
    Problem,
)
from bayesgmm.likelihood.layout import Layout
from bayesgmm.likelihood.prior_constants import prior_constants
from bayesgmm.model.components import Contamination
from bayesgmm.model.resolved import ResolvedSpec

__all__ = ["problem_of"]

_FAMILIES = {"lognormal": LOG_NORMAL, "halfnormal": HALF_NORMAL, "inverse_gamma": INVERSE_GAMMA}


def problem_of(resolved: ResolvedSpec, layout: Layout) -> Problem:
    """Return the problem of rows laid out, fitting coordinates."""
    unit, structure = resolved.unit, resolved.structure
    pairs = structure.pairs_shape(resolved.n_components, resolved.n_features)
    location, spread = resolved.mean_rows
    scale_shape, hyper_shape = resolved.scale_prior.shapes
    tails, contamination = resolved.tails, resolved.contamination or Contamination()
    return Problem(
        n_rows=layout.n_plain,
        n_features=resolved.n_features,
        n_clusters=resolved.n_components,
        n_scale_sets=structure.n_scale_sets(resolved.n_components),
        n_pair_sets=structure.n_pair_sets(resolved.n_components),
        scalar=structure.scale_width(resolved.n_features) == 1,
        has_pairs=pairs != (0,),
        scale_family=_FAMILIES[resolved.spec.priors.scale_family],
        resolved=bool(resolved.resolution.any()),
        eta=resolved.eta,
        scale_shape=scale_shape,
        hyper_shape=hyper_shape,
        n_parts=resolved.n_parts,
        n_tails=resolved.n_tails,
        n_nu=resolved.n_free_nu,
        nu_shape=resolved.spec.priors.nu_shape,
        nu_rate=resolved.spec.priors.nu_rate,
        n_layers=resolved.n_layers,
        excess_location=math.log(contamination.excess),
        excess_sigma=contamination.sigma,
        n_factors=structure.n_factors,
        constants=prior_constants(resolved),
        concentration=resolved.concentrations,
        nu=np.empty(0) if tails is None else tails.given(resolved.n_components),
        mean_location=(location - resolved.centre) / unit,
        mean_scale=spread / unit,
        prior_scale=resolved.scale_rows / unit,
        resolution=resolved.resolution / unit,
        order=resolved.order.astype(float),
        blocks=layout.blocks,
    )
