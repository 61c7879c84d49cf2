"""Climbs of the log posterior in its unconstrained coordinates, and its curvature there.

BFGS with a weak Wolfe line search (Nocedal and Wright 2006, Numerical Optimization, chapters 3 and
6). The rows are gone through at one place in each function: compiled code is inlined.
"""

import math

import numpy as np

from bayesgmm.likelihood.compiled.fused import TERMS, log_posterior
from bayesgmm.runtime.compiling import compiled
from bayesgmm.typing import Array

__all__ = ["ascend", "curvature_at"]

_LONGEST = 1.0  # largest move of a coordinate in one step, so that a climb stays in its basin
_SUFFICIENT, _FLAT = 1e-4, 0.9
_SETTLED = 1e-10  # nats, twice what a step may still be expected to gain
_SHORTEST = 1e-12
_N_TERMS = len(TERMS)


@compiled
def ascend(
    x: Array, flat: Array, annotated: Array | None, metric: Array, most: int, gradient: Array
) -> float:
    """Climb from x in place and return the log posterior density there, nats, fitting units.

    Parameters
    ----------
    x : array of shape (dim,), written
        Unconstrained coordinates, fitting units; the climb ends at the last accepted point.
    flat, annotated : arrays
        As in `bayesgmm.likelihood.compiled.fused.log_posterior`.
    metric : array of shape (dim, dim), written
        A positive definite guess at the inverse of minus the Hessian.
    most : int
        Largest number of evaluations.
    gradient : array of shape (dim,), written
        At x in the end.
    """
    trial, slope, direction = x.copy(), np.empty_like(x), np.zeros_like(x)
    terms = np.empty(_N_TERMS)
    value, rise, length, low, high = -math.inf, 0.0, 0.0, 0.0, math.inf
    for evaluation in range(most):
        new = log_posterior(trial, flat, annotated, 1.0, 1.0, terms, slope)
        if evaluation == 0:
            if not math.isfinite(new):
                return -math.inf
        else:
            if not math.isfinite(new) or new < value + _SUFFICIENT * length * rise:
                high = length
            elif (slope * direction).sum() > _FLAT * rise:
                low = length
            else:
                low = high = length
            if low < high:
                length = 0.5 * (low + high) if high < math.inf else 2.0 * low
                if high - low < _SHORTEST * high or length > 1.0 / _SHORTEST:
                    break
                trial[:] = x + length * direction
                continue
            _update(metric, trial - x, gradient - slope)
        x[:], gradient[:], value = trial, slope, new
        _multiply(metric, gradient, direction)
        rise = (gradient * direction).sum()
        if rise < _SETTLED:
            break
        shorter = min(1.0, _LONGEST / np.abs(direction).max())
        direction *= shorter
        rise *= shorter
        length, low, high = 1.0, 0.0, math.inf
        trial[:] = x + direction
    return value


@compiled
def curvature_at(x: Array, flat: Array, annotated: Array | None, steps: Array, out: Array) -> None:
    """Write minus the Hessian at x, from steps (dim,) to both sides."""
    moved, terms = x.copy(), np.empty(_N_TERMS)
    slope = np.empty_like(x)
    for i in range(x.shape[0]):
        out[i] = 0.0
        for side in (1.0, -1.0):
            moved[i] = x[i] + side * steps[i]
            value = log_posterior(moved, flat, annotated, 1.0, 1.0, terms, slope)
            if not math.isfinite(value):
                out[i] = math.nan
            out[i] -= side * slope / (2.0 * steps[i])
        moved[i] = x[i]
    for i in range(x.shape[0]):
        for j in range(i):
            out[i, j] = 0.5 * (out[i, j] + out[j, i])
            out[j, i] = out[i, j]


@compiled
def _multiply(matrix: Array, vector: Array, out: Array) -> None:
    out[:] = 0.0
    for i in range(vector.shape[0]):
        out += vector[i] * matrix[i]


@compiled
def _update(metric: Array, step: Array, bend: Array) -> None:
    """Make the metric map the change of the gradient to the step, as BFGS does."""
    product = (step * bend).sum()
    if product <= 0.0:
        return
    moved = np.empty_like(step)
    _multiply(metric, bend, moved)
    factor = (1.0 + (bend * moved).sum() / product) / product
    for i in range(step.shape[0]):
        metric[i] += factor * step[i] * step - (step[i] * moved + moved[i] * step) / product
