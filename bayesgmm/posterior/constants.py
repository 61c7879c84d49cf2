"""The numbers of a result that its model fixes: beside its draws, which they are not."""

import xarray as xr

from bayesgmm.model.numbering import cluster_names
from bayesgmm.model.parameters import Parameters
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.typing import Array

__all__ = ["constants", "fixed_in", "fixed_parameters"]

_OF_DATA = ("centre", "spread", "resolution")
_FIXED = ("nu",)


def fixed_parameters(parameters: Parameters, resolved: ResolvedSpec) -> dict[str, Array]:
    """Return the parameters (cluster,) that the model fixes: known degrees of freedom."""
    fixed: dict[str, Array] = {}
    if resolved.tails is not None and resolved.tails.known and parameters.nu is not None:
        fixed["nu"] = parameters.nu[0, 0]
    return fixed


def constants(parameters: Parameters, resolved: ResolvedSpec) -> xr.Dataset:
    """Return the group constant_data of a result, from parameters (chain, draw, ...)."""
    fixed = fixed_parameters(parameters, resolved)
    clusters = cluster_names(resolved.n_components, resolved.cluster_names)
    return xr.Dataset(
        {name: ("feature", getattr(resolved, name)) for name in _OF_DATA}
        | {name: ("cluster", value) for name, value in fixed.items()},
        {"feature": list(resolved.features), **({"cluster": clusters} if fixed else {})},
    )


def fixed_in(tree: xr.DataTree) -> dict[str, Array]:
    """Return the parameters (cluster,) of a result that its model fixes."""
    stored = tree["constant_data"].to_dataset() if "constant_data" in tree else xr.Dataset()
    return {name: stored[name].values for name in _FIXED if name in stored}
