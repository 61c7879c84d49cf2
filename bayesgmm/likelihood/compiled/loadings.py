"""Factor-analytic covariances: from coordinates to loadings, and the gradient's way back.

Sigma = Lambda Lambda' + diag(u^2 + h^2), Lambda (feature, factor). With the features in an order
of their own, Lambda is lower triangular with a positive diagonal. Its coordinates are the logs of
the diagonal entries (set, factor), then the entries below it (set, entry), row after row.

A free Lambda with independent entries N(0, s_d^2 / q), turned until it is triangular, has entries
N(0, s_d^2 / q) below the diagonal and s_d chi_(q - j) / sqrt(q) at place j = 0, 1, ... of it, all
independent (the Bartlett decomposition): the law of Lambda Lambda' depends neither on a rotation
of the factors nor on the order of the features.

References
----------
Muirhead (1982), Aspects of Multivariate Statistical Theory, theorem 3.2.14. McNicholas and Murphy
(2008), Statistics and Computing 18:285 (mixtures of such components).
"""

import math

from bayesgmm.likelihood.compiled.whitening import cholesky, set_of
from bayesgmm.runtime.compiling import compiled
from bayesgmm.typing import Array

__all__ = [
    "add_loadings_prior",
    "factorise_loadings",
    "n_below",
    "pull_back_loadings",
    "unpack_loadings",
]


@compiled
def n_below(n_features: int, n_factors: int) -> int:
    """Return how many entries of a set of loadings lie below its diagonal."""
    return n_factors * n_features - n_factors * (n_factors + 1) // 2


@compiled
def unpack_loadings(x: Array, o: int, order: Array, loadings: Array) -> None:
    """Write the loadings (set, feature, factor) at x[o:]."""
    n_sets, n_features, n_factors = loadings.shape
    entry = o + n_sets * n_factors
    for p in range(n_sets):
        for i in range(n_features):
            d = int(order[i])
            for j in range(n_factors):
                if j < i:
                    loadings[p, d, j] = x[entry]
                    entry += 1
                else:
                    loadings[p, d, j] = math.exp(x[o + p * n_factors + j]) if j == i else 0.0


@compiled
def factorise_loadings(loadings: Array, scales: Array, resolution: Array, factor: Array) -> bool:
    """Write the Cholesky factor of Lambda Lambda' + diag(u^2 + h^2), of one set of each."""
    n_features, n_factors = loadings.shape
    for i in range(n_features):
        for j in range(i + 1):
            product = 0.0
            for m in range(n_factors):
                product += loadings[i, m] * loadings[j, m]
            factor[i, j] = product
        factor[i, i] += scales[i] * scales[i] + resolution[i] * resolution[i]
    return cholesky(factor, factor)


@compiled
def pull_back_loadings(
    o: int,
    loadings: Array,
    scales: Array,
    order: Array,
    scalar: bool,
    covariance_gradient: Array,
    gradient: Array,
) -> None:
    """Write the gradient in log u and in the loadings, x[o:].

    Parameters
    ----------
    o : int
        Where the unique scales begin.
    loadings : array of shape (set, feature, factor)
    scales : array of shape (scale set, feature)
    order : array of shape (feature,)
    scalar : bool
        Whether one unique scale serves all features.
    covariance_gradient : array of shape (group, feature, feature)
        Twice the likelihood's in the covariance of each group, symmetric.
    gradient : array of shape (dim,), written
    """
    n_groups, n_features = covariance_gradient.shape[0], covariance_gradient.shape[1]
    n_sets, n_factors = loadings.shape[0], loadings.shape[2]
    for s in range(scales.shape[0]):
        first, stop = (0, n_groups) if scales.shape[0] == 1 else (s, s + 1)
        collected = 0.0
        for d in range(n_features):
            for g in range(first, stop):
                collected += covariance_gradient[g, d, d] * scales[s, d] * scales[s, d]
            if not scalar or d == n_features - 1:
                gradient[o] = collected
                collected = 0.0
                o += 1
    entry = o + n_sets * n_factors
    for p in range(n_sets):
        first, stop = (0, n_groups) if n_sets == 1 else (p, p + 1)
        for i in range(n_features):
            d = int(order[i])
            for j in range(min(i + 1, n_factors)):
                slope = 0.0
                for g in range(first, stop):
                    for m in range(n_features):
                        slope += covariance_gradient[g, d, m] * loadings[p, m, j]
                if j == i:
                    gradient[o + p * n_factors + j] = slope * loadings[p, d, j]
                else:
                    gradient[entry] = slope
                    entry += 1


@compiled
def add_loadings_prior(
    o: int,
    x: Array,
    loadings: Array,
    order: Array,
    prior_scale: Array,
    jacobian: float,
    gradient: Array,
) -> tuple[float, float]:
    """Add the prior's gradient, x[o:]; return its log density less its constant, and the Jacobian.

    `prior_scale` is (scale set, feature), the scale s_d of the loadings of a feature.
    """
    n_sets, n_features, n_factors = loadings.shape
    value, log_jacobian, entry = 0.0, 0.0, o + n_sets * n_factors
    root = math.sqrt(n_factors)
    for p in range(n_sets):
        for i in range(n_features):
            d = int(order[i])
            scale = prior_scale[set_of(p, prior_scale), d] / root
            for j in range(min(i + 1, n_factors)):
                z = loadings[p, d, j] / scale
                value -= 0.5 * z * z
                if j < i:
                    gradient[entry] -= z / scale
                    entry += 1
                    continue
                place, more = o + p * n_factors + j, n_factors - j - 1
                value += more * (x[place] - math.log(scale))
                log_jacobian += x[place]
                gradient[place] += more - z * z + jacobian
    return value, log_jacobian
