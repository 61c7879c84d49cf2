"""The posterior as a DataTree: its layout, safe files of it, and what is read from it."""

from bayesgmm.posterior.files import load, save

__all__ = ["load", "save"]
