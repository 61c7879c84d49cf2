"""Component families: one home for all that differs between covariance structures."""

from bayesgmm.model.components.structure import Structure
from bayesgmm.model.components.structures import (
    SAMPLED,
    STRUCTURES,
    Covariance,
    distinct_structure,
)

__all__ = ["SAMPLED", "STRUCTURES", "Covariance", "Structure", "distinct_structure"]
