"""What relabelling rests on: sums over rows of exact allocation probabilities, draw by draw."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bayesgmm.likelihood.annotated_rows import RowTable
from bayesgmm.likelihood.compiled.allocations import permuted_sum, projected
from bayesgmm.likelihood.responsibilities import responsibilities
from bayesgmm.limits import MANY_ROWS
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.kept_rows import with_kept_rows
from bayesgmm.typing import Array, IntArray

__all__ = ["Allocations"]

_HELD_VALUES = 2**23  # probabilities kept between passes: 64 MiB


@dataclass(frozen=True, eq=False)
class Allocations:
    """Sums over the probabilities r_ij that row i belongs to label j of each draw.

    Where all of these take no more than 64 MiB they are kept for the next pass, else made anew. Of
    more than 20,000 rows as many are taken, at random: they tell labels apart as well as all do.

    Parameters
    ----------
    draws : Draws
        With the rows that they were fitted to.
    """

    draws: Draws

    @property
    def rows(self) -> RowTable:
        """The rows over which sums go."""
        return self._kept if self._chosen is None else self._kept[self._chosen[0]]

    @cached_property
    def _kept(self) -> RowTable:
        return with_kept_rows(self.draws).table

    @cached_property
    def _chosen(self) -> tuple[IntArray, Array] | None:
        """Places of some of many rows, and for how many each stands; None where all are taken.

        As many are taken of each cluster of one draw, so that none of them is forgotten.
        """
        table, n_clusters = self._kept, self.draws.n_components
        if len(table) <= MANY_ROWS:
            return None
        one = self.draws.parameters.at(0)
        labels = responsibilities(one, table, *self.draws.frame).argmax(axis=0)
        rng, places, times = np.random.default_rng(len(table)), [], []
        for k in range(n_clusters):
            mine = np.flatnonzero(labels == k)
            places.append(rng.permutation(mine)[: MANY_ROWS // n_clusters])
            times.append(np.full(len(places[k]), len(mine) / max(len(places[k]), 1)))
        order = np.argsort(np.concatenate(places))
        return np.concatenate(places)[order], np.concatenate(times)[order]

    def _counted(self, targets: Array) -> Array:
        """Return targets (cluster, obs), each row counted for those it stands for."""
        return targets if self._chosen is None else targets * self._chosen[1]

    def at(self, draw: int) -> Array:
        """Return the allocation probabilities (cluster, obs) of one draw."""
        one = self.draws.parameters.at(draw)
        return responsibilities(one, self.rows, *self.draws.frame)

    def scores(self, targets: Array) -> Array:
        """Return sum_i r_ij t_ik for targets t (target, obs): shape (sample, label, target)."""
        counted = self._counted(targets)
        out = np.empty((self.draws.n_samples, self.draws.n_components, len(targets)))

        def project(block: Array, part: slice) -> None:
            out[part] = projected(block, counted)

        for _ in self._reduced(project):
            pass
        return out

    def average(self, orders: IntArray) -> Array:
        """Return the mean over draws (cluster, obs), cluster k of a draw being `orders[draw, k]`.

        Draws that have no responsibilities are left out.
        """
        if orders.tobytes() in self._last:
            return self._last[orders.tobytes()]

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
        orders = np.empty((self.draws.n_samples, self.draws.n_components), dtype=np.int64)
        counted = self._counted(targets)

        def match(block: Array, part: slice) -> tuple[Array, int]:
            orders[part] = self.draws.groups.best_orders(projected(block, counted))
            return permuted_sum(block, orders[part])

        mean = _mean(self._reduced(match))
        self._last.clear()
        self._last[orders.tobytes()] = mean
        return orders, mean

    @cached_property
    def _last(self) -> dict[bytes, Array]:
        """The orders of the last `matched`, and its mean: `average` is mostly asked for these."""
        return {}

    def _reduced[Result](self, reduce: Callable[[Array, slice], Result]) -> Iterator[Result]:
        if self.draws.parameters.weights.size * len(self.rows) > _HELD_VALUES:
            return self.draws.reduced(reduce, self.rows)
        return (reduce(block, part) for block, part in self._held)

    @cached_property
    def _held(self) -> list[tuple[Array, slice]]:
        def hold(block: Array, part: slice) -> tuple[Array, slice]:
            return block, part

        return list(self.draws.reduced(hold, self.rows))


def _mean(sums: Iterable[tuple[Array, int]]) -> Array:
    parts = iter(sums)
    total, count = next(parts)
    for part, n_draws in parts:
        total += part
        count += n_draws
    return total / max(count, 1)
