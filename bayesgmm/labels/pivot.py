"""Pivotal reordering: the labels whose parameters lie nearest to a pivot's."""

import numpy as np

from bayesgmm.labels.allocation import Allocations
from bayesgmm.model.parameters import log_of_weights
from bayesgmm.posterior.draws import Draws
from bayesgmm.typing import Array, IntArray

__all__ = ["reorder_by_pivot"]


def reorder_by_pivot(allocations: Allocations, pivot: int) -> IntArray:
    """Relabel draws by the squared distance of their parameters to those of one draw.

    The parameters of a cluster are its log weight, its means in fitting units, the logarithms of
    its standard deviations and its correlations.

    Parameters
    ----------
    allocations : Allocations
        Only the draws behind them are used.
    pivot : int
        A draw of high posterior density.

    Returns
    -------
    array of shape (sample, cluster)
        The label of each draw that becomes cluster k.

    References
    ----------
    Marin, Mengersen and Robert (2005), Handbook of Statistics 25:459, section 4.5.
    """
    draws = allocations.draws
    vectors = _cluster_vectors(draws)
    scores = np.empty((len(vectors), draws.n_components, draws.n_components))
    for cluster, target in enumerate(vectors[pivot]):
        scores[:, :, cluster] = -((vectors - target) ** 2).sum(axis=-1)
    return draws.groups.best_orders(scores)


def _cluster_vectors(draws: Draws) -> Array:
    """Return the coordinates (sample, cluster, coordinate) in which clusters are compared."""
    parameters, (centre, unit) = draws.parameters, draws.frame
    deviations = np.sqrt(np.einsum("...dd->...d", parameters.covariances))
    below = np.tril_indices(len(unit), -1)
    correlations = parameters.covariances[..., *below] / (
        deviations[..., below[0]] * deviations[..., below[1]]
    )
    return np.concatenate(
        [
            log_of_weights(parameters.weights)[..., None],
            (parameters.means - centre) / unit,
            np.log(deviations / unit),
            correlations,
        ],
        axis=-1,
    )
