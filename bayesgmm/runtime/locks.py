"""Locks between processes of this user: one saves compiled code at a time, one makes a function's.

Where the system has no such locks, all go on at once: what is saved is checked when it is loaded.
"""

import contextlib
import hashlib
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

from bayesgmm.runtime.code_folders import make, user_folder

__all__ = ["Claim", "one_process_at_a_time"]

logger = logging.getLogger(__name__)

_SAVING, _MAKING = "compiled.lock", "compiling.lock"
_SAVING_PATIENCE = 5.0  # seconds to wait for another process that is saving
_MAKING_PATIENCE = 120.0  # seconds to wait for another process that compiles the same function


@contextlib.contextmanager
def one_process_at_a_time(folder: Path) -> Iterator[None]:
    """Hold the lock of this user's caches, where the system has such locks; make the folder.

    Without it processes that save at the same time write under one name, which costs them time:
    the code of one of them is discarded when it is loaded.

    Raises
    ------
    OSError
        When the folder or the lock cannot be made, or the lock is not to be had within 5 seconds.
    """
    try:
        import fcntl
    except ImportError:
        make(folder)
        yield
        return
    lock = _opened(_SAVING, folder)
    try:
        until = time.monotonic() + _SAVING_PATIENCE
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise TimeoutError("another process holds the lock") from None
                time.sleep(0.02)
            except OSError:  # a file system without locks
                break
        make(folder)
        yield
    finally:
        with contextlib.suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_UN)  # a process forked meanwhile holds the file open
        os.close(lock)


class Claim:
    """The one function that this process compiles, while others that need it wait for its code.

    A claim is one byte of a file, locked; the system frees it when the process ends.
    """

    def __init__(self) -> None:
        self._file: int | None = None
        self._byte: int | None = None

    def take(self, folder: Path, name: str) -> None:
        """Claim a function; where another process has it, wait until that is done.

        Parameters
        ----------
        folder : path
            Where its code is stored.
        name : str
        """
        self.release()
        try:
            import fcntl
        except ImportError:
            return
        digest = hashlib.sha256(os.fsencode(folder / name)).digest()
        byte, until = int.from_bytes(digest[:6]), None
        with contextlib.suppress(OSError):  # no place for the file, or a system without locks
            if self._file is None:
                self._file = _opened(_MAKING, folder)
            while until is None or time.monotonic() < until:
                try:
                    fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
                except (BlockingIOError, PermissionError):
                    if until is None:
                        logger.info("waiting for another process, which compiles %s", name)
                        until = time.monotonic() + _MAKING_PATIENCE
                    time.sleep(0.05)
                else:
                    self._byte = byte
                    return

    def release(self) -> None:
        """Give back what was claimed, if anything was."""
        if self._byte is None or self._file is None:
            return
        import fcntl

        with contextlib.suppress(OSError):
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, self._byte)
        self._byte = None


def _opened(name: str, folder: Path) -> int:
    """Open a lock in the user's cache folder, or else beside the code."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    if (place := user_folder()) is not None:
        with contextlib.suppress(OSError):
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
            return os.open(place / name, flags, 0o600)
    folder.parent.mkdir(parents=True, exist_ok=True)
    return os.open(folder.parent / f"bayesgmm-{name}", flags, 0o600)
