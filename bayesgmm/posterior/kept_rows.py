"""Views of a posterior whose rows are those that its result keeps: all, or some of many."""

from typing import Any

import numpy as np
import xarray as xr

from bayesgmm.advice import Advice, Option
from bayesgmm.arguments import check_instance
from bayesgmm.data import Dataset
from bayesgmm.errors import ConfigError
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.observed import SOME_ROWS
from bayesgmm.posterior.tree import attribute, some_rows_of

__all__ = [
    "keeps_some_only",
    "kept_target",
    "n_rows_of",
    "part_of_kept_rows",
    "require_its_rows",
    "require_kept_likelihood",
    "with_kept_rows",
]


def with_kept_rows(draws: Draws) -> Draws:
    """Return the view whose rows are those that are kept, for what some can stand for."""
    if not keeps_some_only(draws):
        return draws
    view = Draws(draws.tree)
    vars(view).update(observed=some_rows_of(draws.tree))
    return view


def part_of_kept_rows(draws: Draws, most: int) -> Draws:
    """Return the view whose rows are so many of those kept, for what takes pairs of rows.

    Where all rows are kept it has all of them.
    """
    if not keeps_some_only(draws):
        return draws
    view, rows = Draws(draws.tree), some_rows_of(draws.tree)
    places = np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(np.int64)
    vars(view).update(observed=rows[places], obs=draws.obs[places])
    return view


def kept_target(draws: Draws) -> tuple[LogPosterior, float]:
    """Return the log posterior of the rows that are kept, and how many rows count in all."""
    if not keeps_some_only(draws):
        return draws.target, draws.target.n_counted
    assert draws.resolved is not None  # a user's own model keeps all rows
    facts = attribute(draws.tree, "data")
    counted = facts["weights"]["sum"] if "weights" in facts else facts["rows"]
    return LogPosterior(draws.resolved, some_rows_of(draws.tree)), float(counted)


def n_rows_of(draws: Draws) -> int:
    """Return the number of all observed rows, whether they are kept or not."""
    if not keeps_some_only(draws):
        return len(draws.table)
    return int(attribute(draws.tree, "data")["rows"])


def keeps_some_only(draws: Draws) -> bool:
    """Whether a result keeps some of many rows, the others being where they were read."""
    return draws.source is not None and SOME_ROWS in draws.source


def require_kept_likelihood(tree: xr.DataTree) -> None:
    """Raise ConfigError where rows were left in a file, with what their log likelihood would take.

    Parameters
    ----------
    tree : DataTree
        Without a log likelihood of each row.
    """
    if SOME_ROWS not in tree:
        return
    facts, sizes = attribute(tree, "data"), tree["posterior"].sizes
    gigabytes = 8 * facts["rows"] * sizes["chain"] * sizes["draw"] / 2**30
    raise ConfigError(
        Advice(
            f"the log likelihood of each row is not kept, because the {facts['rows']} rows of "
            f"{facts['source']} are in the file only. waic and loo take them as their second "
            f"argument; what else needs it, as refits do, needs {gigabytes:.3g} GiB for these "
            "draws: read the file with ",
            Option("in_memory", True),
            " and sample again.",
        ),
        gigabytes=gigabytes,
    )


def require_its_rows(draws: Draws, rows: Any) -> Dataset:
    """Return the rows of a posterior, given anew.

    Raises
    ------
    ConfigError
        Where they are no `Dataset`, or others.
    """
    data: Dataset = check_instance("rows", rows, Dataset, "a Dataset")
    facts = attribute(draws.tree, "data") or {}
    if data.hash != facts.get("hash"):
        raise ConfigError(
            f"rows must be those that the posterior was sampled from: {facts.get('rows')} rows "
            f"({str(facts.get('hash'))[:8]}), got {data.n_obs} rows ({data.hash[:8]}).",
            key="rows",
        )
    return data
