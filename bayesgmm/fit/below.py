"""The optima with one component fewer: kept for the next fit, and never undercut."""

import threading
from collections import OrderedDict
from collections.abc import Hashable

import numpy as np

from bayesgmm.fit.climbs import Run
from bayesgmm.fit.points import beyond, point_of, split
from bayesgmm.typing import Array

__all__ = ["Kept", "doubled"]

_MOST_KEPT = 64


class Kept:
    """The leaders of the last searches, so that a fit after that of K - 1 need not repeat it.

    What is found depends on its key alone: a search that is not kept is made again, with the same
    result.
    """

    def __init__(self) -> None:
        self._leaders: OrderedDict[Hashable, tuple[Run, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, key: Hashable, leaders: tuple[Run, ...]) -> None:
        """Keep the leaders of a search."""
        with self._lock:
            self._leaders[key] = leaders
            self._leaders.move_to_end(key)
            while len(self._leaders) > _MOST_KEPT:
                self._leaders.popitem(last=False)

    def get(self, key: Hashable) -> tuple[Run, ...] | None:
        """Return the leaders kept under a key, if any are."""
        with self._lock:
            return self._leaders.get(key)


def doubled(
    point: Array,
    n_components: int,
    n_features: int,
    n_noises: int = 0,
    *,
    own_tails: bool = False,
) -> Array:
    """Return a point of EM with its heaviest component twice, as likely as the point itself.

    Parameters
    ----------
    point : array, as in `bayesgmm.fit.points`
    n_components, n_features, n_noises : int
        Of `point`.
    own_tails : bool
        Whether its tail has an entry for each component.
    """
    weights, means, covariances = split(point, n_components, n_features)
    heaviest = int(weights.argmax())
    order = [*range(n_components), heaviest]
    weights = weights[order]
    weights[[heaviest, n_components]] /= 2.0
    log_noise, tail = beyond(point, n_components, n_features, n_noises)
    plain = point_of(weights, means[order], covariances[order])
    return np.concatenate([plain, log_noise, tail[order] if own_tails else tail])
