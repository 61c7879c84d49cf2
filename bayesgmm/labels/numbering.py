"""Which number each relabelled cluster gets."""

import numpy as np
from arviz_stats.base import array_stats

from bayesgmm.typing import Array, IntArray

__all__ = ["number_clusters"]

_CLOSE = 0.05  # in standard deviations of the feature
_ERRORS = 3.0


def number_clusters(means: Array, spread: Array) -> tuple[IntArray, int]:
    """Order relabelled clusters by their posterior mean in the first feature that tells them apart.

    That is the first feature, unless two clusters differ in it by less than 3 Monte Carlo standard
    errors or 0.05 of its standard deviation; then it is the one of largest smallest gap.

    Parameters
    ----------
    means : array of shape (chain, draw, cluster, feature), data units
    spread : array of shape (feature,), data units

    Returns
    -------
    order : array of shape (cluster,)
        The cluster that gets each number.
    feature : int
    """
    n_clusters = means.shape[2]
    means = means[np.isfinite(means).all(axis=(1, 2, 3))]
    if n_clusters == 1 or not means.size:
        return np.arange(n_clusters), 0
    centres = means.mean(axis=(0, 1))
    order = np.argsort(centres[:, 0], kind="stable")
    gaps = np.diff(centres[order, 0])
    steps = np.diff(means[:, :, order, 0], axis=2)
    errors = np.nan_to_num(array_stats.mcse(steps, chain_axis=0, draw_axis=1))
    if (gaps >= np.maximum(_ERRORS * errors, _CLOSE * spread[0])).all():
        return order, 0
    smallest = np.diff(np.sort(centres / spread, axis=0), axis=0).min(axis=0)
    feature = int(smallest.argmax())
    return np.argsort(centres[:, feature], kind="stable"), feature
