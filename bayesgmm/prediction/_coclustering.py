"""How probably two rows share a component, whatever the components are called."""

from typing import Any

import numpy as np
import xarray as xr

from bayesgmm.limits import PAIRED_ROWS
from bayesgmm.model.components import NOISE
from bayesgmm.posterior.kept_rows import part_of_kept_rows
from bayesgmm.prediction.averaged import Average
from bayesgmm.prediction.draws import FitOrPosterior, draws_of, names_for, table_for
from bayesgmm.runtime.keywords import keywords
from bayesgmm.runtime.memory import require_bytes

__all__ = ["coclustering"]


@keywords(fit_or_posterior="posterior")
def coclustering(posterior: FitOrPosterior | Average, rows: Any = None) -> xr.DataArray:
    """Return the probability that two rows come from the same component.

    The mean over draws of sum_k r_ik r_jk, with the labels of the rows summed out: it depends on
    no labelling of the clusters. A row shares a component with itself.

    Parameters
    ----------
    posterior : PointFit, xarray.DataTree or Average
    rows : table of shape (obs, feature), data units, optional
        New rows or a part of the data; None takes the rows of the posterior, or where it keeps
        some of many 2,000 of these, which the coordinate obs names.

    Returns
    -------
    xarray.DataArray
        Probabilities (obs, obs_bis), symmetric. Rows of a noise share no component with another;
        where there is one, the coordinate noise (obs) is the probability that a row is of it.

    Raises
    ------
    ConfigError
        When `rows` is None for a point fit.
    DataError
        When the rows are unusable.
    ResourceError
        When the matrix would not fit in memory.

    Examples
    --------
    >>> from bayesgmm import fit_em
    >>> data = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> coclustering(fit_em(data, 2, seed=1), data[2:4]).values.round(3).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    draws = draws_of(posterior, labelled=False)
    if rows is None:
        draws = part_of_kept_rows(draws, PAIRED_ROWS)
    values = table_for(draws, rows)
    n_rows = len(values)
    require_bytes(
        2 * 8 * n_rows**2,
        f"the co-clustering matrix of {n_rows} rows",
        "pass a random part of the rows as rows=, or take partition, which needs no matrix, or "
        "membership",
    )
    together, inside = np.zeros((n_rows, n_rows)), np.zeros(n_rows)
    for block in draws.sample_blocks(n_rows):
        flat = draws.responsibilities(values, block).reshape(-1, n_rows)
        together += flat.T @ flat
        inside += flat.sum(axis=0)
    together /= draws.n_samples
    np.fill_diagonal(together, 1.0)
    obs = names_for(draws, rows, n_rows)
    coords: dict[str, Any] = {"obs": obs, "obs_bis": obs}
    if draws.noise is not None:
        coords[NOISE] = ("obs", np.maximum(1.0 - inside / draws.n_samples, 0.0))
    return xr.DataArray(together, coords, ("obs", "obs_bis"), "coclustering")
