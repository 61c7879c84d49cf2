"""What differs between covariance structures: all of it follows from what clusters share."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from bayesgmm.model.components.volumes import Belongs, Factors
from bayesgmm.model.parameters import Parameters
from bayesgmm.typing import Array

__all__ = ["Structure"]


@dataclass(frozen=True)
class Structure:
    """One covariance structure of Sigma_k = diag(s_k) Omega_k diag(s_k).

    Parameters
    ----------
    name : str
        Our name of it.
    mclust : str
        mclust's name (Scrucca et al. 2016, The R Journal 8:289); empty where it has none.
    scales : {"own", "shared"}
        Whether each cluster has scales of its own.
    correlations : {"own", "shared", "none"}
    one_scale : bool
        One scale serves all features.
    words : str
        The structure in a sentence.
    factors : Factors or None
        What is shared of volumes, shapes and axes, in a structure that is fitted by EM alone. Its
        scales and correlations are then each cluster's own, but not free.
    loadings : {"own", "shared", "none"}
        Of factor-analytic components, Sigma_k = Lambda_k Lambda_k' + diag(u_k^2): what is free are
        then the loadings Lambda and the unique scales u, from which scales and correlations follow.
    unique : {"own", "shared"}
        Whether each such cluster has unique scales of its own.
    isotropic : bool
        Whether one unique scale serves all features.
    n_factors : int
        Number q of factors; 0 without.
    """

    name: str
    mclust: str
    scales: Belongs
    correlations: Belongs
    one_scale: bool
    words: str
    factors: Factors | None = None
    loadings: Belongs = "none"
    unique: Belongs = "own"
    isotropic: bool = False
    n_factors: int = 0

    @property
    def has_loadings(self) -> bool:
        """Whether components are factor-analytic."""
        return self.loadings != "none"

    @property
    def has_free_correlations(self) -> bool:
        """Whether correlation matrices are free in every entry, so that they need many rows."""
        return self.correlations != "none" and not self.has_loadings

    @property
    def _free_scales(self) -> Belongs:
        """Whose the free scales are: the unique ones of factor-analytic components."""
        return self.unique if self.has_loadings else self.scales

    @property
    def _free_pairs(self) -> Belongs:
        """Whose the free correlations are, or the loadings."""
        return self.loadings if self.has_loadings else self.correlations

    @property
    def _one_free_scale(self) -> bool:
        return self.isotropic if self.has_loadings else self.one_scale

    @property
    def shares_factors(self) -> bool:
        """Whether clusters share their loadings or their unique scales."""
        return self.has_loadings and "shared" in (self.loadings, self.unique)

    @property
    def scale_name(self) -> str:
        """The name of the free scales in PyMC and in stored draws."""
        return "unique_scales_free" if self.has_loadings else "scales_free"

    @property
    def prior_names(self) -> dict[str, str]:
        """What the parts of the prior of covariances are called in stored draws."""
        pairs = "loadings" if self.has_loadings else "partial_correlations_beta"
        return {"scales": self.scale_name, "pairs": pairs}

    @property
    def label(self) -> str:
        """The name, and mclust's in brackets where it has another."""
        return self.name if self.mclust in ("", self.name) else f"{self.name} ({self.mclust})"

    @property
    def nearest_sampled(self) -> str:
        """The structure with a posterior that holds this one, and shares no more."""
        if self.factors is None:
            return self.name
        return "full" if self.correlations == "own" else "diag"

    @property
    def scale_dims(self) -> tuple[str, ...]:
        """Return the dims of the free scales: what is shared or scalar has no axis."""
        clusters = ("cluster",) if self._free_scales == "own" else ()
        return clusters if self._one_free_scale else (*clusters, "feature")

    @property
    def pair_dims(self) -> tuple[str, ...]:
        """Return the dims of the free partial correlations."""
        return ("cluster", "pair") if self.correlations == "own" else ("pair",)

    @property
    def own_blocks(self) -> tuple[str, ...]:
        """Return the blocks of coordinates that hold an entry for each cluster, weights aside."""
        pairs = dict.fromkeys(("diagonals", "loadings") if self.has_loadings else ("pairs",))
        sets = {"scales": self._free_scales, **dict.fromkeys(pairs, self._free_pairs)}
        return ("means", *(name for name, belongs in sets.items() if belongs == "own"))

    def loading_dims(self, last: str) -> tuple[str, ...]:
        """Return the dims of the loadings on the diagonal ("factor") or below it ("loading")."""
        return ("cluster", last) if self.loadings == "own" else (last,)

    @property
    def own_covariances(self) -> bool:
        """Whether clusters may differ in their covariance; one can then shrink onto a few rows."""
        return "own" in (self.scales, self.correlations)

    @property
    def partly_shared(self) -> bool:
        """Whether clusters share their scales or their correlations, but not both."""
        return {self.scales, self.correlations} == {"own", "shared"}

    @property
    def narrows_by_feature(self) -> bool:
        """Whether a component can be narrow in one feature, whatever it is in the others."""
        return self.scales == "own" and self.correlations != "own" and not self.one_scale

    def has_correlations(self, n_features: int) -> bool:
        """Whether there is a correlation matrix."""
        return self.correlations != "none" and n_features > 1

    def scale_width(self, n_features: int) -> int:
        """Return the number of free scales of a set."""
        return 1 if self._one_free_scale else n_features

    def n_scale_sets(self, n_components: int) -> int:
        """Return the number of sets of scales: one per cluster, or one for all."""
        return n_components if self._free_scales == "own" else 1

    def n_pair_sets(self, n_components: int) -> int:
        """Return the number of correlation matrices, were there any, or of sets of loadings."""
        return n_components if self._free_pairs == "own" else 1

    def scales_shape(self, n_components: int, n_features: int) -> tuple[int, ...]:
        """Return the shape of the free scales: what is shared or scalar has no axis."""
        sizes = {"cluster": n_components, "feature": n_features}
        return tuple(sizes[dim] for dim in self.scale_dims)

    def pairs_shape(self, n_components: int, n_features: int) -> tuple[int, ...]:
        """Return the shape of the free partial correlations; (0,) where there are none."""
        if not self.has_correlations(n_features) or self.has_loadings:
            return (0,)
        sizes = {"cluster": n_components, "pair": n_features * (n_features - 1) // 2}
        return tuple(sizes[dim] for dim in self.pair_dims)

    def loadings_shapes(
        self, n_components: int, n_features: int
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the shapes of the loadings on the diagonal and of those below it; (0,) without."""
        if not self.has_loadings:
            return (0,), (0,)
        sets = (n_components,) if self.loadings == "own" else ()
        below = self.n_factors * n_features - self.n_factors * (self.n_factors + 1) // 2
        return (*sets, self.n_factors), (*sets, below)

    def n_coordinates(self, n_components: int, n_features: int) -> int:
        """Count the unconstrained coordinates: of weights, means, scales, correlations."""
        shapes = (
            self.scales_shape(n_components, n_features),
            self.pairs_shape(n_components, n_features),
            *self.loadings_shapes(n_components, n_features),
        )
        return n_components - 1 + n_components * n_features + sum(map(math.prod, shapes))

    def n_parameters(self, n_components: int, n_features: int) -> int:
        """Count the free parameters: weights, means, scales, correlations.

        Factors add nothing to covariances that are free already: those of a cluster have at most
        D (D + 1) / 2 free numbers.
        """
        others = n_components - 1 + n_components * n_features
        if self.factors is not None:
            return others + self.factors.n_free(n_components, n_features)
        found = self.n_coordinates(n_components, n_features)
        if not self.has_loadings:
            return found
        sets = n_components if self.own_covariances else 1
        return min(found, others + sets * n_features * (n_features + 1) // 2)

    def scale_entries(
        self, n_components: int, n_features: int
    ) -> Iterator[tuple[int | None, int | None]]:
        """Yield cluster and feature of each free scale; None stands for all of them."""
        clusters = _clusters(self.scales, n_components)
        features = (None,) if self.one_scale else range(n_features)
        return ((cluster, feature) for cluster in clusters for feature in features)

    def correlated_clusters(self, n_components: int) -> Sequence[int | None]:
        """Return the clusters of the correlation matrices; None stands for all of them."""
        return () if self.correlations == "none" else _clusters(self.correlations, n_components)

    def unique_entries(
        self, n_components: int, n_features: int
    ) -> Iterator[tuple[int | None, int | None]]:
        """Yield cluster and feature of each unique scale, as `scale_entries`; none without."""
        clusters = _clusters(self.unique, n_components) if self.has_loadings else ()
        features = (None,) if self.isotropic else range(n_features)
        return ((cluster, feature) for cluster in clusters for feature in features)

    def loaded_clusters(self, n_components: int) -> Sequence[int | None]:
        """Return the clusters of the loadings; None stands for all of them."""
        return _clusters(self.loadings, n_components) if self.has_loadings else ()

    def scale_names(self, features: Sequence[str]) -> tuple[str, ...]:
        """Name the free scales of a set."""
        return ("all features",) if self._one_free_scale else tuple(features)

    def unit(self, spread: Array) -> Array:
        """Return units (feature,) in which the structure stays what it is."""
        one = self.one_scale or self.isotropic
        one = one or (self.factors is not None and self.factors.turned)
        return np.full_like(spread, np.sqrt(np.mean(spread**2))) if one else spread

    def free_unit(self, unit: Array) -> Array:
        """Return the units of the free scales of a set."""
        return unit[0] if self._one_free_scale else unit

    def steps(self, steps: Array) -> Array:
        """Return recording steps (feature,) with which the structure stays what it is."""
        one = self.one_scale or self.isotropic
        return np.full_like(steps, steps.max()) if one else steps

    def nearest(self, weights: Array, scales: Array, correlations: Array) -> tuple[Array, Array]:
        """Return scales and correlations of the structure next to those given.

        What clusters share is their weighted mean; one scale is the root of the mean variance.

        Parameters
        ----------
        weights : array of shape (cluster,)
        scales : array of shape (cluster, feature)
        correlations : array of shape (cluster, feature, feature)
        """
        if self.one_scale:
            mean = np.sqrt((scales**2).mean(axis=1, keepdims=True))
            scales = np.broadcast_to(mean, scales.shape)
        if self.scales == "shared":
            scales = _mean_over_clusters(weights, scales)
        if self.correlations == "shared":
            correlations = _mean_over_clusters(weights, correlations)
        return scales, correlations

    def covariances(self, mass: Array, scatter: Array) -> Array:
        """Maximise the expected Gaussian log likelihood over covariances of this structure.

        Where clusters share scales or correlations but not both, the maximum has no closed form:
        what they share is then that of the pooled rows, which is close to it. Where there are
        factors, those that lie in the covariances remain to be found.

        Parameters
        ----------
        mass : array of shape (cluster,)
            Effective number of rows of each cluster.
        scatter : array of shape (cluster, feature, feature)
            Sums of r (x - mean)(x - mean)' of each cluster about its own mean.

        Returns
        -------
        array of shape (cluster, feature, feature)

        References
        ----------
        Celeux and Govaert (1995), Pattern Recognition 28:781, section 3.
        """
        if self.own_covariances and not self.shares_factors:
            covariances = scatter / mass[:, None, None]
            if self.partly_shared:
                return self._partly_pooled(mass, covariances)
        else:
            pooled = scatter.sum(axis=0) / mass.sum()
            covariances = np.repeat(pooled[None], len(mass), axis=0)
        if self.correlations != "none":
            return covariances
        variances = np.einsum("kdd->kd", covariances)
        if self.one_scale:
            variances = np.broadcast_to(variances.mean(axis=1, keepdims=True), variances.shape)
        return variances[:, :, None] * np.eye(variances.shape[1])

    def _partly_pooled(self, mass: Array, covariances: Array) -> Array:
        scales = np.sqrt(np.einsum("kdd->kd", covariances))
        correlations = covariances / (scales[:, :, None] * scales[:, None, :])
        if self.scales == "shared":
            scales = np.sqrt(_mean_over_clusters(mass / mass.sum(), scales**2))
        else:
            correlations = _mean_over_clusters(mass / mass.sum(), correlations)
        return scales[:, :, None] * correlations * scales[:, None, :]

    def lacking_in(self, parameters: Parameters, tolerance: float) -> list[str]:
        """Return what draws (chain, draw, ...) do not share although the structure does."""

        def alike(one: Array, other: Array) -> bool:
            return bool(np.allclose(one, other, rtol=tolerance, atol=0.0))

        scales, covariances = parameters.scales, parameters.covariances
        correlations = parameters.correlations
        off = ~np.eye(scales.shape[-1], dtype=bool)
        kept = {
            "one set of covariances": self.own_covariances
            or alike(covariances, covariances[:, :, :1]),
            "one set of scales": self.scales == "own" or alike(scales, scales[:, :, :1]),
            "one set of correlations": self.correlations != "shared"
            or alike(1.0 + correlations, 1.0 + correlations[:, :, :1]),
            "one scale for all features": not self.one_scale or alike(scales, scales[..., :1]),
            "no correlations": self.correlations != "none"
            or alike(1.0 + correlations[..., off], np.ones(1)),
        }
        return [what for what, is_kept in kept.items() if not is_kept]

    @classmethod
    def seen_in(cls, parameters: Parameters) -> Self:
        """Return a nameless structure with what draws (chain, draw, ...) are seen to share."""
        covariances, scales = parameters.covariances, parameters.scales
        off_diagonal = ~np.eye(covariances.shape[-1], dtype=bool)

        def belongs(values: Array) -> Belongs:
            return "shared" if (values == values[:, :, :1]).all() else "own"

        correlated = covariances[..., off_diagonal].any()
        return cls(
            name="",
            mclust="",
            scales=belongs(scales),
            correlations=belongs(parameters.correlations) if correlated else "none",
            one_scale=scales.shape[-1] > 1 and bool((scales == scales[..., :1]).all()),
            words="",
        )


def _clusters(belongs: Belongs, n_components: int) -> Sequence[int | None]:
    return range(n_components) if belongs == "own" or n_components == 1 else (None,)


def _mean_over_clusters(weights: Array, values: Array) -> Array:
    """Return values (cluster, ...) with their weighted mean in every cluster, exactly if equal."""
    mean = values[0] + np.tensordot(weights, values - values[0], axes=1)
    return np.broadcast_to(mean, values.shape)
