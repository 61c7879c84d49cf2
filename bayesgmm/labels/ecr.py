"""Equivalence classes representatives: the labels nearest to a pivot's allocation."""

import numpy as np

from bayesgmm.labels.allocation import Allocations
from bayesgmm.typing import Array, IntArray

__all__ = ["ecr", "pivot_allocation"]


def ecr(allocations: Allocations, pivot: int) -> IntArray:
    """Relabel draws by the number of rows expected to lie where the pivot puts them.

    The pivot's allocation gives each row its most probable cluster; the agreement of a draw is
    counted with exact allocation probabilities in place of one sampled allocation.

    Parameters
    ----------
    allocations : Allocations
    pivot : int
        A draw of high posterior density.

    Returns
    -------
    array of shape (sample, cluster)
        The label of each draw that becomes cluster k.

    References
    ----------
    Papastamoulis and Iliopoulos (2010), J. Computational and Graphical Statistics 19:313.
    """
    scores = allocations.scores(pivot_allocation(allocations, pivot))
    return allocations.draws.groups.best_orders(scores)


def pivot_allocation(allocations: Allocations, pivot: int) -> Array:
    """Return (cluster, obs): 1 at the most probable cluster of each row in a draw, else 0."""
    nearest = allocations.at(pivot).argmax(axis=0)
    return (np.arange(allocations.draws.n_components)[:, None] == nearest).astype(float)
