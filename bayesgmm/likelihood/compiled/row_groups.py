"""How groups of rows with missing cells, errors, weights or labels lie in memory.

They lie one behind the other in one flat array of float64. A group is nine numbers (its size in
numbers, rows, columns, width of a block, blocks, whether it is whole, weighted, labelled, has a
background), its columns, the added variances, and then blocks, weights, penalties and backgrounds,
each in whole cache lines. A row of which no cell is observed has the one column -1, which is white
noise to every component.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bayesgmm.likelihood.compiled.annotations import EXCLUDED
from bayesgmm.likelihood.compiled.block import BLOCK, padded
from bayesgmm.likelihood.compiled.memory import part
from bayesgmm.runtime.compiling import compiled
from bayesgmm.typing import Array, BoolArray, IntArray

__all__ = ["Group", "Part", "flatten_parts", "plain_group", "read_group"]

_HEADER = 16
_LINE = 8  # numbers in a cache line


class Part(NamedTuple):
    """A group of rows to be laid out, fitting coordinates."""

    columns: IntArray  # (observed,), ascending
    variances: Array  # (observed,)
    values: Array  # (obs, observed)
    whole: bool  # every cell is observed, and no variance added
    weights: Array | None  # (obs,)
    allowed: BoolArray | None  # (obs, cluster)
    background: Array | None = None  # (obs,): log density of each row under the noise, nats


class Group(NamedTuple):
    """A group as it lies in memory."""

    n_rows: int
    whole: bool
    columns: Array  # (observed,)
    variances: Array  # (observed,)
    blocks: Array  # (blocks, observed, width)
    weights: Array  # (blocks or 0, width)
    penalties: Array  # (blocks or 0, cluster, width)
    background: Array  # (blocks or 0, width)


def flatten_parts(parts: Sequence[Part]) -> Array:
    """Lay groups, of which there is one at least, out one behind the other: shape (size,)."""
    return np.concatenate([_flattened(part) for part in parts])


def _flattened(part: Part) -> Array:
    n_rows, n_columns = part.values.shape
    width = BLOCK if n_rows > BLOCK else int(padded(n_rows))
    n_blocks = -(-n_rows // width)
    values, columns, variances = part.values, part.columns, part.variances
    if n_columns == 0:
        values, columns, variances = np.zeros((n_rows, 1)), np.array([-1]), np.zeros(1)
    tables = [values]
    if part.weights is not None:
        tables.append(part.weights[:, None])
    if part.allowed is not None:
        tables.append(np.where(part.allowed, 0.0, EXCLUDED))
    if part.background is not None:
        tables.append(np.maximum(part.background, EXCLUDED)[:, None])
    annotated = [a is not None for a in (part.weights, part.allowed, part.background)]
    o, q = _HEADER, len(columns)
    blocks = o + -(-2 * q // _LINE) * _LINE
    size = blocks + n_blocks * width * sum(table.shape[1] for table in tables)
    out = np.zeros(size)
    out[:9] = size, n_rows, q, width, n_blocks, part.whole, *annotated
    out[o : o + q], out[o + q : o + 2 * q] = columns, variances
    o = blocks
    for table in tables:
        end = o + n_blocks * width * table.shape[1]
        _write_in_blocks(table, out[o:end].reshape(n_blocks, table.shape[1], width))
        o = end
    return out


def _write_in_blocks(table: Array, out: Array) -> None:
    """Write a table (obs, column) into blocks (block, column, row); what is left of them stays."""
    width = out.shape[2]
    n_full, rest = divmod(len(table), width)
    full = table[: n_full * width].reshape(n_full, width, table.shape[1])
    out[:n_full] = full.transpose(0, 2, 1)
    if rest:
        out[n_full, :, :rest] = table[n_full * width :].T


@compiled
def read_group(memory: Array, o: int, n_clusters: int) -> Group:
    """View the group that begins at `memory[o]`, which must outlive the view."""
    n_rows, n_columns, width = int(memory[o + 1]), int(memory[o + 2]), int(memory[o + 3])
    n_blocks = int(memory[o + 4])
    n_weights = n_blocks if memory[o + 6] > 0.0 else 0
    n_penalties = n_blocks if memory[o + 7] > 0.0 else 0
    n_backgrounds = n_blocks if memory[o + 8] > 0.0 else 0
    columns = o + _HEADER
    blocks = columns + (2 * n_columns + _LINE - 1) // _LINE * _LINE
    weights = blocks + n_blocks * n_columns * width
    penalties = weights + n_weights * width
    background = penalties + n_penalties * n_clusters * width
    return Group(
        n_rows,
        memory[o + 5] > 0.0,
        part(memory, columns, (n_columns,)),
        part(memory, columns + n_columns, (n_columns,)),
        part(memory, blocks, (n_blocks, n_columns, width)),
        part(memory, weights, (n_weights, width)),
        part(memory, penalties, (n_penalties, n_clusters, width)),
        part(memory, background, (n_backgrounds, width)),
    )


@compiled
def plain_group(blocks: Array, n_rows: int) -> Group:
    """View complete rows without annotations as a group."""
    nothing = part(blocks, 0, (0,))
    weights, penalties = part(blocks, 0, (0, BLOCK)), part(blocks, 0, (0, 1, BLOCK))
    return Group(n_rows, True, nothing, nothing, blocks, weights, penalties, weights)
