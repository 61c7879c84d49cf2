"""What a point of EM says of factors: loadings and unique variances, after all else.

Loadings are (cluster, feature, factor), and the logs of the unique variances, the recording error
included, (cluster, feature); fitting coordinates. Its covariances are theirs: an M-step begins with
the factors of the last.
"""

import numpy as np

from bayesgmm.model.components import Structure
from bayesgmm.model.components.loadings import factor_analysis
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.typing import Array

__all__ = ["factors_in", "factors_of", "n_of_factors"]


def n_of_factors(resolved: ResolvedSpec) -> int:
    """Return how many numbers at the end of a point say what its factors are."""
    structure = resolved.structure
    if not structure.has_loadings:
        return 0
    return resolved.n_components * resolved.n_features * (structure.n_factors + 1)


def factors_of(covariances: Array, structure: Structure) -> Array:
    """Return the end of a point with covariances of the structure (cluster, feature, feature)."""
    if not structure.has_loadings:
        return np.empty(0)
    loadings, unique = factor_analysis(covariances, structure.n_factors, structure.isotropic)
    return np.concatenate([loadings.ravel(), np.log(unique).ravel()])


def factors_in(point: Array, resolved: ResolvedSpec) -> dict[str, Array]:
    """Return loadings and unique scales of a point, data units, as `Parameters` names them."""
    size = n_of_factors(resolved)
    if not size:
        return {}
    k, d, q = resolved.n_components, resolved.n_features, resolved.structure.n_factors
    end, unit = point[len(point) - size :], resolved.unit
    variances = np.exp(end[k * d * q :].reshape(k, d)) - (resolved.resolution / unit) ** 2
    return {
        "loadings": unit[:, None] * end[: k * d * q].reshape(k, d, q),
        "unique_scales": unit * np.sqrt(np.maximum(variances, 0.0)),
    }
