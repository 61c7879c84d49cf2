"""Sampling: NUTS on the fused density, tempered SMC, and the route for a user's own model."""

from bayesgmm.sampling._sample import sample

__all__ = ["sample"]
