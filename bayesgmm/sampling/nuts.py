"""Run NUTS chains on the fused log posterior, each from its own start and seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any, Self

import numpy as np
import nutpie
import pyarrow

from bayesgmm.arguments import check_between, check_count
from bayesgmm.errors import SamplingError, SamplingInterrupted
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.runtime.parallel import available_cores, until_stopped
from bayesgmm.runtime.progress import Progress
from bayesgmm.sampling.chain_starts import ChainStart
from bayesgmm.sampling.nutpie_model import nutpie_model
from bayesgmm.typing import Array

__all__ = ["ChainDraws", "ChainSettings", "run_chains"]

_POLL_SECONDS = 0.05
_STATISTICS = {
    "diverging": "diverging",
    "depth": "depth",
    "maxdepth_reached": "maxdepth_reached",
    "n_steps": "n_steps",
    "step_size": "step_size",
    "mean_tree_accept": "mean_tree_accept",
    "energy": "energy",
    "lp": "logp",
}


@dataclass(frozen=True)
class ChainSettings:
    """How long and how carefully to sample.

    Parameters
    ----------
    draws, tune : int
        Draws kept and draws of warm-up of each chain.
    target_accept : float
        Mean acceptance probability that the step size is adapted to.
    cores : int
        Chains that run at a time; the draws do not depend on it.
    """

    draws: int
    tune: int
    target_accept: float
    cores: int

    @classmethod
    def checked(cls, draws: int, tune: int, target_accept: float, cores: int | None) -> Self:
        """Return the settings that a user asks for; all cores where their number is None."""
        return cls(
            draws=check_count("draws", draws),
            tune=check_count("tune", tune),
            target_accept=check_between("target_accept", target_accept, 0.0, 1.0),
            cores=available_cores() if cores is None else check_count("cores", cores),
        )


@dataclass(frozen=True)
class ChainDraws:
    """Draws of all chains.

    Parameters
    ----------
    x : array of shape (chain, draw, dim), fitting units
    statistics : dict of str to array of shape (chain, draw)
    interrupted : bool
    """

    x: Array
    statistics: dict[str, Array]
    interrupted: bool


def run_chains(
    target: LogPosterior,
    starts: Sequence[ChainStart],
    seeds: Sequence[int],
    settings: ChainSettings,
    progress: Progress | None = None,
) -> ChainDraws:
    """Run one chain from each start.

    Parameters
    ----------
    target : LogPosterior
    starts : sequence of ChainStart
    seeds : sequence of int
        One a chain.
    settings : ChainSettings
    progress : callable of (chain, draws done, draws in all), optional
        Called from the samplers' threads.

    Raises
    ------
    SamplingError
        When a chain cannot start.
    SamplingInterrupted
        After Ctrl-C before any chain had draws.
    """
    stop = Event()

    def run(chain: int) -> Any:
        sampler = _start(target, starts[chain], seeds[chain], chain, settings, progress)
        try:
            return _finish(sampler, stop)
        except RuntimeError as error:
            raise SamplingError(
                f"chain {chain} stopped: {str(error).splitlines()[0]}. Look for extreme rows in "
                "the data, or raise tune.",
                chain=chain,
            ) from error

    traces = until_stopped(run, len(starts), stop, settings.cores)
    return _gather(traces, len(starts[0].u), stop.is_set())


def _start(
    target: LogPosterior,
    start: ChainStart,
    seed: int,
    chain: int,
    settings: ChainSettings,
    progress: Progress | None,
) -> Any:
    def report(chains: Any) -> None:
        if progress is not None:
            progress(chain, chains[0].finished_draws, chains[0].total_draws)

    return nutpie.sample(
        nutpie_model(target, start),
        draws=settings.draws,
        tune=settings.tune,
        chains=1,
        cores=1,
        seed=seed,
        target_accept=settings.target_accept,
        progress_bar=False,
        progress_callback=None if progress is None else report,
        return_raw_trace=True,
        blocking=False,
    )


def _finish(sampler: Any, stop: Event) -> Any:
    """Wait for a chain; once `stop` is set, take the draws that it has.

    With many coordinates the draw under way takes seconds: its end is not waited for.
    """
    while not stop.is_set():
        try:
            return sampler.wait(timeout=_POLL_SECONDS)
        except TimeoutError:
            continue
    made = sampler.inspect()
    Thread(target=sampler.abort, daemon=True).start()
    return made


def _gather(traces: list[Any], dim: int, interrupted: bool) -> ChainDraws:
    """Stack the chains; after an interruption keep the block of chains x draws that is largest."""
    chains = [chain for chain in (_read(trace, dim) for trace in traces) if len(chain[0])]
    if not chains:
        raise SamplingInterrupted(
            "sampling was interrupted during warm-up: there are no draws to keep.", partial=None
        )
    lengths = [len(x) for x, _ in chains]
    n_draws = max(lengths, key=lambda length: length * sum(other >= length for other in lengths))
    kept = [(x[:n_draws], stats) for x, stats in chains if len(x) >= n_draws]
    return ChainDraws(
        x=np.stack([x for x, _ in kept]),
        statistics={
            name: np.stack([stats[name][:n_draws] for _, stats in kept]) for name in _STATISTICS
        },
        interrupted=interrupted,
    )


def _read(trace: Any, dim: int) -> tuple[Array, dict[str, Array]]:
    """Take one chain's kept draws and statistics out of nutpie's Arrow tables."""
    (draws,), (stats,) = trace.get_arrow_trace()
    kept = ~pyarrow.array(stats.column("tuning")).to_numpy(zero_copy_only=False)
    x = pyarrow.array(draws.column("x")).flatten().to_numpy().reshape(-1, dim)[kept]
    columns = {
        name: pyarrow.array(stats.column(source)).to_numpy(zero_copy_only=False)[kept]
        for name, source in _STATISTICS.items()
    }
    return x, columns
