"""How much rows say of scales, correlations and what comes after them: steps of their moves."""

import math

import numpy as np

from bayesgmm.likelihood.compiled.coordinates import HALF_NORMAL, INVERSE_GAMMA, Problem, n_normals
from bayesgmm.likelihood.compiled.layers import N_OF_LAYERS, rows_of_parts
from bayesgmm.likelihood.compiled.whitening import set_of
from bayesgmm.runtime.compiling import compiled
from bayesgmm.typing import Array

__all__ = ["inverse_root_information"]

_ODDS_PRECISION = 0.304  # 1 / variance of the log odds of a uniform
_PAIR_PRECISION = 0.775  # 1 / variance of the log odds of a Beta(2, 2)


@compiled
def inverse_root_information(mass: Array, problem: Problem, size: int) -> Array:
    """Return the inverse root of the information in all coordinates from the scales on (size,).

    With n rows: 2 n in a log scale for each feature it serves, n / 4 in the log odds of a
    partial correlation, n / 2 in the log of degrees of freedom where these are many, each beside
    its prior's; for contamination from the rows of good and wide Gaussians. `mass` (normal, then
    the noise) is their number.
    """
    n_clusters = problem.n_clusters
    scale, rows_of = np.empty(size), np.empty(problem.n_parts)
    rows_of_parts(mass, n_clusters, n_normals(problem), rows_of)
    n_features = problem.n_features
    served = n_features if problem.scalar else 1
    prior = 1.0 / (problem.scale_shape * problem.scale_shape)
    if problem.scale_family == HALF_NORMAL:
        prior = 1.0
    elif problem.scale_family == INVERSE_GAMMA:
        prior = 4.0 * problem.scale_shape
    o = 0
    for s in range(problem.n_scale_sets):
        rows = rows_of[:n_clusters].sum() if problem.n_scale_sets == 1 else rows_of[s]
        for _ in range(1 if problem.scalar else n_features):
            scale[o] = 1.0 / math.sqrt(2.0 * served * rows + prior)
            o += 1
    n_last = N_OF_LAYERS * (problem.n_layers - 1)
    if problem.n_factors > 0:
        o = _write_scale_of_loadings(rows_of, problem, scale, o)
    n_pairs = (size - o - problem.n_nu - n_last) // problem.n_pair_sets
    for p in range(problem.n_pair_sets):
        rows = rows_of[:n_clusters].sum() if problem.n_pair_sets == 1 else rows_of[p]
        for _ in range(n_pairs):
            scale[o] = 1.0 / math.sqrt(0.25 * rows + _PAIR_PRECISION)
            o += 1
    for k in range(problem.n_nu):
        rows = rows_of[:n_clusters].sum() if problem.n_nu == 1 else rows_of[k]
        scale[o] = 1.0 / math.sqrt(0.5 * rows + problem.nu_shape)
        o += 1
    if problem.n_layers > 1:
        _write_scale_of_layers(mass, rows_of, problem, scale[o:])
    return scale


@compiled
def _write_scale_of_loadings(rows_of: Array, problem: Problem, scale: Array, o: int) -> int:
    """Write the inverse root of the information in loadings; return where they end.

    With n rows, n / psi in a loading, psi of the order of the prior's s^2, beside its q / s^2; and
    that times s^2 / q in the log of one on the diagonal.
    """
    n_factors, n_features = problem.n_factors, problem.n_features
    for p in range(problem.n_pair_sets):
        rows = rows_of[: problem.n_clusters].sum() if problem.n_pair_sets == 1 else rows_of[p]
        for _ in range(n_factors):
            scale[o] = 1.0 / math.sqrt(rows / n_factors + 1.0)
            o += 1
    for p in range(problem.n_pair_sets):
        rows = rows_of[: problem.n_clusters].sum() if problem.n_pair_sets == 1 else rows_of[p]
        for i in range(n_features):
            prior = problem.prior_scale[set_of(p, problem.prior_scale), int(problem.order[i])]
            for _ in range(min(i, n_factors)):
                scale[o] = prior / math.sqrt(rows + n_factors)
                o += 1
    return o


@compiled
def _write_scale_of_layers(mass: Array, rows_of: Array, problem: Problem, scale: Array) -> None:
    """Write the inverse root of the information in log(eta - 1) and in the log odds of a.

    With n wide rows, D n / 2 in log eta; n / (a (1 - a)) in a of n rows, a being their good share.
    """
    n_clusters = problem.n_clusters
    good, total = mass[:n_clusters].sum(), rows_of[:n_clusters].sum()
    prior = 1.0 / (problem.excess_sigma * problem.excess_sigma)
    scale[0] = 1.0 / math.sqrt(0.5 * problem.n_features * (total - good) + prior)
    a = min(max((good + 1.0) / (total + 2.0), 0.55), 1.0 - 1e-6)
    slope = 2.0 * (a - 0.5) * (1.0 - a)
    scale[1] = 1.0 / math.sqrt(total * slope * slope / (a * (1.0 - a)) + _ODDS_PRECISION)
