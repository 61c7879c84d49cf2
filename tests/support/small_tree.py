"""A result of made-up draws: small, and with every type of array that a result has."""

import numpy as np
import xarray as xr

from bayesgmm.data import as_dataset
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.posterior.tree import posterior_tree

__all__ = ["small_tree"]


def small_tree(n_obs: int = 30, names: tuple[str, ...] = ("width", "höhe <&>")) -> xr.DataTree:
    """Return a result of 2 chains of 5 draws."""
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(n_obs, 2)).astype(float)
    data = as_dataset(rows)
    data = type(data)(names, None, data.hash, "array", n_obs, _rows=data._rows, _facts=data._facts)
    resolved = resolve(MixtureSpec(2), data)
    log_posterior = LogPosterior(resolved, data.values)
    draws = rng.normal(scale=0.1, size=(2 * 5, log_posterior.dim))
    parameters = log_posterior.constrain(draws)
    zeros = np.zeros((2, 5))
    return posterior_tree(
        parameters.each(lambda p: p.reshape(2, 5, *p.shape[1:])),
        {},
        data=data,
        resolved=resolved,
        log_likelihood=rng.normal(size=(2, 5, n_obs)),
        log_prior={"means": zeros - np.inf},
        sample_stats={
            "spare": zeros + np.nan,
            "diverging": rng.random((2, 5)) < 0.5,
            "depth": np.arange(10, dtype=np.uint64).reshape(2, 5),
            "n_steps": np.arange(10).reshape(2, 5),
        },
        attributes={"seed": 2**40 + 1, "sampler": {"draws": 5}, "status": "complete"},
    )
