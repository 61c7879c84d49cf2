"""Densities relative to one number that is known beforehand, rather than to each row's largest.

Where a bound is known on both sides, the largest need not be looked for, and the part whose log
density is that number, a noise that is as dense everywhere, needs no exponential. Sums may then be
of any size that a number can have, so their logarithms are taken by mantissa and exponent.
"""

import math

from bayesgmm.likelihood.compiled.exponential import exponential, mantissa_and_exponent
from bayesgmm.runtime.compiling import compiled_fast
from bayesgmm.typing import Array

__all__ = ["are_alike", "invert_any", "relate"]

_LEAST = 1e-200  # of a sum: what `exponential` leaves of farther densities is 1e-82 of it
_LOG_2 = math.log(2.0)


@compiled_fast
def are_alike(values: Array, i: int, n_rows: int) -> bool:
    """Whether so many values of block i are the same number."""
    first, n_others = values[i, 0], 0
    for t in range(n_rows):
        n_others += 1 if values[i, t] != first else 0
    return n_others == 0


@compiled_fast
def relate(
    joint: Array,
    n_clusters: int,
    reference: float,
    n_rows: int,
    width: int,
    largest: Array,
    total: Array,
) -> bool:
    """Turn log densities (part, row) into densities relative to the reference; write their sums.

    Parts after the clusters have that density themselves. `largest` becomes the reference. False
    where a sum is too small for its parts to be told from one another: all is then to be done anew,
    relative to the largest.
    """
    n_noises, n_lost = joint.shape[0] - n_clusters, 0
    for t in range(width):
        largest[t], total[t] = reference, n_noises
    for k in range(n_clusters, joint.shape[0]):
        for t in range(width):
            joint[k, t] = 1.0
    for k in range(n_clusters):
        for t in range(width):
            density = exponential(joint[k, t] - reference)
            joint[k, t] = density
            total[t] += density
    for t in range(n_rows):
        n_lost += 1 if total[t] < _LEAST else 0
    return n_lost == 0


@compiled_fast
def invert_any(width: int, n_rows: int, largest: Array, total: Array) -> float:
    """As `bayesgmm.likelihood.compiled.block.invert`, for sums of any size.

    Mantissas of a block have a product below 2**BLOCK.
    """
    for t in range(n_rows, width):
        largest[t], total[t] = 0.0, 1.0
    log_likelihood, product, exponents = 0.0, 1.0, 0
    for t in range(width):
        mantissa, exponent = mantissa_and_exponent(total[t])
        log_likelihood += largest[t]
        product *= mantissa
        exponents += exponent
        total[t] = 1.0 / total[t]
    for t in range(n_rows, width):
        total[t] = 0.0
    return log_likelihood + math.log(product) + exponents * _LOG_2
