"""The other settings under which a comparison is read again, each a change of one number."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from bayesgmm.data import Dataset
from bayesgmm.model.components import STRUCTURES
from bayesgmm.model.spec import MixtureSpec, Priors

__all__ = ["Setting", "settings_of"]


class Setting(NamedTuple):
    """One change of a comparison's models.

    Parameters
    ----------
    name : str
        The change in words.
    changed : callable of MixtureSpec to MixtureSpec
    of_rows : bool
        Whether the likelihood changes too, not the prior alone.
    """

    name: str
    changed: Callable[[MixtureSpec], MixtureSpec]
    of_rows: bool = False


def settings_of(
    data: Dataset,
    models: Sequence[MixtureSpec],
    scale: Iterable[float],
    eta: Iterable[float],
    concentration: Iterable[float],
    step: Iterable[float],
) -> list[Setting]:
    """Return the settings that differ from the models' own, and that matter to one of them.

    Parameters
    ----------
    data : Dataset
    models : sequence of MixtureSpec
        With the same priors.
    scale, step : iterable of float
        Factors of the scales' prior and of the recording steps.
    eta, concentration : iterable of float
        Values.
    """
    priors, found = models[0].priors, list[Setting]()
    found += [_of_priors(f"scale x {f:g}", _times(priors, f)) for f in scale if f != 1.0]
    if any(STRUCTURES[s.covariance].has_correlations(data.n_features) for s in models):
        found += [
            _of_priors(f"eta = {v:g}", {"eta": v, "eta_interval": None})
            for v in eta
            if priors.eta_interval is not None or v != priors.eta
        ]
    if any(spec.n_components > 1 for spec in models):
        found += [
            _of_priors(f"concentration = {v:g}", {"concentration": v})
            for v in concentration
            if v != priors.concentration
        ]
    steps = _steps(data, models[0].resolution)
    if any(steps):
        found += [
            Setting(f"recording step x {f:g}", _with_steps(tuple(f * s for s in steps)), True)
            for f in step
            if f != 1.0
        ]
    return found


def _of_priors(name: str, changes: dict[str, Any]) -> Setting:
    def changed(spec: MixtureSpec) -> MixtureSpec:
        return replace(spec, priors=replace(spec.priors, **changes))

    return Setting(name, changed)


def _with_steps(steps: tuple[float, ...]) -> Callable[[MixtureSpec], MixtureSpec]:
    return lambda spec: replace(spec, resolution=steps)


def _times(priors: Priors, factor: float) -> dict[str, Any]:
    """Return what changes where every standard deviation is expected that many times as large."""
    if priors.scale_family != "inverse_gamma":
        scale: Any = priors.scale
        return {
            "scale": tuple(factor * s for s in scale)
            if isinstance(scale, tuple)
            else factor * scale
        }
    if priors.scale_rate is not None:
        return {"scale_rate": factor**2 * priors.scale_rate}
    return {"hyper_rate": priors.hyper_rate / factor**2}


def _steps(data: Dataset, resolution: Any) -> tuple[float, ...]:
    """Return the recording step of each feature, data units."""
    if isinstance(resolution, str):
        return tuple(data.smallest_gaps().tolist())
    given = resolution if isinstance(resolution, tuple) else (resolution,) * data.n_features
    return tuple(map(float, given))
