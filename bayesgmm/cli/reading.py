"""The options with which a command reads its data file, and the first lines that it prints."""

import inspect
import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayesgmm.cli.options import Columns, Units
from bayesgmm.cli.values import errors_in, names_in, units_in

if TYPE_CHECKING:
    from bayesgmm.data import Dataset

__all__ = ["data_name", "data_sections", "is_data", "read_data", "reads_data", "refuse_reading"]

_DATA_ENDINGS = (".csv", ".tsv", ".txt", ".dat", ".parquet", ".pq", ".gz", ".zst")


def _options(
    columns: Columns = None,
    sep: Annotated[
        str,
        typer.Option(
            help='Field separator of the CSV file; "tab" for a tab, "blank" for runs of blanks.'
        ),
    ] = ",",
    decimal: Annotated[str, typer.Option(help='Decimal sign of the CSV file: "." or ",".')] = ".",
    thousands: Annotated[
        str | None,
        typer.Option(help='Sign between groups of digits: one of , . \' _ or "blank".'),
    ] = None,
    encoding: Annotated[str, typer.Option(help="Text encoding of the CSV file.")] = "utf-8",
    comment: Annotated[
        str | None, typer.Option(help='Skip lines that start with this, such as "#".')
    ] = None,
    header: Annotated[
        bool | None,
        typer.Option(
            "--header/--no-header",
            show_default=False,
            help="Whether the first line holds column names. By default it does, and one that "
            "looks like data is an error.",
        ),
    ] = None,
    row_labels: Annotated[
        str | None,
        typer.Option(help="Column that names the rows, by its name or its number from 1."),
    ] = None,
    na: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CELL", help="Text or number that stands for missing values; repeatable."
        ),
    ] = None,
    percent: Annotated[bool, typer.Option("--percent", help='Read cells such as "12 %".')] = False,
    currency: Annotated[
        bool, typer.Option("--currency", help='Read cells such as "$9.50".')
    ] = False,
    drop_missing: Annotated[bool, typer.Option("--drop-missing", hidden=True)] = False,
    missing: Annotated[
        str,
        typer.Option(
            metavar="refuse|drop|mar",
            help="Missing cells: refuse them, drop their rows, or marginalise over them, assuming "
            "that they are missing at random (mar).",
        ),
    ] = "refuse",
    weights: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of the weights of the rows.")
    ] = None,
    weights_kind: Annotated[
        str | None,
        typer.Option(
            metavar="frequency|sampling",
            help="What the weights are: numbers of equal rows (frequency), or a survey's weights "
            "(sampling).",
        ),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of known classes: empty where unknown, a|b where it is one of several.",
        ),
    ] = None,
    errors: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN=ERROR",
            help="Standard deviation of the measurement errors in a column: another column, or a "
            "number; repeatable.",
        ),
    ] = None,
    unit: Units = None,
    in_memory: Annotated[
        bool,
        typer.Option(
            "--in-memory/--no-in-memory",
            show_default=False,
            help="Read all rows into memory, or leave those of a Parquet file on disk and read "
            "them in blocks.",
        ),
    ] = True,
    dask: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS|local",
            help="Let Dask workers read the Parquet files: those of the scheduler at this address, "
            "or local ones.",
        ),
    ] = None,
) -> dict[str, Any]:
    """Return what the sections [data] and [compute] of a model file say."""
    blank = {"blank": " "}
    return {
        "columns": names_in(columns),
        "sep": "\t" if sep in ("tab", r"\t") else sep,
        "decimal": decimal,
        "thousands": thousands if thousands is None else blank.get(thousands, thousands),
        "encoding": encoding,
        "comment": comment,
        "header": header,
        "row_labels": row_labels,
        "na": na or [],
        "percent": percent,
        "currency": currency,
        "drop_missing": drop_missing,
        "missing": missing,
        "weights": weights,
        "weights_kind": weights_kind,
        "labels": labels,
        "errors": errors_in(errors),
        "units": units_in(unit),
        "in_memory": in_memory,
        "dask": dask,
    }


def reads_data(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command the options of reading; it gets them as one mapping, ``reading``."""
    own = inspect.signature(command, eval_str=True)
    added = inspect.signature(_options, eval_str=True).parameters
    kept = [p for p in own.parameters.values() if p.name not in ("reading", *added)]
    ends = [p for p in added.values() if p.name not in {q.name for q in kept}]

    @wraps(command)
    def with_options(**given: Any) -> int:
        reading = _options(**{name: given.pop(name) for name in added})
        return command(**given, reading=reading)

    required = [p for p in kept if p.default is inspect.Parameter.empty]
    parameters = required + [p for p in kept if p not in required] + ends
    with_options.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    with_options.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": int}
    del with_options.__wrapped__
    return with_options


def refuse_reading(path: Path, reading: dict[str, Any]) -> None:
    """Refuse options of reading where a model file holds its own."""
    from bayesgmm.errors import ConfigError

    usual = _options()
    if given := [name for name, value in reading.items() if value != usual[name]]:
        raise ConfigError(
            f"{str(path)!r} is read as a model file, which says under [data] how its data are "
            f"read; leave out {', '.join('--' + name.replace('_', '-') for name in given)}.",
            keys=given,
        )


def is_data(path: Path) -> bool:
    """Whether a path names data and not a model file."""
    return str(path) == "-" or path.suffix.lower() in _DATA_ENDINGS or os.path.isdir(path)


def data_name(path: Path) -> str:
    """Return a name for an analysis of this file, fit for a folder."""
    stem = path.name
    while Path(stem).suffix.lower() in _DATA_ENDINGS:
        stem = Path(stem).stem
    plain = "".join(c if c.isalnum() or c in "-_. " else "_" for c in stem).strip("_. -")
    return plain or "data"


def data_sections(path: Path, reading: dict[str, Any]) -> dict[str, Any]:
    """Return the sections [data] and [compute] that read this file."""
    options = dict(reading)
    return {"compute": {"dask": options.pop("dask")}, "data": {"file": str(path), **options}}


def read_data(path: Path, reading: dict[str, Any], *, to_fit: bool = True) -> "Dataset":
    """Read the data file of a command; rows that nothing is fitted to need not be a data set."""
    from bayesgmm.analysis import AnalysisSpec
    from bayesgmm.data import Dataset, NewRows

    values = {"name": "data", **data_sections(path, reading)}
    return AnalysisSpec.from_dict(values, "the command").read(Dataset if to_fit else NewRows)
