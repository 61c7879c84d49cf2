"""What the plots of a fit are drawn from: thinned draws, rows, grids."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from bayesgmm.advice import shown
from bayesgmm.arguments import check_texts
from bayesgmm.data.checking import smallest_gap
from bayesgmm.errors import ConfigError
from bayesgmm.fit import PointFit
from bayesgmm.likelihood.annotated_rows import RowTable, counting_rows, values_of
from bayesgmm.limits import INTERVAL
from bayesgmm.model.components import NOISE
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.kept_rows import with_kept_rows
from bayesgmm.prediction._density_grid import density_grid, mean_density
from bayesgmm.prediction.draws import draws_of, table_for
from bayesgmm.typing import Array, IntArray

__all__ = ["INTERVAL_DRAWS", "Shown", "bin_edges", "evenly", "mass_levels", "to_show"]

_DRAWS = 400
INTERVAL_DRAWS = 4000  # for bounds of intervals
_WEIGHTY = 0.02
_BESIDE = 0.1  # of the one value that all rows have


@dataclass(frozen=True, eq=False)
class Shown:
    """What a plot of a mixture shows: draws of it, or its one point estimate, and rows.

    Parameters
    ----------
    draws : Draws
        The fit, or some 400 draws of the posterior, evenly spaced in each chain.
    rows : AnnotatedRows, array of shape (obs, feature) or None, data units
        Those that count.
    sampled : bool
        Whether these are draws, from which intervals follow.
    """

    draws: Draws
    rows: RowTable | None
    sampled: bool

    @property
    def clusters(self) -> tuple[str, ...]:
        """What each cluster is called: "cluster 1", or by the name that a model gives it."""
        return tuple(f"cluster {name}" for name in self.draws.clusters)

    @property
    def parts(self) -> tuple[str, ...]:
        """The clusters, and the noise after them where there is one."""
        return (*self.clusters, NOISE) if self.draws.noise is not None else self.clusters

    @property
    def noise_told(self) -> str:
        """What a legend says of the noise; empty where there is none."""
        share = self.draws.parameters.noise
        return "" if share is None else f"{NOISE}, {100 * share.mean():.1f} %, even in this box"

    def index(self, feature: str) -> int:
        """Return the place of a feature.

        Raises
        ------
        ConfigError
            When there is no such feature.
        """
        if not isinstance(feature, str) or feature not in self.draws.features:
            raise ConfigError(
                f"there is no feature {shown(feature)}; the model has "
                f"{', '.join(map(repr, self.draws.features[:6]))}.",
                feature=feature,
            )
        return self.draws.features.index(feature)

    def places(self, features: Any, number: int | None = None) -> list[int]:
        """Return the places of features, of which there are to be so many.

        Raises
        ------
        ConfigError
            When they are not as many different features.
        """
        names = check_texts("features", features)
        if not names or len(set(names)) < len(names) or len(names) != (number or len(names)):
            wanted = f"{number} different names" if number else "different names"
            raise ConfigError(
                f"features must be {wanted}, got {shown(names)}.", key="features", value=names
            )
        return [self.index(name) for name in names]

    def separating(self) -> IntArray:
        """Return the features' places, the one whose clusters lie farthest apart first.

        By the variance of the clusters' means over the mean variance within clusters: Fisher's
        ratio along each feature (1936, Annals of Eugenics 7:179).
        """
        weight = self.draws.parameters.shares.mean(axis=0)
        mean = self.draws.parameters.means.mean(axis=0)
        within = np.einsum("k,skdd->d", weight, self.draws.parameters.covariances)
        between = weight @ (mean - weight @ mean) ** 2
        return np.argsort(-between / within, kind="stable")

    def whole(self) -> tuple[Array, Array]:
        """Return mean and standard deviation of each feature in the whole mixture."""
        parameters = self.draws.parameters
        shares = parameters.shares
        mean = np.einsum("sk,skd->d", shares, parameters.means) / len(shares)
        within = np.einsum("skdd->skd", parameters.covariances)
        squares = within + (parameters.means - mean) ** 2
        return mean, np.sqrt(np.einsum("sk,skd->d", shares, squares) / len(shares))

    def limits(self, place: int) -> tuple[float, float]:
        """Return ends of an axis: the rows and a margin, or three sd beyond the outer clusters."""
        if self.rows is not None:
            column = values_of(self.rows)[:, place]
            low, high = np.nanmin(column), np.nanmax(column)
            margin = 0.14 * (high - low) or _BESIDE * (abs(low) or 1.0)
            return float(low - margin), float(high + margin)
        weighty = self.draws.parameters.weights.mean(axis=0) >= _WEIGHTY
        means = self.draws.parameters.means[..., place].mean(axis=0)
        reach = 3 * np.sqrt(self.draws.parameters.covariances[..., place, place].mean(axis=0))
        return float((means - reach)[weighty].min()), float((means + reach)[weighty].max())

    def density(self, places: Sequence[int], size: int, prob: float = INTERVAL) -> xr.Dataset:
        """Return `density_grid` of one or two features over `limits`."""
        return density_grid(
            self.draws,
            [self.draws.features[place] for place in places],
            size=size,
            limits=[self.limits(place) for place in places],
            prob=prob,
        )

    def surface(self, places: Sequence[int], size: int) -> tuple[Array, Array, Array]:
        """Return x and y (size,) and the mean density (size, size) of two features."""
        x, y = (np.linspace(*self.limits(place), size) for place in places)
        return x, y, mean_density(self.draws.marginal(list(places)), (x, y))


def to_show(source: Any, rows: Any = None, n_draws: int = _DRAWS) -> Shown:
    """Take the draws of a posterior, thinned, or the estimate of a point fit.

    Parameters
    ----------
    source : PointFit, DataTree or Draws
    rows : Dataset, array of shape (obs, feature) or frame, optional
        The rows to show; a posterior holds its own, a point fit holds none.
    n_draws : int
        About how many draws at most.

    Raises
    ------
    ConfigError
        When it is neither a point fit nor a posterior.
    """
    draws = with_kept_rows(draws_of(source, gaussian=False))
    n_chains, size = draws.shape
    kept = evenly(size, -(-n_draws // n_chains))
    if len(kept) < size:
        draws = draws.taken(np.add.outer(size * np.arange(n_chains), kept).ravel())
    own = None
    if rows is not None or draws.observed is not None:
        own = counting_rows(table_for(draws, rows))
    return Shown(draws, own, sampled=not isinstance(source, PointFit))


def evenly(size: int, most: int) -> IntArray:
    """Return at most `most` places out of `size`, evenly spaced.

    Examples
    --------
    >>> evenly(9, 3)
    array([0, 4, 8])
    """
    return np.linspace(0, size - 1, min(size, most)).round().astype(np.int64)


def mass_levels(surface: Array, masses: tuple[float, ...]) -> Array:
    """Return the heights, ascending, above which a surface on an even grid holds each mass.

    Examples
    --------
    >>> mass_levels(np.array([[4.0, 3.0], [2.0, 1.0]]), (0.4, 0.7))
    array([3., 4.])
    """
    heights = np.sort(surface, axis=None)[::-1]
    total = heights.sum()
    if total == 0.0:  # so far from all components that no density is left
        return heights[:1]
    share = np.cumsum(heights) / total
    places = [int(np.searchsorted(share, mass - 1e-12)) for mass in masses]
    return np.unique(heights[places])


def bin_edges(column: Array, times: IntArray | None = None) -> Array:
    """Return the edges of a histogram that does not comb rounded values.

    Where values are tied, a bin is a whole number of recording steps wide and its edges lie half a
    step from the values.

    Parameters
    ----------
    column : array of shape (obs,), data units
    times : array of shape (obs,), optional
        How many rows each value stands for: one by default.

    Examples
    --------
    >>> bin_edges(np.array([1.0, 1.0, 2.0, 3.0])).tolist()
    [0.5, 1.5, 2.5, 3.5]
    """
    low, high = float(column.min()), float(column.max())
    if low == high:
        return low + _BESIDE * (abs(low) or 1.0) * np.array([-1.0, 1.0])
    number = len(column) if times is None else times.sum()
    width = (high - low) / np.clip(1.3 * number**0.5, 6, 50)
    step = smallest_gap(column if times is None else np.repeat(column, np.minimum(times, 2)))
    if step == 0 or (high - low) / step > 500:
        return np.linspace(low, high, round((high - low) / width) + 1)
    width = step * max(round(width / step), 1)
    return low - step / 2 + width * np.arange(np.ceil((high - low + step) / width - 1e-9) + 1)
