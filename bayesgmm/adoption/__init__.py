"""Draws made by other programs, taken in."""

from bayesgmm.adoption._adopt import adopt

__all__ = ["adopt"]
