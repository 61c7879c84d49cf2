"""The model: its specification, its parameters, and what belongs to each covariance structure."""

from bayesgmm.model.parameters import Parameters
from bayesgmm.model.resolved import ResolvedSpec, resolve
from bayesgmm.model.spec import COVARIANCES, Covariance, MixtureSpec, Priors, as_spec
from bayesgmm.model.structures import STRUCTURES, Structure, distinct_structure

__all__ = [
    "COVARIANCES",
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
