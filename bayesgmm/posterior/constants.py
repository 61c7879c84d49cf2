"""The numbers of a result that its model fixes: beside its draws, which they are not."""

import xarray as xr

from bayesgmm.model.numbering import cluster_names
from bayesgmm.model.parameters import Parameters
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.typing import Array

__all__ = ["constants", "known_nu", "known_nu_in"]

_OF_DATA = ("centre", "spread", "resolution")


def known_nu(parameters: Parameters, resolved: ResolvedSpec) -> Array | None:
    """Return the degrees of freedom (cluster,) where the model fixes them."""
    if resolved.tails is None or not resolved.tails.known or parameters.nu is None:
        return None
    return parameters.nu[0, 0]


def constants(parameters: Parameters, resolved: ResolvedSpec) -> xr.Dataset:
    """Return the group constant_data of a result, from parameters (chain, draw, ...)."""
    found = xr.Dataset(
        {name: ("feature", getattr(resolved, name)) for name in _OF_DATA},
        {"feature": list(resolved.features)},
    )
    nu = known_nu(parameters, resolved)
    if nu is None:
        return found
    clusters = cluster_names(resolved.n_components, resolved.cluster_names)
    return found.assign(nu=("cluster", nu)).assign_coords(cluster=clusters)


def known_nu_in(tree: xr.DataTree) -> Array | None:
    """Return the degrees of freedom (cluster,) of a result whose model fixes them."""
    if "constant_data" not in tree or "nu" not in tree["constant_data"]:
        return None
    values: Array = tree["constant_data"].to_dataset()["nu"].values
    return values
