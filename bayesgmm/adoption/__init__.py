"""Draws made by other programs, taken in."""

from bayesgmm.adoption.adopting import adopt

__all__ = ["adopt"]
