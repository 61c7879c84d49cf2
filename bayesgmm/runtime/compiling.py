"""Compile with numba, once on a machine.

numba keeps compiled code beside its source, with three gaps that are closed here. It looks at the
date of that one file only, so a caller would go on with the old code of what it calls: all caches
are discarded when any source that holds compiled code has changed. And processes that compile
at the same time may write each other's code under one name: saving takes a lock. And a function
may call one copy of another when it is compiled and a second one, of other last bits, when it is
loaded, so that the first run on a machine differs from all others: callees are inlined by force.
"""

import hashlib
import logging
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numba import njit
from numba.core import event
from numba.core.caching import FunctionCache

__all__ = ["compiled", "compiled_fast", "one_process_at_a_time"]

logger = logging.getLogger(__name__)

_PACKAGE = Path(__file__).parent
_STAMP = _PACKAGE / "__pycache__" / "compiled-sources.sha256"
_LOCK = Path(tempfile.gettempdir()) / f"bayesgmm-{getattr(os, 'getuid', int)()}.lock"
_WORTH_SAYING = 0.1  # seconds
_COMPILED = re.compile(rb"^@(compiled|intrinsic)|\bcfunc\(", re.MULTILINE)
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "forceinline": True}
_FAST = {"contract", "nnan", "ninf", "nsz", "arcp", "reassoc"}


def compiled(function: Callable[..., Any]) -> Any:
    """Compile exactly: no reordering of sums, infinities and NaN as IEEE has them."""
    return _cached(njit(**_OPTIONS)(function))


def compiled_fast(function: Callable[..., Any]) -> Any:
    """Compile loops over rows into vector code: sums in any order, no infinities, no NaN."""
    return _cached(njit(**_OPTIONS, fastmath=_FAST)(function))


@contextmanager
def one_process_at_a_time() -> Iterator[None]:
    """Hold the machine-wide lock of this user's caches, where the system has such locks."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with open(_LOCK, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class _LockedCache(FunctionCache):
    def save_overload(self, sig: Any, data: Any) -> None:
        with one_process_at_a_time():
            super().save_overload(sig, data)


def _cached(dispatcher: Any) -> Any:
    dispatcher._cache = _LockedCache(dispatcher.py_func)
    return dispatcher


def _sources() -> list[Path]:
    """Return the modules that hold compiled code: it uses nothing of any other module."""
    paths = _PACKAGE.rglob("*.py")
    return sorted(path for path in paths if _COMPILED.search(path.read_bytes()))


def _discard_stale_code() -> None:
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for path in _sources():
        digest.update(path.read_bytes())
    stamp = digest.hexdigest()
    try:
        with one_process_at_a_time():
            if _STAMP.exists() and _STAMP.read_text() == stamp:
                return
            for cached in _PACKAGE.rglob("__pycache__/*.nb[ci]"):
                cached.unlink(missing_ok=True)
            _STAMP.parent.mkdir(exist_ok=True)
            _STAMP.write_text(stamp)
    except OSError:
        logger.debug("the package's folder cannot be written; numba caches elsewhere")


class _Announcer(event.Listener):
    """Say in one line what was compiled and how long it took."""

    def __init__(self) -> None:
        self._depth = 0
        self._started = 0.0

    def on_start(self, event: Any) -> None:
        if self._depth == 0:
            self._started = time.perf_counter()
        self._depth += 1

    def on_end(self, event: Any) -> None:
        self._depth -= 1
        if self._depth == 0:
            name = event.data["dispatcher"].py_func.__name__
            seconds = time.perf_counter() - self._started
            if seconds >= _WORTH_SAYING:
                logger.info("compiled %s in %.1f s, once on this machine", name, seconds)


_discard_stale_code()
event.register("numba:compile", _Announcer())
