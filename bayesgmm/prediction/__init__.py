"""What a fitted mixture says about rows: memberships, densities, partitions, new data."""

from bayesgmm.prediction._average import average
from bayesgmm.prediction._coclustering import coclustering
from bayesgmm.prediction._density import density, log_density
from bayesgmm.prediction._density_grid import density_grid
from bayesgmm.prediction._density_modes import DensityModes, density_modes
from bayesgmm.prediction._group_membership import group_membership
from bayesgmm.prediction._hard_comparison import HardComparison, hard_comparison
from bayesgmm.prediction._impute import Imputation, impute, true_values
from bayesgmm.prediction._membership import membership, most_ambiguous, parts_of
from bayesgmm.prediction._merge_components import MergedComponents, merge_components
from bayesgmm.prediction._overlap import overlap, overlaps, pair_overlaps
from bayesgmm.prediction._partition import CredibleBall, Partition, partition
from bayesgmm.prediction._simulate import posterior_predictive, simulate
from bayesgmm.prediction._strays import strays
from bayesgmm.prediction._write_predictions import membership_table, write_predictions
from bayesgmm.prediction.averaged import Average

__all__ = [
    "Average",
    "CredibleBall",
    "DensityModes",
    "HardComparison",
    "Imputation",
    "MergedComponents",
    "Partition",
    "average",
    "coclustering",
    "density",
    "density_grid",
    "density_modes",
    "group_membership",
    "hard_comparison",
    "impute",
    "log_density",
    "membership",
    "membership_table",
    "merge_components",
    "most_ambiguous",
    "overlap",
    "overlaps",
    "pair_overlaps",
    "partition",
    "parts_of",
    "posterior_predictive",
    "simulate",
    "strays",
    "true_values",
    "write_predictions",
]
