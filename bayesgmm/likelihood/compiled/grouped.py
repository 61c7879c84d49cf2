"""Passes over rows of which some have missing cells, errors of their own, weights or labels.

Complete rows without annotations come first, in blocks. The others are in groups of rows that share
what is observed (cells o) and their added variances V (`.row_groups`). Such rows see
S_o = Sigma_oo + V = L_o L_o' of a component, and run through the same kernels, whitened by
A_o = L_o^-1. With Sigma = L L', the complete row behind one of them is z = L^-1 (x - mu), and given
the observed cells, whitened to z_o,

    E z = W z_o,    Cov z = I - W W',    W' = A_o L_o.    (L_o. being the rows o of L),

so a group adds W first_o and W (second_o - mass I) W' + mass I to the sums. By Fisher's identity
the gradient of the observed log likelihood follows from these completed sums as it does from those
of complete rows, and so does the M-step.

References
----------
Ghahramani and Jordan (1994), Advances in Neural Information Processing Systems 6:120.
Bovy, Hogg and Roweis (2011), Annals of Applied Statistics 5:1657 (errors of single rows).
"""

import math
from typing import NamedTuple

import numpy as np

from bayesgmm.likelihood.compiled.few_rows import (
    are_few,
    few_memory_size,
    sum_few,
)
from bayesgmm.likelihood.compiled.group_passes import Lens, sum_group
from bayesgmm.likelihood.compiled.memory import part
from bayesgmm.likelihood.compiled.row_groups import Group, plain_group, read_group
from bayesgmm.likelihood.compiled.vectors import copy_into
from bayesgmm.likelihood.compiled.whitening import cholesky, set_of, squared, whiten
from bayesgmm.runtime.compiling import compiled
from bayesgmm.typing import Array

__all__ = [
    "Components",
    "as_seen",
    "covariances_and_memory",
    "empty_memory",
    "lens_of",
    "look_back",
    "next_group",
    "sum_grouped",
]


class Components(NamedTuple):
    """The components of a mixture, fitting coordinates; see `.kernels` and `.whitening`."""

    log_weights: Array  # (part,): of the clusters, then of the noise if there is one
    means: Array  # (cluster, feature)
    factors: Array  # (cluster or 1, feature, feature)
    whitening: Array  # (cluster, feature, feature)
    shift: Array  # (cluster, feature)
    constant: Array  # (cluster,)
    nu: Array  # (cluster,), degrees of freedom, or (0,) where components are Gaussian


class _Seen(NamedTuple):
    """The components as a group sees them, its sums, and the way back to complete rows."""

    whitening: Array  # (cluster, observed, observed)
    shift: Array  # (cluster, observed)
    constant: Array  # (cluster,)
    mass: Array  # (part,)
    first: Array  # (cluster, observed)
    second: Array  # (cluster, observed, observed)
    means: Array  # (cluster, observed)
    factors: Array  # (cluster or 1, observed, observed)
    back: Array  # (cluster or 1, observed, feature): W'
    product: Array  # (observed, feature), scratch
    memory: Array  # in which all of them lie


@compiled
def empty_memory(components: Components) -> Array:
    """Allocate what `as_seen` divides up."""
    n_clusters, size = components.means.shape
    n_factors, n_parts = components.factors.shape[0], components.log_weights.shape[0]
    squares = 2 * n_clusters + 2 * n_factors + 1
    return np.empty(squares * size * size + 3 * n_clusters * size + n_clusters + n_parts)


@compiled
def as_seen(memory: Array, components: Components, n_columns: int) -> _Seen:
    """View the memory, which must outlive the view, as a group of so many columns needs it."""
    n_clusters, size = components.means.shape
    n_factors, n_parts = components.factors.shape[0], components.log_weights.shape[0]
    q = n_columns
    vector, square = n_clusters * q, n_clusters * q * q
    vectors = n_clusters + n_parts
    squares = vectors + 3 * vector
    factors = squares + 2 * square
    back = factors + n_factors * q * q
    return _Seen(
        part(memory, squares, (n_clusters, q, q)),
        part(memory, vectors, (n_clusters, q)),
        part(memory, 0, (n_clusters,)),
        part(memory, n_clusters, (n_parts,)),
        part(memory, vectors + vector, (n_clusters, q)),
        part(memory, squares + square, (n_clusters, q, q)),
        part(memory, vectors + 2 * vector, (n_clusters, q)),
        part(memory, factors, (n_factors, q, q)),
        part(memory, back, (n_factors, q, size)),
        part(memory, back + n_factors * q * size, (q, size)),
        memory,
    )


@compiled
def _observe(group: Group, components: Components, seen: _Seen) -> bool:
    """Whiten the components as the group sees them; False where one is singular."""
    n_clusters, q = seen.shift.shape
    if group.columns[0] < 0.0:
        seen.whitening[:], seen.shift[:], seen.back[:] = 0.0, 0.0, 0.0
        copy_into(seen.constant, components.log_weights)
        return True
    for g in range(seen.factors.shape[0]):
        for i in range(q):
            row = int(group.columns[i])
            for j in range(i + 1):
                other = int(group.columns[j])
                s = 0.0
                for m in range(other + 1):
                    s += components.factors[g, row, m] * components.factors[g, other, m]
                seen.factors[g, i, j] = s
            seen.factors[g, i, i] += group.variances[i]
        if not cholesky(seen.factors[g], seen.factors[g]):
            return False
    for k in range(n_clusters):
        for i in range(q):
            seen.means[k, i] = components.means[k, int(group.columns[i])]
    return whiten(
        components.log_weights,
        seen.means,
        seen.factors,
        seen.whitening,
        seen.shift,
        seen.constant,
    )


@compiled
def lens_of(components: Components) -> Lens:
    """Return the components as rows see them of which everything is observed, without error."""
    return Lens(
        components.whitening,
        components.shift,
        components.constant,
        components.nu,
        components.log_weights[components.shift.shape[0] :],
    )


@compiled
def _through(group: Group, components: Components, memory: Array) -> tuple[Lens, bool]:
    """Return the components as the group sees them, and whether none is singular."""
    if group.whole:
        return lens_of(components), True
    seen = as_seen(memory, components, group.columns.shape[0])
    regular = _observe(group, components, seen)
    log_noise = components.log_weights[components.shift.shape[0] :]
    return Lens(seen.whitening, seen.shift, seen.constant, components.nu, log_noise), regular


@compiled
def look_back(group: Group, components: Components, seen: _Seen) -> None:
    """Write W', the way back from what the group sees to complete rows."""
    for g in range(seen.back.shape[0]):
        for i in range(seen.back.shape[1]):
            seen.back[g, i] = 0.0
            for m in range(i + 1 if group.columns[0] >= 0.0 else 0):
                row, a = int(group.columns[m]), seen.whitening[g, i, m]
                for d in range(row + 1):
                    seen.back[g, i, d] += a * components.factors[g, row, d]


@compiled
def _add_completed(
    group: Group,
    components: Components,
    memory: Array,
    mass: Array,
    first: Array,
    second: Array,
) -> None:
    """Add the sums of a group's completed rows to those of all rows."""
    n_clusters, size = first.shape
    q = group.columns.shape[0]
    seen = as_seen(memory, components, q)
    look_back(group, components, seen)
    for k in range(n_clusters, mass.shape[0]):
        mass[k] += seen.mass[k]
    for k in range(n_clusters):
        g = set_of(k, seen.back)
        mass[k] += seen.mass[k]
        for i in range(q):
            seen.product[i] = 0.0
            for d in range(size):
                first[k, d] += seen.back[g, i, d] * seen.first[k, i]
            for m in range(q):
                s = seen.second[k, max(i, m), min(i, m)] - (seen.mass[k] if i == m else 0.0)
                for d in range(size):
                    seen.product[i, d] += s * seen.back[g, m, d]
        for d in range(size):
            for i in range(q):
                s = seen.back[g, i, d]
                for e in range(d + 1):
                    second[k, d, e] += s * seen.product[i, e]
            second[k, d, d] += seen.mass[k]


@compiled
def covariances_and_memory(components: Components) -> tuple[Array, Array]:
    """Return L L' of the components' factors, and memory for groups of few rows."""
    n_factors, size = components.factors.shape[:2]
    covariances = np.empty((n_factors, size, size))
    for g in range(n_factors):
        squared(components.factors[g], covariances[g])
    n_parts = len(components.log_weights)
    return covariances, np.empty(few_memory_size(n_parts, n_factors, size))


@compiled
def _sum_those_of_few(
    annotated: Array,
    o: int,
    components: Components,
    few: tuple[Array, Array],
    mass: Array,
    first: Array,
    second: Array,
    scaled: Array,
    logs: Array,
) -> tuple[float, int]:
    """Add the groups of few rows from place o on; return their log likelihood, and where they end.

    The log likelihood is -inf, and the end that of all groups, where a component is singular.
    """
    log_likelihood, end = 0.0, annotated.shape[0]
    while o < end:
        group = read_group(annotated, o, components.constant.shape[0])
        if not are_few(group):
            break
        log_likelihood += sum_few(
            group,
            components.log_weights,
            components.means,
            components.factors,
            components.nu,
            *few,
            mass,
            first,
            second,
            scaled,
            logs,
        )
        o += int(annotated[o])
    if math.isfinite(log_likelihood):
        return log_likelihood, o
    return -math.inf, end


@compiled
def next_group(
    annotated: Array, o: int, components: Components, memory: Array
) -> tuple[Group, Lens, bool]:
    """Return the group at place o, the components as it sees them, and whether none is singular."""
    group = read_group(annotated, o, components.constant.shape[0])
    lens, regular = _through(group, components, memory)
    return group, lens, regular


@compiled
def sum_grouped(
    blocks: Array,
    n_rows: int,
    annotated: Array,
    components: Components,
    mass: Array,
    first: Array,
    second: Array,
    scaled: Array,
    logs: Array,
) -> float:
    """Add all rows, completed, to the sums and return their log likelihood, nats.

    Parameters
    ----------
    blocks : array of shape (blocks, feature, BLOCK)
        Complete rows without annotations, `bayesgmm.likelihood.compiled.kernels.blocked`.
    n_rows : int
        Their number.
    annotated : array of shape (size,)
        The other rows, `flatten_parts`.
    components : Components
    mass, first, second, scaled, logs : arrays, written
        As in `bayesgmm.likelihood.compiled.group_passes.sum_group`.
    """
    lens, log_likelihood, o = lens_of(components), 0.0, 0
    if n_rows > 0:
        group = plain_group(blocks, n_rows)
        log_likelihood = sum_group(group, lens, mass, first, second, scaled, logs)
    while o < annotated.shape[0]:
        group = read_group(annotated, o, components.constant.shape[0])
        if not group.whole:
            further = _sum_incomplete(annotated, o, components, mass, first, second, scaled, logs)
            return log_likelihood + further
        log_likelihood += sum_group(group, lens, mass, first, second, scaled, logs)
        o += int(annotated[o])
    return log_likelihood


@compiled
def _sum_incomplete(
    annotated: Array,
    o: int,
    components: Components,
    mass: Array,
    first: Array,
    second: Array,
    scaled: Array,
    logs: Array,
) -> float:
    """Add the groups from place o on, which need memory of their own; return their log likelihood.

    It is -inf where a component is singular.
    """
    memory, few = empty_memory(components), covariances_and_memory(components)
    log_likelihood = 0.0
    while True:
        value, o = _sum_those_of_few(
            annotated, o, components, few, mass, first, second, scaled, logs
        )
        log_likelihood += value
        if o >= annotated.shape[0]:
            return log_likelihood
        group, lens, regular = next_group(annotated, o, components, memory)
        o += int(annotated[o])
        if not regular:
            return -math.inf
        if group.whole:
            log_likelihood += sum_group(group, lens, mass, first, second, scaled, logs)
            continue
        seen = as_seen(memory, components, group.columns.shape[0])
        seen.mass[:], seen.first[:], seen.second[:] = 0.0, 0.0, 0.0
        log_likelihood += sum_group(group, lens, seen.mass, seen.first, seen.second, scaled, logs)
        _add_completed(group, components, memory, mass, first, second)
