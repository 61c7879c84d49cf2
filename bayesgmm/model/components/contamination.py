"""Contaminated clusters: good rows, and others about the same mean that lie wider."""

import math
from dataclasses import dataclass

import numpy as np

from bayesgmm.typing import Array

__all__ = ["Contamination", "half_of_layers"]

_BISECTIONS = 60
_LEAST = 1e-12  # from a bound: the coordinates stay finite


@dataclass(frozen=True)
class Contamination:
    """The prior of the share a of good rows and of the inflation eta of the others' scales.

    A cluster is a N(mu, S) + (1 - a) N(mu, eta S0 + diag(h^2)), S = S0 + diag(h^2), with one a and
    one eta for all clusters: a ~ Uniform(1/2, 1), eta - 1 ~ LogNormal(log 5, 1).

    References
    ----------
    Punzo and McNicholas (2016), Biometrical Journal 58:1506.
    """

    least_share: float = 0.5
    excess: float = 5.0  # median of eta - 1
    sigma: float = 1.0  # of its logarithm

    @property
    def usual(self) -> tuple[float, float]:
        """The inflation and the share of good rows where a search starts."""
        return 1.0 + self.excess, 0.9

    @property
    def log_constant(self) -> float:
        """The log of what normalises both priors on their natural scales, less 1 / (eta - 1)."""
        return -math.log1p(-self.least_share) - math.log(self.sigma * math.sqrt(2.0 * math.pi))

    def draws(self, size: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Draw inflations and shares of good rows from the prior."""
        inflation = 1.0 + self.excess * np.exp(self.sigma * rng.standard_normal(size))
        return inflation, rng.uniform(self.least_share, 1.0, size)

    def free(self, inflation: Array, good_share: Array) -> Array:
        """Return the coordinates (..., 2): log(eta - 1) and log((a - 1/2) / (1 - a))."""
        above = np.maximum(good_share - self.least_share, _LEAST)
        odds = np.log(above / np.maximum(1.0 - good_share, _LEAST))
        return np.stack([np.log(np.maximum(inflation - 1.0, _LEAST)), odds], axis=-1)

    def values(self, free: Array) -> tuple[Array, Array]:
        """Return inflations and shares of good rows at coordinates (..., 2)."""
        below = (1.0 - self.least_share) / (1.0 + np.exp(free[..., 1]))
        return 1.0 + np.exp(free[..., 0]), 1.0 - below


def half_of_layers(inflation: Array, good_share: Array) -> Array:
    """Return the squared Mahalanobis distance within which half of a component in the plane lies.

    It solves a exp(-r / 2) + (1 - a) exp(-r / (2 eta)) = 1/2, the recording error aside.

    Examples
    --------
    >>> half_of_layers(np.array([1.0, 9.0]), np.array([0.7, 0.7])).round(3)
    array([1.386, 2.189])
    """
    low, high = np.zeros(np.shape(inflation)), 2.0 * math.log(2.0) * inflation
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        beyond = good_share * np.exp(-middle / 2.0)
        beyond += (1.0 - good_share) * np.exp(-middle / (2.0 * inflation))
        outside = 2.0 * beyond > 1.0
        low, high = np.where(outside, middle, low), np.where(outside, high, middle)
    return 0.5 * (low + high)
