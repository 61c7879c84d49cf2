"""A specification with every prior as a number in the units of the data."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayesgmm.data import Dataset
from bayesgmm.errors import ConfigError
from bayesgmm.mixture.groups import LabelGroups
from bayesgmm.mixture.structures import STRUCTURES, Structure
from bayesgmm.spec import MixtureSpec
from bayesgmm.typing import Array

__all__ = ["ResolvedSpec", "resolve"]

ERROR_PER_STEP = 0.4  # 1 / sqrt(2 pi): a tied cell's density then never exceeds 1 / step


@dataclass(frozen=True)
class ResolvedSpec:
    """A mixture specification resolved on a data set, and the coordinates in which it is fitted.

    Computed once from the full data and held fixed for every K and every refit.

    Parameters
    ----------
    spec : MixtureSpec
    features : tuple of str
    centre, spread : arrays of shape (feature,), data units
        Mean and standard deviation (n - 1) of each feature.
    resolution : array of shape (feature,), data units
        Standard deviation h of the recording error, 0.4 recording steps.
    concentration : array of shape (cluster,)
    mean_location, mean_scale : arrays of shape (feature,), data units
    scale : array of shape (feature,), or (1,) for the spherical structures, data units
        Median (log-normal) or scale (half-normal) of the prior of the scales.
    """

    spec: MixtureSpec
    features: tuple[str, ...]
    centre: Array
    spread: Array
    resolution: Array
    concentration: Array
    mean_location: Array
    mean_scale: Array
    scale: Array

    @property
    def structure(self) -> Structure:
        """The covariance structure."""
        return STRUCTURES[self.spec.covariance]

    @property
    def n_components(self) -> int:
        """Number of components K."""
        return self.spec.n_components

    @property
    def n_features(self) -> int:
        """Number of features D."""
        return len(self.features)

    @property
    def groups(self) -> LabelGroups:
        """The groups of labels that the prior does not tell apart."""
        return LabelGroups.of_rows(self.concentration[:, None])

    @property
    def unit(self) -> Array:
        """Unit of the fitting coordinates (feature,): one for all features if spherical."""
        return _common(self.spread) if self.structure.scalar else self.spread

    @property
    def log_unit(self) -> float:
        """Sum of log units: what the log density of a row loses on the way to data units."""
        return float(np.log(self.unit).sum())

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; `from_dict` reads them."""
        arrays = {
            name: value.tolist() for name, value in vars(self).items() if hasattr(value, "tolist")
        }
        return {"spec": self.spec.to_dict(), "features": list(self.features), **arrays}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "ResolvedSpec":
        """Rebuild what `to_dict` gave."""
        arrays = {
            name: np.asarray(value, dtype=float)
            for name, value in values.items()
            if name not in ("spec", "features")
        }
        return cls(
            spec=MixtureSpec.from_dict(values["spec"]), features=tuple(values["features"]), **arrays
        )


def _common(spread: Array) -> Array:
    return np.full_like(spread, math.sqrt(np.mean(spread**2)))


def _per(value: Any, size: int, name: str, what: str) -> Array:
    """Spread a number over `size` entries, or check that there is one an entry."""
    array = np.atleast_1d(np.asarray(value, dtype=float))
    if array.size not in (1, size):
        raise ConfigError(
            f"{name} must be one number or one a {what} ({size}), got {array.size} numbers.",
            key=name,
            value=value,
        )
    return np.broadcast_to(array, (size,)).copy()


def resolve(spec: MixtureSpec, data: Dataset) -> ResolvedSpec:
    """Turn relative priors and the automatic resolution into numbers in data units.

    Parameters
    ----------
    spec : MixtureSpec
    data : Dataset
        The full data: centre, spread and recording steps come from it.

    Raises
    ------
    ConfigError
        Where a prior has the wrong number of entries for this K and these features.
    """
    priors, size = spec.priors, data.n_features
    centre, spread = data.centre(), data.spread()
    scalar = STRUCTURES[spec.covariance].scalar
    relative = priors.units == "relative"
    unit = spread if relative else np.ones(size)
    if priors.mean_location is None:
        location = centre.copy()
    else:
        location = _per(priors.mean_location, size, "mean_location", "feature") * unit
        location += centre if relative else 0.0
    if scalar:
        scale = _per(priors.scale, 1, "scale (spherical structures)", "model")
        scale = scale * (_common(spread)[:1] if relative else 1.0)
    else:
        scale = _per(priors.scale, size, "scale", "feature") * unit
    steps = (
        data.smallest_gaps()
        if isinstance(spec.resolution, str)
        else _per(spec.resolution, size, "resolution", "feature")
    )
    return ResolvedSpec(
        spec=spec,
        features=data.features,
        centre=centre,
        spread=spread,
        resolution=ERROR_PER_STEP * steps,
        concentration=_per(priors.concentration, spec.n_components, "concentration", "cluster"),
        mean_location=location,
        mean_scale=_per(priors.mean_scale, size, "mean_scale", "feature") * unit,
        scale=scale,
    )
