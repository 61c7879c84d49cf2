"""The model: its specification, its parameters, and what belongs to each covariance structure."""

from bayesgmm.model.components import STRUCTURES, Structure, distinct_structure
from bayesgmm.model.parameters import Parameters
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import (
    COVARIANCES,
    FITTED_COVARIANCES,
    Covariance,
    MixtureSpec,
    Priors,
    as_spec,
)

__all__ = [
    "COVARIANCES",
    "FITTED_COVARIANCES",
    "STRUCTURES",
    "Covariance",
    "MixtureSpec",
    "Parameters",
    "Priors",
    "ResolvedSpec",
    "Structure",
    "as_spec",
    "distinct_structure",
    "resolve",
]
