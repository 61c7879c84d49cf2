"""What the package makes of the own models without a sampler, each model's graph built once."""

from functools import cache
from typing import NamedTuple

import numpy as np
import pymc as pm
import xarray as xr

from bayesgmm.data import Dataset, as_dataset
from bayesgmm.labels.exchangeability import shown_moves
from bayesgmm.sampling.completion import completed
from bayesgmm.sampling.contract import check_contract
from bayesgmm.sampling.model_density import ModelDensity, without_blas_warning
from tests.support.own_models import BUILDERS


class Known(NamedTuple):
    """A model with its rows, its density, and a few draws of its prior (read-only)."""

    data: Dataset
    model: pm.Model
    density: ModelDensity
    values: dict[str, np.ndarray]


@cache
def known(name):
    rows, model = BUILDERS[name]()
    data = as_dataset(rows)
    check_contract(model, data)
    density = ModelDensity(model)
    values = some_values(density, name)
    for value in values.values():
        value.setflags(write=False)
    return Known(data, model, density, values)


def some_values(density, name=""):
    """A few draws of the prior; means of an ordered model in their order."""
    model = density.model
    with without_blas_warning():
        drawn = pm.draw(model.free_RVs, draws=4, random_seed=1, mode="FAST_COMPILE")
    values = dict(zip(density.free, drawn, strict=True))
    if name.startswith("ordered"):
        values["mu"] = np.sort(values["mu"], axis=-1)
    return values


def moves_of(name, named=()):
    density, values = known(name).density, known(name).values
    return shown_moves(density.values, values, density.dims, density.n_clusters, named)


def result_of(name, n_draws=30, *, keep=True):
    """A result of a model without a sampler: draws close to one of the prior."""
    data, model, density, prior = known(name)
    rng = np.random.default_rng(4)
    values = {}
    for key, value in prior.items():
        values[key] = value[0] * np.exp(0.02 * rng.normal(size=(2 * n_draws, *value.shape[1:])))
    values["weights"] = values["weights"] / values["weights"].sum(axis=1, keepdims=True)
    coords = {key: list(given) for key, given in model.coords.items() if given is not None}
    sample = ("chain", "draw")
    posterior = xr.Dataset(
        {
            key: ((*sample, *density.dims[key]), value.reshape(2, n_draws, *value.shape[1:]))
            for key, value in values.items()
        },
        coords={"chain": [0, 1], "draw": np.arange(n_draws), **coords},
    )
    return completed(
        posterior,
        xr.Dataset({"divergence_message": (sample, np.full((2, n_draws), None, dtype=object))}),
        density,
        data,
        keep_log_likelihood=keep,
        cluster_variables=(),
        attributes={"seed": 1, "sampler": {"method": "nuts"}, "status": "complete"},
    )
