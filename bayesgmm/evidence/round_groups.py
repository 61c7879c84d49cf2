"""Groups of draws that are fewer than a free covariance has parameters: where the modes lie."""

import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.limits import FEWEST_BRIDGED
from bayesgmm.sampling.posterior_modes import climb
from bayesgmm.sampling.preconditioning import local_root
from bayesgmm.typing import Array

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture

__all__ = ["MAX_GAUSSIANS", "Groups", "round_groups"]

MAX_GAUSSIANS = 8
_STARTS = 3
_SEEDS = 2**32
_LEAST_VARIANCE = 1e-4  # of a group, in u


class Groups(NamedTuple):
    """Draws in groups.

    Parameters
    ----------
    weights : array of shape (group,)
    means : array of shape (group, dim)
    shares : array of shape (group, draw)
        What each draw has in each group, 1 in all.
    """

    weights: Array
    means: Array
    shares: Array


def round_groups(target: LogPosterior, draws: Array, seed: int) -> Groups:
    """Return the groups that Gaussians without correlations find in u, x = centre + root u.

    The centre is the mode above the highest draw, and root root' the inverse of the curvature
    there: a posterior of one mode is then nearly round, and its modes lie apart. Groups are twice
    as many again as long as BIC falls and each holds draws enough: on one draw, or on those of a
    chain that stands still, the density of a group has no bound.

    Parameters
    ----------
    target : LogPosterior
    draws : array of shape (draw, dim)
        Unconstrained coordinates.
    seed : int
    """
    highest = draws[int(target.log_densities(draws).argmax())]
    centre, _ = climb(target, highest)
    root = local_root(target, centre)
    u = np.linalg.solve(root, (draws - centre).T).T
    best, number = _fitted(u, 1, seed), 2
    while number <= MAX_GAUSSIANS:
        fit = _fitted(u, number, seed)
        if fit.bic(u) >= best.bic(u) or not _has_width(fit, len(u)):
            break
        best, number = fit, 2 * number
    return Groups(best.weights_, centre + best.means_ @ root, best.predict_proba(u).T)


def _has_width(fit: "GaussianMixture", n_draws: int) -> bool:
    """Whether each group holds draws enough, apart from one another in each coordinate."""
    fewest = n_draws * fit.weights_.min()
    return bool(fewest >= FEWEST_BRIDGED and fit.covariances_.min() > _LEAST_VARIANCE)


def _fitted(u: Array, number: int, seed: int) -> "GaussianMixture":
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    mixture = GaussianMixture(
        number, covariance_type="diag", n_init=_STARTS, random_state=seed % _SEEDS
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return mixture.fit(u)
