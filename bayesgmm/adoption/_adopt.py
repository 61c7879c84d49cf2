"""Draws made elsewhere made a result of ours: checked, completed, and then as good as any."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from bayesgmm.adoption.from_spec import adopted_by_spec
from bayesgmm.adoption.reading import (
    SAMPLE,
    attributes_of,
    check_agreement,
    given_log_likelihood,
    named,
    posterior_of,
    stats_of,
)
from bayesgmm.arguments import check_flag
from bayesgmm.data import Dataset, as_dataset, facts_of, require_taken
from bayesgmm.errors import ConfigError
from bayesgmm.labels.exchangeability import LabelMoves
from bayesgmm.limits import ROUNDED
from bayesgmm.model.groups import LabelGroups
from bayesgmm.model.spec import Covariance, MixtureSpec, as_spec
from bayesgmm.posterior.gaussian import held_against_gaussians, some_draws
from bayesgmm.posterior.tree import (
    COMPONENTS,
    LABELS,
    SCHEMA_VERSION,
    package_versions,
    with_attributes,
)
from bayesgmm.runtime.keywords import keywords
from bayesgmm.sampling.completion import completed, laid_out
from bayesgmm.sampling.contract import PART_DIMS, check_contract
from bayesgmm.sampling.model_density import ModelDensity
from bayesgmm.typing import Array

__all__ = ["adopt"]


@keywords()
def adopt(
    tree: Any,
    data: Any,
    spec_or_model: Any = None,
    *,
    covariance: Covariance | None = None,
    columns: Sequence[str] | None = None,
    cluster_variables: Sequence[str] = (),
    exchangeable: bool = False,
) -> xr.DataTree:
    """Take in draws that another program made.

    Draws of the built-in model (its spec given) or of a PyMC model, by whatever sampler: PyMC's
    own, ADVI or SMC, NumPyro, BlackJAX, nutpie, CmdStan. They are checked, laid out, and completed
    with what the verbs of this package need; labels stay as they are until `relabel`.

    Parameters
    ----------
    tree : xarray.DataTree
        As ArviZ's converters make it. With a spec its posterior holds weights (cluster), means
        (cluster, feature), and either scales and correlations or covariances; with a PyMC model
        every free variable; with neither weights, means, covariances and the log likelihood of
        each row. Axes without our names are taken in this order, after chain and draw.
    data : Dataset, array of shape (obs, feature) or frame
        The rows behind the draws.
    spec_or_model : MixtureSpec, int or pymc.Model, optional
        What was sampled. Of a spec the priors and the recording error count: evidence and LOO are
        those of this spec.
    covariance : str, optional
        The covariance structure beside a number of components; "full" by default.
    columns : sequence of str, optional
        The features among the columns of `data`, in this order; all by default.
    cluster_variables : sequence of str
        Variables of a model that belong to clusters though they lack the dim.
    exchangeable : bool
        Whether the labels of draws without spec or model may be permuted; nothing can show it.

    Returns
    -------
    xarray.DataTree
        As `sample` with ``relabel=None`` returns it.

    Raises
    ------
    ConfigError
        When something is lacking, is out of range, or the log likelihood in the tree is not that of
        the rows, the draws and the spec or model.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray as xr
    >>> rng = np.random.default_rng(1)
    >>> rows = rng.normal(size=(60, 1)) + [[0], [6], [6]] * 20
    >>> posterior = xr.Dataset(
    ...     {
    ...         "weights": (("chain", "draw", "k"), rng.dirichlet([20, 40], size=(2, 50))),
    ...         "means": (("chain", "draw", "k", "d"), rng.normal(size=(2, 50, 2, 1)) + [[0], [6]]),
    ...         "covariances": (("chain", "draw", "k", "d", "e"), np.ones((2, 50, 2, 1, 1))),
    ...     }
    ... )
    >>> result = adopt(xr.DataTree.from_dict({"posterior": posterior}), rows, 2)
    >>> result["log_likelihood"]["x"].shape
    (2, 50, 60)
    """
    check_flag("exchangeable", exchangeable)
    dataset = as_dataset(data, columns)
    require_taken("adopt", dataset)
    posterior = posterior_of(tree)
    stats = stats_of(tree, posterior)
    given = given_log_likelihood(tree, dataset)
    by_spec = isinstance(spec_or_model, MixtureSpec | int) and not isinstance(spec_or_model, bool)
    if exchangeable and spec_or_model is not None:
        raise ConfigError(
            "exchangeable has no effect with a spec or a model, which already determine it; leave "
            "it out.",
            key="exchangeable",
        )
    spec = spec_or_model
    if isinstance(spec, MixtureSpec) and (spec.noise or spec.family != "normal"):
        raise ConfigError(
            "adopt takes draws of Gaussian components without noise only; use sample for others.",
            key="family",
        )
    if by_spec:
        return adopted_by_spec(posterior, stats, given, dataset, as_spec(spec_or_model, covariance))
    if spec_or_model is None:
        return _of_none(posterior, stats, given, dataset, exchangeable)
    return _of_model(posterior, stats, given, dataset, spec_or_model, cluster_variables)


def _of_model(
    posterior: xr.Dataset,
    stats: xr.Dataset,
    given: Array | None,
    data: Dataset,
    model: Any,
    cluster_variables: Sequence[str],
) -> xr.DataTree:
    check_contract(model, data)
    density = ModelDensity(model)
    coords = {name: list(values) for name, values in model.coords.items() if values is not None}
    variables = {
        name: named(posterior, name, density.dims[name])
        for name in density.dims
        if name in posterior
    }
    used = {dim for variable in variables.values() for dim in variable.dims}
    sizes = {name: np.arange(posterior.sizes[name]) for name in SAMPLE}
    kept = {name: values for name, values in coords.items() if name in used or name == "feature"}
    tree = completed(
        xr.Dataset({n: (v.dims, v.values) for n, v in variables.items()}, {**kept, **sizes}),
        stats,
        density,
        data,
        keep_log_likelihood=True,
        cluster_variables=cluster_variables,
        attributes=attributes_of(posterior),
    )
    check_agreement(given, tree["log_likelihood"].to_dataset()["x"].values, "model")
    return tree


def _named_clusters(weights: xr.DataArray) -> dict[str, Any]:
    """Return the names that the draws give their clusters, if they do."""
    axis = weights.dims[-1]
    return {"cluster": weights[axis].values} if axis in weights.coords else {}


def _of_none(
    posterior: xr.Dataset,
    stats: xr.Dataset,
    given: Array | None,
    data: Dataset,
    exchangeable: bool,
) -> xr.DataTree:
    if given is None:
        raise ConfigError(
            "the tree has no log likelihood of each row, and there is no spec or model to compute "
            "it from; pass spec_or_model, or add the group log_likelihood.",
            group="log_likelihood",
        )
    parts = {name: named(posterior, name, dims) for name, dims in PART_DIMS.items()}
    shape = parts["means"].shape[2:]
    others = {
        name: (variable.dims, variable.values)
        for name, variable in posterior.data_vars.items()
        if name not in parts and not set(variable.dims) & set(parts["covariances"].dims[2:])
    }
    plain = xr.Dataset(
        {**{n: (v.dims, v.values) for n, v in parts.items()}, **others},
        {
            **{name: np.arange(posterior.sizes[name]) for name in SAMPLE},
            **_named_clusters(posterior["weights"]),
            "feature": list(data.features),
            "feature_bis": list(data.features),
        },
    )
    tree = xr.DataTree.from_dict(laid_out(plain, stats, data, given.sum(axis=2), given))
    groups = LabelGroups.of_all(shape[0]) if exchangeable else LabelGroups.of_none(shape[0])
    moves = LabelMoves(groups, dict.fromkeys(parts, "cluster"))
    samples = some_draws(given.shape[0] * given.shape[1])
    by_row = given.reshape(-1, data.n_obs)[samples]
    shown = held_against_gaussians(tree, by_row, samples, ROUNDED)
    return with_attributes(
        tree,
        schema_version=SCHEMA_VERSION,
        data=facts_of(data),
        versions=package_versions(),
        **{LABELS: moves.to_dict(), COMPONENTS: shown},
        **attributes_of(posterior),
    )
