"""What predictions are made from: the draws of a posterior, or a point fit as a single draw."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesgmm.errors import ConfigError
from bayesgmm.fit import PointFit
from bayesgmm.likelihood.annotated_rows import RowTable
from bayesgmm.likelihood.responsibilities import over_draws
from bayesgmm.likelihood.rows import whole_blocks
from bayesgmm.likelihood.rowwise import pointwise_log_likelihood
from bayesgmm.model.numbering import cluster_names
from bayesgmm.model.parameters import Parameters
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.gaussian import refuse_unless_gaussian
from bayesgmm.prediction.rows import checked_rows, row_names
from bayesgmm.runtime.parallel import available_cores, in_threads
from bayesgmm.typing import Array, IntArray

__all__ = ["FitOrPosterior", "MixtureDraws", "draws_of", "interval"]

FitOrPosterior = PointFit | xr.DataTree

BLOCK_BYTES = 2**26
MOST_THREADS = 8  # each holds a block: memory does not grow with the machine


@dataclass(frozen=True, eq=False)
class MixtureDraws:
    """Draws of a mixture's parameters, with the rows they were fitted to where these are kept.

    Parameters
    ----------
    parameters : Parameters
        Arrays of shape (sample, ...), data units.
    features : tuple of str
    observed : array of shape (obs, feature), data units, or None
    names_given : array of shape (cluster,), optional
        Names of the clusters, where a user's own model names them.
    obs : array of shape (obs,) or None
        Names of the observed rows.
    """

    parameters: Parameters
    features: tuple[str, ...]
    observed: Array | None
    names_given: NDArray[Any] | None = None
    obs: NDArray[Any] | None = None

    @property
    def n_samples(self) -> int:
        """Number of draws."""
        return self.parameters.weights.shape[0]

    @property
    def n_components(self) -> int:
        """Number of components K."""
        return self.parameters.weights.shape[1]

    @property
    def clusters(self) -> NDArray[Any]:
        """The clusters' names, or their numbers from 1."""
        return cluster_names(self.n_components, self.names_given)

    @cached_property
    def centre(self) -> Array:
        """Origin of the coordinates of the arithmetic (feature,), data units."""
        return self.parameters.means.mean(axis=(0, 1))

    @cached_property
    def unit(self) -> Array:
        """Unit of the coordinates of the arithmetic (feature,), data units."""
        variances = np.einsum("skdd->skd", self.parameters.covariances)
        return np.sqrt(variances.mean(axis=(0, 1)))

    def rows(self, rows: object) -> Array:
        """Return new rows as a checked array (obs, feature), or the observed ones for None."""
        if rows is not None:
            return checked_rows(rows, self.features)
        if self.observed is None:
            raise ConfigError(
                "a point fit does not keep the data it was fitted to; pass them as rows."
            )
        return self.observed

    def names(self, rows: object) -> NDArray[Any]:
        """Return the names of the rows that `rows` returns for the same argument."""
        if rows is None and self.obs is not None:
            return self.obs
        return row_names(rows, len(self.rows(rows)))

    def marginal(self, index: list[int]) -> "MixtureDraws":
        """Return the draws of the exact marginal mixture of some features, in that order."""
        weights, means, scales, correlations, covariances = self.parameters
        square = np.ix_(index, index)
        marginal = Parameters(
            weights,
            means[..., index],
            scales[..., index],
            correlations[(..., *square)],
            covariances[(..., *square)],
        )
        observed = None if self.observed is None else self.observed[:, index]
        features = tuple(self.features[i] for i in index)
        return MixtureDraws(marginal, features, observed, self.names_given, self.obs)

    def taken(self, samples: IntArray) -> "MixtureDraws":
        """Return some of the draws."""
        chosen = Parameters(*(value[samples] for value in self.parameters))
        return MixtureDraws(chosen, self.features, self.observed, self.names_given, self.obs)

    def thinned(self, most: int) -> "MixtureDraws":
        """Return at most so many draws, evenly spaced."""
        if self.n_samples <= most:
            return self
        return self.taken(np.linspace(0, self.n_samples - 1, most).round().astype(np.int64))

    def responsibilities(self, rows: RowTable, samples: slice = slice(None)) -> Array:
        """Return P(cluster | row, draw), array of shape (sample, cluster, row)."""
        part = Parameters(*(value[samples] for value in self.parameters))
        out = np.empty((*part.weights.shape, len(rows)))

        def keep(block: Array, done: slice) -> None:
            out[done] = block

        deque(over_draws(keep, part, rows, self.centre, self.unit), maxlen=0)
        return out

    def responsibilities_by_row(self, rows: RowTable) -> Array:
        """Return P(cluster | row, draw), array of shape (row, cluster, sample), on one core."""
        out = np.empty((len(rows), self.n_components, self.n_samples))

        def keep(block: Array, done: slice) -> None:
            out[..., done] = block.transpose(2, 1, 0)

        deque(over_draws(keep, self.parameters, rows, self.centre, self.unit, cores=1), maxlen=0)
        return out

    def log_densities(self, rows: RowTable) -> Array:
        """Return log p(row | draw), array of shape (sample, row), nats, data units."""
        return pointwise_log_likelihood(self.parameters, rows, self.centre, self.unit)

    def over_row_blocks(self, n_rows: int, task: Callable[[slice], None]) -> None:
        """Run a task for each block of rows, blocks shared out among threads.

        The blocks do not depend on the number of threads, and K values a draw and row fill 64 MiB.
        """
        size = max(BLOCK_BYTES // (8 * self.n_samples * self.n_components), 1)
        size = whole_blocks(size)
        blocks = (slice(start, min(start + size, n_rows)) for start in range(0, n_rows, size))
        deque(in_threads(task, blocks, cores=min(available_cores(), MOST_THREADS)), maxlen=0)

    def sample_blocks(self, n_rows: int) -> Iterator[slice]:
        """Yield blocks of draws for which K values a draw and row fill at most 64 MiB."""
        size = max(BLOCK_BYTES // (8 * self.n_components * n_rows), 1)
        return (slice(start, start + size) for start in range(0, self.n_samples, size))


def draws_of(fit_or_posterior: FitOrPosterior, *, gaussian: bool = True) -> MixtureDraws:
    """Take the draws out of a posterior, or a point fit as one draw.

    Parameters
    ----------
    fit_or_posterior : PointFit or xarray.DataTree
    gaussian : bool
        Whether their density will be asked for, which must then be that of Gaussians.

    Raises
    ------
    ConfigError
        When it is neither, or the components are not Gaussian.
    """
    if isinstance(fit_or_posterior, PointFit):
        fit = fit_or_posterior
        return MixtureDraws(
            Parameters(*(value[None] for value in fit.parameters)), fit.features, None
        )
    if isinstance(fit_or_posterior, xr.DataTree) and "posterior" in fit_or_posterior.children:
        if gaussian:
            refuse_unless_gaussian(fit_or_posterior)
        draws = Draws(fit_or_posterior)
        return MixtureDraws(draws.parameters, draws.features, draws.rows, draws.clusters, draws.obs)
    raise ConfigError(
        "a PointFit or a DataTree with a posterior group is needed, got "
        f"{type(fit_or_posterior).__name__}; both come from fit_em, fit_map and sample.",
        value=fit_or_posterior,
    )


def interval(values: Array, prob: float) -> Array:
    """Return the equal-tailed interval over the last axis, shape (2, ...); `values` is reordered.

    Quantiles are interpolated linearly between the two order statistics (type 7); NaN where any
    value is. A partition at one place is vector code in NumPy, four times as fast as its quantile.
    """
    ends = []
    last = values.shape[-1] - 1
    for tail in (0.5 - 0.5 * prob, 0.5 + 0.5 * prob):
        place = int(tail * last)
        values.partition(place, axis=-1)
        end = values[..., place].copy()
        if place < last:
            end += (tail * last - place) * (values[..., place + 1 :].min(axis=-1) - end)
        ends.append(end)
    return np.stack(ends)
