"""Rows that were selected for their labels: these say what clusters are like, not how frequent.

Given that a row is in one of the clusters A, its log likelihood is
log sum_A w_k f_k - log W_A, with W_A = sum_A w_k. The second term is that of a row in A of which no
cell is observed, counted -1 times; and 1 / W_A is the sum of (1 - W_A)^t over t, the number of rows
that were drawn and left before one in A came. So EM sees, beside each picked row, w_j / W_A such
rows in each cluster j outside A, and never loses likelihood.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from bayesgmm.likelihood.annotated_rows import AnnotatedRows, RowTable
from bayesgmm.likelihood.compiled.row_groups import Part, flatten_parts
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.typing import Array, BoolArray

__all__ = ["Picked", "log_chances", "picked_in"]

_LEAST = 1e-300  # rows: the logarithm of a weight stays finite


class Picked(NamedTuple):
    """The picked rows, counted.

    Parameters
    ----------
    counts : array of shape (set,)
        Rows of each set of clusters, by their weights; above 0.
    sets : bool array of shape (set, part)
        Never all clusters: of such a row nothing is known. Never the noise, the part after them.
    """

    counts: Array
    sets: BoolArray

    def log_chance(self, log_weights: Array) -> float:
        """Return the sum over rows of log W_A, nats, at log weights (part,)."""
        return float(sum(n * logsumexp(log_weights[a]) for n, a in zip(*self, strict=True)))

    def shares(self, mass: Array, log_weights: Array) -> Array:
        """Return the rows of each cluster that its weight is in proportion to in EM's next step.

        Parameters
        ----------
        mass : array of shape (part,)
            Rows of each, by the responsibilities of all rows.
        log_weights : array of shape (part,)
            At which these were taken.
        """
        shares = mass.copy()
        for n_rows, chosen in zip(*self, strict=True):
            if chosen.sum() == 1:
                shares[chosen] -= n_rows
            else:
                left = log_weights[~chosen] - logsumexp(log_weights[chosen])
                shares[~chosen] += n_rows * np.exp(left)
        return np.maximum(shares, _LEAST)

    def laid_out(self, n_clusters: int, n_layers: int = 1) -> Array:
        """Return rows of which no cell is observed, counted less than 0 times, as passes take them.

        A pass adds -log W_A, and its gradient, for each picked row.
        """
        nothing = np.empty((len(self.counts), 0))
        none = np.empty(0, dtype=np.int64)
        allowed, n_parts = self.sets[:, :n_clusters], self.sets.shape[1]
        no_noise = np.full(len(allowed), -np.inf) if n_parts > n_clusters else None
        allowed = np.tile(allowed, n_layers)
        part = Part(none, np.empty(0), nothing, False, -self.counts, allowed, no_noise)
        return flatten_parts([part])


def picked_in(rows: RowTable, resolved: ResolvedSpec) -> Picked | None:
    """Count the rows that the model takes for picked; None where there are none."""
    if resolved.spec.labels_inform_weights or not isinstance(rows, AnnotatedRows):
        return None
    if rows.allowed is None or rows.allowed.all():
        return None
    weights = np.ones(len(rows)) if rows.weights is None else rows.weights
    sets, which = np.unique(rows.allowed, axis=0, return_inverse=True)
    counts = np.bincount(which.ravel(), weights, len(sets))
    partial = ~sets.all(axis=1) & (counts > 0.0)
    if not partial.any():
        return None
    others = np.zeros((int(partial.sum()), resolved.n_noises), dtype=bool)
    return Picked(counts[partial], np.hstack([sets[partial], others]))


def log_chances(rows: RowTable, log_weights: Array) -> Array | float:
    """Return log W_A of each row, (sample, obs), at log weights (sample, part)."""
    if not isinstance(rows, AnnotatedRows) or rows.allowed is None:
        return 0.0
    sets, which = np.unique(rows.allowed, axis=0, return_inverse=True)
    clusters = log_weights[:, : sets.shape[1]]
    of_sets = np.stack([logsumexp(clusters[:, chosen], axis=1) for chosen in sets], axis=1)
    return of_sets[:, which.ravel()]
