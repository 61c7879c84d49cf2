"""Components with the tails of Student's t: densities, weights of rows, sums, degrees of freedom.

With q = (x - mu)' Sigma^-1 (x - mu) of the d cells that are observed,

    log t_nu(x) = log N(x | mu, Sigma) + lift - (nu + d) / 2 log(1 + q / nu) + q / 2,
    lift = log Gamma((nu + d) / 2) - log Gamma(nu / 2) - d / 2 log(nu / 2).

As a scale mixture, x | u ~ N(mu, Sigma / u) and u ~ Gamma(nu / 2, nu / 2), of which a row says

    E u = (nu + d) / (nu + q),    E log u = digamma((nu + d) / 2) - log((nu + q) / 2),

so that each row enters the sums of location and scale E u times, and nu has the expected log
density sum r (nu / 2 log(nu / 2) - log Gamma(nu / 2) + nu / 2 (E log u - E u)), less what does
not depend on it. By Fisher's identity its derivative is that of the log likelihood.

References
----------
Peel and McLachlan (2000), Statistics and Computing 10:339 (mixtures of t).
Liu and Rubin (1995), Statistica Sinica 5:19 (EM and its relatives for t).
"""

import math

from bayesgmm.likelihood.compiled.exponential import log1p_and_inverse
from bayesgmm.runtime.compiling import compiled, compiled_fast
from bayesgmm.typing import Array

__all__ = [
    "LARGEST_NU",
    "SMALLEST_NU",
    "add_tails",
    "digamma",
    "gamma_ratio",
    "lift_tails",
    "maximise_tails",
    "nu_log_density",
    "nu_slope",
    "with_tails",
]

SMALLEST_NU, LARGEST_NU = 1.0, 1000.0  # of maximum likelihood
_LARGE = 10.0  # from here on the series below are exact to 1e-12
_BISECTIONS = 60


@compiled
def gamma_ratio(a: float, d: float) -> float:
    """Return log Gamma(a + d) - log Gamma(a) - d log a, which goes to 0 as a grows.

    By Stirling's series where a is large, since the difference of two logarithms loses all digits.
    """
    if a < _LARGE:
        return math.lgamma(a + d) - math.lgamma(a) - d * math.log(a)
    return (a + d - 0.5) * math.log1p(d / a) - d + _stirling(a + d) - _stirling(a)


@compiled
def _stirling(a: float) -> float:
    """Return what Stirling's formula leaves of log Gamma(a)."""
    z = 1.0 / (a * a)
    return (1.0 / 12.0 - z * (1.0 / 360.0 - z * (1.0 / 1260.0 - z / 1680.0))) / a


@compiled
def digamma(a: float) -> float:
    """Return the derivative of log Gamma at a > 0: recurrence, then the asymptotic series."""
    shift = 0.0
    while a < _LARGE:
        shift -= 1.0 / a
        a += 1.0
    z = 1.0 / (a * a)
    series = z * (
        1.0 / 12.0 - z * (1.0 / 120.0 - z * (1.0 / 252.0 - z * (1.0 / 240.0 - z / 132.0)))
    )
    return shift + math.log(a) - 0.5 / a - series


@compiled
def lift_tails(nu: Array, n_observed: int, constant: Array, lifted: Array, expected: Array) -> None:
    """Write what all rows of a group share.

    Parameters
    ----------
    nu, n_observed, constant
        As in `with_tails`.
    lifted : array of shape (cluster or 0,), written
        The log joint density of the t at their means.
    expected : array of shape (cluster or 0,), written
        E log u of a row at the mean.
    """
    lift = 0.0
    for k in range(nu.shape[0]):
        if k > 0 and nu[k] == nu[k - 1]:
            expected[k] = expected[k - 1]
        else:
            lift = gamma_ratio(0.5 * nu[k], 0.5 * n_observed)
            expected[k] = digamma(0.5 * (nu[k] + n_observed)) - math.log(0.5 * nu[k])
        lifted[k] = constant[k] + lift


@compiled_fast
def with_tails(
    nu: Array,
    n_observed: int,
    constant: Array,
    lifted: Array,
    width: int,
    joint: Array,
    shrunk: Array,
    log_shrunk: Array,
) -> None:
    """Turn the joint densities of Gaussians (cluster, row) into those of t.

    Parameters
    ----------
    nu : array of shape (cluster,), or (0,) where components are Gaussian
    n_observed : int
        Cells that rows of this group show.
    constant : array of shape (cluster,)
        The log joint density of the Gaussians at their means.
    lifted : array of shape (cluster or 0,)
        That of the t, `lift_tails`.
    width : int
        Rows of the block.
    joint : array of shape (cluster, row), written
    shrunk, log_shrunk : arrays of shape (cluster, row), written
        nu / (nu + q) times (nu + d) / nu, which is E u, and log(nu / (nu + q)).
    """
    for k in range(nu.shape[0]):
        twice, c, highest = 2.0 / nu[k], constant[k], lifted[k]
        half, most = 0.5 * (nu[k] + n_observed), 1.0 + n_observed / nu[k]
        for t in range(width):
            log_ratio, inverse = log1p_and_inverse(twice * (c - joint[k, t]))
            joint[k, t] = highest - half * log_ratio
            shrunk[k, t] = most * inverse
            log_shrunk[k, t] = -log_ratio


@compiled_fast
def add_tails(
    expected: Array,
    inverse: Array,
    width: int,
    joint: Array,
    shrunk: Array,
    log_shrunk: Array,
    mass: Array,
    logs: Array,
) -> None:
    """Add a block's responsibilities, joint x inverse, and their E log u; weigh `joint` by E u.

    `expected` (cluster or 0,) is that of `lift_tails`.
    """
    for k in range(expected.shape[0]):
        total, total_log = 0.0, 0.0
        for t in range(width):
            r = joint[k, t] * inverse[t]
            total += r
            total_log += r * log_shrunk[k, t]
            joint[k, t] *= shrunk[k, t]
        mass[k] += total
        logs[k] += total_log + total * expected[k]


@compiled
def nu_log_density(nu: float, mass: float, scaled: float, logs: float) -> float:
    """Return the expected log density of u of rows that enter `mass`, sums of u and log u."""
    a = 0.5 * nu
    if a < _LARGE:
        return mass * (a * math.log(a) - math.lgamma(a)) + a * (logs - scaled)
    normaliser = 0.5 * math.log(a / (2.0 * math.pi)) - _stirling(a)
    return mass * normaliser + a * (logs - scaled + mass)


@compiled
def nu_slope(nu: float, mass: float, scaled: float, logs: float) -> float:
    """Return its derivative."""
    a = 0.5 * nu
    return 0.5 * (mass * (math.log(a) - digamma(a)) + (mass + logs - scaled))


@compiled
def _maximise_nu(mass: float, scaled: float, logs: float) -> float:
    """Return the degrees of freedom, between the bounds, of the largest expected log density."""
    low, high = SMALLEST_NU, LARGEST_NU
    if nu_slope(high, mass, scaled, logs) >= 0.0:
        return high
    for _ in range(_BISECTIONS):
        middle = math.sqrt(low * high)
        if nu_slope(middle, mass, scaled, logs) > 0.0:
            low = middle
        else:
            high = middle
    return math.sqrt(low * high)


@compiled
def maximise_tails(
    mass: Array, scaled: Array, logs: Array, known: Array, n_free: int, out: Array
) -> None:
    """Write the logarithms of the next degrees of freedom.

    Parameters
    ----------
    mass, scaled, logs : arrays
        As in `bayesgmm.likelihood.compiled.group_passes.sum_group`.
    known : array of shape (cluster,), or (0,) where components are Gaussian
        The degrees of freedom where they are known.
    n_free : int
        How many are unknown: 0, 1 or all.
    out : array of shape (cluster or 0,), written
    """
    n_tails = known.shape[0]
    for k in range(n_tails):
        if n_free == 0:
            out[k] = math.log(known[k])
        elif n_free == 1:
            out[k] = math.log(_maximise_nu(mass[:n_tails].sum(), scaled.sum(), logs.sum()))
        else:
            out[k] = math.log(_maximise_nu(mass[k], scaled[k], logs[k]))
