"""How probably each row belongs to each group of a partition, whatever the components are."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import xarray as xr
from scipy.special import entr

from bayesgmm.arguments import check_instance, check_prob
from bayesgmm.errors import ConfigError
from bayesgmm.likelihood.annotated_rows import RowTable, times_of
from bayesgmm.limits import INTERVAL
from bayesgmm.posterior.draws import Draws
from bayesgmm.prediction._partition import Partition
from bayesgmm.prediction.averaged import Average
from bayesgmm.prediction.draws import (
    FitOrPosterior,
    draws_of,
    interval,
    names_for,
    table_for,
    with_noise_last,
)
from bayesgmm.runtime.keywords import keywords
from bayesgmm.typing import Array, IntArray

__all__ = ["group_membership"]


@keywords(fit_or_posterior="posterior")
def group_membership(
    posterior: FitOrPosterior | Average,
    partition: Partition,
    rows: Any = None,
    prob: float = INTERVAL,
) -> xr.Dataset:
    """Return how probably each row belongs to each group of a partition of the observed rows.

    In each draw every component goes to the group that holds most of its rows, so that several may
    make one group, and one component may stand for two. No numbering of the components enters, nor
    need there be as many as groups: draws of different K are alike, and labels may switch.

    Parameters
    ----------
    posterior : xarray.DataTree or Average
        With the rows that the partition is of.
    partition : Partition
        As `bayesgmm.partition` returns it, of all observed rows.
    rows : table of shape (obs, feature), data units, optional
        New rows; None takes the rows of the posterior.
    prob : float
        Probability of the equal-tailed intervals.

    Returns
    -------
    xarray.Dataset
        mean, lower, upper (obs, group): of P(group | row, draw) over draws; entropy (obs): of the
        mean probabilities, nats; most_probable (obs): the group, numbered from 1.

    Raises
    ------
    ConfigError
        When `prob` is outside (0, 1), or the partition is of other rows.
    DataError
        When the rows are unusable.

    Examples
    --------
    >>> from bayesgmm import partition, sample
    >>> data = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> tree = sample(data, 3, draws=200, seed=1)
    >>> groups = partition(tree, seed=1)
    >>> group_membership(tree, groups, [[0.1], [5.3]])["most_probable"].values.tolist()
    [1, 2]
    """
    prob = check_prob(prob)
    check_instance("partition", partition, Partition, "what bayesgmm.partition returns")
    draws = draws_of(posterior, labelled=False)
    observed, labels = draws.table, partition.labels
    if len(labels) != len(observed):
        raise ConfigError(
            f"the partition is of {len(labels)} rows and the posterior of {len(observed)}: make "
            "it of all observed rows, partition(posterior).",
            key="partition",
        )
    homes = _homes(draws, observed, labels)
    values = table_for(draws, rows)
    n_groups = partition.n_clusters
    mean, lower, upper = (np.empty((len(values), n_groups)) for _ in range(3))

    def summarise(block: slice) -> None:
        by_row = with_noise_last(draws.responsibilities_by_row(values[block]), draws)
        for group in range(n_groups):
            shares = np.einsum("rks,sk->rs", by_row, homes == group)
            mean[block, group] = shares.mean(axis=1)
            lower[block, group], upper[block, group] = interval(shares, prob)

    draws.over_row_blocks(len(values), summarise)
    dims, groups = ("obs", "group"), np.arange(1, n_groups + 1)
    return xr.Dataset(
        {
            "mean": (dims, mean),
            "lower": (dims, lower),
            "upper": (dims, upper),
            "entropy": ("obs", entr(mean).sum(axis=1)),
            "most_probable": ("obs", groups[mean.argmax(axis=1)]),
        },
        {"obs": names_for(draws, rows, len(values)), "group": groups},
        {"prob": prob},
    )


def _homes(draws: Draws, table: RowTable, labels: IntArray) -> IntArray:
    """Return the group, from 0, that holds most rows of each component: (sample, component).

    A noise counts as one component more, as it does in a partition.
    """
    members = (labels[:, None] == np.arange(1, labels.max() + 1)) * times_of(table)[:, None]

    def held(block: Array, part: slice) -> Array:
        return with_noise_last(block, draws) @ members.astype(float)

    shares: Iterable[Array] = draws.reduced(held, table)
    return np.concatenate([share.argmax(axis=2) for share in shares])
