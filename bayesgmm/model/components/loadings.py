"""Loadings of factors: found in a covariance, turned to a convention, drawn from their prior."""

import math

import numpy as np
from scipy.special import gammaln

from bayesgmm.typing import Array, IntArray

__all__ = [
    "agreement",
    "aligned",
    "below_diagonal",
    "draw_loadings",
    "factor_analysis",
    "filled",
    "loading_names",
    "log_constant",
    "triangular",
    "turned_towards",
]

_ROUNDS, _UNMOVED = 50, 1e-3  # largest change of the log of a unique variance
_LEAST = 1e-3  # of a variance, for a unique one where a search starts
_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)
_ALIGNED, _SETTLED = 20, 1e-8


def factor_analysis(
    covariances: Array, n_factors: int, isotropic: bool = False
) -> tuple[Array, Array]:
    """Return loadings and unique variances whose covariances are near those given.

    Given unique variances Psi the most likely loadings are Psi^1/2 V (theta - 1)^1/2, theta the
    largest eigenvalues of Psi^-1/2 Sigma Psi^-1/2 and V their vectors; given these, Psi is what is
    left of the variances. That has several solutions: it begins with half of each variance, and
    with what the other features leave of it, and the more likely end is taken.

    Parameters
    ----------
    covariances : array of shape (..., feature, feature)
        May be singular.
    n_factors : int
    isotropic : bool
        Whether features share their unique variance.

    Returns
    -------
    loadings : array of shape (..., feature, factor)
    unique : array of shape (..., feature)

    References
    ----------
    Joreskog (1967), Psychometrika 32:443.

    Examples
    --------
    >>> loadings = np.array([[0.9], [0.8], [0.7], [0.6]])
    >>> found, unique = factor_analysis(loadings @ loadings.T + 0.5 * np.eye(4), 1)
    >>> np.abs(found[:, 0]).round(2).tolist(), unique.round(2).tolist()
    ([0.9, 0.8, 0.7, 0.6], [0.5, 0.5, 0.5, 0.5])
    """
    variances = np.einsum("...dd->...d", covariances)
    ridged = covariances + _LEAST * variances[..., None] * np.eye(variances.shape[-1])
    alone = 1.0 / np.einsum("...dd->...d", np.linalg.inv(ridged))
    unique = np.stack([0.5 * variances, np.maximum(alone, _LEAST * variances)])
    loadings = covariances[..., :n_factors]
    for _ in range(_ROUNDS):
        if isotropic:
            unique = np.broadcast_to(unique.mean(axis=-1, keepdims=True), unique.shape)
        root = np.sqrt(unique)
        sizes, axes = np.linalg.eigh(covariances / (root[..., :, None] * root[..., None, :]))
        sizes, axes = sizes[..., -n_factors:], axes[..., -n_factors:]
        loadings = root[..., None] * axes * np.sqrt(np.maximum(sizes - 1.0, 0.0))[..., None, :]
        left = np.maximum(variances - (loadings**2).sum(axis=-1), _LEAST * variances)
        settled = np.abs(np.log(left / unique)).max() < _UNMOVED
        unique = left
        if settled:
            break
    if isotropic:
        unique = np.broadcast_to(unique.mean(axis=-1, keepdims=True), unique.shape)
    first = _log_likelihood(covariances, loadings, unique)
    best = (first[1] > first[0])[..., None]
    unique = np.where(best, unique[1], unique[0])
    return np.where(best[..., None], loadings[1], loadings[0])[..., ::-1], unique


def _log_likelihood(covariances: Array, loadings: Array, unique: Array) -> Array:
    """Return twice the log likelihood a row of rows with these covariances, up to a constant."""
    whole = loadings @ loadings.swapaxes(-1, -2) + unique[..., None] * np.eye(unique.shape[-1])
    distances = np.einsum("...dd->...", np.linalg.solve(whole, covariances))
    return np.asarray(-np.linalg.slogdet(whole)[1] - distances)


def triangular(loadings: Array, order: IntArray) -> Array:
    """Turn loadings until they are lower triangular, with a positive diagonal, in an order.

    Parameters
    ----------
    loadings : array of shape (..., feature, factor)
    order : array of shape (feature,)

    Examples
    --------
    >>> triangular(np.array([[0.0, -2.0], [1.0, 1.0]]), np.array([0, 1])).round(3).tolist()
    [[2.0, 0.0], [-1.0, 1.0]]
    """
    first = loadings[..., order[: loadings.shape[-1]], :]
    turn, upper = np.linalg.qr(first.swapaxes(-1, -2))
    signs = np.where(np.einsum("...jj->...j", upper) < 0.0, -1.0, 1.0)
    return np.asarray(loadings @ (turn * signs[..., None, :]))


def below_diagonal(n_features: int, n_factors: int) -> tuple[IntArray, IntArray]:
    """Return places in the order, and factors, of the loadings below the diagonal, row by row."""
    return np.nonzero(np.tri(n_features, n_factors, -1))


def filled(diagonals: Array, below: Array, order: IntArray) -> Array:
    """Return loadings (..., feature, factor) of their diagonal and of what lies below it."""
    n_features, n_factors = len(order), diagonals.shape[-1]
    loadings = np.zeros((*diagonals.shape[:-1], n_features, n_factors))
    rows, columns = below_diagonal(n_features, n_factors)
    loadings[..., order[rows], columns] = below
    factors = np.arange(n_factors)
    loadings[..., order[factors], factors] = diagonals
    return loadings


def loading_names(features: tuple[str, ...], order: IntArray, n_factors: int) -> list[str]:
    """Name the loadings below the diagonal.

    Examples
    --------
    >>> loading_names(("a", "b", "c"), np.array([2, 0, 1]), 1)
    ['a, 1', 'b, 1']
    """
    rows, columns = below_diagonal(len(features), n_factors)
    return [f"{features[order[i]]}, {j + 1}" for i, j in zip(rows, columns, strict=True)]


def log_constant(scale: Array, order: IntArray, n_factors: int, n_sets: int) -> float:
    """Return what the log prior of all loadings has beside the terms of the compiled code, nats.

    `scale` (feature,) is that of the loadings of each feature.
    """
    scale = scale[order] / math.sqrt(n_factors)
    rows, _ = below_diagonal(len(order), n_factors)
    below = -np.log(scale[rows]).sum() - len(rows) * _HALF_LOG_2PI
    freedom = n_factors - np.arange(n_factors)
    chi = ((1.0 - 0.5 * freedom) * math.log(2.0) - gammaln(0.5 * freedom)).sum()
    return float(n_sets * (below + chi - np.log(scale[:n_factors]).sum()))


def draw_loadings(
    scale: Array, order: IntArray, n_factors: int, size: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Draw logs of the diagonal (draw, set, factor) and what is below it (draw, set, entry)."""
    scale = scale[:, order] / math.sqrt(n_factors)
    rows, _ = below_diagonal(len(order), n_factors)
    freedom = n_factors - np.arange(n_factors)
    squares = 2.0 * rng.standard_gamma(0.5 * freedom, (size, len(scale), n_factors))
    below = scale[:, rows] * rng.standard_normal((size, len(scale), len(rows)))
    return np.log(scale[:, :n_factors]) + 0.5 * np.log(squares), below


def agreement(turned: Array) -> Array:
    """Return how much of the mean square of each factor's loadings is that of their mean.

    Parameters
    ----------
    turned : array of shape (..., feature, factor)
        Draws of loadings as `aligned` turns them.

    Returns
    -------
    array of shape (factor,)
        From 0, where nothing but noise was turned, to 1.

    Examples
    --------
    >>> agreement(np.array([[[2.0, 1.0]], [[2.0, -1.0]]])).tolist()
    [1.0, 0.0]
    """
    draws = turned.reshape(-1, *turned.shape[-2:])
    kept = (draws.mean(axis=0) ** 2).sum(axis=0)
    return np.asarray(kept / np.maximum((draws**2).sum(axis=1).mean(axis=0), 1e-300))


def aligned(loadings: Array) -> Array:
    """Turn each draw's loadings towards those of the others (draw, feature, factor).

    A rotation of the factors leaves the covariance alone, as labels do the mixture: each draw is
    turned, signs included, to where it is nearest to the mean of the turned draws, and the mean to
    its principal axes, the first factor having the largest loadings.

    References
    ----------
    Gower (1975), Psychometrika 40:33 (generalised Procrustes analysis). Assmann, Boysen-Hogrefe and
    Pape (2016), J. Econometrics 192:190 (of draws of loadings).

    Examples
    --------
    >>> one = np.array([[2.0], [1.0]])
    >>> float(aligned(np.stack([one, -one])).std(axis=0).max())
    0.0
    """
    mean = loadings[0]
    for _ in range(_ALIGNED):
        turned = turned_towards(loadings, mean)
        moved, mean = mean, turned.mean(axis=0)
        if np.abs(mean - moved).max() <= _SETTLED * np.abs(mean).max():
            break
    _, axes = np.linalg.eigh(mean.T @ mean)
    axes = axes[:, ::-1]
    return np.asarray(turned @ (axes * np.where((mean @ axes).sum(axis=0) < 0.0, -1.0, 1.0)))


def turned_towards(loadings: Array, target: Array) -> Array:
    """Turn loadings (..., feature, factor), signs included, to where they are nearest to others.

    Examples
    --------
    >>> turned_towards(np.array([[0.0, -2.0], [1.0, 0.0]]), np.eye(2)).tolist()
    [[2.0, 0.0], [0.0, 1.0]]
    """
    left, _, right = np.linalg.svd(loadings.swapaxes(-1, -2) @ target)
    return np.asarray(loadings @ (left @ right))
