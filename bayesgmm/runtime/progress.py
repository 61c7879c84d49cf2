"""Progress of chains, shown only where it is asked for."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bayesgmm.advice import shown
from bayesgmm.errors import ConfigError

__all__ = ["Progress", "check_progress", "reporting"]

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
