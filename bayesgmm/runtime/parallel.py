"""Cores: how many there are, how BLAS is held to one."""

import os
from contextlib import AbstractContextManager
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

__all__ = ["available_cores", "one_blas_thread"]


def available_cores() -> int:
    """Return the number of cores that this process may run on."""
    return getattr(os, "process_cpu_count", os.cpu_count)() or 1


def one_blas_thread() -> AbstractContextManager[Any]:
    """Hold BLAS to one thread.

    More cost more than they save on small matrices, and last bits depend on their number.
    """
    limiter: AbstractContextManager[Any] = _libraries().limit(limits=1, user_api="blas")
    return limiter


@cache
def _libraries() -> "ThreadpoolController":
    """Find the loaded libraries; that reads files, so once."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
