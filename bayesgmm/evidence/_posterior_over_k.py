"""The posterior probability of each model, from the evidences."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.special import logsumexp
from scipy.stats import betanbinom, poisson

from bayesgmm.errors import ConfigError
from bayesgmm.model.several import (
    as_models,
    models_of,
    numbers_of,
    once_each,
    same_models,
    table_by_model,
)
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.typing import Array

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PosteriorOverK", "PriorOverK", "posterior_over_k", "shares"]

PriorOverK = Literal["uniform", "poisson", "beta-negative-binomial"]

_LOG_PRIORS: dict[str, Callable[[Array], Array]] = {
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
    """The posterior of the number of components, over the models compared.

    Parameters
    ----------
    table : pandas.DataFrame
        One row a model, index K: covariance, family, noise, n_factors; prior (renormalised over
        the models that have an evidence), log_evidence and log_evidence_error (nats), probability
        and error (its Monte Carlo standard error); NaN in prior, probability and error where the
        evidence is not to be trusted.
    prior : {"uniform", "poisson", "beta-negative-binomial"}
    models : tuple of MixtureSpec
        Those of the rows.
    left_out : tuple of MixtureSpec
        The models that get no probability.
    note : str
        What the probabilities are conditional on, in words.

    Examples
    --------
    >>> from bayesgmm import compare
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> over_k = posterior_over_k(compare(rows, [1, 2], draws=200, seed=1))
    >>> over_k.prior, float(over_k.table["probability"].sum().round(6))
    ('uniform', 1.0)
    """

    table: "pd.DataFrame"
    prior: PriorOverK
    models: tuple[MixtureSpec, ...]
    left_out: tuple[MixtureSpec, ...]
    note: str

    @property
    def best(self) -> MixtureSpec:
        """The most probable model."""
        return self.models[int(np.nanargmax(self.table["probability"]))]

    def __repr__(self) -> str:
        """Show the table and the note."""
        return f"{self.table.to_string()}\n{self.note}"


def posterior_over_k(source: Any, prior: PriorOverK = "uniform") -> PosteriorOverK:
    """Weigh the numbers of components, and other models, by evidence times prior.

    The prior is truncated to the models given and renormalised. A model whose evidence has an
    infinite error gets no probability, and the others are then conditional on not being it. Specs
    that are the same model at some K (full and tied with one component) count once.

    Parameters
    ----------
    source : Comparison, pandas.DataFrame or mapping of MixtureSpec or int to Evidence
        A comparison, its table (columns log_evidence and log_evidence_error), or the evidences; an
        integer stands for the default spec of that K.
    prior : {"uniform", "poisson", "beta-negative-binomial"}
        Uniform over the models given; K - 1 ~ Poisson(1) or K - 1 ~ beta-negative-binomial(1, 4, 3)
        over K, in equal parts where several models have that K.

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
    if prior not in _WORDS:
        raise ConfigError(
            f"prior must be one of {', '.join(_WORDS)}, got {prior!r:.80}.",
            key="prior",
            value=prior,
        )
    evidences, same = _evidences(source)
    models = tuple(evidences)
    values, errors = np.array(list(evidences.values()), dtype=float).T
    trusted = np.isfinite(values) & np.isfinite(errors)
    if not trusted.any():
        raise ConfigError(
            f"no K has an evidence with a finite error (K = {_listed(models, models)}): there is "
            "no posterior over K. Sample longer, or combine the modes where chains disagree."
        )
    log_prior = _log_prior(prior, models)
    log_prior = np.where(trusted, log_prior - logsumexp(log_prior[trusted]), np.nan)
    probability, error = np.full((2, len(models)), np.nan)
    probability[trusted], error[trusted] = shares((values + log_prior)[trusted], errors[trusted])
    left_out = tuple(spec for spec, good in zip(models, trusted, strict=True) if not good)
    columns = {
        "prior": np.exp(log_prior),
        "log_evidence": values,
        "log_evidence_error": errors,
        "probability": probability,
        "error": error,
    }
    rows = {
        spec: {name: float(column[place]) for name, column in columns.items()}
        for place, spec in enumerate(models)
    }
    note = _note(prior, models, left_out, same)
    return PosteriorOverK(table_by_model(rows), prior, models, left_out, note)


def _log_prior(prior: PriorOverK, models: tuple[MixtureSpec, ...]) -> Array:
    """Return the log prior of each model: uniform over all, or that of its K in equal parts."""
    counts = np.array([spec.n_components for spec in models], dtype=float)
    if prior == "uniform":
        return np.zeros(len(counts))
    return _LOG_PRIORS[prior](counts) - np.log((counts[:, None] == counts).sum(axis=1))


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


def _evidences(
    source: Any,
) -> tuple[dict[MixtureSpec, tuple[float, float]], dict[MixtureSpec, MixtureSpec]]:
    """Read log evidences and their errors, in the order of K, each model once."""
    table = getattr(source, "table", source)
    if {"log_evidence", "log_evidence_error"} <= set(getattr(table, "columns", ())):
        pairs = zip(table["log_evidence"], table["log_evidence_error"], strict=True)
        models = getattr(source, "models", None) or models_of(table)
        read = as_models(dict(zip(models, pairs, strict=True)))
    elif isinstance(source, Mapping) and source:
        read = {k: (each.value, each.error) for k, each in as_models(source).items()}
    else:
        raise ConfigError(
            "posterior_over_k takes a Comparison, its table, or a mapping of MixtureSpec or K to "
            f"Evidence, got {source!r:.80}.",
            value=source,
        )
    same = same_models(read, None)
    return {spec: pair for spec, pair in read.items() if spec not in same}, same


def _note(
    prior: PriorOverK,
    models: tuple[MixtureSpec, ...],
    left_out: tuple[MixtureSpec, ...],
    same: Mapping[MixtureSpec, MixtureSpec],
) -> str:
    kept = [spec for spec in models if spec not in left_out]
    note = (
        f"Evidence times prior ({_WORDS[prior]}), truncated to K = {_listed(kept, models)} and "
        "renormalised."
    )
    if left_out:
        without = _listed(left_out, models)
        note += f" No probability for K = {without}: the evidence is not to be trusted."
    return " ".join([note, *once_each(same)])


def _listed(specs: Iterable[MixtureSpec], models: Iterable[MixtureSpec]) -> str:
    numbers = numbers_of(models)
    return ", ".join(numbers[spec] for spec in specs)
