"""The correlation matrices of a posterior, which holds one correlation a pair of features."""

import xarray as xr

from bayesgmm.posterior.draws import Draws
from bayesgmm.runtime.keywords import keywords

__all__ = ["correlation_matrices"]


@keywords()
def correlation_matrices(posterior: xr.DataTree) -> xr.DataArray:
    """Return the correlation matrix of each cluster at each draw.

    A result holds what is free of it, ``posterior["correlations"]`` (chain, draw, cluster, pair),
    and nothing for structures or single features that have no correlations: summaries and R-hat
    are then of what can vary. Here are the matrices with their ones and zeros.

    Parameters
    ----------
    posterior : xarray.DataTree
        As `bayesgmm.sample` returns it. Correlations that a user's own model does not name are
        those of its covariances.

    Returns
    -------
    xarray.DataArray
        Correlations (chain, draw, cluster, feature, feature_bis), without the recording error.

    Raises
    ------
    ConfigError
        When it is not a posterior.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm.sampling import sample
    >>> rows = np.random.default_rng(1).normal(size=(40, 2)) + [[0, 0], [6, 3]] * 20
    >>> tree = sample(rows, 2, draws=50, seed=1)
    >>> tree["posterior"]["correlations"].sizes["pair"], correlation_matrices(tree).shape
    (1, (4, 50, 2, 2, 2))
    """
    draws = Draws(posterior)
    values, features = draws.parameters.correlations, list(draws.features)
    return xr.DataArray(
        values.reshape(*draws.shape, *values.shape[1:]),
        {
            **{name: posterior["posterior"][name].values for name in ("chain", "draw")},
            "cluster": draws.clusters,
            "feature": features,
            "feature_bis": features,
        },
        ("chain", "draw", "cluster", "feature", "feature_bis"),
        "correlations",
    )
