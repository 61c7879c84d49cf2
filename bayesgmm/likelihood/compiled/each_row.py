"""What each row is under a mixture: its log density, and what each cluster has of it.

Rows with annotations are met in groups, as in `.grouped`; groups of few rows one after the other.
"""

import math

import numpy as np

from bayesgmm.likelihood.compiled.few_rows import are_few, densities_of_few
from bayesgmm.likelihood.compiled.grouped import (
    Components,
    Lens,
    covariances_and_memory,
    empty_memory,
    next_group,
)
from bayesgmm.likelihood.compiled.kernels import row_log_likelihoods, row_responsibilities
from bayesgmm.likelihood.compiled.row_groups import plain_group, read_group
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
            *few,
            log_densities[n_rows:],
            shares[:, n_rows:],
        ):
            return -1, end
        n_rows += group.n_rows
        o += int(annotated[o])
    return n_rows, o


@compiled
def grouped_log_likelihoods(
    blocks: Array, n_rows: int, annotated: Array | None, components: Components, out: Array
) -> None:
    """Write log p(x_i) of each row, out (obs,), the plain ones first; NaN from a singular one on.

    Each row is counted once, whatever its weight. Arguments as in `sum_grouped`; `annotated` is
    None where there are plain rows only.
    """
    lens = Lens(components.whitening, components.shift, components.constant)
    if annotated is None:
        row_log_likelihoods(blocks, lens.whitening, lens.shift, lens.constant, out)
    else:
        memory, group = empty_memory(components), plain_group(blocks, n_rows)
        few, shares = covariances_and_memory(components), np.empty((0, out.shape[0]))
        o, place = 0, 0
        while True:
            row_log_likelihoods(
                group.blocks,
                lens.whitening,
                lens.shift,
                lens.constant,
                out[place : place + group.n_rows],
                group.penalties,
            )
            place += group.n_rows
            done, o = _densities_of_few(
                annotated, o, components, few, out[place:], shares[:, place:]
            )
            regular = done >= 0
            if regular:
                place += done
                if o >= annotated.shape[0]:
                    return
                group, lens, regular = next_group(annotated, o, components, memory)
                o += int(annotated[o])
            if not regular:
                out[place:] = math.nan
                return


@compiled
def grouped_responsibilities(
    blocks: Array, n_rows: int, annotated: Array | None, components: Components, out: Array
) -> None:
    """Write P(cluster | x_i) of each row, out (cluster, obs), in the same order."""
    lens = Lens(components.whitening, components.shift, components.constant)
    if annotated is None:
        row_responsibilities(blocks, lens.whitening, lens.shift, lens.constant, out)
    else:
        memory, group = empty_memory(components), plain_group(blocks, n_rows)
        few, totals = covariances_and_memory(components), np.empty(out.shape[1])
        o, place = 0, 0
        while True:
            row_responsibilities(
                group.blocks,
                lens.whitening,
                lens.shift,
                lens.constant,
                out[:, place : place + group.n_rows],
                group.penalties,
            )
            place += group.n_rows
            done, o = _densities_of_few(
                annotated, o, components, few, totals[place:], out[:, place:]
            )
            regular = done >= 0
            if regular:
                place += done
                if o >= annotated.shape[0]:
                    return
                group, lens, regular = next_group(annotated, o, components, memory)
                o += int(annotated[o])
            if not regular:
                out[:, place:] = math.nan
                return
