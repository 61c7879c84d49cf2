"""The parameters of a mixture in the units of the data."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from bayesgmm.typing import Array, IntArray

__all__ = [
    "Parameters",
    "covariances_from",
    "covariances_of_factors",
    "in_fitting_units",
    "log_odds",
    "log_of_weights",
    "matrices_of",
    "pair_names",
    "pairs_of",
    "permute",
    "without_error",
]

_OF_ALL_CLUSTERS = ("noise", "inflation", "good_share")
_ROUNDING = 1e-10  # of the recording error's variance: below, a scale is 0


class Parameters(NamedTuple):
    """Parameters of one mixture, or of many along leading axes; data units.

    Parameters
    ----------
    weights : array of shape (..., cluster)
    means : array of shape (..., cluster, feature)
    scales : array of shape (..., cluster, feature)
        Standard deviations without the recording error.
    correlations, covariances : arrays of shape (..., cluster, feature, feature)
        covariances = diag(scales) correlations diag(scales) + diag(h^2). Of components with the
        tails of t all three are those of the scale matrix.
    noise : array of shape (...), optional
        The weight of the noise, where there is one: that of the clusters is then 1 less it.
    nu : array of shape (..., cluster), optional
        Degrees of freedom, where components are t.
    inflation, good_share : arrays of shape (...), optional
        Where components are contaminated: with 1 - good_share a row of a cluster has the covariance
        inflation diag(scales) correlations diag(scales) + diag(h^2).
    loadings : array of shape (..., cluster, feature, factor), optional
        Of factor-analytic components, whose covariances are
        loadings loadings' + diag(unique_scales^2) + diag(h^2).
    unique_scales : array of shape (..., cluster, feature), optional
        Standard deviations of what the factors leave of each feature, without the recording error.
    """

    weights: Array
    means: Array
    scales: Array
    correlations: Array
    covariances: Array
    noise: Array | None = None
    nu: Array | None = None
    inflation: Array | None = None
    good_share: Array | None = None
    loadings: Array | None = None
    unique_scales: Array | None = None

    def each(self, function: Callable[[Array], Array]) -> "Parameters":
        """Return the parameters with a function applied to each array that there is."""
        values: Any = [None if value is None else function(value) for value in self]
        return Parameters(*values)

    def each_of_clusters(self, function: Callable[[Array], Array]) -> "Parameters":
        """Return the parameters with a function applied to each array that has a cluster axis."""
        kept: Any = {name: getattr(self, name) for name in _OF_ALL_CLUSTERS}
        none: Any = dict.fromkeys(_OF_ALL_CLUSTERS)
        return self._replace(**none).each(function)._replace(**kept)

    def at(self, index: Any) -> "Parameters":
        """Return some of many, or one, as an index along the first axis takes them."""
        return self.each(lambda value: value[index])

    def margin(self, index: Sequence[int]) -> "Parameters":
        """Return the parameters of the marginal mixture of some features, in that order."""
        square = (..., *np.ix_(index, index))
        return self._replace(
            means=self.means[..., index],
            scales=self.scales[..., index],
            correlations=self.correlations[square],
            covariances=self.covariances[square],
            loadings=None if self.loadings is None else self.loadings[..., index, :],
            unique_scales=None if self.unique_scales is None else self.unique_scales[..., index],
        )

    @classmethod
    def joined(
        cls, several: Sequence["Parameters"], join: Callable[[Sequence[Array]], Array]
    ) -> "Parameters":
        """Return several made one: `join` takes what each has of an array."""
        each: Any = zip(*several, strict=True)
        joined: Any = [None if values[0] is None else join(values) for values in each]
        return cls(*joined)

    def permuted(self, order: IntArray) -> "Parameters":
        """Return the parameters with cluster k taken from `order[..., k]`."""
        return self.each_of_clusters(lambda value: permute(value, order, order.ndim - 1))

    @property
    def tailed(self) -> bool:
        """Whether components have tails, so that rows far out count less in their estimates."""
        return self.nu is not None or self.inflation is not None

    @property
    def parts(self) -> Array:
        """The weights of the clusters, and after them that of the noise: (..., part)."""
        if self.noise is None:
            return self.weights
        return np.concatenate([self.weights, self.noise[..., None]], axis=-1)

    @property
    def n_layers(self) -> int:
        """Number of Gaussians that a cluster is made of."""
        return 1 if self.inflation is None else 2

    @property
    def normals(self) -> "Parameters":
        """The mixture with each Gaussian as a cluster: where contaminated the wide ones follow."""
        if self.inflation is None or self.good_share is None:
            return self
        good, eta = self.good_share[..., None], self.inflation[..., None, None, None]
        own = self.scales[..., :, None] * self.scales[..., None, :] * self.correlations
        wide = (eta - 1.0) * own + self.covariances
        return Parameters(
            weights=np.concatenate([good * self.weights, (1.0 - good) * self.weights], axis=-1),
            means=np.concatenate([self.means, self.means], axis=-2),
            scales=np.concatenate([self.scales, np.sqrt(eta[..., 0]) * self.scales], axis=-2),
            correlations=np.concatenate([self.correlations, self.correlations], axis=-3),
            covariances=np.concatenate([self.covariances, wide], axis=-3),
            noise=self.noise,
        )

    @property
    def shares(self) -> Array:
        """The weights of the clusters among themselves (..., cluster), which sum to 1."""
        if self.noise is None:
            return self.weights
        return self.weights / self.weights.sum(axis=-1, keepdims=True)


def pair_names(features: Sequence[str]) -> list[str]:
    """Name the pairs of features in the order of the rows of a lower triangle."""
    return [f"{features[i]}, {features[j]}" for i in range(len(features)) for j in range(i)]


def pairs_of(matrices: Array) -> Array:
    """Return the entries (..., pair) below the diagonal, in the order of `pair_names`."""
    rows, columns = np.tril_indices(matrices.shape[-1], -1)
    return matrices[..., rows, columns]


def matrices_of(pairs: Array, n_features: int) -> Array:
    """Return the correlation matrices (..., feature, feature) of correlations (..., pair)."""
    rows, columns = np.tril_indices(n_features, -1)
    matrices = np.empty((*pairs.shape[:-1], n_features, n_features))
    matrices[..., rows, columns] = matrices[..., columns, rows] = pairs
    matrices[..., range(n_features), range(n_features)] = 1.0
    return matrices


def permute(values: Array, order: IntArray, axis: int) -> Array:
    """Take entries along `axis` in the order given for each of the axes before it."""
    index = order.reshape(order.shape + (1,) * (values.ndim - order.ndim))
    return np.take_along_axis(values, index, axis)


def covariances_from(scales: Array, correlations: Array, resolution: Array) -> Array:
    """Return diag(s) Omega diag(s) + diag(h^2), leading axes broadcast."""
    outer = scales[..., :, None] * scales[..., None, :]
    return outer * correlations + np.diag(resolution**2)


def covariances_of_factors(
    loadings: Array, unique_scales: Array, resolution: Array
) -> dict[str, Array]:
    """Return what factors make of covariances, by the names of `Parameters`."""
    own = loadings @ loadings.swapaxes(-1, -2)
    places = np.arange(own.shape[-1])
    own[..., places, places] += unique_scales**2
    scales = np.sqrt(own[..., places, places])
    correlations = own / (scales[..., :, None] * scales[..., None, :])
    correlations[..., places, places] = 1.0
    return {
        "scales": scales,
        "correlations": correlations,
        "covariances": own + np.diag(resolution**2),
        "loadings": loadings,
        "unique_scales": unique_scales,
    }


def without_error(covariances: Array, resolution: Array) -> tuple[Array, Array]:
    """Return scales and correlations such that `covariances_from` gives the covariances again.

    A scale whose variance is the recording error's alone is 0, and so are its correlations.

    Parameters
    ----------
    covariances : array of shape (cluster, feature, feature)
    resolution : array of shape (feature,)
    """
    variances = np.einsum("kdd->kd", covariances) - resolution**2
    variances = np.where(variances > _ROUNDING * resolution**2, variances, 0.0)
    scales = np.sqrt(variances)
    outer = scales[:, :, None] * scales[:, None, :]
    within = np.divide(covariances, outer, out=np.zeros_like(covariances), where=outer > 0.0)
    diagonal = np.eye(covariances.shape[-1], dtype=bool)
    return scales, np.where(diagonal, 1.0, np.clip(within, -1.0, 1.0))


def log_of_weights(weights: Array) -> Array:
    """Return log weights, finite also where a weight is 0: that of the smallest normal number."""
    return np.log(np.maximum(weights, np.finfo(float).tiny))


def in_fitting_units(
    parameters: Parameters, centre: Array, unit: Array
) -> tuple[Array, Array, Array, Array]:
    """Return log weights, means, covariances and nu of draws as the compiled passes take them.

    A contaminated cluster is two Gaussians, the wide ones after the others. The weight of the noise
    stands after theirs; nu is of shape (sample, 0) where components are Gaussian.

    Parameters
    ----------
    parameters : Parameters
        Draws, arrays of shape (sample, ...), data units.
    centre, unit : arrays of shape (feature,), data units
    """
    parameters = parameters.normals
    means = np.ascontiguousarray((parameters.means - centre) / unit)
    covariances = np.ascontiguousarray(parameters.covariances / np.multiply.outer(unit, unit))
    log_weights = np.ascontiguousarray(log_of_weights(parameters.parts))
    nu = np.empty((len(means), 0)) if parameters.nu is None else parameters.nu
    return log_weights, means, covariances, np.ascontiguousarray(nu)


def log_odds(correlations: Array) -> Array:
    """Return 2 artanh(y) of the partial correlations (..., pair), rows of the lower triangle."""
    factors = np.linalg.cholesky(correlations)
    pairs = []
    for i in range(factors.shape[-1]):
        remaining = np.ones(factors.shape[:-2])
        for j in range(i):
            entry = factors[..., i, j]
            pairs.append(entry / np.sqrt(remaining))
            remaining = remaining - entry**2
    return 2.0 * np.arctanh(np.stack(pairs, axis=-1))
