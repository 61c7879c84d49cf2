"""Many draws at once: their densities at rows, their parameters, their priors."""

import math

import numpy as np

from bayesgmm.likelihood.compiled.coordinates import empty_point, read, unpack
from bayesgmm.likelihood.compiled.each_row import (
    grouped_log_likelihoods,
    grouped_responsibilities,
)
from bayesgmm.likelihood.compiled.fused import TERMS
from bayesgmm.likelihood.compiled.grouped import Components
from bayesgmm.likelihood.compiled.shared_density import density_at
from bayesgmm.likelihood.compiled.vectors import copy_into
from bayesgmm.likelihood.compiled.whitening import whiten_draw
from bayesgmm.runtime.compiling import compiled
from bayesgmm.typing import Array

__all__ = ["constrain_draws", "fill_log_likelihoods", "fill_responsibilities", "terms_without_rows"]

_N_TERMS = len(TERMS)


@compiled
def fill_log_likelihoods(
    blocks: Array,
    n_rows: int,
    annotated: Array | None,
    log_weights: Array,
    means: Array,
    covariances: Array,
    nu: Array,
    out: Array,
) -> None:
    """Write log p(row | draw), out (draw, obs); NaN where a covariance is singular."""
    n_clusters, n_features = means.shape[1], means.shape[2]
    factors = np.empty((n_clusters, n_features, n_features))
    whitening = np.empty((n_clusters, n_features, n_features))
    shift = np.empty((n_clusters, n_features))
    constant = np.empty(n_clusters)
    for s in range(out.shape[0]):
        if whiten_draw(
            log_weights[s], means[s], covariances[s], factors, whitening, shift, constant
        ):
            components = Components(
                log_weights[s], means[s], factors, whitening, shift, constant, nu[s]
            )
            grouped_log_likelihoods(blocks, n_rows, annotated, components, out[s])
        else:
            out[s] = np.nan


@compiled
def fill_responsibilities(
    blocks: Array,
    n_rows: int,
    annotated: Array | None,
    log_weights: Array,
    means: Array,
    covariances: Array,
    nu: Array,
    out: Array,
) -> None:
    """Write P(part | row, draw), out (draw, part, obs); NaN where one is singular."""
    n_clusters, n_features = means.shape[1], means.shape[2]
    factors = np.empty((n_clusters, n_features, n_features))
    whitening = np.empty((n_clusters, n_features, n_features))
    shift = np.empty((n_clusters, n_features))
    constant = np.empty(n_clusters)
    for s in range(out.shape[0]):
        if whiten_draw(
            log_weights[s], means[s], covariances[s], factors, whitening, shift, constant
        ):
            components = Components(
                log_weights[s], means[s], factors, whitening, shift, constant, nu[s]
            )
            grouped_responsibilities(blocks, n_rows, annotated, components, out[s])
        else:
            out[s] = np.nan


@compiled
def constrain_draws(
    draws: Array, flat: Array
) -> tuple[Array, Array, Array, Array, Array, Array, Array]:
    """Unpack many draws: weights of all parts, means, scales, correlation factors, nu, layers.

    And last the loadings (draw, set, feature, factor).

    Fitting units.
    """
    problem = read(flat)
    point = empty_point(problem)
    n_draws, n_features = draws.shape[0], problem.n_features
    weights = np.empty((n_draws, problem.n_parts))
    nu, layers = np.empty((n_draws, problem.n_tails)), np.empty((n_draws, len(point.layers)))
    means = np.empty((n_draws, problem.n_clusters, n_features))
    scales = np.empty((n_draws, problem.n_scale_sets, n_features))
    factors = np.empty((n_draws, problem.n_pair_sets, n_features, n_features))
    loadings = np.empty((n_draws, *point.loadings.shape))
    for s in range(n_draws):
        unpack(draws[s], problem, point)
        copy_into(loadings[s], point.loadings)
        copy_into(nu[s], point.nu)
        copy_into(layers[s], point.layers)
        for k in range(problem.n_parts):
            weights[s, k] = math.exp(point.log_weights[k])
        copy_into(means[s], point.means)
        copy_into(scales[s], point.scales)
        copy_into(factors[s], point.correlation_factors)
    return weights, means, scales, factors, nu, layers, loadings


@compiled
def terms_without_rows(draws: Array, density: int, without: Array, none: Array | None) -> Array:
    """Return the parts of the log posterior (draw, 8), fitting units, the likelihood left out.

    Parameters
    ----------
    draws : array of shape (draw, dim)
    density, without, none : int and arrays
        As in `bayesgmm.likelihood.compiled.shared_density.density_at`, of a problem without rows.
    """
    terms, gradient = np.empty((draws.shape[0], _N_TERMS)), np.empty(draws.shape[1])
    for s in range(draws.shape[0]):
        density_at(density, draws[s], without, none, 1.0, 0.0, terms[s], gradient)
    return terms
