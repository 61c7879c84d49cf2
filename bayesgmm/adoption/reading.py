"""What a tree of draws made elsewhere holds, under our names."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from bayesgmm.advice import Advice, Option
from bayesgmm.data import Dataset
from bayesgmm.errors import ConfigError
from bayesgmm.limits import ROUNDED
from bayesgmm.typing import Array

__all__ = [
    "SAMPLE",
    "attributes_of",
    "check_agreement",
    "given_log_likelihood",
    "named",
    "posterior_of",
    "stats_of",
]

SAMPLE = ("chain", "draw")
_ROW_AXES = 3


def posterior_of(tree: Any) -> xr.Dataset:
    """Return the draws, chain and draw first."""
    if not isinstance(tree, xr.DataTree) or "posterior" not in tree:
        raise ConfigError(
            "adopt takes a DataTree with a posterior, as ArviZ's converters make it "
            f"(arviz.from_dict, from_numpyro, from_cmdstanpy), got {type(tree).__name__}.",
            value=tree,
        )
    posterior = tree["posterior"].to_dataset()
    if not set(SAMPLE) <= set(posterior.dims):
        raise ConfigError(
            f"the posterior needs the dims chain and draw, got {tuple(posterior.dims)}.",
            key="posterior",
        )
    return posterior.transpose(*SAMPLE, ...)


def stats_of(tree: xr.DataTree, posterior: xr.Dataset) -> xr.Dataset:
    """Return what the sampler says of each draw; nothing where it says nothing."""
    if "sample_stats" not in tree:
        return xr.Dataset()
    group = tree["sample_stats"].to_dataset()
    _check_same_draws(group, posterior)
    kept = [n for n, v in group.data_vars.items() if v.dims == SAMPLE]
    return group[kept]


def _check_same_draws(stats: xr.Dataset, posterior: xr.Dataset) -> None:
    """Raise where the group is of other draws than the posterior."""
    said = tuple(stats.sizes.get(name, posterior.sizes[name]) for name in SAMPLE)
    drawn = tuple(posterior.sizes[name] for name in SAMPLE)
    if said == drawn:
        return
    cut = f"tree['sample_stats'] = tree['sample_stats'].isel(draw=slice(-{drawn[1]}, None))"
    raise ConfigError(
        "sample_stats has {} chains of {} draws and the posterior {} of {}; take the statistics of "
        "the same draws, or leave the group out.".format(*said, *drawn)
        + (f" If they begin with the warmup: {cut}." if said[1] > drawn[1] else ""),
        group="sample_stats",
    )


def given_log_likelihood(tree: xr.DataTree, data: Dataset) -> Array | None:
    """Return the log likelihood (chain, draw, obs) that the tree holds, if it does."""
    if "log_likelihood" not in tree:
        return None
    group = tree["log_likelihood"].to_dataset()
    names = list(group.data_vars)
    name = "x" if "x" in names else names[0] if len(names) == 1 else None
    if name is None:
        raise ConfigError(
            f"the log likelihood of the rows must be named 'x', got {', '.join(map(repr, names))}.",
            group="log_likelihood",
        )
    values = group[name].transpose(*SAMPLE, ...).values
    shape = values.shape[:2]
    if values.size % (shape[0] * shape[1] * data.n_obs) or values.ndim < _ROW_AXES:
        raise ConfigError(
            f"the log likelihood has shape {values.shape}, which is not one value for each of the "
            f"{data.n_obs} rows; pass the rows behind the draws.",
            group="log_likelihood",
        )
    return values.reshape(*shape, data.n_obs, -1).sum(axis=-1)


def named(posterior: xr.Dataset, name: str, dims: Sequence[str]) -> xr.DataArray:
    """Return a variable under these dims, its axes taken in their order where it has others."""
    if name not in posterior:
        raise ConfigError(
            f"the posterior lacks {name!r} with axes {tuple(dims)}; it has "
            f"{', '.join(map(repr, list(posterior.data_vars)[:8]))}. Rename or compute it.",
            variable=name,
        )
    variable = posterior[name]
    own = variable.dims[2:]
    if set(own) == set(dims):
        return variable.transpose(*SAMPLE, *dims)
    if len(own) != len(dims):
        raise ConfigError(
            f"{name!r} must have the axes {tuple(dims)} after chain and draw, got {own}.",
            variable=name,
        )
    return xr.DataArray(variable.values, dims=(*SAMPLE, *dims), name=name)


def attributes_of(posterior: xr.Dataset) -> dict[str, Any]:
    """Say that the draws came from elsewhere, and from where if that is known."""
    made_by = {
        name: str(posterior.attrs[name])
        for name in ("inference_library", "inference_library_version")
        if name in posterior.attrs
    }
    sizes = posterior.sizes
    return {
        "seed": None,
        "status": "complete",
        "sampler": {
            "method": "adopted", "chains": sizes["chain"], "draws": sizes["draw"], **made_by,
        },
    }  # fmt: skip


def check_agreement(given: Array | None, computed: Array, what: str) -> None:
    """Raise where the tree's own log likelihood is another one."""
    if given is None:
        return
    gap = np.abs(given - computed)
    if not (gap <= ROUNDED * np.maximum(1.0, np.abs(computed))).all():
        raise ConfigError(
            Advice(
                f"the log likelihood in the tree is not that of the {what}, the rows and the "
                f"draws: they differ by up to {np.nanmax(gap):.3g} nats per row. Check the rows "
                f"and their order, the {what}, and whether the draws have a recording error (",
                Option("resolution", 0),
                " leaves it out).",
            ),
            group="log_likelihood",
            gap=float(np.nanmax(gap)),
        )
