"""Component families: one home for all that differs between structures, tails and noise."""

from bayesgmm.model.components.contamination import Contamination, half_of_layers
from bayesgmm.model.components.noise import NOISE, Noise
from bayesgmm.model.components.structure import Structure
from bayesgmm.model.components.structures import (
    SAMPLED,
    STRUCTURES,
    WITH_FACTORS,
    Covariance,
    distinct_structure,
    structure_of,
)
from bayesgmm.model.components.tails import Tails, expected_weights, half_in_the_plane

__all__ = [
    "WITH_FACTORS",
    "NOISE",
    "SAMPLED",
    "STRUCTURES",
    "Contamination",
    "Covariance",
    "Noise",
    "Structure",
    "Tails",
    "distinct_structure",
    "expected_weights",
    "half_in_the_plane",
    "half_of_layers",
    "structure_of",
]
