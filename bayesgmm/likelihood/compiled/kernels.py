"""Compiled passes over blocks of rows: log likelihood, responsibilities, the E-step's sums.

Rows travel in blocks of `BLOCK`, features first, so that every inner loop runs over rows in cache
and becomes vector code; these loops are in `.block`. A component k enters as its whitening: with
Sigma_k = L L', z = A x - b, A = L^-1, b = A mu, and constant
c = log w - sum log diag L - D/2 log 2 pi, so that log w_k N(x | mu_k, Sigma_k) = c - z'z / 2.
The sums over rows are in whitened coordinates,
mass_k = sum r, first_k = sum r z, second_k = sum r z z' (lower triangle), from which gradients and
M-steps follow without touching the rows again. Nothing of size n x K is kept.
"""

import math

import numpy as np

from bayesgmm.likelihood.compiled.block import (
    BLOCK,
    add_moments,
    empty_scratch,
    exponentiate,
    invert,
    log_joint,
    padded,
)
from bayesgmm.likelihood.compiled.memory import aligned_empty
from bayesgmm.runtime.compiling import compiled
from bayesgmm.typing import Array

__all__ = [
    "BLOCK",
    "blocked",
    "row_log_likelihoods",
    "row_responsibilities",
    "sum_blocks",
    "sum_rows",
]


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
    scratch = empty_scratch(shift.shape[0], shift.shape[1])
    log_likelihood = 0.0
    for i in range(blocks.shape[0]):
        rows = min(BLOCK, n_rows - i * BLOCK)
        width = padded(rows)
        log_joint(blocks, i, whitening, shift, constant, width, scratch.z, scratch.joint)
        exponentiate(scratch.joint, width, scratch.largest, scratch.total)
        log_likelihood += invert(width, rows, shift.shape[0], scratch.largest, scratch.total)
        add_moments(
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
    scratch = empty_scratch(shift.shape[0], shift.shape[1])
    for i in range(blocks.shape[0]):
        start = i * BLOCK
        rows = min(BLOCK, out.shape[0] - start)
        width = padded(rows)
        log_joint(blocks, i, whitening, shift, constant, width, scratch.z, scratch.joint)
        exponentiate(scratch.joint, width, scratch.largest, scratch.total)
        for t in range(rows):
            out[start + t] = scratch.largest[t] + math.log(scratch.total[t])


@compiled
def row_responsibilities(
    blocks: Array, whitening: Array, shift: Array, constant: Array, out: Array
) -> None:
    """Write P(cluster | x_i) of each row, out (cluster, obs)."""
    scratch = empty_scratch(shift.shape[0], shift.shape[1])
    for i in range(blocks.shape[0]):
        start = i * BLOCK
        rows = min(BLOCK, out.shape[1] - start)
        width = padded(rows)
        log_joint(blocks, i, whitening, shift, constant, width, scratch.z, scratch.joint)
        exponentiate(scratch.joint, width, scratch.largest, scratch.total)
        for k in range(shift.shape[0]):
            for t in range(rows):
                out[k, start + t] = scratch.joint[k, t] / scratch.total[t]
