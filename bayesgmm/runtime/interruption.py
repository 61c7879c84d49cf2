"""Ctrl-C and its like: told apart, held back where harmful, and what they carry out of runs."""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bayesgmm.errors import SamplingInterrupted

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["STOPS", "carrying", "heeded_stops", "holding_ctrl_c"]

# Ctrl-C, a request to end, and a terminal that is gone; the last is no signal of Windows.
STOPS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


@contextmanager
def heeded_stops(note: Callable[[int], None]) -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise KeyboardInterrupt in the block, as Ctrl-C does.

    Each is noted by its number first. A signal that was ignored, as nohup does, or that has a
    handler of another's, stays so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: Any) -> None:
        note(number)
        raise KeyboardInterrupt

    before = {
        each: signal.getsignal(each)
        for each in STOPS
        if each == signal.SIGINT or signal.getsignal(each) in (signal.SIG_DFL, *_OURS)
    }
    _OURS.append(stop)
    try:
        with _in_place(stop, before):
            yield
    finally:
        _OURS.remove(stop)


_OURS: list[Any] = []  # handlers that are in place, the innermost last


@contextmanager
def _in_place(handler: Callable[[int, Any], None], before: Mapping[int, Any]) -> Iterator[None]:
    """Let a handler take the signals of others, which come back at the end."""
    for each in before:
        signal.signal(each, handler)
    try:
        yield
    finally:
        for each, other in before.items():
            signal.signal(each, other)


@contextmanager
def holding_ctrl_c() -> Iterator[None]:
    """Let Ctrl-C and its like wait for the end of the block; a second one does not wait.

    While xarray takes one of its locks around a file, an exception leaves the lock shut: closing
    that file, or opening the next, then waits for ever.
    """
    handlers = {each: signal.getsignal(each) for each in STOPS}
    before = {each: handler for each, handler in handlers.items() if callable(handler)}
    if threading.current_thread() is not threading.main_thread() or not before:
        yield
        return
    pressed: list[int] = []

    def hold(number: int, frame: Any) -> None:
        pressed.append(number)
        if len(pressed) > 1:
            before[number](number, frame)

    with _in_place(hold, before):
        yield
    if pressed:
        before[pressed[0]](pressed[0], None)


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
