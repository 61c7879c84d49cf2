"""The folders of compiled code: where they lie, how large they are, and how they are removed.

A folder is named after numba's version and the digest of all sources of compiled code, so that it
never holds old code. It lies under NUMBA_CACHE_DIR where that is set, else in the package, else in
the user's cache folder: in the first of these that can be written. Stored code is executed, so only
a folder of this user, of the administrator or of the package's owner is taken.
"""

import contextlib
import hashlib
import logging
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numba
from numba.core import config
from numba.misc.appdirs import AppDirs

__all__ = [
    "clear",
    "folders",
    "is_current",
    "kept_in",
    "make",
    "size_of",
    "sources",
    "user_folder",
]

logger = logging.getLogger(__name__)

_SOURCES = Path(__file__).parents[1] / "likelihood" / "compiled"
_COMPILERS = ("code_cache", "compiling", "programs")
_ANY_NAME = "bayesgmm-code-*"
_NAME = f"bayesgmm-code-numba{numba.__version__}-"


@cache
def kept_in() -> Path | None:
    """Return the folder in which this process keeps compiled code; None where there is none.

    It is made when the first code is saved. Where no place can be written, a folder that can be
    read and holds this version's code is the next best.
    """
    try:
        name = _NAME + _digest()
    except OSError as error:  # a package without its sources
        logger.info("compiled code is not kept: %s", error)
        return None
    found = [place / name for place in _places()]
    for usable in (_is_writable, Path.is_dir):
        for folder in found:
            if usable(folder) and _is_trusted(folder):
                return folder
    logger.info(
        "no folder for compiled code can be written, so each run compiles again; "
        "set NUMBA_CACHE_DIR to a folder that can be written"
    )
    return None


def is_current(folder: Path) -> bool:
    """Whether the sources are still those that a folder is named after."""
    try:
        return folder.name == _NAME + _digest()
    except OSError:
        return False


def make(folder: Path) -> None:
    """Make a folder for compiled code; a new one in the package replaces those of older sources.

    There no other installation can need them: the package has one state of its sources. Folders
    of another numba are left, since two environments may share the package.

    Raises
    ------
    OSError
        When it cannot be made.
    """
    if folder.is_dir():
        return
    folder.mkdir(parents=True)
    if folder.parent == _SOURCES / "__pycache__":
        clear([path for path in folder.parent.glob(f"{_NAME}*") if path != folder])


def folders() -> list[Path]:
    """Return every folder of compiled code, of this version or another, in the places known."""
    found = [place.glob(_ANY_NAME) for place in _places()]
    return sorted({path for paths in found for path in paths if path.is_dir()})


def size_of(folder: Path) -> int:
    """Return the size of a folder's files, bytes; 0 where there is no folder."""
    total = 0
    for path in folder.glob("*"):
        with contextlib.suppress(OSError):  # another process has removed it
            total += path.lstat().st_size
    return total


def clear(which: list[Path]) -> list[Path]:
    """Remove folders of compiled code, and return those that could not be removed."""
    for folder in which:
        if folder.is_symlink():
            with contextlib.suppress(OSError):
                folder.unlink()
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return [folder for folder in which if os.path.lexists(folder)]


def sources() -> list[Path]:
    """Return all files on which stored code depends: compiled code, and how it is compiled."""
    here = Path(__file__).parent
    return [*sorted(_SOURCES.rglob("*.py")), *(here / f"{name}.py" for name in _COMPILERS)]


def user_folder() -> Path | None:
    """Return the user's cache folder of this package; None where the user has no home."""
    folder = Path(AppDirs("bayesgmm", appauthor=False).user_cache_dir)
    if folder.is_absolute():
        return folder
    try:  # an empty or relative XDG_CACHE_HOME counts as none
        home = Path.home()
    except RuntimeError:
        return None
    return home / ".cache" / "bayesgmm" if home.is_absolute() else None


def _places() -> list[Path]:
    places = [_SOURCES / "__pycache__"]
    if config.CACHE_DIR:
        places.insert(0, Path(config.CACHE_DIR).absolute())
    if (user := user_folder()) is not None:
        places.append(user)
    return places


def _digest() -> str:
    """Return the digest of the sources; they may change while a process runs."""
    digest = hashlib.sha256()
    for path in sources():
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)} ".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def _is_writable(folder: Path) -> bool:
    if os.path.lexists(folder) and not folder.is_dir():
        return False
    place = folder if folder.is_dir() else folder.parent
    try:
        place.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=place).close()
    except OSError:
        return False
    return True


def _is_trusted(folder: Path) -> bool:
    return not folder.exists() or folder.stat().st_uid in _trusted_owners()


def _trusted_owners() -> set[int]:
    """Return the users whose code is executed anyway."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    return {user, 0, _SOURCES.stat().st_uid}
