"""Priors of the scales: what each family knows of its constant, its marginal law and its draws."""

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy.special import gammaln

from bayesgmm.model.spec import Priors
from bayesgmm.typing import Array

__all__ = [
    "HalfNormal",
    "InverseGamma",
    "LogNormal",
    "ScalePrior",
    "log_gamma_draws",
    "scale_prior",
]

_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


class ScalePrior(Protocol):
    """The joint prior of the free scales; `scale` is that of `ResolvedSpec`, in the same units."""

    @property
    def shapes(self) -> tuple[float, float]:
        """The shapes that compiled code reads: its own, and that of its rate (0 where known)."""
        ...

    def log_constant(self, scale: Array) -> float:
        """Return what the log density has beside the terms of `compiled.fused`, nats."""
        ...

    def log_draws(self, scale: Array, size: int, rng: np.random.Generator) -> Array:
        """Draw the logs of all scales together: (size, *scale.shape)."""
        ...

    def marginal(self, scale: float) -> Any:
        """Return the law of one scale, as a frozen distribution with pdf and ppf."""
        ...


@dataclass(frozen=True)
class LogNormal:
    """Independent log-normal scales: `scale` is the median, `sigma` the log's deviation."""

    sigma: float

    @property
    def shapes(self) -> tuple[float, float]:
        """The deviation of the log."""
        return self.sigma, 0.0

    def log_constant(self, scale: Array) -> float:
        """Return the constant, that of the change to the log included."""
        return -scale.size * (math.log(self.sigma) + _HALF_LOG_2PI)

    def log_draws(self, scale: Array, size: int, rng: np.random.Generator) -> Array:
        """Draw."""
        return np.log(scale) + self.sigma * rng.standard_normal((size, *scale.shape))

    def marginal(self, scale: float) -> Any:
        """Return the log-normal law."""
        from scipy.stats import lognorm

        return lognorm(self.sigma, scale=scale)


@dataclass(frozen=True)
class HalfNormal:
    """Independent half-normal scales: `scale` is that of the normal."""

    @property
    def shapes(self) -> tuple[float, float]:
        """It has none."""
        return 1.0, 0.0

    def log_constant(self, scale: Array) -> float:
        """Return the constant."""
        return scale.size * (math.log(2.0) - _HALF_LOG_2PI) - float(np.log(scale).sum())

    def log_draws(self, scale: Array, size: int, rng: np.random.Generator) -> Array:
        """Draw."""
        return np.log(scale) + np.log(np.abs(rng.standard_normal((size, *scale.shape))))

    def marginal(self, scale: float) -> Any:
        """Return the half-normal law."""
        from scipy.stats import halfnorm

        return halfnorm(scale=scale)


@dataclass(frozen=True)
class InverseGamma:
    """Inverse gamma variances: precisions 1 / s^2 ~ Gamma(shape, rate beta).

    With `hyper_shape` 0 the rate is known, and `scale` its square root. Else it is one for all
    scales, beta ~ Gamma(hyper_shape, rate r), and `scale` is 1 / sqrt(r). With S scales, T the sum
    of (scale / s)^2, a the shape and g that of the rate, integrating beta out gives

        p(s) = prod_s [2 scale^(2 a) s^(-2 a - 1) / Gamma(a)]
               Gamma(g + S a) / Gamma(g) (1 + T)^(-g - S a),

    in which the scales are exchangeable and not independent. A known rate has exp(-T) in the place
    of the second line.
    """

    shape: float
    hyper_shape: float = 0.0

    @property
    def shapes(self) -> tuple[float, float]:
        """The shapes of the precisions and of their rate."""
        return self.shape, self.hyper_shape

    def log_constant(self, scale: Array) -> float:
        """Return the constant."""
        each = math.log(2.0) - gammaln(self.shape) + 2.0 * self.shape * np.log(scale)
        own = float(each.sum())
        if self.hyper_shape == 0.0:
            return own
        total = self.hyper_shape + scale.size * self.shape
        return own + float(gammaln(total) - gammaln(self.hyper_shape))

    def log_draws(self, scale: Array, size: int, rng: np.random.Generator) -> Array:
        """Draw the rate where it is unknown, one for all scales, then the scales given it."""
        gamma = log_gamma_draws(self.shape, (size, *scale.shape), rng)
        if self.hyper_shape == 0.0:
            return np.asarray(np.log(scale) - 0.5 * gamma)
        rate = log_gamma_draws(self.hyper_shape, (size, *(1,) * scale.ndim), rng)
        return np.asarray(np.log(scale) + 0.5 * (rate - gamma))

    def marginal(self, scale: float) -> Any:
        """Return the law of one scale: a power of a Gamma or of a beta prime variable."""
        from scipy.stats import betaprime, gengamma

        if self.hyper_shape == 0.0:
            return gengamma(self.shape, -2.0, scale=scale)
        return _Root(betaprime(self.hyper_shape, self.shape, scale=scale * scale))


@dataclass(frozen=True)
class _Root:
    """The law of the square root of a positive variable."""

    square: Any

    def ppf(self, q: Any) -> Any:
        return np.sqrt(self.square.ppf(q))

    def pdf(self, x: Any) -> Any:
        return 2.0 * np.asarray(x) * self.square.pdf(np.square(x))


def log_gamma_draws(shape: float | Array, size: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draw log Gamma(shape) as that of Gamma(shape + 1) U^(1 / shape), which does not underflow."""
    larger = np.log(rng.standard_gamma(shape + 1.0, size))
    return np.asarray(larger + np.log1p(-rng.random(size)) / shape)


def scale_prior(priors: Priors) -> ScalePrior:
    """Return the prior of the scales.

    Examples
    --------
    >>> scale_prior(Priors(scale_family="inverse_gamma", scale_rate=20.0))
    InverseGamma(shape=2.0, hyper_shape=0.0)
    """
    if priors.scale_family == "halfnormal":
        return HalfNormal()
    if priors.scale_family == "inverse_gamma":
        known = priors.scale_rate is not None
        return InverseGamma(priors.scale_shape, 0.0 if known else priors.hyper_shape)
    return LogNormal(priors.scale_sigma)
