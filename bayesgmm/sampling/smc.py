"""Sequential Monte Carlo from the prior to the posterior: draws of all modes, and the evidence."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from bayesgmm.likelihood.annotated_rows import values_of
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.likelihood.sweeps import first_rows
from bayesgmm.model.components.loadings import draw_loadings
from bayesgmm.model.scale_priors import log_gamma_draws
from bayesgmm.runtime.memory import require_bytes
from bayesgmm.runtime.parallel import end_if_stopped, in_threads
from bayesgmm.runtime.progress import Progress
from bayesgmm.runtime.seeds import SEED_BYTES, drawn_integer
from bayesgmm.sampling.resampling import resample
from bayesgmm.typing import Array, IntArray

__all__ = ["CHAIN_LENGTH", "MAX_STEPS", "TemperedRun", "draw_prior", "rows_of_share", "temper"]

CHAIN_LENGTH = 16
MIN_CHAINS = 4
KEPT_SAMPLE_SIZE = 0.2
TARGET_ACCEPTANCE = 0.75
MAX_STEPS = 2
WINDOW = 16


@dataclass(frozen=True)
class TemperedRun:
    """What `temper` returns.

    Parameters
    ----------
    draws : array of shape (run, particle, dim)
        Equally weighted draws of the posterior, fitting units, labels as they come. Runs are
        represented in proportion to their evidences and stand in their order.
    log_density : array of shape (run, particle)
        Log density of the draws in x less the log evidence's constant: prior times likelihood,
        nats, fitting units.
    particles : array of shape (run, particle, dim)
        What each run ended with, fitting units: runs are not weighed against one another.
    step : float
        Median step size of the Hamiltonian moves at the end.
    log_evidence : float
        Log marginal likelihood of the rows, nats, data units.
    error : float
        Standard error of `log_evidence`, from the spread over the runs.
    run_log_evidence : array of shape (run,)
        Each run's own estimate, nats, data units.
    rows : tuple of tuple of int
        For each run the number of rows after each step, from 0 to all; where rows count more than
        once, of the parts in which they are taken in.
    acceptance : array of shape (run,)
        Mean acceptance probability of the Hamiltonian moves at the last step.
    beginnings : array of shape (run, share)
        Each run's log marginal likelihood of its first rows, nats, fitting units.
    """

    draws: Array
    log_density: Array
    particles: Array
    step: float
    log_evidence: float
    error: float
    run_log_evidence: Array
    rows: tuple[tuple[int, ...], ...]
    acceptance: Array
    beginnings: Array


class _Run(NamedTuple):
    """One run at its end: particles (particle, dim) and evidence, fitting units."""

    particles: Array
    step: float
    log_evidence: float
    rows: tuple[int, ...]
    acceptance: float
    beginnings: tuple[float, ...]


def temper(
    log_posterior: LogPosterior,
    *,
    n_particles: int = 1024,
    n_runs: int = 16,
    seed: int | np.random.SeedSequence | None = None,
    cores: int | None = None,
    progress: Progress | None = None,
    shares: tuple[float, ...] = (),
) -> TemperedRun:
    """Carry particles from the prior to the posterior, taking in the rows a few at a time.

    In each of the independent runs, which have random orders of the rows, the posterior given the
    first m rows goes over into that given the first m' by weighting, resampling and Gibbs sweeps;
    m' is as large as leaves `KEPT_SAMPLE_SIZE` of the effective sample. Every state of a chain is
    kept as a particle. The mean of the runs' evidences is unbiased, and its error is their spread.
    Modes are met while few rows make them shallow, and all labellings alike: the target is the
    posterior symmetric in the labels, nothing is sorted, and no factor K! enters.

    Parameters
    ----------
    log_posterior : LogPosterior
    n_particles : int
        Of each run; carried are as many as fill whole chains, at least 4 of them.
    n_runs : int
        At least 4, for the error's sake; with one run the error is inf.
    seed : int, SeedSequence or None
    cores : int or None
        Threads; the result does not depend on it.
    progress : callable of (run, rows taken in, rows), optional
    shares : tuple of float, increasing, at most 1
        Of the rows, at which the evidence is noted on the way. Runs of equal seeds take the same
        rows in the same order, whatever the model.

    Returns
    -------
    TemperedRun

    Notes
    -----
    With 16 runs an error of several tenths is itself uncertain and the evidence skewed:
    `bayesgmm.evidence.smc_evidence` refines it.

    References
    ----------
    Chopin (2002), Biometrika 89:539 (rows taken in one after another).
    Dau and Chopin (2022), JRSS B 84:114 (every state of the chains kept).
    """
    chains = max(MIN_CHAINS, -(-n_particles // CHAIN_LENGTH))
    need = n_runs * (SEED_BYTES + 4 * 8 * n_particles * log_posterior.dim)
    require_bytes(need, f"{n_runs} runs of {n_particles} particles", "take fewer of them")
    sequence = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
    *for_runs, for_draws = sequence.spawn(n_runs + 1)

    def one(number: int) -> _Run:
        return _run(log_posterior, chains, for_runs[number], number, progress, shares)

    runs = list(in_threads(one, range(n_runs), cores=cores))
    shift = log_posterior.log_unit_of_rows
    evidences = np.array([run.log_evidence for run in runs]) - shift
    log_evidence, error = _pooled(evidences)
    draws = _combined(runs, n_particles, np.random.default_rng(for_draws))
    log_density = log_posterior.log_densities(draws)
    return TemperedRun(
        draws=draws.reshape(n_runs, n_particles, -1),
        log_density=log_density.reshape(n_runs, n_particles),
        particles=np.stack([run.particles for run in runs]),
        step=float(np.median([run.step for run in runs])),
        log_evidence=log_evidence,
        error=error,
        run_log_evidence=evidences,
        rows=tuple(run.rows for run in runs),
        acceptance=np.array([run.acceptance for run in runs]),
        beginnings=np.array([run.beginnings for run in runs]),
    )


def _pooled(evidences: Array) -> tuple[float, float]:
    """Return the log of the mean evidence and its standard error (inf for one run), nats."""
    if len(evidences) == 1:
        return float(evidences[0]), math.inf
    relative = np.exp(evidences - evidences.max())
    mean = float(relative.mean())
    error = float(relative.std(ddof=1)) / (mean * math.sqrt(len(evidences)))
    return float(evidences.max()) + math.log(mean), error


def _run(
    log_posterior: LogPosterior,
    chains: int,
    seed: np.random.SeedSequence,
    number: int,
    progress: Progress | None,
    shares: tuple[float, ...],
) -> _Run:
    rng = np.random.default_rng(seed)
    beginning = first_rows(log_posterior, _spread_order(log_posterior, rng))
    n_obs = len(beginning)
    particles = draw_prior(log_posterior, chains * CHAIN_LENGTH, rng)
    log_evidence, step, rows = 0.0, 1.0, [0]
    noted = [rows_of_share(share, n_obs) for share in shares]
    by_rows: dict[int, float] = {}
    while rows[-1] < n_obs:
        end_if_stopped()
        stop = min(n_obs, rows[-1] + max(WINDOW, rows[-1] // 2))
        stop = min([stop, *(m for m in noted if m > rows[-1])])
        window = beginning.log_likelihoods(particles, rows[-1], stop)
        taken, weights, gain = _next_step(window)
        log_evidence += gain
        rows.append(rows[-1] + taken)
        by_rows[rows[-1]] = log_evidence
        states = np.empty((chains, CHAIN_LENGTH, log_posterior.dim))
        states[:, 0] = particles[resample(weights, chains, rng)]
        acceptance = beginning.sweep(states, rows[-1], step, MAX_STEPS, drawn_integer(rng))
        step *= math.exp(acceptance.mean() - TARGET_ACCEPTANCE)
        particles = states.reshape(-1, log_posterior.dim)
        if progress is not None:
            progress(number, rows[-1], n_obs)
    beginnings = tuple(by_rows[m] for m in noted)
    return _Run(particles, step, log_evidence, tuple(rows), float(acceptance.mean()), beginnings)


def rows_of_share(share: float, n_rows: int) -> int:
    """Return how many rows a share of them is: at least one."""
    return min(max(round(share * n_rows), 1), n_rows)


def _spread_order(log_posterior: LogPosterior, rng: np.random.Generator) -> IntArray:
    """Return a random order of the rows whose beginnings all look like the whole.

    Rows are sorted along a random direction and taken in the order of a van der Corput sequence
    with a random digital shift: each beginning predicts the rows still to come better than in a
    random order.
    """
    values, resolved = values_of(log_posterior.rows), log_posterior.resolved
    scaled = np.where(np.isnan(values), resolved.centre, values) / resolved.unit
    along = np.argsort(scaled @ rng.standard_normal(scaled.shape[1]), kind="stable")
    n_bits = max(1, (len(along) - 1).bit_length())
    ranks, keys = np.arange(len(along)), np.zeros(len(along), dtype=np.int64)
    for bit in range(n_bits):
        keys |= ((ranks >> bit) & 1) << (n_bits - 1 - bit)
    return along[np.argsort(keys ^ rng.integers(2**n_bits))]


def _next_step(window: Array) -> tuple[int, Array, float]:
    """Choose how many rows to take in: at least one, at most what keeps the effective sample.

    Parameters
    ----------
    window : array of shape (particle, row), nats

    Returns
    -------
    taken : int
    weights : array of shape (particle,), normalised
    gain : float
        Log of the mean weight.
    """
    total = np.cumsum(window, axis=1)
    largest = total.max(axis=0)
    weights = np.exp(total - largest)
    kept = weights.sum(axis=0) ** 2 / ((weights**2).sum(axis=0) * len(weights))
    enough = np.flatnonzero(kept >= KEPT_SAMPLE_SIZE)
    last = int(enough[-1]) if enough.size else 0
    chosen = weights[:, last]
    return last + 1, chosen / chosen.sum(), float(largest[last] + np.log(chosen.mean()))


def _combined(runs: list[_Run], n_particles: int, rng: np.random.Generator) -> Array:
    """Draw (run x particle, dim) from the runs in proportion to their evidences."""
    evidences = np.array([run.log_evidence for run in runs])
    weights = np.exp(evidences - logsumexp(evidences))
    particles = np.concatenate([run.particles for run in runs])
    each = len(particles) // len(runs)
    chosen = resample(np.repeat(weights / each, each), n_particles * len(runs), rng)
    return particles[chosen]


def draw_prior(log_posterior: LogPosterior, size: int, rng: np.random.Generator) -> Array:
    """Draw from the prior, unconstrained coordinates (draw, dim), fitting units."""
    resolved, unit = log_posterior.resolved, log_posterior.resolved.unit
    structure = resolved.structure
    n_clusters, n_features = resolved.n_components, resolved.n_features
    log_gamma = log_gamma_draws(resolved.concentrations, (size, resolved.n_parts), rng)
    weights = (log_gamma - log_gamma.mean(axis=1, keepdims=True))[:, :-1]
    location, spread = resolved.mean_rows
    means = rng.normal(
        (location - resolved.centre) / unit, spread / unit, (size, n_clusters, n_features)
    )
    prior_scale = resolved.free_scale / structure.free_unit(unit)
    parts = [weights, means, resolved.scale_prior.log_draws(prior_scale, size, rng)]
    pairs = structure.pairs_shape(n_clusters, n_features)
    if pairs != (0,):
        columns = np.tril_indices(n_features, -1)[1]
        shapes = resolved.eta + 0.5 * (n_features - 2 - columns)
        up, down = np.log(rng.standard_gamma(shapes, (2, size, *pairs)))
        parts.append(up - down)
    if structure.has_loadings:
        sets = structure.n_pair_sets(n_clusters)
        scale = np.broadcast_to(resolved.scale_rows / unit, (n_clusters, n_features))[:sets]
        parts += draw_loadings(scale, resolved.order, structure.n_factors, size, rng)
    if resolved.tails is not None:
        nu = resolved.tails.draws((size, n_clusters), rng)
        parts.append(resolved.tails.free(nu))
    if resolved.contamination is not None:
        parts.append(resolved.contamination.free(*resolved.contamination.draws(size, rng)))
    return np.concatenate([part.reshape(size, -1) for part in parts], axis=1)
