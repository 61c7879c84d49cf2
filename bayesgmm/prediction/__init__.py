"""What a fitted mixture says about rows: memberships, densities, partitions, new data."""

from bayesgmm.prediction._coclustering import coclustering
from bayesgmm.prediction._density import density, log_density
from bayesgmm.prediction._density_grid import density_grid
from bayesgmm.prediction._hard_comparison import HardComparison, hard_comparison
from bayesgmm.prediction._impute import Imputation, impute, true_values
from bayesgmm.prediction._membership import membership, most_ambiguous
from bayesgmm.prediction._overlap import overlap
from bayesgmm.prediction._partition import CredibleBall, Partition, partition
from bayesgmm.prediction._simulate import posterior_predictive, simulate

__all__ = [
    "CredibleBall",
    "HardComparison",
    "Imputation",
    "Partition",
    "coclustering",
    "density",
    "density_grid",
    "hard_comparison",
    "impute",
    "log_density",
    "membership",
    "most_ambiguous",
    "overlap",
    "partition",
    "posterior_predictive",
    "simulate",
    "true_values",
]
