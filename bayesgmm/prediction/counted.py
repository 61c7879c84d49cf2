"""The posterior of a number, from one value per draw."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.mcmc_error import effective_size
from bayesgmm.typing import IntArray

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Counted", "counted", "some_of_each_chain"]


@dataclass(frozen=True, eq=False, repr=False)
class Counted:
    """The posterior of a number.

    Parameters
    ----------
    table : pandas.DataFrame
        One row a number: probability and error, its Monte Carlo standard error.
    counts : array of shape (sample,)
        The number in each draw.
    """

    table: "pd.DataFrame"
    counts: IntArray

    @property
    def most_probable(self) -> int:
        """The most probable number."""
        return int(self.table.index[int(self.table["probability"].argmax())])

    def __repr__(self) -> str:
        """Show the table."""
        return self.table.to_string()


def some_of_each_chain(draws: Draws, most: int) -> tuple[Draws, int]:
    """Return at most so many draws, as many of each chain and evenly spaced, and their chains."""
    n_chains, size = draws.shape
    kept = min(size, max(most // n_chains, 1))
    places = np.linspace(0, size - 1, kept).round().astype(np.int64)
    return draws.taken(np.add.outer(size * np.arange(n_chains), places).ravel()), n_chains


def counted(counts: IntArray, n_chains: int, name: str) -> "pd.DataFrame":
    """Return the share of draws with each number, and its Monte Carlo standard error.

    Parameters
    ----------
    counts : array of shape (sample,)
        Chains one after another.
    n_chains : int
    name : str
        Of the index.

    Examples
    --------
    >>> counted(np.array([1, 2, 2, 2]), 1, "modes")["probability"].tolist()
    [0.25, 0.75]
    """
    import pandas as pd

    values = np.unique(counts)
    there = (counts == values[:, None]).astype(float).reshape(len(values), n_chains, -1)
    share = there.mean(axis=(1, 2))
    error = [
        math.sqrt(p * (1.0 - p) / effective_size(each))
        for p, each in zip(share, there, strict=True)
    ]
    index = pd.Index(values, name=name)
    return pd.DataFrame({"probability": share, "error": error}, index=index)
