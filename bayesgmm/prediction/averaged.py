"""Draws of several models, put together as one mixture's: what depends on no K is read from it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from bayesgmm.model.parameters import Parameters
from bayesgmm.posterior.draws import Draws
from bayesgmm.typing import Array

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["WHOLE", "Average", "pooled"]

WHOLE = "all"  # what stands where components would, of an average that has none of its own


@dataclass(frozen=True, eq=False, repr=False)
class Average:
    """Posteriors of several models, weighed: taken by verbs that need no clusters told apart.

    `density`, `log_density`, `density_grid`, `coclustering`, `partition` and `group_membership`
    take it in the place of a posterior.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per model, index K: covariance, family, noise, n_factors; weight, NaN where the
        model is left out; draws, how many of its draws are used.
    by : {"probability", "stacking"}
    draws : Draws
        Of all models together, each with as many draws as its weight asks for. Components that a
        model lacks have weight 0.
    note : str
        What is left out, and what is to be said of the weights.

    Examples
    --------
    >>> from bayesgmm import average, compare, partition
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> over_k = average(compare(rows, [1, 2], draws=200, seed=1))
    >>> over_k.table["weight"].sum().round(6)
    np.float64(1.0)
    >>> partition(over_k, seed=1).labels.tolist()
    [1, 1, 1, 2, 2, 2, 1, 2]
    """

    table: "pd.DataFrame"
    by: str
    draws: Draws = field(repr=False)
    note: str

    def __repr__(self) -> str:
        """Show the weights and the note."""
        shown = self.table[["covariance", "weight", "draws"]]
        return "\n".join(line for line in (shown.to_string(), self.note) if line)


def pooled(parts: Sequence[tuple[Draws, int]]) -> Draws:
    """Return evenly spaced draws of several posteriors of the same rows, one after another.

    Parameters
    ----------
    parts : sequence of (Draws, int)
        Each with the number of its draws that are taken; more than it has are taken again.
    """
    n_components = max(draws.n_components for draws, _ in parts)
    chosen = []
    for draws, number in parts:
        places = np.linspace(0, draws.n_samples - 1, number).round().astype(np.int64)
        some = draws.parameters.at(places)
        chosen.append(_with_empty_components(some, n_components))
    largest = max((draws for draws, _ in parts), key=lambda draws: draws.n_components)
    return Draws.of(
        Parameters.joined(chosen, np.concatenate),
        largest.features,
        rows=largest.observed,  # labels of rows are of its clusters
        obs=largest.obs,
        frame=largest.frame,
        noise=largest.noise,
    )


def _with_empty_components(parameters: Parameters, n_components: int) -> Parameters:
    """Return the same mixtures with components of weight 0, which lie where the first one does."""
    more = n_components - parameters.weights.shape[1]

    def repeated(value: Array) -> Array:
        return np.concatenate([value, np.repeat(value[:, :1], more, axis=1)], axis=1)

    weights = np.pad(parameters.weights, ((0, 0), (0, more)))
    return parameters.each_of_clusters(repeated)._replace(weights=weights)
