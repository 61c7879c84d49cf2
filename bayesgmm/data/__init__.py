"""Data: strict reading of files and frames, and the checked, frozen data set."""

from bayesgmm.data.conversion import as_dataset
from bayesgmm.data.dataset import Dataset
from bayesgmm.data.requirements import check_components

__all__ = ["Dataset", "as_dataset", "check_components"]
