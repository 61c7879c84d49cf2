"""Standard streams that are closed, full, cut off, or know ASCII only."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import Any, TextIO

from bayesgmm.errors import ResultFileError

__all__ = ["checked_stdout", "hold_descriptors", "quiet_stderr"]


def hold_descriptors() -> None:
    """Open the null device where a standard descriptor is closed.

    The next file opened would else get its number, and all that is printed.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


@contextmanager
def checked_stdout() -> Iterator[None]:
    """Let all that keeps stdout from taking what is printed be one error of ours.

    Signs that it does not know are printed as escapes.

    Raises
    ------
    ResultFileError
        In the block or at its end, when stdout is closed or takes no more.
    """
    stream = _Stream(sys.stdout, _refuse)
    with redirect_stdout(stream):
        if stream.stream is None:
            _refuse(ValueError())
        yield
        stream.flush()
        if stream.lost is not None:  # somebody has taken the error for none of his
            _refuse(stream.lost)


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Leave out what stderr does not take."""
    with redirect_stderr(_Stream(sys.stderr, lambda _: None)):
        yield


class _Stream:
    """A stream whose faults go to a function, once; all else is the stream's own."""

    def __init__(self, stream: TextIO | None, fault: Callable[[Exception], None]) -> None:
        self.stream = stream
        self.lost: Exception | None = None
        self._fault = fault
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")

    def write(self, text: str) -> int:
        self._do("write", text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        self._do("flush")

    def isatty(self) -> bool:
        return self.stream is not None and self.stream.isatty()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def _do(self, what: str, *given: str) -> None:
        if self.stream is None:
            return
        try:
            getattr(self.stream, what)(*given)
        except (OSError, ValueError) as error:  # ValueError: it was closed
            self._let_go()
            self.lost = error
            self._fault(error)

    def _let_go(self) -> None:
        """Send what is left to the null device, where Python's own end cannot fail on it."""
        stream, self.stream = self.stream, None
        with suppress(OSError, ValueError, AttributeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # type: ignore[union-attr]


def _refuse(error: Exception) -> None:
    reason = getattr(error, "strerror", None) or "it is closed"
    raise ResultFileError(
        f"cannot print to standard output: {reason}. Files that the command had written before are "
        "complete; redirect the output, to a file or to /dev/null.",
        path="-",
    ) from None
