"""Compiled passes over blocks of rows: log likelihood, responsibilities, the E-step's sums.

Rows travel in blocks of `BLOCK`, features first, so that every inner loop runs over rows in cache
and becomes vector code; `width` is how much of a block holds rows, in whole vectors. Elements are
indexed, never views taken: making a view costs as much as a vector of rows. A component k
enters as its whitening: with Sigma_k = L L', z = A x - b, A = L^-1, b = A mu, and constant
c = log w - sum log diag L - D/2 log 2 pi, so that log w_k N(x | mu_k, Sigma_k) = c - z'z / 2.
The sums over rows are in whitened coordinates,
mass_k = sum r, first_k = sum r z, second_k = sum r z z' (lower triangle), from which gradients and
M-steps follow without touching the rows again. Nothing of size n x K is kept.
"""

import math
from typing import NamedTuple

import numpy as np

from bayesgmm.likelihood.compiled.exponential import exp_nonpositive, larger
from bayesgmm.likelihood.compiled.memory import aligned_empty, part
from bayesgmm.runtime.compiling import compiled, compiled_fast
from bayesgmm.typing import Array

__all__ = [
    "BLOCK",
    "blocked",
    "row_log_likelihoods",
    "row_responsibilities",
    "sum_blocks",
    "sum_rows",
]

BLOCK = 256
_VECTOR = 32
_FEW = 16  # K^BLOCK does not overflow below 16 clusters


class _Scratch(NamedTuple):
    """Where the passes over a block keep what they find."""

    z: Array  # (cluster, feature, BLOCK)
    joint: Array  # (cluster, BLOCK)
    largest: Array  # (BLOCK,)
    total: Array  # (BLOCK,)
    memory: Array  # in which all of them lie


@compiled
def _empty_scratch(n_clusters: int, n_features: int) -> _Scratch:
    joint = n_clusters * n_features * BLOCK
    rows = joint + n_clusters * BLOCK
    memory = np.empty(rows + 2 * BLOCK + 8)
    s = -(memory.ctypes.data // 8) % 8
    return _Scratch(
        part(memory, s, (n_clusters, n_features, BLOCK)),
        part(memory, s + joint, (n_clusters, BLOCK)),
        part(memory, s + rows, (BLOCK,)),
        part(memory, s + rows + BLOCK, (BLOCK,)),
        memory,
    )


def blocked(values: Array, centre: Array, unit: Array) -> Array:
    """Lay rows out for the compiled passes, in fitting coordinates.

    Parameters
    ----------
    values : array of shape (obs, feature), data units
    centre, unit : arrays of shape (feature,)
        Rows become (values - centre) / unit.

    Returns
    -------
    array of shape (blocks, feature, BLOCK)
        The last block is padded with zeros.
    """
    n, n_features = values.shape
    n_blocks = -(-n // BLOCK)
    rows = np.zeros((n_blocks * BLOCK, n_features))
    np.divide(values - centre, unit, out=rows[:n])
    blocks = aligned_empty((n_blocks, n_features, BLOCK))
    blocks[:] = rows.reshape(n_blocks, BLOCK, n_features).transpose(0, 2, 1)
    return blocks


@compiled_fast
def _log_joint(
    blocks: Array,
    i: int,
    whitening: Array,
    shift: Array,
    constant: Array,
    width: int,
    z: Array,
    out: Array,
) -> None:
    """Write z (cluster, feature, BLOCK) and out = log w_k N(x) (cluster, BLOCK) of block i."""
    n_clusters, n_features = shift.shape
    for k in range(n_clusters):
        a0, b, c = whitening[k, 0, 0], shift[k, 0], constant[k]
        for t in range(width):
            v = a0 * blocks[i, 0, t] - b
            z[k, 0, t] = v
            out[k, t] = c - 0.5 * v * v
        if n_features > 1:
            a0, a1, b = whitening[k, 1, 0], whitening[k, 1, 1], shift[k, 1]
            for t in range(width):
                v = a0 * blocks[i, 0, t] + a1 * blocks[i, 1, t] - b
                z[k, 1, t] = v
                out[k, t] -= 0.5 * v * v
        for d in range(2, n_features):
            a0, a1, a2 = whitening[k, d, 0], whitening[k, d, 1], whitening[k, d, 2]
            e3, b = min(3, d), shift[k, d]
            a3 = whitening[k, d, 3] if d > 2 else 0.0
            if d < 4:
                for t in range(width):
                    v = a0 * blocks[i, 0, t] + a1 * blocks[i, 1, t] - b
                    v += a2 * blocks[i, 2, t] + a3 * blocks[i, e3, t]
                    z[k, d, t] = v
                    out[k, t] -= 0.5 * v * v
                continue
            for t in range(width):
                v = a0 * blocks[i, 0, t] + a1 * blocks[i, 1, t] - b
                z[k, d, t] = v + a2 * blocks[i, 2, t] + a3 * blocks[i, 3, t]
            _add_later_features(blocks, i, whitening, k, d, width, z)
            for t in range(width):
                out[k, t] -= 0.5 * z[k, d, t] * z[k, d, t]


@compiled_fast
def _add_later_features(
    blocks: Array, i: int, whitening: Array, k: int, d: int, width: int, z: Array
) -> None:
    """Add what the features from the fifth on contribute to z_kd, four at a time."""
    e = 4
    while e + 3 <= d:
        a0, a1 = whitening[k, d, e], whitening[k, d, e + 1]
        a2, a3 = whitening[k, d, e + 2], whitening[k, d, e + 3]
        for t in range(width):
            v = a0 * blocks[i, e, t] + a1 * blocks[i, e + 1, t]
            z[k, d, t] += v + a2 * blocks[i, e + 2, t] + a3 * blocks[i, e + 3, t]
        e += 4
    while e <= d:
        a0 = whitening[k, d, e]
        for t in range(width):
            z[k, d, t] += a0 * blocks[i, e, t]
        e += 1


@compiled_fast
def _exponentiate(joint: Array, width: int, largest: Array, total: Array) -> None:
    """Turn log densities into densities relative to each row's largest, and write their sums."""
    for t in range(width):
        largest[t] = joint[0, t]
        total[t] = 0.0
    for k in range(1, joint.shape[0]):
        for t in range(width):
            largest[t] = larger(largest[t], joint[k, t])
    for k in range(joint.shape[0]):
        for t in range(width):
            density = exp_nonpositive(joint[k, t] - largest[t])
            joint[k, t] = density
            total[t] += density


@compiled_fast
def _invert(width: int, n_rows: int, n_clusters: int, largest: Array, total: Array) -> float:
    """Turn each row's sum into its inverse (0 in the padding); return the log likelihood.

    A sum lies in [1, K], so the product of a run of rows cannot overflow: one logarithm serves it.
    """
    for t in range(n_rows, width):
        largest[t], total[t] = 0.0, 1.0
    run = BLOCK if n_clusters < _FEW else _VECTOR
    log_likelihood = 0.0
    for t in range(width):
        log_likelihood += largest[t]
    for start in range(0, width, run):
        product = 1.0
        for t in range(start, min(start + run, width)):
            product *= total[t]
        log_likelihood += math.log(product)
    for t in range(width):
        total[t] = 1.0 / total[t]
    for t in range(n_rows, width):
        total[t] = 0.0
    return log_likelihood


@compiled_fast
def _moments(
    joint: Array,
    inverse: Array,
    z: Array,
    width: int,
    weighted: Array,
    mass: Array,
    first: Array,
    second: Array,
) -> None:
    """Add a block's sums, responsibilities being joint x inverse; `weighted` (BLOCK,) is scratch.

    `joint` is overwritten.
    """
    n_clusters, n_features = first.shape
    for k in range(n_clusters):
        total, s, s0, s1 = 0.0, 0.0, 0.0, 0.0
        for t in range(width):
            r = joint[k, t] * inverse[t]
            joint[k, t] = r
            total += r
            v = r * z[k, 0, t]
            s += v
            s0 += v * z[k, 0, t]
        mass[k] += total
        first[k, 0] += s
        second[k, 0, 0] += s0
        if n_features > 1:
            s, s0 = 0.0, 0.0
            for t in range(width):
                v = joint[k, t] * z[k, 1, t]
                s += v
                s0 += v * z[k, 0, t]
                s1 += v * z[k, 1, t]
            first[k, 1] += s
            second[k, 1, 0] += s0
            second[k, 1, 1] += s1
        for d in range(2, n_features):
            e3 = min(3, d)
            s, s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0, 0.0
            for t in range(width):
                v = joint[k, t] * z[k, d, t]
                weighted[t] = v
                s += v
                s0 += v * z[k, 0, t]
                s1 += v * z[k, 1, t]
                s2 += v * z[k, 2, t]
                s3 += v * z[k, e3, t]
            first[k, d] += s
            second[k, d, 0] += s0
            second[k, d, 1] += s1
            second[k, d, 2] += s2
            if d > 2:
                second[k, d, 3] += s3
            _add_later_products(weighted, z, k, d, width, second)


@compiled_fast
def _add_later_products(
    weighted: Array, z: Array, k: int, d: int, width: int, second: Array
) -> None:
    """Add the products of z_kd with the features from the fifth on, four at a time."""
    e = 4
    while e + 3 <= d:
        s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0
        for t in range(width):
            s0 += weighted[t] * z[k, e, t]
            s1 += weighted[t] * z[k, e + 1, t]
            s2 += weighted[t] * z[k, e + 2, t]
            s3 += weighted[t] * z[k, e + 3, t]
        second[k, d, e] += s0
        second[k, d, e + 1] += s1
        second[k, d, e + 2] += s2
        second[k, d, e + 3] += s3
        e += 4
    while e <= d:
        s0 = 0.0
        for t in range(width):
            s0 += weighted[t] * z[k, e, t]
        second[k, d, e] += s0
        e += 1


@compiled
def _padded(n_rows: int) -> int:
    """Round the rows of a block up to whole vectors, so that the last block is cut short."""
    return (n_rows + _VECTOR - 1) // _VECTOR * _VECTOR


@compiled
def sum_blocks(
    blocks: Array,
    n_rows: int,
    whitening: Array,
    shift: Array,
    constant: Array,
    mass: Array,
    first: Array,
    second: Array,
) -> float:
    """Add all rows of `blocks` to the sums and return their log likelihood, nats."""
    scratch = _empty_scratch(shift.shape[0], shift.shape[1])
    log_likelihood = 0.0
    for i in range(blocks.shape[0]):
        rows = min(BLOCK, n_rows - i * BLOCK)
        width = _padded(rows)
        _log_joint(blocks, i, whitening, shift, constant, width, scratch.z, scratch.joint)
        _exponentiate(scratch.joint, width, scratch.largest, scratch.total)
        log_likelihood += _invert(width, rows, shift.shape[0], scratch.largest, scratch.total)
        _moments(
            scratch.joint,
            scratch.total,
            scratch.z,
            width,
            scratch.largest,
            mass,
            first,
            second,
        )
    return log_likelihood


@compiled
def _load(values: Array, start: int, centre: Array, inverse_unit: Array, block: Array) -> int:
    """Copy rows from `start` into one block in fitting coordinates; return how many there were."""
    rows = min(BLOCK, values.shape[0] - start)
    for d in range(values.shape[1]):
        for t in range(rows):
            block[d, t] = (values[start + t, d] - centre[d]) * inverse_unit[d]
        for t in range(rows, BLOCK):
            block[d, t] = 0.0
    return rows


@compiled
def sum_rows(
    values: Array,
    centre: Array,
    inverse_unit: Array,
    whitening: Array,
    shift: Array,
    constant: Array,
    mass: Array,
    first: Array,
    second: Array,
) -> float:
    """As `sum_blocks`, for rows as they lie in a table (obs, feature), data units."""
    block = np.empty((1, values.shape[1], BLOCK))
    log_likelihood = 0.0
    for start in range(0, values.shape[0], BLOCK):
        rows = _load(values, start, centre, inverse_unit, block[0])
        log_likelihood += sum_blocks(block, rows, whitening, shift, constant, mass, first, second)
    return log_likelihood


@compiled
def row_log_likelihoods(
    blocks: Array, whitening: Array, shift: Array, constant: Array, out: Array
) -> None:
    """Write log p(x_i) of each row, out (obs,), nats in fitting coordinates."""
    scratch = _empty_scratch(shift.shape[0], shift.shape[1])
    for i in range(blocks.shape[0]):
        start = i * BLOCK
        rows = min(BLOCK, out.shape[0] - start)
        width = _padded(rows)
        _log_joint(blocks, i, whitening, shift, constant, width, scratch.z, scratch.joint)
        _exponentiate(scratch.joint, width, scratch.largest, scratch.total)
        for t in range(rows):
            out[start + t] = scratch.largest[t] + math.log(scratch.total[t])


@compiled
def row_responsibilities(
    blocks: Array, whitening: Array, shift: Array, constant: Array, out: Array
) -> None:
    """Write P(cluster | x_i) of each row, out (cluster, obs)."""
    scratch = _empty_scratch(shift.shape[0], shift.shape[1])
    for i in range(blocks.shape[0]):
        start = i * BLOCK
        rows = min(BLOCK, out.shape[1] - start)
        width = _padded(rows)
        _log_joint(blocks, i, whitening, shift, constant, width, scratch.z, scratch.joint)
        _exponentiate(scratch.joint, width, scratch.largest, scratch.total)
        for k in range(shift.shape[0]):
            for t in range(rows):
                out[k, start + t] = scratch.joint[k, t] / scratch.total[t]
