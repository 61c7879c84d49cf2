"""The coarsened posterior of K: how many components when the model need hold only nearly."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from bayesgmm.arguments import check_count, items_of, seed_of
from bayesgmm.errors import ConfigError
from bayesgmm.evidence.shares import shares
from bayesgmm.limits import FEWEST_RUNS
from bayesgmm.model.several import facts_of_model
from bayesgmm.posterior.draws import Draws
from bayesgmm.sampling.coarsening import evidences_by_power
from bayesgmm.sampling.smc import pooled
from bayesgmm.typing import Array

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["coarsened"]

_ALPHAS = (10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, math.inf)


def coarsened(
    comparison: Any,
    alphas: Any = _ALPHAS,
    *,
    n_particles: int = 128,
    n_runs: int = 4,
    seed: int | None = None,
    cores: int | None = None,
) -> "pd.DataFrame":
    """Return the coarsened posterior of the models: robust to small departures from Gaussians.

    The likelihood is taken to the power alpha / (alpha + n). Then a departure that could not be
    seen in alpha rows needs no component of its own. At alpha = inf it is the posterior itself.

    Parameters
    ----------
    comparison : Comparison
        Its models are compared, with a uniform prior; of its draws none is used.
    alphas : sequence of float
        Numbers of rows, above 0; inf is allowed.
    n_particles, n_runs : int
        Particles of each run of sequential Monte Carlo, and runs, at least 4.
    seed : int, optional
        That of the comparison by default.
    cores : int, optional
        Threads; the result does not depend on it.

    Returns
    -------
    pandas.DataFrame
        One row an alpha and model: alpha; power; K, covariance, family, noise, n_factors;
        probability and error, its Monte Carlo standard error.

    Raises
    ------
    ConfigError
        For anything but a comparison, an alpha that is not above 0, or too few runs.

    References
    ----------
    Miller and Dunson (2019), Journal of the American Statistical Association 114:1113.

    Examples
    --------
    >>> from bayesgmm import compare
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> comparison = compare(rows, [1, 2], draws=200, seed=1)
    >>> table = coarsened(comparison, [8.0], n_particles=32)
    >>> table[["power", "K"]].to_numpy().tolist()
    [[0.5, 1.0], [0.5, 2.0]]
    """
    if not all(hasattr(comparison, name) for name in ("models", "posteriors")):
        raise ConfigError(
            f"coarsened takes a Comparison, got {type(comparison).__name__}.", value=comparison
        )
    given = sorted(set(map(_alpha, items_of("alphas", alphas, "numbers of rows"))))
    if not given:
        raise ConfigError("alphas must name at least one number of rows.", key="alphas")
    check_count("n_runs", n_runs, least=FEWEST_RUNS)
    check_count("n_particles", n_particles, least=2)
    if cores is not None:
        check_count("cores", cores)
    seed = seed_of(comparison.seed if seed is None else seed)
    n = comparison.data.n_counted
    powers = np.array([1.0 if math.isinf(a) else a / (a + n) for a in given])
    seeds = np.random.SeedSequence(seed).spawn(len(comparison.posteriors))
    found = [
        evidences_by_power(
            Draws(tree).target, powers, n_particles=n_particles, n_runs=n_runs, seed=s, cores=cores
        )
        for tree, s in zip(comparison.posteriors.values(), seeds, strict=True)
    ]
    return _table(list(comparison.posteriors), given, powers, found)


def _alpha(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool | str) or not number > 0.0:
        raise ConfigError(
            f"alphas must be numbers of rows above 0, got {value!r:.80}.", key="alphas", value=value
        )
    return number


def _table(
    models: list[Any], alphas: list[float], powers: Array, evidences: list[Array]
) -> "pd.DataFrame":
    """Lay out log evidences, for each model an array of shape (run, power)."""
    import pandas as pd

    rows = []
    for place, alpha in enumerate(alphas):
        values, errors = np.array([pooled(each[:, place]) for each in evidences]).T
        for spec, share, error in zip(models, *shares(values, errors), strict=True):
            rows.append(
                {
                    "alpha": alpha,
                    "power": float(powers[place]),
                    "K": spec.n_components,
                    **facts_of_model(spec),
                    "probability": float(share),
                    "error": float(error),
                }
            )
    return pd.DataFrame(rows)
