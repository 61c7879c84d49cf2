"""The density of one or two features on a grid, for pictures."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np
import xarray as xr
from scipy.special import logsumexp

from bayesgmm.advice import shown
from bayesgmm.arguments import check_count, check_prob, check_real, check_texts, items_of
from bayesgmm.errors import ConfigError
from bayesgmm.likelihood.annotated_rows import counting_rows, values_of
from bayesgmm.limits import INTERVAL, MAX_ABSOLUTE
from bayesgmm.model.components import NOISE
from bayesgmm.posterior.draws import Draws
from bayesgmm.prediction.averaged import WHOLE, Average
from bayesgmm.prediction.draws import FitOrPosterior, draws_of, interval
from bayesgmm.runtime.keywords import keywords
from bayesgmm.runtime.memory import require_bytes
from bayesgmm.typing import Array

__all__ = ["density_grid", "mean_density"]

REACH = 3.0
MARGIN = 0.1
SIZES = {1: 200, 2: 80}
AXES = ("x", "y")

Limits = Sequence[tuple[float, float]]


@keywords(fit_or_posterior="posterior")
def density_grid(
    posterior: FitOrPosterior | Average,
    features: str | Sequence[str] | None = None,
    *,
    size: int | None = None,
    limits: Limits | None = None,
    prob: float = INTERVAL,
) -> xr.Dataset:
    """Return the density of one or two features on a regular grid, others integrated out.

    Parameters
    ----------
    posterior : PointFit, xarray.DataTree or Average
    features : str or sequence of one or two str, optional
        None takes the first two features, or the only one.
    size : int, optional
        Number of grid points of each axis: 200 for one feature and 80 for two by default.
    limits : sequence of (float, float), optional
        Ends of each axis, data units. None takes the range of the rows and 10 % on either side,
        or for a point fit three standard deviations beyond the outermost means.
    prob : float
        Probability of the equal-tailed intervals.

    Returns
    -------
    xarray.Dataset
        mean, lower, upper (x) or (y, x): the exact marginal density of the mixture, per unit of
        the data; components (cluster, x) or (cluster, y, x): the mean of each component's share,
        which add up to the mean, with that of the noise (noise) where there is one; of an average
        over models one for all. Coordinates x and y
        carry their feature's name as long_name.

    Raises
    ------
    ConfigError
        For an unknown feature, more than two, or unusable limits, size or prob.

    Examples
    --------
    >>> from bayesgmm import fit_em
    >>> fit = fit_em([[0.0], [1.0], [2.0], [3.0]], 1, seed=1)
    >>> grid = density_grid(fit, size=101, limits=[(-8, 11)])
    >>> round(float(grid["mean"].integrate("x")), 6)
    1.0
    """
    prob = check_prob(prob)
    everything = draws_of(posterior, labelled=False)
    names = _names(features, everything.features)
    size = SIZES[len(names)] if size is None else size
    need = 8 * (6 + everything.n_components) * check_count("size", size, 2) ** len(names)
    require_bytes(need, f"a grid of {size} points an axis", "take fewer")
    draws = everything.marginal([everything.features.index(name) for name in names])
    axes = [np.linspace(*ends, size) for ends in _limits(draws, limits)]
    rows = np.stack([axis.ravel() for axis in np.meshgrid(*axes)], axis=1)
    summary = _summary_at(draws, rows, prob)
    dims = AXES[: len(names)][::-1]
    shape = (size,) * len(names)
    variables: dict[str, Any] = {
        name: (dims, values.reshape(shape))
        for name, values in zip(("mean", "lower", "upper"), summary, strict=False)
    }
    components, clusters = summary[3], draws.clusters
    if isinstance(posterior, Average):
        components, clusters = components.sum(axis=0), np.array([WHOLE])
    variables["components"] = (("cluster", *dims), components.reshape(-1, *shape))
    share = draws.parameters.noise
    if draws.noise is not None and share is not None:
        beside = share.mean() * np.exp(draws.noise.log_density(rows))
        variables[NOISE] = (dims, beside.reshape(shape))
    coords = {
        dim: (dim, axis, {"long_name": name})
        for dim, axis, name in zip(AXES, axes, names, strict=False)
    }
    return xr.Dataset(variables, {**coords, "cluster": clusters}, {"prob": prob})


def mean_density(draws: Draws, axes: Sequence[Array]) -> Array:
    """Return the mean over the draws of the density of all their features on a grid.

    Parameters
    ----------
    draws : Draws
    axes : sequence of arrays, data units
        One a feature; the last varies slowest.

    Returns
    -------
    array
        Of the shape of `numpy.meshgrid` of the axes.
    """
    grid = np.meshgrid(*axes)
    rows = np.stack([axis.ravel() for axis in grid], axis=1)
    mean = np.empty(len(rows))

    def average(block: slice) -> None:
        mean[block] = _mean_of(draws.log_densities(rows[block]))

    draws.over_row_blocks(len(rows), average)
    return mean.reshape(grid[0].shape)


def _mean_of(logs: Array) -> Array:
    """Return the mean over the draws of densities whose logs (sample, row) are given."""
    mean: Array = np.exp(logsumexp(logs, axis=0)) / len(logs)
    return mean


def _names(features: str | Sequence[str] | None, available: tuple[str, ...]) -> list[str]:
    if features is None:
        return list(available[:2])
    names = [features] if isinstance(features, str) else check_texts("features", features)
    if not 1 <= len(set(names)) == len(names) <= 2:
        raise ConfigError(
            f"features must be one or two different names, got {shown(names)}.", value=names
        )
    for name in names:
        if name not in available:
            raise ConfigError(
                f"there is no feature {shown(name)}; the model has {', '.join(available[:8])}.",
                value=name,
            )
    return names


def _ends(pair: Any) -> tuple[float, float]:
    """Return the ends of an axis; for what is none two that are equal."""
    try:
        low, high = pair
        low, high = check_real("limits", low), check_real("limits", high)
    except (TypeError, ValueError):  # ConfigError is one
        return 0.0, 0.0
    return (low, high) if max(abs(low), abs(high)) <= MAX_ABSOLUTE else (0.0, 0.0)


def _limits(draws: Draws, limits: Limits | None) -> list[tuple[float, float]]:
    if limits is not None:
        given = list(islice(items_of("limits", limits, "(low, high)"), len(draws.features) + 1))
        ends = [(low, high) for low, high in map(_ends, given) if low < high]
        if len(given) != len(draws.features) or len(ends) != len(given):
            raise ConfigError(
                f"limits must hold one (low, high) for each of {len(draws.features)} features, "
                f"got {shown(limits)}.",
                value=limits,
            )
        return ends
    if draws.observed is not None:
        values = values_of(counting_rows(draws.observed))
        low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
        margin = MARGIN * (high - low)
        return list(zip(low - margin, high + margin, strict=True))
    means, reach = draws.parameters.means, REACH * draws.parameters.scales
    return list(
        zip((means - reach).min(axis=(0, 1)), (means + reach).max(axis=(0, 1)), strict=True)
    )


def _summary_at(draws: Draws, rows: Array, prob: float) -> tuple[Array, Array, Array, Array]:
    """Return mean, lower, upper (row) of the density, and the components' means (cluster, row)."""
    mean, lower, upper = (np.empty(len(rows)) for _ in range(3))
    components = np.empty((draws.n_components, len(rows)))

    def summarise(block: slice) -> None:
        logs = draws.log_densities(rows[block])
        mean[block] = _mean_of(logs)
        shares = draws.responsibilities_by_row(rows[block])
        components[:, block] = np.einsum("rks,sr->kr", shares, np.exp(logs)) / draws.n_samples
        lower[block], upper[block] = np.exp(interval(np.ascontiguousarray(logs.T), prob))

    draws.over_row_blocks(len(rows), summarise)
    return mean, lower, upper, components
