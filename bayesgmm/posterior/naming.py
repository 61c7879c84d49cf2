"""The user's names for the clusters of a result."""

from collections.abc import Iterable

import xarray as xr

from bayesgmm.model.components import NOISE
from bayesgmm.model.numbering import checked_names, named
from bayesgmm.posterior.tree import clusters_of, resolved_of, with_attributes

__all__ = ["named_tree"]


def named_tree(tree: xr.DataTree, names: Iterable[str]) -> xr.DataTree:
    """Return the tree with other names for its clusters, in the coordinates of all its groups.

    Parameters
    ----------
    tree : xarray.DataTree
    names : iterable of str
        In the order of the clusters.

    Raises
    ------
    ConfigError
        When they are not one name per cluster, or not those of the classes that labels name.
    """
    given, resolved = checked_names(names, clusters_of(tree).size), resolved_of(tree)
    new = tree.copy()
    if resolved is not None:
        new = with_attributes(tree, resolved=named(resolved, given).to_dict())
    for path, group in tree.children.items():
        found = group.to_dataset()
        coords: dict[str, list[str]] = {}
        if found.sizes.get("cluster") == len(given):
            coords["cluster"] = list(given)
        if "part" in found.coords:
            coords["part"] = [*given, NOISE]
        if coords:
            new[path] = xr.DataTree(found.assign_coords(coords))
    return new
