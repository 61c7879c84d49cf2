"""Views of a posterior whose rows are those that its result keeps: all, or some of many."""

from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.observed import SOME_ROWS
from bayesgmm.posterior.tree import attribute, some_rows_of

__all__ = ["kept_target", "n_rows_of", "with_kept_rows"]


def with_kept_rows(draws: Draws) -> Draws:
    """Return the view whose rows are those that are kept, for what some can stand for."""
    if not _some_only(draws):
        return draws
    view = Draws(draws.tree)
    vars(view).update(observed=some_rows_of(draws.tree))
    return view


def kept_target(draws: Draws) -> tuple[LogPosterior, float]:
    """Return the log posterior of the rows that are kept, and how many rows count in all."""
    if not _some_only(draws):
        return draws.target, draws.target.n_counted
    assert draws.resolved is not None  # a user's own model keeps all rows
    facts = attribute(draws.tree, "data")
    counted = facts["weights"]["sum"] if "weights" in facts else facts["rows"]
    return LogPosterior(draws.resolved, some_rows_of(draws.tree)), float(counted)


def n_rows_of(draws: Draws) -> int:
    """Return the number of all observed rows, whether they are kept or not."""
    if not _some_only(draws):
        return len(draws.table)
    return int(attribute(draws.tree, "data")["rows"])


def _some_only(draws: Draws) -> bool:
    return draws.source is not None and SOME_ROWS in draws.source
