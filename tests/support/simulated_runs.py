"""Runs of a perfect sampler: normal draws about a mode, laid out as sampling lays them out."""

import numpy as np

from bayesgmm.data import Dataset, as_dataset
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.model.parameters import Parameters
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import as_spec
from bayesgmm.sampling.assembly import assemble
from bayesgmm.sampling.nuts import ChainDraws


def clustered(n_clusters, n_features=2, n_obs=40, distance=6.0, seed=0):
    """Rows of clusters on a line along all features, and the mixture that made them."""
    rng = np.random.default_rng(seed)
    means = distance * np.arange(n_clusters)[:, None] * np.ones(n_features)
    means += rng.normal(scale=0.5, size=means.shape)
    rows = np.concatenate([rng.normal(mean, size=(n_obs, n_features)) for mean in means])
    shape = (n_clusters, n_features)
    eye = np.tile(np.eye(n_features), (n_clusters, 1, 1))
    truth = Parameters(np.full(n_clusters, 1.0 / n_clusters), means, np.ones(shape), eye, eye)
    return as_dataset(rows), truth


def run_about(
    data: Dataset, spec, parameters, *, deviation=0.05, chains=4, draws=500, memory=0.3, seed=0
):
    """Draw autoregressive normal chains about parameters in unconstrained coordinates."""
    log_posterior = LogPosterior(resolve(as_spec(spec), data), data.values)
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(chains, draws, log_posterior.dim))
    for t in range(1, draws):
        noise[:, t] = memory * noise[:, t - 1] + np.sqrt(1 - memory**2) * noise[:, t]
    centres = np.stack([log_posterior.unconstrain(p) for p in _each(parameters, chains)])
    return tree_of(log_posterior, centres[:, None] + deviation * noise, data, seed=seed)


def tree_of(log_posterior, x, data, seed=0, modes=()):
    """Lay out chains x (chain, draw, dim) with the statistics of an untroubled sampler."""
    rng = np.random.default_rng(seed)
    shape = x.shape[:2]
    lp = np.array([[log_posterior.evaluate(point).value for point in chain] for chain in x])
    statistics = {
        "lp": lp,
        "energy": rng.normal(size=shape),
        "diverging": np.zeros(shape, dtype=bool),
        "maxdepth_reached": np.zeros(shape, dtype=bool),
    }
    return assemble(
        log_posterior,
        ChainDraws(x, statistics, interrupted=False),
        data,
        keep_log_likelihood=True,
        cores=1,
        attributes={"seed": seed, "sampler": {"method": "nuts"}, "status": "complete"},
        modes=modes,
    )


def _each(parameters, chains):
    return parameters if isinstance(parameters, list) else [parameters] * chains
