"""Where compiled code is kept between runs, and what is done with what lies there.

The folder bears the digest of all sources that hold compiled code, so that it never holds old code,
wherever it lies: under NUMBA_CACHE_DIR where that is set, else in the package, else in the user's
cache folder, whichever can be written. Each file begins with the digest of what follows: a file
that is damaged, half-written or another program's is discarded, and its function compiled anew.
"""

import contextlib
import hashlib
import logging
import os
import pickle
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core import config
from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile
from numba.misc.appdirs import AppDirs

__all__ = ["CodeCache", "clear", "folders", "kept_in", "size_of"]

logger = logging.getLogger(__name__)

SOURCES = Path(__file__).parents[1] / "likelihood" / "compiled"
_NAME = "bayesgmm-code-"
_PATIENCE = 5.0  # seconds to wait for another process that is saving
_DIGEST_BYTES = hashlib.sha256().digest_size


class CodeCache(FunctionCache):
    """The compiled code of one function; see the module."""

    def __init__(self, function: Any, folder: Path) -> None:
        self._name, self._py_func = repr(function), function
        self._impl = _Placed(function)
        self._cache_path = str(folder)
        self._cache_file = _CheckedFile(str(folder), self._impl.filename_base, folder.name)
        self.enable()

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the code of a signature; None where there is none that can be used."""
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:  # whatever a damaged file makes of unpickling
            self._discard(error)
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep the code of a signature, where that can be done."""
        if not _saving.on:
            return
        try:
            with _one_process_at_a_time():
                super().save_overload(sig, data)
        except OSError as error:
            _saving.on = False
            logger.info("compiled code is not kept (%s); the next run compiles again", error)
        except Exception as error:
            self._discard(error)

    def _save_overload(self, sig: Any, data: Any) -> None:
        if not data.library.has_dynamic_globals:  # addresses of this process
            self._cache_file.save(self._index_key(sig, data.codegen), self._impl.reduce(data))

    def _discard(self, error: Exception) -> None:
        logger.info("discarded the stored code of %s: %s", self._name, error)
        folder = Path(self._cache_path)
        for path in folder.glob(f"{self._impl.filename_base}.*"):
            with contextlib.suppress(OSError):
                path.unlink()


class _Saving:
    """Whether this process still tries to save: after one failure it does not wait again."""

    on = True


_saving = _Saving()


class _Placed(CompileResultCacheImpl):
    """Numba's rules for what is stored and under which name, in a folder of ours."""

    def __init__(self, function: Any) -> None:
        code, python = function.__code__, "".join(map(str, sys.version_info[:2]))
        place = f"{Path(code.co_filename).stem}.{function.__qualname__}-{code.co_firstlineno}"
        self._filename_base = f"{place}.py{python}"


class _CheckedFile(IndexDataCacheFile):
    """Files that begin with the digest of what follows."""

    def _load_index(self) -> dict[Any, str]:
        try:
            content = Path(self._index_path).read_bytes()
        except FileNotFoundError:
            return {}
        version, stamp, overloads = pickle.loads(_checked(content))
        return overloads if (version, stamp) == (self._version, self._source_stamp) else {}

    def _save_index(self, overloads: dict[Any, str]) -> None:
        self._write(self._index_path, (self._version, self._source_stamp, overloads))

    def _load_data(self, name: str) -> Any:
        return pickle.loads(_checked(Path(self._data_path(name)).read_bytes()))

    def _save_data(self, name: str, data: Any) -> None:
        self._write(self._data_path(name), data)

    def _write(self, path: str, value: Any) -> None:
        content = self._dump(value)
        with self._open_for_write(path) as file:
            file.write(hashlib.sha256(content).digest() + content)


def _checked(content: bytes) -> bytes:
    digest, content = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != digest:
        raise ValueError("the file is damaged, or not ours")
    return content


@cache
def kept_in() -> Path | None:
    """Return the folder in which this process keeps compiled code; None where none is writable."""
    for folder in _candidates():
        try:
            new = not folder.is_dir()
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError:
            continue
        if new and folder.parent == SOURCES / "__pycache__":
            clear(_others(folder))
        return folder
    logger.info("no folder for compiled code can be written; each run compiles again")
    return None


def folders() -> list[Path]:
    """Return every folder of compiled code, of this version of the sources or another."""
    found = [folder.parent.glob(f"{_NAME}*") for folder in _candidates()]
    return sorted({path for paths in found for path in paths if path.is_dir()})


def size_of(folder: Path) -> int:
    """Return the size of a folder's files, bytes."""
    return sum(path.stat().st_size for path in folder.glob("*") if path.is_file())


def clear(which: list[Path]) -> None:
    """Remove folders of compiled code."""
    for folder in which:
        shutil.rmtree(folder, ignore_errors=True)


def _others(folder: Path) -> list[Path]:
    return [path for path in folder.parent.glob(f"{_NAME}*") if path != folder]


def _candidates() -> list[Path]:
    name = f"{_NAME}{_digest()}"
    places = [SOURCES / "__pycache__", _user_folder()]
    if config.CACHE_DIR:
        places.insert(0, Path(config.CACHE_DIR))
    return [place / name for place in places]


@cache
def _digest() -> str:
    """Return the digest of what compiled code is made of: its sources, ours and numba's version."""
    digest = hashlib.sha256(numba.__version__.encode())
    here = Path(__file__)
    for path in [*sorted(SOURCES.glob("*.py")), here, here.with_name("compiling.py")]:
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _user_folder() -> Path:
    return Path(AppDirs("bayesgmm", appauthor=False).user_cache_dir)


@contextlib.contextmanager
def _one_process_at_a_time() -> Iterator[None]:
    """Hold the lock of this user's caches, where the system has such locks.

    Processes that save at the same time may write each other's code under one name.

    Raises
    ------
    OSError
        When the lock cannot be made, or is not to be had within 5 seconds.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    folder = _user_folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    lock = os.open(folder / "compiled.lock", flags, 0o600)
    try:
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise TimeoutError(f"another process holds {folder}/compiled.lock") from None
                time.sleep(0.02)
        yield
    finally:
        os.close(lock)
