"""Names for the clusters of a result that is there."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import xarray as xr

from bayesgmm.arguments import check_instance
from bayesgmm.comparison.outcome import Comparison
from bayesgmm.errors import ConfigError
from bayesgmm.fit import PointFit
from bayesgmm.model.numbering import named
from bayesgmm.model.several import ByModel
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.posterior.naming import named_tree
from bayesgmm.posterior.tree import check_tree
from bayesgmm.runtime.keywords import keywords

__all__ = ["name_clusters"]

type _Names = Sequence[str] | Mapping[Any, Sequence[str]]


@keywords()
def name_clusters[Result: PointFit | xr.DataTree | Comparison](
    result: Result, cluster_names: _Names
) -> Result:
    """Return a result whose clusters have names, which tables, plots and the report show.

    Parameters
    ----------
    result : PointFit, xarray.DataTree or Comparison
        It is not changed.
    cluster_names : sequence of str, or mapping of int or MixtureSpec to these
        One name per cluster, in the order of their numbers. Of a comparison by model: K stands for
        all models with that K.

    Returns
    -------
    PointFit, xarray.DataTree or Comparison
        The same, its clusters named.

    Raises
    ------
    ConfigError
        When these are not one name per cluster, all different, or a comparison has no such model;
        where labels name clusters, these names cannot change.

    Examples
    --------
    >>> from bayesgmm.fit import fit_em
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> name_clusters(fit_em(rows, 2, seed=1), ["short", "long"]).to_dataframe().index.tolist()
    ['short', 'long']
    """
    found: Any = result  # whose kind decides, and is that of what is returned
    if isinstance(result, Comparison):
        found = _named_comparison(result, cluster_names)
    elif isinstance(result, PointFit):
        found = replace(result, resolved=named(result.resolved, _listed(cluster_names)))
    else:
        found = named_tree(check_tree(result), _listed(cluster_names))
    return found


def _listed(names: Any) -> Any:
    if isinstance(names, Mapping):
        raise ConfigError(
            "cluster_names by model are for a comparison; pass one list of names here.",
            key="cluster_names",
            value=names,
        )
    return names


def _named_comparison(comparison: Comparison, names: Any) -> Comparison:
    what = "a mapping of K to names for a comparison, such as {2: ['short', 'long']}"
    fits, posteriors = dict(comparison.fits), dict(comparison.posteriors)
    for key, given in check_instance("cluster_names", names, Mapping, what).items():
        for spec in _models(comparison, key):
            if spec in fits:
                fits[spec] = name_clusters(fits[spec], given)
            if spec in posteriors:
                posteriors[spec] = name_clusters(posteriors[spec], given)
    same = comparison.same
    return replace(comparison, fits=ByModel(fits, same), posteriors=ByModel(posteriors, same))


def _models(comparison: Comparison, key: Any) -> list[MixtureSpec]:
    held = comparison.same.get(key, key) if isinstance(key, MixtureSpec) else key
    found = [spec for spec in comparison.models if held in (spec, spec.n_components)]
    if not found:
        raise ConfigError(
            f"cluster_names name K = {key}, and the comparison has K = "
            f"{', '.join(comparison.numbers.values())}.",
            key="cluster_names",
            value=key,
        )
    return found
