"""Groups of few rows, such as rows with errors of their own: one row after the other.

No vector of rows would be full, and what a group's own covariance costs is most of it. What is
computed is that of `.grouped`: with S_o = M M' of a component, z_o = M^-1 (x_o - mu_o) and
W' = M^-1 L_o., the complete row behind one has mean W z_o and covariance I - W W' in whitened
coordinates.
"""

import math
from typing import NamedTuple

import numpy as np

from bayesgmm.likelihood.compiled.memory import part
from bayesgmm.likelihood.compiled.row_groups import Group
from bayesgmm.likelihood.compiled.tails import digamma, gamma_ratio
from bayesgmm.likelihood.compiled.whitening import cholesky, set_of
from bayesgmm.runtime.compiling import compiled
from bayesgmm.typing import Array

__all__ = ["are_few", "densities_of_few", "few_memory_size", "sum_few"]

_FEW = 4  # rows: from here on a vector of them is as quick
_SMALL = 1e-100  # a product of scales, of which one logarithm is taken
_LOG_2PI = math.log(2.0 * math.pi)


class _Few(NamedTuple):
    """The components as a group sees them, and the complete rows behind one of its rows."""

    factors: Array  # (cluster or 1, observed, observed): M, its diagonal inverted
    back: Array  # (cluster or 1, observed, feature): W'
    known: Array  # (cluster or 1, feature, feature): W W', lower triangle
    constant: Array  # (part,), of which the noise's is unused
    joint: Array  # (part,)
    mass: Array  # (part,)
    z: Array  # (observed,)
    complete: Array  # (part, feature): W z_o
    memory: Array  # in which all of them lie


@compiled
def few_memory_size(n_parts: int, n_factors: int, size: int) -> int:
    """Return how many numbers `sum_few` needs at most."""
    return (3 * n_factors * size + n_parts + 1) * size + 3 * n_parts


@compiled
def _as_few(memory: Array, n_parts: int, n_factors: int, q: int, size: int) -> _Few:
    """View the memory, which must outlive the view, as a group of q columns needs it."""
    back = n_factors * q * q
    known = back + n_factors * q * size
    vectors = known + n_factors * size * size
    z = vectors + 3 * n_parts
    return _Few(
        part(memory, 0, (n_factors, q, q)),
        part(memory, back, (n_factors, q, size)),
        part(memory, known, (n_factors, size, size)),
        part(memory, vectors, (n_parts,)),
        part(memory, vectors + n_parts, (n_parts,)),
        part(memory, vectors + 2 * n_parts, (n_parts,)),
        part(memory, z, (q,)),
        part(memory, z + q, (n_parts, size)),
        memory,
    )


@compiled
def are_few(group: Group) -> bool:
    """Whether a group's rows are few, and some of their cells are observed, not all exactly."""
    return group.n_rows <= _FEW and not group.whole and group.columns[0] >= 0.0


@compiled
def _see(group: Group, g: int, covariances: Array, few: _Few) -> float:
    """Write M of one covariance; return log det M, NaN where S_o is singular."""
    q = few.back.shape[1]
    for i in range(q):
        row = int(group.columns[i])
        for j in range(i + 1):
            few.factors[g, i, j] = covariances[g, row, int(group.columns[j])]
        few.factors[g, i, i] += group.variances[i]
    if not cholesky(few.factors[g], few.factors[g]):
        return math.nan
    log_det, product = 0.0, 1.0
    for i in range(q):
        scale = 1.0 / few.factors[g, i, i]
        few.factors[g, i, i] = scale
        product *= scale
        if not _SMALL < product < 1.0 / _SMALL:
            log_det -= math.log(product)
            product = 1.0
    return log_det - math.log(product)


@compiled
def _look_back(group: Group, g: int, factors: Array, few: _Few) -> None:
    """Write W' and W W' of one covariance, of which M is there."""
    q, size = few.back.shape[1], few.back.shape[2]
    few.known[g] = 0.0
    for i in range(q):
        row, scale = int(group.columns[i]), few.factors[g, i, i]
        for d in range(size):
            few.back[g, i, d] = factors[g, row, d] * scale
        for m in range(i):
            s = few.factors[g, i, m] * scale
            for d in range(size):
                few.back[g, i, d] -= s * few.back[g, m, d]
        for d in range(size):
            s = few.back[g, i, d]
            for e in range(d + 1):
                few.known[g, d, e] += s * few.back[g, i, e]


@compiled
def _write_constants(
    group: Group, log_weights: Array, n_clusters: int, nu: Array, covariances: Array, few: _Few
) -> None:
    """Write M, and the log density of each cluster at its mean, of the observed cells."""
    size = few.z.shape[0]
    for g in range(covariances.shape[0]):
        few.constant[g] = -_see(group, g, covariances, few)
    for k in range(n_clusters - 1, -1, -1):
        few.constant[k] = few.constant[set_of(k, covariances)] + log_weights[k]
        few.constant[k] -= 0.5 * size * _LOG_2PI
    for k in range(nu.shape[0]):
        few.constant[k] += gamma_ratio(0.5 * nu[k], 0.5 * size)


@compiled
def _whiten(group: Group, t: int, k: int, means: Array, few: _Few) -> float:
    """Write z_o of row t under a cluster; return z_o' z_o."""
    g, total = set_of(k, few.factors), 0.0
    for i in range(few.z.shape[0]):
        s = group.blocks[0, i, t] - means[k, int(group.columns[i])]
        for m in range(i):
            s -= few.factors[g, i, m] * few.z[m]
        s *= few.factors[g, i, i]
        few.z[i] = s
        total += s * s
    return total


@compiled
def _complete(k: int, few: _Few) -> None:
    """Write W z_o under a cluster."""
    g = set_of(k, few.back)
    few.complete[k] = 0.0
    for i in range(few.z.shape[0]):
        for d in range(few.complete.shape[1]):
            few.complete[k, d] += few.z[i] * few.back[g, i, d]


@compiled
def _joint(group: Group, t: int, k: int, means: Array, nu: Array, few: _Few) -> tuple[float, float]:
    """Return log w_k p(x_t | k) of the observed cells of a row, and log(1 + q / nu)."""
    distance, lost = _whiten(group, t, k, means, few), 0.0
    joint = few.constant[k]
    if nu.shape[0] > 0:
        lost = math.log1p(distance / nu[k])
        joint -= 0.5 * (nu[k] + few.z.shape[0]) * lost
    else:
        joint -= 0.5 * distance
    return joint + (group.penalties[0, k, t] if group.penalties.shape[0] > 0 else 0.0), lost


@compiled
def _with_noise(group: Group, t: int, log_weights: Array, n_clusters: int, joint: Array) -> None:
    """Write the joint density of the noise where there is one, the last part."""
    for k in range(n_clusters, log_weights.shape[0]):
        joint[k] = log_weights[k] + group.background[0, t]


@compiled
def _shares(joint: Array) -> float:
    """Turn log densities of one row (part,) into responsibilities; return their log sum."""
    largest, total = joint[0], 0.0
    for k in range(1, joint.shape[0]):
        largest = max(largest, joint[k])
    for k in range(joint.shape[0]):
        joint[k] = math.exp(joint[k] - largest)
        total += joint[k]
    inverse = 1.0 / total
    for k in range(joint.shape[0]):
        joint[k] *= inverse
    return largest + math.log(total)


@compiled
def sum_few(
    group: Group,
    log_weights: Array,
    means: Array,
    factors: Array,
    nu: Array,
    covariances: Array,
    memory: Array,
    mass: Array,
    first: Array,
    second: Array,
    scaled: Array,
    logs: Array,
) -> float:
    """Add a group's completed rows to the sums; return their log likelihood, nats.

    Parameters
    ----------
    group : Group
        For which `are_few` holds.
    log_weights, means, factors, nu : arrays
        The components, as in `bayesgmm.likelihood.compiled.grouped.Components`.
    covariances : array of shape (cluster or 1, feature, feature)
        L L' of the factors.
    memory : array of `few_memory_size` numbers
    mass, first, second, scaled, logs : arrays, written
        As in `bayesgmm.likelihood.compiled.group_passes.sum_group`.

    Returns
    -------
    float
        Not finite where a component is singular.
    """
    n_clusters, size = first.shape
    q = group.columns.shape[0]
    few = _as_few(memory, log_weights.shape[0], factors.shape[0], q, size)
    _write_constants(group, log_weights, n_clusters, nu, covariances, few)
    for g in range(factors.shape[0]):
        _look_back(group, g, factors, few)
    few.mass[:] = 0.0
    log_likelihood, lost = 0.0, np.empty(n_clusters)
    for t in range(group.n_rows):
        for k in range(n_clusters):
            few.joint[k], lost[k] = _joint(group, t, k, means, nu, few)
            _complete(k, few)
        _with_noise(group, t, log_weights, n_clusters, few.joint)
        weight = group.weights[0, t] if group.weights.shape[0] > 0 else 1.0
        log_likelihood += weight * _shares(few.joint)
        for k in range(n_clusters, mass.shape[0]):
            mass[k] += weight * few.joint[k]
        for k in range(n_clusters):
            share = weight * few.joint[k]
            few.mass[k] += share
            if nu.shape[0] > 0:
                known = digamma(0.5 * (nu[k] + q)) - math.log(0.5 * nu[k])
                logs[k] += share * (known - lost[k])
                share *= (1.0 + q / nu[k]) * math.exp(-lost[k])
                scaled[k] += share
            for d in range(size):
                s = share * few.complete[k, d]
                first[k, d] += s
                for e in range(d + 1):
                    second[k, d, e] += s * few.complete[k, e]
    for k in range(n_clusters):
        share, g = few.mass[k], set_of(k, factors)
        mass[k] += share
        for d in range(size):
            for e in range(d + 1):
                second[k, d, e] -= share * few.known[g, d, e]
            second[k, d, d] += share
    return log_likelihood


@compiled
def densities_of_few(
    group: Group,
    log_weights: Array,
    means: Array,
    nu: Array,
    covariances: Array,
    memory: Array,
    log_densities: Array,
    shares: Array,
) -> bool:
    """Write log p of a group's rows, or what each cluster has of them; whether none is singular.

    Parameters
    ----------
    group : Group
        For which `are_few` holds.
    log_weights, means, nu, covariances, memory : arrays
        As in `sum_few`.
    log_densities : array of shape (obs,), written
    shares : array of shape (part, obs), written
        Of no size where they are not asked for.
    """
    n_clusters, size = means.shape
    q = group.columns.shape[0]
    few = _as_few(memory, log_weights.shape[0], covariances.shape[0], q, size)
    _write_constants(group, log_weights, n_clusters, nu, covariances, few)
    for k in range(n_clusters):
        if not math.isfinite(few.constant[k] - log_weights[k]):
            return False
    for t in range(group.n_rows):
        for k in range(n_clusters):
            few.joint[k], _ = _joint(group, t, k, means, nu, few)
        _with_noise(group, t, log_weights, n_clusters, few.joint)
        log_densities[t] = _shares(few.joint)
        for k in range(shares.shape[0]):
            shares[k, t] = few.joint[k]
    return True
