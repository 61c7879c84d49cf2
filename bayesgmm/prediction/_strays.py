"""Rows that are far from all clusters: probably noise, or far out in the tails."""

from typing import Any

import numpy as np
import pandas as pd

from bayesgmm.arguments import check_prob
from bayesgmm.errors import ConfigError
from bayesgmm.likelihood.row_weights import row_weights
from bayesgmm.limits import INTERVAL, STRAY
from bayesgmm.model.components import NOISE
from bayesgmm.posterior.draws import Draws
from bayesgmm.prediction.draws import FitOrPosterior, draws_of, interval, names_for, table_for
from bayesgmm.runtime.keywords import keywords
from bayesgmm.typing import Array

__all__ = ["strays"]

_ENDS = ("", "_lower", "_upper")


@keywords()
def strays(posterior: FitOrPosterior, rows: Any = None, prob: float = INTERVAL) -> pd.DataFrame:
    """Return how much each row counts in the estimates of the clusters, strays first.

    The weight of a row is the sum over clusters of P(cluster | row) E[u | row, cluster]: about 1
    for a usual row, 0 for one that has no say in any cluster's mean. Noise lowers the first factor,
    tails lower the second: a t is a Gaussian whose covariance is divided by an unknown number u of
    each row, which is small for rows far out.

    Parameters
    ----------
    posterior : PointFit or xarray.DataTree
        Of a model with noise, or with components that have tails. A point fit gives its plug-in
        answer, with intervals of width 0.
    rows : table of shape (obs, feature), data units, optional
        New rows: a Dataset, an array, lists or a frame; None takes the rows of the posterior.
    prob : float
        Probability of the equal-tailed intervals.

    Returns
    -------
    pandas.DataFrame
        Index obs, the least weight first: weight, weight_lower, weight_upper, over draws; noise,
        noise_lower, noise_upper: the probability that the row is of no cluster (with noise only);
        cluster and probability: the most probable cluster, and how probable it is; stray: whether
        the weight is below 0.5.

    Raises
    ------
    ConfigError
        When the model has neither noise nor tails, `prob` is outside (0, 1), or `rows` is None for
        a point fit.
    DataError
        When the rows are unusable.

    See Also
    --------
    membership : the probabilities of all clusters, in the order of the rows.

    Notes
    -----
    A stray is not in itself an error of measurement: the heavier the tails, the more rows lie far
    out. Where the labels of a posterior are not identified, weight and noise still hold.

    References
    ----------
    Peel and McLachlan (2000), Statistics and Computing 10:339 (the weights of t).
    Banfield and Raftery (1993), Biometrics 49:803 (noise).

    Examples
    --------
    >>> from bayesgmm import MixtureSpec, fit_em
    >>> data = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2], [4.8], [0.1], [20.0]]
    >>> found = strays(fit_em(data, MixtureSpec(2, noise="uniform"), seed=1), data)
    >>> found.index[found["stray"]].tolist()
    [10]
    """
    prob = check_prob(prob)
    draws = draws_of(posterior)
    if draws.noise is None and not draws.parameters.tailed:
        raise ConfigError(
            "strays needs a model that allows for them, and this one has Gaussian components and "
            "no noise; fit MixtureSpec(..., noise='uniform') or MixtureSpec(..., family='t').",
            key="family",
        )
    table = table_for(draws, rows)
    weight, noise, shares = _summaries(draws, table, prob)
    cluster = shares.argmax(axis=1)
    columns: dict[str, Any] = _ended("weight", weight)
    if draws.noise is not None:
        columns |= _ended(NOISE, noise)
    columns |= {
        "cluster": draws.clusters[cluster],
        "probability": shares.max(axis=1),
        "stray": weight[0] < STRAY,
    }
    index = pd.Index(names_for(draws, rows, len(table)), name="obs")
    return pd.DataFrame(columns, index).iloc[np.argsort(weight[0], kind="stable")]


def _ended(name: str, values: Array) -> dict[str, Array]:
    return {f"{name}{end}": each for end, each in zip(_ENDS, values, strict=True)}


def _summaries(draws: Draws, table: Any, prob: float) -> tuple[Array, Array, Array]:
    """Return mean and interval (3, obs) of weights and of noise, and memberships (obs, cluster)."""
    n_rows = len(table)
    weight, noise = np.empty((3, n_rows)), np.empty((3, n_rows))
    shares = np.empty((n_rows, draws.n_components))

    def summarise(block: slice) -> None:
        by_row = draws.responsibilities_by_row(table[block])
        shares[block] = by_row.mean(axis=2)
        beside = np.maximum(1.0 - by_row.sum(axis=1), 0.0)
        by_row *= row_weights(draws.parameters, table[block])
        for out, values in ((weight, by_row.sum(axis=1)), (noise, beside)):
            out[0, block] = values.mean(axis=1)
            out[1:, block] = interval(values, prob)

    draws.over_row_blocks(n_rows, summarise)
    return weight, noise, shares
