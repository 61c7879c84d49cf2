"""The log posterior in the coordinates in which a chain moves."""

from functools import cache
from typing import Any

import numpy as np
from numba import carray, types

from bayesgmm.likelihood.compiled.fused import TERMS
from bayesgmm.likelihood.compiled.memory import array_at, part
from bayesgmm.likelihood.compiled.shared_density import density_at
from bayesgmm.likelihood.compiled.vectors import copy_into
from bayesgmm.runtime.compiling import c_function, compiled, compiled_fast
from bayesgmm.typing import Array

__all__ = ["c_functions", "framed_log_posterior", "unframed"]

_N_TERMS = len(TERMS)


@compiled
def framed_log_posterior(
    u: Array,
    density: int,
    flat: Array,
    annotated: Array | None,
    centre: Array,
    root: Array,
    gradient: Array,
) -> float:
    """Return the log posterior density at x(u), nats, and write its gradient in u.

    Parameters
    ----------
    u : array of shape (dim,)
    density, flat, annotated : int and arrays
        As in `bayesgmm.likelihood.compiled.shared_density.density_at`.
    centre, root : arrays
        Of the `Frame`.
    gradient : array of shape (dim,), written
    """
    size = u.shape[0]
    memory = np.empty(2 * size + _N_TERMS)
    x, slope = part(memory, 0, (size,)), part(memory, size, (size,))
    terms = part(memory, 2 * size, (_N_TERMS,))
    if root.shape[0] == 0:
        value = density_at(density, u, flat, annotated, 1.0, 1.0, terms, gradient)
    else:
        unframed(u, centre, root, x)
        value = density_at(density, x, flat, annotated, 1.0, 1.0, terms, slope)
        gradient[:] = 0.0
        _add_products(root, slope, gradient)
    memory[0] = value  # the last use of that in which the parts lie
    return value


@compiled
def unframed(u: Array, centre: Array, root: Array, x: Array) -> None:
    """Write x = centre + root u."""
    if root.shape[0] == 0:
        copy_into(x, u)
    else:
        copy_into(x, centre)
        _add_products(root, u, x)


@compiled_fast
def _add_products(matrix: Array, weights: Array, out: Array) -> None:
    """Add a symmetric matrix times `weights`, four of its rows at a time."""
    size = weights.shape[0]
    for j in range(0, size - 3, 4):
        a0, a1, a2, a3 = weights[j], weights[j + 1], weights[j + 2], weights[j + 3]
        for i in range(size):
            s = a0 * matrix[j, i] + a1 * matrix[j + 1, i]
            out[i] += s + a2 * matrix[j + 2, i] + a3 * matrix[j + 3, i]
    for j in range(size - size % 4, size):
        for i in range(size):
            out[i] += weights[j] * matrix[j, i]


_DOUBLES = types.CPointer(types.double)


_ADDRESSES = types.CPointer(types.int64)


_NOT_FINITE = 1
_N_DATA = 8


@cache
def c_functions(annotated: bool) -> tuple[Any, Any]:
    """Compile, or load from the cache on disk, the two C functions."""
    log_density_type = types.int64(types.uint64, _DOUBLES, _DOUBLES, _DOUBLES, _ADDRESSES)
    expand_type = types.int64(types.uint64, types.uint64, _DOUBLES, _DOUBLES, _ADDRESSES)
    log_density = _annotated_log_density if annotated else _log_density
    return c_function(log_density_type, log_density), c_function(expand_type, _expand)


def _log_density(size: int, u: Any, gradient: Any, value: Any, data: Any) -> int:
    density, flat, centre, root, flat_size, root_size, _, _ = carray(data, (_N_DATA,))
    out = carray(value, (1,))
    out[0] = framed_log_posterior(
        carray(u, (size,)),
        density,
        array_at(flat, (flat_size,)),
        None,
        array_at(centre, (size,)),
        array_at(root, (root_size, root_size)),
        carray(gradient, (size,)),
    )
    return 0 if np.isfinite(out[0]) else _NOT_FINITE


def _annotated_log_density(size: int, u: Any, gradient: Any, value: Any, data: Any) -> int:
    density, flat, centre, root, flat_size, root_size, rows, rows_size = carray(data, (_N_DATA,))
    out = carray(value, (1,))
    out[0] = framed_log_posterior(
        carray(u, (size,)),
        density,
        array_at(flat, (flat_size,)),
        array_at(rows, (rows_size,)),
        array_at(centre, (size,)),
        array_at(root, (root_size, root_size)),
        carray(gradient, (size,)),
    )
    return 0 if np.isfinite(out[0]) else _NOT_FINITE


def _expand(size: int, expanded_size: int, u: Any, out: Any, data: Any) -> int:
    _, _, centre, root, _, root_size, _, _ = carray(data, (_N_DATA,))
    unframed(
        carray(u, (size,)),
        array_at(centre, (size,)),
        array_at(root, (root_size, root_size)),
        carray(out, (expanded_size,)),
    )
    return 0
