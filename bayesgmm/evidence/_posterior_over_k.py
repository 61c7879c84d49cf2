"""The posterior probability of each number of components, from their evidences."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.special import logsumexp
from scipy.stats import betanbinom, poisson

from bayesgmm.errors import ConfigError
from bayesgmm.typing import Array

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PosteriorOverK", "PriorOverK", "posterior_over_k", "shares"]

PriorOverK = Literal["uniform", "poisson", "beta-negative-binomial"]

_LOG_PRIORS: dict[str, Callable[[Array], Array]] = {
    "uniform": np.zeros_like,
    "poisson": lambda k: poisson(1.0).logpmf(k - 1.0),
    "beta-negative-binomial": lambda k: betanbinom(1, 4.0, 3.0).logpmf(k - 1.0),
}
_WORDS = {
    "uniform": "uniform",
    "poisson": "K - 1 ~ Poisson(1)",
    "beta-negative-binomial": "K - 1 ~ beta-negative-binomial(1, 4, 3)",
}


@dataclass(frozen=True, eq=False, repr=False)
class PosteriorOverK:
    """The posterior of the number of components, over those compared.

    Parameters
    ----------
    table : pandas.DataFrame
        One row a K: prior (renormalised over the K that have an evidence), log_evidence and
        log_evidence_error (nats), probability and error (its Monte Carlo standard error); NaN in
        prior, probability and error where the evidence is not to be trusted.
    prior : {"uniform", "poisson", "beta-negative-binomial"}
    left_out : tuple of int
        The K that get no probability.
    note : str
        What the probabilities are conditional on, in words.
    """

    table: "pd.DataFrame"
    prior: PriorOverK
    left_out: tuple[int, ...]
    note: str

    @property
    def best(self) -> int:
        """The most probable K."""
        return int(self.table.index.to_numpy()[np.nanargmax(self.table["probability"])])

    def __repr__(self) -> str:
        """Show the table and the note."""
        return f"{self.table.to_string()}\n{self.note}"


def posterior_over_k(source: Any, prior: PriorOverK = "uniform") -> PosteriorOverK:
    """Weigh the numbers of components by evidence times prior.

    The prior is truncated to the K given and renormalised. A K whose evidence has an infinite
    error gets no probability, and the others are then conditional on not being it.

    Parameters
    ----------
    source : Comparison, pandas.DataFrame or mapping of int to Evidence
        A comparison, its table (columns log_evidence and log_evidence_error), or the evidences.
    prior : {"uniform", "poisson", "beta-negative-binomial"}
        Uniform over the K given; K - 1 ~ Poisson(1); K - 1 ~ beta-negative-binomial(1, 4, 3).

    Returns
    -------
    PosteriorOverK

    Raises
    ------
    ConfigError
        For an unknown prior, a source that holds no evidence, or none that can be trusted.

    References
    ----------
    Nobile (2004), Annals of Statistics 32:2044 (Poisson). Fruehwirth-Schnatter, Malsiner-Walli
    and Gruen (2021), Bayesian Analysis 16:1279 (beta-negative-binomial).

    Examples
    --------
    >>> from bayesgmm.evidence import Evidence
    >>> evidences = {k: Evidence(v, 0.02, "", 1000, 1) for k, v in {1: -9.0, 2: -7.0}.items()}
    >>> posterior_over_k(evidences).table["probability"].round(3).tolist()
    [0.119, 0.881]
    """
    import pandas as pd

    if prior not in _LOG_PRIORS:
        raise ConfigError(
            f"prior must be one of {', '.join(_LOG_PRIORS)}, got {prior!r:.80}.",
            key="prior",
            value=prior,
        )
    numbers, values, errors = _evidences(source)
    trusted = np.isfinite(values) & np.isfinite(errors)
    if not trusted.any():
        raise ConfigError(
            f"no K has an evidence with a finite error (K = {_listed(numbers)}): there is no "
            "posterior over K. Sample longer, or combine the modes where chains disagree."
        )
    log_prior = _LOG_PRIORS[prior](np.asarray(numbers, dtype=float))
    log_prior = np.where(trusted, log_prior - logsumexp(log_prior[trusted]), np.nan)
    probability, error = np.full((2, len(numbers)), np.nan)
    probability[trusted], error[trusted] = shares((values + log_prior)[trusted], errors[trusted])
    left_out = tuple(k for k, good in zip(numbers, trusted, strict=True) if not good)
    table = pd.DataFrame(
        {
            "prior": np.exp(log_prior),
            "log_evidence": values,
            "log_evidence_error": errors,
            "probability": probability,
            "error": error,
        },
        index=pd.Index(numbers, name="K"),
    )
    return PosteriorOverK(table, prior, left_out, _note(prior, numbers, left_out))


def shares(log_values: Array, errors: Array) -> tuple[Array, Array]:
    """Return the shares of a total of values known by their logs, and the shares' errors.

    Parameters
    ----------
    log_values, errors : arrays of shape (part,), nats
        Independent estimates and their standard errors.

    Returns
    -------
    shares, errors : arrays of shape (part,)
        d share_i = share_i (d_i - sum_j share_j d_j) to first order.
    """
    share = np.exp(log_values - logsumexp(log_values))
    jacobian = share[:, None] * (np.eye(len(share)) - share)
    return share, np.sqrt((jacobian**2) @ np.asarray(errors) ** 2)


def _evidences(source: Any) -> tuple[list[int], Array, Array]:
    """Read K, log evidences and their errors, ordered by K."""
    table = getattr(source, "table", source)
    if {"log_evidence", "log_evidence_error"} <= set(getattr(table, "columns", ())):
        table = table.sort_index()
        columns = (table["log_evidence"], table["log_evidence_error"])
        values, errors = (column.to_numpy(dtype=float) for column in columns)
        return [int(k) for k in table.index], values, errors
    if not isinstance(source, Mapping) or not source:
        raise ConfigError(
            "posterior_over_k takes a Comparison, its table, or a mapping of K to Evidence, got "
            f"{source!r:.80}.",
            value=source,
        )
    numbers = sorted(source)
    values = np.array([source[k].value for k in numbers], dtype=float)
    return numbers, values, np.array([source[k].error for k in numbers], dtype=float)


def _note(prior: PriorOverK, numbers: Sequence[int], left_out: Sequence[int]) -> str:
    kept = [k for k in numbers if k not in left_out]
    note = (
        f"Evidence times prior ({_WORDS[prior]}), truncated to K = {_listed(kept)} and "
        "renormalised."
    )
    if left_out:
        note += f" No probability for K = {_listed(left_out)}: the evidence is not to be trusted."
    return note


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(str(k) for k in numbers)
