"""Plots of fits and posteriors: one function each, that returns a `Plot`."""

from typing import TYPE_CHECKING

from bayesgmm.plots.assignment import coclustering, membership
from bayesgmm.plots.chains import ranks, traces
from bayesgmm.plots.coarsening import over_alpha
from bayesgmm.plots.comparing import criteria, pareto_k
from bayesgmm.plots.densities import density_1d, density_2d, density_pairs
from bayesgmm.plots.estimates import correlations, forest
from bayesgmm.plots.features import loadings, profile
from bayesgmm.plots.fitting import em_path
from bayesgmm.plots.predictive import posterior_predictive
from bayesgmm.plots.priors import prior_posterior, prior_predictive
from bayesgmm.plots.priors_over_k import over_k
from bayesgmm.plots.structures import bic_grid
from bayesgmm.runtime.renaming import names_before

__all__ = [
    "bic_grid",
    "coclustering",
    "correlations",
    "criteria",
    "density_1d",
    "density_2d",
    "density_pairs",
    "em_path",
    "forest",
    "loadings",
    "membership",
    "over_alpha",
    "over_k",
    "pareto_k",
    "posterior_predictive",
    "prior_posterior",
    "prior_predictive",
    "profile",
    "ranks",
    "traces",
]

if not TYPE_CHECKING:  # for type checkers an old name, or a wrong one, is an error
    __getattr__ = names_before(
        __name__,
        {"cluster_colour": "bayesgmm.cluster_colour", "Plot": "bayesgmm.Plot"},
    )


def __dir__() -> list[str]:
    return sorted(__all__)
