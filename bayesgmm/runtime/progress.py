"""Progress of chains and of long steps: bars only where they are asked for, else lines of log."""

import logging
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from bayesgmm.advice import shown
from bayesgmm.errors import ConfigError

__all__ = ["Progress", "check_progress", "reporting", "steps"]

logger = logging.getLogger(__name__)

Progress = Callable[[int, int, int], None]


def check_progress(progress: bool | Progress) -> None:
    """Refuse what is neither True, False nor a function."""
    if not isinstance(progress, bool) and not callable(progress):
        raise ConfigError(
            f"progress must be True, False or a function, got {shown(progress)}.",
            key="progress",
            value=progress,
        )


@contextmanager
def reporting(progress: bool | Progress, chains: int) -> Iterator[Progress | None]:
    """Yield what chains report to: nothing, the caller's own function, or a bar on stderr.

    Parameters
    ----------
    progress : bool or callable of (chain, draws done, draws in all)
    chains : int
    """
    check_progress(progress)
    if not isinstance(progress, bool):
        yield progress
        return
    if not progress:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True)) as bars:
        tasks = [bars.add_task(f"chain {chain}", total=None) for chain in range(chains)]
        yield lambda chain, done, total: bars.update(tasks[chain], completed=done, total=total)


def steps[Item](items: Collection[Item], name: str, progress: bool) -> Iterator[Item]:
    """Yield items, and say how many are done after each: a bar on stderr, or a line of log.

    Parameters
    ----------
    items : collection
    name : str
        What is done with them.
    progress : bool
        Whether to show a bar.
    """
    if not isinstance(progress, bool):
        raise ConfigError(f"progress must be True or False, got {shown(progress)}.", key="progress")
    if progress:
        from rich.console import Console
        from rich.progress import track

        yield from track(items, name, console=Console(stderr=True))
        return
    start = time.perf_counter()
    for done, item in enumerate(items, start=1):
        yield item
        logger.info("%s: %d of %d, %.1f s", name, done, len(items), time.perf_counter() - start)
