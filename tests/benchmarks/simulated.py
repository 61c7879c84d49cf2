"""Rows of well-separated mixtures, for timing."""

import numpy as np


def simulated_rows(n: int, n_features: int, n_components: int, seed: int = 1) -> np.ndarray:
    """Draw n rows (obs, feature) around centres that lie about 6 sd apart."""
    rng = np.random.default_rng([seed, n, n_features, n_components])
    centres = 6.0 * rng.normal(size=(n_components, n_features))
    roots = np.eye(n_features) + 0.3 * np.tril(rng.normal(size=(n_components, *[n_features] * 2)))
    labels = rng.integers(n_components, size=n)
    rows = np.empty((n, n_features))
    for k in range(n_components):
        mine = labels == k
        rows[mine] = centres[k] + rng.normal(size=(mine.sum(), n_features)) @ roots[k].T
    return rows


def factor_rows(
    n: int, n_features: int, n_components: int, n_factors: int, seed: int = 1
) -> np.ndarray:
    """Draw n rows (obs, feature) of factor-analytic clusters around centres as far apart."""
    rng = np.random.default_rng([seed, n, n_features, n_components, n_factors])
    centres = 6.0 * rng.normal(size=(n_components, n_features))
    loadings = rng.normal(size=(n_components, n_features, n_factors))
    unique = rng.uniform(0.5, 1.5, size=(n_components, n_features))
    labels = rng.integers(n_components, size=n)
    factors = rng.normal(size=(n, n_factors))
    noise = unique[labels] * rng.normal(size=(n, n_features))
    return centres[labels] + np.einsum("nq,ndq->nd", factors, loadings[labels]) + noise
