"""Shares of a total, and how sure they are where the parts are estimates."""

import numpy as np
from scipy.special import logsumexp

from bayesgmm.typing import Array

__all__ = ["share_errors", "shares"]


def shares(log_values: Array, errors: Array) -> tuple[Array, Array]:
    """Return the shares of a total of values known by their logs, and the shares' errors.

    Parameters
    ----------
    log_values, errors : arrays of shape (part,), nats
        Independent estimates and their standard errors.

    Returns
    -------
    shares, errors : arrays of shape (part,)
    """
    share = np.exp(log_values - logsumexp(log_values))
    return share, share_errors(np.eye(len(share)), share, np.asarray(errors))


def share_errors(given: Array, parts: Array, errors: Array) -> Array:
    """Return the errors of the probabilities of outcomes that each part of a total shares out.

    Parameters
    ----------
    given : array of shape (part, outcome)
        Probabilities of the outcomes given the part.
    parts : array of shape (part,)
        Shares of the parts.
    errors : array of shape (part,)
        Their relative standard errors, independent of one another; those of a share of 0 do not
        count.

    Returns
    -------
    array of shape (outcome,)
        To first order d p = sum_k parts_k (given_k - p) d_k.
    """
    moved = parts[:, None] * (given - parts @ given)
    return np.asarray(np.sqrt((moved**2).T @ np.where(parts > 0.0, errors, 0.0) ** 2))
