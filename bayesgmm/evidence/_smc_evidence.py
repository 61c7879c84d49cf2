"""The evidence by a second route, from the prior: it checks the bridge, and finds its own modes."""

import math
from dataclasses import replace

import numpy as np
from scipy.stats import norm, t

from bayesgmm.arguments import check_count, seed_of
from bayesgmm.errors import ConfigError
from bayesgmm.evidence.bridge import Evidence, fewest_draws
from bayesgmm.evidence.refinement import refine
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.limits import AGREEMENT, ENOUGH_RUNS, FEWEST_RUNS
from bayesgmm.posterior.draws import Posterior, view_of
from bayesgmm.runtime.keywords import keywords
from bayesgmm.sampling.smc import temper

__all__ = ["smc_evidence"]


@keywords()
def smc_evidence(
    posterior: Posterior,
    *,
    n_particles: int = 256,
    n_runs: int = 16,
    seed: int | None = None,
    cores: int | None = None,
) -> Evidence:
    """Estimate the log marginal likelihood by sequential Monte Carlo from the prior.

    Of the posterior only the model and the rows are used, none of its draws. The particles of
    independent runs come from the prior by themselves. Half of the runs go to the posterior; the
    mean of their own evidences is unbiased but noisy. The others go to the posterior under larger
    concentrations, where no component empties: they find the modes that use all components, which
    outweigh the others only when most rows are in. Gaussians fitted to the particles of both, and
    chains that start from them, refine the estimate.

    Parameters
    ----------
    posterior : DataTree
        As `bayesgmm.sample` returns it.
    n_particles, n_runs : int
        Particles of each run, and independent runs of both kinds together, at least 4.
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
        For the draws of a user's own model, too few runs, or too few particles.
    SamplingError
        When the bridge does not settle.

    Notes
    -----
    The error is that of the bridges from two halves of the runs, or half the difference of these
    halves where that is more, as where only one half has met a mode. With fewer than 16 runs it is
    widened as Student's t asks, so that three errors are passed by chance as seldom as with many.
    The mean of the runs' own evidences, skewed as it is, lies too low more often than too high:
    where it is more than 3 errors above the refined value, the error is the whole distance. A mode
    that all runs have missed is not in it, nor one with a hundredth of the mass or less, which
    moves the value as little: compare with `log_evidence` by `reconciled`.

    References
    ----------
    Rousseau and Mengersen (2011), JRSS B 73:689 (when superfluous components empty).

    Examples
    --------
    >>> from bayesgmm.sampling import sample
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> tree = sample(rows, 1, draws=200, seed=1)
    >>> evidence = smc_evidence(tree, n_particles=128, n_runs=4, seed=1)
    >>> evidence.error < 1.0
    True
    """
    check_count("n_runs", n_runs, least=FEWEST_RUNS)
    check_count("n_particles", n_particles)
    if cores is not None:
        check_count("cores", cores)
    target = view_of(posterior).target
    least = fewest_draws(target.dim)
    if n_particles * n_runs < least:
        raise ConfigError(
            f"{n_runs} runs of {n_particles} particles are too few for {target.dim} coordinates: "
            f"take at least {-(-least // n_runs)} particles.",
            key="n_particles",
            value=n_particles,
        )
    seed = seed_of(seed)
    for_runs, for_scouts, for_bridge = np.random.SeedSequence(seed).spawn(3)
    run, scouts = (
        temper(goal, n_particles=n_particles, n_runs=number, seed=child, cores=cores)
        for goal, number, child in (
            (target, n_runs - n_runs // 2, for_runs),
            (_without_empty_components(target), n_runs // 2, for_scouts),
        )
    )
    particles = np.concatenate([run.particles, scouts.particles])
    value, error = refine(target, particles, run.step, for_bridge, cores)
    error *= _widening(n_runs)
    above = run.log_evidence - value
    return Evidence(
        value=value,
        error=error if above <= AGREEMENT * math.hypot(error, run.error) else above,
        method="sequential Monte Carlo from the prior",
        n_draws=n_particles * n_runs,
        seed=seed,
    )


def _widening(n_runs: int) -> float:
    """Return by how much an error from few runs is too small for three of it to be a rare distance.

    Three errors of 16 runs or more are taken as those of a Normal; those of fewer are widened to
    the same probability under Student's t.
    """
    if n_runs >= ENOUGH_RUNS:
        return 1.0
    return float(t(n_runs - 1).ppf(norm.cdf(AGREEMENT)) / AGREEMENT)


def _without_empty_components(target: LogPosterior) -> LogPosterior:
    """Return the posterior under concentrations that leave no component empty.

    Superfluous components empty where the concentration is below half the number of a component's
    own parameters, and take a share of the rows where it is above (Rousseau and Mengersen 2011).
    """
    resolved = target.resolved
    one, two = (resolved.structure.n_parameters(k, resolved.n_features) for k in (1, 2))
    concentration = resolved.concentration + 0.5 * (two - one - 1)
    return LogPosterior(replace(resolved, concentration=concentration), target.rows)
