"""Which optima are spikes: narrow components that live on tied rows, or on a few by chance.

McLachlan and Peel (2000), Finite Mixture Models, section 3.10, call them spurious maximisers.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc, gammaln

from bayesgmm.fit.expectation import Sums
from bayesgmm.fit.maximisation import EMPTY
from bayesgmm.mixture.parameters import Parameters
from bayesgmm.typing import Array

__all__ = ["NARROW", "by_chance", "narrowest", "on_ties"]

NARROW, _UNSUPPORTED = 0.01, 0.1  # a tenth of the pooled standard deviation
_LOG_CHANCE = math.log(1e-3)


def narrowest(parameters: Parameters) -> Array:
    """Return each component's smallest variance in any direction, relative to the pooled one.

    An affine map of the data leaves it alone.

    References
    ----------
    Rocci, Gattone and Di Mari (2018), Advances in Data Analysis and Classification 12:235, who
    bound the same ratio.
    """
    return np.linalg.eigvalsh(_whitened(parameters)[1])[:, 0]


def on_ties(sums: Sums) -> NDArray[np.bool_]:
    """Which components sit on tied rows: the rows' spread is far below the component's variance.

    Below a tenth, in some direction: it is shrinking, or only the prior keeps it from doing so.
    """
    mass = np.maximum(sums.mass, EMPTY)[:, None]
    offsets = sums.first / mass
    spreads = sums.second / mass[:, None] - offsets[:, :, None] * offsets[:, None, :]
    return np.linalg.eigvalsh(spreads, UPLO="L")[:, 0] < _UNSUPPORTED


def by_chance(parameters: Parameters, n_obs: int) -> NDArray[np.bool_]:
    """Which components hold no more rows than the others put into some slab that narrow by chance.

    A slab is fixed by D + 1 of the n rows: D lie in a plane, one more sets its width. The other
    rows of component k must have fallen into it, where the components j expect

        e_k = sum_j n_j integral(f_k f_j) / integral(f_k^2)

    rows. C(n, D + 1) P(Poisson(e_k) >= n_k - D - 1) slabs as full as that are expected; above 0.001
    the component is put down to chance. It is first made as wide as a tenth of the pooled standard
    deviation in every direction, or rows on the grid of a rounded feature would seem beyond chance.
    A small cluster that stands apart is thus believed however narrow, as e_k is 0 there.

    Calibrated on Old Faithful, iris, galaxies and acidity, K = 2 to 6, 4,800 starts each: of
    16,000 narrow components at optima of structure full 96 in 100 expect more than 7 such slabs.

    Parameters
    ----------
    parameters : Parameters
    n_obs : int

    Returns
    -------
    array of shape (cluster,), bool

    References
    ----------
    Glaz, Naus and Wallenstein (2001), Scan Statistics: clusters of points by chance.
    """
    means, covariances = _whitened(parameters)
    rows, n_features = parameters.weights * n_obs, means.shape[1]
    variances, axes = np.linalg.eigh(covariances)
    wide = (axes * np.maximum(variances, NARROW)[:, None, :]) @ axes.swapaxes(1, 2)
    gaps = means[:, None] - means
    sums = wide[:, None] + covariances
    distances = (gaps * np.linalg.solve(sums, gaps[..., None])[..., 0]).sum(axis=-1)
    log_ratios = np.linalg.slogdet(2.0 * wide)[1][:, None] - np.linalg.slogdet(sums)[1]
    shares = np.exp(0.5 * (log_ratios - distances)) * rows
    np.fill_diagonal(shares, 0.0)
    free = rows - (n_features + 1)
    tails = np.where(free > 0.0, gammainc(np.maximum(free, EMPTY), shares.sum(axis=1)), 1.0)
    chosen = n_features + 1
    log_slabs = gammaln(n_obs + 1) - gammaln(chosen + 1) - gammaln(max(n_obs - chosen, 0) + 1)
    return np.asarray(log_slabs + np.log(np.maximum(tails, 1e-300)) > _LOG_CHANCE)


def _whitened(parameters: Parameters) -> tuple[Array, Array]:
    """Return means and covariances where the pooled covariance is the identity."""
    pooled = np.einsum("k,kij->ij", parameters.weights, parameters.covariances)
    inverse = np.linalg.inv(np.linalg.cholesky(pooled))
    return parameters.means @ inverse.T, inverse @ parameters.covariances @ inverse.T
