"""Compile with numba, once on a machine.

What Python calls is compiled with all that it calls; see `programs`. With NUMBA_DISABLE_JIT=1 all
functions are left to Python.
"""

import logging
import time
from collections.abc import Callable
from typing import Any, cast

from numba.core import config, event
from numba.core.ccallback import CFunc

from bayesgmm.runtime.code_cache import keep_code
from bayesgmm.runtime.programs import Program, ProgramCompiler

__all__ = ["INTERPRETED", "c_function", "compiled", "compiled_fast", "compiled_rounding"]

logger = logging.getLogger(__name__)

INTERPRETED = bool(config.DISABLE_JIT)
_PACKAGE = __name__.partition(".")[0] + "."
_WORTH_SAYING = 0.1  # seconds
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
_ROUNDING = {"contract", "nnan", "ninf"}
_FAST = {*_ROUNDING, "nsz", "arcp", "reassoc"}


def compiled[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Compile exactly: no reordering of sums, infinities and NaN as IEEE has them."""
    return _cached(function, _OPTIONS)


def compiled_rounding[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Compile without reordering, for finite numbers: products may be fused with sums."""
    return _cached(function, {"fastmath": _ROUNDING})


def compiled_fast[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Compile loops over rows into vector code: sums in any order, no infinities, no NaN.

    They are hot: their callers take them in.
    """
    return _cached(function, {**_OPTIONS, "forceinline": True, "fastmath": _FAST})


def c_function(signature: Any, function: Callable[..., Any]) -> Any:
    """Compile a function that C code calls, or load it."""
    arguments = (signature.args, signature.return_type)
    made: Any = CFunc(function, arguments, locals={}, options={}, pipeline_class=ProgramCompiler)
    keep_code(made, function)
    made.compile()
    return made


def _cached[**P, R](function: Callable[P, R], options: dict[str, Any]) -> Callable[P, R]:
    if INTERPRETED:
        return function
    program = Program(function, options)
    keep_code(program, function)
    return cast(Callable[P, R], program)


class _Announcer(event.Listener):
    """Say in one line what of this package was compiled and how long it took."""

    def __init__(self) -> None:
        self._depth = 0
        self._started = 0.0

    def on_start(self, event: Any) -> None:
        if not _ours(event):
            return
        if self._depth == 0:
            self._started = time.perf_counter()
        self._depth += 1

    def on_end(self, event: Any) -> None:
        if not _ours(event):
            return
        self._depth -= 1
        if self._depth == 0:
            name = event.data["dispatcher"].py_func.__name__
            seconds = time.perf_counter() - self._started
            if seconds >= _WORTH_SAYING:
                logger.info("compiled %s in %.1f s, once on this machine", name, seconds)


def _ours(event: Any) -> bool:
    function = event.data["dispatcher"].py_func
    return str(getattr(function, "__module__", "")).startswith(_PACKAGE)


event.register("numba:compile", _Announcer())
