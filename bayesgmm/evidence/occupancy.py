"""How the draws of one K share out the rows: whether all components hold some, and how many."""

import math
from dataclasses import dataclass

import numpy as np

from bayesgmm.likelihood.annotated_rows import times_of
from bayesgmm.likelihood.compiled.allocations import block_sizes, occupied_probabilities
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.mcmc_error import effective_size
from bayesgmm.typing import Array, BoolArray, IntArray

__all__ = ["Occupancy", "occupancy_of"]

_PARTITIONS = 4  # drawn of each draw
_MOST_DRAWS = 4000


@dataclass(frozen=True, eq=False)
class Occupancy:
    """What the draws of K components say of the partition of the rows by their labels.

    Parameters
    ----------
    probabilities : array of shape (chain, draw)
        That all components hold a row, by the responsibilities of each draw.
    sizes : array of shape (chain, draw, partition, cluster)
        Numbers of rows in each cluster, of partitions drawn.
    """

    probabilities: Array
    sizes: IntArray

    @property
    def log_probability(self) -> float:
        """Log posterior probability that all components hold a row."""
        mean = float(self.probabilities.mean())
        return math.log(mean) if mean > 0.0 else -math.inf

    @property
    def full(self) -> BoolArray:
        """Whether all components hold a row, shape (chain, draw, partition)."""
        return np.asarray((self.sizes > 0).all(axis=-1))

    @property
    def error(self) -> float:
        """Relative Monte Carlo error of the probability."""
        return _relative_error(self.probabilities)

    def error_of_mean(self, log_weights: Array) -> float:
        """Return the relative Monte Carlo error of the mean weight of the full partitions.

        Parameters
        ----------
        log_weights : array of shape (full partition,)
            In the order of `sizes[full]`.
        """
        full = self.full
        weighed = np.zeros(full.shape)
        weighed[full] = np.exp(log_weights - log_weights.max())
        mean = weighed.sum() / full.sum()
        return _relative_error((weighed - mean * full).sum(axis=2), weighed.sum(axis=2).mean())


def occupancy_of(draws: Draws, seed: int) -> Occupancy:
    """Draw partitions of the rows from the draws of a posterior; at most 4,000 of its draws.

    Parameters
    ----------
    draws : Draws
    seed : int
        Of the labels.
    """
    n_chains, n_draws = draws.shape
    per_chain = min(n_draws, max(_MOST_DRAWS // n_chains, 1))
    chosen = np.linspace(0, n_draws - 1, per_chain).round().astype(np.int64)
    view = draws.taken((np.arange(n_chains)[:, None] * n_draws + chosen).ravel())
    times = times_of(draws.table)
    copies, weights = np.repeat(np.arange(len(times)), times), times.astype(float)

    def reduce(block: Array, part: slice) -> tuple[Array, IntArray]:
        rng = np.random.default_rng([seed, part.start])
        sizes = [
            block_sizes(block, copies, rng.random((len(block), len(copies))))
            for _ in range(_PARTITIONS)
        ]
        return occupied_probabilities(block, weights), np.stack(sizes, axis=1)

    parts = list(view.reduced(reduce))
    shape = (n_chains, per_chain)
    probabilities = np.concatenate([p for p, _ in parts]).reshape(shape)
    sizes = np.concatenate([s for _, s in parts])
    return Occupancy(probabilities, sizes.reshape(*shape, *sizes.shape[1:]))


def _relative_error(values: Array, mean: float | None = None) -> float:
    mean = float(values.mean()) if mean is None else mean
    if mean <= 0.0:
        return math.inf
    return float(values.std(ddof=1)) / (mean * math.sqrt(effective_size(values)))
