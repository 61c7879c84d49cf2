"""Which models a criterion does not rule out, and what the evidence says between them."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bayesgmm.criterion import BY_ELPD, CRITERIA, Criterion
from bayesgmm.data.columns import in_percent
from bayesgmm.elpd import ranked
from bayesgmm.limits import ELPD_ERRORS, INFORMATION_DIFFERENCE, INTERVAL, SMALL_DIFFERENCE
from bayesgmm.model.several import numbers_of
from bayesgmm.model.spec import MixtureSpec

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BayesFactor", "bayes_factors", "not_ruled_out", "ruling_words"]

BayesFactor = tuple[float, float]  # its logarithm and the error of that, nats
_TOLD_AS_LARGE = math.log(1000.0)


def not_ruled_out(
    criterion: Criterion,
    chosen: MixtureSpec,
    models: Sequence[MixtureSpec],
    table: "pd.DataFrame",
    elpds: Mapping[MixtureSpec, Any],
    undecided: Collection[MixtureSpec],
) -> tuple[MixtureSpec, ...]:
    """Return the models that a criterion leaves open, with the one chosen, in their order.

    Models whose draws do not count are among them where their figures are as good: that they may
    not be chosen rules nothing out.

    Parameters
    ----------
    criterion : str
    chosen : MixtureSpec
    models : sequence of MixtureSpec
        Those of the table's rows.
    table : pandas.DataFrame
        Of the comparison.
    elpds : mapping of MixtureSpec to ELPDData
        By this criterion, where it is LOO or WAIC.
    undecided : collection of MixtureSpec
        Those that no evidence serves and that could be the best by it.
    """
    kept = {chosen}
    if criterion in BY_ELPD:
        for spec, row in (ranked(elpds) if elpds else {}).items():
            if -row["elpd_diff"] < max(SMALL_DIFFERENCE, ELPD_ERRORS * row["se_diff"]):
                kept.add(spec)
    elif criterion == "evidence":
        kept |= _credible(models, table["probability"].to_numpy(dtype=float)) | set(undecided)
    else:
        values = table[CRITERIA[criterion].column].to_numpy(dtype=float)
        near = values - np.nanmin(values) < INFORMATION_DIFFERENCE
        kept |= {spec for spec, good in zip(models, near, strict=True) if good}
    return tuple(spec for spec in models if spec in kept)


def _credible(models: Sequence[MixtureSpec], probabilities: Any) -> set[MixtureSpec]:
    """Return the fewest models that hold the probability of an interval together."""
    known = np.nan_to_num(probabilities)
    order = np.argsort(-known, kind="stable")
    number = int(np.searchsorted(known[order].cumsum(), INTERVAL)) + 1
    return {models[place] for place in order[:number] if known[place] > 0.0}


def bayes_factors(
    chosen: MixtureSpec,
    models: Sequence[MixtureSpec],
    table: "pd.DataFrame",
    left_open: Collection[MixtureSpec],
) -> dict[MixtureSpec, BayesFactor]:
    """Return the log Bayes factors of a model against those left open, or the next best.

    Empty where the model has no evidence with a finite error.
    """
    columns = table["log_evidence"], table["log_evidence_error"]
    known = {
        spec: pair
        for spec, *pair in zip(models, *columns, strict=True)
        if all(map(math.isfinite, pair))
    }
    if chosen not in known:
        return {}
    value, error = known.pop(chosen)
    against = {spec: (value - z, math.hypot(error, its)) for spec, (z, its) in known.items()}
    closest = dict(sorted(against.items(), key=lambda item: item[1][0]))
    named = [spec for spec in closest if spec in left_open] or list(closest)[:1]
    return {spec: closest[spec] for spec in named}


def ruling_words(
    criterion: Criterion,
    chosen: MixtureSpec,
    left_open: Sequence[MixtureSpec],
    factors: Mapping[MixtureSpec, BayesFactor],
    models: Sequence[MixtureSpec],
) -> str:
    """Say which models are not ruled out, and which prior odds would overturn the choice."""
    numbers, name = numbers_of(models), CRITERIA[criterion].words
    others = [numbers[spec] for spec in left_open if spec != chosen]
    if criterion in BY_ELPD:
        within = f"within {SMALL_DIFFERENCE:g} nats or {ELPD_ERRORS:g} standard errors of the best"
    elif criterion == "evidence":
        within = f"in the smallest set of probability {in_percent(INTERVAL)}"
    else:
        within = f"within {INFORMATION_DIFFERENCE:g} of the smallest"
    if others:
        listed = f"{', '.join(others)} {'is' if len(others) == 1 else 'are'} not ruled out"
        sentences = [f"By {name} K = {listed} either: {within}."]
    else:
        sentences = [f"By {name} no other K is {within}."]
    return " ".join([*sentences, *_odds_in_words(numbers[chosen], factors, numbers)])


def _odds_in_words(
    chosen: str, factors: Mapping[MixtureSpec, BayesFactor], numbers: Mapping[MixtureSpec, str]
) -> list[str]:
    """Say what the evidence says for the model, and what against it."""
    forward = [
        f"{_odds(value, error)} against K = {numbers[spec]}"
        for spec, (value, error) in factors.items()
        if value >= 0.0
    ]
    against = [
        f"K = {numbers[spec]} by a Bayes factor of {_odds(-value, error)}"
        for spec, (value, error) in factors.items()
        if value < 0.0
    ]
    sentences = []
    if forward:
        which = "that" if len(forward) == 1 else "these"
        sentences.append(
            f"The Bayes factor of K = {chosen} is {_listed(forward)}: prior odds beyond "
            f"{which} for the other would overturn it."
        )
    if against:
        which = "that" if len(against) == 1 else "these"
        sentences.append(
            f"The evidence prefers {_listed(against)}: only with prior odds beyond {which} is "
            f"K = {chosen} the more probable."
        )
    return sentences


def _listed(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


def _odds(log_factor: float, error: float) -> str:
    if log_factor > _TOLD_AS_LARGE:
        return "above 1000"
    factor = math.exp(log_factor)
    return f"{factor:.2g} (error {factor * error:.1g})"
