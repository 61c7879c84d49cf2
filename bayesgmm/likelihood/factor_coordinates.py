"""Coordinates of factor-analytic covariances: from parameters, and in other units."""

import numpy as np

from bayesgmm.model.components.loadings import below_diagonal, factor_analysis, triangular
from bayesgmm.model.parameters import Parameters, covariances_from, covariances_of_factors
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.typing import Array

__all__ = [
    "covariances_in",
    "free_loadings",
    "log_unit_of_loadings",
    "units_of_loadings",
    "unconstrained_factors",
]

_LEAST = 1e-12  # of a loading in spreads of its feature: the logarithm stays finite


def covariances_in(
    scales: Array, factors: Array, loadings: Array, resolved: ResolvedSpec
) -> dict[str, Array]:
    """Return what draws say of covariances, data units, by the names of `Parameters`.

    Parameters
    ----------
    scales, factors, loadings : arrays, fitting units
        Scales (draw, set, feature), unique ones where there are factors; Cholesky factors of the
        correlations (draw, set, feature, feature); loadings (draw, set, feature, factor).
    """
    d = resolved.n_features
    shape = (len(scales), resolved.n_components, d)
    scales = np.broadcast_to(scales * resolved.unit, shape)
    if resolved.structure.has_loadings:
        own = loadings * resolved.unit[:, None]
        own = np.broadcast_to(own, (*shape, own.shape[-1]))
        return covariances_of_factors(own, scales, resolved.resolution)
    correlations = np.broadcast_to(factors @ factors.swapaxes(-1, -2), (*shape, d))
    whole = covariances_from(scales, correlations, resolved.resolution)
    return {"scales": scales, "correlations": correlations, "covariances": whole}


def free_loadings(
    log_diagonals: Array, below: Array, shapes: tuple[tuple[int, ...], tuple[int, ...]]
) -> dict[str, Array]:
    """Return the free variables of loadings in their shapes, of draws of their coordinates."""
    return {
        "loadings_diagonal": np.exp(log_diagonals).reshape(-1, *shapes[0]),
        "loadings_below": below.reshape(-1, *shapes[1]),
    }


def _with_factors(parameters: Parameters, resolved: ResolvedSpec) -> Parameters:
    """Return parameters with the loadings and unique scales that their covariances are near to.

    Those that they have are kept. Covariances of scales and correlations count, without the
    recording error.
    """
    structure, unit = resolved.structure, resolved.unit
    if not structure.has_loadings or parameters.loadings is not None:
        return parameters
    scales = parameters.scales / unit
    own = scales[..., :, None] * scales[..., None, :] * parameters.correlations
    if structure.shares_factors:
        shares = parameters.shares[..., None, None]
        own = np.broadcast_to((shares * own).sum(axis=-3, keepdims=True), own.shape)
    loadings, unique = factor_analysis(own, structure.n_factors, structure.isotropic)
    return parameters._replace(
        loadings=unit[:, None] * loadings, unique_scales=unit * np.sqrt(unique)
    )


def unconstrained_factors(
    parameters: Parameters, resolved: ResolvedSpec
) -> tuple[Array, Array, Array]:
    """Return log unique scales, logs of diagonal loadings and the loadings below, fitting units.

    What clusters share is that of the first.
    """
    parameters, structure = _with_factors(parameters, resolved), resolved.structure
    given, unique = parameters.loadings, parameters.unique_scales
    assert given is not None and unique is not None
    k, d, unit, order = resolved.n_components, resolved.n_features, resolved.unit, resolved.order
    log_scales = np.log(unique[..., : structure.n_scale_sets(k), : structure.scale_width(d)])
    log_scales = log_scales - np.log(unit[: structure.scale_width(d)])
    loadings = triangular(given[..., : structure.n_pair_sets(k), :, :] / unit[:, None], order)
    factors = np.arange(structure.n_factors)
    diagonals = np.log(np.maximum(loadings[..., order[factors], factors], _LEAST))
    rows, columns = below_diagonal(d, structure.n_factors)
    return log_scales, diagonals, loadings[..., order[rows], columns]


def units_of_loadings(resolved: ResolvedSpec, unit: Array) -> tuple[Array, Array]:
    """Return the units of the loadings on the diagonal, and below it, set after set."""
    structure, order = resolved.structure, resolved.order
    sets = structure.n_pair_sets(resolved.n_components)
    rows, _ = below_diagonal(len(order), structure.n_factors)
    return np.tile(unit[order[: structure.n_factors]], sets), np.tile(unit[order[rows]], sets)


def log_unit_of_loadings(resolved: ResolvedSpec, *, diagonal: bool) -> float:
    """Return what a density of the loadings loses on the way to data units, nats.

    With `diagonal` those on the diagonal count; else the density is that in their logs.
    """
    if not resolved.structure.has_loadings:
        return 0.0
    on, below = units_of_loadings(resolved, resolved.unit)
    return float(np.log(below).sum() + (np.log(on).sum() if diagonal else 0.0))
