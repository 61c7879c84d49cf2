"""Which number each cluster gets."""

import numpy as np

from bayesgmm.mixture.groups import LabelGroups
from bayesgmm.typing import Array, IntArray

__all__ = ["number_clusters"]

CLOSE = 0.05  # in standard deviations of the feature
ERRORS = 3.0


def number_clusters(
    means: Array, spread: Array, errors: Array | float = 0.0, groups: LabelGroups | None = None
) -> tuple[IntArray, int]:
    """Order clusters by their means in the first feature that tells them apart.

    That is the first feature, unless two neighbours differ in it by less than 3 standard errors or
    0.05 of its standard deviation; then it is the one of largest smallest gap.

    Parameters
    ----------
    means : array of shape (cluster, feature), data units
    spread : array of shape (feature,), data units
    errors : array of shape (cluster - 1,) or float, data units
        Monte Carlo standard errors of the gaps between neighbours in the first feature.
    groups : LabelGroups, optional
        Clusters change places within these only; all are one group by default.

    Returns
    -------
    order : array of shape (cluster,)
        The cluster that gets each number.
    feature : int
    """
    if len(means) == 1:
        return np.zeros(1, dtype=np.int64), 0
    gaps = np.diff(np.sort(means, axis=0), axis=0)
    if (gaps[:, 0] >= np.maximum(ERRORS * errors, CLOSE * spread[0])).all():
        feature = 0
    else:
        feature = int((gaps / spread).min(axis=0).argmax())
    order = np.argsort(means[:, feature], kind="stable")
    return (order if groups is None else groups.sorted_within(order)), feature
