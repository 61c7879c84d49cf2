"""Data: strict reading of files and frames, and the checked, frozen data set."""

from bayesgmm.data.dataset import Dataset, as_dataset, check_components

__all__ = ["Dataset", "as_dataset", "check_components"]
