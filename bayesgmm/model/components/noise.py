"""Noise beside the clusters: rows that lie anywhere in a box."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from bayesgmm.errors import DataError
from bayesgmm.typing import Array

__all__ = ["NOISE", "Noise"]

NOISE = "noise"  # its name beside those of the clusters


@dataclass(frozen=True, eq=False)
class Noise:
    """A uniform density on a box, which is fixed for every number of clusters.

    The box is that of the data, each side widened to (n + 1) / (n - 1) of its range, n being the
    number of rows, and one recording step: the plain box is the one on which these very rows are
    most likely, and favours itself.

    Parameters
    ----------
    low, high : arrays of shape (feature,), data units
    concentration : float
        Of the noise in the Dirichlet prior of the weights, before those of the clusters.

    References
    ----------
    Banfield and Raftery (1993), Biometrics 49:803 (noise in a mixture).
    """

    low: Array
    high: Array
    concentration: float

    @classmethod
    def around(
        cls,
        low: Array,
        high: Array,
        steps: Array,
        n_rows: float,
        concentration: float,
        features: tuple[str, ...],
    ) -> Self:
        """Return the noise on the box of data that lie between `low` and `high`.

        Raises
        ------
        DataError
            Where a feature is constant.
        """
        for name, one, other in zip(features, low, high, strict=True):
            if not other > one:
                raise DataError(
                    f"{name!r} is constant, so the noise has no box; leave the column out."
                )
        width = (high - low) * (n_rows + 1) / (n_rows - 1) + steps
        middle = 0.5 * (low + high)
        return cls(middle - 0.5 * width, middle + 0.5 * width, concentration)

    def log_density(self, values: Array) -> Array:
        """Return the log density of rows (obs, feature) over their observed cells: (obs,), nats.

        Data units; -inf outside of the box. Cells that are missing are NaN.
        """
        observed = ~np.isnan(values)
        outside = (values < self.low) | (values > self.high)
        found = -(observed @ np.log(self.high - self.low))
        return np.where(outside.any(axis=1), -np.inf, found)

    def margin(self, index: list[int]) -> Self:
        """Return the noise of some features, in that order."""
        return replace(self, low=self.low[index], high=self.high[index])

    def draws(self, size: int, rng: np.random.Generator) -> Array:
        """Draw rows (size, feature), data units."""
        return rng.uniform(self.low, self.high, (size, len(self.low)))
