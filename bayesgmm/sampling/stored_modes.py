"""The modes of a posterior as a group of its result: parameters in data units, read by anyone."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.model.numbering import cluster_names, number_clusters
from bayesgmm.model.parameters import Parameters, covariances_from
from bayesgmm.sampling.posterior_modes import PosteriorMode, laplace_shares, mode_at
from bayesgmm.typing import Array

__all__ = ["GROUP", "group_of_modes", "modes_of", "parameters_of_modes"]

GROUP = "posterior_modes"
_LAYERS = ("inflation", "good_share")
_FURTHER = ("nu", *_LAYERS, "loadings", "unique_scales")
_SQUARE = ("mode", "cluster", "feature", "feature_bis")


def group_of_modes(log_posterior: LogPosterior, modes: Sequence[PosteriorMode]) -> xr.Dataset:
    """Return the group of a result that holds the modes, at least one, the largest mass first.

    Its variables: weights, means, scales and correlations, in data units, clusters numbered by
    their means, and what else the model has of noise_weight, nu, inflation and good_share;
    log_posterior, the density in x that sample_stats/lp has too, log_mass, Laplace's approximation
    of the integral of prior times likelihood over the mode in all its labellings, both in nats and
    data units; share, of the sum of these; multiplicity, the number of labellings.
    """
    resolved = log_posterior.resolved
    each = [parameters_of_modes(log_posterior, [mode])[0] for mode in modes]
    each = [p.permuted(number_clusters(p.means, resolved.spread)[0]) for p in each]
    stacked = Parameters.joined(each, np.stack)
    log_mass = np.array([mode.log_mass for mode in modes]) - log_posterior.log_unit_of_rows
    density = np.array([mode.log_density for mode in modes]) + log_posterior.value_shift
    features = list(resolved.features)
    layers = {name: getattr(stacked, name) for name in _LAYERS}
    return xr.Dataset(
        {
            "weights": (_SQUARE[:2], stacked.weights),
            "means": (_SQUARE[:3], stacked.means),
            "scales": (_SQUARE[:3], stacked.scales),
            "correlations": (_SQUARE, stacked.correlations),
            **({} if stacked.noise is None else {"noise_weight": ("mode", stacked.noise)}),
            **({} if stacked.nu is None else {"nu": (_SQUARE[:2], stacked.nu)}),
            **{name: ("mode", value) for name, value in layers.items() if value is not None},
            **_factors_in(stacked),
            "log_posterior": ("mode", density),
            "log_mass": ("mode", log_mass),
            "share": ("mode", laplace_shares(modes)),
            "multiplicity": ("mode", np.array([mode.multiplicity for mode in modes])),
        },
        {
            "mode": np.arange(len(modes)),
            "cluster": cluster_names(resolved.n_components, resolved.cluster_names),
            "feature": features,
            "feature_bis": features,
        },
    )


def _factors_in(stacked: Parameters) -> dict[str, tuple[tuple[str, ...], Array]]:
    """Return loadings and unique scales, where there are factors."""
    if stacked.loadings is None or stacked.unique_scales is None:
        return {}
    return {
        "loadings": ((*_SQUARE[:3], "factor"), stacked.loadings),
        "unique_scales": (_SQUARE[:3], stacked.unique_scales),
    }


def modes_of(tree: xr.DataTree, log_posterior: LogPosterior) -> list[PosteriorMode]:
    """Read the modes of a tree back; there are none in trees of other programs."""
    if GROUP not in tree:
        return []
    group = tree[GROUP].to_dataset()
    points = log_posterior.unconstrain(_parameters(group, log_posterior))
    modes = [mode_at(log_posterior, np.ascontiguousarray(x)) for x in points]
    return [mode for mode in modes if mode is not None]


def parameters_of_modes(
    log_posterior: LogPosterior, modes: Sequence[PosteriorMode]
) -> list[Parameters]:
    """Return the parameters of each mode, data units."""
    many = log_posterior.constrain(np.stack([mode.x for mode in modes]))
    return [many.at(i) for i in range(len(modes))]


def _parameters(group: xr.Dataset, log_posterior: LogPosterior) -> Parameters:
    names = ("weights", "means", "scales", "correlations")
    arrays: dict[str, Array] = {name: group[name].values for name in names}
    covariances = covariances_from(
        arrays["scales"], arrays["correlations"], log_posterior.resolved.resolution
    )
    others = {
        name: group[stored].values
        for name, stored in {"noise": "noise_weight", **{n: n for n in _FURTHER}}.items()
        if stored in group
    }
    return Parameters(**arrays, covariances=covariances, **others)
