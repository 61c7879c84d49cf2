"""Memberships and densities of many rows, written to Parquet block by block."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesgmm.arguments import check_flag, check_instance, check_prob, path_of
from bayesgmm.data import Dataset
from bayesgmm.limits import INTERVAL
from bayesgmm.posterior.whole_files import check_writable, replacing
from bayesgmm.prediction._density import log_density
from bayesgmm.prediction._membership import membership, parts_of
from bayesgmm.prediction.draws import FitOrPosterior, draws_of
from bayesgmm.prediction.rows import blocks_of_rows
from bayesgmm.runtime.keywords import keywords

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["membership_table", "write_predictions"]

_BLOCK = 65_536  # rows, one row group of the file


@keywords()
def write_predictions(
    posterior: FitOrPosterior,
    rows: Dataset,
    path: str | os.PathLike[str],
    *,
    prob: float = INTERVAL,
    overwrite: bool = False,
) -> Path:
    """Write memberships and densities of rows to Parquet: what is too long to be held.

    Rows are read, predicted and written block by block, so that neither they nor the predictions
    need fit in memory.

    Parameters
    ----------
    posterior : PointFit or xarray.DataTree
        A posterior must be relabelled.
    rows : Dataset
        In memory, or left in a file.
    path : path
        The file to write.
    prob : float
        Probability of the equal-tailed intervals.
    overwrite : bool
        Whether a file there may be replaced.

    Returns
    -------
    pathlib.Path
        The file: one line per row, in their order. ``row`` is its label or its number from 0,
        ``cluster`` the most probable cluster, ``entropy`` as in `membership`, ``mean_1``,
        ``lower_1``, ``upper_1`` the probability of cluster 1, and so on; ``log_density``,
        ``log_density_lower``, ``log_density_upper`` as in `log_density`, nats.

    Raises
    ------
    ConfigError
        When `rows` is no data set, or `prob` is outside (0, 1).
    DataError
        When the rows lack a feature, or are unusable.
    ResultFileError
        When the file exists or cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> from bayesgmm import Dataset, fit_em
    >>> data = Dataset.from_frame(pd.DataFrame({"x": [0.0, 0.2, 0.5, 5.0, 5.1, 5.4, 0.3, 5.2]}))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_predictions(fit_em(data, 2, seed=1), data, f"{folder}/rows.parquet")
    ...     table = pd.read_parquet(path)
    >>> table["cluster"].tolist()
    [1, 1, 1, 2, 2, 2, 1, 2]
    """
    from pyarrow import Table, parquet

    draws, prob = draws_of(posterior), check_prob(prob)
    data: Dataset = check_instance("rows", rows, Dataset, "a Dataset")
    path = path_of(path, "path")
    check_writable(path, check_flag("overwrite", overwrite))
    blocks = blocks_of_rows(data, draws.features, draws.clusters, _BLOCK)
    with replacing(path, overwrite) as temporary:
        writer, start = None, 0
        for block in blocks:
            names = _names(data, start, start + len(block))
            start += len(block)
            found = membership(draws, block, prob).assign_coords(obs=names)
            table = membership_table(found).reset_index()
            for name, values in _densities(draws, block, prob).data_vars.items():
                table[name] = values.values
            lines = Table.from_pandas(table, preserve_index=False)
            if writer is None:
                writer = parquet.ParquetWriter(temporary, lines.schema)
            writer.write_table(lines)
        if writer is not None:
            writer.close()
    return path


def _names(data: Dataset, start: int, stop: int) -> NDArray[Any]:
    labels = data.row_labels
    return np.arange(start, stop) if labels is None else np.array(labels[start:stop])


def _densities(draws: Any, block: Any, prob: float) -> xr.Dataset:
    names = {"mean": "log_density", "lower": "log_density_lower", "upper": "log_density_upper"}
    return log_density(draws, block, prob).rename(names)


def membership_table(found: xr.Dataset) -> "pd.DataFrame":
    """Lay memberships out with one line per row: cluster, entropy, and the interval of each.

    The noise comes after the clusters.
    """
    import pandas as pd

    parts = parts_of(found)
    columns = {"cluster": found["most_probable"].values, "entropy": found["entropy"].values}
    for k, part in enumerate(parts.names):
        for name, values in zip(("mean", "lower", "upper"), parts[1:], strict=True):
            columns[f"{name}_{part}"] = values[:, k]
    return pd.DataFrame(columns, index=pd.Index(found["obs"].values, name="row"))
