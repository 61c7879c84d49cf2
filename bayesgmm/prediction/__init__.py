"""What a fitted mixture says about rows: memberships, densities, partitions, new data."""

from bayesgmm.prediction.allocation import membership, most_ambiguous
from bayesgmm.prediction.grids import density_grid
from bayesgmm.prediction.hard import HardComparison, hard_comparison
from bayesgmm.prediction.partitions import CredibleBall, Partition, partition
from bayesgmm.prediction.predictive_density import density, log_density
from bayesgmm.prediction.separation import overlap
from bayesgmm.prediction.similarity import coclustering
from bayesgmm.prediction.simulation import posterior_predictive, simulate

__all__ = [
    "CredibleBall",
    "HardComparison",
    "Partition",
    "coclustering",
    "density",
    "density_grid",
    "hard_comparison",
    "log_density",
    "membership",
    "most_ambiguous",
    "overlap",
    "partition",
    "posterior_predictive",
    "simulate",
]
