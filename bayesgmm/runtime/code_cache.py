"""Compiled code kept between runs: how it is saved, checked and loaded.

Each file begins with the digest of its own name and of what follows, and each piece of code is
stored with the key that it answers to. What is damaged, half-written, misplaced or another
program's is discarded, and its function compiled anew. A process that cannot save says so once and
goes on. All that touches the insides of numba's cache is here.
"""

import contextlib
import hashlib
import logging
import os
import pickle
import shutil
import sys
from pathlib import Path
from typing import Any

from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile

from bayesgmm.runtime.code_folders import is_current, kept_in
from bayesgmm.runtime.locks import Claim, one_process_at_a_time

__all__ = ["is_stored", "keep_code"]

logger = logging.getLogger(__name__)

_COMPILED = f"{__name__.partition('.')[0]}.likelihood.compiled."
_DIGEST_BYTES = hashlib.sha256().digest_size


def keep_code(made: Any, function: Any) -> None:
    """Have numba keep the compiled code of a function, where it can be kept.

    Parameters
    ----------
    made : numba dispatcher or C callback, changed
        What numba made of the function, not yet compiled.
    function : function
        Of `bayesgmm.likelihood.compiled`: the digest of the sources knows of no others, so that
        their code is not kept.
    """
    folder = kept_in()
    if folder is not None and function.__module__.startswith(_COMPILED):
        made._cache = _CodeCache(function, folder)


def is_stored(made: Any) -> bool:
    """Whether code of what numba made of a function is stored, or never can be."""
    cache = getattr(made, "_cache", None)
    return not isinstance(cache, _CodeCache) or cache.is_filled


class _CodeCache(FunctionCache):
    """The compiled code of one function; see the module."""

    def __init__(self, function: Any, folder: Path) -> None:
        self._name = f"{function.__module__}.{function.__qualname__}"
        self._py_func = function
        self._folder, self._cache_path = folder, str(folder)
        self._impl = _Named(function)
        self._cache_file = _CheckedFile(str(folder), self._impl.filename_base, folder.name)
        self.enable()

    @property
    def is_filled(self) -> bool:
        """Whether the code of any signature is stored."""
        return any(self._folder.glob(f"{self._impl.filename_base}.*.nbc"))

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the code of a signature; None where there is none that can be used.

        Where another process is making it, its code is waited for.
        """
        if not is_current(self._folder):
            return None
        found = self._found(sig, target_context)
        if found is None and _saving.on:
            _claim.take(self._folder, self._impl.filename_base)
            found = self._found(sig, target_context)
        if found is not None:
            _claim.release()
        return found

    def _found(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except _DamagedFile as error:
            self._discard(error, [error.path])
        except Exception as error:  # whatever numba makes of what it did not store
            self._discard(error, self._files())
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep the code of a signature, where that can be done."""
        if not (_saving.on and is_current(self._folder)):
            return
        try:
            with one_process_at_a_time(self._folder):
                super().save_overload(sig, data)
        except OSError as error:
            _saving.on = False
            logger.info("compiled code is not kept (%s); the next run compiles again", error)
        except Exception as error:
            self._discard(error, self._files())
        finally:
            _claim.release()

    def _load_overload(self, sig: Any, target_context: Any) -> Any:
        key = self._index_key(sig, target_context.codegen())
        stored = self._cache_file.load(key)
        if stored is None:
            return None
        answers_to, code = stored
        if answers_to != key:  # two processes saved under one name
            raise ValueError("it is the code of another signature")
        return self._impl.rebuild(target_context, code)

    def _save_overload(self, sig: Any, data: Any) -> None:
        if not data.library.has_dynamic_globals:  # addresses of this process
            key = self._index_key(sig, data.codegen)
            self._cache_file.save(key, (key, self._impl.reduce(data)))

    def _files(self) -> list[Path]:
        return list(self._folder.glob(f"{self._impl.filename_base}.*"))

    def _discard(self, error: Exception, files: list[Path]) -> None:
        logger.info("discarded the stored code of %s: %s", self._name, error)
        for path in files:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            with contextlib.suppress(OSError):
                path.unlink()


class _DamagedFile(Exception):
    """A file that is not as it was written, or that was not written here."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{os.path.basename(path)} {why}")
        self.path = Path(path)


class _Saving:
    """Whether this process still tries to save: after one failure it does not wait again."""

    on = True


_saving, _claim = _Saving(), Claim()


class _Named(CompileResultCacheImpl):
    """Numba's rules for what is stored, under names of ours."""

    def __init__(self, function: Any) -> None:
        module = function.__module__.removeprefix(_COMPILED)
        name = function.__qualname__.replace("<", "").replace(">", "")  # not allowed on Windows
        line = function.__code__.co_firstlineno
        python = "".join(map(str, sys.version_info[:2])) + getattr(sys, "abiflags", "")
        self._filename_base = f"{module}.{name}-{line}.py{python}"


class _CheckedFile(IndexDataCacheFile):
    """Files that begin with the digest of their name and of what follows."""

    def _load_index(self) -> dict[Any, str]:
        try:
            version, stamp, overloads = self._read(self._index_path)
        except FileNotFoundError:
            return {}
        return overloads if (version, stamp) == (self._version, self._source_stamp) else {}

    def _save_index(self, overloads: dict[Any, str]) -> None:
        self._write(self._index_path, (self._version, self._source_stamp, overloads))

    def _load_data(self, name: str) -> Any:
        return self._read(self._data_path(name))

    def _save_data(self, name: str, data: Any) -> None:
        self._write(self._data_path(name), data)

    def _read(self, path: str) -> Any:
        try:
            stored = Path(path).read_bytes()
        except FileNotFoundError:
            raise
        except OSError as error:  # such as a folder of that name
            raise _DamagedFile(path, f"cannot be read: {error.strerror}") from error
        digest, content = stored[:_DIGEST_BYTES], stored[_DIGEST_BYTES:]
        if digest != _digest_of(path, content):
            raise _DamagedFile(path, "is damaged, or another program's")
        return pickle.loads(content)

    def _write(self, path: str, value: Any) -> None:
        content = self._dump(value)
        with self._open_for_write(path) as file:
            file.write(_digest_of(path, content) + content)


def _digest_of(path: str, content: bytes) -> bytes:
    digest = hashlib.sha256(os.path.basename(path).encode() + b"\0")
    digest.update(content)
    return digest.digest()
