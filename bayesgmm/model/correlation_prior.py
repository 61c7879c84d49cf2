"""How wide the LKJ prior lets one correlation be: the shape eta from that, and back."""

from scipy.optimize import brentq
from scipy.special import betaincinv

from bayesgmm.advice import Advice, Option
from bayesgmm.errors import ConfigError
from bayesgmm.model.spec import Priors

__all__ = ["correlation_interval", "eta_of"]

_LEAST, _MOST = 1e-3, 1e6
_UPPER = 0.975


def correlation_interval(eta: float, n_features: int) -> float:
    """Return r such that LKJ(eta) holds each correlation within -r and r with 95 %.

    Each of them is Beta(eta - 1 + D / 2) on (-1, 1).

    References
    ----------
    Lewandowski, Kurowicka and Joe (2009), J. Multivariate Analysis 100:1989.

    Examples
    --------
    >>> [round(correlation_interval(2.0, n_features), 2) for n_features in (2, 20)]
    [0.81, 0.4]
    """
    shape = eta - 1.0 + n_features / 2.0
    return float(2.0 * betaincinv(shape, shape, _UPPER) - 1.0)


def eta_of(priors: Priors, n_features: int) -> float:
    """Return the shape of the LKJ prior, given as such or by the interval of each correlation.

    Raises
    ------
    ConfigError
        For an interval that the prior does not have with so many features.

    Examples
    --------
    >>> round(eta_of(Priors(eta_interval=0.3), 20), 3)
    11.612
    """
    wanted = priors.eta_interval
    if wanted is None or n_features == 1:
        return priors.eta
    narrowest, widest = (correlation_interval(eta, n_features) for eta in (_MOST, _LEAST))
    if not narrowest < wanted < widest:
        raise ConfigError(
            Advice(
                Option("eta_interval", wanted),
                f" is out of reach of an LKJ prior with {n_features} features: from "
                f"{narrowest:.2g} to {widest:.2g} (eta near 0) are possible.",
            ),
            key="eta_interval",
            value=wanted,
        )
    found = brentq(
        lambda eta: correlation_interval(eta, n_features) - wanted, _LEAST, _MOST, xtol=1e-12
    )
    return float(found)
