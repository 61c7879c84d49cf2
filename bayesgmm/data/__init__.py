"""Data: strict reading of files and frames, and the checked, frozen data set."""

from bayesgmm.data.account import account, facts_of
from bayesgmm.data.annotations import Annotations
from bayesgmm.data.capabilities import (
    AT_MODES,
    OWN_MODEL,
    SMC,
    require_likelihood_of,
    require_taken,
)
from bayesgmm.data.conversion import as_dataset, dataset_again
from bayesgmm.data.dataset import Dataset
from bayesgmm.data.new_rows import NewRows
from bayesgmm.data.parquet import is_parquet
from bayesgmm.data.requirements import check_components, check_labels, require_whole_weights

__all__ = [
    "AT_MODES",
    "OWN_MODEL",
    "SMC",
    "Annotations",
    "Dataset",
    "NewRows",
    "account",
    "as_dataset",
    "check_components",
    "check_labels",
    "dataset_again",
    "facts_of",
    "is_parquet",
    "require_likelihood_of",
    "require_taken",
    "require_whole_weights",
]
