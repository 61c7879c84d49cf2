"""The folder of an analysis: which of its files are our own, and how new ones take their places.

Only plain files of our names with the bytes that we recorded are ever replaced or removed, and none
behind a link. Files are made in a hidden folder; those that they replace move into it until all new
ones are in place, and back where one fails.
"""

import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from bayesgmm.advice import Advice, Option, shown
from bayesgmm.errors import ConfigError, ResultFileError
from bayesgmm.posterior.whole_files import is_plain, make_folder
from bayesgmm.runtime.interruption import holding_ctrl_c

__all__ = [
    "FULL_TABLES",
    "REFERENCES_FILE",
    "VERDICT_FILE",
    "check_places",
    "earlier",
    "files_in",
    "foreign_among",
    "hash_of",
    "publish",
    "staged",
    "standing",
    "usual_folder",
]

VERDICT_FILE, REFERENCES_FILE = "verdict.json", "references.bib"
_TABLES = ("report.html", "report.md", "comparison.csv", "summary.csv", VERDICT_FILE)
FULL_TABLES = ("sensitivity", "estimates_by_setting", "coarsened", "by_rows")  # by --full only
_OWN_NAME = re.compile(
    rf"posterior_k\d+(_[a-z_]+)?\.nc|report_figures/[\w-]+\.svg|({'|'.join(FULL_TABLES)})\.csv"
    rf"|{re.escape(REFERENCES_FILE)}"
)
_REPLACED = "replaced"
_STAGES = ".run-*.tmp"
_LONGEST_RECORD = 2**26


def usual_folder(name: str) -> Path:
    """Return results/<name>.

    Raises
    ------
    ConfigError
        For a name that leads elsewhere or that no terminal shows.
    """
    if name in ("", ".", "..") or not name.isprintable() or set(name) & set("/\\"):
        raise ConfigError(
            Advice(
                f"no folder of results can be named after the analysis {shown(name)}; name one (",
                Option("out"),
                ").",
            ),
            key="out",
            value=name,
        )
    return Path("results", name)


def standing(folder: Path) -> list[str]:
    """Return the names in the folder that a run would replace, or whose run it would replace."""
    posteriors = [path.name for path in folder.glob("posterior_k*.nc")]
    complete = [name for name in sorted(posteriors) if _OWN_NAME.fullmatch(name)]
    return [name for name in _TABLES if os.path.lexists(folder / name)] + complete


def earlier(folder: Path, key: str) -> dict[str, Any]:
    """Return a mapping in the record of the result that stands in the folder; empty for none."""
    return _mapping_in(_record_in(folder), key)


def check_places(folder: Path, names: Iterable[str]) -> None:
    """Raise where something stands under one of these names that is not as a run of ours left it.

    Raises
    ------
    ResultFileError
    """
    if foreign := foreign_among(folder, names):
        raise ResultFileError(
            Advice(
                f"{foreign[0]!r} in {str(folder)!r} is not a file that bayesgmm wrote, or was "
                "changed since, and is never replaced; move it elsewhere, or choose another folder "
                "(",
                Option("out"),
                ").",
            ),
            path=str(folder),
            names=foreign,
        )


def foreign_among(folder: Path, names: Iterable[str]) -> list[str]:
    """Return those of the names under which something stands that is not as a run of ours left it.

    A name in a folder below counts also where that folder is none.
    """
    recorded = _recorded(folder)
    return [name for name in names if _stands(folder, name) and not _own(folder, name, recorded)]


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Yield a hidden folder inside the folder, removed at the end whatever happens."""
    make_folder(folder)
    stage = folder / f".run-{secrets.token_hex(4)}.tmp"
    make_folder(stage)
    try:
        yield stage
    finally:
        if not (stage / _REPLACED).exists():  # else it holds older files that found no way back
            shutil.rmtree(stage, ignore_errors=True)


def publish(stage: Path, folder: Path) -> None:
    """Put every file of the stage in its place, all or none, and remove the earlier run's others.

    The verdict comes last: it names the hashes of the others.

    Raises
    ------
    ResultFileError
        When one cannot be placed; what stood there before is as it was.
    """
    names = sorted(str(file.relative_to(stage)) for file in files_in(stage))
    names.remove(VERDICT_FILE)
    check_places(folder, [*names, VERDICT_FILE])
    recorded = _recorded(folder)
    old = {*names, *earlier(folder, "files")} - {VERDICT_FILE}
    moves = [
        (folder / name, stage / _REPLACED / name)
        for name in sorted(old)
        if _own(folder, name, recorded)
    ]
    moves += [(stage / name, folder / name) for name in names]
    with holding_ctrl_c():
        _moved(moves, (stage / VERDICT_FILE, folder / VERDICT_FILE), folder)
        shutil.rmtree(stage / _REPLACED, ignore_errors=True)


def _moved(moves: list[tuple[Path, Path]], last: tuple[Path, Path], folder: Path) -> None:
    """Rename files one after the other, the last over what stands there; undo all if one fails."""
    done: list[tuple[Path, Path]] = []
    try:
        for here, there in moves:
            there.parent.mkdir(parents=True, exist_ok=True)
            if os.path.lexists(there):
                raise FileExistsError(17, f"{there.name!r} has appeared meanwhile")
            here.rename(there)
            done.append((here, there))
        last[0].replace(last[1])
    except BaseException as error:
        for here, there in reversed(done):
            with suppress(OSError):
                there.rename(here)
        for left in sorted({there.parent for _, there in moves} - {folder}, reverse=True):
            with suppress(OSError):  # only those that are empty
                left.rmdir()
        if not isinstance(error, OSError):
            raise
        raise ResultFileError(
            f"cannot write into {str(folder)!r}: {error.strerror}.", path=str(folder)
        ) from error


def files_in(stage: Path) -> list[Path]:
    """Return the files in a folder and those below it."""
    return sorted(path for path in stage.rglob("*") if path.is_file())


def hash_of(path: Path) -> str:
    """Return the SHA-256 of a file, as hexadecimal text."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_plain_folder(path: Path) -> bool:
    """Whether a folder stands at a path itself, not where a link leads."""
    return path.is_dir() and not path.is_symlink()


def _record_in(folder: Path) -> dict[str, Any]:
    """Return the record that stands in the folder; empty when it is not ours."""
    path = folder / VERDICT_FILE
    try:
        if not is_plain(path) or path.stat().st_size > _LONGEST_RECORD:
            return {}
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    ours = isinstance(record, dict) and isinstance(record.get("files"), dict)
    return record if ours and isinstance(record.get("hashes"), dict) else {}


def _mapping_in(record: dict[str, Any], key: str) -> dict[str, Any]:
    value = record.get(key)
    return value if isinstance(value, dict) else {}


def _recorded(folder: Path) -> dict[str, set[str]]:
    """Return the hashes recorded for each name, also by runs that were killed as they published."""
    found: dict[str, set[str]] = {}
    for place in (folder, *filter(_is_plain_folder, folder.glob(_STAGES))):
        for name, digest in _mapping_in(_record_in(place), "files").items():
            if isinstance(digest, str):
                found.setdefault(name, set()).add(digest)
    return found


def _stands(folder: Path, name: str) -> bool:
    """Whether anything is in a name's place, or in that of the folder which is to hold it."""
    above = folder / Path(name).parts[0]
    blocked = "/" in name and os.path.lexists(above) and not _is_plain_folder(above)
    return blocked or os.path.lexists(folder / name)


def _own(folder: Path, name: str, recorded: dict[str, set[str]]) -> bool:
    """Whether a plain file of ours stands under this name, with the bytes that were recorded."""
    if name not in _TABLES and not _OWN_NAME.fullmatch(name):
        return False
    path = folder / name
    if not is_plain(path) or ("/" in name and not _is_plain_folder(path.parent)):
        return False
    if name == VERDICT_FILE:
        return bool(_record_in(folder))
    try:
        return hash_of(path) in recorded.get(name, ())
    except OSError:
        return False
