"""A posterior built by hand, for tests of what is computed from draws."""

import numpy as np
import xarray as xr
from scipy.stats import multivariate_normal

from bayesgmm.model.parameters import Parameters

SQUARE = ("cluster", "feature", "feature_bis")
DIMS = {"weights": ("cluster",), "means": ("cluster", "feature"), "scales": ("cluster", "feature")}
DIMS |= {"correlations": SQUARE, "covariances": SQUARE}


def random_parameters(n_samples, n_components, n_features, seed=0, spread=0.3):
    """Draws around separated clusters, (sample, ...)."""
    rng = np.random.default_rng([seed, n_samples, n_components, n_features])
    weights = rng.dirichlet(np.full(n_components, 40.0), n_samples)
    centres = 3.0 * np.arange(n_components)[:, None] + rng.normal(size=n_features)
    means = centres + spread * rng.normal(size=(n_samples, n_components, n_features))
    roots = np.eye(n_features) + 0.3 * rng.normal(
        size=(n_samples, n_components, n_features, n_features)
    )
    covariances = roots @ roots.swapaxes(-1, -2) + 0.1 * np.eye(n_features)
    scales = np.sqrt(np.einsum("skdd->skd", covariances))
    correlations = covariances / (scales[..., None] * scales[..., None, :])
    return Parameters(weights, means, scales, correlations, covariances)


def posterior_of(parameters, rows, n_chains=2):
    """Lay draws (sample, ...) out as a posterior with the rows as observed data."""
    features = [f"x{j + 1}" for j in range(rows.shape[1])]
    posterior = xr.Dataset(
        {
            name: (
                ("chain", "draw", *DIMS[name]),
                value.reshape(n_chains, -1, *value.shape[1:]),
            )
            for name, value in parameters._asdict().items()
            if name in DIMS
        },
        {"feature": features, "feature_bis": features},
    )
    posterior = posterior.assign_coords(
        {dim: np.arange(posterior.sizes[dim]) for dim in ("chain", "draw", "cluster")}
    )
    observed = xr.Dataset({"x": (("obs", "feature"), rows)}, {"feature": features})
    return xr.DataTree.from_dict({"posterior": posterior, "observed_data": observed})


def joint_densities(parameters, rows):
    """w_k N(x_i | k) of each draw by SciPy, (sample, row, cluster)."""
    weights, means, _, _, covariances = parameters[:5]
    return np.array(
        [
            np.stack(
                [
                    weights[s, k]
                    * multivariate_normal(means[s, k], covariances[s, k]).pdf(rows).reshape(-1)
                    for k in range(weights.shape[1])
                ],
                axis=1,
            )
            for s in range(len(weights))
        ]
    )
