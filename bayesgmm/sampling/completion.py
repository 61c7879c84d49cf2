"""Draws of a user's own model made a result: checked, completed, and what they serve for found."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

from bayesgmm.data import Dataset, facts_of
from bayesgmm.errors import ConfigError, DataWarning
from bayesgmm.labels.exchangeability import LabelMoves, shown_moves
from bayesgmm.model.numbering import cluster_names
from bayesgmm.posterior.gaussian import held_against_gaussians, some_draws
from bayesgmm.posterior.tree import (
    COMPONENTS,
    LABELS,
    SCHEMA_VERSION,
    package_versions,
    with_attributes,
)
from bayesgmm.sampling.contract import PART_DIMS
from bayesgmm.sampling.model_density import ModelDensity
from bayesgmm.typing import Array

__all__ = ["completed", "laid_out", "numeric"]

_SAMPLE = ("chain", "draw")
_CANONICAL = {
    **PART_DIMS,
    "scales": ("cluster", "feature"),
    "correlations": ("cluster", "feature", "feature_bis"),
}
_TEST_DRAWS = 6


def completed(
    posterior: xr.Dataset,
    stats: xr.Dataset,
    density: ModelDensity,
    data: Dataset,
    *,
    keep_log_likelihood: bool,
    cluster_variables: Sequence[str],
    attributes: Mapping[str, Any],
) -> xr.DataTree:
    """Lay draws of a PyMC model out as a result.

    Parameters
    ----------
    posterior : xarray.Dataset
        Every free variable, dims chain and draw first.
    stats : xarray.Dataset
        What the sampler says of the draws; may be empty.
    density : ModelDensity
    data : Dataset
    keep_log_likelihood : bool
        Whether the tree gets one value per row and draw.
    cluster_variables : sequence of str
        Variables that belong to clusters though they lack the dim.
    attributes : mapping
        Plain JSON values.

    Raises
    ------
    ConfigError
        Where the draws lack a free variable.
    """
    shape = tuple(posterior.sizes[name] for name in _SAMPLE)
    free = _free_values(posterior, density)
    found = density.evaluate(free, by_row=keep_log_likelihood)
    total = found.terms["x"].reshape(*shape, -1).sum(axis=-1)
    prior = {
        name: (_SAMPLE, found.terms[name].reshape(*shape, -1).sum(axis=-1))
        for name in (*density.free, *density.potentials)
    }
    posterior = posterior.assign(
        {
            name: ((*_SAMPLE, *density.dims[name]), value.reshape(*shape, *value.shape[1:]))
            for name, value in found.variables.items()
            if name not in posterior
        }
    )
    rows = _by_row(found.terms["x"], data).reshape(*shape, -1) if keep_log_likelihood else None
    groups = laid_out(posterior, stats, data, total, rows)
    groups["log_prior"] = xr.Dataset(prior, {name: posterior[name] for name in _SAMPLE})
    tree = xr.DataTree.from_dict(groups)
    moves = _moves(density, free, cluster_variables)
    samples = some_draws(shape[0] * shape[1])
    few = density.evaluate({name: value[samples] for name, value in free.items()})
    shown = held_against_gaussians(tree, _by_row(few.terms["x"], data), samples)
    return with_attributes(
        tree,
        schema_version=SCHEMA_VERSION,
        data=facts_of(data),
        versions=package_versions(),
        **{LABELS: moves.to_dict(), COMPONENTS: shown},
        **attributes,
    )


def _free_values(posterior: xr.Dataset, density: ModelDensity) -> dict[str, Array]:
    """Return the free variables (sample, ...) of draws, their axes in the model's order."""
    values = {}
    for name in density.free:
        if name not in posterior:
            raise ConfigError(
                f"the draws lack the variable {name!r} of the model; they have "
                f"{', '.join(map(repr, list(posterior.data_vars)[:8]))}. Keep every free variable.",
                variable=name,
            )
        variable, dims = posterior[name], density.dims[name]
        if set(dims) == set(variable.dims) - set(_SAMPLE):
            variable = variable.transpose(*_SAMPLE, *dims)
        values[name] = variable.values.reshape(-1, *variable.shape[2:])
    return values


def _by_row(term: Array, data: Dataset) -> Array:
    """Return the log likelihood of rows (draw, obs): axes of features are summed."""
    return term.reshape(len(term), data.n_obs, -1).sum(axis=-1)


def laid_out(
    posterior: xr.Dataset, stats: xr.Dataset, data: Dataset, total: Array, rows: Array | None
) -> dict[str, xr.Dataset]:
    """Return the groups of a result, its parts with their axes in our order.

    Parameters
    ----------
    total : array of shape (chain, draw), nats
        Log likelihood of all rows.
    rows : array of shape (chain, draw, obs) or None, nats
        That of each row, where it is kept.
    """
    parts = {
        name: posterior[name].transpose(*_SAMPLE, *dims)
        for name, dims in _CANONICAL.items()
        if name in posterior and set(posterior[name].dims) == {*_SAMPLE, *dims}
    }
    posterior = posterior.assign(parts)
    features = [str(name) for name in posterior["feature"].values]
    clusters = cluster_names(posterior.sizes["cluster"], posterior["cluster"].values)
    posterior = posterior.assign_coords(cluster=clusters, feature=features, feature_bis=features)
    coords = {name: posterior[name] for name in _SAMPLE}
    groups = {
        "posterior": posterior,
        "sample_stats": numeric(stats).assign(log_likelihood=(_SAMPLE, total)),
        "observed_data": xr.Dataset(
            {"x": (("obs", "feature"), data.values)},
            {"obs": data.obs(), "feature": features},
        ),
    }
    if rows is not None:
        groups["log_likelihood"] = xr.Dataset(
            {"x": ((*_SAMPLE, "obs"), rows)}, {**coords, "obs": data.obs()}
        )
    return groups


def numeric(stats: xr.Dataset) -> xr.Dataset:
    """Return the numbers that a sampler gives, under our names; texts and objects are left out."""
    names = {"logp": "lp", "reached_max_treedepth": "maxdepth_reached", "tree_depth": "depth"}
    kept = {name: value for name, value in stats.data_vars.items() if value.dtype.kind in "biuf"}
    return xr.Dataset({names.get(str(name), str(name)): v for name, v in kept.items()})


def _moves(
    density: ModelDensity, free: Mapping[str, Array], cluster_variables: Sequence[str]
) -> LabelMoves:
    """Find out what moves with the labels, and warn of what does so in no simple way."""
    unknown = [name for name in cluster_variables if name not in density.dims]
    if unknown:
        raise ConfigError(
            f"cluster_variables names {unknown[0]!r}, which the model does not have; it has "
            f"{', '.join(map(repr, list(density.dims)[:8]))}.",
            variable=unknown[0],
        )
    n_samples = len(next(iter(free.values())))
    few = some_draws(n_samples, _TEST_DRAWS)
    moves = shown_moves(
        density.values,
        {name: value[few] for name, value in free.items()},
        density.dims,
        density.n_clusters,
        cluster_variables,
    )
    if moves.unclear:
        warnings.warn(
            f"{', '.join(map(repr, moves.unclear[:6]))} depend on the labels and do not move with "
            "them: after relabelling they hold what they had under the labels as sampled. Compute "
            "them anew from the relabelled draws, or give the clusters different priors.",
            DataWarning,
            stacklevel=4,
        )
    return moves
