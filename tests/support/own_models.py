"""Own PyMC models as people write them: in the ways of PyMC's gallery and forum."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

SQUARE = ("cluster", "feature", "feature_bis")
Built = tuple[np.ndarray, pm.Model]


def line(n: int = 150) -> np.ndarray:
    """Three groups on a line."""
    rng = np.random.default_rng(3)
    z = rng.choice(3, n, p=[0.3, 0.4, 0.3])
    return np.array([0.0, 4.0, 9.0])[z] + np.array([1.0, 0.7, 1.2])[z] * rng.normal(size=n)


def plane(n: int = 120) -> np.ndarray:
    """Two groups in the plane, correlated within."""
    rng = np.random.default_rng(8)
    noise = rng.multivariate_normal([0.0, 0.0], [[1.0, 0.6], [0.6, 1.0]], size=n)
    return noise + np.array([[0.0, 0.0], [5.0, 3.0]])[(rng.random(n) < 0.4).astype(int)]


def coords(values: np.ndarray, clusters: Any) -> dict[str, Any]:
    features = [f"x{d + 1}" for d in range(1 if values.ndim == 1 else values.shape[1])]
    names = clusters if isinstance(clusters, list) else list(range(clusters))
    return {
        "obs": np.arange(len(values)), "feature": features, "feature_bis": features,
        "cluster": names,
    }  # fmt: skip


def on_a_line(w: Any, mu: Any, sd: Any, y: np.ndarray) -> None:
    """Name the parts of a mixture on a line as bayesgmm asks for them."""
    pm.Deterministic("means", mu[:, None], dims=("cluster", "feature"))
    covariances = pm.Deterministic("covariances", (sd**2)[:, None, None], dims=SQUARE)
    components = pm.MvNormal.dist(mu=mu[:, None], cov=covariances)
    pm.Mixture("x", w=w, comp_dists=components, observed=y[:, None], dims=("obs", "feature"))


def ordered(**start: Any) -> Built:
    """Means kept in order by a transform; with its initval or without."""
    y = line()
    with pm.Model(coords=coords(y, 3)) as model:
        w = pm.Dirichlet("weights", np.ones(3), dims="cluster")
        transform = pm.distributions.transforms.ordered
        mu = pm.Normal("mu", y.mean(), 10, dims="cluster", transform=transform, **start)
        sd = pm.HalfNormal("sd", 5, dims="cluster")
        on_a_line(w, mu, sd, y)
    return y[:, None], model


def ordered_with_initval() -> Built:
    return ordered(initval=[-1.0, 3.0, 8.0])


def own_vectors() -> Built:
    """Vectors of length K that do not say that they belong to clusters."""
    y = line()
    with pm.Model(coords=coords(y, 3)) as model:
        w = pm.Dirichlet("weights", np.ones(3), dims="cluster")
        mu = pm.Normal("mu", y.mean(), 10, shape=3)
        sd = pm.HalfNormal("sd", 5, shape=3)
        on_a_line(w, mu, sd, y)
        pm.Deterministic("in_order", pt.sort(mu))
        pm.Deterministic("first", mu[0])
    return y[:, None], model


def normal_mixture() -> Built:
    """pm.NormalMixture, whose log likelihood keeps the feature axis."""
    y = line()
    with pm.Model(coords=coords(y, 3)) as model:
        w = pm.Dirichlet("weights", np.ones(3), dims="cluster")
        means = pm.Normal("means", y.mean(), 10, dims=("cluster", "feature"))
        sd = pm.HalfNormal("sd", 5, dims="cluster")
        pm.Deterministic("covariances", (sd**2)[:, None, None], dims=SQUARE)
        pm.NormalMixture(
            "x", w=w, mu=means[:, 0], sigma=sd, observed=y[:, None], dims=("obs", "feature")
        )
    return y[:, None], model


def product_of_mixtures() -> Built:
    """pm.NormalMixture with a mixture for each feature: no mixture of Gaussians in the plane."""
    x = plane()
    with pm.Model(coords=coords(x, 2)) as model:
        w = pm.Dirichlet("weights", np.ones(2), dims="cluster")
        means = pm.Normal("means", x.mean(0), 5, dims=("cluster", "feature"))
        sd = pm.HalfNormal("sd", 3, dims=("cluster", "feature"))
        pm.Deterministic("covariances", (sd**2)[:, :, None] * np.eye(2), dims=SQUARE)
        pm.NormalMixture("x", w=w, mu=means.T, sigma=sd.T, observed=x, dims=("obs", "feature"))
    return x, model


def list_of_components() -> Built:
    """One MvNormal and one LKJCholeskyCov a cluster, in a list."""
    x = plane()
    with pm.Model(coords=coords(x, 2)) as model:
        w = pm.Dirichlet("weights", np.ones(2), dims="cluster")
        means = pm.Normal("means", x.mean(0), 5, dims=("cluster", "feature"))
        factors = [
            pm.LKJCholeskyCov(f"chol_{k}", n=2, eta=2, sd_dist=pm.HalfNormal.dist(2, shape=2))[0]
            for k in range(2)
        ]
        stacked = pt.stack([factor @ factor.T for factor in factors])
        pm.Deterministic("covariances", stacked, dims=SQUARE)
        components = [pm.MvNormal.dist(mu=means[k], chol=factors[k]) for k in range(2)]
        pm.Mixture("x", w=w, comp_dists=components, observed=x, dims=("obs", "feature"))
    return x, model


def hierarchical_means() -> Built:
    """Means drawn around a common value that is learnt."""
    y = line()
    with pm.Model(coords=coords(y, 3)) as model:
        w = pm.Dirichlet("weights", np.full(3, 2.0), dims="cluster")
        centre = pm.Normal("centre", 4.0, 5.0)
        apart = pm.HalfNormal("apart", 5.0)
        mu = pm.Normal("mu", centre, apart, dims="cluster")
        sd = pm.LogNormal("sd", 0.0, 0.5, dims="cluster")
        on_a_line(w, mu, sd, y)
    return y[:, None], model


def pooled_scales() -> Built:
    """Scales partly pooled; a full covariance, so that there are correlations unnamed."""
    x = plane()
    with pm.Model(coords=coords(x, 2)) as model:
        w = pm.Dirichlet("weights", np.full(2, 2.0), dims="cluster")
        means = pm.Normal("means", x.mean(0), 5, dims=("cluster", "feature"))
        typical = pm.Normal("typical", 0.0, 0.5, dims="feature")
        offset = pm.Normal("offset", 0.0, 0.3, dims=("cluster", "feature"))
        r = pm.Uniform("r", -0.95, 0.95, dims="cluster")
        s = pm.math.exp(typical + offset)
        omega = (1.0 - r)[:, None, None] * np.eye(2) + r[:, None, None]
        cov = pm.Deterministic("covariances", s[:, :, None] * omega * s[:, None, :], dims=SQUARE)
        components = pm.MvNormal.dist(mu=means, cov=cov)
        pm.Mixture("x", w=w, comp_dists=components, observed=x, dims=("obs", "feature"))
    return x, model


def t_components() -> Built:
    """Components that are not Gaussian."""
    y = line()
    with pm.Model(coords=coords(y, 3)) as model:
        w = pm.Dirichlet("weights", np.ones(3), dims="cluster")
        mu = pm.Normal("means", y.mean(), 10, dims=("cluster", "feature"))
        s = pm.HalfNormal("s", 5, dims=("cluster", "feature"))
        cov = pm.Deterministic("covariances", (s**2)[:, :, None] * np.eye(1), dims=SQUARE)
        components = pm.MvStudentT.dist(nu=3, mu=mu, scale=cov)
        pm.Mixture("x", w=w, comp_dists=components, observed=y[:, None], dims=("obs", "feature"))
    return y[:, None], model


def censored_rows() -> Built:
    """Rows beyond a detection limit enter by a potential; x holds those below it."""
    y = line()
    limit = 9.5
    seen, n_beyond = y[y < limit], int((y >= limit).sum())
    with pm.Model(coords=coords(seen, 3)) as model:
        w = pm.Dirichlet("weights", np.ones(3), dims="cluster")
        mu = pm.Normal("mu", 4.0, 5.0, dims="cluster")
        sd = pm.LogNormal("sd", 0.0, 0.5, dims="cluster")
        on_a_line(w, mu, sd, seen)
        tail = 0.5 * pt.erfc((limit - mu) / (sd * np.sqrt(2.0)))
        pm.Potential("beyond", n_beyond * pt.log((w * tail).sum()))
    return seen[:, None], model


def covariates_on_weights(*, mean_weights: bool = False) -> Built:
    """Weights that depend on a covariate: one row of them a row of the data."""
    y = line()
    rng = np.random.default_rng(5)
    design = np.column_stack([np.ones(len(y)), rng.normal(size=len(y))])
    with pm.Model(coords=coords(y, 3)) as model:
        beta = pm.Normal("beta", 0.0, 1.0, shape=(2, 3))
        w = pm.math.softmax(design @ beta, axis=-1)
        name = "row_weights" if mean_weights else "weights"
        w = pm.Deterministic(name, w, dims=("obs", "cluster"))
        if mean_weights:
            pm.Deterministic("weights", w.mean(axis=0), dims="cluster")
        mu = pm.Normal("mu", np.array([0.0, 4.0, 9.0]), 1.0, dims="cluster")
        sd = pm.HalfNormal("sd", 3.0, dims="cluster")
        pm.Deterministic("means", mu[:, None], dims=("cluster", "feature"))
        cov = pm.Deterministic("covariances", (sd**2)[:, None, None], dims=SQUARE)
        components = pm.MvNormal.dist(mu=mu[:, None], cov=cov)
        pm.Mixture("x", w=w, comp_dists=components, observed=y[:, None], dims=("obs", "feature"))
    return y[:, None], model


def named_clusters() -> Built:
    """Priors that tell the clusters apart, the names against the order of the means."""
    rng = np.random.default_rng(5)
    n = 120
    y = np.where(rng.random(n) < 0.3, rng.normal(9, 1, n), rng.normal(0, 1.5, n))
    with pm.Model(coords=coords(y, ["signal", "background"])) as model:
        w = pm.Dirichlet("weights", np.array([3.0, 7.0]), dims="cluster")
        mu = pm.Normal("means", np.array([[9.0], [0.0]]), 1.0, dims=("cluster", "feature"))
        s = pm.HalfNormal("s", 2, dims=("cluster", "feature"))
        cov = pm.Deterministic("covariances", (s**2)[:, :, None] * np.eye(1), dims=SQUARE)
        pm.Deterministic("excess", mu[0, 0] - mu[1, 0])
        components = pm.MvNormal.dist(mu=mu, cov=cov)
        pm.Mixture("x", w=w, comp_dists=components, observed=y[:, None], dims=("obs", "feature"))
    return y[:, None], model


def dims_in_another_order() -> Built:
    """The cluster's axis last, as by those who think in columns."""
    x = plane()
    with pm.Model(coords=coords(x, 2)) as model:
        w = pm.Dirichlet("weights", np.ones(2), dims="cluster")
        centre = x.mean(0)[:, None]
        means = pm.Normal("means", centre, 5.0, dims=("feature", "cluster"))
        sd = pm.HalfNormal("sd", 3, dims=("feature", "cluster"))
        cov = (sd**2).T[:, :, None] * np.eye(2)
        pm.Deterministic(
            "covariances", cov.transpose(1, 2, 0), dims=("feature", "feature_bis", "cluster")
        )
        components = pm.MvNormal.dist(mu=means.T, cov=cov)
        pm.Mixture("x", w=w, comp_dists=components, observed=x, dims=("obs", "feature"))
    return x, model


def without_the_feature_axis(*, mended: bool = False) -> Built:
    """One feature, and no axis for it; x without it is taken, means are not."""
    y = line()
    with pm.Model(coords=coords(y, 3)) as model:
        w = pm.Dirichlet("weights", np.ones(3), dims="cluster")
        mu = pm.Normal("mu" if mended else "means", y.mean(), 10, dims="cluster")
        sd = pm.HalfNormal("sd", 5, dims="cluster")
        if mended:
            pm.Deterministic("means", mu[:, None], dims=("cluster", "feature"))
        pm.Deterministic("covariances", (sd**2)[:, None, None], dims=SQUARE)
        pm.NormalMixture("x", w=w, mu=mu, sigma=sd, observed=y, dims="obs")
    return y[:, None], model


def k_from_data() -> Built:
    """The number of clusters as long as a pm.Data is."""
    y = line()
    with pm.Model(coords=coords(y, 3)) as model:
        concentration = pm.Data("concentration", np.ones(3), dims="cluster")
        w = pm.Dirichlet("weights", concentration, dims="cluster")
        mu = pm.Normal("mu", y.mean(), 10, shape=concentration.shape, dims="cluster")
        sd = pm.HalfNormal("sd", 5, shape=concentration.shape, dims="cluster")
        on_a_line(w, mu, sd, y)
    return y[:, None], model


def sampled_labels() -> Built:
    """Labels drawn as a discrete variable, as in the oldest examples."""
    y = line(60)
    with pm.Model(coords=coords(y, 3)) as model:
        w = pm.Dirichlet("weights", np.ones(3), dims="cluster")
        mu = pm.Normal("mu", np.array([0.0, 4.0, 9.0]), 1.0, dims="cluster")
        sd = pm.HalfNormal("sd", 3, dims="cluster")
        z = pm.Categorical("z", p=w, dims="obs")
        pm.Deterministic("means", mu[:, None], dims=("cluster", "feature"))
        pm.Deterministic("covariances", (sd**2)[:, None, None], dims=SQUARE)
        pm.Normal("x", mu[z], sd[z], observed=y, dims="obs")
    return y[:, None], model


def mixture_of_censored() -> Built:
    """A likelihood that PyMC itself cannot evaluate."""
    y = np.minimum(line(), 9.5)
    with pm.Model(coords=coords(y, 3)) as model:
        w = pm.Dirichlet("weights", np.ones(3), dims="cluster")
        mu = pm.Normal("mu", 4.0, 5.0, dims="cluster")
        sd = pm.LogNormal("sd", 0.0, 0.5, dims="cluster")
        pm.Deterministic("means", mu[:, None], dims=("cluster", "feature"))
        pm.Deterministic("covariances", (sd**2)[:, None, None], dims=SQUARE)
        mixture = pm.NormalMixture.dist(w=w, mu=mu, sigma=sd)
        pm.Censored("x", mixture, lower=None, upper=9.5, observed=y, dims="obs")
    return y[:, None], model


BUILDERS: dict[str, Callable[..., Built]] = {
    builder.__name__: builder
    for builder in (
        ordered, ordered_with_initval, own_vectors, normal_mixture, product_of_mixtures,
        list_of_components, hierarchical_means, pooled_scales, t_components, censored_rows,
        covariates_on_weights, named_clusters, dims_in_another_order, without_the_feature_axis,
        k_from_data, sampled_labels, mixture_of_censored,
    )
}  # fmt: skip
