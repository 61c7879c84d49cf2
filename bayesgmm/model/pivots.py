"""Which features come first in the order in which loadings of factors are triangular."""

import numpy as np
from scipy.cluster.vq import kmeans, vq

from bayesgmm.model.components.loadings import factor_analysis
from bayesgmm.typing import Array

__all__ = ["pivots_in", "pivots_of"]

_STARTS = 20
_SEED = 0  # the same rows have the same order
_STILL = 1e-12


def pivots_in(rows: Array, n_clusters: int, n_factors: int) -> tuple[int, ...]:
    """Return the pivots of rows (obs, feature), standardised, as rough clusters of them show.

    Clusters by K-means: factors are what features share within clusters, and what lies between
    these is not theirs. Those of too few rows have no say.

    Parameters
    ----------
    rows : array of shape (obs, feature)
    n_clusters, n_factors : int
    """
    centres, _ = kmeans(rows, min(n_clusters, len(rows)), iter=_STARTS, rng=_SEED)
    nearest, _ = vq(rows, centres)
    groups = [rows[nearest == k] for k in range(len(centres))]
    told = [group for group in groups if len(group) > n_factors + 1] or [rows]
    return pivots_of(factor_analysis(np.stack([_correlation(g) for g in told]), n_factors)[0])


def _correlation(rows: Array) -> Array:
    apart = rows - rows.mean(axis=0)
    apart /= np.maximum(apart.std(axis=0), _STILL)
    found = apart.T @ apart / len(apart)
    np.fill_diagonal(found, 1.0)  # of a feature that is the same in all rows, too
    return found


def pivots_of(loadings: Array) -> tuple[int, ...]:
    """Return features on which all clusters load, one after another, each apart from those before.

    A diagonal entry near 0 leaves the sign of its factor open, and one cluster with such an entry
    is enough: the least over the clusters counts.

    Parameters
    ----------
    loadings : array of shape (cluster, feature, factor)
        Of standardised features.

    Examples
    --------
    >>> pivots_of(np.array([[[0.9], [0.1], [0.6]], [[0.1], [0.9], [0.7]]]))
    (2,)
    """
    left, chosen = loadings, list[int]()
    for _ in range(loadings.shape[-1]):
        lengths = (left**2).sum(axis=-1).min(axis=0)
        lengths[chosen] = -1.0
        chosen.append(int(lengths.argmax()))
        pivot = left[:, chosen[-1]]
        direction = pivot / np.maximum(np.linalg.norm(pivot, axis=-1, keepdims=True), 1e-300)
        along = np.einsum("kdq,kq->kd", left, direction)
        left = left - along[..., None] * direction[:, None]
    return tuple(chosen)
