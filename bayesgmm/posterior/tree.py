"""The layout of a result: the DataTree, from arrays and back."""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from types import MappingProxyType
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesgmm.advice import Advice, Option, shown
from bayesgmm.data import Annotations, Dataset, facts_of, require_likelihood_of
from bayesgmm.errors import ConfigError, ResultFileError
from bayesgmm.likelihood.annotated_rows import RowTable, annotated_rows
from bayesgmm.model.components import NOISE
from bayesgmm.model.numbering import cluster_names
from bayesgmm.model.parameters import Parameters, matrices_of, pair_names, pairs_of, permute
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.posterior.constants import constants, known_nu, known_nu_in
from bayesgmm.posterior.observed import ALL_ROWS, SOME_ROWS, annotations_in, observed_groups
from bayesgmm.typing import Array, IntArray

__all__ = [
    "COMPONENTS",
    "LABELS",
    "SCHEMA_VERSION",
    "attribute",
    "check_posterior",
    "check_tree",
    "clusters_of",
    "moved_along",
    "kept_rows",
    "package_versions",
    "obs_of",
    "parameters_of",
    "permuted_tree",
    "posterior_tree",
    "require_likelihood",
    "resolved_of",
    "rows_of",
    "some_rows_of",
    "units_in",
    "weights_in",
    "with_attributes",
]

SCHEMA_VERSION = 2
COMPONENTS = "components"  # the attribute that says whether those of a user's model are Gaussian
LABELS = "labels"  # the attribute that says what moves with the labels of a user's own model
_SQUARE = ("cluster", "feature", "feature_bis")
_PARAMETER_DIMS = {
    "weights": ("cluster",),
    "means": ("cluster", "feature"),
    "scales": ("cluster", "feature"),
    "correlations": ("cluster", "pair"),
    "covariances": _SQUARE,
    "nu": ("cluster",),
    "inflation": (),
    "good_share": (),
    "loadings": ("cluster", "feature", "factor"),
    "unique_scales": ("cluster", "feature"),
}
_SAMPLE = ("chain", "draw")
_NEEDED = {
    "posterior": ("weights", "means", "covariances"),
    "sample_stats": ("log_likelihood",),
    "observed_data": ("x",),
}
_PACKAGES = ("bayesgmm", "pymc", "arviz", "nutpie", "numba", "numpy", "scipy", "xarray")


def posterior_tree(
    parameters: Parameters,
    free: Mapping[str, Array],
    *,
    data: Dataset,
    resolved: ResolvedSpec,
    log_likelihood: Array | None,
    log_prior: Mapping[str, Array],
    sample_stats: Mapping[str, Array],
    attributes: Mapping[str, Any],
    further: Mapping[str, xr.Dataset] = MappingProxyType({}),
) -> xr.DataTree:
    """Lay draws out as ArviZ writes them.

    Parameters
    ----------
    parameters : Parameters
        Arrays of shape (chain, draw, ...), data units.
    free : mapping of str to array
        The free variables such as scales_free and partial_correlations_beta, (chain, draw, ...).
    data : Dataset
    resolved : ResolvedSpec
    log_likelihood : array of shape (chain, draw, obs) or None, nats
    log_prior : mapping of str to array of shape (chain, draw), nats
    sample_stats : mapping of str to array of shape (chain, draw, ...)
    attributes : mapping
        Plain JSON values; spec, resolved, data, versions and the schema version are added.
    further : mapping of str to xarray.Dataset
        Groups beside those named below.

    Returns
    -------
    xarray.DataTree
        Groups posterior, log_likelihood, log_prior, sample_stats, observed_data, constant_data. Of
        many rows that were left in a file 20,000 are kept, in observed_sample, and not all of them
        in observed_data.
    """
    shape = parameters.weights.shape
    numbered = {"chain": np.arange(shape[0]), "draw": np.arange(shape[1])}
    groups = {
        "posterior": _posterior(parameters, free, resolved, numbered),
        "log_prior": xr.Dataset({k: (_SAMPLE, v) for k, v in log_prior.items()}, numbered),
        "sample_stats": xr.Dataset({k: (_SAMPLE, v) for k, v in sample_stats.items()}, numbered),
        **observed_groups(data),
        "constant_data": constants(parameters, resolved),
    }
    if log_likelihood is not None:
        groups["log_likelihood"] = xr.Dataset(
            {"x": ((*_SAMPLE, "obs"), log_likelihood)}, {**numbered, "obs": data.obs()}
        )
    tree = xr.DataTree.from_dict({**groups, **further})
    tree.attrs = _texts(
        schema_version=SCHEMA_VERSION,
        spec=resolved.spec.to_dict(),
        resolved=resolved.to_dict(),
        data=facts_of(data),
        versions=package_versions(),
        **attributes,
    )
    return tree


@cache
def package_versions() -> dict[str, str]:
    """Return the versions of the packages behind a result."""
    return {name: version(name) for name in _PACKAGES}


def _posterior(
    parameters: Parameters,
    free: Mapping[str, Array],
    resolved: ResolvedSpec,
    numbered: Mapping[str, IntArray],
) -> xr.Dataset:
    """Lay out the parameters and the free variables; what the structure lacks is left out."""
    structure, features = resolved.structure, list(resolved.features)
    has_correlations = structure.has_correlations(resolved.n_features)
    dims = {
        **_PARAMETER_DIMS,
        structure.scale_name: structure.scale_dims,
        "loadings_diagonal": structure.loading_dims("factor"),
        "loadings_below": structure.loading_dims("loading"),
        "partial_correlations_beta": structure.pair_dims,
        "nu_free": ("cluster",) if resolved.tails is not None and resolved.tails.own else (),
        "weights_of_parts": ("part",),
        "noise_weight": (),
        "excess": (),
    }
    present = {name: value for name, value in parameters._asdict().items() if value is not None}
    values = {**present, **free}
    if parameters.noise is not None:
        values |= {"noise_weight": values.pop("noise"), "weights_of_parts": parameters.parts}
    if known_nu(parameters, resolved) is not None:
        del values["nu"]
    correlations = values.pop("correlations")
    if has_correlations:
        values["correlations"] = pairs_of(correlations)
    clusters = cluster_names(resolved.n_components, resolved.cluster_names)
    coords = {
        **numbered,
        "cluster": clusters,
        "feature": features,
        "feature_bis": features,
    }
    if has_correlations:
        coords["pair"] = pair_names(features)
    coords |= resolved.factor_coords
    if parameters.noise is not None:
        coords["part"] = [*map(str, clusters), NOISE]
    return xr.Dataset({k: ((*_SAMPLE, *dims[k]), v) for k, v in values.items()}, coords)


def with_attributes(tree: xr.DataTree, **values: Any) -> xr.DataTree:
    """Return the tree with attributes set, each stored as JSON text."""
    new = tree.copy()
    new.attrs = {**tree.attrs, **_texts(**values)}
    return new


def _texts(**values: Any) -> dict[str, str]:
    return {name: json.dumps(value) for name, value in values.items()}


def attribute(tree: xr.DataTree, name: str) -> Any:
    """Read an attribute back from its JSON text; None where there is none."""
    text = tree.attrs.get(name)
    try:
        return None if text is None else json.loads(text)
    except (TypeError, ValueError):
        raise ResultFileError(
            f"attribute {name!r} of the result is not JSON text, got {shown(text)}.", attribute=name
        ) from None


def check_tree(tree: Any) -> xr.DataTree:
    """Return the tree, or raise ConfigError where it is none."""
    if not isinstance(tree, xr.DataTree):
        raise ConfigError(
            f"a posterior (the DataTree that sample returns) is needed, got {type(tree).__name__}."
        )
    return tree


def check_posterior(tree: Any, group: str = "posterior") -> None:
    """Raise ConfigError unless this is a tree with what a group of every result holds."""
    for name in _NEEDED[group]:
        if group not in check_tree(tree) or name not in tree[group]:
            raise ConfigError(
                f"the posterior has no {group}/{name}: a DataTree as sample returns it is needed; "
                "adopt(tree, data, spec_or_model) makes one of draws made elsewhere.",
                group=group,
                name=name,
            )


def weights_in(tree: xr.DataTree) -> Array | None:
    """Return how often each observed row counts (obs,); None where each counts once."""
    group = tree["observed_data"].to_dataset() if "observed_data" in tree else {}
    return np.array(group["weights"].values, dtype=float) if "weights" in group else None


def require_likelihood(tree: xr.DataTree, what: str) -> None:
    """Raise DataError where the rows of a result have no likelihood, which this needs."""
    if "observed_data" in tree:
        require_likelihood_of(annotations_in(tree["observed_data"].to_dataset()), what)


def resolved_of(tree: xr.DataTree) -> ResolvedSpec | None:
    """Return the resolved spec of a tree; None for a user's own model."""
    check_posterior(tree)
    values = attribute(tree, "resolved")
    return None if values is None else ResolvedSpec.from_dict(values)


def kept_rows(tree: xr.DataTree) -> xr.Dataset:
    """Return the group of the rows that a result keeps: all, or some that stand for them."""
    if SOME_ROWS in check_tree(tree):
        return tree[SOME_ROWS].to_dataset()
    check_posterior(tree, ALL_ROWS)
    return tree[ALL_ROWS].to_dataset()


def rows_of(tree: xr.DataTree) -> RowTable:
    """Return the observed rows, data units, with what is known of them beside their values.

    Raises
    ------
    ConfigError
        Where the result keeps some of many rows only.
    """
    if SOME_ROWS in check_tree(tree):
        facts = attribute(tree, "data")
        raise ConfigError(
            Advice(
                f"this needs every row, and this result keeps {tree[SOME_ROWS].sizes['obs']} of "
                f"the {facts['rows']} rows of {facts['source']}; the others are in the file only. "
                "Pass the rows where a function takes them, or read the file with ",
                Option("in_memory", True),
                " and sample again.",
            ),
            rows=facts["rows"],
        )
    return some_rows_of(tree)


def some_rows_of(tree: xr.DataTree) -> RowTable:
    """Return the rows that a result keeps: all, or some of many that stand for them."""
    group = kept_rows(tree)
    values = np.ascontiguousarray(group["x"].values)
    known, resolved = annotations_in(group), resolved_of(tree)
    noise = None if resolved is None else resolved.noise
    if known is None and noise is None and not np.isnan(values).any():
        return values
    rows = annotated_rows(values, known or Annotations(), clusters_of(tree).size)
    return replace(rows, noise=noise)


def obs_of(tree: xr.DataTree) -> NDArray[Any]:
    """Return the names of the observed rows that are kept: labels, or numbers from 0."""
    return np.asarray(kept_rows(tree)["obs"].values)


def units_in(tree: xr.DataTree) -> dict[str, str]:
    """Return the unit of each feature of a result, where its data or its author state it."""
    stated = {**(attribute(tree, "about") or {}), **(attribute(tree, "data") or {})}.get("units")
    return {str(k): str(v) for k, v in stated.items()} if isinstance(stated, dict) else {}


def clusters_of(tree: xr.DataTree) -> NDArray[Any]:
    """Return what the clusters are called: their names, or their numbers from 1."""
    check_posterior(tree)
    weights = tree["posterior"].to_dataset()["weights"]
    return cluster_names(weights.sizes["cluster"], weights["cluster"].values)


def parameters_of(tree: xr.DataTree) -> Parameters:
    """Return the draws with chains one after another: arrays of shape (sample, ...).

    Scales and correlations that a model does not name are those of its covariances. Correlations
    are one a pair of features in our results, and matrices in those of a user's own model.
    """
    check_posterior(tree)
    posterior = tree["posterior"].to_dataset()
    arrays = {
        name: posterior[name].values.reshape(-1, *posterior[name].shape[2:])
        for name, dims in _PARAMETER_DIMS.items()
        if name in posterior and posterior[name].dims[2:] == dims
    }
    nu = known_nu_in(tree)
    if nu is not None:
        size = posterior.sizes["chain"] * posterior.sizes["draw"]
        arrays["nu"] = np.tile(nu, (size, 1))
    if "correlations" in arrays:
        size = posterior.sizes["feature"]
        arrays["correlations"] = matrices_of(arrays["correlations"], size)
    elif "correlations" in posterior and posterior["correlations"].dims[2:] == _SQUARE:
        whole = posterior["correlations"].values
        arrays["correlations"] = whole.reshape(-1, *whole.shape[2:])
    covariances = arrays["covariances"]
    deviations = np.sqrt(np.einsum("...dd->...d", covariances))
    arrays.setdefault("scales", deviations)
    if "correlations" not in arrays:
        with np.errstate(invalid="ignore", divide="ignore"):
            outer = deviations[..., :, None] * deviations[..., None, :]
            arrays["correlations"] = covariances / outer
    noise = posterior["noise_weight"].values.ravel() if "noise_weight" in posterior else None
    return Parameters(**arrays, noise=noise)


def permuted_tree(tree: xr.DataTree, order: IntArray) -> xr.DataTree:
    """Return the tree with cluster k of each draw taken from `order[chain, draw, k]`.

    Everything that belongs to clusters moves: what has an axis named cluster, or what a user's own
    model was seen to move. sample_stats' ``permutation`` records the way from the labels in which
    the draws were sampled.
    """
    posterior = tree["posterior"].to_dataset()
    shown = attribute(tree, LABELS)
    axes = {n: "cluster" for n, v in posterior.data_vars.items() if "cluster" in v.dims}
    axes = axes if shown is None else shown["axes"]
    moved = {
        name: posterior[name].copy(
            data=moved_along(posterior[name].values, order, posterior[name].dims.index(axis))
        )
        for name, axis in axes.items()
    }
    for family in [] if shown is None else shown["families"]:
        stacked = np.stack([posterior[name].values for name in family], axis=2)
        for k, name in enumerate(family):
            moved[name] = posterior[name].copy(data=moved_along(stacked, order, 2)[:, :, k])
    stats = tree["sample_stats"].to_dataset()
    dims = ("chain", "draw", "cluster")
    earlier = stats["permutation"].values if "permutation" in stats else None
    permutation = order if earlier is None else np.take_along_axis(earlier, order, axis=2)
    new = tree.copy()
    new["posterior"] = xr.DataTree(posterior.assign(moved))
    new["sample_stats"] = xr.DataTree(stats.assign(permutation=(dims, permutation)))
    return new


def moved_along(values: Array, order: IntArray, axis: int) -> Array:
    """Return values with the entries along one axis, wherever it stands, in the order given.

    Parameters
    ----------
    values : array
    order : array of shape (cluster,) or (..., cluster)
        One order for all, or one for each of the leading axes of `values`.
    axis : int
        Of values; after the leading axes.
    """
    lead = order.ndim - 1
    if lead == 0:
        return np.take(values, order, axis)
    return np.moveaxis(permute(np.moveaxis(values, axis, lead), order, lead), lead, axis)
