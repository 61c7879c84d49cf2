"""The posterior probability of each model, from the evidences."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import logsumexp

from bayesgmm.advice import shown
from bayesgmm.arguments import check_instance, seed_of
from bayesgmm.errors import ConfigError
from bayesgmm.evidence.bridge import Evidence
from bayesgmm.evidence.over_clusters import Runs, clusters_table, joint_of, no_clusters, runs_of
from bayesgmm.evidence.priors_over_k import (
    Mixing,
    OverK,
    PriorOverK,
    WeightsPrior,
    log_named,
    prior_over_k,
    weights_prior,
)
from bayesgmm.evidence.shares import shares
from bayesgmm.model.several import (
    as_models,
    models_of,
    numbers_of,
    once_each,
    same_models,
    table_by_model,
)
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.runtime.keywords import keywords
from bayesgmm.typing import Array

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EvidencesOverK", "PosteriorOverK", "posterior_over_k", "weigh"]

_NO_MASS = 1e-6  # of the posterior of all larger K together: there the table ends


@dataclass(frozen=True, eq=False, repr=False)
class PosteriorOverK:
    """The posterior of the number of components, and of the number of clusters that hold rows.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per model, index K: covariance, family, noise, n_factors; prior (renormalised over
        the models that have an evidence), log_evidence and log_evidence_error (nats), probability
        and error (its Monte Carlo standard error); NaN in prior, probability and error where the
        evidence is not to be trusted, and in log_evidence for a K that was not compared.
    clusters : pandas.DataFrame
        One row for each number K+ of components that hold rows: prior, the probability before any
        row is seen; probability and error; pareto_k of the weights by which the draws are taken to
        this prior, -inf where the largest are equal. No rows where there are no draws.
    prior : str
        The prior on K, in words.
    mixing : str
        The prior on the weights, in words; empty where it is that of evidences given.
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
    >>> over_k.clusters.index.tolist()
    [1, 2]
    """

    table: "pd.DataFrame"
    clusters: "pd.DataFrame"
    prior: str
    mixing: str
    models: tuple[MixtureSpec, ...]
    left_out: tuple[MixtureSpec, ...]
    note: str

    @property
    def best(self) -> MixtureSpec:
        """The most probable model."""
        return self.models[int(np.nanargmax(self.table["probability"]))]

    def __repr__(self) -> str:
        """Show the tables and the note."""
        clusters = self.clusters.to_string() if len(self.clusters) else ""
        return "\n".join(line for line in (self.table.to_string(), clusters, self.note) if line)


@keywords(source="comparison")
def posterior_over_k(
    comparison: Any,
    prior: PriorOverK = "uniform",
    *,
    mixing: Mixing = "static",
    gamma: float | None = None,
    alpha: float = 1.0,
    e0: float = 0.01,
    seed: int | None = None,
) -> PosteriorOverK:
    """Weigh numbers of components, and of clusters that hold rows, under any prior.

    Under the prior on weights of the runs, and a named prior on K, models are weighed by evidence
    times prior. The prior is truncated to the models given and renormalised. A model whose evidence
    has an infinite error gets no probability, and the others are then conditional on not being it.
    Specs that are the same model at some K (full and tied with one component) count once.

    All other priors follow from the same runs: their draws of the partition of the rows are
    weighted by what it has under the other prior. So does K+, the number of components that hold
    rows. The clusters must have one prior, and no labels or survey's weights.

    Parameters
    ----------
    comparison : Comparison, pandas.DataFrame or mapping of MixtureSpec or int to Evidence
        A comparison, its table (columns log_evidence and log_evidence_error), or the evidences; an
        integer stands for the default spec of that K. All but the first part needs a comparison.
    prior : {"uniform", "poisson", "beta-negative-binomial", "geometric"}, int or sequence of float
        Uniform over the models given; K - 1 ~ Poisson(1), K - 1 ~ beta-negative-binomial(1, 4, 3)
        or K ~ geometric(0.1) over K, in equal parts where several models have that K; one K; or the
        probabilities of K = 1, 2, ..., which may go on beyond the models given.
    mixing : {"static", "dynamic", "sparse"}
        Weights have a symmetric Dirichlet prior of concentration `gamma`, `alpha` / K or `e0`.
        "sparse" is meant for one large K.
    gamma, alpha, e0 : float
        That of the runs stands for a `gamma` of None.
    seed : int, optional
        Of the partitions; that of the comparison by default.

    Returns
    -------
    PosteriorOverK

    Raises
    ------
    ConfigError
        For an unknown prior, a comparison without evidence, or without any that can be trusted;
        where other priors do not follow from these runs; and where the weights of the draws have a
        Pareto k above 0.7.

    References
    ----------
    Nobile (2004), Annals of Statistics 32:2044 (Poisson). Miller and Harrison (2018), Journal of
    the American Statistical Association 113:340 (static, geometric). Fruehwirth-Schnatter,
    Malsiner-Walli and Gruen (2021), Bayesian Analysis 16:1279 (dynamic, sparse,
    beta-negative-binomial).

    Examples
    --------
    >>> from bayesgmm.evidence import Evidence
    >>> evidences = {k: Evidence(v, 0.02, "", 1000, 1) for k, v in {1: -9.0, 2: -7.0}.items()}
    >>> posterior_over_k(evidences).table["probability"].round(3).tolist()
    [0.119, 0.881]
    """
    return weigh(
        EvidencesOverK(comparison, seed), prior, mixing=mixing, gamma=gamma, alpha=alpha, e0=e0
    )


class EvidencesOverK:
    """What several priors on K are weighed from: read once, its partitions drawn once.

    Parameters
    ----------
    comparison, seed
        As of `posterior_over_k`.
    """

    def __init__(self, comparison: Any, seed: int | None) -> None:
        self.comparison = comparison
        self.evidences, self.same = _evidences(comparison)
        models = tuple(self.evidences)
        if not any(_trusted(pair) for pair in self.evidences.values()):
            raise ConfigError(
                f"no K has an evidence with a finite error (K = {_listed(models, models)}): there "
                "is no posterior over K. Sample longer, or combine the modes where chains disagree."
            )
        self._seed = seed_of(getattr(comparison, "seed", None) if seed is None else seed)

    @cached_property
    def runs(self) -> Runs:
        """The runs from which other priors follow; see `runs_of`."""
        return runs_of(self.comparison, self.evidences, self._seed)


def weigh(
    found: EvidencesOverK,
    prior: PriorOverK = "uniform",
    *,
    mixing: Mixing = "static",
    gamma: float | None = None,
    alpha: float = 1.0,
    e0: float = 0.01,
) -> PosteriorOverK:
    """Return what `posterior_over_k` does, under one of several priors on what was read once."""
    weights_prior(mixing, 1.0, gamma, alpha, e0)
    if isinstance(prior, str) and mixing == "static" and gamma is None:
        return _with_clusters(_by_evidence(prior, found.evidences, found.same), found)
    prior_over_k(prior, 1)
    runs = found.runs
    weights = weights_prior(mixing, runs.concentration, gamma, alpha, e0)
    return _by_draws(runs, prior_over_k(prior, runs.largest), weights, found.evidences)


def _by_evidence(
    prior: str,
    evidences: Mapping[MixtureSpec, tuple[float, float]],
    same: Mapping[MixtureSpec, MixtureSpec],
) -> PosteriorOverK:
    """Weigh models by evidence times prior."""
    models = tuple(evidences)
    trusted = np.array([_trusted(pair) for pair in evidences.values()])
    values, errors = np.array(list(evidences.values()), dtype=float).T
    counts = np.array([spec.n_components for spec in models])
    log_prior, words = log_named(prior, counts)
    if prior != "uniform":
        log_prior = log_prior - np.log((counts[:, None] == counts).sum(axis=1))
    log_prior = np.where(trusted, log_prior - logsumexp(log_prior[trusted]), np.nan)
    probability, error = np.full((2, len(models)), np.nan)
    probability[trusted], error[trusted] = shares((values + log_prior)[trusted], errors[trusted])
    left_out = tuple(spec for spec, good in zip(models, trusted, strict=True) if not good)
    return PosteriorOverK(
        table=_table(evidences, np.exp(log_prior), probability, error),
        clusters=no_clusters(),
        prior=words,
        mixing="",
        models=models,
        left_out=left_out,
        note=_note(words, models, left_out, same),
    )


def _with_clusters(found: PosteriorOverK, given: EvidencesOverK) -> PosteriorOverK:
    """Add the number of clusters that hold rows, where there are draws, or why it is not known."""
    if not hasattr(given.comparison, "posteriors"):
        return found
    try:
        runs = given.runs
    except ConfigError as error:
        return replace(found, note=f"{found.note} No K+: {error}")
    masses = np.zeros(runs.largest)
    for spec, mass in zip(found.models, found.table["prior"], strict=True):
        masses[spec.n_components - 1] += 0.0 if spec in found.left_out else mass
    weights = weights_prior("static", runs.concentration, None, 1.0, 1.0)
    over = prior_over_k(masses, runs.largest)
    table, note = clusters_table(runs, joint_of(runs, over, weights), over, weights)
    note = " ".join(part for part in (found.note, note) if part)
    return replace(found, clusters=table, mixing=weights.words, note=note)


def _by_draws(
    runs: Runs,
    prior: OverK,
    weights: WeightsPrior,
    evidences: Mapping[MixtureSpec, tuple[float, float]],
) -> PosteriorOverK:
    """Weigh every K of the prior by what the draws of the runs have under it."""
    joint = joint_of(runs, prior, weights)
    probability, error = joint.over_k
    clusters, note = clusters_table(runs, joint, prior, weights)
    beyond = probability[::-1].cumsum()[::-1]
    n_rows = min(max(runs.largest, int((beyond > _NO_MASS).sum())), len(probability))
    some = next(spec for spec, pair in evidences.items() if _trusted(pair))
    by_k = {spec.n_components: spec for spec in evidences}
    models = [by_k.get(k, replace(some, n_components=k)) for k in range(1, n_rows + 1)]
    shown = {spec: evidences.get(spec, (math.nan, math.nan)) for spec in models}
    first = f"Prior: {prior.words}; {weights.words}."
    return PosteriorOverK(
        table=_table(shown, *(a[:n_rows] for a in (np.exp(prior.log_mass), probability, error))),
        clusters=clusters,
        prior=prior.words,
        mixing=weights.words,
        models=tuple(models),
        left_out=tuple(spec for spec, pair in evidences.items() if not _trusted(pair)),
        note=" ".join(part for part in (first, note) if part),
    )


def _table(
    evidences: Mapping[MixtureSpec, tuple[float, float]],
    prior: Array,
    probability: Array,
    error: Array,
) -> "pd.DataFrame":
    rows = {}
    for place, (spec, (value, its_error)) in enumerate(evidences.items()):
        rows[spec] = {
            "prior": float(prior[place]),
            "log_evidence": value,
            "log_evidence_error": its_error,
            "probability": float(probability[place]),
            "error": float(error[place]),
        }
    return table_by_model(rows)


def _trusted(evidence: tuple[float, float]) -> bool:
    return all(map(math.isfinite, evidence))


def _evidences(
    comparison: Any,
) -> tuple[dict[MixtureSpec, tuple[float, float]], dict[MixtureSpec, MixtureSpec]]:
    """Read log evidences and their errors, in the order of K, each model once."""
    table = getattr(comparison, "table", comparison)
    if {"log_evidence", "log_evidence_error"} <= set(getattr(table, "columns", ())):
        pairs = zip(table["log_evidence"], table["log_evidence_error"], strict=True)
        models = getattr(comparison, "models", None) or models_of(table)
        read = as_models(dict(zip(models, pairs, strict=True)))
    elif isinstance(comparison, Mapping) and comparison:
        given = as_models(comparison)
        for each in given.values():
            check_instance("each value of the mapping", each, Evidence, "an Evidence")
        read = {k: (each.value, each.error) for k, each in given.items()}
    else:
        raise ConfigError(
            "posterior_over_k takes a Comparison, its table, or a mapping of MixtureSpec or K to "
            f"Evidence, got {shown(comparison)}.",
            value=comparison,
        )
    same = same_models(read, None)
    return {spec: pair for spec, pair in read.items() if spec not in same}, same


def _note(
    prior: str,
    models: tuple[MixtureSpec, ...],
    left_out: tuple[MixtureSpec, ...],
    same: Mapping[MixtureSpec, MixtureSpec],
) -> str:
    kept = [spec for spec in models if spec not in left_out]
    note = (
        f"Evidence times prior ({prior}), truncated to K = {_listed(kept, models)} and "
        "renormalised."
    )
    if left_out:
        without = _listed(left_out, models)
        note += f" No probability for K = {without}: the evidence is not to be trusted."
    return " ".join([note, *once_each(same)])


def _listed(specs: Iterable[MixtureSpec], models: Iterable[MixtureSpec]) -> str:
    numbers = numbers_of(models)
    return ", ".join(numbers[spec] for spec in specs)
