"""Where samplers and optimisers of PyMC start: means apart from one another."""

from typing import Any

import numpy as np
import pytensor.tensor as pt
from pymc.distributions.distribution import _support_point
from pytensor.tensor.random.basic import NormalRV
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans

from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.typing import Array, BoolArray

__all__ = ["ApartNormalRV", "centres_apart"]

_ROWS = 5_000
_STARTS = 10


class ApartNormalRV(NormalRV):
    """A Normal whose usual start is not its mean but given values.

    At equal means all components are the same and no gradient tells them apart. An initval would
    do as well, but PyMC copies no model that has one, and computes no log likelihood of it.

    Parameters
    ----------
    start : tuple of tuple of float
        The values (cluster, feature).
    """

    __props__ = (*NormalRV.__props__, "start")

    def __init__(self, start: tuple[tuple[float, ...], ...] = (), **options: Any) -> None:
        super().__init__(**options)
        self.start = start


@_support_point.register(ApartNormalRV)
def _given_start(op: ApartNormalRV, variable: Any, *_: Any) -> Any:
    return pt.constant(np.array(op.start, dtype=variable.dtype))


def centres_apart(resolved: ResolvedSpec, values: Array, allowed: BoolArray | None = None) -> Array:
    """Return centres of k-means on some of the rows, one per cluster.

    Where the prior tells clusters apart, each centre goes to the one whose prior lies nearest;
    where rows are known to be in a cluster, it takes the centre nearest to these.

    Parameters
    ----------
    resolved : ResolvedSpec
    values : array of shape (obs, feature), data units
    allowed : bool array of shape (obs, cluster), optional
        Clusters that each row may be in.

    Returns
    -------
    array of shape (cluster, feature), data units
        The rows' mean with small steps where there are fewer distinct rows than clusters.
    """
    k = resolved.n_components
    rows = values[np.linspace(0, len(values) - 1, min(len(values), _ROWS)).astype(np.int64)]
    scaled = (rows - resolved.centre) / resolved.unit
    if len(np.unique(scaled, axis=0)) < k:
        steps = np.linspace(-0.5, 0.5, k)[:, None] if k > 1 else np.zeros((1, 1))
        return resolved.centre + resolved.unit * (scaled.mean(axis=0) + steps)
    found = KMeans(k, n_init=_STARTS, random_state=0).fit(scaled).cluster_centers_
    centres = resolved.centre + resolved.unit * found[np.argsort(found[:, 0], kind="stable")]
    location, scale = map(np.copy, resolved.mean_rows)
    if allowed is not None:
        alone = allowed & (allowed.sum(axis=1, keepdims=True) == 1)
        for cluster in np.flatnonzero(alone.any(axis=0)):
            location[cluster] = values[alone[:, cluster]].mean(axis=0)
            scale[cluster] = resolved.unit
    apart = ((centres - location[:, None]) / scale[:, None]) ** 2
    return centres[linear_sum_assignment(apart.sum(axis=2))[1]]
