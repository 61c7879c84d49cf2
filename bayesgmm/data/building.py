"""From a table that was read to a data set that passed every check."""

import os
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bayesgmm.advice import Advice, Option, shown
from bayesgmm.arguments import check_flag, check_instance, check_one_of, check_texts
from bayesgmm.data.annotated_checks import examine_annotated, glance_annotated
from bayesgmm.data.annotation_columns import NO_ANNOTATIONS, AnnotationColumns
from bayesgmm.data.annotations import MISSING, Annotations, Missing
from bayesgmm.data.checking import ArrayRows, Rows, examine, frozen, glance
from bayesgmm.data.columns import Table, distinct_labels
from bayesgmm.data.dask_checking import examine_annotated_parts, examine_parts
from bayesgmm.data.dask_rows import DaskRows, dask_parquet, dask_rows
from bayesgmm.data.faults import Lines
from bayesgmm.data.parquet import ParquetRows
from bayesgmm.errors import ConfigError, DataWarning
from bayesgmm.runtime.renaming import OLD_NAME
from bayesgmm.typing import IntArray

if TYPE_CHECKING:
    from bayesgmm.data.dataset import Dataset

__all__ = [
    "checked",
    "from_table",
    "left_in_files",
    "left_to_dask",
    "way_with_missing",
]

_PACKAGE = os.path.dirname(os.path.dirname(__file__))


def way_with_missing(missing: Missing, drop_missing: bool) -> Missing:
    """Return what to do about missing cells: `missing`, or what its old name asks for."""
    check_one_of("missing", missing, MISSING)
    if not check_flag("drop_missing", drop_missing):
        return missing
    renamed = Advice(Option("drop_missing", True), " is now ", Option("missing", "drop"))
    if missing == "mar":
        raise ConfigError(renamed + "; the two ask for different things.", key="drop_missing")
    warnings.warn(
        renamed + f"; {OLD_NAME}.",
        FutureWarning,
        skip_file_prefixes=(_PACKAGE,),
    )
    return "drop"


def from_table[D: "Dataset"](
    make: type[D],
    table: Table,
    source: str,
    options: dict[str, Any],
    *,
    named: bool,
    missing: Missing = "refuse",
    beside: AnnotationColumns = NO_ANNOTATIONS,
    units: Mapping[str, str] | None = None,
) -> D:
    """Return the data set of a table; rows with missing cells are left out if that is asked for.

    Parameters
    ----------
    make : type
        The class of the data set.
    table : Table
    source : str
    options : dict
        How it was read.
    named : bool
        Whether the user named the columns.
    missing : {"refuse", "drop", "mar"}
        What to do about missing cells.
    beside : AnnotationColumns
        What annotates the rows.
    units : mapping of str to str, optional
        The unit of each feature, where it is known.
    """
    values, lines = table.values, table.lines
    labels = distinct_labels(table.row_labels, "row_labels" in options)
    n_rows, kept = len(values), None
    absent = np.isnan(values)
    known: Annotations | None = beside.known(
        table.beside, table.features, len(values), lambda: np.isnan(table.values), lines
    )
    if absent.any() and missing == "refuse":
        known = None  # refused by what follows
    elif known is not None and known.empty and not (absent.any() and missing == "mar"):
        known = None
    if missing == "drop" and absent.any():
        keep = ~absent.any(axis=1)
        kept = np.flatnonzero(keep)
        values, lines = values[keep], lines if lines is None else lines[keep]
        labels = labels and tuple(x for x, kept in zip(labels, keep, strict=True) if kept)
        known = known and known.taken(kept)
    options |= {"missing": missing, **beside.options(), "ignored_columns": list(table.ignored)}
    options["left_out"] = dict(table.ignored)
    return checked(
        make,
        ArrayRows(frozen(values)),
        table.features,
        source,
        row_labels=labels,
        kept=kept,
        n_dropped=n_rows - len(values),
        options=options,
        lines=lines,
        named=named,
        notes=table.notes,
        known=known,
        units=units,
    )


def left_in_files[D: "Dataset"](
    make: type[D],
    source: str,
    columns: list[str] | None,
    units: Mapping[str, str] | None,
    *,
    by_dask: bool,
    plain: bool,
    missing: Missing,
    beside: AnnotationColumns,
) -> D:
    """Return the data set of Parquet whose rows stay in the files, but for what annotates them.

    `by_dask` has workers read them; `plain` says whether no option asks for more than `missing`
    and `beside` do.
    """
    if missing == "drop" or not plain:
        cure = "leave Dask out" if by_dask else Advice("pass ", Option("in_memory", True))
        raise ConfigError(
            Advice("na, row_labels and ", Option("missing", "drop"), " need the rows in memory; ")
            + cure
            + ", or write a file without these rows.",
            key="in_memory",
        )
    lacking = missing == "mar"
    rows: ParquetRows | DaskRows
    if by_dask:
        rows = dask_parquet(source, columns, beside, lacking=lacking)
    else:
        rows = ParquetRows(source, columns, beside, lacking=lacking)
    return _left(make, rows, source, columns, units, missing, beside)


def left_to_dask[D: "Dataset"](
    make: type[D],
    collection: Any,
    columns: list[str] | None,
    units: Mapping[str, str] | None,
    *,
    missing: Missing,
    beside: AnnotationColumns,
) -> D:
    """Return the data set of a Dask collection, but for what annotates its rows on the workers."""
    if check_one_of("missing", missing, MISSING) == "drop":
        raise ConfigError(
            Advice(
                Option("missing", "drop"),
                " needs the rows in memory; take those out of the collection (dropna), or keep "
                "them by ",
                Option("missing", "mar"),
                ".",
            ),
            key="missing",
        )
    rows = dask_rows(collection, columns, beside, lacking=missing == "mar")
    return _left(make, rows, "dask", columns, units, missing, beside)


def _left[D: "Dataset"](
    make: type[D],
    rows: ParquetRows | DaskRows,
    source: str,
    columns: list[str] | None,
    units: Mapping[str, str] | None,
    missing: Missing,
    beside: AnnotationColumns,
) -> D:
    """Return the data set of rows that are read again and again."""
    known: Annotations | None = None
    if beside.given or missing == "mar":
        holes = rows.incomplete
        known = beside.known(rows.beside(), rows.features, rows.shape[0], rows.absent)
        if holes and missing == "refuse" or not holes and known.empty:
            known = None  # refused by what follows, or nothing is known
    if known is not None and isinstance(rows, DaskRows):
        rows = rows.with_known(known)
    options = {"missing": missing, **beside.options(), "in_memory": False}
    options |= {"ignored_columns": list(rows.ignored), "left_out": dict(rows.ignored)}
    named = columns is not None
    asked: Any = dict(options=options, named=named, known=known, units=units)
    return checked(make, rows, rows.features, source, **asked)


def checked[D: "Dataset"](
    make: type[D],
    rows: Rows,
    features: tuple[str, ...],
    source: str,
    *,
    row_labels: tuple[str, ...] | None = None,
    kept: IntArray | None = None,
    n_dropped: int = 0,
    options: Mapping[str, Any] | None = None,
    lines: Lines = None,
    named: bool = True,
    notes: tuple[str, ...] = (),
    known: Annotations | None = None,
    units: Mapping[str, str] | None = None,
) -> D:
    """Check rows, warn of what looks wrong, and return the data set."""
    of_features = _units({} if units is None else units, features)
    n_obs, normal = rows.shape[0], None
    told: list[str] = []
    if known is None and not make.to_fit:
        facts = glance(rows, features, lines)
    elif known is None:
        if isinstance(rows, DaskRows):
            facts, suspicions = examine_parts(rows)
        else:
            facts, suspicions = examine(rows, features, lines)
        told = [*notes, *suspicions.sentences(features, named)]
    elif not make.to_fit:
        facts = glance_annotated(rows, features, lines, known)
    elif isinstance(rows, DaskRows):
        facts, normal, told = examine_annotated_parts(rows, known)
    else:
        facts, normal, told = examine_annotated(rows, features, lines, known)
        told = [*notes, *told]
    if known is not None and known.weights is not None:
        n_obs = int(np.count_nonzero(known.weights))
    duplicated = n_obs - facts.n_distinct if make.to_fit else 0
    if 2 * duplicated > n_obs:
        told.append(
            f"{duplicated} of {n_obs} rows are duplicates of an earlier row: check that rows "
            "are separate observations, and not a table of counts or a repeated join."
        )
    for sentence in told:
        warnings.warn(sentence, DataWarning, skip_file_prefixes=(_PACKAGE,))
    return make(
        features,
        row_labels,
        facts.hash,
        source,
        facts.n_distinct,
        n_dropped,
        kept,
        dict(options or {}),
        known,
        of_features,
        _rows=rows,
        _facts=facts,
        _normal=normal,
    )


def _units(given: Any, features: tuple[str, ...]) -> dict[str, str]:
    """Return the unit of each feature that has one; those of other columns are refused."""
    units = dict(check_instance("units", given, Mapping, "a mapping of columns to units"))
    check_texts("units", list(units.values()))
    for column in units:
        if column not in features:
            raise ConfigError(
                Advice(
                    Option("units"),
                    f" name {shown(column)}, which is not among the columns used: "
                    f"{', '.join(features):.200}.",
                ),
                key="units",
                value=column,
            )
    return units
