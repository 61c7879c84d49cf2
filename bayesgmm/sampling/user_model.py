"""The general route: NUTS on a PyMC model of the user's own."""

from typing import Any

import numpy as np
import xarray as xr

from bayesgmm.data import Dataset, facts_of
from bayesgmm.errors import ConfigError
from bayesgmm.result.layout import SCHEMA_VERSION, with_attributes
from bayesgmm.sampling.chains import ChainSettings

__all__ = ["sample_user_model"]

_WANTED = {
    "weights": ("cluster",),
    "means": ("cluster", "feature"),
    "covariances": ("cluster", "feature", "feature_bis"),
    "x": ("obs", "feature"),
}


def sample_user_model(
    model: Any,
    data: Dataset,
    settings: ChainSettings,
    *,
    chains: int,
    seed: int,
    progress: bool,
    attributes: dict[str, Any],
) -> xr.DataTree:
    """Sample a PyMC model with nutpie and lay the result out as ours.

    Parameters
    ----------
    model : pymc.Model
        With weights (cluster), means (cluster, feature), covariances (cluster, feature,
        feature_bis) and the observed x (obs, feature).
    data : Dataset
        The rows observed as x.
    settings : ChainSettings
    chains, seed : int
    progress : bool
        Show PyMC's progress bar.
    attributes : dict

    Raises
    ------
    ConfigError
        When the model lacks one of these variables or dims, or observes other data.
    """
    import pymc as pm

    _check(model, data)
    tree = pm.sample(
        draws=settings.draws,
        tune=settings.tune,
        chains=chains,
        cores=settings.cores,
        random_seed=seed,
        nuts_sampler="nutpie",
        nuts={"target_accept": settings.target_accept},
        progressbar=progress,
        quiet=not progress,
        compute_convergence_checks=False,
        model=model,
    )
    tree = pm.compute_log_likelihood(tree, model=model, progressbar=False)
    tree = pm.stats.compute_log_prior(tree, model=model, progressbar=False)
    stats = tree["sample_stats"].to_dataset()
    total = tree["log_likelihood"]["x"].sum(dim="obs")
    if "logp" in stats:
        stats = stats.rename(logp="lp")
    tree["sample_stats"] = xr.DataTree(stats.assign(log_likelihood=total))
    return with_attributes(
        tree,
        schema_version=SCHEMA_VERSION,
        data=facts_of(data),
        **attributes,
    )


def _check(model: Any, data: Dataset) -> None:
    if not hasattr(model, "named_vars_to_dims"):
        raise ConfigError(f"model must be a pymc.Model, got {type(model).__name__}.", key="model")
    for name, dims in _WANTED.items():
        got = model.named_vars_to_dims.get(name)
        if got is None or tuple(got) != dims:
            raise ConfigError(
                f"the model needs a variable {name!r} with dims {dims}, got "
                f"{'no such variable' if name not in model.named_vars else f'dims {got}'}.",
                variable=name,
            )
    observed = model.rvs_to_values[model["x"]].eval()
    if observed.shape != data.values.shape or not np.array_equal(observed, data.values):
        raise ConfigError(
            f"the model observes other rows {observed.shape} than data {data.values.shape}; "
            "pass the data that x observes."
        )
