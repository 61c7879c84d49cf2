"""Compare models, numbers of components and structures: every criterion side by side."""

from bayesgmm.comparison._clusters_by_family import clusters_by_family
from bayesgmm.comparison._compare import compare
from bayesgmm.comparison._name_clusters import name_clusters
from bayesgmm.comparison._robustness import Robustness, robustness
from bayesgmm.comparison._sensitivity import Sensitivity, sensitivity
from bayesgmm.comparison.choosing import Choice
from bayesgmm.comparison.outcome import Comparison

__all__ = [
    "Choice",
    "Comparison",
    "Robustness",
    "Sensitivity",
    "clusters_by_family",
    "compare",
    "name_clusters",
    "robustness",
    "sensitivity",
]
