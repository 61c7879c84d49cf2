"""Exchangeable groups of labels: which permutations leave a posterior as it is.

A transposition of two labels either leaves a posterior unchanged or not, and "unchanged" is an
equivalence relation, since (i k) = (i j)(j k)(i j). Its classes are the groups; the permutations
within them make up a product of symmetric groups, whose order is the product of the factorials of
the sizes. Symmetries that no single exchange of two labels has (pairs that only change places
together) are not counted: labels then stay as they are.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from bayesgmm.typing import Array, IntArray

__all__ = ["LabelGroups"]


@dataclass(frozen=True)
class LabelGroups:
    """Labels in groups within which they are exchangeable.

    Parameters
    ----------
    groups : tuple of tuple of int
        Every label once; a label that the model tells from all others is a group by itself.

    Examples
    --------
    >>> groups = LabelGroups(((0, 2), (1,)))
    >>> groups.exchangeable, [order.tolist() for order in groups.orders()]
    (True, [[0, 1, 2], [2, 1, 0]])
    """

    groups: tuple[tuple[int, ...], ...]

    @classmethod
    def of_all(cls, n_clusters: int) -> "LabelGroups":
        """Return one group of all labels."""
        return cls((tuple(range(n_clusters)),))

    @classmethod
    def of_none(cls, n_clusters: int) -> "LabelGroups":
        """Return each label as a group by itself."""
        return cls(tuple((k,) for k in range(n_clusters)))

    @classmethod
    def where(cls, n_clusters: int, alike: Callable[[int, int], bool]) -> "LabelGroups":
        """Group labels by an equivalence that says of two labels whether they may be exchanged."""
        groups: list[list[int]] = []
        for k in range(n_clusters):
            home = next((group for group in groups if alike(group[0], k)), None)
            if home is None:
                groups.append([k])
            else:
                home.append(k)
        return cls(tuple(tuple(group) for group in groups))

    @classmethod
    def of_rows(cls, rows: Array) -> "LabelGroups":
        """Group clusters whose rows (cluster, number) are equal."""
        return cls.where(len(rows), lambda i, j: bool(np.array_equal(rows[i], rows[j])))

    @property
    def n_clusters(self) -> int:
        """Number of labels K."""
        return sum(map(len, self.groups))

    @property
    def exchangeable(self) -> bool:
        """Whether any two labels are exchangeable."""
        return any(len(group) > 1 for group in self.groups)

    @property
    def log_order(self) -> float:
        """Log of the number of permutations: of the product of the factorials of the sizes."""
        return sum(math.lgamma(len(group) + 1) for group in self.groups)

    def group_of(self, label: int) -> tuple[int, ...]:
        """Return the labels with which one is exchangeable, itself among them."""
        return next(group for group in self.groups if label in group)

    def orders(self) -> Iterator[IntArray]:
        """Yield every permutation within the groups, the identity first."""
        for parts in itertools.product(*map(itertools.permutations, self.groups)):
            order = np.empty(self.n_clusters, dtype=np.int64)
            for group, part in zip(self.groups, parts, strict=True):
                order[list(group)] = part
            yield order

    @cached_property
    def allowed(self) -> NDArray[np.bool_]:
        """Whether label j may become cluster k, shape (label, cluster)."""
        allowed = np.zeros((self.n_clusters, self.n_clusters), dtype=bool)
        for group in self.groups:
            allowed[np.ix_(group, group)] = True
        return allowed

    def best_orders(self, scores: Array) -> IntArray:
        """Return the assignment of labels to clusters that has the highest sum of scores.

        Parameters
        ----------
        scores : array of shape (sample, label, cluster)

        Returns
        -------
        array of shape (sample, cluster)
            The label that becomes each cluster, of its own group; labels as they are where scores
            are not finite.
        """
        alike = len(self.groups) == 1
        held = scores if alike else np.where(self.allowed, scores, -np.inf)
        best = held.argmax(axis=1)
        labels = np.arange(scores.shape[1])
        for draw in np.flatnonzero((np.sort(best, axis=1) != labels).any(axis=1)):
            if np.isfinite(scores[draw] if alike else scores[draw][self.allowed]).all():
                best[draw] = linear_sum_assignment(held[draw].T, maximize=True)[1]
            else:
                best[draw] = labels
        return best

    def sorted_within(self, order: Sequence[int] | IntArray) -> IntArray:
        """Return a numbering (cluster,) of all labels held within the groups.

        The places of a group are filled by its own labels, in the sequence of `order`.

        Examples
        --------
        >>> LabelGroups(((0, 2), (1,))).sorted_within([1, 2, 0]).tolist()
        [2, 1, 0]
        """
        out = np.empty(self.n_clusters, dtype=np.int64)
        for group in self.groups:
            out[sorted(group)] = [label for label in order if label in group]
        return out
