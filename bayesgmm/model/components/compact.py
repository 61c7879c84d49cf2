"""Covariances and precisions in scikit-learn's shapes: nothing shared or implied is repeated."""

import numpy as np

from bayesgmm.model.components.structure import Structure
from bayesgmm.typing import Array

__all__ = ["compact", "compact_shape", "expand", "inverse", "precision_cholesky"]


def compact_shape(structure: Structure, n_components: int, n_features: int) -> tuple[int, ...]:
    """Return the shape of `compact`; the empty one is a single number."""
    clusters = (n_components,) if structure.own_covariances else ()
    if structure.correlations != "none":
        return (*clusters, n_features, n_features)
    return clusters if structure.one_scale else (*clusters, n_features)


def compact(structure: Structure, matrices: Array) -> Array:
    """Return what is free of matrices (cluster, feature, feature) of a structure."""
    if not structure.own_covariances:
        matrices = matrices[0]
    if structure.correlations != "none":
        return matrices
    diagonals = np.diagonal(matrices, axis1=-2, axis2=-1)
    return np.array(diagonals[..., 0] if structure.one_scale else diagonals)


def expand(structure: Structure, values: Array, n_components: int, n_features: int) -> Array:
    """Return the matrices (cluster, feature, feature) of which `values` are the free part."""
    values = np.asarray(values, dtype=float)
    if structure.correlations == "none":
        diagonals = values[..., None] if structure.one_scale else values
        values = diagonals[..., None] * np.eye(n_features)
    return np.array(np.broadcast_to(values, (n_components, n_features, n_features)))


def precision_cholesky(structure: Structure, covariances: Array) -> Array:
    """Return the factors U, upper triangular, with U U' the precisions; all in compact shapes."""
    if structure.correlations != "none":
        return np.linalg.inv(np.linalg.cholesky(covariances)).swapaxes(-1, -2)
    return 1.0 / np.sqrt(covariances)


def inverse(structure: Structure, matrices: Array) -> Array:
    """Return the inverses of symmetric, positive definite matrices; both in compact shapes.

    Raises
    ------
    numpy.linalg.LinAlgError
        When one is not symmetric and positive definite.
    """
    if structure.correlations == "none":
        if not np.all(matrices > 0.0):
            raise np.linalg.LinAlgError("not positive")
        return 1.0 / matrices
    if not np.allclose(matrices, matrices.swapaxes(-1, -2)):
        raise np.linalg.LinAlgError("not symmetric")
    upper = precision_cholesky(structure, matrices)
    return upper @ upper.swapaxes(-1, -2)
