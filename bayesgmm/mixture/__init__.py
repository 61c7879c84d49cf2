"""The mixture density: structures, compiled kernels and the fused log posterior."""

from bayesgmm.mixture.parameters import Parameters
from bayesgmm.mixture.posterior import LogPosterior
from bayesgmm.mixture.resolved import ResolvedSpec, resolve
from bayesgmm.mixture.structures import STRUCTURES, Structure, distinct_structure

__all__ = [
    "STRUCTURES",
    "LogPosterior",
    "Parameters",
    "ResolvedSpec",
    "Structure",
    "distinct_structure",
    "resolve",
]
