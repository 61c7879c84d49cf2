"""Components that overlap too much to be groups of their own, merged in each draw."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from bayesgmm.arguments import check_between, check_count
from bayesgmm.likelihood.annotated_rows import counting_rows, times_of
from bayesgmm.limits import MERGED
from bayesgmm.prediction.counted import Counted, counted, some_of_each_chain
from bayesgmm.prediction.draws import FitOrPosterior, draws_of, table_for
from bayesgmm.runtime.keywords import keywords
from bayesgmm.typing import Array, IntArray

__all__ = ["MergedComponents", "merge_components"]


@dataclass(frozen=True, eq=False, repr=False)
class MergedComponents(Counted):
    """The posterior of the number of groups when components that overlap are merged.

    Parameters
    ----------
    table : pandas.DataFrame
        One row a number of groups, index groups: probability and error, its Monte Carlo standard
        error.
    counts : array of shape (sample,)
        Groups in each draw.
    together : xarray.DataArray
        The probability that two components are merged (cluster, cluster_bis); of a posterior that
        is relabelled.
    cutoff : float

    Examples
    --------
    >>> from bayesgmm import fit_em
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> merge_components(fit_em(rows, 2, seed=1), rows).most_probable
    2
    """

    together: xr.DataArray
    cutoff: float


@keywords(fit_or_posterior="posterior")
def merge_components(
    posterior: FitOrPosterior,
    rows: object = None,
    *,
    cutoff: float = MERGED,
    n_draws: int = 400,
) -> MergedComponents:
    """Merge components in each draw while rows of one would too often be taken for another's.

    By Hennig's directly estimated misclassification probabilities: of two components k and l, the
    share of k's rows, weighed by their membership, that are most probably l's. The pair with the
    largest is merged, their memberships added, and so on until none is above the cutoff.

    Parameters
    ----------
    posterior : PointFit or xarray.DataTree
        Labels matter in `MergedComponents.together` alone.
    rows : table of shape (obs, feature), data units, optional
        Rows from which the shares are computed; None takes the rows of the posterior. Rows count by
        their weights.
    cutoff : float
        Components are merged if this share of rows is misclassified; 0.025 is the default of the R
        package fpc.
    n_draws : int
        At most so many draws, evenly spaced.

    Returns
    -------
    MergedComponents

    Raises
    ------
    ConfigError
        For a cutoff outside (0, 1), or rows None for a point fit.
    DataError
        When the rows are unusable.

    References
    ----------
    Hennig (2010), Advances in Data Analysis and Classification 4:3 (DEMP).

    Examples
    --------
    >>> from bayesgmm import sample
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> merged = merge_components(sample(rows, 2, draws=200, seed=1))
    >>> merged.together.shape
    (2, 2)
    """
    cutoff = check_between("cutoff", cutoff, 0.0, 1.0)
    most = check_count("n_draws", n_draws)
    draws, n_chains = some_of_each_chain(draws_of(posterior), most)
    table = counting_rows(table_for(draws, rows))
    times = times_of(table).astype(float)
    parts = draws.reduced(lambda block, _: _merged(block, times, cutoff), table)
    homes = np.concatenate(list(parts))
    counts = np.array([len(np.unique(home)) for home in homes])
    clusters = draws.clusters
    together = xr.DataArray(
        (homes[:, :, None] == homes[:, None, :]).mean(axis=0),
        {"cluster": clusters, "cluster_bis": clusters},
        ("cluster", "cluster_bis"),
    )
    return MergedComponents(counted(counts, n_chains, "groups"), counts, together, cutoff)


def _merged(block: Array, times: Array, cutoff: float) -> IntArray:
    """Return the group of each component in each draw, (draw, cluster), numbered by a component."""
    homes = np.tile(np.arange(block.shape[1]), (len(block), 1))
    for shares, home in zip(block, homes, strict=True):
        while (pair := _most_confused(shares, times, cutoff)) is not None:
            kept, gone = pair
            shares[kept] += shares[gone]
            shares[gone] = 0.0
            home[home == gone] = kept
    return homes


def _most_confused(shares: Array, times: Array, cutoff: float) -> tuple[int, int] | None:
    """Return the two components of which most rows of one are taken for the other's."""
    size = len(shares)
    weighed = shares * times
    taken = np.eye(size)[shares.argmax(axis=0)]
    mass = weighed.sum(axis=1)
    confused = (weighed @ taken) / np.where(mass > 0.0, mass, np.inf)[:, None]
    np.fill_diagonal(confused, 0.0)
    k, m = divmod(int(confused.argmax()), size)
    return (min(k, m), max(k, m)) if confused[k, m] > cutoff else None
