"""Choose a model from the table of a comparison, and say why in one or two sentences."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from bayesgmm.advice import Advice, Option
from bayesgmm.cards import card
from bayesgmm.comparison.changes import changes_between
from bayesgmm.comparison.ruling_out import BayesFactor
from bayesgmm.criterion import CRITERIA, Criterion
from bayesgmm.elpd import ranked
from bayesgmm.limits import ELPD_ERRORS, PARETO_K, SMALL_DIFFERENCE
from bayesgmm.model.several import numbers_of
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.posterior.draws import Draws

__all__ = ["Choice", "best_of", "simplest_first", "simplest_within_error"]


@dataclass(frozen=True, repr=False)
class Choice:
    """A model and why.

    Parameters
    ----------
    model : MixtureSpec
    reason : str
        A sentence, and a second one where the choice has a catch.
    not_ruled_out : tuple of MixtureSpec
        The models that the criterion leaves open, this one among them: by LOO and WAIC those within
        4 nats or two standard errors of the best, by the evidence the fewest that hold 89 % of the
        probability, by information criteria those less than 6 above the smallest.
    left_open : str
        The same in words, with the prior odds that would overturn the choice.
    bayes_factors : dict of MixtureSpec to (float, float)
        The logarithm of this model's Bayes factor against another, and its standard error, nats:
        against those not ruled out, or else the next best; empty without an evidence.
    posteriors : dict of MixtureSpec to Draws
        Of the models not ruled out.
    seed : int
        Of the partitions in `changes`.

    Examples
    --------
    >>> Choice(MixtureSpec(2), "K = 2 is best by BIC.").k
    2
    """

    model: MixtureSpec
    reason: str
    not_ruled_out: tuple[MixtureSpec, ...] = ()
    left_open: str = ""
    bayes_factors: Mapping[MixtureSpec, BayesFactor] = field(default_factory=dict)
    posteriors: Mapping[MixtureSpec, Draws] = field(default_factory=dict, repr=False, compare=False)
    seed: int = field(default=0, repr=False)

    @cached_property
    def changes(self) -> str:
        """What changes in the answer between the models not ruled out; empty if there is one.

        Groups of the partition of the rows, and for those that are in all partitions how far their
        shares of the rows and their means move.
        """
        numbers = numbers_of(self.not_ruled_out)
        draws = {numbers[spec]: view for spec, view in self.posteriors.items()}
        return changes_between(draws, numbers.get(self.model, ""), self.seed)

    @property
    def k(self) -> int:
        """Number of components of the model."""
        return self.model.n_components

    def __repr__(self) -> str:
        """Show the model, why it was chosen, and what is left open."""
        return " ".join(filter(None, (f"Choice: {self.model}.", self.reason, self.left_open)))

    def _repr_html_(self) -> str:
        head = f"Choice: K = {self.k}, {self.model.kind}"
        return card(head, sentences=[self.reason, self.left_open])


def simplest_first(models: Iterable[MixtureSpec], n_features: int) -> list[MixtureSpec]:
    """Return models by their number of parameters, the fewest first."""
    return sorted(models, key=lambda spec: spec.n_parameters(n_features))


def best_of(
    model: MixtureSpec,
    best: MixtureSpec,
    criterion: Criterion,
    models: Sequence[MixtureSpec],
    verdict: str,
) -> Choice:
    """Return the model that a criterion puts first of those that may be chosen.

    Parameters
    ----------
    model, best : MixtureSpec
        The first of those that may be chosen, and the first of all.
    criterion : {"aic", "bic", "sbic", "icl", "evidence"}
    models : sequence of MixtureSpec
        All that were compared.
    verdict : str
        On the run of the first of all.
    """
    numbers = numbers_of(models)
    ended = _ended_early(best, models)
    k, words = numbers[model], CRITERIA[criterion].words
    if model == best:
        return Choice(model, f"K = {k} is best by {words}.{ended}")
    return Choice(
        model,
        f"K = {k} is best by {words} of the K that can be chosen; K = {numbers[best]} is better, "
        f"but its run does not count: {verdict}.{ended}",
    )


def simplest_within_error(
    elpds: Mapping[MixtureSpec, Any],
    usable: Collection[MixtureSpec],
    criterion: Criterion,
    models: Sequence[MixtureSpec],
    n_features: int,
) -> Choice | None:
    """Return the simplest model not clearly worse than the best; None where none is usable.

    Of one structure that is the smallest K, of several the model with the fewest parameters.

    Parameters
    ----------
    elpds : mapping of MixtureSpec to ELPDData
        Of every model that has one.
    usable : collection of MixtureSpec
        Those whose elpd may be relied on.
    criterion : {"loo", "waic"}
    models : sequence of MixtureSpec
        All that were compared.
    n_features : int
    """
    good = {k: elpds[k] for k in simplest_first(elpds, n_features) if k in usable}
    if not good:
        return None
    rows = ranked({k: good[k] for k in elpds if k in good})
    behind = {k: -row["elpd_diff"] for k, row in rows.items()}
    error = {k: row["se_diff"] for k, row in rows.items()}
    best = min(rows, key=lambda k: behind[k])
    k = next(k for k in good if behind[k] < max(SMALL_DIFFERENCE, ELPD_ERRORS * error[k]))
    name = CRITERIA[criterion].words
    numbers = numbers_of(models)
    others = [spec for spec in models if spec not in good]
    catch = _ahead(elpds, good[best], others, name, numbers)
    if k == best and not catch:
        reason = f"K = {numbers[k]} has the highest elpd by {name}{_left_out(others, numbers)}."
    elif k == best:
        reason = (
            f"K = {numbers[k]} has the highest elpd by {name} of the K whose draws can be relied "
            "on."
        )
    else:
        several = len({spec.kind for spec in models}) > 1
        simplest = "the model with the fewest parameters" if several else "the smallest K"
        reason = (
            f"K = {numbers[k]} is {simplest} whose elpd by {name} is within {SMALL_DIFFERENCE:g} "
            f"nats or {ELPD_ERRORS:g} standard errors of the best{' of those' if catch else ''}, "
            f"K = {numbers[best]}: {behind[k]:.1f} nats behind, standard error "
            f"{error[k]:.1f}{'' if catch else _left_out(others, numbers)}."
        )
    return Choice(k, reason + catch + _ended_early(_first(elpds), models))


def _ahead(
    elpds: Mapping[MixtureSpec, Any],
    best: Any,
    others: Iterable[MixtureSpec],
    name: str,
    numbers: Mapping[MixtureSpec, str],
) -> str:
    """Say how far ahead the models are whose elpd may not be relied on, and what to do."""
    gaps = {k: float(elpds[k].elpd - best.elpd) for k in others if k in elpds}
    ahead = {numbers[k]: gap for k, gap in gaps.items() if gap > 0.0}
    if not ahead:
        return ""
    said = ", ".join(f"K = {k} by {gap:.1f} nats" for k, gap in ahead.items())
    return Advice(
        f" By {name} {said} {'is' if len(ahead) == 1 else 'are'} ahead but left out: the draws did "
        f"not pass the checks, or rows with Pareto k above {PARETO_K} are left. Before you rely on "
        f"this choice, compare K = {', '.join(ahead)} again with more ",
        Option("draws"),
        ", or sample with ",
        Option("method", "smc"),
        ".",
    )


def _ended_early(best: MixtureSpec, models: Sequence[MixtureSpec]) -> str:
    """Say that a criterion is best at the largest K tried."""
    counts = {spec.n_components for spec in models}
    if len(counts) < 2 or best.n_components != max(counts):
        return ""
    return (
        f" By this criterion K = {numbers_of(models)[best]} is best, the largest K tried: the scan "
        "may have ended too early."
    )


def _first(elpds: Mapping[MixtureSpec, Any]) -> MixtureSpec:
    """Return the model of highest elpd, whatever its draws are worth."""
    return max(elpds, key=lambda k: np.nan_to_num(float(elpds[k].elpd), nan=-np.inf))


def _left_out(others: Collection[MixtureSpec], numbers: Mapping[MixtureSpec, str]) -> str:
    return f" (K = {', '.join(numbers[k] for k in others)} excluded)" if others else ""
