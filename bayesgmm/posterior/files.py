"""Safe files: written under a temporary name, checked, then renamed; hashed, and checked when read.

A result is an ordinary netCDF-4 file with one line after its end, the SHA-256 of all bytes before
it. HDF5 reads no further than the end that it has recorded, so every netCDF program still opens the
file, and ours looks at the line first: no library of C code ever meets damaged bytes.
"""

import hashlib
import json
import math
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from bayesgmm.advice import Advice, Option
from bayesgmm.arguments import path_of
from bayesgmm.errors import ConfigError, ResultFileError
from bayesgmm.posterior.netcdf import opened, write_tree
from bayesgmm.posterior.schema import upgraded
from bayesgmm.posterior.storable import storable
from bayesgmm.posterior.tree import SCHEMA_VERSION, attribute, with_attributes

__all__ = ["check_writable", "keep_interrupted", "load", "save", "strict_json", "write_text"]

PathLike = str | os.PathLike[str]

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_LINE = b"\nbayesgmm sha256 %s\n"
_LINE_LENGTH = len(_LINE % (b"0" * 64))
_CONTENT_HASH = "content_hash"
_BLOCK_BYTES = 2**26


def save(posterior: xr.DataTree, path: PathLike, overwrite: bool = False) -> Path:
    """Write a result as one netCDF file, whole or not at all.

    Parameters
    ----------
    posterior : xarray.DataTree
        As `sample` returns it.
    path : path
        The file; ``.nc`` by custom. Its folder must exist.
    overwrite : bool
        Whether an existing file may be replaced.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    ConfigError
        When it is not a result.
    ResultFileError
        When the file exists, cannot be written, or does not read back as it should. What stood
        under the name before is then unchanged.

    Examples
    --------
    >>> import tempfile
    >>> from bayesgmm.sampling import sample
    >>> tree = sample([[0.0], [1.0], [2.0], [4.0]], 1, draws=50, seed=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(tree, f"{folder}/posterior.nc").name
    'posterior.nc'
    """
    if not isinstance(posterior, xr.DataTree) or "posterior" not in posterior:
        raise ConfigError(
            f"save takes the DataTree that sample returns, got {type(posterior).__name__}.",
            value=posterior,
        )
    posterior = storable(upgraded(posterior))
    with _replacing(path, overwrite) as temporary:
        hashes = {_CONTENT_HASH: _content_hash(posterior)}
        marked = with_attributes(posterior, schema_version=SCHEMA_VERSION, **hashes)
        write_tree(marked, temporary)
        with temporary.open("ab") as file:
            file.write(_LINE % _bytes_hash(temporary, temporary.stat().st_size))
        _check_bytes(temporary)
        with opened(temporary) as written:
            _check_content(written, temporary)
    return Path(path)


def load(path: PathLike) -> xr.DataTree:
    """Read a result back into memory, and check that it is as it was written.

    A result of an earlier version of the layout is brought to the present one.

    Parameters
    ----------
    path : path
        A file that `save` wrote.

    Raises
    ------
    ResultFileError
        When there is no such file, or it is cut short, damaged, changed, foreign, or written by
        a newer version.

    Examples
    --------
    >>> import tempfile
    >>> from bayesgmm.sampling import sample
    >>> tree = sample([[0.0], [1.0], [2.0], [4.0]], 1, draws=50, seed=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save(tree, f"{folder}/posterior.nc")
    ...     again = load(path)
    >>> again["posterior"].equals(tree["posterior"])
    True
    """
    file = _real(path)
    try:
        _check_bytes(file)
        with opened(file) as stored:
            _check_content(stored, file)
            return upgraded(_with_texts(stored.load()))
    except ResultFileError:
        raise
    except OSError as error:
        raise ResultFileError(
            f"cannot read {str(file)!r}: {error.strerror or error}.", path=str(file)
        ) from error
    except Exception as error:
        raise ResultFileError(
            f"{str(file)!r} is not a bayesgmm result: {type(error).__name__}: {error!s:.80}.",
            path=str(file),
        ) from error


def keep_interrupted(posterior: xr.DataTree, path: PathLike) -> str:
    """Save what an interrupted run has made beside the file it was to write; say where it is.

    Draws that were cut short go to ``*.partial.nc`` and are marked as interrupted. Those that
    were all made, where the run was stopped later, go to ``*.finished.nc``.

    Raises
    ------
    ResultFileError
        When the file cannot be written.
    """
    whole = attribute(posterior, "status") == "complete"
    beside = Path(path).with_suffix(".finished.nc" if whole else ".partial.nc")
    kept = save(posterior, beside, overwrite=True)
    if whole:
        return f"all draws were made and are in {str(kept)!r}"
    return f"the draws made so far are in {str(kept)!r}, marked as interrupted"


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
    encoded = text.encode("utf-8", errors="surrogateescape")
    with _replacing(path, overwrite) as temporary:
        temporary.write_bytes(encoded)
        if temporary.read_bytes() != encoded:
            raise ResultFileError(f"{str(path)!r} did not read back as written.", path=str(path))
    return Path(path)


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


def check_writable(path: PathLike, overwrite: bool = False) -> None:
    """Raise unless a file of this name could be written now.

    Raises
    ------
    ResultFileError
        When the file exists and may not be replaced, or its folder takes no new file.
    """
    final = _refuse_existing(path, overwrite)
    probe = _temporary_name(final)
    with _reported(final), _removed(probe):
        probe.touch(exist_ok=False)


@contextmanager
def _replacing(path: PathLike, overwrite: bool) -> Iterator[Path]:
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
    final = _real(path)
    if final.is_dir():
        raise ResultFileError(f"{str(path)!r} is a folder; name a file.", path=str(path))
    if final.exists() and not overwrite:
        raise ResultFileError(
            Advice(
                f"{str(path)!r} exists; pass ",
                Option("overwrite", True),
                " to replace it, or choose another name.",
            ),
            path=str(path),
        )
    return final


def _with_texts(tree: xr.DataTree) -> xr.DataTree:
    """Return the tree as it was saved: text arrays are read as objects."""
    for node in tree.subtree:
        own = node.to_dataset(inherit=False)
        objects = {k: v for k, v in own.variables.items() if v.dtype.kind == "O"}
        node.dataset = own.assign(
            {k: (v.dims, v.values.astype(str), v.attrs) for k, v in objects.items()}
        )
    return tree


def _real(path: PathLike) -> Path:
    """Return the real path behind links."""
    given = path_of(path)
    try:
        return Path(os.path.realpath(given))
    except ValueError as error:
        raise ResultFileError(
            f"no file can be named {str(given)!r:.80}: {error}.", path=str(given)
        ) from error


def _temporary_name(final: Path) -> Path:
    return final.with_name(f".{final.name[:200]}.{secrets.token_hex(4)}.tmp")


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
    except ResultFileError:
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


def _bytes_hash(path: Path, length: int) -> bytes:
    """Return the SHA-256, as hexadecimal text, of the first `length` bytes of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while length > 0 and (block := file.read(min(length, _BLOCK_BYTES))):
            digest.update(block)
            length -= len(block)
    return digest.hexdigest().encode()


def _check_bytes(path: Path) -> None:
    """Raise unless the file is HDF5 and ends with the hash of all that comes before."""
    with path.open("rb") as file:
        signature = file.read(len(_SIGNATURE))
        length = max(file.seek(0, os.SEEK_END) - _LINE_LENGTH, 0)
        file.seek(length)
        line = file.read()
    if signature != _SIGNATURE:
        raise ResultFileError(
            f"{str(path)!r} is not a bayesgmm result: it is no netCDF-4 file.", path=str(path)
        )
    if line != _LINE % _bytes_hash(path, length):
        raise ResultFileError(
            f"{str(path)!r} is cut short, damaged, changed since it was written, or not a file "
            "that bayesgmm wrote: its bytes do not match the hash at its end. Run the analysis "
            "again, or open it unchecked with arviz.from_netcdf.",
            path=str(path),
        )


def _check_content(tree: xr.DataTree, path: Path) -> None:
    """Raise unless the tree has a known schema and the arrays and attributes it was hashed with."""
    version = attribute(tree, "schema_version")
    if not isinstance(version, int) or "posterior" not in tree:
        raise ResultFileError(f"{str(path)!r} is not a bayesgmm result.", path=str(path))
    if version > SCHEMA_VERSION:
        raise ResultFileError(
            f"{str(path)!r} has schema version {version}, and this bayesgmm knows versions up to "
            f"{SCHEMA_VERSION}; update bayesgmm to read it.",
            path=str(path),
            version=version,
        )
    if attribute(tree, _CONTENT_HASH) != _content_hash(tree):
        raise ResultFileError(
            f"the arrays in {str(path)!r} do not match their hash: the file is damaged.",
            path=str(path),
        )


def _content_hash(tree: xr.DataTree) -> str:
    """Return the SHA-256 over all names, dims, types, values and attributes of a tree."""
    digest = hashlib.sha256()
    for group in sorted(tree.groups):
        node = tree[group]
        own = {k: v for k, v in node.attrs.items() if k not in (_CONTENT_HASH, "schema_version")}
        digest.update(_as_json([group, _plain(own)]))
        for name in sorted(node.variables, key=str):
            variable = node.variables[name]
            text = variable.dtype.kind not in "biufc"
            kind = "text" if text else variable.dtype.newbyteorder("=").str
            header = [name, variable.dims, variable.shape, kind, _plain(variable.attrs)]
            digest.update(_as_json(header))
            for block in _blocks(variable):
                digest.update(_as_json(block.tolist()) if text else block.tobytes())
    return digest.hexdigest()


def _blocks(variable: xr.Variable) -> Iterator[np.ndarray]:
    """Yield an array in pieces along its first axis, so that a large one is never held twice."""
    if variable.ndim == 0:
        yield variable.values
        return
    rows = max(1, _BLOCK_BYTES * len(variable) // max(variable.nbytes, 1))
    for start in range(0, len(variable), rows):
        yield variable[start : start + rows].values


def _plain(attributes: dict[Any, Any]) -> dict[str, list[Any]]:
    """Return attributes as lists: netCDF does not tell a list of one from a scalar."""
    return {str(name): np.ravel(value).tolist() for name, value in attributes.items()}


def _as_json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True).encode()
