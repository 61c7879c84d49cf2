"""Choose a number of components from the K table, and say why in one or two sentences."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bayesgmm.elpd import rank
from bayesgmm.limits import ELPD_ERRORS, PARETO_K, SMALL_DIFFERENCE

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Choice", "Criterion", "best_of", "listed", "simplest_within_error"]

Criterion = Literal["aic", "bic", "icl", "waic", "loo", "evidence"]


@dataclass(frozen=True)
class Choice:
    """A number of components and why.

    Parameters
    ----------
    k : int
    reason : str
        A sentence, and a second one where the choice has a catch.

    Examples
    --------
    >>> Choice(2, "K = 2 has the best bic.").k
    2
    """

    k: int
    reason: str


def best_of(k: int, best: int, criterion: Criterion, table: "pd.DataFrame") -> Choice:
    """Return the K that a criterion puts first of those that may be chosen.

    Parameters
    ----------
    k, best : int
        The first of those that may be chosen, and the first of all.
    criterion : {"aic", "bic", "icl", "evidence"}
    table : pandas.DataFrame
        The K table.
    """
    ended = _ended_early(best, table)
    if k == best:
        return Choice(k, f"K = {k} has the best {criterion}.{ended}")
    return Choice(
        k,
        f"K = {k} has the best {criterion} of the K that may be chosen; K = {best} has a better "
        f"one, but its run does not count: {table['verdict'][best]!s}.{ended}",
    )


def simplest_within_error(
    elpds: Mapping[int, Any], usable: Collection[int], criterion: Criterion, table: "pd.DataFrame"
) -> Choice | None:
    """Return the smallest K not clearly worse than the best; None where no K is usable.

    Parameters
    ----------
    elpds : mapping of int to ELPDData
        Of every K that has one.
    usable : collection of int
        The K whose elpd may be relied on.
    criterion : {"loo", "waic"}
    table : pandas.DataFrame
        The K table, whose index holds every K tried.
    """
    good = {k: elpd for k, elpd in elpds.items() if k in usable}
    if not good:
        return None
    ranking = rank(good)
    behind, error = -ranking["elpd_diff"], ranking["se_diff"]
    best = min(good, key=lambda k: behind[k])
    k = next(k for k in good if behind[k] < max(SMALL_DIFFERENCE, ELPD_ERRORS * error[k]))
    name = criterion.upper()
    others = set(map(int, table.index)) - set(good)
    catch = _ahead(elpds, good[best], others, name)
    if k == best and not catch:
        reason = f"K = {k} has the highest elpd by {name}{_left_out(others)}."
    elif k == best:
        reason = f"K = {k} has the highest elpd by {name} of the K whose draws can be relied on."
    else:
        reason = (
            f"K = {k} is the smallest K whose elpd by {name} is within {SMALL_DIFFERENCE:g} nats "
            f"or {ELPD_ERRORS:g} standard errors of the best{' of those' if catch else ''}, K = "
            f"{best}: {behind[k]:.1f} nats behind, standard error "
            f"{error[k]:.1f}{'' if catch else _left_out(others)}."
        )
    return Choice(k, reason + catch + _ended_early(_first(elpds), table))


def _ahead(elpds: Mapping[int, Any], best: Any, others: Iterable[int], name: str) -> str:
    """Say how far ahead the K are whose elpd may not be relied on, and what to do."""
    gaps = {k: float(elpds[k].elpd - best.elpd) for k in others if k in elpds}
    ahead = {k: gap for k, gap in sorted(gaps.items()) if gap > 0.0}
    if not ahead:
        return ""
    said = ", ".join(f"K = {k} by {gap:.1f} nats" for k, gap in ahead.items())
    numbers = listed(ahead)
    return (
        f" By {name} {said} {'is' if len(ahead) == 1 else 'are'} ahead but left out: the draws did "
        f"not pass the checks, or rows with Pareto k above {PARETO_K} are left. Before you rely on "
        f'this choice, compare K = {numbers} again with more draws, or sample with method="smc".'
    )


def _ended_early(best: int, table: "pd.DataFrame") -> str:
    """Say that a criterion is best at the largest K tried."""
    if len(table) < 2 or best != table.index.max():
        return ""
    return (
        f" By this criterion K = {best} is best, the largest K tried: the scan may have ended too "
        "early."
    )


def _first(elpds: Mapping[int, Any]) -> int:
    """Return the K of highest elpd, whatever its draws are worth."""
    return max(elpds, key=lambda k: np.nan_to_num(float(elpds[k].elpd), nan=-np.inf))


def _left_out(others: Collection[int]) -> str:
    return f" (left out: K = {listed(others)})" if others else ""


def listed(numbers: Iterable[int]) -> str:
    """Return numbers in their order, with commas."""
    return ", ".join(str(k) for k in sorted(numbers))
