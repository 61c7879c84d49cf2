"""The general route: NUTS on a PyMC model of the user's own."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from bayesgmm.data import Dataset
from bayesgmm.errors import ConfigError, SamplingError, SamplingInterrupted
from bayesgmm.sampling.completion import completed
from bayesgmm.sampling.contract import check_contract
from bayesgmm.sampling.model_density import ModelDensity, without_blas_warning
from bayesgmm.sampling.nuts import ChainSettings
from bayesgmm.typing import Array

__all__ = ["refuse_beside_model", "sample_user_model"]

_TRIED = 64


def refuse_beside_model(spec: Any, covariance: Any, method: str, progress: Any) -> None:
    """Raise ConfigError for arguments that have no effect on a user's own model."""
    given = {
        "spec": (spec is not None, "the model says what is fitted"),
        "covariance": (covariance is not None, "the model says what is fitted"),
        "method": (method not in ("auto", "nuts"), "a PyMC model is sampled by NUTS"),
        "progress": (callable(progress), "True shows PyMC's progress bar"),
    }
    for name, (refused, why) in given.items():
        if refused:
            raise ConfigError(f"{name} has no effect beside model=: {why}. Leave it out.", key=name)


def sample_user_model(
    model: Any,
    data: Dataset,
    settings: ChainSettings,
    *,
    chains: int,
    seed: int,
    progress: bool,
    keep_log_likelihood: bool,
    cluster_variables: Sequence[str],
    attributes: dict[str, Any],
) -> xr.DataTree:
    """Sample a PyMC model and lay the result out as ours.

    nutpie samples it where it can; models with discrete variables, and others that it does not
    take, go to PyMC's own samplers.

    Parameters
    ----------
    model : pymc.Model
        With weights (cluster), means (cluster, feature), covariances (cluster, feature,
        feature_bis) and the observed x (obs, feature), axes in any order.
    data : Dataset
        The rows observed as x.
    settings : ChainSettings
    chains, seed : int
    progress : bool
        Show PyMC's progress bar.
    keep_log_likelihood : bool
    cluster_variables : sequence of str
        Variables that belong to clusters though they lack the dim.
    attributes : dict

    Raises
    ------
    ConfigError
        When the model lacks one of these variables or dims, observes other data, or has no log
        density, before anything is sampled.
    SamplingError
        When no chain can start.
    """
    check_contract(model, data)
    density = ModelDensity(model)
    start = _start(model, density, seed)
    tree, engine = _drawn(model, settings, chains, seed, progress, start)
    posterior = tree["posterior"].to_dataset()
    whole = np.isfinite(posterior["weights"].values.reshape(posterior.sizes["chain"], -1))
    finished = whole.all(axis=1)
    stopped = not finished.all() or posterior.sizes["draw"] < settings.draws
    if not finished.any():
        raise SamplingInterrupted("sampling was interrupted: no chain has draws.", partial=None)
    attributes["sampler"] = {**attributes["sampler"], "engine": engine}
    result = completed(
        posterior.isel(chain=finished),
        tree["sample_stats"].to_dataset().isel(chain=finished),
        density,
        data,
        keep_log_likelihood=keep_log_likelihood,
        cluster_variables=cluster_variables,
        attributes={**attributes, "status": "interrupted" if stopped else "complete"},
    )
    if stopped:
        raise SamplingInterrupted(
            "sampling was interrupted; the draws made are in the error's .partial.",
            partial=result,
        )
    return result


def _start(model: Any, density: ModelDensity, seed: int) -> dict[str, Array]:
    """Return starts of variables that an ordered transform keeps from their usual ones.

    All entries of these are equal, which no order admits. Draws from the prior are sorted, and
    those of highest density taken. That looks at the log density too: what PyMC cannot evaluate is
    known before anything is sampled.
    """
    import pymc as pm

    free = model.free_RVs
    with without_blas_warning():
        drawn = pm.draw(free, draws=_TRIED, random_seed=seed, mode="FAST_COMPILE")
    values = dict(zip(density.free, drawn, strict=True))
    held = [
        variable.name
        for variable in free
        if model.rvs_to_initial_values.get(variable) is None
        and _keeps_order(model.rvs_to_transforms[variable])
    ]
    values |= {name: np.sort(values[name], axis=-1) for name in held}
    found = density.values(values)
    total = found.log_prior + found.log_likelihood
    best = int(np.where(np.isfinite(total), total, -np.inf).argmax())
    return {name: values[name][best] for name in held}


def _keeps_order(transform: Any) -> bool:
    parts = getattr(transform, "transform_list", [transform])
    return any(getattr(part, "name", "") == "ordered" for part in parts)


def _drawn(
    model: Any,
    settings: ChainSettings,
    chains: int,
    seed: int,
    progress: bool,
    start: dict[str, Array],
) -> tuple[xr.DataTree, str]:
    """Return PyMC's tree, and by which sampler it was made."""
    import pymc as pm

    options: dict[str, Any] = {
        "draws": settings.draws,
        "tune": settings.tune,
        "chains": chains,
        "random_seed": seed,
        "initvals": start or None,
        "nuts": {"target_accept": settings.target_accept},
        "progressbar": progress,
        "quiet": not progress,
        "compute_convergence_checks": False,
        "model": model,
    }
    discrete = any(v.dtype.startswith(("int", "uint", "bool")) for v in model.free_RVs)
    reason = ""
    # PyMC's own sampler runs its chains one after another: its processes would be forked from one
    # that has threads.
    for engine, cores in (("nutpie", settings.cores), ("pymc", 1)):
        if engine == "nutpie" and discrete:
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return pm.sample(nuts_sampler=engine, cores=cores, **options), engine
        except Exception as error:
            reason = f"{type(error).__name__}: {error!s}".splitlines()[0]
    raise SamplingError(
        f"neither nutpie nor PyMC could sample the model ({reason:.160}). Give its variables start "
        "values with initval= at which the log density is finite, or look at model.debug().",
        model=model,
    )
