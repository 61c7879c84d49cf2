"""Sampling: NUTS on the fused density, tempered SMC, draws at the modes, a user's own model."""

from bayesgmm.sampling._sample import sample
from bayesgmm.sampling.methods import METHODS

__all__ = ["METHODS", "sample"]
