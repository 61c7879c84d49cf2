"""From a specification and the data to numbers in the units of the data, or a refusal."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from bayesgmm.advice import Advice, Option, shown
from bayesgmm.data import Dataset
from bayesgmm.errors import ConfigError
from bayesgmm.limits import ERROR_PER_STEP, LARGEST_PRIOR, LARGEST_STEP, SMALLEST_PRIOR
from bayesgmm.model.components import STRUCTURES, Noise, Structure
from bayesgmm.model.numbering import named
from bayesgmm.model.pivots import pivots_in
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.model.spec import MixtureSpec, Priors, is_by_cluster
from bayesgmm.typing import Array

__all__ = ["require_posterior", "resolve"]

_ROWS_OF_PIVOTS = 1_000
_OF_VARIANCE = {
    "scale_rate": " times the variance of its feature",
    "hyper_rate": " over the variance of its feature",
}


def _per(value: Any, size: int, name: str, what: str) -> Array:
    """Spread a number over `size` entries, or check that there is one an entry."""
    array = np.atleast_1d(np.asarray(value, dtype=float))
    if array.size not in (1, size):
        raise ConfigError(
            f"{name} must be one number or one per {what} ({size}), got {array.size} numbers.",
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
            f"{name} must have one row per cluster ({n_clusters}), got {len(value)} rows.",
            key=name,
            value=value,
        )
    return np.stack([_per(row, size, f"each row of {name}", what) for row in value])


def resolve(
    spec: MixtureSpec,
    data: Dataset,
    *,
    sampled: bool = True,
    names: Iterable[str] | None = None,
) -> ResolvedSpec:
    """Turn relative priors and the automatic resolution into numbers in data units.

    Parameters
    ----------
    spec : MixtureSpec
    data : Dataset
        The full data: centre, spread and recording steps come from it.
    sampled : bool
        Whether a posterior is wanted.
    names : iterable of str, optional
        What the user calls the clusters, in the order of their numbers.

    Raises
    ------
    ConfigError
        Where a posterior is wanted of a structure that EM alone fits.
        Where a prior has the wrong number of entries for this K and these features, or is one of
        single features and there are several.
    """
    priors, size, k = spec.priors, data.n_features, spec.n_components
    centre, spread = data.centre(), data.spread()
    structure = spec.structure
    _refuse_factors(spec, structure, size)
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
    _refuse_families(spec, structure)
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
        box=None if spec.noise is None else _box(spec, data, steps),
        pivots=_pivots(spec, data, structure),
    )
    _refuse_extremes(found)
    return found if names is None else named(found, names)


def _box(spec: MixtureSpec, data: Dataset, steps: Array) -> Array:
    """Return the lowest and the highest values of the noise: shape (2, feature)."""
    noise = Noise.around(
        *data.ranges(), steps, data.n_counted, spec.noise_concentration, data.features
    )
    return np.stack([noise.low, noise.high])


def _pivots(spec: MixtureSpec, data: Dataset, structure: Structure) -> tuple[int, ...]:
    """Return the features on which loadings are large, as far as the first rows show."""
    if not structure.has_loadings:
        return ()
    _, rows = next(iter(data.blocks()))
    some = rows[:: -(-len(rows) // _ROWS_OF_PIVOTS)]
    scaled = np.where(np.isnan(some), 0.0, (some - data.centre()) / data.spread())
    return pivots_in(scaled, spec.n_components, structure.n_factors)


def _refuse_factors(spec: MixtureSpec, structure: Structure, size: int) -> None:
    """Raise ConfigError for more factors than features, and for what factors are not known with."""
    if not structure.has_loadings:
        return
    if size == 1 or structure.n_factors > size:
        raise ConfigError(
            f"n_factors must be from 1 to the number of features, of which there must be at least "
            f"2; got {structure.n_factors} with {size}.",
            key="n_factors",
            value=spec.n_factors,
        )
    if spec.family == "contaminated":
        raise ConfigError(
            Advice(
                Option("family", "contaminated"),
                " cannot be combined with factors; take ",
                Option("family", "t"),
                ".",
            ),
            key="family",
            value=spec.family,
        )
    if is_by_cluster(spec.priors.scale):
        raise ConfigError(
            "scale cannot differ between clusters with factors: give one number or one per "
            "feature.",
            key="scale",
            value=spec.priors.scale,
        )


def _refuse_families(spec: MixtureSpec, structure: Structure) -> None:
    """Raise ConfigError for tails or noise in a structure that only Gaussians have here."""
    if structure.factors is None or (spec.family == "normal" and spec.noise is None):
        return
    what = Option("noise", spec.noise) if spec.noise else Option("family", spec.family)
    raise ConfigError(
        Advice(
            Option("covariance", spec.covariance),
            " takes Gaussian components without noise only; with ",
            what,
            " take ",
            Option("covariance", structure.nearest_sampled),
            ", which contains it.",
        ),
        key="covariance",
        value=spec.covariance,
    )


def require_posterior(covariance: str) -> None:
    """Raise ConfigError for a structure that EM alone fits; name the nearest with a posterior."""
    structure = STRUCTURES[covariance]
    if structure.factors is not None:
        raise ConfigError(
            Advice(
                Option("covariance", covariance),
                " is fitted by maximum likelihood only (fit_em, bic_grid). For a posterior take ",
                Option("covariance", structure.nearest_sampled),
                ", which contains it.",
            ),
            key="covariance",
            value=covariance,
        )


def _scale(spec: MixtureSpec, size: int) -> Array:
    """Return the numbers of the scales' prior before their units: (feature,) or by cluster."""
    priors, structure = spec.priors, spec.structure
    if priors.scale_family == "inverse_gamma":
        if size > 1:
            raise ConfigError(
                Advice(
                    Option("scale_family", priors.scale_family),
                    f" is a prior of one variance per component, for one feature, got {size} "
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
                " has one set of scales for all clusters, so scale cannot differ between clusters; "
                "give one number or one per feature, or another covariance.",
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
    plain = ("concentration", "scale_sigma", "scale_shape", "hyper_shape")
    given = {name: getattr(priors, name) for name in plain} | {"eta": found.eta}
    for name, value in {**of_data, **given}.items():
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
