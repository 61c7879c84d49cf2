"""The mixture as an ordinary PyMC model: the definition that everything else is held to."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayesgmm.data import Annotations, as_dataset, check_components
from bayesgmm.model.components import NOISE
from bayesgmm.model.numbering import cluster_names
from bayesgmm.model.parameters import pair_names
from bayesgmm.model.pymc_factors import loadings_of
from bayesgmm.model.pymc_rows import Mixture, observe
from bayesgmm.model.pymc_starts import ApartNormalRV, centres_apart
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.model.resolving import resolve
from bayesgmm.model.scale_priors import HalfNormal, LogNormal, ScalePrior
from bayesgmm.model.spec import Covariance, MixtureSpec, as_spec
from bayesgmm.runtime.keywords import keywords

__all__ = ["build_model", "model_of"]


@keywords()
def build_model(
    data: Any,
    spec: MixtureSpec | int,
    *,
    covariance: Covariance | None = None,
    columns: Sequence[str] | None = None,
    cluster_names: Sequence[str] | None = None,
) -> pm.Model:
    """Build the mixture of Gaussians as a PyMC model, labels summed out, in data units.

    Parameters
    ----------
    data : Dataset, array of shape (obs, feature) or frame
    spec : MixtureSpec or int
        An integer is the number of components of the default spec.
    covariance : str, optional
        The covariance structure beside a number of components; "full" by default.
    columns : sequence of str, optional
        The features among the columns of `data`, in this order; all by default.
    cluster_names : sequence of str, optional
        What to call the clusters, in the order of their numbers.

    Returns
    -------
    pymc.Model
        Free variables weights (cluster; a constant 1 when K = 1), means (cluster, feature),
        scales_free (axes absent where shared or scalar), partial_correlations_beta (cluster, pair)
        or (pair); Deterministics scales, correlations (cluster, pair; where the structure has
        them) and covariances; observed x (obs, feature), its values in the data ``x_data``:
        ``pm.set_data({"x_data": rows}, coords={"obs": ...})`` puts new rows in their place. The
        means start at the centres of k-means, apart from one another, so that `pymc.find_MAP`
        leaves the point at which all components are the same.

        Factor-analytic components have unique_scales_free, loadings_diagonal (cluster, factor) and
        loadings_below (cluster, loading) in the place of scales and correlations; loadings
        (cluster, feature, factor) and unique_scales are Deterministics.

        Degrees of freedom of t components are nu (cluster), of nu_free where they are unknown; a
        noise has the weight noise_weight, and the free variable is then weights_of_parts, the
        clusters and after them the noise.

        Missing cells are NaN in ``x_data``, and draws of x are whole rows. What else is known of
        rows stands in ``x_pattern``, ``pattern_seen``, ``pattern_errors``, ``x_allowed`` and
        ``x_weights``.

    Raises
    ------
    ConfigError, DataError
        For a wrong spec or unusable data.

    References
    ----------
    Lewandowski, Kurowicka and Joe (2009), J. Multivariate Analysis 100:1989: the LKJ prior as
    independent Beta partial correlations.

    Examples
    --------
    >>> import numpy as np
    >>> model = build_model(np.random.default_rng(1).normal(size=(20, 2)), 2)
    >>> [v.name for v in model.free_RVs]
    ['weights', 'means', 'scales_free', 'partial_correlations_beta']
    """
    dataset, spec = as_dataset(data, columns), as_spec(spec, covariance)
    check_components(dataset, spec.n_components, correlated=spec.has_correlations)
    resolved = resolve(spec, dataset, names=cluster_names)
    return model_of(resolved, dataset.values, dataset.obs(), dataset.annotations)


def model_of(
    resolved: ResolvedSpec,
    values: np.ndarray,
    obs: np.ndarray | None = None,
    known: Annotations | None = None,
) -> pm.Model:
    """Build the PyMC model of a resolved spec for rows `values` (obs, feature), data units.

    `obs` names the rows; None counts them from 0. `known` is what is known of them beside.
    """
    with pm.Model(
        coords=_coords(resolved, np.arange(len(values)) if obs is None else obs)
    ) as model:
        weights, noise = _weights(resolved)
        means = _means(model, resolved, values, known)
        own = _own_covariances(resolved)
        square = ("cluster", "feature", "feature_bis")
        covariances = pm.Deterministic(
            "covariances", own + np.diag(resolved.resolution**2), dims=square
        )
        if known is not None or not resolved.gaussian:
            wide = _wide(resolved, own, covariances)
            mixture = Mixture(
                weights, means, covariances, _nu(resolved), noise, resolved.box, *wide
            )
            picked = not resolved.spec.labels_inform_weights
            observe(mixture, values, known or Annotations(), picked=picked)
            return model
        components = pm.MvNormal.dist(mu=means, chol=pt.linalg.cholesky(covariances))
        rows = pm.Data("x_data", values, dims=("obs", "feature"))
        pm.Mixture("x", w=weights, comp_dists=components, observed=rows, dims=("obs", "feature"))
    return model


def _own_covariances(resolved: ResolvedSpec) -> Any:
    """Declare scales and correlations; return covariances without the recording error."""
    k, d, structure = resolved.n_components, resolved.n_features, resolved.structure
    free, whole = _broadcast_scales(resolved), ("cluster", "feature")
    if structure.has_loadings:
        unique = pm.Deterministic("unique_scales", free, dims=whole)
        loadings = loadings_of(resolved)
        own = loadings @ loadings.mT + pt.eye(d) * pt.square(unique)[:, None, :]
        scales = pm.Deterministic("scales", pt.sqrt(pt.diagonal(own, 0, 1, 2)), dims=whole)
        correlations = own / (scales[:, :, None] * scales[:, None, :])
    else:
        scales = pm.Deterministic("scales", free, dims=whole)
        outer = scales[:, :, None] * scales[:, None, :]
        if not structure.has_correlations(d):
            return outer * pt.eye(d)
        factors = _correlation_factors(resolved)
        correlations = pt.broadcast_to(factors @ factors.mT, (k, d, d))
        own = outer * correlations
    pairs = correlations[:, *np.tril_indices(d, -1)]
    pm.Deterministic("correlations", pairs, dims=("cluster", "pair"))
    return own


def _weights(resolved: ResolvedSpec) -> tuple[Any, Any]:
    """Declare the weights of the clusters, and that of the noise where there is one."""
    k = resolved.n_components
    if resolved.noise is not None:
        parts = pm.Dirichlet("weights_of_parts", resolved.concentrations, dims="part")
        weights = pm.Deterministic("weights", parts[:k], dims="cluster")
        return weights, pm.Deterministic("noise_weight", parts[k])
    if k == 1:
        return pm.Deterministic("weights", pt.ones(1), dims="cluster"), None
    return pm.Dirichlet("weights", resolved.concentration, dims="cluster"), None


def _nu(resolved: ResolvedSpec) -> Any:
    """Declare the degrees of freedom (cluster,) where components are t."""
    tails, k = resolved.tails, resolved.n_components
    if tails is None:
        return None
    if tails.known:
        free = pt.as_tensor(tails.given(k))
    else:
        prior = pm.Gamma.dist(tails.shape, tails.rate)
        dims = "cluster" if tails.own else None
        free = pm.Truncated("nu_free", prior, lower=tails.lowest, dims=dims)
    return pm.Deterministic("nu", pt.broadcast_to(free, (k,)), dims="cluster")


def _wide(resolved: ResolvedSpec, own: Any, covariances: Any) -> tuple[Any, Any]:
    """Declare contamination; return the wide covariances and the share of good rows, or None."""
    contamination = resolved.contamination
    if contamination is None:
        return None, None
    excess = pm.LogNormal("excess", math.log(contamination.excess), contamination.sigma)
    good_share = pm.Uniform("good_share", contamination.least_share, 1.0)
    pm.Deterministic("inflation", 1.0 + excess)
    return pt.broadcast_to(covariances + excess * own, covariances.shape), good_share


def _means(
    model: pm.Model, resolved: ResolvedSpec, values: np.ndarray, known: Annotations | None
) -> Any:
    """Declare the means: Normal, and starting apart from one another."""
    shape = (resolved.n_components, resolved.n_features)
    filled = np.where(np.isnan(values), resolved.centre, values)
    allowed = None if known is None else known.allowed(resolved.n_components)
    centres = centres_apart(resolved, filled, allowed)
    start = ApartNormalRV(tuple(map(tuple, centres.tolist())))
    _, means = start(
        resolved.mean_location,
        resolved.mean_scale,
        size=shape,
        rng=pt.random.shared_rng(seed=None),
        return_next_rng=True,
    )
    return model.register_rv(means, name="means", dims=("cluster", "feature"))


def _coords(resolved: ResolvedSpec, obs: Any) -> dict[str, Any]:
    features = list(resolved.features)
    clusters = cluster_names(resolved.n_components, resolved.cluster_names).tolist()
    return {
        "cluster": clusters,
        **({} if resolved.noise is None else {"part": [*map(str, clusters), NOISE]}),
        "feature": features,
        "feature_bis": features,
        "pair": pair_names(features),
        **resolved.factor_coords,
        "obs": obs.tolist(),
    }


def _broadcast_scales(resolved: ResolvedSpec) -> Any:
    """Declare scales_free (or unique_scales_free) and broadcast it to (cluster, feature)."""
    dims, scale = resolved.structure.scale_dims, resolved.free_scale
    name = resolved.structure.scale_name
    family = resolved.scale_prior
    if isinstance(family, HalfNormal):
        free = pm.HalfNormal(name, scale, dims=dims or None)
    elif isinstance(family, LogNormal):
        free = pm.LogNormal(name, np.log(scale), family.sigma, dims=dims or None)
    else:
        free = _inverse_gamma_scales(family, scale, dims or None)
    if "feature" not in dims:
        free = free[..., None]
    return pt.broadcast_to(free, (resolved.n_components, resolved.n_features))


def _inverse_gamma_scales(family: ScalePrior, scale: np.ndarray, dims: Any) -> Any:
    """Declare scales whose precisions are Gamma, their rate integrated out where it is unknown.

    They are then not independent: each entry of the log density has an equal part of what they
    share, so that the sum is right, and a draw has one rate for all.
    """
    shape, hyper_shape = family.shapes
    constant = family.log_constant(scale) / scale.size

    def logp(value: Any, unit: Any) -> Any:
        each = constant - (2.0 * shape + 1.0) * pt.log(value)
        total = pt.square(unit / value)
        if hyper_shape == 0.0:
            return each - total
        return each - (hyper_shape / scale.size + shape) * pt.log1p(total.sum())

    def random(unit: Any, rng: Any = None, size: Any = None) -> Any:
        return np.exp(family.log_draws(np.asarray(unit), 1, rng)[0])

    return pm.CustomDist(
        "scales_free",
        scale,
        logp=logp,
        random=random,
        support_point=lambda rv, size, unit: unit / math.sqrt(shape),
        transform=pm.distributions.transforms.log,
        dims=dims,
    )


def _correlation_factors(resolved: ResolvedSpec) -> Any:
    """Declare the partial correlations; return Cholesky factors (cluster or 1, D, D)."""
    size = resolved.n_features
    rows, columns = np.tril_indices(size, -1)
    shape = resolved.eta + 0.5 * (size - 2 - columns)
    beta = pm.Beta("partial_correlations_beta", shape, shape, dims=resolved.structure.pair_dims)
    flat = pt.atleast_2d(beta)
    place = np.full((size, size), len(rows))
    place[rows, columns] = np.arange(len(rows))
    half = pt.full((flat.shape[0], 1), 0.5)  # no correlation; pytensor 3.3.8 fuses `.set` wrongly
    whole = pt.concatenate([flat, half], axis=1)[:, place]
    partial, gaps = 2.0 * whole - 1.0, 2.0 * pt.sqrt(whole * (1.0 - whole))
    before = pt.concatenate([pt.ones_like(gaps[:, :, :1]), gaps[:, :, :-1].cumprod(axis=2)], axis=2)
    return (partial + np.eye(size)) * before * np.tri(size)
