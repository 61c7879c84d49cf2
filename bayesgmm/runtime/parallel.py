"""Cores and threads: how many there are, work shared out among them, how BLAS is held to one."""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import copy_context
from functools import cache, cached_property
from threading import Event
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

__all__ = [
    "Threads",
    "available_cores",
    "end_if_stopped",
    "in_a_thread",
    "in_threads",
    "one_blas_thread",
    "until_stopped",
]

_LOOK_AHEAD = 2
_LOOK_SECONDS = 0.2


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
        Set when a task fails or the caller is interrupted, for tasks that look at it. The caller
        does not wait for them: see `end_if_stopped`.

    Examples
    --------
    >>> list(in_threads(pow, [2, 3], [3, 2]))
    [8, 9]
    """
    with _pool(cores or available_cores(), stop or Event()) as (pool, heeding):
        yield from pool.map(heeding(task), *arguments)


def in_a_thread[**P, Result](
    task: Callable[P, Result], *arguments: P.args, **options: P.kwargs
) -> Result:
    """Call a function whose steps in compiled code are long, so that Ctrl-C need not wait for one.

    The thread is then left to itself: it ends at its next `end_if_stopped`, or with the process.

    Examples
    --------
    >>> in_a_thread(pow, 2, 3)
    8
    """
    if threading.current_thread() is not threading.main_thread():
        return task(*arguments, **options)  # no signal arrives here
    done, context, stop = Future[Result](), copy_context(), Event()

    def run() -> None:
        _OF_THREAD.stops = (stop,)
        try:
            done.set_result(context.run(task, *arguments, **options))
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        while not wait([done], _LOOK_SECONDS).done:
            pass  # a signal that another thread received does not end a wait
        return done.result()
    finally:
        stop.set()


def end_if_stopped() -> None:
    """End the task of this thread if its caller was interrupted, or another task failed.

    To be called between the steps of what takes long; elsewhere it does nothing.
    """
    if any(stop.is_set() for stop in getattr(_OF_THREAD, "stops", ())):
        raise Stopped


class Stopped(BaseException):
    """Ends a task for whose result nobody waits."""


_OF_THREAD = threading.local()


@contextmanager
def _pool(cores: int, stop: Event) -> Iterator[tuple[ThreadPoolExecutor, Callable[..., Any]]]:
    """Yield a pool and what makes its tasks heed `stop`; nobody waits for them after an error."""
    pool = ThreadPoolExecutor(cores)

    def heeding(task: Callable[..., Any]) -> Callable[..., Any]:
        stops = (*getattr(_OF_THREAD, "stops", ()), stop)  # of whoever calls now

        def heed(*arguments: Any) -> Any:
            _OF_THREAD.stops = stops
            end_if_stopped()
            return task(*arguments)

        return heed

    try:
        yield pool, heeding
    except BaseException:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


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
        self._block = ExitStack()

    @cached_property
    def _executor(self) -> tuple[ThreadPoolExecutor, Callable[..., Any]]:
        return self._block.enter_context(_pool(self._cores, Event()))

    def __enter__(self) -> "Threads":
        """Return itself; the threads end with the block."""
        return self

    def __exit__(self, *error: Any) -> None:
        """Wait for the threads to end, but not after an error or Ctrl-C."""
        self._block.__exit__(*error)

    def map[Result](
        self, task: Callable[..., Result], *arguments: Iterable[Any]
    ) -> Iterator[Result]:
        """Yield the results in the order of the arguments."""
        pool, heeding = self._executor
        return pool.map(heeding(task), *arguments)

    def few_at_once[Result](
        self, task: Callable[[Any], Result], arguments: Iterable[Any]
    ) -> Iterator[Result]:
        """Do the same with arguments that are made as they are needed, a few ahead of the results.

        So few of them are in memory at once.
        """
        pending: deque[Future[Result]] = deque()
        pool, heeding = self._executor
        for argument in arguments:
            pending.append(pool.submit(heeding(task), argument))
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
