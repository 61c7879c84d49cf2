"""Loops over vectors that compiled code would else write as array expressions.

Each array expression is compiled by itself, and one that is put into a slice brings along all that
words an error of shapes: together a sixth of the functions that a first fit compiled.
"""

import math

from bayesgmm.runtime.compiling import compiled
from bayesgmm.typing import Array

__all__ = ["add_scaled", "all_finite", "copy_into", "inner", "largest_of", "point_along"]


@compiled
def copy_into(out: Array, values: Array) -> None:
    """Copy contiguous numbers."""
    for i in range(out.size):
        out.flat[i] = values.flat[i]


@compiled
def inner(one: Array, other: Array) -> float:
    """Return the inner product of two vectors."""
    s = 0.0
    for i in range(one.shape[0]):
        s += one[i] * other[i]
    return s


@compiled
def add_scaled(out: Array, scale: float, vector: Array) -> None:
    """Add a vector, `scale` times."""
    for i in range(out.shape[0]):
        out[i] += scale * vector[i]


@compiled
def point_along(x: Array, length: float, direction: Array, out: Array) -> None:
    """Write x + length direction."""
    for i in range(x.shape[0]):
        out[i] = x[i] + length * direction[i]


@compiled
def largest_of(values: Array) -> float:
    """Return the largest number of a vector, none being NaN."""
    largest = -math.inf
    for i in range(values.shape[0]):
        largest = max(largest, values[i])
    return largest


@compiled
def all_finite(values: Array) -> bool:
    """Whether all numbers of a contiguous array are finite."""
    finite = True
    for i in range(values.size):
        finite &= math.isfinite(values.flat[i])
    return finite
