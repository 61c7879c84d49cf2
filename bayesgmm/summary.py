"""Tables of a posterior: one row a parameter, or label-free where clusters are not identified."""

import math
from collections.abc import Iterable
from itertools import combinations

import numpy as np
import pandas as pd
from arviz_stats.base import array_stats

from bayesgmm.arguments import check_count, check_prob, items_of
from bayesgmm.errors import ConfigError
from bayesgmm.labels import Quantity, cluster_quantities, label_free_quantities
from bayesgmm.limits import IDENTIFIED, INTERVAL
from bayesgmm.posterior.draws import Draws, Posterior, view_of
from bayesgmm.posterior.mcmc_error import chain_statistics
from bayesgmm.posterior.tree import attribute
from bayesgmm.runtime.keywords import keywords

__all__ = ["label_free", "summarize"]


@keywords()
def summarize(posterior: Posterior, prob: float = INTERVAL) -> pd.DataFrame:
    """Summarise weights, means, scales and correlations of each cluster.

    Clusters that are identified in less than 90 % of draws have no row: their label does not mean
    the same thing from draw to draw. The rows of `label_free` stand for them, and the frame's
    ``attrs["withheld"]`` holds the score of each.

    Parameters
    ----------
    posterior : xarray.DataTree
    prob : float
        Probability of the equal-tailed interval.

    Returns
    -------
    pandas.DataFrame
        Index such as "means[1, eruptions]"; what clusters share appears once, "scales[eruptions]".
        Columns mean, sd, the interval's bounds (eti89_lb, eti89_ub), ess_bulk, ess_tail, r_hat,
        mcse_mean, mcse_sd; data units. ESS and interval of correlations are taken on the artanh
        scale, and the interval is reported on (-1, 1).

    Raises
    ------
    ConfigError
        When `prob` is not between 0 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm.sampling import sample
    >>> rows = np.random.default_rng(1).normal(size=(60, 1)) + [[0], [6], [6]] * 20
    >>> table = summarize(sample(rows, 2, seed=1))
    >>> float(table.loc["means[2, x1]", "mean"].round())
    6.0
    """
    draws, prob = view_of(posterior), check_prob(prob)
    scores = attribute(draws.tree, "identification") or []
    withheld = {k: score for k, score in enumerate(scores) if score < IDENTIFIED}
    shown = [q for q in cluster_quantities(draws) if q.cluster not in withheld]
    if withheld:
        shown += label_free_quantities(draws)
    table = _table(shown, prob)
    table.attrs["withheld"] = {draws.clusters[k].item(): score for k, score in withheld.items()}
    return table


@keywords()
def label_free(
    posterior: Posterior, prob: float = INTERVAL, rows: Iterable[int] = ()
) -> pd.DataFrame:
    """Summarise what does not depend on labels.

    Parameters
    ----------
    posterior : xarray.DataTree
    prob : float
        Probability of the equal-tailed interval.
    rows : iterable of int
        Rows of the data, counted from 0: each pair of them adds together[i, j], the probability
        that both belong to the same component.

    Returns
    -------
    pandas.DataFrame
        Columns as of `summarize`; rows log_likelihood (nats, data units) and, for two clusters and
        more, sorted_weights[j] (the largest first), entropy (of the rows' allocation, summed over
        rows, nats) and occupied (expected number of clusters that hold at least one row).

    Raises
    ------
    ConfigError
        When `prob` is not between 0 and 1, or a row is not among those of the posterior.

    Examples
    --------
    >>> from bayesgmm.sampling import sample
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> table = label_free(sample(rows, 2, draws=100, seed=1))
    >>> table.index.tolist()
    ['log_likelihood', 'sorted_weights[1]', 'sorted_weights[2]', 'entropy', 'occupied']
    >>> label_free(sample(rows, 2, draws=100, seed=1), rows=[0, 3]).index[-1]
    'together[0, 3]'
    """
    draws, prob = view_of(posterior), check_prob(prob)
    return _table([*label_free_quantities(draws), *_together(draws, rows)], prob)


def _row_number(row: int, n_rows: int) -> int:
    """Return the number of a row from 0 that is among `n_rows`."""
    if check_count("rows", row, least=0) >= n_rows:
        raise ConfigError(
            f"row {row} is not among the {n_rows} rows, which are counted from 0.",
            key="rows",
            value=row,
        )
    return row


def _together(draws: Draws, rows: Iterable[int]) -> list[Quantity]:
    """Return for each pair of rows the probability that they share a component, label-free."""
    n_rows = len(draws.table)
    chosen = [_row_number(row, n_rows) for row in items_of("rows", rows, "row numbers")]
    if not chosen:
        return []
    draws.require_gaussian()
    shares = draws.responsibilities(draws.table[chosen])
    return [
        Quantity(
            f"together[{chosen[i]}, {chosen[j]}]",
            (shares[:, :, i] * shares[:, :, j]).sum(axis=1).reshape(draws.shape),
        )
        for i, j in combinations(range(len(chosen)), 2)
    ]


def _table(quantities: Iterable[Quantity], prob: float) -> pd.DataFrame:
    rows = {q.name: _row(q, prob) for q in quantities}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("parameter")


def _row(quantity: Quantity, prob: float) -> dict[str, float]:
    """Summarise one quantity over all its draws."""
    values = quantity.values
    scaled = np.arctanh(values) if quantity.correlation else values
    bounds = array_stats.eti(scaled.ravel(), prob)
    lower, upper = np.tanh(bounds) if quantity.correlation else bounds
    judged = chain_statistics(values)
    sizes = chain_statistics(scaled) if quantity.correlation else judged
    percent = f"{100.0 * prob:g}"
    return {
        "mean": float(values.mean()),
        "sd": float(values.std(ddof=1)) if values.size > 1 else math.nan,
        f"eti{percent}_lb": float(lower),
        f"eti{percent}_ub": float(upper),
        "ess_bulk": sizes.ess_bulk,
        "ess_tail": sizes.ess_tail,
        "r_hat": sizes.r_hat,
        "mcse_mean": judged.mcse_mean,
        "mcse_sd": judged.mcse_sd,
    }
