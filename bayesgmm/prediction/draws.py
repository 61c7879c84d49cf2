"""What predictions are made from: the draws of a posterior, or a point fit as a single draw."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesgmm.errors import ConfigError
from bayesgmm.fit import PointFit
from bayesgmm.likelihood.annotated_rows import AnnotatedRows, RowTable
from bayesgmm.posterior.draws import Draws, Posterior
from bayesgmm.prediction.averaged import Average
from bayesgmm.prediction.rows import checked_rows, row_names
from bayesgmm.typing import Array, IntArray

__all__ = [
    "FitOrPosterior",
    "draws_of",
    "drawn_clusters",
    "interval",
    "names_for",
    "require_no_noise",
    "require_no_tails",
    "table_for",
    "with_noise_last",
]

FitOrPosterior = PointFit | Posterior


def draws_of(
    posterior: FitOrPosterior | Average, *, gaussian: bool = True, labelled: bool = True
) -> Draws:
    """View a posterior, or a point fit as one draw; a view at hand is returned as it is.

    Parameters
    ----------
    posterior : PointFit, xarray.DataTree, Draws or Average
    gaussian : bool
        Whether their density will be asked for, which must then be that of Gaussians.
    labelled : bool
        Whether clusters will be told apart, which those of an average over models are not.

    Raises
    ------
    ConfigError
        When it is none of these, or the components are not Gaussian, or have no identity.
    """
    if isinstance(posterior, Average):
        if labelled:
            raise ConfigError(
                "an average over models has no clusters of its own: take density, log_density, "
                "density_grid, coclustering, partition or group_membership, or one model's "
                "posterior.",
                value=posterior,
            )
        return posterior.draws
    if isinstance(posterior, PointFit):
        fit = posterior
        single = fit.parameters.at(None)
        names, noise = fit.resolved.cluster_names, fit.resolved.noise
        return Draws.of(single, fit.features, clusters=names, noise=noise)
    if isinstance(posterior, xr.DataTree) and "posterior" in posterior.children:
        posterior = Draws(posterior)
    if not isinstance(posterior, Draws):
        raise ConfigError(
            "a PointFit or a DataTree with a posterior group is needed, got "
            f"{type(posterior).__name__}; both come from fit_em, fit_map and sample.",
            value=posterior,
        )
    if gaussian:
        posterior.require_gaussian()
    return posterior


def require_no_tails(verb: str, draws: Draws) -> None:
    """Raise ConfigError where components are not Gaussian, and a verb knows no others."""
    if draws.parameters.tailed:
        kind = "contaminated" if draws.parameters.nu is None else "t"
        raise ConfigError(
            f"{verb} takes Gaussian components, and those of this model are {kind}; density, "
            "membership, overlap and simulate take both.",
            key="family",
        )


def require_no_noise(verb: str, draws: Draws) -> None:
    """Raise ConfigError where there is noise beside the clusters, which a verb does not know."""
    if draws.parameters.noise is not None:
        raise ConfigError(
            f"{verb} does not take a model with noise; density, membership and simulate do.",
            key="noise",
        )


def with_noise_last(shares: Array, draws: Draws) -> Array:
    """Return P(cluster | row), clusters along axis 1, with that of the noise after them if any."""
    if draws.noise is None:
        return shares
    beside = np.maximum(1.0 - shares.sum(axis=1, keepdims=True), 0.0)
    return np.concatenate([shares, beside], axis=1)


def drawn_clusters(shares: Array, rng: np.random.Generator) -> IntArray:
    """Draw a cluster of each row in each draw, from P(cluster | row, draw).

    Parameters
    ----------
    shares : array of shape (sample, cluster, row)
    rng : numpy.random.Generator

    Returns
    -------
    array of shape (sample, row)
    """
    below = shares.cumsum(axis=1)[:, :-1] <= rng.random((len(shares), 1, shares.shape[2]))
    return below.sum(axis=1)


def table_for(draws: Draws, rows: Any) -> RowTable:
    """Return new rows, checked, or the observed ones for None, with what is known of them."""
    if rows is None:
        return draws.table
    if isinstance(rows, AnnotatedRows):  # of a caller within the package
        return rows
    return checked_rows(rows, draws.features, draws.clusters)


def names_for(draws: Draws, rows: Any, n_rows: int) -> NDArray[Any]:
    """Return the names of the `n_rows` rows that `table_for` returns for the same argument."""
    return draws.obs if rows is None else row_names(rows, draws.features, n_rows)


def interval(values: Array, prob: float) -> Array:
    """Return the equal-tailed interval over the last axis, shape (2, ...); `values` is reordered.

    Quantiles are interpolated linearly between the two order statistics (type 7); NaN where any
    value is. A partition at one place is vector code in NumPy, four times as fast as its quantile.
    """
    ends = []
    last = values.shape[-1] - 1
    for tail in (0.5 - 0.5 * prob, 0.5 + 0.5 * prob):
        place = int(tail * last)
        values.partition(place, axis=-1)
        end = values[..., place].copy()
        if place < last:
            end += (tail * last - place) * (values[..., place + 1 :].min(axis=-1) - end)
        ends.append(end)
    return np.stack(ends)
