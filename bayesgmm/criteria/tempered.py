"""The evidence by a second route, from the prior: it checks the bridge, and finds its own modes."""

import math
from dataclasses import replace

import xarray as xr

from bayesgmm.arguments import seed_of
from bayesgmm.criteria.bridge import Evidence, target_of
from bayesgmm.sampling.smc import temper

__all__ = ["reconciled", "tempered_evidence"]

AGREEMENT = 3.0


def tempered_evidence(
    posterior: xr.DataTree,
    *,
    n_particles: int = 1024,
    n_runs: int = 16,
    seed: int | None = None,
    cores: int | None = None,
) -> Evidence:
    """Estimate the log marginal likelihood by sequential Monte Carlo from the prior.

    Of the posterior only the model and the rows are used, none of its draws.

    Parameters
    ----------
    posterior : DataTree
        As `bayesgmm.sample` returns it.
    n_particles, n_runs : int
        Particles of each run, and independent runs, from whose spread the error comes.
    seed : int, optional
        Drawn and stored when None.
    cores : int, optional
        Threads; the result does not depend on it.

    Returns
    -------
    Evidence

    Raises
    ------
    ConfigError
        For the draws of a user's own model.

    Examples
    --------
    >>> from bayesgmm.sampling import sample
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> tree = sample(rows, 1, draws=200, seed=1)
    >>> evidence = tempered_evidence(tree, n_particles=128, n_runs=4, seed=1)
    >>> evidence.error < 1.0
    True
    """
    seed = seed_of(seed)
    run = temper(
        target_of(posterior), n_particles=n_particles, n_runs=n_runs, seed=seed, cores=cores
    )
    return Evidence(
        value=run.log_evidence,
        error=run.error,
        method="sequential Monte Carlo from the prior",
        n_draws=n_particles * n_runs,
        seed=seed,
    )


def reconciled(bridge: Evidence, tempered: Evidence) -> Evidence:
    """Return what to quote of two independent estimates.

    The bridge where both agree within 3 errors of their difference; the other where the bridge has
    no error because its chains disagree; else the bridge with an infinite error, so that this K
    gets no probability.

    Parameters
    ----------
    bridge, tempered : Evidence
        As `log_evidence` and `tempered_evidence` return them.
    """
    if not math.isfinite(bridge.error):
        return tempered
    difference = abs(bridge.value - tempered.value)
    if difference <= AGREEMENT * math.hypot(bridge.error, tempered.error):
        return bridge
    method = f"{bridge.method}; {tempered.method} differs by {difference:.2f} nats"
    return replace(bridge.with_error(math.inf), method=method)
