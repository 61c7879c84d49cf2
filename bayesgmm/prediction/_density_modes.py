"""How many modes the density of a mixture has: fewer than components where these overlap."""

from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from bayesgmm.arguments import check_count
from bayesgmm.model.parameters import log_of_weights
from bayesgmm.posterior.draws import Draws
from bayesgmm.prediction.averaged import Average
from bayesgmm.prediction.counted import Counted, counted, some_of_each_chain
from bayesgmm.prediction.draws import FitOrPosterior, draws_of, require_no_tails
from bayesgmm.runtime.keywords import keywords
from bayesgmm.typing import Array, BoolArray, IntArray

__all__ = ["DensityModes", "density_modes"]

_STEPS = 200
_CLOSE = 1e-7  # a step that is no longer one, in units of the frame
_SAME = 1e-4  # of two points that are one mode
_FLAT = 1e-9  # of a curvature that is none


@dataclass(frozen=True, eq=False, repr=False)
class DensityModes(Counted):
    """The posterior of the number of modes of the density.

    Parameters
    ----------
    table : pandas.DataFrame
        One row a number of modes, index modes: probability and error, its Monte Carlo standard
        error.
    counts : array of shape (sample,)
        Modes found in each draw.

    Examples
    --------
    >>> from bayesgmm import fit_em
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> density_modes(fit_em(rows, 2, seed=1)).most_probable
    2
    """


@keywords(fit_or_posterior="posterior")
def density_modes(posterior: FitOrPosterior | Average, n_draws: int = 400) -> DensityModes:
    """Count the modes of the density in each draw, and give the posterior of their number.

    K counts Gaussians. Where several of them make one hill of the density, as for a group that is
    not Gaussian, there are fewer modes than components; with several features and unequal
    covariances there may be more.

    Parameters
    ----------
    posterior : PointFit, xarray.DataTree or Average
        Labels do not matter.
    n_draws : int
        At most so many draws, evenly spaced.

    Returns
    -------
    DensityModes

    Notes
    -----
    From each mean, and from between each pair of means, the density is climbed, by Newton's steps
    where these climb and by the fixed-point steps of modal EM else. A mode that none of these
    climbs reaches is not counted. A noise, whose density is the same everywhere, moves none.

    References
    ----------
    Li, Ray and Lindsay (2007), Journal of Machine Learning Research 8:1687 (modal EM). Ray and
    Lindsay (2005), Annals of Statistics 33:2042 (more modes than components).

    Examples
    --------
    >>> from bayesgmm import sample
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> density_modes(sample(rows, 2, draws=200, seed=1)).table.index.name
    'modes'
    """
    most = check_count("n_draws", n_draws)
    view = draws_of(posterior, labelled=False)
    require_no_tails("density_modes", view)
    draws, n_chains = some_of_each_chain(view, most)
    counts = _counts(draws)
    return DensityModes(counted(counts, n_chains, "modes"), counts)


class _Density:
    """The mixtures of several draws, in units of the frame: (sample, point, cluster) at points."""

    def __init__(self, draws: Draws) -> None:
        weights, means, _, _, covariances = draws.parameters[:5]
        centre, unit = draws.frame
        self.log_weights = log_of_weights(weights)
        self.means = (means - centre) / unit
        covariances = covariances / np.multiply.outer(unit, unit)
        self.precisions = np.linalg.inv(covariances)
        self.log_scale = self.log_weights - 0.5 * np.linalg.slogdet(covariances)[1]

    def at(self, points: Array) -> tuple[Array, Array, Array]:
        """Return log f, its gradient and Hessian over f's, and shares' pull: see `_climbed`."""
        apart = self.means[:, None] - points[:, :, None]
        pull = np.einsum("skij,stkj->stki", self.precisions, apart)
        logs = self.log_scale[:, None] - 0.5 * np.einsum("stki,stki->stk", apart, pull)
        return logs, pull, softmax(logs, axis=2)


def _counts(draws: Draws) -> IntArray:
    density = _Density(draws)
    points, modes = _climbed(density, _starts(density.means))
    counts = np.zeros(len(points), dtype=np.int64)
    for s, (at, is_mode) in enumerate(zip(points, modes, strict=True)):
        found: list[Array] = []
        for point in at[is_mode]:
            if all(np.abs(point - other).max() > _SAME for other in found):
                found.append(point)
        counts[s] = max(len(found), 1)
    return counts


def _starts(means: Array) -> Array:
    """Return the means of each draw, and the points between each pair: (sample, start, feature)."""
    first, second = np.triu_indices(means.shape[1], 1)
    between = 0.5 * (means[:, first] + means[:, second])
    return np.concatenate([means, between], axis=1)


def _climbed(density: _Density, points: Array) -> tuple[Array, BoolArray]:
    """Climb from points (sample, start, feature); return where that ends, and whether on a mode."""
    points = points.copy()
    for _ in range(_STEPS):
        logs, gradient, curvature, modal = _derivatives(density, points)
        peaked = np.linalg.eigvalsh(curvature)[..., -1] < -_FLAT
        safe = np.where(peaked[..., None, None], curvature, -np.eye(points.shape[2]))
        newton = points - np.linalg.solve(safe, gradient[..., None])[..., 0]
        rises = peaked & (_log_density(density, newton) >= logs)
        moved = np.where(rises[..., None], newton, modal)
        step = np.abs(moved - points).max()
        points = moved
        if step < _CLOSE:
            break
    _, gradient, curvature, _ = _derivatives(density, points)
    peaked = np.linalg.eigvalsh(curvature)[..., -1] < -_FLAT
    return points, peaked & (np.abs(gradient).max(axis=2) < _SAME)


def _log_density(density: _Density, points: Array) -> Array:
    return np.logaddexp.reduce(density.at(points)[0], axis=2)


def _derivatives(density: _Density, points: Array) -> tuple[Array, Array, Array, Array]:
    """Return log f, its gradient and Hessian, and the next points by modal EM.

    With the shares p_k of the components at x and v_k = S_k^-1 (m_k - x): the gradient is
    sum p_k v_k, the Hessian sum p_k (v_k v_k' - S_k^-1) less the gradient's square, and modal EM
    goes to (sum p_k S_k^-1)^-1 sum p_k S_k^-1 m_k.
    """
    logs, pull, shares = density.at(points)
    gradient = np.einsum("stk,stki->sti", shares, pull)
    precision = np.einsum("stk,skij->stij", shares, density.precisions)
    curvature = np.einsum("stk,stki,stkj->stij", shares, pull, pull) - precision
    curvature -= gradient[..., :, None] * gradient[..., None, :]
    modal = points + np.linalg.solve(precision, gradient[..., None])[..., 0]
    return np.logaddexp.reduce(logs, axis=2), gradient, curvature, modal
