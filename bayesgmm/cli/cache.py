"""The command for compiled code: cache."""

from typing import Annotated

import typer

from bayesgmm.cli.options import Json
from bayesgmm.cli.outcome import Exit
from bayesgmm.cli.printing import print_json, print_line
from bayesgmm.errors import ResultFileError

__all__ = ["register"]

Clear = Annotated[
    bool,
    typer.Option("--clear", help="Remove the compiled code of all versions; it is rebuilt on use."),
]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(epilog="Example: bayesgmm cache --clear")(cache)


def cache(clear: Clear = False, json: Json = False) -> int:
    """Show where compiled code is stored and its size, or remove it."""
    from bayesgmm.runtime import code_folders

    current = code_folders.kept_in()
    stored = {folder: code_folders.size_of(folder) for folder in code_folders.folders()}
    left = code_folders.clear(list(stored)) if clear else list(stored)
    sizes = {folder: code_folders.size_of(folder) for folder in left}
    freed = sum(stored.values()) - sum(sizes.values())
    others = [folder for folder in sizes if folder != current]
    found = {
        "folder": None if current is None else str(current),
        "bytes": sizes.get(current, 0) if current is not None else 0,
        "other_folders": list(map(str, others)),
        "other_bytes": sum(sizes[folder] for folder in others),
        "removed": [str(folder) for folder in stored if folder not in left],
        "freed_bytes": freed,
    }
    if json:
        print_json(found)
    else:
        for head, text in _lines(found, clear):
            print_line(f"{head:<11}{text}")
    if clear and left:
        raise ResultFileError(
            f"cannot remove {_counted(left)} of compiled code, such as {str(left[0])!r}; run the "
            "command as the user who owns it."
        )
    return Exit.OK


def _lines(found: dict, cleared: bool) -> list[tuple[str, str]]:
    lines = [("folder", found["folder"] or "none is writable; set NUMBA_CACHE_DIR to one that is")]
    empty = "empty; the next fit or sample compiles, which takes about a minute"
    lines.append(("size", _megabytes(found["bytes"]) if found["bytes"] else empty))
    if others := found["other_folders"]:
        size = _megabytes(found["other_bytes"])
        lines.append(("others", f"{_counted(others)} of other versions, {size}"))
    if cleared:
        removed, freed = found["removed"], _megabytes(found["freed_bytes"])
        lines.append(("removed", f"{_counted(removed)}, {freed}" if removed else "nothing"))
    return lines


def _counted(folders: list) -> str:
    return f"{len(folders)} folder{'s' * (len(folders) != 1)}"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
