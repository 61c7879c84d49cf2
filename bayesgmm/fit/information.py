"""Information criteria of a maximum likelihood fit; smaller is better.

References
----------
Akaike (1974), IEEE Trans. Automatic Control 19:716. Schwarz (1978), Annals of Statistics 6:461.
Biernacki, Celeux and Govaert (2000), IEEE Trans. Pattern Analysis and Machine Intelligence
22:719, with mclust's sign turned.
"""

import math

__all__ = ["aic", "bic", "icl"]


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
