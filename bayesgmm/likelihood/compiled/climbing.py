"""Climbs of the log posterior in its unconstrained coordinates, and its curvature there.

BFGS with a weak Wolfe line search (Nocedal and Wright 2006, Numerical Optimization, chapters 3 and
6), which asks its caller for one value at a time, so that what is climbed stands at one place in
each program, and is compiled once for it.
"""

import math
from typing import NamedTuple

import numpy as np

from bayesgmm.likelihood.compiled.fused import TERMS, expected_log_posterior
from bayesgmm.likelihood.compiled.shared_density import density_at
from bayesgmm.likelihood.compiled.vectors import add_scaled, copy_into, inner, point_along
from bayesgmm.runtime.compiling import compiled
from bayesgmm.typing import Array

__all__ = [
    "Ascent",
    "advance",
    "ascend",
    "curvature_at",
    "expected_curvature_at",
    "reached",
    "started",
    "to_gain",
]

_LONGEST = 1.0  # largest move of a coordinate in one step, so that a climb stays in its basin
_SUFFICIENT, _FLAT = 1e-4, 0.9
_SETTLED = 1e-10  # nats, twice what a step may still be expected to gain
_SHORTEST = 1e-12
_N_TERMS = len(TERMS)
_VALUE, _RISE, _LENGTH, _LOW, _HIGH = range(5)


class Ascent(NamedTuple):
    """A climb: where it is, the trial whose value it asks for, and how its line search stands."""

    x: Array  # (dim,), the last accepted point
    gradient: Array  # (dim,), there
    trial: Array  # (dim,)
    slope: Array  # (dim,), the gradient at the trial, written by the caller
    direction: Array  # (dim,)
    metric: Array  # (dim, dim), the inverse of minus the Hessian as far as it is known
    line: Array  # (5,), value at x, rise along the direction, length, and the bracket of lengths


@compiled
def started(x: Array, gradient: Array, metric: Array) -> Ascent:
    """Return a climb from x whose first trial is x; all three arrays are written."""
    line = np.zeros(5)
    line[_VALUE], line[_HIGH] = -math.inf, math.inf
    return Ascent(x, gradient, x.copy(), np.empty_like(x), np.zeros_like(x), metric, line)


@compiled
def advance(climb: Ascent, new: float) -> bool:
    """Take the value at the trial, its gradient being in `slope`; False where the climb ends."""
    line = climb.line
    if line[_VALUE] == -math.inf:
        if not math.isfinite(new):
            return False
    else:
        length = line[_LENGTH]
        if not math.isfinite(new) or new < line[_VALUE] + _SUFFICIENT * length * line[_RISE]:
            line[_HIGH] = length
        elif inner(climb.slope, climb.direction) > _FLAT * line[_RISE]:
            line[_LOW] = length
        else:
            line[_LOW] = line[_HIGH] = length
        low, high = line[_LOW], line[_HIGH]
        if low < high:
            length = 0.5 * (low + high) if high < math.inf else 2.0 * low
            line[_LENGTH] = length
            point_along(climb.x, length, climb.direction, climb.trial)
            return not (high - low < _SHORTEST * high or length > 1.0 / _SHORTEST)
        _update(climb)
    copy_into(climb.x, climb.trial)
    copy_into(climb.gradient, climb.slope)
    line[_VALUE] = new
    _multiply(climb.metric, climb.gradient, climb.direction)
    rise = inner(climb.gradient, climb.direction)
    if rise < _SETTLED:
        return False
    longest = 0.0
    for i in range(climb.direction.shape[0]):
        longest = max(longest, abs(climb.direction[i]))
    shorter = min(1.0, _LONGEST / longest)
    for i in range(climb.direction.shape[0]):
        climb.direction[i] *= shorter
    line[_RISE], line[_LENGTH] = rise * shorter, 1.0
    line[_LOW], line[_HIGH] = 0.0, math.inf
    point_along(climb.x, 1.0, climb.direction, climb.trial)
    return True


@compiled
def reached(climb: Ascent) -> float:
    """Return the value at the last accepted point."""
    return climb.line[_VALUE]


@compiled
def to_gain(climb: Ascent) -> float:
    """Return what the next step is expected to gain, a quadratic being climbed."""
    return 0.5 * climb.line[_RISE]


@compiled
def ascend(
    x: Array,
    density: int,
    flat: Array,
    annotated: Array | None,
    metric: Array,
    most: int,
    gradient: Array,
) -> float:
    """Climb from x in place and return the log posterior density there, nats, fitting units.

    Parameters
    ----------
    x : array of shape (dim,), written
        Unconstrained coordinates, fitting units; the climb ends at the last accepted point.
    density, flat, annotated : int and arrays
        As in `bayesgmm.likelihood.compiled.shared_density.density_at`.
    metric : array of shape (dim, dim), written
        A positive definite guess at the inverse of minus the Hessian.
    most : int
        Largest number of evaluations.
    gradient : array of shape (dim,), written
        At x in the end.
    """
    climb, terms = started(x, gradient, metric), np.empty(_N_TERMS)
    for _ in range(most):
        new = density_at(density, climb.trial, flat, annotated, 1.0, 1.0, terms, climb.slope)
        if not advance(climb, new):
            break
    return reached(climb)


@compiled
def curvature_at(
    x: Array,
    density: int,
    flat: Array,
    annotated: Array | None,
    steps: Array,
    n_sides: int,
    out: Array,
) -> None:
    """Write minus the Hessian at x, from steps (dim,) to both sides, or one and half as many."""
    moved, terms = x.copy(), np.empty(_N_TERMS)
    slope, here = np.empty_like(x), np.zeros_like(x)
    if n_sides == 1:
        density_at(density, x, flat, annotated, 1.0, 1.0, terms, here)
    for i in range(x.shape[0]):
        for j in range(x.shape[0]):
            out[i, j] = here[j] / steps[i]
        for s in range(n_sides):
            side = 1.0 - 2.0 * s
            moved[i] = x[i] + side * steps[i]
            value = density_at(density, moved, flat, annotated, 1.0, 1.0, terms, slope)
            if not math.isfinite(value):
                out[i] = math.nan
            for j in range(x.shape[0]):
                out[i, j] -= side * slope[j] / (n_sides * steps[i])
        moved[i] = x[i]
    _make_symmetric(out)


@compiled
def expected_curvature_at(
    x: Array,
    density: int,
    flat: Array,
    mass: Array,
    centres: Array,
    scatters: Array,
    scaled: Array,
    logs: Array,
    steps: Array,
    out: Array,
) -> None:
    """Write minus the Hessian of the M-step's objective and the Jacobian, the moments held.

    Arguments as in `bayesgmm.likelihood.compiled.fused.expected_log_posterior` and `curvature_at`;
    `flat` has no rows; `density` is that of no annotated ones.
    """
    moved, terms = x.copy(), np.empty(_N_TERMS)
    slope, natural, total = np.empty_like(x), np.empty_like(x), np.empty_like(x)
    for i in range(x.shape[0]):
        out[i] = 0.0
        for s in range(2):
            side = 1.0 - 2.0 * s
            moved[i] = x[i] + side * steps[i]
            value = expected_log_posterior(
                moved, flat, mass, centres, scatters, scaled, logs, terms, total
            )
            if not math.isfinite(value):
                out[i] = math.nan
            density_at(density, moved, flat, None, 1.0, 1.0, terms, slope)
            density_at(density, moved, flat, None, 1.0, 0.0, terms, natural)
            for j in range(x.shape[0]):
                out[i, j] -= side * (total[j] + slope[j] - natural[j]) / (2.0 * steps[i])
        moved[i] = x[i]
    _make_symmetric(out)


@compiled
def _make_symmetric(matrix: Array) -> None:
    for i in range(matrix.shape[0]):
        for j in range(i):
            matrix[i, j] = 0.5 * (matrix[i, j] + matrix[j, i])
            matrix[j, i] = matrix[i, j]


@compiled
def _multiply(matrix: Array, vector: Array, out: Array) -> None:
    out[:] = 0.0
    for i in range(vector.shape[0]):
        add_scaled(out, vector[i], matrix[i])


@compiled
def _update(climb: Ascent) -> None:
    """Make the metric map the change of the gradient to the step, as BFGS does."""
    size, metric = climb.x.shape[0], climb.metric
    step, bend, moved = np.empty(size), np.empty(size), np.empty(size)
    point_along(climb.trial, -1.0, climb.x, step)
    point_along(climb.gradient, -1.0, climb.slope, bend)
    product = inner(step, bend)
    if product <= 0.0:
        return
    _multiply(metric, bend, moved)
    factor = (1.0 + inner(bend, moved) / product) / product
    for i in range(size):
        for j in range(size):
            both = (step[i] * moved[j] + moved[i] * step[j]) / product
            metric[i, j] += factor * step[i] * step[j] - both
