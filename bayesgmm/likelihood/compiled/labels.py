"""Compiled passes that draw each row's label, and sum the rows of each component."""

import numpy as np

from bayesgmm.likelihood.compiled.block import (
    BLOCK,
    add_moments,
    empty_scratch,
    exponentiate,
    log_joint,
    padded,
)
from bayesgmm.likelihood.compiled.whitening import congruent, set_of
from bayesgmm.runtime.compiling import compiled, compiled_fast
from bayesgmm.typing import Array

__all__ = ["as_gaps", "sum_labelled"]


@compiled
def sum_labelled(
    blocks: Array,
    n_rows: int,
    whitening: Array,
    shift: Array,
    constant: Array,
    mass: Array,
    first: Array,
    second: Array,
) -> None:
    """Draw each row's label and write the sums of the E-step, each row being its label's alone.

    Parameters
    ----------
    blocks, n_rows, whitening, shift, constant
        As in `bayesgmm.likelihood.compiled.kernels.sum_blocks`.
    mass, first, second : arrays, written
        Rows of each component, and sums of z and z z' (lower triangle), z whitened.
    """
    scratch = empty_scratch(shift.shape[0], shift.shape[1])
    left = np.empty(BLOCK)
    mass[:], first[:], second[:] = 0.0, 0.0, 0.0
    for i in range(blocks.shape[0]):
        rows = min(BLOCK, n_rows - i * BLOCK)
        width = padded(rows)
        log_joint(blocks, i, whitening, shift, constant, width, scratch.z, scratch.joint)
        exponentiate(scratch.joint, width, scratch.largest, scratch.total)
        for t in range(rows):
            left[t] = np.random.random() * scratch.total[t]  # noqa: NPY002
            scratch.total[t] = 1.0
        for t in range(rows, width):
            left[t], scratch.total[t] = 0.0, 0.0
        _label(scratch.joint, left, width, scratch.largest)
        add_moments(
            scratch.joint, scratch.total, scratch.z, width, scratch.largest, mass, first, second
        )


@compiled_fast
def _label(joint: Array, left: Array, width: int, free: Array) -> None:
    """Write 1 for the first component up to which the densities reach what is left, and 0 else.

    Without branches: where labels fall cannot be foreseen. `free` (BLOCK,) is scratch.
    """
    last = joint.shape[0] - 1
    for t in range(width):
        free[t] = 1.0
    for k in range(last):
        for t in range(width):
            left[t] -= joint[k, t]
            chosen = free[t] if left[t] <= 0.0 else 0.0
            joint[k, t] = chosen
            free[t] -= chosen
    for t in range(width):
        joint[last, t] = free[t]


@compiled
def as_gaps(factors: Array, centres: Array, scatters: Array) -> None:
    """Turn whitened sums into those of gap and gap gap', gap = L z.

    A row's gap is its distance from the mean of its component: about that no digits are lost to a
    distant origin.
    """
    size = centres.shape[1]
    half = np.empty((size, size))
    for k in range(centres.shape[0]):
        factor = factors[set_of(k, factors)]
        for i in range(size - 1, -1, -1):
            s = 0.0
            for m in range(i + 1):
                s += factor[i, m] * centres[k, m]
            centres[k, i] = s
        congruent(factor, scatters[k], half, scatters[k])
