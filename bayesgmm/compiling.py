"""Compile with numba, once on a machine.

numba keeps compiled code beside its source and looks at that one file's date only: a caller would
go on with the old code of what it calls. Here the caches of the whole package are discarded when
any of its sources has changed.
"""

import hashlib
import logging
import time
from pathlib import Path
from typing import Any

from numba import njit
from numba.core import event

__all__ = ["compiled", "compiled_fast"]

logger = logging.getLogger(__name__)

_PACKAGE = Path(__file__).parent
_STAMP = _PACKAGE / "__pycache__" / "compiled-sources.sha256"

compiled = njit(cache=True, nogil=True, error_model="numpy")
"""Compile exactly: no reordering of sums, infinities and NaN as IEEE has them."""

compiled_fast = njit(
    cache=True,
    nogil=True,
    error_model="numpy",
    fastmath={"contract", "nnan", "ninf", "nsz", "arcp", "reassoc"},
)
"""Compile loops over rows into vector code: sums in any order, no infinities and no NaN."""


def _discard_stale_code() -> None:
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        digest.update(path.read_bytes())
    stamp = digest.hexdigest()
    try:
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
            logger.info("compiled %s in %.1f s, once on this machine", name, seconds)


_discard_stale_code()
event.register("numba:compile", _Announcer())
