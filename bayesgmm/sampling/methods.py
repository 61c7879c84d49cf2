"""The ways to draw from a posterior, and which of them is taken where that is left open."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayesgmm.data import Dataset
from bayesgmm.errors import SamplingError
from bayesgmm.likelihood.ahead import compile_ahead
from bayesgmm.likelihood.engines import posterior_by
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.likelihood.streamed import StreamedPosterior, streamed
from bayesgmm.limits import IMPORTANCE_ROWS, MANY_ROWS
from bayesgmm.runtime.parallel import in_a_thread
from bayesgmm.runtime.progress import Progress, reporting
from bayesgmm.runtime.seeds import integer
from bayesgmm.sampling.chain_starts import dispersed_starts, plain_starts
from bayesgmm.sampling.importance import ImportanceRun, draw_at_modes
from bayesgmm.sampling.mode_search import find_modes, modes_from
from bayesgmm.sampling.nuts import ChainDraws, ChainSettings, run_chains
from bayesgmm.sampling.posterior_modes import PosteriorMode
from bayesgmm.sampling.pseudo_posterior import surveyed
from bayesgmm.sampling.room import needs_memory
from bayesgmm.sampling.smc import draw_prior, temper
from bayesgmm.sampling.staged_search import modes_of_particles, search_in_stages
from bayesgmm.typing import Array, Engine

__all__ = ["METHODS", "Drawn", "drawn_by"]

logger = logging.getLogger(__name__)

METHODS = ("auto", "nuts", "smc", "importance")
_CLIMBED = 32  # draws of all chains together from which further modes are sought


@dataclass(frozen=True)
class Drawn:
    """Draws, how they were made, and the modes that searches found.

    Parameters
    ----------
    drawn : ChainDraws
    modes : list of PosteriorMode
    method : str
    facts : dict or None
        What importance sampling says of its weights.
    """

    drawn: ChainDraws
    modes: list[PosteriorMode]
    method: str
    facts: dict[str, Any] | None = None


def drawn_by(
    method: str,
    log_posterior: LogPosterior,
    data: Dataset,
    settings: ChainSettings,
    chains: int,
    seed: int,
    progress: bool | Progress,
    engine: Engine = "compiled",
) -> Drawn:
    """Draw from a posterior by one of `METHODS`.

    Parameters
    ----------
    method : str
        "auto" tries importance sampling where there are many rows, and takes NUTS elsewhere and
        where the weights do not bear it.
    log_posterior : LogPosterior
    data : Dataset
        Its rows.
    settings : ChainSettings
    chains, seed : int
    progress : bool or callable
    engine : {"compiled", "jax"}
        Of importance sampling alone.
    """
    compile_ahead()
    plan = log_posterior, data, settings, chains, seed, progress
    if method == "importance":
        run, modes = _at_modes(*plan, engine)
        return Drawn(run.drawn, modes, method, run.facts)
    if method == "auto":
        tried = _by_importance_if_sound(*plan)
        if not isinstance(tried, str):
            run, modes = tried
            return Drawn(run.drawn, modes, "importance", run.facts)
        if isinstance(log_posterior, StreamedPosterior):
            raise needs_memory(f"{tried}: NUTS is needed", data)
        logger.info("method nuts: %s", tried)
        method = "nuts"
    return Drawn(*_by_chains(_run_smc if method == "smc" else _run_nuts, *plan), method)


def _by_chains(
    run: Callable[..., ChainDraws],
    log_posterior: LogPosterior,
    data: Dataset,
    settings: ChainSettings,
    chains: int,
    seed: int,
    progress: bool | Progress,
) -> tuple[ChainDraws, list[PosteriorMode]]:
    """Return the draws, and the modes that a search before and climbs from some of them found."""
    for_modes, for_draws = np.random.SeedSequence(seed).spawn(2)
    modes = in_a_thread(find_modes, log_posterior, data, integer(for_modes, 64))
    with reporting(progress, chains) as report:
        drawn = run(log_posterior, modes, settings, chains, for_draws, report)
    if drawn.interrupted:
        return drawn, modes
    return drawn, in_a_thread(modes_from, log_posterior, data, _some_draws(drawn), modes)


def _at_modes(
    log_posterior: LogPosterior,
    data: Dataset,
    settings: ChainSettings,
    chains: int,
    seed: int,
    progress: bool | Progress,
    engine: Engine = "compiled",
) -> tuple[ImportanceRun, list[PosteriorMode]]:
    """Return draws by importance sampling, and all modes that two searches found.

    Few rows are searched by compiled code whatever the engine.

    Raises
    ------
    SamplingError
        Where there is no mode, or no proposal can be made.
    """
    for_modes, for_particles, for_draws = np.random.SeedSequence(seed).spawn(3)
    log_posterior = streamed(log_posterior, data)
    target = posterior_by(engine, log_posterior, data)
    if log_posterior.n_rows > MANY_ROWS:
        log_posterior = target
    modes = in_a_thread(search_in_stages, log_posterior, data, integer(for_modes, 64))
    modes = in_a_thread(
        modes_of_particles,
        log_posterior,
        data,
        modes,
        integer(for_particles, 64),
        settings.cores,
    )
    with reporting(progress, chains) as report:
        run = draw_at_modes(
            target,
            modes,
            draws=settings.draws,
            chains=chains,
            seed=for_draws,
            cores=settings.cores,
            progress=report,
        )
    return run, modes


def _by_importance_if_sound(
    log_posterior: LogPosterior, data: Dataset, *arguments: Any
) -> tuple[ImportanceRun, list[PosteriorMode]] | str:
    """Return what `_at_modes` does, or why NUTS is to be preferred to it."""
    counted = log_posterior.n_counted
    if surveyed(data):
        return "the draws are adjusted for a survey's weights"
    if counted < IMPORTANCE_ROWS:
        return f"there are {counted:.0f} rows (importance sampling needs {IMPORTANCE_ROWS})"
    try:
        run, modes = _at_modes(log_posterior, data, *arguments)
    except SamplingError as error:
        return str(error.details.get("why", str(error).rstrip(".")))
    if run.why_not is not None:
        return f"of the proposals at the modes {run.why_not}"
    logger.info(
        "method importance: %.0f of %d proposals at the modes are effective, Pareto k %.2f",
        run.effective,
        run.n_proposed,
        run.k_hat,
    )
    return run, modes


def _run_nuts(
    log_posterior: LogPosterior,
    modes: list[PosteriorMode],
    settings: ChainSettings,
    chains: int,
    seed: np.random.SeedSequence,
    report: Progress | None,
) -> ChainDraws:
    for_jitter, *for_chains = seed.spawn(1 + chains)
    rng = np.random.default_rng(for_jitter)
    starts = (
        in_a_thread(dispersed_starts, log_posterior, modes, chains, rng)
        if modes
        else plain_starts(draw_prior(log_posterior, chains, rng))
    )
    logger.info("sampling %d chains of %d + %d draws", chains, settings.tune, settings.draws)
    seeds = [integer(child, 64) for child in for_chains]
    return run_chains(log_posterior, starts, seeds, settings, report)


def _run_smc(
    log_posterior: LogPosterior,
    modes: list[PosteriorMode],
    settings: ChainSettings,
    chains: int,
    seed: np.random.SeedSequence,
    report: Progress | None,
) -> ChainDraws:
    runs = temper(
        log_posterior,
        n_particles=settings.draws,
        n_runs=chains,
        seed=seed,
        cores=settings.cores,
        progress=report,
    )
    return ChainDraws(x=runs.draws, statistics={"lp": runs.log_density}, interrupted=False)


def _some_draws(drawn: ChainDraws) -> Array:
    """Return finite draws (draw, dim) spread over all chains: they know modes of their own."""
    each = max(1, _CLIMBED // drawn.x.shape[0])
    places = np.linspace(0, drawn.x.shape[1] - 1, each).astype(np.int64)
    points = drawn.x[:, np.unique(places)].reshape(-1, drawn.x.shape[2])
    return points[np.isfinite(points).all(axis=1)]
