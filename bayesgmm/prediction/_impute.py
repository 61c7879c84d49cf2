"""What missing cells may be, and the values behind cells that were recorded with an error."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesgmm.arguments import check_count, check_prob, seed_of
from bayesgmm.errors import DataError
from bayesgmm.likelihood.annotated_rows import AnnotatedRows, RowGroup, groups_of, values_of
from bayesgmm.limits import INTERVAL
from bayesgmm.posterior.draws import Draws, Posterior
from bayesgmm.prediction.draws import (
    drawn_clusters,
    draws_of,
    interval,
    require_no_noise,
    require_no_tails,
)
from bayesgmm.runtime.keywords import keywords
from bayesgmm.runtime.memory import require_bytes
from bayesgmm.typing import Array, BoolArray, IntArray

__all__ = ["Imputation", "impute", "true_values"]

_MOST_DRAWS = 1000
_BLOCK_VALUES = 2**21
_ROUNDING = 1e-12  # of a variance: what is left of it may be none


@dataclass(frozen=True, eq=False)
class Imputation:
    """Cells drawn from their posterior, given all that was observed.

    Parameters
    ----------
    cells : pandas.DataFrame
        A row for each cell: obs, feature, mean, sd, lower and upper, data units.
    draws : array of shape (draw, cell), data units
    values : array of shape (obs, feature), data units
        The rows as they were observed, NaN where a cell is missing.
    obs : array of shape (obs,)
        Names of the rows.
    features : tuple of str
    places : array of shape (cell, 2)
        Row and feature of each cell, from 0.
    prob : float
        Posterior probability between lower and upper.
    seed : int

    Examples
    --------
    >>> import pandas as pd
    >>> import bayesgmm as bg
    >>> x = [0.1 * i for i in range(12)]
    >>> table = pd.DataFrame({"x": x, "y": [1.0 + 2.0 * a - a**2 for a in x[:-1]] + [None]})
    >>> data = bg.Dataset.from_frame(table, missing="mar")
    >>> imputed = bg.impute(bg.sample(data, 1, draws=50, seed=1), seed=1)
    >>> imputed.cells["feature"].tolist(), [len(table) for table in imputed.data_sets(2)]
    (['y'], [12, 12])
    """

    cells: pd.DataFrame
    draws: Array
    values: Array
    obs: NDArray[np.generic]
    features: tuple[str, ...]
    places: IntArray
    prob: float
    seed: int

    def data_sets(self, n: int) -> list[pd.DataFrame]:
        """Return `n` completed tables, each with the cells of one draw, evenly spaced.

        Parameters
        ----------
        n : int
            At most the number of draws.

        Raises
        ------
        ConfigError
            When `n` is no count.
        """
        n = min(check_count("n", n), len(self.draws))
        tables = []
        for draw in np.linspace(0, len(self.draws) - 1, n).round().astype(np.int64):
            filled = self.values.copy()
            filled[tuple(self.places.T)] = self.draws[draw]
            tables.append(pd.DataFrame(filled, index=self.obs, columns=list(self.features)))
        return tables


def _view_of(what: str, posterior: Posterior) -> Draws:
    """Return the view of a posterior of Gaussians, whose conditionals are known here."""
    view = draws_of(posterior)
    require_no_tails(what, view)
    require_no_noise(what, view)
    return view


@keywords()
def impute(posterior: Posterior, *, prob: float = INTERVAL, seed: int | None = None) -> Imputation:
    """Draw the missing cells of the rows behind a posterior.

    For each draw a cluster of the row is drawn given its observed cells, then its missing cells
    from the conditional Normal, so that both kinds of uncertainty are in what comes back. Cells are
    taken to be missing at random.

    Parameters
    ----------
    posterior : xarray.DataTree
        As `bayesgmm.sample` returns it; at most 1,000 of its draws are used.
    prob : float
        Posterior probability of the equal-tailed intervals.
    seed : int, optional
        Generated if None; stored in either case.

    Returns
    -------
    Imputation

    Raises
    ------
    ConfigError
        When `prob` is outside (0, 1), or `seed` is not a count.
    DataError
        When no cell is missing.

    References
    ----------
    Little and Rubin (2019), Statistical Analysis with Missing Data, third edition.

    Examples
    --------
    >>> import pandas as pd
    >>> from bayesgmm import Dataset, sample
    >>> x = [0.1 * i for i in range(12)]
    >>> table = pd.DataFrame({"x": x, "y": [1.0 + 2.0 * a - a**2 for a in x[:-1]] + [None]})
    >>> posterior = sample(Dataset.from_frame(table, missing="mar"), 1, draws=50, seed=1)
    >>> bool(1.5 < impute(posterior, seed=1).cells["mean"].item() < 3.0)
    True
    """
    view = _view_of("impute", posterior)
    wanted = np.isnan(values_of(view.table))
    if not wanted.any():
        raise DataError("no cell is missing: there is nothing to impute.")
    return _imputation(view, wanted, prob, seed)


@keywords()
def true_values(
    posterior: Posterior, *, prob: float = INTERVAL, seed: int | None = None
) -> Imputation:
    """Draw the values behind the cells that were recorded with errors of their own.

    Parameters
    ----------
    posterior, prob, seed
        As for `bayesgmm.impute`.

    Returns
    -------
    Imputation

    Raises
    ------
    ConfigError
        When `prob` is outside (0, 1), or `seed` is not a count.
    DataError
        When no row has an error of its own.

    References
    ----------
    Bovy, Hogg and Roweis (2011), Annals of Applied Statistics 5:1657.

    Examples
    --------
    >>> import pandas as pd
    >>> from bayesgmm import Dataset, sample
    >>> rows = pd.DataFrame({"x": [0.0, 0.3, 0.5, 5.0, 5.4], "sx": [0.1, 0.1, 0.1, 0.1, 2.0]})
    >>> posterior = sample(Dataset.from_frame(rows, errors={"x": "sx"}), 1, draws=50, seed=1)
    >>> cells = true_values(posterior, seed=1).cells
    >>> bool(cells["sd"].iloc[-1] > 3 * cells["sd"].iloc[0])
    True
    """
    view = _view_of("true_values", posterior)
    errors = view.table.errors if isinstance(view.table, AnnotatedRows) else None
    if errors is None:
        raise DataError("no row has an error of its own: its values are those observed.")
    return _imputation(view, (errors > 0.0) & ~np.isnan(values_of(view.table)), prob, seed)


def _imputation(view: Draws, wanted: BoolArray, prob: float, seed: int | None) -> Imputation:
    prob = check_prob(prob)
    seed = seed_of(seed)
    draws, table = view.thinned(_MOST_DRAWS), view.table
    places = np.argwhere(wanted)
    require_bytes(
        8 * draws.n_samples * len(places),
        f"{draws.n_samples} draws of {len(places)} cells",
        "thin the posterior, or take fewer rows",
    )
    cell_of = np.full(wanted.shape, -1)
    cell_of[tuple(places.T)] = np.arange(len(places))
    out = np.empty((draws.n_samples, len(places)))
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    for group in groups_of(table):
        features = np.flatnonzero(wanted[group.places[0]])
        if len(features):
            for rows, drawn in _drawn(draws, group, features, rng):
                out[:, cell_of[np.ix_(rows, features)].ravel()] = drawn
    lower, upper = interval(out.T.copy(), prob)
    names = np.array(view.features, dtype=object)
    cells = pd.DataFrame(
        {
            "obs": view.obs[places[:, 0]],
            "feature": names[places[:, 1]],
            "mean": out.mean(axis=0),
            "sd": out.std(axis=0, ddof=1),
            "lower": lower,
            "upper": upper,
        }
    )
    values = values_of(table)
    return Imputation(cells, out, values, view.obs, view.features, places, prob, seed)


def _drawn(
    draws: Draws, group: RowGroup, features: IntArray, rng: np.random.Generator
) -> Iterator[tuple[IntArray, Array]]:
    """Yield rows of a group, and draws of some of their features: (draw, row x feature)."""
    seen, covariances = group.observed, draws.parameters.covariances
    of_seen = covariances[:, :, seen[:, None], seen] + np.diag(group.errors**2)
    across = covariances[:, :, seen[:, None], features]
    slopes = np.linalg.solve(of_seen, across)
    left = covariances[:, :, features[:, None], features] - across.swapaxes(2, 3) @ slopes
    left += (
        _ROUNDING
        * np.einsum("...dd->...d", covariances)[..., features, None]
        * np.eye(len(features))
    )
    roots, means = np.linalg.cholesky(left), draws.parameters.means
    size = max(1, _BLOCK_VALUES // (draws.n_samples * (len(seen) + 1) * len(features)))
    each = np.arange(draws.n_samples)[:, None]
    for start in range(0, len(group.places), size):
        rows = group.places[start : start + size]
        clusters = drawn_clusters(draws.responsibilities(draws.table[rows]), rng)
        offsets = group.values[start : start + size] - means[each, clusters][..., seen]
        centre = means[each, clusters][..., features]
        centre = centre + np.einsum("sno,snot->snt", offsets, slopes[each, clusters])
        noise = rng.standard_normal(centre.shape)
        drawn = centre + np.einsum("sntu,snu->snt", roots[each, clusters], noise)
        yield rows, drawn.reshape(draws.n_samples, -1)
