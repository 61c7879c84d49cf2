"""Soft assignment of rows to clusters, with its uncertainty."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy.special import entr

from bayesgmm.arguments import check_count, check_prob
from bayesgmm.errors import ConfigError
from bayesgmm.limits import INTERVAL
from bayesgmm.model.components import NOISE
from bayesgmm.prediction.draws import FitOrPosterior, draws_of, interval, names_for, table_for
from bayesgmm.runtime.keywords import keywords
from bayesgmm.typing import Array

__all__ = ["Parts", "membership", "most_ambiguous", "parts_of"]


class Parts(NamedTuple):
    """Probabilities of all that a row may belong to: the clusters, and the noise after them.

    Parameters
    ----------
    names : array of shape (part,)
        Numbers or names of the clusters; beside a noise all are names, "noise" the last.
    mean, lower, upper : arrays of shape (obs, part)
    """

    names: NDArray[Any]
    mean: Array
    lower: Array
    upper: Array

    @property
    def largest(self) -> Array:
        """The probability of what each row most probably belongs to (obs,)."""
        return self.mean.max(axis=1)


def parts_of(membership: xr.Dataset) -> Parts:
    """Return the probabilities of clusters and noise side by side: their means sum to 1."""
    names, columns = membership["cluster"].values, ("mean", "lower", "upper")
    values = [membership[name].values for name in columns]
    if NOISE not in membership:
        return Parts(names, *values)
    beside = [membership[name].values for name in (NOISE, f"{NOISE}_lower", f"{NOISE}_upper")]
    both = zip(values, beside, strict=True)
    names = np.array([*map(str, names), NOISE])
    return Parts(names, *(np.column_stack([one, other]) for one, other in both))


@keywords(fit_or_posterior="posterior")
def membership(posterior: FitOrPosterior, rows: Any = None, prob: float = INTERVAL) -> xr.Dataset:
    """Return how probably each row belongs to each cluster, and how sure that is.

    Parameters
    ----------
    posterior : PointFit or xarray.DataTree
        A posterior must be relabelled. A point fit gives its plug-in answer, with intervals of
        width 0.
    rows : table of shape (obs, feature), data units, optional
        New rows: a Dataset, an array, lists or a frame; None takes the rows of the posterior.
    prob : float
        Probability of the equal-tailed intervals.

    Returns
    -------
    xarray.Dataset
        mean, lower, upper (obs, cluster): of P(cluster | row, draw) over draws; entropy (obs): of
        the mean probabilities, nats, from 0 (certain) to log K; most_probable (obs): the cluster,
        its number or its name. Coordinates obs and cluster: ``result["mean"].sel(cluster=1)`` is
        a column. Beside a noise also noise, noise_lower, noise_upper (obs): the probability that
        the row is of no cluster; entropy then counts it, and most_probable holds names, "noise"
        among them.

    Raises
    ------
    ConfigError
        When `prob` is outside (0, 1), or `rows` is None for a point fit.
    DataError
        When the rows are unusable.

    Examples
    --------
    >>> from bayesgmm import fit_em
    >>> data = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> fit = fit_em(data, 2, seed=1)
    >>> result = membership(fit, [[0.1], [5.3]])
    >>> result["most_probable"].values.tolist()
    [1, 2]
    >>> result["mean"].sel(cluster=2).values.round(3).tolist()
    [0.0, 1.0]
    """
    prob = check_prob(prob)
    draws = draws_of(posterior)
    values = table_for(draws, rows)
    shape = (len(values), draws.n_components)
    mean, lower, upper = np.empty(shape), np.empty(shape), np.empty(shape)
    noise = np.zeros((3, len(values)))

    def summarise(block: slice) -> None:
        by_row = draws.responsibilities_by_row(values[block])
        if draws.noise is not None:
            beside = np.maximum(1.0 - by_row.sum(axis=1), 0.0)
            noise[0, block] = beside.mean(axis=1)
            noise[1:, block] = interval(beside, prob)
        by_row.mean(axis=2, out=mean[block])
        lower[block], upper[block] = interval(by_row, prob)

    draws.over_row_blocks(len(values), summarise)
    dims = ("obs", "cluster")
    variables: dict[str, Any] = {
        "mean": (dims, mean),
        "lower": (dims, lower),
        "upper": (dims, upper),
    }
    if draws.noise is not None:
        of_noise = (NOISE, f"{NOISE}_lower", f"{NOISE}_upper")
        variables |= {name: ("obs", value) for name, value in zip(of_noise, noise, strict=True)}
    coords = {"obs": names_for(draws, rows, len(values)), "cluster": draws.clusters}
    found = xr.Dataset(variables, coords, {"prob": prob})
    parts = parts_of(found)
    return found.assign(
        entropy=("obs", entr(parts.mean).sum(axis=1)),
        most_probable=("obs", parts.names[parts.mean.argmax(axis=1)]),
    )


@keywords(count="n")
def most_ambiguous(membership: xr.Dataset, n: int = 10) -> pd.DataFrame:
    """List the rows whose cluster is least certain, the least certain first.

    Parameters
    ----------
    membership : xarray.Dataset
        As `bayesgmm.membership` returns it.
    n : int
        How many rows at most.

    Returns
    -------
    pandas.DataFrame
        Index obs; columns entropy (nats), cluster, probability (mean), lower, upper, and the
        runner_up with its runner_up_probability (missing where K = 1 and there is no noise). Both
        may be "noise" where the model has one.

    Examples
    --------
    >>> from bayesgmm import fit_em
    >>> data = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> soft = membership(fit_em(data, 2, seed=1), [[0.1], [2.7], [5.3]])
    >>> most_ambiguous(soft, 1).index.tolist()
    [1]
    """
    check_count("n", n)
    if not isinstance(membership, xr.Dataset) or "entropy" not in membership:
        raise ConfigError(
            f"most_ambiguous takes what membership returns, got {type(membership).__name__}.",
            value=membership,
        )
    order = np.argsort(-membership["entropy"].values, kind="stable")[:n]
    part = membership.isel(obs=order)
    row, parts = np.arange(len(order)), parts_of(part)
    names = parts.names
    ranked = np.argsort(-parts.mean, axis=1, kind="stable")
    table = pd.DataFrame(
        {"entropy": part["entropy"].values, "cluster": names[ranked[:, 0]]},
        index=pd.Index(part["obs"].values, name="obs"),
    )
    for column, values in zip(("probability", "lower", "upper"), parts[1:], strict=True):
        table[column] = values[row, ranked[:, 0]]
    if ranked.shape[1] > 1:
        table["runner_up"] = names[ranked[:, 1]]
        table["runner_up_probability"] = parts.mean[row, ranked[:, 1]]
    return table
