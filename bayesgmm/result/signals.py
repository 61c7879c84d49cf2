"""Ctrl-C held back where it would do harm."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["holding_ctrl_c"]


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
