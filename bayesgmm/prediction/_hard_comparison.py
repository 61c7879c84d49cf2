"""K-means beside the mixture: where hard and soft assignments differ."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.metrics.cluster import contingency_matrix

from bayesgmm.advice import shown
from bayesgmm.arguments import is_storable, items_of, seed_of
from bayesgmm.cards import card
from bayesgmm.errors import DataError
from bayesgmm.likelihood.annotated_rows import AnnotatedRows, RowTable, times_of, values_of
from bayesgmm.prediction._membership import membership
from bayesgmm.prediction.draws import FitOrPosterior, draws_of, names_for, table_for
from bayesgmm.runtime.keywords import keywords
from bayesgmm.runtime.seeds import integer
from bayesgmm.typing import Array, IntArray

__all__ = ["HardComparison", "hard_comparison"]

KMEANS_STARTS = 20


@dataclass(frozen=True, eq=False)
class HardComparison:
    """K-means' clusters beside those of a mixture.

    Parameters
    ----------
    rows : pandas.DataFrame
        Index obs; columns kmeans (named to agree with the mixture as far as possible), mixture
        (the most probable cluster), probability (of that cluster), differs, and class where
        classes were given.
    counts : pandas.DataFrame
        Number of rows by mixture cluster (index) and k-means cluster (columns), each counted as
        often as its weight says where that is a whole number.
    adjusted_rand : dict of str to float
        Between "kmeans, mixture" and, where classes were given, "kmeans, classes" and
        "mixture, classes": 1 for equal partitions, 0 on average for unrelated ones.
    seed : int

    Examples
    --------
    >>> from bayesgmm import fit_em
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> beside = hard_comparison(rows, fit_em(rows, 2, seed=1), seed=1)
    >>> beside.adjusted_rand["kmeans, mixture"], int(beside.rows["differs"].sum())
    (1.0, 0)
    """

    rows: pd.DataFrame = field(repr=False)
    counts: pd.DataFrame = field(repr=False)
    adjusted_rand: dict[str, float]
    seed: int

    @property
    def differing(self) -> pd.DataFrame:
        """The rows that k-means and the mixture put into different clusters."""
        return self.rows[self.rows["differs"]]

    def _repr_html_(self) -> str:
        indices = [f"{name} {value:.3f}" for name, value in self.adjusted_rand.items()]
        return card(
            f"K-means beside the mixture: {len(self.differing)} of {len(self.rows)} rows differ",
            columns=("mixture", *(f"k-means {name}" for name in self.counts.columns)),
            rows=[
                (str(name), *(f"{value:g}" for value in row))
                for name, row in zip(self.counts.index, self.counts.to_numpy(), strict=True)
            ],
            sentences=[f"Adjusted Rand index: {', '.join(indices)}."],
        )


@keywords()
def hard_comparison(
    data: Any, fit: FitOrPosterior, seed: int | None = None, classes: Any = None
) -> HardComparison:
    """Set k-means' hard labels beside the mixture's soft ones.

    K-means runs with as many clusters on columns divided by their standard deviation, as it
    depends on units and the mixture does not. It takes weights, and knows neither labels nor errors
    of rows, as the mixture's memberships do. It has no noise either: where the mixture has, a row
    stands under the cluster that is most probable, however probably it belongs to none.

    Parameters
    ----------
    data : table of shape (obs, feature), data units
        A Dataset, an array, lists or a frame; a frame may have further columns. None takes the rows
        of a posterior.
    fit : PointFit or xarray.DataTree
    seed : int, optional
        Generated if None; stored in either case.
    classes : sequence of length obs, optional
        Known classes of the rows.

    Returns
    -------
    HardComparison

    Raises
    ------
    DataError
        When the data are unusable, a cell is missing, or `classes` has another length.
    ConfigError
        When `seed` is not a count.

    References
    ----------
    .. [1] Hubert and Arabie (1985), Journal of Classification 2, 193-218.

    Examples
    --------
    >>> from bayesgmm import fit_em
    >>> data = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> hard_comparison(data, fit_em(data, 2, seed=1), seed=1).adjusted_rand
    {'kmeans, mixture': 1.0}
    """
    seed = seed_of(seed)
    draws = draws_of(fit)
    table = table_for(draws, data)
    _require_complete(values_of(table), draws.features)
    names, soft, times = (
        names_for(draws, data, len(table)),
        membership(draws, table),
        times_of(table),
    )
    mixture, n_clusters = soft["mean"].values.argmax(axis=1), soft.sizes["cluster"]
    kmeans = _kmeans(table, n_clusters, seed)
    counts = contingency_matrix(
        *(np.append(np.repeat(one, times), np.arange(n_clusters)) for one in (mixture, kmeans))
    ) - np.eye(n_clusters, dtype=np.int64)
    match = linear_sum_assignment(-counts)[1]
    kmeans = np.argsort(match)[kmeans]
    rows = pd.DataFrame(
        {
            "kmeans": draws.clusters[kmeans],
            "mixture": draws.clusters[mixture],
            "probability": soft["mean"].values.max(axis=1),
            "differs": kmeans != mixture,
        },
        index=pd.Index(names, name="obs"),
    )
    adjusted_rand = {"kmeans, mixture": _adjusted_rand(mixture, kmeans, times)}
    if classes is not None:
        cells = _checked_classes(classes, len(rows))
        rows["class"] = np.asarray(classes)
        numbered = {cell: i for i, cell in enumerate(dict.fromkeys(cells))}
        for name in ("kmeans", "mixture"):
            agreement = _adjusted_rand([numbered[cell] for cell in cells], rows[name], times)
            adjusted_rand[f"{name}, classes"] = agreement
    numbers = pd.DataFrame(
        counts[:, match],
        pd.Index(draws.clusters, name="mixture"),
        pd.Index(draws.clusters, name="kmeans"),
    )
    return HardComparison(rows, numbers, adjusted_rand, seed)


def _require_complete(values: Array, features: tuple[str, ...]) -> None:
    absent = np.argwhere(np.isnan(values))
    if len(absent):
        row, feature = absent[0].tolist()
        raise DataError(
            f"k-means does not take missing cells, and {len(absent)} are missing, first in row "
            f"{row + 1}, column {shown(features[feature])}; compare on complete rows only.",
            rows=np.unique(absent[:, 0] + 1).tolist(),
            column=features[feature],
        )


def _adjusted_rand(one: Any, other: Any, times: IntArray) -> float:
    return float(adjusted_rand_score(np.repeat(one, times), np.repeat(other, times)))


def _kmeans(table: RowTable, n_clusters: int, seed: int) -> Any:
    values = values_of(table)
    _require_distinct(values, n_clusters)
    weights = table.weights if isinstance(table, AnnotatedRows) else None
    n_rows = len(values) if weights is None else int(np.count_nonzero(weights))
    if n_rows < max(n_clusters, 2):
        raise DataError(
            f"k-means with {n_clusters} clusters needs as many rows and at least 2, got {n_rows}.",
            n_obs=n_rows,
        )
    centre, spread = _moments(values, weights)
    scaled = (values - centre) / np.where(spread > 0.0, spread, 1.0)
    state = integer(np.random.SeedSequence(seed))
    kmeans = KMeans(n_clusters, n_init=KMEANS_STARTS, random_state=state)
    return kmeans.fit_predict(scaled, sample_weight=weights)


def _moments(values: Array, weights: Array | None) -> tuple[Array, Array]:
    """Return mean and standard deviation (feature,); rows count by their weights."""
    if weights is None:
        return values.mean(axis=0), values.std(axis=0, ddof=1)
    mean = np.average(values, axis=0, weights=weights)
    return mean, np.sqrt(weights @ (values - mean) ** 2 / (weights.sum() - 1.0))


def _require_distinct(values: Array, n_clusters: int) -> None:
    """Refuse fewer distinct rows than k-means is to have clusters; it looks no further."""
    distinct: set[bytes] = set()
    for row in values:
        distinct.add(row.tobytes())
        if len(distinct) >= n_clusters:
            return
    raise DataError(
        f"k-means needs {n_clusters} distinct rows for as many clusters, got {len(distinct)}."
    )


def _checked_classes(classes: Any, n_rows: int) -> list[Any]:
    """Return one class a row, none of them missing."""
    cells = list(islice(items_of("classes", classes, "classes"), n_rows + 1))
    if len(cells) != n_rows:
        got = f"shape {np.shape(classes)}" if hasattr(classes, "shape") else shown(classes)
        raise DataError(f"classes must hold one class for each of the {n_rows} rows, got {got}.")
    for i, cell in enumerate(cells):
        missing = cell is None or cell is pd.NA or not isinstance(cell, Hashable) or cell != cell
        if missing or (isinstance(cell, str) and not is_storable(cell)):
            raise DataError(
                f"row {i + 1} has no class: got {shown(cell)}; leave out such rows.", rows=(i + 1,)
            )
    return cells
