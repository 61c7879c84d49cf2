"""How surely each cluster is told from the others."""

import math

import numpy as np
from scipy.optimize import linear_sum_assignment

from bayesgmm.labels.allocation import Allocations
from bayesgmm.labels.stephens import log_allocations
from bayesgmm.limits import IDENTIFYING_ODDS
from bayesgmm.model.groups import LabelGroups
from bayesgmm.typing import Array, IntArray

__all__ = ["identification_scores", "identified"]

_MARGIN = math.log(IDENTIFYING_ODDS)


def identification_scores(allocations: Allocations, orders: IntArray) -> Array:
    """Return the share of draws in which each cluster is identified.

    A draw identifies cluster k when its order beats every order that moves k by more than log 20
    nats of Stephens' cost, sum_ik r_ik log(r_ik / q_ik). Only orders within exchangeable groups
    count: a cluster that the model tells from all others has score 1.

    Parameters
    ----------
    allocations : Allocations
    orders : array of shape (sample, cluster)
        The label of each draw that is cluster k.

    Returns
    -------
    array of shape (cluster,)
        Between 0 and 1.
    """
    scores = allocations.scores(log_allocations(allocations.average(orders)))
    return identified(scores, orders, allocations.draws.groups)


def identified(scores: Array, orders: IntArray, groups: LabelGroups) -> Array:
    """Return `identification_scores` of draws whose sums r_ij log q_ik are known.

    Parameters
    ----------
    scores : array of shape (sample, label, cluster), nats
    orders : array of shape (sample, cluster)
    groups : LabelGroups
    """
    scores = np.take_along_axis(scores, orders[:, :, None], axis=1)
    finite = scores[np.isfinite(scores).all(axis=(1, 2))]
    out = np.ones(orders.shape[1])
    if len(finite):
        for group in groups.groups:
            if len(group) > 1:
                inside = finite[:, group][:, :, group]
                out[list(group)] = (_margins(inside) > _MARGIN).mean(axis=0)
    return out


def _margins(scores: Array) -> Array:
    """Return by how much leaving labels as they are beats the best order that moves k.

    Parameters
    ----------
    scores : array of shape (sample, label, cluster), nats

    Returns
    -------
    array of shape (sample, cluster), nats
        Where a lower bound is beyond the margin, the bound: k loses at least what its second best
        label costs it, and the others gain at most what each lacks to its best.
    """
    clusters = np.arange(scores.shape[1])
    current = scores[:, clusters, clusters]
    others = scores.copy()
    others[:, clusters, clusters] = -np.inf
    second = others.max(axis=1)
    lacking = np.maximum(second - current, 0.0)
    margins = current - second - (lacking.sum(axis=1, keepdims=True) - lacking)
    for draw, cluster in np.argwhere(margins <= _MARGIN):
        allowed = scores[draw].copy()
        allowed[cluster, cluster] = -np.inf
        rows, columns = linear_sum_assignment(allowed, maximize=True)
        margins[draw, cluster] = current[draw].sum() - allowed[rows, columns].sum()
    return margins
