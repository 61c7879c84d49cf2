"""New rows drawn from a fitted mixture, and replicates of the data for predictive checks."""

import numpy as np
import xarray as xr

from bayesgmm.arguments import check_count, seed_of
from bayesgmm.model.parameters import Parameters
from bayesgmm.posterior.draws import Draws
from bayesgmm.prediction.draws import FitOrPosterior, draws_of
from bayesgmm.runtime.memory import require_bytes
from bayesgmm.typing import Array, IntArray

__all__ = ["posterior_predictive", "simulate"]

CHUNK = 65_536


def simulate(
    fit_or_posterior: FitOrPosterior,
    n: int,
    seed: int | None = None,
    *,
    one_draw: bool = False,
) -> xr.Dataset:
    """Draw new rows, each with the cluster it comes from.

    Parameters
    ----------
    fit_or_posterior : PointFit or xarray.DataTree
    n : int
        Number of rows.
    seed : int, optional
        Drawn when None; stored in the attributes either way.
    one_draw : bool
        False: each row comes from its own draw of the posterior, so that the rows are a sample of
        the posterior predictive density. True: all rows come from one draw, a data set as the
        model would produce it.

    Returns
    -------
    xarray.Dataset
        x (obs, feature), data units, with the recording error; cluster (obs), its number
        from 1 or its name; draw (obs): the
        posterior draw, chains one after another.

    Raises
    ------
    ConfigError
        When `n` or `seed` is not a count.

    Examples
    --------
    >>> from bayesgmm import fit_em
    >>> fit = fit_em([[0.0], [1.0], [2.0], [3.0]], 1, seed=1)
    >>> simulate(fit, 5, seed=2)["x"].shape
    (5, 1)
    """
    n, seed = check_count("n", n), seed_of(seed)
    draws = draws_of(fit_or_posterior)
    require_bytes(
        8 * n * (len(draws.features) + 8), f"simulating {n} rows", "ask for fewer, several times"
    )
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    samples = np.resize(rng.integers(draws.n_samples, size=1 if one_draw else n), n)
    x, cluster = _rows_from(draws.parameters, samples, rng)
    return xr.Dataset(
        {
            "x": (("obs", "feature"), x),
            "cluster": ("obs", draws.clusters[cluster]),
            "draw": ("obs", samples),
        },
        {"obs": np.arange(n), "feature": list(draws.features)},
        {"seed": seed},
    )


def posterior_predictive(
    posterior: xr.DataTree | Draws, n_data_sets: int = 100, seed: int | None = None
) -> xr.DataTree:
    """Return the posterior with replicates of the data, for ArviZ's predictive checks.

    Parameters
    ----------
    posterior : xarray.DataTree
    n_data_sets : int
        Number of replicates at most, each from one draw; the draws are evenly spaced, as many from
        each chain.
    seed : int, optional
        Drawn when None; stored in the group's attributes either way.

    Returns
    -------
    xarray.DataTree
        With the group posterior_predictive: x (chain, draw, obs, feature), data units.

    Raises
    ------
    ConfigError
        When `n_data_sets` or `seed` is not a count.
    ResourceError
        When the replicates would not fit in memory.

    Notes
    -----
    ``arviz.plot_ppc_dist`` reads this group and observed_data.

    Examples
    --------
    >>> from bayesgmm.sampling import sample
    >>> tree = sample([[0.0], [1.0], [2.0], [4.0]], 1, draws=50, seed=1)
    >>> posterior_predictive(tree, 20, seed=1)["posterior_predictive"]["x"].shape
    (4, 5, 4, 1)
    """
    check_count("n_data_sets", n_data_sets)
    seed = seed_of(seed)
    draws = draws_of(posterior)
    rows = draws.rows
    n_chains, n_draws = draws.shape
    kept = min(max(n_data_sets // n_chains, 1), n_draws)
    require_bytes(
        8 * n_chains * kept * rows.size,
        f"{n_chains * kept} replicates of {len(rows)} rows",
        "ask for fewer data sets, thin the chains, or use simulate for some rows only",
    )
    position = np.linspace(0, n_draws - 1, kept).round().astype(np.int64)
    x = np.empty((n_chains, kept, *rows.shape))
    children = np.random.SeedSequence(seed).spawn(n_chains * kept)
    for index, child in enumerate(children):
        chain, i = divmod(index, kept)
        samples = np.broadcast_to(chain * n_draws + position[i], len(rows))
        x[chain, i], _ = _rows_from(draws.parameters, samples, np.random.default_rng(child))
    coordinates = draws.tree["posterior"].to_dataset().coords
    group = xr.Dataset(
        {"x": (("chain", "draw", "obs", "feature"), x)},
        {
            "chain": coordinates["chain"].values,
            "draw": coordinates["draw"].values[position],
            "obs": draws.obs,
            "feature": list(draws.features),
        },
        {"seed": seed},
    )
    tree = draws.tree.copy()
    tree["posterior_predictive"] = xr.DataTree(group)
    return tree


def _rows_from(
    parameters: Parameters, samples: IntArray, rng: np.random.Generator
) -> tuple[Array, IntArray]:
    """Draw one row from each of the draws `samples`; return rows (obs, feature) and clusters."""
    n, (n_components, n_features) = len(samples), parameters.means.shape[1:]
    x, cluster = np.empty((n, n_features)), np.empty(n, dtype=np.int64)
    for start in range(0, n, CHUNK):
        part = slice(start, start + CHUNK)
        chosen = samples[part]
        bounds = parameters.weights[chosen].cumsum(axis=1)
        bounds[:, -1] = 1.0
        cluster[part] = (bounds <= rng.random((len(chosen), 1))).sum(axis=1)
        used, where = np.unique(chosen * n_components + cluster[part], return_inverse=True)
        factors = np.linalg.cholesky(parameters.covariances[np.divmod(used, n_components)])
        noise = rng.standard_normal((len(chosen), n_features, 1))
        x[part] = parameters.means[chosen, cluster[part]] + (factors[where] @ noise)[..., 0]
    return x, cluster
