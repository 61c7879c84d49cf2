"""The singular BIC of several models at once: it needs the fits with fewer components too."""

import math
from collections.abc import Mapping
from dataclasses import replace

from bayesgmm.fit.information import sbic
from bayesgmm.model.components import distinct_structure
from bayesgmm.model.spec import MixtureSpec

__all__ = ["singular_bics"]


def singular_bics(
    log_likelihoods: Mapping[MixtureSpec, float], n_features: int, n_obs: float
) -> dict[MixtureSpec, float]:
    """Return `sbic` of each model; NaN where K = 1 to that of the model are not all there.

    Examples
    --------
    >>> fits = {MixtureSpec(1): -1289.797, MixtureSpec(2): -1130.264, MixtureSpec(4): -1106.0}
    >>> [round(value, 1) for value in singular_bics(fits, 2, 272).values()]
    [2607.6, 2322.2, nan]
    """
    found = dict.fromkeys(log_likelihoods, math.nan)
    for kind in dict.fromkeys(replace(spec, n_components=1) for spec in log_likelihoods):
        chain = _chain(log_likelihoods, kind, n_features)
        counts = [replace(kind, n_components=k).n_parameters(n_features) for k in (1, 2)]
        values = sbic([log_likelihoods[s] for s in chain], (counts[0], counts[1]), n_obs)
        found |= {
            spec: value
            for spec, value in zip(chain, values, strict=True)
            if replace(spec, n_components=1) == kind
        }
    return found


def _chain(
    log_likelihoods: Mapping[MixtureSpec, float], kind: MixtureSpec, n_features: int
) -> list[MixtureSpec]:
    """Return the models of a kind with K = 1, 2, ... up to the first that is not there."""

    def is_it(spec: MixtureSpec, k: int) -> bool:
        if spec.n_components != k:
            return False
        names = spec.covariance, kind.covariance
        one, other = (distinct_structure(name, k, n_features) for name in names)
        if one != other or spec.n_factors != kind.n_factors:
            return False
        return replace(kind, n_components=k, covariance=spec.covariance) == spec

    chain: list[MixtureSpec] = []
    known = [spec for spec, value in log_likelihoods.items() if not math.isnan(value)]
    known.sort(key=lambda spec: spec.covariance != kind.covariance)
    while spec := next((s for s in known if is_it(s, len(chain) + 1)), None):
        chain.append(spec)
    return chain
