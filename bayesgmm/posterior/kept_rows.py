"""Views of a posterior whose rows are those that its result keeps: all, or some of many."""

from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.observed import SOME_ROWS
from bayesgmm.posterior.tree import attribute, some_rows_of

__all__ = ["n_rows_of", "with_kept_rows"]


def with_kept_rows(draws: Draws) -> Draws:
    """Return the view whose rows are those that are kept, for what some can stand for."""
    if not _some_only(draws):
        return draws
    view = Draws(draws.tree)
    vars(view).update(observed=some_rows_of(draws.tree))
    return view


def n_rows_of(draws: Draws) -> int:
    """Return the number of all observed rows, whether they are kept or not."""
    if not _some_only(draws):
        return len(draws.table)
    return int(attribute(draws.tree, "data")["rows"])


def _some_only(draws: Draws) -> bool:
    return draws.source is not None and SOME_ROWS in draws.source
