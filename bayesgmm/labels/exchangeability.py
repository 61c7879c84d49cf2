"""Which labels of a posterior are exchangeable, and what moves with them: shown, not assumed."""

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from bayesgmm.model.groups import LabelGroups
from bayesgmm.posterior.tree import moved_along
from bayesgmm.typing import Array, IntArray

__all__ = ["LabelMoves", "ModelValues", "shown_moves"]

_CLOSE = 1e-9  # relative, of log densities and parameters before and after an exchange
_MOST_DOUBTFUL = 4  # variables without the cluster's dim of which every choice is tried
_NUMBERED = re.compile(r"(?<!\d)\d+(?!\d)")
_PARTS = ("weights", "means", "covariances")


class ModelValues(NamedTuple):
    """What a model says at draws of its free variables.

    Parameters
    ----------
    log_prior, log_likelihood : arrays of shape (draw,), nats
        Potentials count with the prior.
    variables : mapping of str to array of shape (draw, ...)
        Free variables and deterministics.
    """

    log_prior: Array
    log_likelihood: Array
    variables: Mapping[str, Array]


@dataclass(frozen=True)
class LabelMoves:
    """Which labels may be exchanged, and what then moves.

    Parameters
    ----------
    groups : LabelGroups
    axes : mapping of str to str
        The axis of each variable along which it moves.
    families : tuple of tuple of str
        Variables that stand for one cluster each, in the order of the clusters.
    unclear : tuple of str
        Variables that neither move nor stay when labels are exchanged: they hold what they had
        under the labels as sampled.
    """

    groups: LabelGroups
    axes: Mapping[str, str]
    families: tuple[tuple[str, ...], ...] = ()
    unclear: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types, as a result holds them."""
        return {
            "groups": [list(group) for group in self.groups.groups],
            "axes": dict(self.axes),
            "families": [list(family) for family in self.families],
            "unclear": list(self.unclear),
        }


def shown_moves(
    evaluate: Callable[[Mapping[str, Array]], ModelValues],
    free: Mapping[str, Array],
    dims: Mapping[str, Sequence[str]],
    n_clusters: int,
    named: Sequence[str] = (),
) -> LabelMoves:
    """Find out which labels a model leaves exchangeable, by exchanging them at some draws.

    Two labels are exchangeable when log prior and log likelihood stay as they are and weights,
    means and covariances move, as two clusters change places in all free variables that belong to
    clusters. These are the variables with the dim cluster and those in `named`; whether others
    belong to clusters (an axis of length K without a name, K variables whose names differ by a
    number) is tried out.

    Parameters
    ----------
    evaluate : callable
        Returns what the model says at values of its free variables.
    free : mapping of str to array of shape (draw, ...)
        Free variables at some draws.
    dims : mapping of str to sequence of str
        Of every variable, draws aside; axes without a name are called ``<variable>_dim_<number>``.
    n_clusters : int
    named : sequence of str
        Variables that belong to clusters though they lack the dim.
    """
    base = evaluate(free)
    finite = np.isfinite(base.log_prior + base.log_likelihood)
    free = {name: value[finite] for name, value in free.items()}
    base = _taken(base, finite)
    test = _Test(evaluate, free, base, dims, n_clusters)
    best = test.of(named, ())
    for axes, families in test.choices(named):
        moves = test.of((*named, *axes), families)
        if moves.groups.log_order > best.groups.log_order:
            best = moves
    return test.completed(best)


class _Test(NamedTuple):
    """A model at some draws, and what it says once labels have changed places."""

    evaluate: Callable[[Mapping[str, Array]], ModelValues]
    free: Mapping[str, Array]
    base: ModelValues
    dims: Mapping[str, Sequence[str]]
    n_clusters: int

    def of(self, named: Sequence[str], families: tuple[tuple[str, ...], ...]) -> LabelMoves:
        """Return the groups when these variables belong to clusters, beside those with the dim."""
        axes = {
            name: axis
            for name in self.free
            if (axis := "cluster" if "cluster" in self.dims[name] else self._unnamed(name))
            and (axis == "cluster" or name in named)
        }

        def alike(i: int, j: int) -> bool:
            order = np.arange(self.n_clusters)
            order[[i, j]] = j, i
            return self._unchanged(axes, families, order)

        return LabelMoves(LabelGroups.where(self.n_clusters, alike), axes, families)

    def choices(
        self, named: Sequence[str]
    ) -> Iterator[tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]]:
        """Yield choices of the variables that might belong to clusters, small ones first."""
        single = [n for n in self.free if n not in named and self._unnamed(n)]
        doubtful: list[Any] = [*single, *self._families(self.free)]
        sizes = range(1, len(doubtful) + 1)
        if len(doubtful) > _MOST_DOUBTFUL:
            sizes = range(len(doubtful), len(doubtful) + 1)
        for size in sizes:
            for chosen in itertools.combinations(doubtful, size):
                axes = tuple(one for one in chosen if isinstance(one, str))
                yield axes, tuple(one for one in chosen if not isinstance(one, str))

    def completed(self, moves: LabelMoves) -> LabelMoves:
        """Add what is derived from the free variables."""
        if not moves.groups.exchangeable:
            return LabelMoves(moves.groups, {})
        axes, families, unclear = dict(moves.axes), list(moves.families), []
        tried = [
            (order, self._after(moves.axes, moves.families, order).variables)
            for order in _generators(moves.groups)
        ]
        known = {name for family in families for name in family}
        for family in self._families(self.base.variables):
            if not known.intersection(family) and self._family_moves(family, tried):
                families.append(family)
                known.update(family)
        for name in self.base.variables:
            if name in axes or name in known:
                continue
            axis = self._axis(name, tried)
            if axis is not None:
                axes[name] = axis
            elif not all(_close(self.base.variables[name], after[name]) for _, after in tried):
                unclear.append(name)
        return LabelMoves(moves.groups, axes, tuple(families), tuple(unclear))

    def _axis(self, name: str, tried: Sequence[tuple[IntArray, Mapping[str, Array]]]) -> str | None:
        """Return the axis along which a variable moves with the labels, if there is one."""
        axis = "cluster" if "cluster" in self.dims[name] else self._unnamed(name)
        if axis is None:
            return None
        before, place = self.base.variables[name], 1 + list(self.dims[name]).index(axis)
        moved = all(_close(moved_along(before, o, place), after[name]) for o, after in tried)
        stays = all(_close(before, after[name]) for _, after in tried)
        return axis if moved and not stays else None

    def _family_moves(
        self, family: tuple[str, ...], tried: Sequence[tuple[IntArray, Mapping[str, Array]]]
    ) -> bool:
        stays = all(_close(self.base.variables[n], after[n]) for n in family for _, after in tried)
        return not stays and all(
            _close(self.base.variables[family[order[k]]], after[name])
            for order, after in tried
            for k, name in enumerate(family)
        )

    def _unchanged(
        self, axes: Mapping[str, str], families: tuple[tuple[str, ...], ...], order: IntArray
    ) -> bool:
        if not len(self.base.log_prior):
            return False
        after = self._after(axes, families, order)
        if not _close(self.base.log_prior, after.log_prior):
            return False
        if not _close(self.base.log_likelihood, after.log_likelihood):
            return False
        return all(
            _close(
                moved_along(
                    self.base.variables[name], order, 1 + list(self.dims[name]).index("cluster")
                ),
                after.variables[name],
            )
            for name in _PARTS
        )

    def _after(
        self, axes: Mapping[str, str], families: tuple[tuple[str, ...], ...], order: IntArray
    ) -> ModelValues:
        values = dict(self.free)
        for name, axis in axes.items():
            place = 1 + list(self.dims[name]).index(axis)
            values[name] = moved_along(self.free[name], order, place)
        for family in families:
            values |= {name: self.free[family[order[k]]] for k, name in enumerate(family)}
        return self.evaluate(values)

    def _unnamed(self, name: str) -> str | None:
        """Return the one axis of length K that has no name of its own."""
        shape = self.base.variables[name].shape[1:]
        found = [
            dim
            for dim, size in zip(self.dims[name], shape, strict=True)
            if size == self.n_clusters and dim.startswith(f"{name}_dim_")
        ]
        return found[0] if len(found) == 1 else None

    def _families(self, variables: Mapping[str, Array]) -> list[tuple[str, ...]]:
        """Return sets of K variables of one shape whose names differ by one number."""
        alike: dict[tuple[Any, ...], list[tuple[int, str]]] = {}
        for name, value in variables.items():
            for found in _NUMBERED.finditer(name):
                key = (name[: found.start()], name[found.end() :], value.shape)
                alike.setdefault(key, []).append((int(found.group()), name))
        return [
            tuple(name for _, name in sorted(members))
            for members in alike.values()
            if len(members) == self.n_clusters > 1
        ]


def _generators(groups: LabelGroups) -> Iterator[IntArray]:
    """Yield exchanges of neighbours, and one cycle of each group: they tell k from its inverse."""
    for group in groups.groups:
        for i, j in itertools.pairwise(group):
            order = np.arange(groups.n_clusters)
            order[[i, j]] = j, i
            yield order
        if len(group) > 2:
            order = np.arange(groups.n_clusters)
            order[list(group)] = np.roll(group, 1)
            yield order


def _taken(values: ModelValues, which: Array) -> ModelValues:
    variables = {name: value[which] for name, value in values.variables.items()}
    return ModelValues(values.log_prior[which], values.log_likelihood[which], variables)


def _close(before: Array, after: Array) -> bool:
    """Whether two arrays agree but for rounding; what is not finite agrees with nothing."""
    return bool(np.all(np.abs(after - before) <= _CLOSE * np.maximum(1.0, np.abs(before))))
