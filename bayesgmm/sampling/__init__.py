"""Sampling: NUTS on the fused density, tempered SMC, and the route for a user's own model."""

from bayesgmm.sampling.interruption import carrying
from bayesgmm.sampling.posterior_sampling import sample

__all__ = ["carrying", "sample"]
