"""What each row is under a mixture: its log density, and what each cluster has of it.

Rows with annotations are met in groups, as in `.grouped`; groups of few rows one after the other.
"""

import math

import numpy as np

from bayesgmm.likelihood.compiled.few_rows import are_few, densities_of_few
from bayesgmm.likelihood.compiled.group_passes import (
    Lens,
    group_log_likelihoods,
    group_responsibilities,
)
from bayesgmm.likelihood.compiled.grouped import (
    Components,
    covariances_and_memory,
    empty_memory,
    lens_of,
    next_group,
)
from bayesgmm.likelihood.compiled.kernels import row_log_likelihoods, row_responsibilities
from bayesgmm.likelihood.compiled.row_groups import Group, plain_group, read_group
from bayesgmm.runtime.compiling import compiled
from bayesgmm.typing import Array

__all__ = ["grouped_log_likelihoods", "grouped_responsibilities"]


@compiled
def _densities_of_few(
    annotated: Array,
    o: int,
    components: Components,
    few: tuple[Array, Array],
    log_densities: Array,
    shares: Array,
) -> tuple[int, int]:
    """Write what the groups of few rows from place o on are; return how many rows, and their end.

    The number is negative where a component is singular.
    """
    n_rows, end = 0, annotated.shape[0]
    while o < end:
        group = read_group(annotated, o, components.constant.shape[0])
        if not are_few(group):
            break
        if not densities_of_few(
            group,
            components.log_weights,
            components.means,
            components.nu,
            *few,
            log_densities[n_rows:],
            shares[:, n_rows:],
        ):
            return -1, end
        n_rows += group.n_rows
        o += int(annotated[o])
    return n_rows, o


@compiled
def _write_group(group: Group, lens: Lens, log_densities: Array, shares: Array | None) -> None:
    """Write the shares of a group's rows where they are asked for, else their log densities."""
    if shares is None:
        group_log_likelihoods(group, lens, log_densities)
    else:
        group_responsibilities(group, lens, shares)


@compiled
def _write_rows(
    blocks: Array,
    n_rows: int,
    annotated: Array,
    components: Components,
    log_densities: Array,
    shares: Array | None,
) -> None:
    """Write log p(x_i) of each row, and P(part | x_i) where asked; NaN from a singular one on.

    With shares, of the log densities those of groups of few rows alone are written.
    """
    few_shares = np.empty((0, log_densities.shape[0])) if shares is None else shares
    lens = lens_of(components)
    memory, group = empty_memory(components), plain_group(blocks, n_rows)
    few, o, place, regular = covariances_and_memory(components), 0, 0, True
    while regular:
        end = place + group.n_rows
        _write_group(
            group,
            lens,
            log_densities[place:end],
            None if shares is None else shares[:, place:end],
        )
        done, o = _densities_of_few(
            annotated, o, components, few, log_densities[end:], few_shares[:, end:]
        )
        place, regular = end + max(done, 0), done >= 0
        if regular and o >= annotated.shape[0]:
            return
        if regular:
            group, lens, regular = next_group(annotated, o, components, memory)
            o += int(annotated[o])
    log_densities[place:], few_shares[:, place:] = math.nan, math.nan


@compiled
def grouped_log_likelihoods(
    blocks: Array, n_rows: int, annotated: Array | None, components: Components, out: Array
) -> None:
    """Write log p(x_i) of each row, out (obs,), the plain ones first; NaN from a singular one on.

    Each row is counted once, whatever its weight. Arguments as in `sum_grouped`; `annotated` is
    None where there are plain rows only.
    """
    if annotated is None:
        row_log_likelihoods(
            blocks, components.whitening, components.shift, components.constant, out
        )
    else:
        _write_rows(blocks, n_rows, annotated, components, out, None)


@compiled
def grouped_responsibilities(
    blocks: Array, n_rows: int, annotated: Array | None, components: Components, out: Array
) -> None:
    """Write P(part | x_i) of each row, out (part, obs), in the same order."""
    if annotated is None:
        row_responsibilities(
            blocks, components.whitening, components.shift, components.constant, out
        )
    else:
        _write_rows(blocks, n_rows, annotated, components, np.empty(out.shape[1]), out)
