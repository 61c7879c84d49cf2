"""Parquet: one file, a folder or a pattern of files, whole or block by block."""

import glob
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bayesgmm.data.annotation_columns import NO_ANNOTATIONS, AnnotationColumns
from bayesgmm.data.arrays import has_holes
from bayesgmm.data.columns import Table
from bayesgmm.data.dialect import Dialect
from bayesgmm.data.frames import annotating_cells, read_frame, values_in
from bayesgmm.data.sources import read_bytes, refuse_address
from bayesgmm.errors import DataError
from bayesgmm.typing import Array, BoolArray

__all__ = ["ParquetRows", "is_parquet", "read_parquet"]

_ENDINGS = (".parquet", ".pq")
_HEAD = 8_192
_ABSENT_ROWS = 65_536
_READ_BUFFER = 2**16  # bytes of each column


def is_parquet(path: str) -> bool:
    """Whether a path names Parquet: by its ending, or a folder that holds such files."""
    return path.endswith(_ENDINGS) or bool(os.path.isdir(path) and _files_in(Path(path)))


def _files_in(folder: Path) -> list[str]:
    """Return the Parquet files below a folder in the order of their names."""
    found = [path for path in folder.rglob("*") if path.suffix in _ENDINGS and path.is_file()]
    hidden = (".", "_")
    return sorted(
        str(path)
        for path in found
        if not any(part.startswith(hidden) for part in path.relative_to(folder).parts)
    )


def _files_of(path: str) -> list[str]:
    """Return the files that a path stands for: itself, a folder's, or those of a pattern."""
    refuse_address(path)
    file = Path(path)
    if os.path.isfile(path):
        return [path]
    if os.path.isdir(path):
        files = _files_in(file)
        if not files:
            raise DataError(
                f"{path!r} is not a file but a directory without Parquet files (*.parquet).",
                path=path,
            )
        return files
    if glob.has_magic(path):
        files = sorted(name for name in glob.glob(path, recursive=True) if Path(name).is_file())
        if not files:
            raise DataError(f"no file matches the pattern {path!r}.", path=path)
        return files
    read_bytes(path)  # says why it cannot be read
    return [path]


class _Stamp(NamedTuple):
    """What tells that a file is still the one that was opened."""

    size: int
    time: int
    rows: int
    schema: Any


def _open(path: str) -> tuple[Any, _Stamp]:
    from pyarrow import ArrowException, parquet

    try:
        state = Path(path).stat()
        # pre-buffering would hold the whole file while its batches are read one by one
        file = parquet.ParquetFile(
            path, pre_buffer=False, buffer_size=_READ_BUFFER, page_checksum_verification=True
        )
    except (OSError, ArrowException) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise DataError(f"{path!r} is not a Parquet file: {reason}.", path=path) from None
    rows = int(file.metadata.num_rows)
    return file, _Stamp(state.st_size, state.st_mtime_ns, rows, file.schema_arrow)


@contextmanager
def _reading(path: str) -> Iterator[None]:
    """Turn what Arrow raises for damaged pages into an error of ours."""
    from pyarrow import ArrowException

    try:
        yield
    except (OSError, ArrowException, EOFError) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"{path!r} is damaged and cannot be read to its end: {reason:.200}; write or fetch it "
            "again.",
            path=path,
        ) from None


def _index_of(file: Any) -> list[str]:
    """Return the columns that hold the index of a pandas frame."""
    facts = json.loads((file.schema_arrow.metadata or {}).get(b"pandas", b"{}"))
    return [name for name in facts.get("index_columns", []) if isinstance(name, str)]


def _names(file: Any, dialect: Dialect) -> list[str]:
    """Return the columns of a file, without an index but where it is asked for."""
    index = [] if isinstance(dialect.row_labels, str) else _index_of(file)
    unnamed = "__index_level_"
    return [n for n in file.schema_arrow.names if n not in index and not n.startswith(unnamed)]


def _asked(
    names: list[str], columns: Sequence[str] | None, dialect: Dialect, beside: AnnotationColumns
) -> list[str]:
    """Return the columns to read; all where one that is asked for is not there, to say so."""
    if columns is None or isinstance(columns, str) or isinstance(dialect.row_labels, int):
        return names
    asked = {*map(str, columns), *beside.names}
    asked |= set() if dialect.row_labels is None else {dialect.row_labels}
    return [name for name in names if name in asked] if asked <= set(names) else names


class ParquetRows:
    """Rows of Parquet files, read block by block.

    Parameters
    ----------
    path : str
        A file, a folder or a pattern; the files must not change while they are in use.
    columns : sequence of str or None
        Names of the features; None takes the columns that are numeric in the first rows.
    beside : AnnotationColumns
        Columns that annotate rows, which are no features.
    lacking : bool
        Whether the first rows may hold no value of a named column.
    """

    def __init__(
        self,
        path: str,
        columns: Sequence[str] | None,
        beside: AnnotationColumns = NO_ANNOTATIONS,
        *,
        lacking: bool = False,
    ) -> None:
        self.path, self._beside = path, beside
        opened = {name: _open(name) for name in _files_of(path)}
        self._stamps = {name: stamp for name, (_, stamp) in opened.items()}
        n_obs = sum(stamp.rows for stamp in self._stamps.values())
        name, file = next(
            ((name, file) for name, (file, stamp) in opened.items() if stamp.rows), (path, None)
        )
        if file is None:
            raise DataError(f"{path!r} has no rows.", path=path)
        with _reading(name):
            head = next(file.iter_batches(_HEAD, columns=_names(file, Dialect())))
        where = f" of {path!r}"
        table = read_frame(_as_table([head]), columns, where, beside=beside, lacking=lacking)
        self.features, self.ignored = table.features, table.ignored
        for name, stamp in self._stamps.items():
            _refuse_lacking(name, stamp.schema.names, (*self.features, *beside.names))
        self.shape = (n_obs, len(self.features))

    @property
    def incomplete(self) -> bool:
        """Whether some cells are missing."""
        return any(map(has_holes, self.blocks(_ABSENT_ROWS)))

    def absent(self) -> BoolArray:
        """Return which cells are missing: shape (obs, feature)."""
        return np.concatenate([np.isnan(block) for block in self.blocks(_ABSENT_ROWS)])

    def beside(self) -> dict[str, Any]:
        """Return the columns that annotate rows, which are read whole: numbers, or classes."""
        import narwhals as nw

        if not self._beside.names:
            return {}
        tables = []
        for path, stamp in self._stamps.items():
            with _reading(path):
                tables.append(self._unchanged(path, stamp)[0].read(list(self._beside.names)))
        table = nw.from_native(_joined(tables, self.path), eager_only=True)
        where = f" of {self.path!r}"
        return {
            name: annotating_cells(table.get_column(name), name in self._beside.numbers, where)
            for name in self._beside.names
        }

    def blocks(self, max_rows: int) -> Iterator[Array]:
        """Yield blocks of ``max_rows`` rows; the last may be shorter.

        Raises
        ------
        DataError
            When a file is damaged, or is not the one that was opened.
        """
        kept: list[Array] = []
        for values in self._batches(max_rows):
            kept.append(values)
            while sum(map(len, kept)) >= max_rows:
                joined = np.concatenate(kept)
                kept = [joined[max_rows:]]
                yield np.ascontiguousarray(joined[:max_rows])
        if sum(map(len, kept)):
            yield np.concatenate(kept)

    def _batches(self, max_rows: int) -> Iterator[Array]:
        first = 1
        for path, stamp in self._stamps.items():
            file, now = self._unchanged(path, stamp)
            where = f" of {path!r}"
            batches = file.iter_batches(max_rows, columns=list(self.features))
            done = 0
            while True:
                with _reading(path):
                    batch = next(batches, None)
                if batch is None:
                    break
                yield values_in(_as_table([batch]), self.features, where, first)
                first += len(batch)
                done += len(batch)
            if done != now.rows:
                raise _changed(path, f"{now.rows} rows", f"{done}")
            self._unchanged(path, stamp)

    def _unchanged(self, path: str, stamp: _Stamp) -> tuple[Any, _Stamp]:
        """Open a file again, and refuse it when it is not what it was."""
        if not Path(path).is_file():
            raise _changed(path, "a file", "none")
        file, now = _open(path)
        for what, before, after in zip(
            ("bytes", "time of writing", "rows"), stamp[:3], now[:3], strict=True
        ):
            if before != after:
                raise _changed(path, f"{what} {before}", f"{after}")
        if not now.schema.equals(stamp.schema):
            raise _changed(path, "one schema", "another")
        return file, now


def _changed(path: str, before: str, after: str) -> DataError:
    return DataError(
        f"{path!r} has changed since it was opened (it had {before}, now {after}); open it again, "
        "and do not change it while it is in use.",
        path=path,
    )


def _refuse_lacking(path: str, names: Sequence[str], features: Sequence[str]) -> None:
    for name in features:
        if name not in names:
            raise DataError(
                f"{path!r} has no column {name!r}, which other files of the same data have; leave "
                "the file out, or choose columns that all files have.",
                path=path,
                column=name,
            )


def _as_table(batches: list[Any]) -> Any:
    import pyarrow

    return pyarrow.Table.from_batches(batches)


def _joined(tables: list[Any], path: str) -> Any:
    """Return the tables of several files, one after the other."""
    import pyarrow

    try:
        return pyarrow.concat_tables(tables, promote_options="permissive")
    except pyarrow.ArrowException as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise DataError(f"the files of {path!r} differ in their types: {reason}.") from None


def read_parquet(
    path: str,
    columns: Sequence[str] | None,
    dialect: Dialect,
    beside: AnnotationColumns = NO_ANNOTATIONS,
) -> Table:
    """Read Parquet files whole; see `Dataset.from_parquet`."""
    tables, index = [], []
    for name in _files_of(path):
        file, _ = _open(name)
        own = _asked(_names(file, dialect), columns, dialect, beside)
        if dialect.row_labels is None:
            index = _index_of(file)
            own += index if len(index) == 1 else []
        with _reading(name):
            tables.append(file.read(own))
        _refuse_lacking(name, tables[-1].column_names, tables[0].column_names)
        _refuse_lacking(_files_of(path)[0], tables[0].column_names, tables[-1].column_names)
    table = _joined(tables, path)
    if len(index) == 1:
        dialect = dialect.but(row_labels=index[0])
    bare = table.replace_schema_metadata(None)
    return read_frame(bare, columns, f" of {path!r}", dialect=dialect, beside=beside)
