"""The log posterior of many rows, which are gone through where they lie, chunk by chunk."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bayesgmm.data import Dataset
from bayesgmm.likelihood.annotated_rows import RowTable, table_of
from bayesgmm.likelihood.certain_rows import (
    PointGroup,
    log_likelihoods_by_group,
    near_one_another,
)
from bayesgmm.likelihood.distributed_rows import rows_for
from bayesgmm.likelihood.log_posterior import Evaluation, LogPosterior
from bayesgmm.likelihood.rows import Rows
from bayesgmm.limits import MANY_ROWS
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.typing import Array, IntArray

__all__ = [
    "StreamedPosterior",
    "held_posterior",
    "in_chunks",
    "is_streamed",
    "n_kept",
    "posterior_of",
    "streamed",
]

_CURVED_ROWS = 20  # for the square of a coordinate: log weights then vary by a tenth of a nat
_LEAST_CURVED = 10_000


@dataclass(frozen=True)
class StreamedPosterior(LogPosterior):
    """The log posterior of rows that are never held together.

    Sums over rows are added chunk by chunk, in the order of the rows: neither where the rows lie
    nor the number of threads changes a bit.

    Parameters
    ----------
    resolved : ResolvedSpec
    rows : array of shape (0, feature)
        None: what is inherited evaluates the prior.
    stream : Rows
        All rows.
    """

    stream: Rows

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.stream.n_rows

    @property
    def n_counted(self) -> float:
        """Number of rows, counted by their weights."""
        return self.stream.n_counted

    @property
    def prior(self) -> LogPosterior:
        """The same without its rows."""
        return LogPosterior(self.resolved, self.rows)

    def rows_at(self, places: IntArray) -> RowTable:
        """Return the rows at some places, ascending, read in one pass."""
        return self.stream.at(places)

    def evaluate(
        self, x: Array, *, inverse_temperature: float = 1.0, jacobian: bool = True
    ) -> Evaluation:
        """Evaluate at x (dim,), fitting units, in one pass: the gradient by Fisher's identity."""
        prior, natural = super().evaluate(x), super().evaluate(x, jacobian=False)
        moments = self.stream.moments(self.em_point(x))
        expected = self.evaluate_expected(x, moments).gradient - natural.gradient
        without = prior if jacobian else natural
        return Evaluation(
            without.value + inverse_temperature * moments.log_likelihood,
            without.gradient + inverse_temperature * expected,
            {**without.terms, "log_likelihood": moments.log_likelihood},
        )

    def log_densities(
        self,
        points: Array,
        *,
        cores: int | None = None,
        tell: Callable[[float], None] | None = None,
    ) -> Array:
        """Return the log posterior density in x at points (..., dim), nats, fitting units.

        All points are evaluated in one pass; `tell` hears after each chunk which share is done.
        """
        flat_points = np.ascontiguousarray(points.reshape(-1, self.dim))
        without = self.terms_of_priors(flat_points)[:, 1:].sum(axis=1)
        total, done, cores = np.zeros(len(flat_points)), 0, self.stream.cores or cores
        groups = near_one_another(flat_points, self)
        sums = self.stream.each(
            _log_likelihoods, self.resolved, flat_points, without, cores, groups
        )
        with np.errstate(invalid="ignore"):  # where there is no density at all
            for n_rows, part in sums:
                total += part
                done += n_rows
                if tell is not None:
                    tell(done / self.n_rows)
            total += without
        return np.where(np.isfinite(total), total, -np.inf).reshape(points.shape[:-1])

    def empty_probabilities(self, draws: Array) -> Array:
        """Return P(no row belongs to the cluster | draw): (..., cluster), draws (..., dim)."""
        log_found = np.zeros((*draws.shape[:-1], self.resolved.n_components))
        for part in self.stream.each(_log_empty, self.resolved, draws):
            log_found += part
        return np.exp(log_found)

    @property
    def value_shift(self) -> float:
        """Log density in data units less that in fitting units (the density in x, which moves)."""
        return -self.stream.log_unit(self.resolved, self.resolved.n_components)

    @property
    def log_unit_of_rows(self) -> float:
        """What the log likelihood of all rows loses on the way to data units, nats."""
        return self.stream.log_unit(self.resolved)

    @cached_property
    def to_curve(self) -> LogPosterior:
        """The log posterior of as many rows as tell its curvature to a few per cent."""
        size = min(self.n_rows, max(_LEAST_CURVED, _CURVED_ROWS * self.dim**2))
        if size == self.n_rows:
            return held_posterior(self)
        places = np.random.default_rng(size).choice(self.n_rows, size, replace=False)
        return LogPosterior(self.resolved, self.rows_at(np.sort(places)))


def _log_likelihoods(
    chunk: RowTable,
    resolved: ResolvedSpec,
    points: Array,
    without: Array,
    cores: int | None,
    groups: list[PointGroup],
) -> tuple[int, Array]:
    """Return the number of rows, and their log likelihood at points, given all else there."""
    target = LogPosterior(resolved, chunk)
    if groups and isinstance(target.rows, np.ndarray):
        return len(chunk), log_likelihoods_by_group(groups, target, cores)
    with np.errstate(invalid="ignore"):
        found = target.log_densities(points, cores=cores) - without
    return len(chunk), found


def _log_empty(chunk: RowTable, resolved: ResolvedSpec, draws: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.log(LogPosterior(resolved, chunk).empty_probabilities(draws))


def is_streamed(data: Dataset) -> bool:
    """Whether rows are many and were left in a file, so that they are never held together."""
    return not data.in_memory and data.n_obs > MANY_ROWS


def n_kept(data: Dataset) -> int:
    """Return the number of rows that a result keeps: all, or some of many left in a file."""
    return MANY_ROWS if is_streamed(data) else data.n_obs


def held_posterior(target: LogPosterior) -> LogPosterior:
    """Return the same log posterior with its rows in memory."""
    if not isinstance(target, StreamedPosterior):
        return target
    return LogPosterior(target.resolved, target.rows_at(np.arange(target.n_rows)))


def in_chunks(target: LogPosterior) -> LogPosterior:
    """Return the same log posterior of rows in memory, which threads go through where many."""
    if target.n_rows <= MANY_ROWS:
        return target
    none = np.empty((0, target.resolved.n_features))
    return StreamedPosterior(target.resolved, none, Rows(target.resolved, target.rows))


def posterior_of(resolved: ResolvedSpec, data: Dataset) -> LogPosterior:
    """Return the log posterior of rows: streamed where they were left in a file and are many."""
    if data.in_memory:
        return LogPosterior(resolved, table_of(data, resolved.n_components))
    target = _streamed(resolved, data)
    return target if is_streamed(data) else held_posterior(target)


def streamed(target: LogPosterior, data: Dataset) -> LogPosterior:
    """Return the same log posterior, its rows streamed where they are many.

    Where they lie does not matter then to the bit.

    Parameters
    ----------
    target : LogPosterior
    data : Dataset
        Its rows.
    """
    few = target.n_rows <= MANY_ROWS or isinstance(target, StreamedPosterior)
    return target if few else _streamed(target.resolved, data)


def _streamed(resolved: ResolvedSpec, data: Dataset) -> StreamedPosterior:
    none = np.empty((0, resolved.n_features))
    return StreamedPosterior(resolved, none, rows_for(resolved, data))
