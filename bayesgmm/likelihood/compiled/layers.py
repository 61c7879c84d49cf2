"""Clusters of two Gaussians: that of the good rows, and a wider one about the same mean.

With S = S0 + diag(h^2), S0 = diag(s) Omega diag(s), a cluster of the contaminated normal is

    a N(mu, S) + (1 - a) N(mu, eta S0 + diag(h^2)),    1/2 < a < 1,    eta > 1,

so that passes over rows see 2 K Gaussians: the narrow ones first, the wide ones after them. What
they sum is carried back to K clusters, to a and to eta. The coordinates are log(eta - 1) and
log((a - 1/2) / (1 - a)).

References
----------
Punzo and McNicholas (2016), Biometrical Journal 58:1506 (contaminated mixtures).
"""

import math

from bayesgmm.likelihood.compiled.vectors import copy_into
from bayesgmm.likelihood.compiled.whitening import cholesky, set_of, squared
from bayesgmm.runtime.compiling import compiled
from bayesgmm.typing import Array

__all__ = [
    "LARGEST_COORDINATE",
    "N_OF_LAYERS",
    "read_layers",
    "rows_of_parts",
    "write_layers",
]

N_OF_LAYERS = 2  # coordinates of eta and a
LARGEST_COORDINATE = 20.0  # by maximum likelihood, to both sides: 1e-9 from a bound


@compiled
def read_layers(coordinates: Array, out: Array) -> None:
    """Write eta, log a and log(1 - a) from log(eta - 1) and log((a - 1/2) / (1 - a))."""
    odds = coordinates[1]
    below = 1.0 / (1.0 + math.exp(-odds)) if odds > -700.0 else 0.0
    out[0] = 1.0 + math.exp(coordinates[0])
    out[1] = math.log(0.5 + 0.5 * below)
    out[2] = -math.log(2.0) - (math.log1p(math.exp(odds)) if odds < 30.0 else odds)


@compiled
def write_layers(
    log_weights: Array,
    means: Array,
    factors: Array,
    layers: Array,
    error: Array,
    seen_log_weights: Array,
    seen_means: Array,
    seen_factors: Array,
) -> bool:
    """Write the 2 K Gaussians of K clusters; False where a covariance is singular.

    Parameters
    ----------
    log_weights, means, factors : arrays
        Of the clusters, and the log weight of the noise after theirs.
    layers : array of shape (3,)
        As `read_layers` writes it.
    error : array of shape (feature,)
        Standard deviation h of the recording error.
    seen_log_weights, seen_means, seen_factors : arrays, written
        Of the Gaussians, as `bayesgmm.likelihood.compiled.grouped.Components` has them.
    """
    n_clusters, size = means.shape
    regular, exact = True, True
    for d in range(size):
        exact &= error[d] == 0.0
    for k in range(n_clusters):
        g, wide = set_of(k, factors), n_clusters + k
        seen_log_weights[k] = log_weights[k] + layers[1]
        seen_log_weights[wide] = log_weights[k] + layers[2]
        copy_into(seen_means[k], means[k])
        copy_into(seen_means[wide], means[k])
        copy_into(seen_factors[k], factors[g])
        if exact:
            root = math.sqrt(layers[0])
            for i in range(size):
                for j in range(size):
                    seen_factors[wide, i, j] = root * factors[g, i, j]
        else:
            squared(factors[g], seen_factors[wide])
            for i in range(size):
                for j in range(size):
                    seen_factors[wide, i, j] *= layers[0]
                seen_factors[wide, i, i] -= (layers[0] - 1.0) * error[i] * error[i]
            regular &= cholesky(seen_factors[wide], seen_factors[wide])
    for p in range(n_clusters, log_weights.shape[0]):
        seen_log_weights[n_clusters + p] = log_weights[p]
    return regular


@compiled
def rows_of_parts(mass: Array, n_clusters: int, n_normals: int, out: Array) -> None:
    """Write the rows of clusters, and of the noise, from those of Gaussians and noise."""
    for k in range(n_clusters):
        out[k] = mass[k]
        for q in range(n_clusters + k, n_normals, n_clusters):
            out[k] += mass[q]
    for p in range(n_clusters, out.shape[0]):
        out[p] = mass[n_normals - n_clusters + p]
