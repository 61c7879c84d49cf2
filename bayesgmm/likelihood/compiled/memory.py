"""Small arrays in one piece of memory, for compiled code that is called very often.

Compiled code counts the references to an array that owns its memory, at almost every use of a
named tuple that holds it; with a few hundred rows that was half of a gradient's time. An array
that only lies in another one's memory is not counted. It must not outlive that one: a tuple of
such arrays holds their owner too, or its maker's caller does (`coordinates.read`).
So no function returns a part, and such a tuple is made in the function that uses it up.
"""

import math
from typing import Any

import numpy as np
from numba import carray, types
from numba.extending import intrinsic

from bayesgmm.runtime.compiling import INTERPRETED, compiled
from bayesgmm.typing import Array

__all__ = ["aligned_empty", "array_at", "part"]

_LINE = 8  # numbers in a cache line


@intrinsic
def _pointer(typing_context: Any, address: Any) -> Any:
    """Take an address for a pointer to float64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = context.get_value_type(signature.return_type)
        return builder.inttoptr(arguments[0], pointer)

    return types.CPointer(types.float64)(address), generate


@compiled
def array_at(address: int, shape: Any) -> Array:
    """Return the float64 array of this shape that lies at an address; nothing is copied."""
    return carray(_pointer(address), shape)


@compiled
def part(memory: Array, start: int, shape: Any) -> Array:
    """Return the array of this shape that begins at `memory[start]`; nothing is copied.

    Parameters
    ----------
    memory : array of shape (size,), contiguous
        Must outlive the part.
    start : int
    shape : tuple of int
    """
    return array_at(memory.ctypes.data + 8 * start, shape)


def aligned_empty(shape: tuple[int, ...]) -> Array:
    """Return an array that begins at a cache line, so that no vector of rows straddles two."""
    size = math.prod(shape)
    memory = np.empty(size + _LINE)
    start = -(memory.ctypes.data // 8) % _LINE
    return memory[start : start + size].reshape(shape)


if INTERPRETED:

    def part(memory: Array, start: int, shape: Any) -> Array:
        """Return a part of the memory where functions are left to Python."""
        return memory[start : start + math.prod(shape)].reshape(shape)
