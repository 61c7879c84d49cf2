"""Results of earlier versions of the layout, brought to the present one."""

import xarray as xr

from bayesgmm.model.numbering import cluster_names
from bayesgmm.model.parameters import pair_names, pairs_of
from bayesgmm.posterior.tree import SCHEMA_VERSION, attribute, with_attributes

__all__ = ["upgraded"]

_SQUARE = ("cluster", "feature", "feature_bis")


def upgraded(tree: xr.DataTree) -> xr.DataTree:
    """Return a result of version 1 in the present layout, any other tree as it is.

    Version 1 counted clusters from 0, in its stored verdict too, and held correlations as matrices.
    The clusters get their numbers from 1, correlations of the built-in model become one a pair of
    features, and the verdict is left out: `diagnose` gives it anew.
    """
    if attribute(tree, "schema_version") != 1:
        return tree
    new = with_attributes(tree, schema_version=SCHEMA_VERSION)
    new.attrs.pop("verdict", None)
    for name, node in list(new.children.items()):
        group = node.to_dataset(inherit=False)
        if "cluster" in group.coords:
            names = cluster_names(group.sizes["cluster"], group["cluster"].values)
            new[name] = xr.DataTree(group.assign_coords(cluster=names))
    if attribute(tree, "resolved") is not None:
        new["posterior"] = xr.DataTree(_by_pair(new["posterior"].to_dataset()))
    return new


def _by_pair(posterior: xr.Dataset) -> xr.Dataset:
    if "correlations" not in posterior or posterior["correlations"].dims[2:] != _SQUARE:
        return posterior
    features = [str(name) for name in posterior["feature"].values]
    pairs = pairs_of(posterior["correlations"].values)
    dims = ("chain", "draw", "cluster", "pair")
    kept = posterior.drop_vars("correlations").assign_coords(pair=pair_names(features))
    return kept.assign(correlations=(dims, pairs))
