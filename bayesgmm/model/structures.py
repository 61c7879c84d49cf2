"""The six covariance structures: which factors of Sigma_k exist and which are shared."""

from dataclasses import dataclass

import numpy as np

from bayesgmm.typing import Array

__all__ = ["STRUCTURES", "Structure", "distinct_structure"]


@dataclass(frozen=True)
class Structure:
    """One covariance structure.

    Parameters
    ----------
    name : str
        Our name of it.
    mclust : str
        mclust's name (Scrucca et al. 2016, The R Journal 8:289).
    shared : bool
        All clusters share one set of scales and correlations.
    scalar : bool
        One scale serves all features.
    correlated : bool
        There is a correlation matrix.
    """

    name: str
    mclust: str
    shared: bool
    scalar: bool
    correlated: bool

    def scales_shape(self, n_components: int, n_features: int) -> tuple[int, ...]:
        """Return the shape of the free scales: what is shared or scalar has no axis."""
        clusters = () if self.shared else (n_components,)
        return clusters if self.scalar else (*clusters, n_features)

    def pairs_shape(self, n_components: int, n_features: int) -> tuple[int, ...]:
        """Return the shape of the free partial correlations; (0,) where there are none."""
        n_pairs = n_features * (n_features - 1) // 2
        if not self.correlated or not n_pairs:
            return (0,)
        return (n_pairs,) if self.shared else (n_components, n_pairs)

    def n_parameters(self, n_components: int, n_features: int) -> int:
        """Count the free parameters: weights, means, scales, correlations."""
        scales = int(np.prod(self.scales_shape(n_components, n_features)))
        pairs = int(np.prod(self.pairs_shape(n_components, n_features)))
        return n_components - 1 + n_components * n_features + scales + pairs

    def covariances(self, mass: Array, scatter: Array) -> Array:
        """Maximise the expected Gaussian log likelihood over covariances of this structure.

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
        if self.shared:
            pooled = scatter.sum(axis=0) / mass.sum()
            covariances = np.repeat(pooled[None], len(mass), axis=0)
        else:
            covariances = scatter / mass[:, None, None]
        if self.correlated:
            return covariances
        variances = np.einsum("kdd->kd", covariances)
        if self.scalar:
            variances = np.broadcast_to(variances.mean(axis=1, keepdims=True), variances.shape)
        return variances[:, :, None] * np.eye(variances.shape[1])


STRUCTURES: dict[str, Structure] = {
    structure.name: structure
    for structure in (
        Structure("full", "VVV", shared=False, scalar=False, correlated=True),
        Structure("tied", "EEE", shared=True, scalar=False, correlated=True),
        Structure("diag", "VVI", shared=False, scalar=False, correlated=False),
        Structure("spherical", "VII", shared=False, scalar=True, correlated=False),
        Structure("tied_diag", "EEI", shared=True, scalar=False, correlated=False),
        Structure("tied_spherical", "EII", shared=True, scalar=True, correlated=False),
    )
}


def distinct_structure(name: str, n_components: int, n_features: int) -> str:
    """Return the first structure that is the same model at this size.

    With one component nothing differs by sharing; with one feature nothing differs by the
    correlations or by one scale for all.

    Examples
    --------
    >>> distinct_structure("tied_spherical", 1, 2), distinct_structure("diag", 3, 1)
    ('spherical', 'full')
    """
    wanted = STRUCTURES[name]
    return next(
        other.name
        for other in STRUCTURES.values()
        if (n_components == 1 or other.shared == wanted.shared)
        and (
            n_features == 1
            or (other.scalar == wanted.scalar and other.correlated == wanted.correlated)
        )
    )
