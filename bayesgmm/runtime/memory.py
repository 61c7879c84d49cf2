"""Memory that this process may still take, checked before any work."""

import math
import os
import sys
from pathlib import Path

from bayesgmm.errors import ResourceError
from bayesgmm.limits import LIBRARIES, MEMORY_SHARE

__all__ = ["available_bytes", "require_bytes", "require_libraries"]

_GROUPS = (
    (Path("/sys/fs/cgroup"), "memory.max", "memory.current", "inactive_file"),
    (
        Path("/sys/fs/cgroup/memory"),
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        "total_inactive_file",
    ),
)


def available_bytes() -> int:
    """Return the memory this process may still take: the machine's, or a limit of its own.

    Limits are those of the process (``ulimit -v``) and of the container or the batch job.
    """
    free = min(_machine_bytes(), _container_bytes())
    if sys.platform != "win32":
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            free = min(free, max(limit - _mapped_bytes(), 0))
    return int(free)


def require_libraries() -> None:
    """Raise ResourceError where a limit of this process leaves no room to load the libraries.

    Raises
    ------
    ResourceError
    """
    available = available_bytes()
    if available < LIBRARIES:
        raise ResourceError(
            f"this process may take {available / 2**30:.2f} GiB more, and loading the libraries "
            f"takes {LIBRARIES / 2**30:g} GiB; raise the limit (ulimit -v, or that of the "
            "container or the batch job), or end other programs.",
            needed=LIBRARIES,
            available=available,
        )


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


def _container_bytes() -> float:
    """Return what a control group leaves of its limit, files that it may drop not counted."""
    for folder, limit, used, cached in _GROUPS:
        try:
            free = int((folder / limit).read_text()) - int((folder / used).read_text())
            lines = (folder / "memory.stat").read_text().splitlines()
        except (OSError, ValueError):  # none, or "max"
            continue
        return free + sum(int(line.split()[1]) for line in lines if line.startswith(f"{cached} "))
    return math.inf


def _mapped_bytes() -> int:
    try:
        with open("/proc/self/statm", encoding="ascii") as line:
            return int(line.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
