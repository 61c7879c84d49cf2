"""Cores and threads: how many there are, work shared out among them, how BLAS is held to one."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from functools import cache, cached_property
from threading import Event
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

__all__ = ["Threads", "available_cores", "in_threads", "one_blas_thread", "until_stopped"]

_LOOK_AHEAD = 2


def available_cores() -> int:
    """Return the number of cores that this process may run on."""
    return getattr(os, "process_cpu_count", os.cpu_count)() or 1


def in_threads[Result](
    task: Callable[..., Result],
    *arguments: Iterable[Any],
    cores: int | None = None,
    stop: Event | None = None,
) -> Iterator[Result]:
    """Run a task on each set of arguments, in threads, and yield the results in their order.

    Parameters
    ----------
    task : callable
    *arguments : iterables
        As `map` takes them.
    cores : int, optional
        Threads; all that there are by default.
    stop : Event, optional
        Set when a task fails or the caller is interrupted, for tasks that look at it.

    Examples
    --------
    >>> list(in_threads(pow, [2, 3], [3, 2]))
    [8, 9]
    """
    with ThreadPoolExecutor(cores or available_cores()) as pool:
        try:
            yield from pool.map(task, *arguments)
        except BaseException:
            if stop is not None:
                stop.set()
            raise


def until_stopped[Result](
    task: Callable[[int], Result], number: int, stop: Event, cores: int
) -> list[Result]:
    """Run task(0), task(1), ... in threads; after Ctrl-C return what those that had begun return.

    Parameters
    ----------
    task : callable of int
        It looks at `stop` and, once that is set, comes to an end with what it has.
    number : int
    stop : Event
        Set by Ctrl-C.
    cores : int
    """
    with ThreadPoolExecutor(cores) as pool:
        futures = [pool.submit(task, each) for each in range(number)]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        except KeyboardInterrupt:
            stop.set()
            pool.shutdown(cancel_futures=True)
        return [future.result() for future in futures if not future.cancelled()]


class Threads:
    """Threads that stay between calls, where starting them anew would cost more than the work.

    Parameters
    ----------
    cores : int, optional
        All that there are by default.

    Examples
    --------
    >>> with Threads(2) as threads:
    ...     list(threads.map(abs, [-1, 2])), list(threads.few_at_once(abs, [-3, 4]))
    ([1, 2], [3, 4])
    """

    def __init__(self, cores: int | None = None) -> None:
        self._cores = cores or available_cores()

    @cached_property
    def _executor(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._cores)

    def __enter__(self) -> "Threads":
        """Return itself; the threads end with the block."""
        return self

    def __exit__(self, *error: object) -> None:
        """Wait for the threads to end."""
        self._executor.shutdown()

    def map[Result](
        self, task: Callable[..., Result], *arguments: Iterable[Any]
    ) -> Iterator[Result]:
        """Yield the results in the order of the arguments."""
        return self._executor.map(task, *arguments)

    def few_at_once[Result](
        self, task: Callable[[Any], Result], arguments: Iterable[Any]
    ) -> Iterator[Result]:
        """Do the same with arguments that are made as they are needed, a few ahead of the results.

        So few of them are in memory at once.
        """
        pending: deque[Future[Result]] = deque()
        for argument in arguments:
            pending.append(self._executor.submit(task, argument))
            if len(pending) >= self._cores + _LOOK_AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def one_blas_thread() -> AbstractContextManager[Any]:
    """Hold BLAS to one thread.

    More cost more than they save on small matrices, and last bits depend on their number.
    """
    limiter: AbstractContextManager[Any] = _libraries().limit(limits=1, user_api="blas")
    return limiter


@cache
def _libraries() -> "ThreadpoolController":
    """Find the loaded libraries; that reads files, so once."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
