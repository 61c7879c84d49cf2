"""The section [data] of model files: a file, and how it is read."""

from dataclasses import field
from typing import Any

from pydantic.dataclasses import dataclass

from bayesgmm.advice import Advice, Option
from bayesgmm.analysis.values import CONFIG, AtLeastOne, Flag, Number
from bayesgmm.data import Dataset, is_parquet
from bayesgmm.data.annotations import Missing, WeightsKind
from bayesgmm.errors import ConfigError
from bayesgmm.runtime.dask_client import connect

__all__ = ["DataSection"]

_OF_TABLES = (
    *("na", "row_labels", "drop_missing", "missing"),
    *("weights", "weights_kind", "labels", "errors", "units"),
)
_OF_TEXT = ("sep", "decimal", "thousands", "encoding", "comment", "header", "percent", "currency")


@dataclass(frozen=True, config=CONFIG)
class DataSection:
    """[data]: the CSV or Parquet file, relative to the model file, and how to read it."""

    file: str
    columns: tuple[str, ...] | None = None
    sep: str = ","
    decimal: str = "."
    thousands: str | None = None
    encoding: str = "utf-8"
    comment: str | None = None
    header: Flag | None = None
    row_labels: str | AtLeastOne | None = None
    na: tuple[str | Number, ...] = ()
    percent: Flag = False
    currency: Flag = False
    drop_missing: Flag = False
    missing: Missing = "refuse"
    weights: str | None = None
    weights_kind: WeightsKind | None = None
    labels: str | None = None
    errors: dict[str, str | Number] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    in_memory: Flag = True

    def read(self, kind: type[Dataset] = Dataset, dask: str | None = None) -> Dataset:
        """Read the data as a set to fit, or as `NewRows`, every check of the reader applied.

        Workers of Dask read them where its scheduler is named.
        """
        table: dict[str, Any] = {name: getattr(self, name) for name in _OF_TABLES}
        text: dict[str, Any] = {name: getattr(self, name) for name in _OF_TEXT}
        if not is_parquet(self.file):
            if not self.in_memory or dask is not None:
                raise ConfigError(
                    Advice(
                        Option("dask", dask) if self.in_memory else Option("in_memory", False),
                        f" is for Parquet, and {self.file!r} is not: a CSV file is read whole; "
                        "convert it, or leave the option out.",
                    ),
                    path=self.file,
                    key="dask" if self.in_memory else "in_memory",
                )
            return kind.from_csv(self.file, self.columns, **table, **text)
        usual = DataSection(self.file)
        if wrong := [name for name in _OF_TEXT if text[name] != getattr(usual, name)]:
            raise ConfigError(
                Advice(
                    f"some options are for CSV files, and {self.file!r} is Parquet; leave out ",
                    Advice.joined(", ", [Option(name) for name in wrong]),
                    ".",
                ),
                path=self.file,
                keys=wrong,
            )
        if dask is not None:
            connect(dask)
            table["engine"] = "dask"
        return kind.from_parquet(self.file, self.columns, self.in_memory, **table)
