"""Ctrl-C: held back where it would do harm, and what it carries out of a series of runs."""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bayesgmm.errors import SamplingInterrupted

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["carrying", "holding_ctrl_c"]


@contextmanager
def holding_ctrl_c() -> Iterator[None]:
    """Let Ctrl-C wait for the end of the block; a second one does not wait.

    While xarray takes one of its locks around a file, an exception leaves the lock shut: closing
    that file, or opening the next, then waits for ever.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    pressed: list[int] = []

    def hold(number: int, frame: Any) -> None:
        pressed.append(number)
        if len(pressed) > 1:
            before(number, frame)

    signal.signal(signal.SIGINT, hold)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        before(pressed[0], None)


@contextmanager
def carrying(
    finished: Mapping[Any, "xr.DataTree"], number_of: Callable[[Any], str]
) -> Iterator[None]:
    """Let an interruption carry, as ``finished``, the posteriors completed before it, by model.

    `number_of` says what stands after "K = " for each.

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
        numbers = ", ".join(map(number_of, finished))
        raise SamplingInterrupted(
            f"interrupted; the posteriors of K = {numbers} were finished before (.finished).",
            partial=partial,
            finished=finished,
        ) from stop
