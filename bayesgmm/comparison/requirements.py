"""What a comparison asks of rows, engine and executor before anything is fitted."""

from collections.abc import Iterable, Sequence
from typing import Any

from bayesgmm.data import (
    Dataset,
    as_dataset,
    check_labels,
    require_taken,
    require_whole_weights,
)
from bayesgmm.errors import ConfigError
from bayesgmm.likelihood.engines import check_engine, require_batches
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.typing import Engine

__all__ = ["check_engines", "check_executor", "comparable_rows"]


def comparable_rows(
    data: Any, columns: Sequence[str] | None, labels_inform_weights: bool
) -> Dataset:
    """Return the rows as a data set of which models can be compared."""
    dataset: Dataset = as_dataset(data, columns)
    require_whole_weights(dataset)
    require_taken("compare", dataset)
    check_labels(dataset, labels_inform_weights)
    return dataset


def check_engines(engine: Engine, method: str, data: Dataset, specs: Iterable[MixtureSpec]) -> None:
    """Refuse an engine that does not go through these rows for all of the models."""
    require_batches(engine, method)
    for spec in specs:
        check_engine(engine, data, spec)


def check_executor(executor: Any, data: Dataset) -> None:
    """Refuse what takes no tasks, and to send rows that lie on workers to workers."""
    if not callable(getattr(executor, "submit", None)):
        raise ConfigError(
            "executor must have a method submit, like a pool of threads or processes or a Dask "
            f"client, got {type(executor).__name__}.",
            key="executor",
            value=executor,
        )
    if data.partitions is not None:
        raise ConfigError(
            "the rows are on Dask workers, which process one model at a time; leave executor out.",
            key="executor",
        )
