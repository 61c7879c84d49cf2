"""Which number each cluster gets, and what people call it."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from bayesgmm.advice import shown
from bayesgmm.arguments import check_texts, is_storable
from bayesgmm.errors import ConfigError
from bayesgmm.limits import NUMBERED_APART, NUMBERED_ERRORS
from bayesgmm.model.components import NOISE
from bayesgmm.model.groups import LabelGroups
from bayesgmm.model.parameters import Parameters
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.model.scale_priors import HalfNormal, LogNormal
from bayesgmm.typing import Array, IntArray

__all__ = ["checked_names", "cluster_names", "matched_to_prior", "named", "number_clusters"]

_FARTHEST = 1e6  # standard deviations of the prior: a scale may be 0


def cluster_names(n_clusters: int, given: Any = None) -> NDArray[Any]:
    """Return what people call the clusters: their names where they have some, else 1 to K.

    All else counts clusters from 0, by their place in an array.

    Parameters
    ----------
    n_clusters : int
    given : array of shape (cluster,), optional
        Names from elsewhere. Integers from 0 on only count places, and are no names.

    Examples
    --------
    >>> cluster_names(3).tolist(), cluster_names(2, [0, 1]).tolist()
    ([1, 2, 3], [1, 2])
    >>> cluster_names(2, ["short", "long"]).tolist()
    ['short', 'long']
    """
    places = np.arange(n_clusters)
    names = places if given is None else np.asarray(given)
    return places + 1 if np.array_equal(names, places) else names


def checked_names(names: Iterable[str], n_clusters: int) -> tuple[str, ...]:
    """Return the names that a user gives to clusters, one each, all different.

    Raises
    ------
    ConfigError
        When they are none of that.

    Examples
    --------
    >>> checked_names(["short", "long"], 2)
    ('short', 'long')
    """
    given = tuple(check_texts("cluster_names", names))
    if len(given) != n_clusters:
        raise ConfigError(
            f"cluster_names must be one name per cluster ({n_clusters}), in the order of their "
            f"numbers, got {len(given)}.",
            key="cluster_names",
            value=given,
        )
    for name in given:
        if not name.strip() or not is_storable(name) or name == NOISE or given.count(name) > 1:
            raise ConfigError(
                f"cluster_names must be different texts that are not empty, and not {NOISE!r}, got "
                f"{shown(name)}.",
                key="cluster_names",
                value=given,
            )
    return given


def named(resolved: ResolvedSpec, names: Iterable[str]) -> ResolvedSpec:
    """Return the same model with names for its clusters; those of classes cannot change.

    Raises
    ------
    ConfigError
        When they are no names, or not those of the classes that labels name.
    """
    given = checked_names(names, resolved.n_components)
    if given[: len(resolved.classes)] != resolved.classes:
        raise ConfigError(
            f"the first clusters are the classes that labels name ({', '.join(resolved.classes)}), "
            f"which cluster_names must start with, got {shown(list(given))}.",
            key="cluster_names",
            value=given,
        )
    return replace(resolved, names=given)


def number_clusters(
    means: Array, spread: Array, errors: Array | float = 0.0, groups: LabelGroups | None = None
) -> tuple[IntArray, int]:
    """Order clusters by their means in the first feature that tells them apart.

    That is the first feature, unless two neighbours differ in it by less than 3 standard errors or
    0.05 of its standard deviation; then it is the one of largest smallest gap.

    Parameters
    ----------
    means : array of shape (cluster, feature), data units
    spread : array of shape (feature,), data units
    errors : array of shape (cluster - 1,) or float, data units
        Monte Carlo standard errors of the gaps between neighbours in the first feature.
    groups : LabelGroups, optional
        Clusters change places within these only; all are one group by default.

    Returns
    -------
    order : array of shape (cluster,)
        The cluster that gets each number.
    feature : int
    """
    if len(means) == 1:
        return np.zeros(1, dtype=np.int64), 0
    gaps = np.diff(np.sort(means, axis=0), axis=0)
    if (gaps[:, 0] >= np.maximum(NUMBERED_ERRORS * errors, NUMBERED_APART * spread[0])).all():
        feature = 0
    else:
        feature = int((gaps / spread).min(axis=0).argmax())
    order = np.argsort(means[:, feature], kind="stable")
    return (order if groups is None else groups.sorted_within(order)), feature


def matched_to_prior(parameters: Parameters, resolved: ResolvedSpec) -> IntArray:
    """Return the labelling of clusters under which the prior density is highest.

    A fit of maximum likelihood knows no prior, and so no names; this gives its clusters those of a
    prior that tells them apart.

    Parameters
    ----------
    parameters : Parameters
        One mixture, data units.
    resolved : ResolvedSpec

    Returns
    -------
    array of shape (cluster,)
        The fitted cluster that gets each place.
    """
    location, spread = resolved.mean_rows
    means = parameters.means[:, None]
    scores = -(0.5 * ((means - location) / spread) ** 2 + np.log(spread)).sum(axis=2)
    scores += (resolved.concentration - 1.0) * np.log(parameters.weights)[:, None]
    if "scales" in resolved.structure.own_blocks:
        width = resolved.structure.scale_width(resolved.n_features)
        own, prior = parameters.scales[:, None, :width], resolved.scale_rows[:, :width]
        family = resolved.scale_prior
        if isinstance(family, HalfNormal):
            scores -= (0.5 * (own / prior) ** 2 + np.log(prior)).sum(axis=2)
        elif isinstance(family, LogNormal):
            with np.errstate(divide="ignore"):
                apart = np.minimum(np.abs(np.log(own / prior)) / family.sigma, _FARTHEST)
            scores -= 0.5 * (apart**2).sum(axis=2)
    return linear_sum_assignment(scores.T, maximize=True)[1]
