"""Undo label switching: the verb."""

from collections.abc import Callable
from itertools import combinations
from typing import Literal

import numpy as np
import xarray as xr
from arviz_stats.base import array_stats

from bayesgmm.arguments import check_one_of
from bayesgmm.errors import ConfigError
from bayesgmm.labels.allocation import Allocations
from bayesgmm.labels.ecr import ecr, pivot_allocation
from bayesgmm.labels.identification import identified
from bayesgmm.labels.pivot import reorder_by_pivot
from bayesgmm.labels.stephens import log_allocations, stephens
from bayesgmm.likelihood.annotated_rows import values_of
from bayesgmm.model.groups import LabelGroups
from bayesgmm.model.numbering import number_clusters
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.kept_rows import with_kept_rows
from bayesgmm.posterior.tree import (
    LABELS,
    attribute,
    check_posterior,
    permuted_tree,
    with_attributes,
)
from bayesgmm.runtime.keywords import keywords
from bayesgmm.typing import Array, IntArray

__all__ = ["METHODS", "agreement", "largest_share", "modal_draw", "relabel"]

Method = Literal["stephens", "ecr", "pivot"]
METHODS: dict[str, Callable[[Allocations, int], IntArray]] = {
    "stephens": stephens,
    "ecr": ecr,
    "pivot": reorder_by_pivot,
}


@keywords()
def relabel(posterior: xr.DataTree, method: Method = "stephens") -> xr.DataTree:
    """Give every draw the labels under which the draws agree, and number the clusters.

    Every draw is kept. Labels change places within exchangeable groups only, and
    clusters that the model tells from all others stay as they are. Within a group, clusters are
    numbered by increasing posterior mean of the first feature, or of the feature that separates
    them best where the first does not.

    Parameters
    ----------
    posterior : xarray.DataTree
    method : {"stephens", "ecr", "pivot"}
        What agreement means: allocations near to their mean in Kullback-Leibler divergence
        (Stephens 2000); rows where the draw of highest density puts them (Papastamoulis and
        Iliopoulos 2010); parameters near to those of that draw (Marin, Mengersen and Robert 2005).

    Returns
    -------
    xarray.DataTree
        sample_stats ``permutation`` (chain, draw, cluster) is the place, from 0, that each
        cluster had among the labels as sampled. Attributes: ``relabelling`` (the method; the share
        of draws whose labels moved; agreement, the share of draws to which ecr and pivot, the
        methods that cost one pass or none, give the same labels; the reason where nothing was
        done), ``identification`` (one score per cluster, the share of draws in which its label is
        sure) and ``order_feature``.

    Raises
    ------
    ConfigError
        For an unknown method, or draws made elsewhere that were not adopted.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm.sampling import sample
    >>> rows = np.random.default_rng(1).normal(size=(60, 1)) + [[0], [6], [6]] * 20
    >>> raw = sample(rows, 2, draws=50, tune=200, seed=1, relabel=None)
    >>> tree = relabel(raw)
    >>> bool((tree.posterior.means[..., 0, 0] < 3).all())
    True
    """
    check_one_of("method", method, METHODS)
    draws = Draws(posterior)
    if draws.resolved is None and attribute(posterior, LABELS) is None:
        raise ConfigError(
            "it is not known which labels of these draws are exchangeable; "
            "adopt(tree, data, spec_or_model) finds out.",
            group="posterior",
        )
    groups = draws.groups
    if not groups.exchangeable and groups.n_clusters > 1:
        return with_attributes(
            posterior,
            relabelling={"method": None, "reason": "the model tells the labels apart"},
            identification=[1.0] * groups.n_clusters,
        )
    allocations, pivot = Allocations(draws), modal_draw(posterior)
    orders = METHODS[method](allocations, pivot)
    scores, others = _compared(allocations, orders, pivot)
    agreeing = {name: _agreement(orders, theirs) for name, theirs in others.items()}
    agreeing.pop(method, None)
    means = np.take_along_axis(draws.parameters.means, orders[..., None], axis=1)
    spread = np.nanstd(values_of(with_kept_rows(draws).table), axis=0, ddof=1)
    numbers, feature = _numbers(means.reshape(*draws.shape, *means.shape[1:]), spread, groups)
    orders = orders[:, numbers].reshape(*draws.shape, -1)
    return with_attributes(
        permuted_tree(posterior, orders),
        relabelling={
            "method": method,
            "moved": 1.0 - largest_share(orders),
            "agreement": agreeing,
        },
        identification=scores[numbers].tolist(),
        order_feature=draws.features[feature],
    )


def _compared(
    allocations: Allocations, orders: IntArray, pivot: int
) -> tuple[Array, dict[str, IntArray]]:
    """Return how surely clusters are told apart, and the orders of ecr and pivot: one pass."""
    k, groups = orders.shape[1], allocations.draws.groups
    mean, allocated = allocations.average(orders), pivot_allocation(allocations, pivot)
    scores = allocations.scores(np.concatenate([log_allocations(mean), allocated]))
    others = {
        "ecr": groups.best_orders(scores[:, :, k:]),
        "pivot": reorder_by_pivot(allocations, pivot),
    }
    return identified(scores[:, :, :k], orders, groups), others


def _numbers(
    means: Array, spread: Array, groups: LabelGroups | None = None
) -> tuple[IntArray, int]:
    """Order relabelled clusters by the posterior mean of their means (chain, draw, ...)."""
    means = means[np.isfinite(means).all(axis=(1, 2, 3))]
    if not means.size:
        return np.arange(means.shape[2]), 0
    centres = means.mean(axis=(0, 1))
    neighbours = np.argsort(centres[:, 0], kind="stable")
    gaps = np.diff(means[:, :, neighbours, 0], axis=2)
    errors = np.nan_to_num(array_stats.mcse(gaps, chain_axis=0, draw_axis=1))
    return number_clusters(centres, spread, errors, groups)


@keywords()
def agreement(posterior: xr.DataTree) -> dict[str, float]:
    """Return the share of draws to which two methods give the same labels, for each pair.

    One renumbering of all draws is allowed: the methods need not number the clusters alike.

    Parameters
    ----------
    posterior : xarray.DataTree
        Relabelled or not.

    Returns
    -------
    dict of str to float
        Keys such as "stephens, ecr".

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm.sampling import sample
    >>> rows = np.random.default_rng(1).normal(size=(60, 1)) + [[0], [6], [6]] * 20
    >>> agreement(sample(rows, 2, draws=50, tune=200, seed=1))
    {'stephens, ecr': 1.0, 'stephens, pivot': 1.0, 'ecr, pivot': 1.0}
    """
    allocations, pivot = Allocations(Draws(posterior)), modal_draw(posterior)
    orders = {name: method(allocations, pivot) for name, method in METHODS.items()}
    return {
        f"{one}, {other}": _agreement(orders[one], orders[other])
        for one, other in combinations(orders, 2)
    }


def _agreement(orders: IntArray, others: IntArray) -> float:
    """Return the share of draws that two orders (sample, cluster) label alike but for numbers."""
    return largest_share(np.take_along_axis(orders.argsort(axis=1), others, axis=1))


def modal_draw(posterior: xr.DataTree) -> int:
    """Return the index of the draw of highest posterior density, chains one after another."""
    check_posterior(posterior, "sample_stats")
    stats = posterior["sample_stats"].to_dataset()
    density = stats["lp" if "lp" in stats else "log_likelihood"].values.ravel()
    return int(np.where(np.isfinite(density), density, -np.inf).argmax())


def largest_share(orders: IntArray) -> float:
    """Return the share of draws that have the most frequent order."""
    rows = orders.reshape(-1, orders.shape[-1])
    return float(np.unique(rows, axis=0, return_counts=True)[1].max() / len(rows))
