"""What an interruption carries out of a series of runs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import xarray as xr

from bayesgmm.errors import SamplingInterrupted

__all__ = ["carrying"]


@contextmanager
def carrying(finished: Mapping[int, xr.DataTree]) -> Iterator[None]:
    """Let an interruption carry, as ``finished``, the posteriors completed before it, by K.

    Raises
    ------
    SamplingInterrupted
        For Ctrl-C in the block once something is finished; ``partial`` is that of the run itself.
    """
    try:
        yield
    except (KeyboardInterrupt, SamplingInterrupted) as stop:
        if not finished:
            raise
        partial = getattr(stop, "details", {}).get("partial")
        numbers = ", ".join(map(str, finished))
        raise SamplingInterrupted(
            f"interrupted; the posteriors of K = {numbers} were finished before (.finished).",
            partial=partial,
            finished=dict(finished),
        ) from stop
