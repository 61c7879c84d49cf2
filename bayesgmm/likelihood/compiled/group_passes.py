"""Passes over the rows of one group, as its lens shows the components: weights, labels, families.

What a plain pass (`.kernels`) does not know is here: rows that count more or less than once, that
may belong to some clusters only, components with the tails of t, and a noise beside the clusters,
whose density is known of each row. The noise is one more part after the clusters: in the joint
densities, in the masses, in what is written of each row.

Densities of a row are relative to its largest, unless the group has a reference for all of them
(`.relative`): the noise where it is as dense at all rows, or else the height of the highest t.
"""

import math
from typing import NamedTuple

import numpy as np

from bayesgmm.likelihood.compiled.annotations import exclude, invert_weighted
from bayesgmm.likelihood.compiled.block import BLOCK, add_moments, exponentiate, log_joint, padded
from bayesgmm.likelihood.compiled.exponential import HIGHEST
from bayesgmm.likelihood.compiled.memory import part
from bayesgmm.likelihood.compiled.relative import are_alike, relate
from bayesgmm.likelihood.compiled.row_groups import Group
from bayesgmm.likelihood.compiled.tails import add_tails, lift_tails, with_tails
from bayesgmm.likelihood.compiled.vectors import largest_of
from bayesgmm.runtime.compiling import compiled, compiled_fast
from bayesgmm.typing import Array

__all__ = [
    "Lens",
    "group_log_likelihoods",
    "group_responsibilities",
    "observed_by",
    "sum_group",
]


_MARGIN = 100.0  # sums of densities stay below exp(HIGHEST)


class Lens(NamedTuple):
    """Whitened components, of all features or of those that a group observes."""

    whitening: Array
    shift: Array
    constant: Array
    nu: Array  # (cluster,), or (0,) where they are Gaussian
    log_noise: Array  # (1,), the log weight of the noise, or (0,)


class _Scratch(NamedTuple):
    """Where a pass over a block keeps what it finds; a part is a cluster, or the noise."""

    z: Array  # (cluster, feature, BLOCK)
    joint: Array  # (part, BLOCK)
    shrunk: Array  # (cluster or 0, BLOCK)
    log_shrunk: Array  # (cluster or 0, BLOCK)
    lifted: Array  # (cluster or 0,)
    expected: Array  # (cluster or 0,)
    largest: Array  # (BLOCK,)
    total: Array  # (BLOCK,)
    memory: Array  # in which all of them lie


@compiled
def observed_by(group: Group, size: int) -> int:
    """Return how many of so many cells the rows of a group show."""
    return 0 if group.columns.shape[0] > 0 and group.columns[0] < 0.0 else size


@compiled
def _empty_scratch(lens: Lens) -> _Scratch:
    """Allocate what a pass needs, each table of rows at a cache line."""
    n_clusters, size = lens.shift.shape
    n_tails, n_parts = lens.nu.shape[0], n_clusters + lens.log_noise.shape[0]
    joint = n_clusters * size * BLOCK
    shrunk = joint + n_parts * BLOCK
    rows = shrunk + 2 * n_tails * BLOCK
    tails = rows + 2 * BLOCK
    memory = np.empty(tails + 2 * n_tails + 8)
    s = -(memory.ctypes.data // 8) % 8
    return _Scratch(
        part(memory, s, (n_clusters, size, BLOCK)),
        part(memory, s + joint, (n_parts, BLOCK)),
        part(memory, s + shrunk, (n_tails, BLOCK)),
        part(memory, s + shrunk + n_tails * BLOCK, (n_tails, BLOCK)),
        part(memory, s + tails, (n_tails,)),
        part(memory, s + tails + n_tails, (n_tails,)),
        part(memory, s + rows, (BLOCK,)),
        part(memory, s + rows + BLOCK, (BLOCK,)),
        memory,
    )


@compiled
def _lift(group: Group, lens: Lens, scratch: _Scratch) -> float:
    """Write what the rows of a group share; return the log joint density of the highest cluster."""
    n_observed = observed_by(group, lens.shift.shape[1])
    lift_tails(lens.nu, n_observed, lens.constant, scratch.lifted, scratch.expected)
    return largest_of(lens.constant if lens.nu.shape[0] == 0 else scratch.lifted)


@compiled
def _reference(group: Group, i: int, rows: int, lens: Lens, highest: float) -> float:
    """Return what densities of block i may be related to: NaN where each row needs its own."""
    if group.penalties.shape[0] > 0:
        return math.nan
    if lens.log_noise.shape[0] == 0:
        return highest if lens.nu.shape[0] > 0 else math.nan
    noise = lens.log_noise[0] + group.background[i, 0]
    safe = highest - noise < HIGHEST - _MARGIN and are_alike(group.background, i, rows)
    return noise if safe else math.nan


@compiled
def _write_joint(group: Group, i: int, width: int, lens: Lens, scratch: _Scratch) -> None:
    """Write the log joint densities of block i's rows and the clusters."""
    log_joint(
        group.blocks,
        i,
        lens.whitening,
        lens.shift,
        lens.constant,
        width,
        scratch.z,
        scratch.joint,
    )
    with_tails(
        lens.nu,
        observed_by(group, lens.shift.shape[1]),
        lens.constant,
        scratch.lifted,
        width,
        scratch.joint,
        scratch.shrunk,
        scratch.log_shrunk,
    )


@compiled
def _relative_densities(
    group: Group, i: int, rows: int, lens: Lens, highest: float, scratch: _Scratch
) -> None:
    """Write the densities of block i's rows under each part, relative to `scratch.largest`."""
    width, n_clusters = padded(rows), lens.shift.shape[0]
    reference = _reference(group, i, rows, lens, highest)
    _write_joint(group, i, width, lens, scratch)
    if math.isfinite(reference):
        if relate(
            scratch.joint, n_clusters, reference, rows, width, scratch.largest, scratch.total
        ):
            return
        _write_joint(group, i, width, lens, scratch)
    _with_noise(group.background, i, lens.log_noise, width, scratch.joint)
    exclude(group.penalties, i, width, scratch.joint)
    exponentiate(scratch.joint, width, scratch.largest, scratch.total)


@compiled_fast
def _with_noise(background: Array, i: int, log_noise: Array, width: int, joint: Array) -> None:
    """Write the joint density of the noise, the last part."""
    last = joint.shape[0] - 1
    for p in range(log_noise.shape[0]):
        for t in range(width):
            joint[last, t] = log_noise[p] + background[i, t]


@compiled_fast
def _add_noise(joint: Array, inverse: Array, width: int, n_noises: int, mass: Array) -> None:
    """Add what the noise, the last part, has of the rows to its mass."""
    last = joint.shape[0] - 1
    for _ in range(n_noises):
        total = 0.0
        for t in range(width):
            total += joint[last, t] * inverse[t]
        mass[last] += total


@compiled
def sum_group(
    group: Group,
    lens: Lens,
    mass: Array,
    first: Array,
    second: Array,
    scaled: Array,
    logs: Array,
) -> float:
    """Add the rows of a group to the sums, in the coordinates of the lens.

    Parameters
    ----------
    group : Group
    lens : Lens
    mass : array of shape (part,), written
        Sums of the responsibilities, rows counted by their weights.
    first, second : arrays, written
        As in `.kernels`; of components with tails each row enters E u times.
    scaled, logs : arrays of shape (cluster,) or (0,), written
        Sums of E u and E log u; of no size where components are Gaussian.

    Returns
    -------
    float
        The log likelihood of the rows, nats.
    """
    scratch, log_likelihood = _empty_scratch(lens), 0.0
    block_rows, n_noises = group.blocks.shape[2], lens.log_noise.shape[0]
    highest = _lift(group, lens, scratch)
    for i in range(group.blocks.shape[0]):
        rows = min(block_rows, group.n_rows - i * block_rows)
        width = padded(rows)
        _relative_densities(group, i, rows, lens, highest, scratch)
        log_likelihood += invert_weighted(
            group.weights,
            i,
            width,
            rows,
            scratch.largest,
            scratch.total,
        )
        _add_noise(scratch.joint, scratch.total, width, n_noises, mass)
        add_tails(
            scratch.expected,
            scratch.total,
            width,
            scratch.joint,
            scratch.shrunk,
            scratch.log_shrunk,
            mass,
            logs,
        )
        entered = mass if lens.nu.shape[0] == 0 else scaled
        add_moments(
            scratch.joint,
            scratch.total,
            scratch.z,
            width,
            scratch.largest,
            entered,
            first,
            second,
        )
    return log_likelihood


@compiled
def group_log_likelihoods(group: Group, lens: Lens, out: Array) -> None:
    """Write log p(x_i) of each row of a group, out (obs,), nats in fitting coordinates."""
    scratch, block_rows = _empty_scratch(lens), group.blocks.shape[2]
    highest = _lift(group, lens, scratch)
    for i in range(group.blocks.shape[0]):
        start = i * block_rows
        rows = min(block_rows, group.n_rows - start)
        _relative_densities(group, i, rows, lens, highest, scratch)
        for t in range(rows):
            out[start + t] = scratch.largest[t] + math.log(scratch.total[t])


@compiled
def group_responsibilities(group: Group, lens: Lens, out: Array) -> None:
    """Write P(part | x_i) of each row of a group, out (part, obs)."""
    scratch, block_rows = _empty_scratch(lens), group.blocks.shape[2]
    highest = _lift(group, lens, scratch)
    for i in range(group.blocks.shape[0]):
        start = i * block_rows
        rows = min(block_rows, group.n_rows - start)
        _relative_densities(group, i, rows, lens, highest, scratch)
        for k in range(scratch.joint.shape[0]):
            for t in range(rows):
                out[k, start + t] = scratch.joint[k, t] / scratch.total[t]
