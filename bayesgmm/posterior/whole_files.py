"""Files written whole or not at all: under a temporary name first, flushed, then renamed."""

import json
import math
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bayesgmm.advice import Advice, Option, shown
from bayesgmm.arguments import check_flag, path_of
from bayesgmm.errors import BayesGMMError, ResultFileError

__all__ = [
    "check_writable",
    "csv_text",
    "is_plain",
    "make_folder",
    "real_path",
    "replacing",
    "special_kind",
    "strict_json",
    "write_text",
]

if TYPE_CHECKING:
    import pandas as pd

PathLike = str | os.PathLike[str]

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_SPECIAL = {
    stat.S_IFDIR: "folder",
    stat.S_IFIFO: "named pipe",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
    stat.S_IFSOCK: "socket",
}


def write_text(path: PathLike, text: str, overwrite: bool = False) -> Path:
    """Write a text file in UTF-8, whole or not at all.

    Parameters
    ----------
    path : path
        The file. Its folder must exist.
    text : str
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    ResultFileError
        When the file exists or cannot be written; what stood there before is unchanged.
    """
    try:
        encoded = text.encode("utf-8", errors="surrogateescape")
    except UnicodeEncodeError:  # other halves of pairs, which no file holds
        encoded = text.encode("utf-8", errors="backslashreplace")
    with replacing(path, overwrite) as temporary:
        temporary.write_bytes(encoded)
        if temporary.read_bytes() != encoded:
            raise ResultFileError(f"{str(path)!r} did not read back as written.", path=str(path))
    return Path(path)


def csv_text(table: "pd.DataFrame") -> str:
    """Return a table as CSV in which no text is a formula to a spreadsheet.

    Text that begins with =, +, -, @ or a control character, and is no number, gets an apostrophe
    before it; numbers stay as they are.

    Examples
    --------
    >>> import pandas as pd
    >>> print(csv_text(pd.DataFrame({"x": [-1.5, 2.0]}, index=["=1+1", "-3"])), end="")
    ,x
    '=1+1,-1.5
    -3,2.0
    """
    safe = table.rename(index=_inert, columns=_inert).rename_axis(
        [_inert(name) for name in table.index.names]
    )
    texts = {str(n): c.map(_inert) for n, c in safe.items() if c.dtype.kind not in "biuf"}
    return safe.assign(**texts).to_csv(lineterminator="\n")


def _inert(cell: Any) -> Any:
    """Return a cell as a spreadsheet shows it without computing anything."""
    if not isinstance(cell, str) or not cell.startswith(_FORMULA):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def strict_json(value: Any) -> str:
    """Return JSON text that every reader takes: NaN and infinite numbers become null.

    Examples
    --------
    >>> print(strict_json({"a": float("nan")}))
    {
     "a": null
    }
    """
    return json.dumps(_finite(value), indent=1, ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    if isinstance(value, np.generic | np.ndarray):
        return _finite(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def check_writable(path: PathLike, overwrite: bool = False, needed: int = 0) -> None:
    """Raise unless a file of this name, and of so many bytes, could be written now.

    Raises
    ------
    ResultFileError
        When the file exists and may not be replaced, is no plain file, or its folder takes no new
        file or has too little space.
    """
    final = _refuse_existing(path, overwrite)
    probe = _temporary_name(final)
    with _reported(final), _removed(probe):
        probe.touch(exist_ok=False)
    with _reported(final):
        free = shutil.disk_usage(final.parent).free
    if needed > free:
        raise ResultFileError(
            f"the results would take about {needed / 2**30:.2f} GiB and {free / 2**30:.2f} GiB "
            f"are free in {str(final.parent)!r}; free some space, keep fewer draws, or choose "
            "another folder.",
            path=str(path),
            needed=needed,
            free=free,
        )


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, where they are missing.

    Raises
    ------
    ResultFileError
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ResultFileError(
            Advice(
                f"cannot make the folder {str(folder)!r}: {reason}; choose another (",
                Option("out"),
                ").",
            ),
            path=str(folder),
        ) from error


def special_kind(path: Path) -> str | None:
    """Return what stands at a path, links followed, where that is no plain file: a folder, say."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return None
    return None if stat.S_ISREG(mode) else _SPECIAL.get(stat.S_IFMT(mode), "special file")


def is_plain(path: Path) -> bool:
    """Whether a plain file stands at a path itself, not where a link leads."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except (OSError, ValueError):
        return False


@contextmanager
def replacing(path: PathLike, overwrite: bool) -> Iterator[Path]:
    """Yield a temporary path; give it the final name, flushed to disk, when the block succeeds."""
    final = _refuse_existing(path, overwrite)
    temporary = _temporary_name(final)
    with _reported(final), _removed(temporary):
        temporary.touch(exist_ok=False)
        yield temporary
        _flush(temporary)
        _refuse_existing(path, overwrite)
        os.replace(temporary, final)
        _flush(final.parent)


def _refuse_existing(path: PathLike, overwrite: bool) -> Path:
    """Return the real path behind links, unless it holds what may not be replaced."""
    check_flag("overwrite", overwrite)
    final = real_path(path)
    if kind := special_kind(final):
        raise ResultFileError(f"{str(path)!r} is a {kind}; name a file.", path=str(path))
    if os.path.exists(final) and not overwrite:
        raise ResultFileError(
            Advice(
                f"{str(path)!r} exists; pass ",
                Option("overwrite", True),
                " to replace it, or choose another name.",
            ),
            path=str(path),
        )
    return final


def real_path(path: PathLike) -> Path:
    """Return the real path behind links."""
    given = path_of(path)
    try:
        return Path(os.path.realpath(given))
    except ValueError as error:
        raise ResultFileError(
            f"no file can be named {shown(str(given))}: {error}.", path=str(given)
        ) from error


def _temporary_name(final: Path) -> Path:
    start = os.fsencode(final.name)[:200].decode(errors="ignore")  # a name has 255 bytes at most
    return final.with_name(f".{start}.{secrets.token_hex(4)}.tmp")


@contextmanager
def _removed(temporary: Path) -> Iterator[None]:
    try:
        yield
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def _reported(final: Path) -> Iterator[None]:
    """Turn whatever stops a write into one error with its cure."""
    try:
        yield
    except BayesGMMError:
        raise
    except Exception as error:
        reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error!s:.80}"
        raise ResultFileError(
            f"cannot write {str(final)!r}: {reason}. Check that the folder exists, may be written "
            "to, and has space left, or choose another.",
            path=str(final),
        ) from error


def _flush(path: Path) -> None:
    """Have the system write a file, or a folder's list of names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
