"""How large a result is, before it is made."""

__all__ = ["result_bytes"]

_STATISTICS = 16  # of the sampler, the priors and the labels of a draw


def result_bytes(
    n_obs: int, n_features: int, n_components: int, n_draws: int, log_likelihood: bool = True
) -> int:
    """Return the bytes of a result's arrays, in memory and in its file, for the fullest structure.

    Parameters
    ----------
    n_obs, n_features, n_components : int
    n_draws : int
        Of all chains together.
    log_likelihood : bool
        Whether the log likelihood of every row and draw is kept.

    Examples
    --------
    >>> result_bytes(1_000_000, 2, 3, 4_000) / 2**30 > 29.8
    True
    """
    covariances = n_features**2
    pairs = n_features * (n_features - 1)  # correlations and partial ones
    each = n_components * (2 + 3 * n_features + covariances + pairs) + _STATISTICS
    return 8 * (n_draws * (each + (n_obs if log_likelihood else 0)) + n_obs * n_features)
