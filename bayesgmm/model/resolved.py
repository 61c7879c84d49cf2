"""A specification with every prior as a number in the units of the data."""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from bayesgmm.advice import Advice, Option, shown
from bayesgmm.data import Dataset
from bayesgmm.errors import ConfigError
from bayesgmm.limits import ERROR_PER_STEP, LARGEST_PRIOR, LARGEST_STEP, SMALLEST_PRIOR
from bayesgmm.model.components import STRUCTURES, Structure
from bayesgmm.model.groups import LabelGroups
from bayesgmm.model.scale_priors import ScalePrior, scale_prior
from bayesgmm.model.spec import MixtureSpec, Priors, is_by_cluster
from bayesgmm.typing import Array

__all__ = ["ResolvedSpec", "resolve"]

_OF_VARIANCE = {
    "scale_rate": " times the variance of its feature",
    "hyper_rate": " over the variance of its feature",
}


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
        Standard deviation h of the recording error, 0.4 recording steps; the largest for all
        features of the spherical structures, which are not spherical with unequal ones.
    concentration : array of shape (cluster,)
    mean_location, mean_scale : arrays of shape (feature,) or (cluster, feature), data units
    scale : array of shape (feature,) or (cluster, feature), data units
        Median (log-normal) or scale (half-normal) of the prior of the scales, or the unit of
        `InverseGamma`; one number in place of the features for the spherical structures.
    classes : tuple of str
        Classes that known labels name: those of the first components.
    class_groups : tuple of int
        A number for each class: equal ones where no label tells two apart, and -1 where none names
        it, as for components without a class.
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
    classes: tuple[str, ...] = ()
    class_groups: tuple[int, ...] = ()

    @property
    def structure(self) -> Structure:
        """The covariance structure."""
        return STRUCTURES[self.spec.covariance]

    @property
    def scale_prior(self) -> ScalePrior:
        """The family of the prior of the scales, whose unit is `scale`."""
        return scale_prior(self.spec.priors)

    @property
    def n_components(self) -> int:
        """Number of components K."""
        return self.spec.n_components

    @property
    def n_features(self) -> int:
        """Number of features D."""
        return len(self.features)

    @property
    def class_names(self) -> list[str] | None:
        """Names of the clusters where labels name some: the others are numbered after them."""
        if not self.classes:
            return None
        return [*self.classes, *map(str, range(len(self.classes) + 1, self.n_components + 1))]

    @cached_property
    def groups(self) -> LabelGroups:
        """The groups of labels that the prior does not tell apart."""
        k = self.n_components
        rows = [
            np.array([*self.class_groups, *[-1] * (k - len(self.classes))])[:, None],
            self.concentration[:, None],
            *self.mean_rows,
            np.broadcast_to(self.scale, (k, self.scale.shape[-1])),
        ]
        return LabelGroups.of_rows(np.concatenate(rows, axis=1))

    @property
    def mean_rows(self) -> tuple[Array, Array]:
        """Location and scale of the prior of every mean (cluster, feature), data units."""
        shape = (self.n_components, self.n_features)
        return np.broadcast_to(self.mean_location, shape), np.broadcast_to(self.mean_scale, shape)

    @property
    def scale_rows(self) -> Array:
        """Median or scale of the prior of the scales (group, feature), data units.

        A group is a cluster, or all that share.
        """
        groups = self.structure.n_scale_sets(self.n_components)
        return np.broadcast_to(self.scale, (groups, self.n_features))

    @property
    def free_scale(self) -> Array:
        """The same for each free scale, in their own shape: shared or scalar axes absent."""
        rows = self.scale_rows[:, : self.structure.scale_width(self.n_features)]
        return rows.reshape(self.structure.scales_shape(self.n_components, self.n_features))

    @property
    def unit(self) -> Array:
        """Unit of the fitting coordinates (feature,): one for all features if spherical."""
        return self.structure.unit(self.spread)

    @property
    def log_unit(self) -> float:
        """Sum of log units: what the log density of a row loses on the way to data units."""
        return float(np.log(self.unit).sum())

    def with_fewer_components(self) -> "ResolvedSpec":
        """Return the same with the last component left out."""
        rows = {
            name: getattr(self, name)[:-1]
            for name in ("mean_location", "mean_scale", "scale")
            if getattr(self, name).ndim == 2
        }
        spec = replace(self.spec, n_components=self.n_components - 1)
        return replace(self, spec=spec, concentration=self.concentration[:-1], **rows)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; `from_dict` reads them."""
        arrays = {
            name: value.tolist() for name, value in vars(self).items() if hasattr(value, "tolist")
        }
        texts: dict[str, Any] = {"features": list(self.features)}
        if self.classes:
            texts["classes"] = list(self.classes)
            texts["class_groups"] = list(self.class_groups)
        return {"spec": self.spec.to_dict(), **texts, **arrays}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "ResolvedSpec":
        """Rebuild what `to_dict` gave."""
        arrays = {
            name: np.asarray(value, dtype=float)
            for name, value in values.items()
            if name not in ("spec", "features", "classes", "class_groups")
        }
        return cls(
            spec=MixtureSpec.from_dict(values["spec"]),
            features=tuple(values["features"]),
            classes=tuple(values.get("classes", ())),
            class_groups=tuple(values.get("class_groups", ())),
            **arrays,
        )


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


def _by_feature(value: Any, n_clusters: int, size: int, name: str, what: str) -> Array:
    """Spread a prior's numbers over features, in a row for each cluster where there are rows."""
    if not is_by_cluster(value):
        return _per(value, size, name, what)
    if len(value) != n_clusters:
        raise ConfigError(
            f"{name} must have one row a cluster ({n_clusters}), got {len(value)} rows.",
            key=name,
            value=value,
        )
    return np.stack([_per(row, size, f"each row of {name}", what) for row in value])


def resolve(spec: MixtureSpec, data: Dataset, *, sampled: bool = True) -> ResolvedSpec:
    """Turn relative priors and the automatic resolution into numbers in data units.

    Parameters
    ----------
    spec : MixtureSpec
    data : Dataset
        The full data: centre, spread and recording steps come from it.
    sampled : bool
        Whether a posterior is wanted.

    Raises
    ------
    ConfigError
        Where a posterior is wanted of a structure that EM alone fits.
        Where a prior has the wrong number of entries for this K and these features, or is one of
        single features and there are several.
    """
    priors, size, k = spec.priors, data.n_features, spec.n_components
    centre, spread = data.centre(), data.spread()
    structure = STRUCTURES[spec.covariance]
    if sampled:
        require_posterior(spec.covariance)
    relative = priors.units == "relative"
    unit = spread if relative else np.ones(size)
    if priors.mean_location is None:
        location = centre.copy()
    else:
        location = _by_feature(priors.mean_location, k, size, "mean_location", "feature") * unit
        location += centre if relative else 0.0
    width = structure.scale_width(size)
    scale = _scale(spec, size)
    scale = scale * (structure.unit(spread)[:width] if relative else 1.0)
    steps = (
        data.smallest_gaps()
        if isinstance(spec.resolution, str)
        else _per(spec.resolution, size, "resolution", "feature")
    )
    found = ResolvedSpec(
        spec=spec,
        features=data.features,
        centre=centre,
        spread=spread,
        resolution=ERROR_PER_STEP * structure.steps(steps),
        concentration=_per(priors.concentration, k, "concentration", "cluster"),
        mean_location=location,
        mean_scale=_by_feature(priors.mean_scale, k, size, "mean_scale", "feature") * unit,
        scale=scale,
        classes=() if data.annotations is None else data.annotations.classes,
        class_groups=() if data.annotations is None else data.annotations.class_groups,
    )
    _refuse_extremes(found)
    return found


def require_posterior(covariance: str) -> None:
    """Raise ConfigError for a structure that EM alone fits; name the nearest with a posterior."""
    structure = STRUCTURES[covariance]
    if structure.factors is not None:
        raise ConfigError(
            Advice(
                Option("covariance", covariance),
                " is fitted by maximum likelihood alone (fit_em, bic_grid). For a posterior take ",
                Option("covariance", structure.nearest_sampled),
                ", which holds it.",
            ),
            key="covariance",
            value=covariance,
        )


def _scale(spec: MixtureSpec, size: int) -> Array:
    """Return the numbers of the scales' prior before their units: (feature,) or by cluster."""
    priors, structure = spec.priors, STRUCTURES[spec.covariance]
    if priors.scale_family == "inverse_gamma":
        if size > 1:
            raise ConfigError(
                Advice(
                    Option("scale_family", priors.scale_family),
                    f" is a prior of one variance a component, for one feature, got {size} "
                    "features; take one column, or ",
                    Option("scale_family", "lognormal"),
                    ".",
                ),
                key="scale_family",
                value=priors.scale_family,
            )
        return np.array([_root_of_rate(priors)])
    if "scales" not in structure.own_blocks and is_by_cluster(priors.scale):
        raise ConfigError(
            Advice(
                Option("covariance", spec.covariance),
                " has one set of scales for all clusters, so that scale takes no rows by cluster; "
                "give one number or one a feature, or another covariance.",
            ),
            key="scale",
            value=priors.scale,
        )
    width = structure.scale_width(size)
    name, what = ("scale", "feature") if width == size else (f"scale ({spec.covariance})", "model")
    return _by_feature(priors.scale, spec.n_components, width, name, what)


def _root_of_rate(priors: Priors) -> float:
    """Return the scale that `InverseGamma` counts in: the root of the rate, or of its own unit."""
    if priors.scale_rate is not None:
        return math.sqrt(priors.scale_rate)
    return 1.0 / math.sqrt(priors.hyper_rate)


def _refuse_extremes(found: ResolvedSpec) -> None:
    """Raise ConfigError for numbers that no arithmetic of doubles takes, in spreads of the data."""
    priors, low, high = found.spec.priors, SMALLEST_PRIOR, LARGEST_PRIOR
    spread = found.structure.unit(found.spread)
    of_data = {
        "mean_scale": found.mean_scale / found.spread,
        "scale": found.scale / spread[: found.scale.shape[-1]],
    }
    if priors.scale_family == "inverse_gamma":
        unit = of_data.pop("scale")
        with np.errstate(over="ignore", divide="ignore"):
            rates = {"scale_rate": unit**2} if priors.scale_rate else {"hyper_rate": unit**-2}
        of_data |= rates
    plain = ("concentration", "scale_sigma", "scale_shape", "hyper_shape", "eta")
    for name, value in {**of_data, **{name: getattr(priors, name) for name in plain}}.items():
        numbers = np.asarray(value, dtype=float)
        if not ((numbers >= low) & (numbers <= high)).all():
            raise _extreme(name, getattr(priors, name), f"{low:g} to {high:g}", name in of_data)
    with np.errstate(over="ignore"):
        away = np.abs(found.mean_location - found.centre) / found.spread
    if not (away <= high).all():
        raise _extreme("mean_location", priors.mean_location, f"up to {high:g}", True)
    if not (found.resolution <= LARGEST_STEP * spread).all():
        raise _extreme("resolution", found.spec.resolution, f"up to {LARGEST_STEP:g}", True)


def _extreme(name: str, value: Any, allowed: str, in_spreads: bool) -> ConfigError:
    usual = " times the standard deviation of its feature"
    unit = _OF_VARIANCE.get(name, usual) if in_spreads else ""
    return ConfigError(
        f"{name} must be {allowed}{unit}, got {shown(value)}.", key=name, value=value
    )
