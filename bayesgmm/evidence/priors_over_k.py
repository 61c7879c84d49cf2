"""Priors on the number of components and on weights, and the numbers of clusters they expect."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from scipy.special import logsumexp
from scipy.stats import betanbinom, geom, poisson

from bayesgmm.advice import shown
from bayesgmm.arguments import check_between, check_one_of, require_listed
from bayesgmm.errors import ConfigError
from bayesgmm.limits import MOST_COMPONENTS
from bayesgmm.typing import Array

__all__ = [
    "Mixing",
    "NamedPrior",
    "OverK",
    "PriorOverK",
    "WeightsPrior",
    "clusters_beforehand",
    "log_named",
    "prior_over_k",
    "weights_prior",
]

NamedPrior = Literal["uniform", "poisson", "beta-negative-binomial", "geometric"]
PriorOverK = NamedPrior | int | Sequence[float]
Mixing = Literal["static", "dynamic", "sparse"]

_LOG_MASSES: dict[str, Callable[[Array], Array]] = {
    "uniform": np.zeros_like,
    "poisson": lambda k: poisson(1.0).logpmf(k - 1.0),
    "beta-negative-binomial": lambda k: betanbinom(1, 4.0, 3.0).logpmf(k - 1.0),
    "geometric": lambda k: geom(0.1).logpmf(k),
}
_WORDS = {
    "uniform": "uniform",
    "poisson": "K - 1 ~ Poisson(1)",
    "beta-negative-binomial": "K - 1 ~ beta-negative-binomial(1, 4, 3)",
    "geometric": "K ~ geometric(0.1)",
}
_NO_MASS = 1e-10  # of all larger K together: there a named prior ends


class OverK(NamedTuple):
    """A prior on K: the log mass of K = 1, 2, ..., shape (K,), and the prior in words."""

    log_mass: Array
    words: str


class WeightsPrior(NamedTuple):
    """The concentration of the symmetric Dirichlet prior on the weights, as it depends on K."""

    mixing: Mixing
    value: float

    def concentrations(self, counts: Array) -> Array:
        """Return the concentration for each number of components."""
        return self.value / counts if self.mixing == "dynamic" else np.full_like(counts, self.value)

    @property
    def words(self) -> str:
        """The prior in words."""
        over = " / K" if self.mixing == "dynamic" else ""
        return f"weights ~ Dirichlet({self.value:g}{over}), {self.mixing}"


def log_named(name: Any, counts: Array) -> tuple[Array, str]:
    """Return the log masses of some K under a named prior, not normalised, and its words.

    Raises
    ------
    ConfigError
        For an unknown name.
    """
    check_one_of("prior", name, get_args(NamedPrior))
    return _LOG_MASSES[name](np.asarray(counts, dtype=float)), _WORDS[name]


def prior_over_k(prior: Any, largest: int) -> OverK:
    """Return a prior on K.

    Parameters
    ----------
    prior : str, int or sequence of float
        A name, one K that is certain, or the masses of K = 1, 2, ...
    largest : int
        K at which the uniform prior ends.

    Raises
    ------
    ConfigError
        For an unknown name, or what are no masses.

    Examples
    --------
    >>> np.exp(prior_over_k([1, 2, 1], 6).log_mass).round(2).tolist()
    [0.25, 0.5, 0.25]
    >>> prior_over_k("uniform", 6).words
    'uniform on K = 1 to 6'
    """
    if isinstance(prior, str):
        counts = np.arange(1.0, MOST_COMPONENTS + 1.0)
        log_mass, words = log_named(prior, counts)
        beyond = 1.0 - np.exp(log_mass - logsumexp(log_mass)).cumsum()
        end = largest if prior == "uniform" else int((beyond > _NO_MASS).sum()) + 1
        words = f"uniform on K = 1 to {end}" if prior == "uniform" else words
        log_mass = log_mass[:end]
    else:
        log_mass, words = _given(prior)
    return OverK(log_mass - logsumexp(log_mass), words)


def _given(prior: Any) -> tuple[Array, str]:
    single = isinstance(prior, int | np.integer) and not isinstance(prior, bool)
    if single and 1 <= prior <= MOST_COMPONENTS:
        return np.where(np.arange(1, int(prior) + 1) == prior, 0.0, -np.inf), f"K = {prior}"
    require_listed(prior)
    try:
        masses = np.empty(0) if single else np.asarray(prior, dtype=float)
    except (TypeError, ValueError):
        masses = np.empty(0)
    good = masses.ndim == 1 and 1 <= masses.size <= MOST_COMPONENTS
    if not good or not np.isfinite(masses).all() or (masses < 0.0).any() or not masses.any():
        raise ConfigError(
            f"prior must be one of {', '.join(get_args(NamedPrior))}, one K from 1 to "
            f"{MOST_COMPONENTS}, or the probabilities of K = 1, 2, ..., got {shown(prior)}.",
            key="prior",
            value=prior,
        )
    with np.errstate(divide="ignore"):
        return np.log(masses), f"as given on K = 1 to {masses.size}"


def weights_prior(
    mixing: Any, concentration: float, gamma: float | None, alpha: float, e0: float
) -> WeightsPrior:
    """Return the prior on the weights.

    Parameters
    ----------
    mixing : {"static", "dynamic", "sparse"}
    concentration : float
        Of the runs at hand, which "static" keeps where no `gamma` is given.
    gamma, alpha, e0 : float
        The concentration of "static", K times that of "dynamic", and that of "sparse".

    Raises
    ------
    ConfigError
        For an unknown mixing, or a value that is not above 0.
    """
    check_one_of("mixing", mixing, get_args(Mixing))
    own = {"static": ("gamma", gamma), "dynamic": ("alpha", alpha), "sparse": ("e0", e0)}
    name, value = own[mixing]
    kept = concentration if value is None else value
    return WeightsPrior(mixing, check_between(name, kept, 0.0, np.inf))


def clusters_beforehand(prior: OverK, weights: WeightsPrior, n_rows: int, most: int) -> Array:
    """Return the prior probability that 1 .. `most` components hold rows, before any is seen.

    Row by row: of K components with the concentration g, of which k hold the first m rows, the next
    row goes to a new one with probability g (K - k) / (g K + m).

    Examples
    --------
    >>> over = prior_over_k(2, 2), WeightsPrior("static", 1.0)
    >>> clusters_beforehand(*over, n_rows=2, most=2).round(3).tolist()
    [0.667, 0.333]
    """
    counts = np.arange(1.0, len(prior.log_mass) + 1.0)[:, None]
    held = np.arange(1.0, most + 1.0)
    g = weights.concentrations(counts)
    new = g * np.maximum(counts - held, 0.0)
    share = np.zeros((len(counts), most))
    share[:, 0] = 1.0
    for m in range(1, n_rows):
        moved = share * new
        share *= m + g * held
        share[:, 1:] += moved[:, :-1]
        share /= g * counts + m
    return np.exp(prior.log_mass) @ share
