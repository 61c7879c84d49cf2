"""Safe files: written under a temporary name, checked, then renamed; hashed, and checked when read.

A result is an ordinary netCDF-4 file with one line after its end, the SHA-256 of all bytes before
it. HDF5 reads no further than the end that it has recorded, so every netCDF program still opens the
file, and ours looks at the line first: no library of C code ever meets damaged bytes.
"""

import hashlib
import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from bayesgmm.arguments import path_of
from bayesgmm.errors import ConfigError, ResultFileError
from bayesgmm.posterior.netcdf import opened, write_tree
from bayesgmm.posterior.schema import upgraded
from bayesgmm.posterior.storable import storable
from bayesgmm.posterior.tree import SCHEMA_VERSION, attribute, with_attributes
from bayesgmm.posterior.validity import fault_in
from bayesgmm.posterior.whole_files import (
    check_writable,
    is_plain,
    real_path,
    replacing,
    special_kind,
    strict_json,
    write_text,
)
from bayesgmm.runtime.keywords import keywords

__all__ = [
    "check_writable",
    "keep_finished",
    "keep_interrupted",
    "load",
    "save",
    "strict_json",
    "write_text",
]

PathLike = str | os.PathLike[str]

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_LINE = b"\nbayesgmm sha256 %s\n"
_LINE_LENGTH = len(_LINE % (b"0" * 64))
_CONTENT_HASH = "content_hash"
_BLOCK_BYTES = 2**26
_RUN = ("data", "resolved", "sampler", "seed", "status")  # what tells runs apart


@keywords()
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
        When the file exists, cannot be written, does not read back as written, or would be a zarr
        store. An existing file is then unchanged.

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
    _refuse_zarr(path)
    posterior = storable(upgraded(posterior))
    with replacing(path, overwrite) as temporary:
        hashes = {_CONTENT_HASH: _content_hash(posterior)}
        marked = with_attributes(posterior, schema_version=SCHEMA_VERSION, **hashes)
        write_tree(marked, temporary)
        with temporary.open("ab") as file:
            file.write(_LINE % _bytes_hash(temporary, temporary.stat().st_size))
        _check_bytes(temporary)
        with opened(temporary) as written:
            _check_content(written, temporary)
    return Path(path)


@keywords()
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
        When the file does not exist, is truncated, damaged, changed, not written by this package,
        written by a newer version, or does not hold a result.

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
    file = real_path(path)
    _refuse_zarr(file)
    kind = special_kind(file)
    if kind not in (None, "folder"):  # to open a named pipe would wait for ever
        raise ResultFileError(f"{str(file)!r} is a {kind}, no result.", path=str(file))
    try:
        _check_bytes(file)
        with opened(file) as stored:
            _check_content(stored, file)
            tree = _with_texts(stored.load())
        return _valid(upgraded(tree), file)
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


def _refuse_zarr(path: PathLike) -> None:
    """Raise where a path names a zarr store: netCDF is the one format of results."""
    file = path_of(path)
    if file.suffix.lower() == ".zarr":
        name = str(file.with_suffix(".nc"))
        raise ResultFileError(
            f"{str(file)!r} names a zarr store, and results are kept as netCDF, the one format: "
            f"name the file {name!r}.",
            path=str(file),
        )


def keep_interrupted(posterior: xr.DataTree, path: PathLike) -> str:
    """Save what an interrupted run has made beside the file it was to write; say where it is.

    Draws that were cut short go to ``*.partial.nc`` and are marked as interrupted. Those that
    were all made, where the run was stopped later, go to ``*.finished.nc``. Where such a file of
    another run stands, the name gets a number.

    Raises
    ------
    ResultFileError
        When the file cannot be written.
    """
    if attribute(posterior, "status") == "complete":
        return f"all draws were made and are in {str(keep_finished(posterior, path))!r}"
    beside = _place_beside(Path(path), ".partial.nc", posterior)
    kept = save(posterior, beside, overwrite=True)
    return f"the draws made so far are in {str(kept)!r}, marked as interrupted"


def keep_finished(posterior: xr.DataTree, path: PathLike) -> Path:
    """Save a posterior whose run is not at its end beside the file it is for, ``*.finished.nc``."""
    return save(posterior, _place_beside(Path(path), ".finished.nc", posterior), overwrite=True)


def _place_beside(path: Path, ending: str, posterior: xr.DataTree) -> Path:
    """Return the first name beside a path that is free, or holds what the same run has made."""
    for number in itertools.count(1):
        place = path.with_name(f"{path.stem}{f'-{number}' if number > 1 else ''}{ending}")
        if not os.path.lexists(place) or (is_plain(place) and _same_run(place, posterior)):
            break
    return place


def _same_run(place: Path, posterior: xr.DataTree) -> bool:
    try:
        standing = load(place)
        return all(attribute(standing, key) == attribute(posterior, key) for key in _RUN)
    except ResultFileError:
        return False


def _with_texts(tree: xr.DataTree) -> xr.DataTree:
    """Return the tree as it was saved: text arrays are read as objects."""
    for node in tree.subtree:
        own = node.to_dataset(inherit=False)
        objects = {k: v for k, v in own.variables.items() if v.dtype.kind == "O"}
        node.dataset = own.assign(
            {k: (v.dims, v.values.astype(str), v.attrs) for k, v in objects.items()}
        )
    return tree


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
            f"{str(path)!r} is not a bayesgmm result: it is not a netCDF-4 file.", path=str(path)
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


def _valid(tree: xr.DataTree, path: Path) -> xr.DataTree:
    """Return the tree, or raise where it holds what no result does."""
    if fault := fault_in(tree):
        raise ResultFileError(
            f"{str(path)!r} is as it was written, and no result: {fault}. Open it unchecked with "
            "arviz.from_netcdf.",
            path=str(path),
        )
    return tree


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
