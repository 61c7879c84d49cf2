"""What relabelling rests on: sums over rows of exact allocation probabilities, draw by draw."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr

from bayesgmm.likelihood.annotated_rows import RowTable
from bayesgmm.likelihood.compiled.allocations import permuted_sum, projected
from bayesgmm.likelihood.responsibilities import over_draws, responsibilities
from bayesgmm.model.groups import LabelGroups
from bayesgmm.model.parameters import Parameters
from bayesgmm.posterior.draws import Draws
from bayesgmm.typing import Array, IntArray

__all__ = ["Allocations", "allocations_of"]

_HELD_VALUES = 2**23  # probabilities kept between passes: 64 MiB


@dataclass(frozen=True, eq=False)
class Allocations:
    """Probabilities r_ij that row i belongs to label j of each draw, streamed when asked for.

    Where all of them take no more than 64 MiB they are kept for the next pass.

    Parameters
    ----------
    parameters : Parameters
        Draws, arrays of shape (sample, ...), data units.
    rows : AnnotatedRows or array of shape (obs, feature), data units
    centre, unit : arrays of shape (feature,), data units
        Coordinates in which the arithmetic is done; no result depends on them.
    groups : LabelGroups
        Within which labels may change places.
    """

    parameters: Parameters
    rows: RowTable
    centre: Array
    unit: Array
    groups: LabelGroups

    @property
    def n_draws(self) -> int:
        """Number of draws."""
        return len(self.parameters.weights)

    @property
    def n_clusters(self) -> int:
        """Number of clusters K."""
        return self.parameters.weights.shape[1]

    def at(self, draw: int) -> Array:
        """Return the allocation probabilities (cluster, obs) of one draw."""
        one = Parameters(*(value[draw] for value in self.parameters))
        return responsibilities(one, self.rows, self.centre, self.unit)

    def scores(self, targets: Array) -> Array:
        """Return sum_i r_ij t_ik for targets t (cluster, obs): shape (sample, label, cluster)."""
        out = np.empty((self.n_draws, self.n_clusters, self.n_clusters))

        def project(block: Array, part: slice) -> None:
            out[part] = projected(block, targets)

        for _ in self._reduced(project):
            pass
        return out

    def average(self, orders: IntArray) -> Array:
        """Return the mean over draws (cluster, obs), cluster k of a draw being `orders[draw, k]`.

        Draws that have no responsibilities are left out.
        """

        def add(block: Array, part: slice) -> tuple[Array, int]:
            return permuted_sum(block, orders[part])

        return _mean(self._reduced(add))

    def matched(self, targets: Array) -> tuple[IntArray, Array]:
        """Give each draw the order of highest score, and average the draws in these orders.

        Returns
        -------
        orders : array of shape (sample, cluster)
        mean : array of shape (cluster, obs)
        """
        orders = np.empty((self.n_draws, self.n_clusters), dtype=np.int64)

        def match(block: Array, part: slice) -> tuple[Array, int]:
            orders[part] = self.groups.best_orders(projected(block, targets))
            return permuted_sum(block, orders[part])

        return orders, _mean(self._reduced(match))

    def _reduced[Result](self, reduce: Callable[[Array, slice], Result]) -> Iterator[Result]:
        if self.parameters.weights.size * len(self.rows) > _HELD_VALUES:
            return over_draws(reduce, self.parameters, self.rows, self.centre, self.unit)
        return (reduce(block, part) for block, part in self._held)

    @cached_property
    def _held(self) -> list[tuple[Array, slice]]:
        def hold(block: Array, part: slice) -> tuple[Array, slice]:
            return block, part

        return list(over_draws(hold, self.parameters, self.rows, self.centre, self.unit))


def allocations_of(posterior: xr.DataTree) -> Allocations:
    """Return the allocations of a tree's draws, chains one after another."""
    draws = Draws(posterior)
    return Allocations(draws.parameters, draws.rows, *draws.frame, draws.groups)


def _mean(sums: Iterable[tuple[Array, int]]) -> Array:
    parts = iter(sums)
    total, count = next(parts)
    for part, n_draws in parts:
        total += part
        count += n_draws
    return total / max(count, 1)
