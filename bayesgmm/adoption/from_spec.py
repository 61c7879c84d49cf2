"""Draws of the built-in model, made elsewhere: carried to its coordinates and completed there."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesgmm.adoption.reading import SAMPLE, attributes_of, check_agreement, named
from bayesgmm.advice import Advice, Option
from bayesgmm.data import Dataset, check_components
from bayesgmm.errors import ConfigError
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.limits import ROUNDED
from bayesgmm.model.parameters import Parameters, covariances_from, matrices_of
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.runtime.parallel import available_cores
from bayesgmm.sampling.assembly import assemble
from bayesgmm.sampling.completion import numeric
from bayesgmm.sampling.contract import PART_DIMS
from bayesgmm.sampling.nuts import ChainDraws
from bayesgmm.typing import Array

__all__ = ["adopted_by_spec"]


def adopted_by_spec(
    posterior: xr.Dataset,
    stats: xr.Dataset,
    given: Array | None,
    data: Dataset,
    spec: MixtureSpec,
) -> xr.DataTree:
    """Return draws of a spec as a result.

    Parameters
    ----------
    posterior : xarray.Dataset
        Weights, means, and scales with correlations or covariances, chain and draw first.
    stats : xarray.Dataset
        What the sampler says of each draw.
    given : array of shape (chain, draw, obs) or None, nats
        The log likelihood that came with the draws.
    data : Dataset
    spec : MixtureSpec
    """
    check_components(data, spec.n_components, correlated=spec.has_correlations)
    target = LogPosterior(resolve(spec, data), data.values)
    parameters = _parameters(posterior, target.resolved)
    points = target.unconstrain(parameters)
    kept = {str(n): v.values for n, v in numeric(stats).items() if n != "log_likelihood"}
    tree = assemble(
        target,
        ChainDraws(points, {**kept, "lp": target.log_densities(points)}, interrupted=False),
        data,
        keep_log_likelihood=True,
        cores=available_cores(),
        attributes=attributes_of(posterior),
    )
    check_agreement(given, tree["log_likelihood"].to_dataset()["x"].values, "spec")
    return tree


def _parameters(posterior: xr.Dataset, resolved: ResolvedSpec) -> Parameters:
    """Return the parameters (chain, draw, ...) of draws of a spec, checked."""
    k, d = resolved.n_components, resolved.n_features
    sizes = tuple(posterior.sizes[name] for name in SAMPLE)
    if k == 1 and "weights" not in posterior:
        weights = np.ones((*sizes, 1))
    else:
        weights = named(posterior, "weights", PART_DIMS["weights"]).values.astype(float)
    means = named(posterior, "means", PART_DIMS["means"]).values.astype(float)
    for name, value, expected in (("weights", weights, (k,)), ("means", means, (k, d))):
        if value.shape[2:] != expected:
            raise ConfigError(
                f"{name!r} must have shape {expected} for K = {k} and {d} features, got "
                f"{value.shape[2:]}.",
                variable=name,
            )
    total = weights.sum(axis=-1, keepdims=True)
    scales, correlations = _factors(posterior, resolved, (*sizes, k, d))
    _check_range("weights", (weights > 0.0) & (np.abs(total - 1.0) < ROUNDED), "above 0, sum 1")
    _check_range("means", np.isfinite(means), "finite")
    _check_range("scales", (scales > 0.0) & np.isfinite(scales), "above 0")
    try:
        np.linalg.cholesky(correlations)
    except np.linalg.LinAlgError:
        _check_range("correlations", np.zeros(1, dtype=bool), "positive definite")
    covariances = covariances_from(scales, correlations, resolved.resolution)
    found = Parameters(weights / total, means, scales, correlations, covariances)
    found = found._replace(**_loadings(posterior, resolved, (*sizes, k, d)))
    _check_structure(found, resolved)
    return found


def _factors(
    posterior: xr.Dataset, resolved: ResolvedSpec, shape: tuple[int, ...]
) -> tuple[Array, Array]:
    """Return scales (chain, draw, cluster, feature) and correlations of the draws."""
    square = (*shape, shape[-1])
    correlated = resolved.structure.has_correlations(resolved.n_features)
    if "scales" in posterior and ("correlations" in posterior or not correlated):
        scales = _shaped(posterior, "scales", shape)
        if not correlated:
            return scales, np.broadcast_to(np.eye(shape[-1]), square)
        if _are_matrices(posterior["correlations"], shape[-1]):
            return scales, _shaped(posterior, "correlations", square)
        size = shape[-1] * (shape[-1] - 1) // 2
        pairs = _shaped(posterior, "correlations", (*shape[:-1], size), "pair")
        return scales, matrices_of(pairs, shape[-1])
    covariances = _shaped(posterior, "covariances", square)
    variances = np.einsum("...dd->...d", covariances) - resolved.resolution**2
    with np.errstate(invalid="ignore"):
        scales = np.sqrt(variances)
        correlations = covariances / (scales[..., :, None] * scales[..., None, :])
    correlations[..., np.eye(shape[-1], dtype=bool)] = 1.0
    return scales, correlations


def _loadings(
    posterior: xr.Dataset, resolved: ResolvedSpec, shape: tuple[int, ...]
) -> dict[str, Array]:
    """Return loadings and unique scales of draws of factor-analytic components; else nothing."""
    if not resolved.structure.has_loadings:
        return {}
    q = resolved.structure.n_factors
    loadings = _shaped(posterior, "loadings", (*shape, q), "feature", "factor")
    return {"loadings": loadings, "unique_scales": _shaped(posterior, "unique_scales", shape)}


def _are_matrices(correlations: xr.DataArray, n_features: int) -> bool:
    """Whether these are correlation matrices, and not one number a pair of features."""
    if "feature_bis" in correlations.dims or "pair" in correlations.dims:
        return "feature_bis" in correlations.dims
    values = correlations.values
    if values.shape[-2:] != (n_features, n_features):
        return False
    return bool(np.allclose(np.einsum("...dd->...d", values), 1.0, atol=ROUNDED))


def _shaped(posterior: xr.Dataset, name: str, shape: tuple[int, ...], *last: str) -> Array:
    """Return a variable of this shape; what clusters share may lack their axis."""
    dims = ("cluster", *(last or ("feature", "feature_bis")))[: len(shape) - 2]
    if name in posterior and posterior[name].ndim == len(shape) - 1:
        values = named(posterior, name, dims[1:]).values[:, :, None]
    else:
        values = named(posterior, name, dims).values
    try:
        return np.broadcast_to(values.astype(float), shape).copy()
    except ValueError:
        raise ConfigError(
            f"{name!r} must have shape {shape[2:]} after chain and draw, got {values.shape[2:]}.",
            variable=name,
        ) from None


def _check_range(name: str, good: NDArray[np.bool_], allowed: str) -> None:
    n_bad = int((~good).sum())
    if n_bad:
        cure = Advice(
            " With a recording error, covariances must exceed its square on the diagonal (",
            Option("resolution", 0),
            " leaves it out).",
        )
        raise ConfigError(
            f"{name!r} of the draws must be {allowed}; {n_bad} of {good.size} values are not."
            + (cure if name == "scales" else ""),
            variable=name,
        )


def _check_structure(parameters: Parameters, resolved: ResolvedSpec) -> None:
    """Raise where draws do not share what the structure shares."""
    structure = resolved.structure
    for what in structure.lacking_in(parameters, ROUNDED):
        raise ConfigError(
            Advice(
                f"the draws do not have {what}, as ",
                Option("covariance", structure.name),
                " says; give the spec of the model that was sampled.",
            ),
            key="covariance",
            value=structure.name,
        )
