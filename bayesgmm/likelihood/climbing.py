"""Climbs of the log posterior in its unconstrained coordinates, and its curvature there."""

from collections.abc import Iterator

import numpy as np

from bayesgmm.likelihood.compiled.climbing import (
    advance,
    ascend,
    curvature_at,
    reached,
    started,
)
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.likelihood.missing_information import curvature_in_passes, takes_passes
from bayesgmm.likelihood.streamed import StreamedPosterior
from bayesgmm.runtime.parallel import end_if_stopped, in_threads
from bayesgmm.typing import Array

__all__ = [
    "ascend_from",
    "curvature",
    "curvature_by_some",
    "curvatures",
    "row_scores",
    "some_rows",
]

_STEP = 1e-4
_BLOCK_VALUES = 2**21


def ascend_from(target: LogPosterior, x: Array, metric: Array, most: int) -> tuple[Array, float]:
    """Climb from x (dim,), fitting units; return where the climb ended and the density there.

    Parameters
    ----------
    target : LogPosterior
    x : array of shape (dim,), written
    metric : array of shape (dim, dim), written
        A positive definite guess at the inverse of minus the Hessian.
    most : int
        Largest number of evaluations.
    """
    end_if_stopped()
    gradient = np.empty(len(x))
    if not isinstance(target, StreamedPosterior):
        return x, ascend(x, *target.program, metric, most, gradient)
    climb = started(x, gradient, metric)
    for _ in range(most):
        there = target.evaluate(climb.trial)
        climb.slope[:] = there.gradient
        if not advance(climb, there.value):
            break
    return x, reached(climb)


def curvature(target: LogPosterior, x: Array) -> Array:
    """Return minus the Hessian (dim, dim) of the log posterior at x (dim,)."""
    return curvatures(target, x[None])[0]


def curvatures(target: LogPosterior, points: Array, *, rough: bool = False) -> Array:
    """Return minus the Hessian at each of some points (point, dim).

    Shape (point, dim, dim). By differences of gradients; many complete rows of Gaussians are gone
    through twice instead, by `curvature_in_passes`. Steps of a mean are in proportion to the width
    of its component in that feature given the others, which may be that of a recording error: a
    longer one would leave its rows behind. Of rows that are streamed, some tell the likelihood's
    part. With `rough`, differences are taken to one side, in half the time: enough to begin a climb
    with.
    """
    if isinstance(target, StreamedPosterior):
        some = target.to_curve
        prior = curvatures(target.prior, points, rough=rough)
        own = curvatures(some, points, rough=rough)
        return prior + target.n_counted / some.n_counted * (own - prior)
    if takes_passes(target):
        pairs = zip(points, _steps(target.prior, points), strict=True)
        return np.stack([curvature_in_passes(target, x, steps) for x, steps in pairs])
    n_points, dim = points.shape
    out = np.empty((n_points, dim, dim))
    program, n_sides = target.program, 1 if rough else 2

    def write(x: Array, its_steps: Array, hessian: Array) -> None:
        curvature_at(x, *program, its_steps, n_sides, hessian)

    for _ in in_threads(write, points, _steps(target, points), out):
        pass
    return out


def some_rows(target: LogPosterior, size: int, seed: int) -> LogPosterior:
    """Return the log posterior of so many of the rows, chosen at random; prior and units stay."""
    rng = np.random.default_rng([seed, size])
    chosen = np.sort(rng.choice(target.n_rows, size, replace=False))
    return LogPosterior(target.resolved, target.rows_at(chosen))


def curvature_by_some(some: LogPosterior, each: float, x: Array) -> Array:
    """Return minus the Hessian at x (dim,) given all rows; each of some stands for so many."""
    prior = curvature(some.prior, x)
    return prior + each * (curvature(some, x) - prior)


def row_scores(target: LogPosterior, x: Array) -> Iterator[tuple[slice, Array]]:
    """Yield rows, block by block, and the gradient of each one's log likelihood at x (dim,).

    Shape (row, dim), each row counted once; by central differences, with the same steps.
    """
    steps = _steps(target, x[None])[0]
    points = np.concatenate([x + np.diag(steps), x - np.diag(steps)])
    size = max(1, _BLOCK_VALUES // len(points))
    for start in range(0, len(target.rows), size):
        part = slice(start, start + size)
        above, below = np.split(target.rowwise(points, target.rows[part]), 2)
        yield part, ((above - below) / (2.0 * steps[:, None])).T


def _steps(target: LogPosterior, points: Array) -> Array:
    steps, unit = np.full(points.shape, _STEP), target.resolved.unit
    covariances = target.constrain(points).covariances / np.multiply.outer(unit, unit)
    with np.errstate(all="ignore"):
        widths = 1.0 / np.sqrt(np.einsum("pkdd->pkd", np.linalg.pinv(covariances)))
    narrow = np.clip(np.nan_to_num(widths.reshape(len(points), -1)), 1e-9, 1.0)
    steps[:, target.slices["means"]] *= narrow
    return steps
