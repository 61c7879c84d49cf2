"""Blocks of rows and of draws that fit in memory, whatever the machine."""

from collections import deque
from collections.abc import Callable, Iterator

from bayesgmm.likelihood.rows import whole_blocks
from bayesgmm.runtime.parallel import available_cores, in_threads

__all__ = ["over_row_blocks", "sample_blocks"]

BLOCK_BYTES = 2**26
MOST_THREADS = 8  # each holds a block: memory does not grow with the machine


def over_row_blocks(n_rows: int, n_values: int, task: Callable[[slice], None]) -> None:
    """Run a task for each block of rows, blocks shared out among threads.

    The blocks do not depend on the number of threads, and so many values a row fill 64 MiB.
    """
    size = whole_blocks(max(BLOCK_BYTES // (8 * n_values), 1))
    blocks = (slice(start, min(start + size, n_rows)) for start in range(0, n_rows, size))
    deque(in_threads(task, blocks, cores=min(available_cores(), MOST_THREADS)), maxlen=0)


def sample_blocks(n_samples: int, n_values: int) -> Iterator[slice]:
    """Yield blocks of draws for which so many values a draw fill at most 64 MiB."""
    size = max(BLOCK_BYTES // (8 * n_values), 1)
    return (slice(start, start + size) for start in range(0, n_samples, size))
