"""Complete rows of Gaussians on the device of JAX, as passes and posteriors read them."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bayesgmm.data import Dataset
from bayesgmm.likelihood.annotated_rows import values_of
from bayesgmm.likelihood.compiled.batches import whiten_points
from bayesgmm.likelihood.compiled.kernels import BLOCK
from bayesgmm.likelihood.compiled.m_step import moments
from bayesgmm.likelihood.compiled.points import whiten_point
from bayesgmm.likelihood.jax.passes import (
    Components,
    Placed,
    device_bytes,
    log_likelihoods,
    place,
    sums,
)
from bayesgmm.likelihood.moments import Moments
from bayesgmm.likelihood.rows import CHUNK, HELD_BYTES, Rows
from bayesgmm.likelihood.streamed import StreamedPosterior
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.runtime.parallel import end_if_stopped
from bayesgmm.typing import Array, Engine

__all__ = ["JaxPosterior", "JaxRows"]

_AHEAD = 4  # parts of the rows whose sums are not waited for
_HELD_SHARE = 0.5  # of the free memory of a device of its own
_POINTS_AT_ONCE = 64


class JaxRows(Rows):
    """Complete rows of Gaussians whose passes JAX makes, 65,536 rows at a time.

    They stay on the device where they fill no more than half of its free memory, or 32 MiB of the
    memory that it shares with the processor.

    Parameters
    ----------
    resolved : ResolvedSpec
        Its components are Gaussian, and there is no noise.
    data : Dataset or array of shape (obs, feature), data units
        Not in partitions, and nothing is known of the rows beside their values.
    """

    def __init__(self, resolved: ResolvedSpec, data: Dataset | Array) -> None:
        super().__init__(resolved, data)
        self._width = BLOCK  # few rows fill a shape up to a power of 2
        while self._width < min(self.n_rows, CHUNK):
            self._width *= 2
        free = device_bytes()
        held = HELD_BYTES if free is None else _HELD_SHARE * free
        fits = 8 * self.n_rows * (resolved.n_features + 1) <= held
        self._placed = [self._place(chunk) for chunk in self.chunks()] if fits else None

    @property
    def plain_blocks(self) -> None:
        """None: whole climbs are compiled for the other engine alone."""
        return None

    def moments(self, point: Array) -> Moments:
        """Return the moments of all rows at a point of EM."""
        end_if_stopped()
        mass, centres, scatters, _, _ = self._empty_moments()
        whitened = self._empty_components()
        components = whiten_point(point[: self._n_read], 0, self._error, *whitened)
        log_likelihood, first, second = 0.0, np.zeros_like(centres), np.zeros_like(scatters)
        for value, its_mass, its_first, its_second in self._each_part(sums, Components(*whitened)):
            log_likelihood += float(value)
            mass += its_mass
            first += its_first
            second += its_second
        moments(components, mass, first, second, centres, scatters)
        return Moments(log_likelihood, mass, centres, scatters)

    def log_likelihoods(self, components: Components, tell: Callable[[float], None]) -> Array:
        """Return the log likelihood at each point of components (point, ...): (point,), nats.

        `tell` hears after each part of the rows which share is done.
        """
        out, done = np.zeros(len(components.constant)), 0
        for found in self._each_part(_at_points, components):
            end_if_stopped()
            out += np.concatenate(found)[: len(out)]
            done = min(done + self._width, self.n_rows)
            tell(done / self.n_rows)
        return out

    def _each_part[Result](
        self, task: Callable[[Placed, Components], Result], components: Components
    ) -> Iterator[Any]:
        """Yield what a task returns of each part of the rows, in their order, as NumPy arrays."""
        placed: Iterable[Placed] = self._placed or map(self._place, self.chunks())
        pending: deque[Result] = deque()
        for part in placed:
            pending.append(task(part, components))
            if len(pending) > _AHEAD:
                yield _fetched(pending.popleft())
        while pending:
            yield _fetched(pending.popleft())

    def _place(self, chunk: Any) -> Placed:
        return place((values_of(chunk) - self._centre) / self._unit, self._width)


def _fetched(found: Any) -> list[Array]:
    return [np.asarray(each) for each in found]


def _at_points(placed: Placed, components: Components) -> list[Any]:
    """Return log likelihoods at points, so many at once; the last ones are filled up by zeros."""
    found, n_points = [], len(components.constant)
    for start in range(0, n_points, _POINTS_AT_ONCE):
        parts = [each[start : start + _POINTS_AT_ONCE] for each in components]
        missing = _POINTS_AT_ONCE - len(parts[0])
        filled = (
            np.concatenate([each, np.zeros((missing, *each.shape[1:]))]) if missing else each
            for each in parts
        )
        found.append(log_likelihoods(placed, Components(*filled)))
    return found


@dataclass(frozen=True)
class JaxPosterior(StreamedPosterior):
    """The log posterior of complete rows of Gaussians, gone through by JAX.

    Parameters
    ----------
    resolved : ResolvedSpec
    rows : array of shape (0, feature)
        None: what is inherited evaluates the prior.
    stream : JaxRows
        All rows.
    """

    stream: JaxRows

    engine: ClassVar[Engine] = "jax"

    def log_densities(
        self,
        points: Array,
        *,
        cores: int | None = None,
        tell: Callable[[float], None] | None = None,
    ) -> Array:
        """Return the log posterior density in x at points (..., dim), nats, fitting units.

        All points are evaluated in one pass; `tell` hears which share of the rows is done. `cores`
        is not heeded.
        """
        flat_points = np.ascontiguousarray(points.reshape(-1, self.dim))
        n_points, k, d = len(flat_points), self.resolved.n_components, self.resolved.n_features
        whitening, shift = np.empty((n_points, k, d, d)), np.empty((n_points, k, d))
        constant, regular = np.empty((n_points, k)), np.empty(n_points)
        whiten_points(flat_points, self.flat, whitening, shift, constant, regular)
        with np.errstate(invalid="ignore"):  # where there is no density at all
            found = self.stream.log_likelihoods(
                Components(whitening, shift, constant), tell or _unheard
            )
            found += self.terms_of_priors(flat_points)[:, 1:].sum(axis=1)
        found = np.where((regular > 0.0) & np.isfinite(found), found, -np.inf)
        return found.reshape(points.shape[:-1])


def _unheard(share: float) -> None:
    pass
