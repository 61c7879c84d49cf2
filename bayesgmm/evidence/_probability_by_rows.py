"""How p(K) moves as rows come in: what grows without end is not a number of groups."""

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import softmax

from bayesgmm.arguments import check_count, check_several, seed_of
from bayesgmm.errors import ConfigError
from bayesgmm.limits import FEWEST_RUNS
from bayesgmm.model.several import facts_of_model, require_comparison
from bayesgmm.posterior.draws import Draws
from bayesgmm.runtime.keywords import keywords
from bayesgmm.runtime.progress import steps
from bayesgmm.sampling.smc import rows_of_share, temper

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["probability_by_rows"]


@keywords()
def probability_by_rows(
    comparison: Any,
    shares: Any = (0.25, 0.5, 1.0),
    *,
    n_particles: int = 512,
    n_runs: int = 8,
    seed: int | None = None,
    cores: int | None = None,
    progress: bool = False,
) -> "pd.DataFrame":
    """Return the probability of each model given a part of the rows, with its spread.

    Where the components are not exactly Gaussian, p(K) moves to larger K for as long as rows come
    in: K then counts the Gaussians that so many rows can show, not groups. If p(K) is the same for
    half of the rows as for all, this is not so here.

    Parameters
    ----------
    comparison : Comparison
        Its models are compared, with a uniform prior; of its draws none is used.
    shares : sequence of float
        Increasing shares of the rows, in (0, 1].
    n_particles, n_runs : int
        Particles of each run of sequential Monte Carlo, and runs, at least 4. Each run takes the
        rows in an order of its own, the same for all models, whose beginnings are spread over the
        whole data.
    seed : int, optional
        That of the comparison by default.
    cores : int, optional
        Threads; the result does not depend on it.
    progress : bool
        Show a bar of the models done, on stderr; without it each is a line of the log.

    Returns
    -------
    pandas.DataFrame
        One row per share and model: rows, how many; K, covariance, family, noise, n_factors;
        probability, its mean over the runs; spread, its standard deviation over the runs, of which
        a part is the choice of the rows and a part Monte Carlo error.

    Raises
    ------
    ConfigError
        For anything but a comparison, shares that are none, or too few runs or particles.

    References
    ----------
    Cai, Campbell and Broderick (2021), ICML, PMLR 139:1158 (p(K) grows without end). Chopin (2002),
    Biometrika 89:539 (evidences of the first rows).

    Examples
    --------
    >>> from bayesgmm import compare
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> table = probability_by_rows(compare(rows, [1, 2], draws=200, seed=1), n_runs=4)
    >>> table["rows"].tolist()
    [2, 2, 4, 4, 8, 8]
    """
    require_comparison("probability_by_rows", comparison)
    wanted = check_several("shares", shares, "shares of the rows")
    if not wanted or not (np.diff(wanted, prepend=0.0) > 0.0).all() or wanted[-1] > 1.0:
        raise ConfigError(
            f"shares must increase and lie in (0, 1], got {wanted!r:.80}.", key="shares"
        )
    check_count("n_runs", n_runs, least=FEWEST_RUNS)
    check_count("n_particles", n_particles)
    if cores is not None:
        check_count("cores", cores)
    seed = seed_of(comparison.seed if seed is None else seed)
    targets = {spec: Draws(tree).target for spec, tree in comparison.posteriors.items()}
    options: dict[str, Any] = {"n_particles": n_particles, "n_runs": n_runs, "cores": cores}
    evidences = [
        temper(target, seed=seed, shares=tuple(wanted), **options).beginnings
        for target in steps(targets.values(), "parts of the rows", progress)
    ]
    return _table(
        list(targets), wanted, softmax(evidences, axis=0), round(comparison.data.n_counted)
    )


def _table(models: Any, shares: Any, probabilities: Any, n_rows: int) -> "pd.DataFrame":
    """Lay out probabilities (model, run, share)."""
    import pandas as pd

    rows = []
    for place, share in enumerate(shares):
        for spec, values in zip(models, probabilities[..., place], strict=True):
            rows.append(
                {
                    "rows": rows_of_share(share, n_rows),
                    "K": spec.n_components,
                    **facts_of_model(spec),
                    "probability": float(values.mean()),
                    "spread": float(values.std(ddof=1)),
                }
            )
    return pd.DataFrame(rows)
