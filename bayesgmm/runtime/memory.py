"""Memory that this process may still take, checked before any work."""

import os
import sys

from bayesgmm.errors import ResourceError
from bayesgmm.limits import MEMORY_SHARE

__all__ = ["available_bytes", "require_bytes"]


def available_bytes() -> int:
    """Return the memory this process may still take: the machine's, or its own limit if lower."""
    free = _machine_bytes()
    if sys.platform != "win32":
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            free = min(free, max(limit - _mapped_bytes(), 0))
    return free


def require_bytes(needed: int, what: str, ways_out: str) -> None:
    """Raise ResourceError when `needed` bytes are more than 90 % of what is available.

    Parameters
    ----------
    needed : int
    what : str
        What the memory is for, the sentence's subject.
    ways_out : str
        What to do instead.

    Raises
    ------
    ResourceError
    """
    available = available_bytes()
    if needed > MEMORY_SHARE * available:
        raise ResourceError(
            f"{what} would take {needed / 2**30:.2f} GiB and {available / 2**30:.2f} GiB are "
            f"available; {ways_out}.",
            needed=needed,
            available=available,
        )


def _machine_bytes() -> int:
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _mapped_bytes() -> int:
    try:
        with open("/proc/self/statm", encoding="ascii") as line:
            return int(line.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
