"""Compiled passes over blocks of rows: log likelihood, responsibilities, the E-step's sums.

Rows travel in blocks of `BLOCK`, features first, so that every inner loop runs over rows in cache
and becomes vector code; `width` is how much of a block holds rows, in whole vectors. A component k
enters as its whitening: with Sigma_k = L L', z = A x - b, A = L^-1, b = A mu, and constant
c = log w - sum log diag L - D/2 log 2 pi, so that log w_k N(x | mu_k, Sigma_k) = c - z'z / 2.
The sums over rows are in whitened coordinates,
mass_k = sum r, first_k = sum r z, second_k = sum r z z' (lower triangle), from which gradients and
M-steps follow without touching the rows again. Nothing of size n x K is kept.
"""

import math

import numpy as np

from bayesgmm.compiling import compiled, compiled_fast
from bayesgmm.mixture.exponential import exp_nonpositive
from bayesgmm.typing import Array

__all__ = [
    "BLOCK",
    "blocked",
    "cholesky",
    "row_log_likelihoods",
    "row_responsibilities",
    "sum_blocks",
    "sum_rows",
    "whiten",
]

BLOCK = 128
_VECTOR = 32
_LOG_2PI = math.log(2.0 * math.pi)


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
    return np.ascontiguousarray(rows.reshape(n_blocks, BLOCK, n_features).transpose(0, 2, 1))


@compiled
def cholesky(matrix: Array, factor: Array) -> bool:
    """Write the lower Cholesky factor of one matrix; False when it is not positive definite."""
    size = matrix.shape[0]
    for i in range(size):
        for j in range(i + 1):
            s = matrix[i, j]
            for m in range(j):
                s -= factor[i, m] * factor[j, m]
            if i == j:
                if not s > 0.0 or not math.isfinite(s):
                    return False
                factor[i, i] = math.sqrt(s)
            else:
                factor[i, j] = s / factor[j, j]
        for j in range(i + 1, size):
            factor[i, j] = 0.0
    return True


@compiled
def whiten(log_weight: float, mean: Array, factor: Array, whitening: Array, shift: Array) -> float:
    """Write A = L^-1 and b = A mu of one component and return its constant c (-inf if singular)."""
    size = mean.shape[0]
    log_det = 0.0
    for j in range(size):
        if not factor[j, j] > 0.0:
            return -math.inf
        log_det += math.log(factor[j, j])
        whitening[j, j] = 1.0 / factor[j, j]
        for i in range(j + 1, size):
            s = 0.0
            for m in range(j, i):
                s += factor[i, m] * whitening[m, j]
            whitening[i, j] = -s / factor[i, i]
            whitening[j, i] = 0.0
    for i in range(size):
        s = 0.0
        for j in range(i + 1):
            s += whitening[i, j] * mean[j]
        shift[i] = s
    return log_weight - log_det - 0.5 * size * _LOG_2PI


@compiled_fast
def _log_joint(
    block: Array,
    whitening: Array,
    shift: Array,
    constant: Array,
    width: int,
    z: Array,
    out: Array,
) -> None:
    """Write z (cluster, feature, BLOCK) and out = log w_k N(x) (cluster, BLOCK)."""
    n_clusters, n_features = shift.shape
    for k in range(n_clusters):
        density = out[k]
        for t in range(width):
            density[t] = constant[k]
        for d in range(n_features):
            zd = z[k, d]
            row = whitening[k, d]
            offset = shift[k, d]
            x0 = block[0]
            for t in range(width):
                zd[t] = row[0] * x0[t] - offset
            e = 1
            while e + 3 <= d:
                x1, x2, x3 = block[e], block[e + 1], block[e + 2]
                for t in range(width):
                    zd[t] += row[e] * x1[t] + row[e + 1] * x2[t] + row[e + 2] * x3[t]
                e += 3
            while e <= d:
                x1 = block[e]
                for t in range(width):
                    zd[t] += row[e] * x1[t]
                e += 1
            for t in range(width):
                density[t] -= 0.5 * zd[t] * zd[t]


@compiled_fast
def _exponentiate(joint: Array, width: int, largest: Array, total: Array) -> None:
    """Turn log densities into densities relative to each row's largest, and write their sums."""
    for t in range(width):
        largest[t] = joint[0, t]
        total[t] = 0.0
    for k in range(1, joint.shape[0]):
        for t in range(width):
            largest[t] = max(largest[t], joint[k, t])
    for k in range(joint.shape[0]):
        for t in range(width):
            joint[k, t] = exp_nonpositive(joint[k, t] - largest[t])
            total[t] += joint[k, t]


@compiled_fast
def _normalise(joint: Array, width: int, largest: Array, total: Array, n_rows: int) -> float:
    """Turn densities into responsibilities (0 in the padding); return the log likelihood.

    Each row's sum lies in [1, K], so the product over a block cannot overflow for K < 250 and one
    logarithm serves 128 rows; larger K take it in shorter runs.
    """
    log_likelihood = 0.0
    product = 1.0
    for t in range(n_rows):
        log_likelihood += largest[t]
        product *= total[t]
        if product > 1e290:
            log_likelihood += math.log(product)
            product = 1.0
    for t in range(width):
        total[t] = 1.0 / total[t] if t < n_rows else 0.0
    for k in range(joint.shape[0]):
        for t in range(width):
            joint[k, t] *= total[t]
    return log_likelihood + math.log(product)


@compiled_fast
def _moments(
    responsibility: Array,
    z: Array,
    width: int,
    weighted: Array,
    mass: Array,
    first: Array,
    second: Array,
) -> None:
    """Add a block's sums to mass, first and second; `weighted` (BLOCK,) is scratch."""
    n_clusters, n_features = first.shape
    for k in range(n_clusters):
        r = responsibility[k]
        total = 0.0
        for t in range(width):
            total += r[t]
        mass[k] += total
        for d in range(n_features):
            zd = z[k, d]
            total = 0.0
            for t in range(width):
                weighted[t] = r[t] * zd[t]
                total += weighted[t]
            first[k, d] += total
            e = 0
            while e + 4 <= d + 1:
                z0, z1, z2, z3 = z[k, e], z[k, e + 1], z[k, e + 2], z[k, e + 3]
                s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0
                for t in range(width):
                    s0 += weighted[t] * z0[t]
                    s1 += weighted[t] * z1[t]
                    s2 += weighted[t] * z2[t]
                    s3 += weighted[t] * z3[t]
                second[k, d, e] += s0
                second[k, d, e + 1] += s1
                second[k, d, e + 2] += s2
                second[k, d, e + 3] += s3
                e += 4
            while e <= d:
                z0 = z[k, e]
                s0 = 0.0
                for t in range(width):
                    s0 += weighted[t] * z0[t]
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
    n_clusters, n_features = shift.shape
    z = np.empty((n_clusters, n_features, BLOCK))
    joint = np.empty((n_clusters, BLOCK))
    largest, total = np.empty(BLOCK), np.empty(BLOCK)
    log_likelihood = 0.0
    for i in range(blocks.shape[0]):
        rows = min(BLOCK, n_rows - i * BLOCK)
        width = _padded(rows)
        _log_joint(blocks[i], whitening, shift, constant, width, z, joint)
        _exponentiate(joint, width, largest, total)
        log_likelihood += _normalise(joint, width, largest, total, rows)
        _moments(joint, z, width, total, mass, first, second)
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
    n_clusters, n_features = shift.shape
    z = np.empty((n_clusters, n_features, BLOCK))
    joint = np.empty((n_clusters, BLOCK))
    largest, total = np.empty(BLOCK), np.empty(BLOCK)
    for i in range(blocks.shape[0]):
        start = i * BLOCK
        rows = min(BLOCK, out.shape[0] - start)
        width = _padded(rows)
        _log_joint(blocks[i], whitening, shift, constant, width, z, joint)
        _exponentiate(joint, width, largest, total)
        for t in range(rows):
            out[start + t] = largest[t] + math.log(total[t])


@compiled
def row_responsibilities(
    blocks: Array, whitening: Array, shift: Array, constant: Array, out: Array
) -> None:
    """Write P(cluster | x_i) of each row, out (cluster, obs)."""
    n_clusters, n_features = shift.shape
    z = np.empty((n_clusters, n_features, BLOCK))
    joint = np.empty((n_clusters, BLOCK))
    largest, total = np.empty(BLOCK), np.empty(BLOCK)
    for i in range(blocks.shape[0]):
        start = i * BLOCK
        rows = min(BLOCK, out.shape[1] - start)
        width = _padded(rows)
        _log_joint(blocks[i], whitening, shift, constant, width, z, joint)
        _exponentiate(joint, width, largest, total)
        _normalise(joint, width, largest, total, rows)
        for k in range(n_clusters):
            for t in range(rows):
                out[k, start + t] = joint[k, t]
