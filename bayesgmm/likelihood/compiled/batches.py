"""The log likelihood of many draws in one reading of the rows, values only.

While a block of rows is in the processor's cache it is seen by all draws of a batch: memory is read
once for as many. What a gradient needs of the rows (whitened rows, responsibilities, their sums) is
never made.
"""

import numpy as np

from bayesgmm.likelihood.compiled.block import BLOCK, exponentiate, invert, padded
from bayesgmm.likelihood.compiled.coordinates import empty_point, read, unpack_whitened
from bayesgmm.likelihood.compiled.vectors import all_finite
from bayesgmm.runtime.compiling import compiled, compiled_fast
from bayesgmm.typing import Array

__all__ = ["add_log_likelihoods", "whiten_points"]


@compiled
def whiten_points(
    points: Array, flat: Array, whitening: Array, shift: Array, constant: Array, regular: Array
) -> None:
    """Write the components at points (point, dim) as `.kernels` takes them.

    Parameters
    ----------
    points : array of shape (point, dim)
        Unconstrained coordinates, fitting units.
    flat : array
        The problem, `bayesgmm.likelihood.compiled.coordinates.flatten`.
    whitening : array of shape (point, cluster, feature, feature), written
    shift : array of shape (point, cluster, feature), written
    constant : array of shape (point, cluster), written
    regular : array of shape (point,), written
        1, or 0 where a covariance is singular; the components are then 0.
    """
    problem = read(flat)
    point = empty_point(problem)
    for p in range(points.shape[0]):
        regular[p] = 1.0
        if not unpack_whitened(
            points[p], problem, point, whitening[p], shift[p], constant[p]
        ) or not all_finite(shift[p]):
            regular[p], whitening[p], shift[p], constant[p] = 0.0, 0.0, 0.0, 0.0


@compiled
def add_log_likelihoods(
    flat: Array, first: int, last: int, whitening: Array, shift: Array, constant: Array, out: Array
) -> None:
    """Add the log likelihood of the blocks `first` to `last` - 1 at each point to out (point,).

    Nats, fitting units; the components are those of `whiten_points`.
    """
    problem = read(flat)
    blocks = problem.blocks
    joint, row = np.empty((shift.shape[1], BLOCK)), np.empty(BLOCK)
    largest, total = np.empty(BLOCK), np.empty(BLOCK)
    for i in range(first, last):
        rows = min(BLOCK, problem.n_rows - i * BLOCK)
        width = padded(rows)
        for p in range(out.shape[0]):
            _log_joint(blocks, i, p, whitening, shift, constant, width, row, joint)
            exponentiate(joint, width, largest, total)
            out[p] += invert(width, rows, shift.shape[1], largest, total)


@compiled_fast
def _log_joint(
    blocks: Array,
    i: int,
    p: int,
    whitening: Array,
    shift: Array,
    constant: Array,
    width: int,
    row: Array,
    out: Array,
) -> None:
    """Write log w_k N(x) of block i at point p, out (cluster, BLOCK); `row` (BLOCK,) is scratch.

    The first four features are taken two at a time, so that each is loaded half as often.
    """
    n_clusters, n_features = shift.shape[1], shift.shape[2]
    for k in range(n_clusters):
        c, a0, b0 = constant[p, k], whitening[p, k, 0, 0], shift[p, k, 0]
        if n_features == 1:
            for t in range(width):
                v = a0 * blocks[i, 0, t] - b0
                out[k, t] = c - 0.5 * v * v
            continue
        a1, a2, b1 = whitening[p, k, 1, 0], whitening[p, k, 1, 1], shift[p, k, 1]
        for t in range(width):
            v = a0 * blocks[i, 0, t] - b0
            u = a1 * blocks[i, 0, t] + a2 * blocks[i, 1, t] - b1
            out[k, t] = c - 0.5 * (v * v + u * u)
        if n_features > 2:
            _subtract_next_two(blocks, i, p, whitening, shift, k, width, out)
        for d in range(4, n_features):
            _subtract_later(blocks, i, p, whitening, shift, k, d, width, row, out)


@compiled_fast
def _subtract_next_two(
    blocks: Array, i: int, p: int, whitening: Array, shift: Array, k: int, width: int, out: Array
) -> None:
    """Subtract half the squares of the third and, where there is one, the fourth feature."""
    a0, a1, a2 = whitening[p, k, 2, 0], whitening[p, k, 2, 1], whitening[p, k, 2, 2]
    b = shift[p, k, 2]
    if shift.shape[2] == 3:
        for t in range(width):
            v = a0 * blocks[i, 0, t] + a1 * blocks[i, 1, t] + a2 * blocks[i, 2, t] - b
            out[k, t] -= 0.5 * v * v
        return
    a3, a4, a5 = whitening[p, k, 3, 0], whitening[p, k, 3, 1], whitening[p, k, 3, 2]
    a6, b1 = whitening[p, k, 3, 3], shift[p, k, 3]
    for t in range(width):
        v = a0 * blocks[i, 0, t] + a1 * blocks[i, 1, t] + a2 * blocks[i, 2, t] - b
        u = a3 * blocks[i, 0, t] + a4 * blocks[i, 1, t] + a5 * blocks[i, 2, t] - b1
        u += a6 * blocks[i, 3, t]
        out[k, t] -= 0.5 * (v * v + u * u)


@compiled_fast
def _subtract_later(
    blocks: Array,
    i: int,
    p: int,
    whitening: Array,
    shift: Array,
    k: int,
    d: int,
    width: int,
    row: Array,
    out: Array,
) -> None:
    """Subtract half the square of feature d, the fifth or a later one: four terms at a time."""
    b = shift[p, k, d]
    for t in range(width):
        row[t] = -b
    e = 0
    while e + 3 <= d:
        a0, a1 = whitening[p, k, d, e], whitening[p, k, d, e + 1]
        a2, a3 = whitening[p, k, d, e + 2], whitening[p, k, d, e + 3]
        for t in range(width):
            v = a0 * blocks[i, e, t] + a1 * blocks[i, e + 1, t]
            row[t] += v + a2 * blocks[i, e + 2, t] + a3 * blocks[i, e + 3, t]
        e += 4
    while e <= d:
        a0 = whitening[p, k, d, e]
        for t in range(width):
            row[t] += a0 * blocks[i, e, t]
        e += 1
    for t in range(width):
        out[k, t] -= 0.5 * row[t] * row[t]
