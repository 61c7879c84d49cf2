"""Plots of the prior: beside the posterior, and what it predicts beside the data."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from bayesgmm.arguments import check_prob, seed_of
from bayesgmm.data import as_dataset, check_components
from bayesgmm.errors import ConfigError
from bayesgmm.likelihood.annotated_rows import counting_rows, table_of, times_of
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.limits import INTERVAL
from bayesgmm.model.components import NOISE
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import Covariance, MixtureSpec, as_spec
from bayesgmm.plots.curves import bin_edges, evenly, to_show
from bayesgmm.plots.look import Size, asked_look, new_grid, styled
from bayesgmm.plots.observed import Column, column_of, told_of
from bayesgmm.plots.plot import Plot, plotted
from bayesgmm.plots.theme import (
    axis_label,
    colour_at,
    entitle,
    finish,
    ink,
    noise_colour,
    percent,
    predicted,
    printable,
    units_of,
)
from bayesgmm.posterior.draws import Draws, Posterior
from bayesgmm.posterior.kept_rows import with_kept_rows
from bayesgmm.prediction.draws import draws_of
from bayesgmm.runtime.keywords import keywords
from bayesgmm.typing import Array

__all__ = ["prior_draws", "prior_posterior", "prior_predictive"]

_MOST_FEATURES = 4
_DRAWS = 4000
_CURVES = 3000
_POLE = 10.0  # times the density in the middle


@keywords()
@styled
def prior_posterior(
    posterior: Posterior,
    *,
    units: Mapping[str, str] | None = None,
    figsize: Size | None = None,
    title: str | None = None,
    legend: bool = True,
    colors: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Plot:
    """Draw the marginal prior of each parameter against its posterior in each cluster.

    Parameters
    ----------
    posterior : xarray.DataTree
        A relabelled posterior of `sample`.
    units : mapping of str to str, optional
        Unit of each feature, for the axes; by default as the data, fit or result states it.
    figsize : (float, float), optional
        Width and height of a new figure, inches.
    title : str, optional
        Title instead of the default; "" for none.
    legend : bool
        Whether to draw the legend.
    colors : sequence of str, optional
        Colours instead of the defaults, in the order of the clusters or lines.
    ax : Axes, optional
        Axes to draw in. They are removed, and the panels take their place.

    Returns
    -------
    Plot
        Axes of shape (kind, feature): weights and correlations in the first row, then means and
        scales of each feature; with more than four features, the four in which the clusters lie
        farthest apart.

    Raises
    ------
    ConfigError
        When the posterior is of a PyMC model of one's own, whose priors are not known here.

    Examples
    --------
    >>> from bayesgmm.sampling import sample
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> tree = sample(rows, 2, draws=100, seed=1)
    >>> prior_posterior(tree).axes.shape
    (3, 1)
    """
    draws = draws_of(posterior, gaussian=False)
    resolved, mixture = _resolved(draws), to_show(draws, n_draws=_DRAWS)
    known = units_of(posterior, units)
    places = sorted(mixture.separating()[:_MOST_FEATURES].tolist())
    has_pairs = resolved.has_correlation_matrices
    columns = max(len(places), 1 + has_pairs)
    lone = len(places) == 1
    axes = new_grid(1, 3, 9.0, 3.4).T if lone else new_grid(3, columns, 1.4 + 2.6 * columns, 6.6)
    for ax in [*axes[0, 1 + has_pairs :], *axes[1:, len(places) :].ravel()]:
        ax.set_visible(False)
    parameters, laws = mixture.draws.parameters, _marginals(resolved)
    clusters = mixture.clusters
    of_weights = parameters.parts, mixture.parts, laws["weights"]
    _draw_against(axes[0, 0], *of_weights, "weight", (0.0, 1.0))
    if has_pairs:
        lower = np.tril_indices(resolved.n_features, -1)
        pooled = np.moveaxis(parameters.correlations[..., lower[0], lower[1]], 1, -1)
        pooled = pooled.reshape(-1, resolved.n_components)
        name = "correlation" if resolved.n_features == 2 else "correlations, all pairs"
        _draw_against(axes[0, 1], pooled, clusters, laws["correlations"], name, (-1.0, 1.0))
    kind = "unique scale" if resolved.structure.has_loadings else "scale"
    for column, place in enumerate(places):
        label = axis_label(mixture.draws.features[place], known)
        scales = parameters.scales if parameters.unique_scales is None else parameters.unique_scales
        mean, scale = parameters.means[..., place], scales[..., place]
        _draw_against(axes[1, column], mean, clusters, laws["means"](place), f"mean of {label}")
        _draw_against(axes[2, column], scale, clusters, laws["scales"](place), f"{kind} of {label}")
    for ax in axes[:, 1:].ravel() if not lone else axes[1:].ravel():
        ax.set_ylabel("")
    entitle(axes[0, 0], f"Prior against posterior, K = {resolved.n_components}", columns=5)
    return plotted(axes)


def _resolved(draws: Draws) -> ResolvedSpec:
    if draws.resolved is None:
        raise ConfigError("this needs a posterior of bayesgmm.sample, whose priors are stored.")
    return draws.resolved


def _marginals(resolved: ResolvedSpec) -> dict[str, Any]:
    """Return the marginal priors of each kind of parameter, one of each that are equal."""
    from scipy import stats

    total = resolved.concentrations.sum()
    shape = resolved.eta + resolved.n_features / 2 - 1

    def weights() -> list[Any]:
        own = np.unique(resolved.concentrations)
        return [stats.beta(a, total - a) for a in own] if total > own.max() else []

    def means(place: int) -> list[Any]:
        numbers = np.stack([rows[:, place] for rows in resolved.mean_rows], axis=1)
        return [stats.norm(*pair) for pair in np.unique(numbers, axis=0)]

    def scales(place: int) -> list[Any]:
        family = resolved.scale_prior
        return [family.marginal(scale) for scale in np.unique(resolved.scale_rows[:, place])]

    return {
        "weights": weights(),
        "correlations": [stats.beta(shape, shape, loc=-1, scale=2)],
        "means": means,
        "scales": scales,
    }


def _peak(law: Any, points: Array, density: Array) -> float:
    """Return the highest density; that of the middle 80 % where a pole would hide all the rest."""
    low, high = law.ppf([0.1, 0.9])
    inside = density[(points >= low) & (points <= high)].max(initial=0.0)
    largest = float(density.max())
    return largest if largest <= _POLE * inside or inside == 0.0 else float(inside)


def _draw_against(
    ax: Axes,
    values: Array,
    clusters: tuple[str, ...],
    laws: list[Any],
    name: str,
    support: tuple[float, float] | None = None,
) -> None:
    """Draw histograms of values (sample, part) as outlines over the densities of the priors."""
    if support is None:
        low = min(law.ppf(0.005) for law in laws)
        high = max(law.ppf(0.985) for law in laws)
        support = (min(low, float(values.min())), max(high, float(values.max())))
    points = np.linspace(*support, 400)
    for number, law in enumerate(laws):
        density = law.pdf(points)
        label = None if number else "prior"
        alpha = 1.0 if len(laws) == 1 else 0.6
        height = np.minimum(density / _peak(law, points, density), 1.0)
        ax.fill_between(points, height, color=ink(0.19), lw=0, alpha=alpha, label=label)
    for k, cluster in enumerate(clusters):
        counts, edges = np.histogram(values[:, k], bins=40)
        heights = counts / counts.max()
        colour = noise_colour() if cluster == NOISE else colour_at(k)
        ax.stairs(heights, edges, color=colour, fill=True, alpha=0.25)
        ax.stairs(heights, edges, color=colour, lw=1.1, label=printable(cluster))
    ax.set_xlim(support)
    ax.set_ylim(0, 1.08)
    ax.locator_params(axis="x", nbins=5)
    ax.set_yticks([])
    finish(ax, x=name, y="density / its peak", legend=None)
    ax.xaxis.label.set_fontsize(asked_look().points(8.5))


@keywords()
@styled
def prior_predictive(
    source: Any,
    spec: MixtureSpec | int | None = None,
    *,
    covariance: Covariance | None = None,
    columns: Sequence[str] | None = None,
    prob: float = INTERVAL,
    seed: int | None = None,
    units: Mapping[str, str] | None = None,
    figsize: Size | None = None,
    title: str | None = None,
    legend: bool = True,
    colors: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Plot:
    """Draw what the prior alone predicts beside the data, and the components it would occupy.

    Parameters
    ----------
    source : Dataset, array, frame or DataTree
        Data, with `spec`; or a posterior, which holds both.
    spec : MixtureSpec or int, optional
    covariance : str, optional
        The covariance structure beside a number of components; "full" by default.
    columns : sequence of str, optional
        The features among the columns of `data`, in this order; all by default.
    prob : float
        Probability of the pointwise, equal-tailed band of the density.
    seed : int, optional
        Random seed of the prior's draws; generated if None.
    units : mapping of str to str, optional
        Unit of each feature, for the axes; by default as the data, fit or result states it.
    figsize : (float, float), optional
        Width and height of a new figure, inches.
    title : str, optional
        Title instead of the default; "" for none.
    legend : bool
        Whether to draw the legend.
    colors : sequence of str, optional
        Colours instead of the defaults, in the order of the clusters or lines.
    ax : Axes, optional
        Axes to draw in. They are removed, and the panels take their place.

    Returns
    -------
    Plot
        One panel per feature (six at most), then the prior on the number of occupied components.

    Examples
    --------
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> axes = prior_predictive(rows, 2, seed=1).axes
    >>> axes[-1].get_xlabel()
    'occupied components among 8 rows'
    """
    prob = check_prob(prob)
    seed = seed_of(seed)
    if isinstance(source, xr.DataTree | Draws):
        draws = with_kept_rows(draws_of(source, gaussian=False))
        resolved, rows = _resolved(draws), draws.table
    elif spec is None:
        raise ConfigError("prior_predictive needs a spec beside data.")
    else:
        data, spec = as_dataset(source, columns), as_spec(spec, covariance)
        check_components(data, spec.n_components, correlated=spec.has_correlations)
        resolved = resolve(spec, data)
        rows = table_of(data, resolved.n_components)
    rows = counting_rows(rows)
    known = units_of(source, units)
    rng = np.random.default_rng(seed)
    prior = _draws_of_prior(resolved, rng)
    places = range(min(resolved.n_features, 6))
    n_panels = len(places) + 1
    across = min(n_panels, 2 if n_panels <= 4 else 3)
    n_rows = -(-n_panels // across)
    axes = new_grid(n_rows, across, 3.7 * across, 2.7 * n_rows + 0.5).ravel()
    for ax in axes[n_panels:]:
        ax.set_visible(False)
    for ax, place in zip(axes[: len(places)], places, strict=True):
        margin = prior.marginal([place])
        _draw_prior_density(ax, margin, column_of(rows, place), prob, told_of(rows))
        label = axis_label(resolved.features[place], known)
        finish(ax, x=label, y="density (per unit)", legend=None)
    _draw_occupied(axes[len(places)], prior, int(times_of(rows).sum()), rng)
    entitle(axes[0], f"What the prior alone predicts, K = {resolved.n_components}")
    return plotted(axes[:n_panels])


def prior_draws(draws: Draws, rng: np.random.Generator) -> Draws:
    """Return draws from the prior of a posterior's model."""
    return _draws_of_prior(_resolved(draws), rng)


def _draws_of_prior(resolved: ResolvedSpec, rng: np.random.Generator) -> Draws:
    from bayesgmm.sampling.smc import draw_prior

    log_posterior = LogPosterior(resolved, resolved.centre[None])
    parameters = log_posterior.constrain(draw_prior(log_posterior, _CURVES, rng))
    frame = resolved.centre, resolved.unit
    return Draws.of(parameters, resolved.features, frame=frame, noise=resolved.noise)


def _draw_prior_density(ax: Axes, margin: Draws, column: Column, prob: float, label: str) -> None:
    low_end, high_end = column.values.min(), column.values.max()
    centre, reach = (low_end + high_end) / 2, 1.1 * (high_end - low_end)
    points = np.linspace(centre - reach, centre + reach, 300)
    density = np.exp(margin.log_densities(points[:, None]))
    low, high = np.quantile(density, [(1 - prob) / 2, (1 + prob) / 2], axis=0)
    ax.fill_between(
        points,
        low,
        high,
        color=predicted(),
        alpha=0.18,
        lw=0,
        label=f"{percent(prob)} of prior densities",
    )
    for curve in density[evenly(len(density), 12)]:
        ax.plot(points, curve, color=predicted(), lw=0.5, alpha=0.45)
    ax.plot(points, density.mean(axis=0), color=ink(), lw=1.5, label="prior predictive density")
    heights, _, _ = ax.hist(
        column.values, bins=bin_edges(column.values, column.times).tolist(), weights=column.weights,
        density=True, histtype="step", color=ink(0.8), lw=1.3, label=label,
    )  # fmt: skip
    ax.set_ylim(0, 1.25 * max(float(np.max(heights)), float(np.quantile(high, 0.98))))
    ax.set_xlim(points[0], points[-1])


def _draw_occupied(ax: Axes, prior: Draws, n: int, rng: np.random.Generator) -> None:
    rows_of_parts = rng.multinomial(n, prior.parameters.parts)
    occupied = (rows_of_parts[:, : prior.n_components] > 0).sum(axis=1)
    ks = np.arange(0 if prior.noise is not None else 1, prior.n_components + 1)
    shares = [(occupied == k).mean() for k in ks]
    ax.bar(ks, shares, width=0.6, color=predicted())
    ax.set_xticks(ks)
    ax.set_ylim(0, 1.05)
    ax.grid(axis="y", color=ink(0.1), lw=0.7)
    ax.set_axisbelow(True)
    finish(ax, x=f"occupied components among {n} rows", y="prior probability", legend=None)
