"""Labels: undoing their switches, and what may be said of clusters, draws and chains."""

from bayesgmm.labels._relabel import METHODS, agreement, largest_share, modal_draw, relabel
from bayesgmm.labels.allocation import Allocations
from bayesgmm.labels.delta_method import deviations_at
from bayesgmm.labels.identification import identification_scores
from bayesgmm.labels.modes import Mode, group_chains
from bayesgmm.labels.quantities import Quantity, cluster_quantities, label_free_quantities
from bayesgmm.labels.sandwich import sandwich_deviations
from bayesgmm.labels.stephens import stephens
from bayesgmm.posterior.mcmc_error import ChainStatistics, chain_statistics

__all__ = [
    "METHODS",
    "Allocations",
    "ChainStatistics",
    "Mode",
    "Quantity",
    "agreement",
    "chain_statistics",
    "cluster_quantities",
    "deviations_at",
    "group_chains",
    "identification_scores",
    "label_free_quantities",
    "largest_share",
    "modal_draw",
    "relabel",
    "sandwich_deviations",
    "stephens",
]
