"""Loops over the rows of one block: whitening, log densities, responsibilities, their sums.

They become vector code; the passes of `bayesgmm.likelihood.compiled.kernels` call them. `width` is
how much of a block holds rows, in whole vectors. Elements are indexed, never views taken: making a
view costs as much as a vector of rows.
"""

import math
from typing import NamedTuple

import numpy as np

from bayesgmm.likelihood.compiled.exponential import exponential, larger
from bayesgmm.likelihood.compiled.memory import part
from bayesgmm.runtime.compiling import compiled, compiled_fast
from bayesgmm.typing import Array

__all__ = [
    "BLOCK",
    "Scratch",
    "add_moments",
    "empty_scratch",
    "exponentiate",
    "invert",
    "log_joint",
    "padded",
]

BLOCK = 256
_VECTOR = 32
_FEW = 16  # K^BLOCK does not overflow below 16 clusters


class Scratch(NamedTuple):
    """Where the passes over a block keep what they find."""

    z: Array  # (cluster, feature, BLOCK)
    joint: Array  # (cluster, BLOCK)
    largest: Array  # (BLOCK,)
    total: Array  # (BLOCK,)
    memory: Array  # in which all of them lie


@compiled
def empty_scratch(n_clusters: int, n_features: int) -> Scratch:
    """Allocate what a pass needs, each part at a cache line."""
    joint = n_clusters * n_features * BLOCK
    rows = joint + n_clusters * BLOCK
    memory = np.empty(rows + 2 * BLOCK + 8)
    s = -(memory.ctypes.data // 8) % 8
    return Scratch(
        part(memory, s, (n_clusters, n_features, BLOCK)),
        part(memory, s + joint, (n_clusters, BLOCK)),
        part(memory, s + rows, (BLOCK,)),
        part(memory, s + rows + BLOCK, (BLOCK,)),
        memory,
    )


@compiled_fast
def log_joint(
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
def exponentiate(joint: Array, width: int, largest: Array, total: Array) -> None:
    """Turn log densities into densities relative to each row's largest, and write their sums."""
    for t in range(width):
        largest[t] = joint[0, t]
        total[t] = 0.0
    for k in range(1, joint.shape[0]):
        for t in range(width):
            largest[t] = larger(largest[t], joint[k, t])
    for k in range(joint.shape[0]):
        for t in range(width):
            density = exponential(joint[k, t] - largest[t])
            joint[k, t] = density
            total[t] += density


@compiled_fast
def invert(width: int, n_rows: int, n_clusters: int, largest: Array, total: Array) -> float:
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
def add_moments(
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
def padded(n_rows: int) -> int:
    """Round the rows of a block up to whole vectors, so that the last block is cut short."""
    return (n_rows + _VECTOR - 1) // _VECTOR * _VECTOR
