"""Results: their layout as a DataTree, and safe files of them."""

from bayesgmm.result.files import load, save

__all__ = ["load", "save"]
