"""Information criteria of a maximum likelihood fit; smaller is better.

References
----------
Akaike (1974), IEEE Trans. Automatic Control 19:716. Schwarz (1978), Annals of Statistics 6:461.
Biernacki, Celeux and Govaert (2000), IEEE Trans. Pattern Analysis and Machine Intelligence
22:719, with mclust's sign turned. Drton and Plummer (2017), J. Royal Statistical Society B 79:323.
"""

import math
from collections.abc import Sequence

import numpy as np

__all__ = ["aic", "bic", "icl", "sbic"]


def aic(log_likelihood: float, n_parameters: int) -> float:
    """Return -2 log L + 2 p.

    Examples
    --------
    >>> aic(-10.0, 3)
    26.0
    """
    return -2.0 * log_likelihood + 2.0 * n_parameters


def bic(log_likelihood: float, n_parameters: int, n_obs: float) -> float:
    """Return -2 log L + p log n.

    Its penalty is not exact for a mixture, which is a singular model (Drton and Plummer 2017,
    J. Royal Statistical Society B 79:323).

    Examples
    --------
    >>> bic(-10.0, 3, 1)
    20.0
    """
    return -2.0 * log_likelihood + n_parameters * math.log(n_obs)


def icl(log_likelihood: float, n_parameters: int, n_obs: float, log_certainty: float) -> float:
    """Return BIC - 2 sum_i log max_k r_ik; `log_certainty` is that sum at the fit.

    Examples
    --------
    >>> icl(-10.0, 3, 1, -2.0)
    24.0
    """
    return bic(log_likelihood, n_parameters, n_obs) - 2.0 * log_certainty


def sbic(
    log_likelihoods: Sequence[float],
    n_parameters: tuple[int, int],
    n_obs: float,
    *,
    phi: float | None = None,
) -> list[float]:
    """Return -2 log L'_K for K = 1, 2, ..., the singular BIC of Drton and Plummer (2017).

    Where K components are more than the rows ask for, the likelihood is flat in some directions and
    BIC's penalty is too large. With L'_ij = exp(l_i) n^-lambda_ij the L_i are the positive roots of
    L_i^2 + (sum_{j<i} L_j - L'_ii) L_i - sum_{j<i} L'_ij L_j = 0, where lambda_ij bounds the
    learning coefficient of i components if j are true: 1/2 min(j r + j - 1 + s + phi (i - j),
    i r + j - 1 + s), r parameters of a component and s shared by all.

    Parameters
    ----------
    log_likelihoods : sequence of float, nats
        Of K = 1, 2, ... without a gap, one covariance structure.
    n_parameters : (int, int)
        Numbers of parameters with K = 1 and K = 2.
    n_obs : float
    phi : float, optional
        Concentration of the weights' prior; (r + 1) / 2 by default, from where on superfluous
        components empty.

    Examples
    --------
    >>> [round(value, 1) for value in sbic([-1289.797, -1130.264], (5, 11), 272)]
    [2607.6, 2322.2]
    """
    own = n_parameters[1] - n_parameters[0] - 1
    shared, phi = n_parameters[0] - own, 0.5 * (own + 1) if phi is None else phi
    found: list[float] = []
    for i, log_likelihood in enumerate(log_likelihoods, start=1):
        j = np.arange(1, i + 1)
        free = j - 1 + shared
        twice = np.minimum(j * own + free + phi * (i - j), i * own + free)
        of_pair = log_likelihood - 0.5 * twice * math.log(n_obs)
        top = max(float(of_pair.max()), *found) if found else float(of_pair.max())
        pair, before = np.exp(of_pair - top), np.exp(np.array(found) - top)
        linear, constant = pair[-1] - before.sum(), float(pair[:-1] @ before)
        root = math.sqrt(linear**2 + 4.0 * constant)
        value = 0.5 * (linear + root) if linear > 0.0 else 2.0 * constant / (root - linear)
        found.append(top + math.log(value) if value > 0.0 else -math.inf)
    return [-2.0 * value for value in found]
