"""Work shared out among threads."""

import os
import signal
from contextlib import nullcontext
from functools import partial
from threading import Event, Timer, current_thread
from time import monotonic, sleep

import numpy as np
import pytest

from bayesgmm.runtime.parallel import (
    Threads,
    end_if_stopped,
    in_a_thread,
    in_threads,
    until_stopped,
)


def test_results_keep_their_order_for_any_number_of_threads():
    later = [Event() for _ in range(8)]

    def after_the_next(place):
        """Wait for the next task where there is a thread for it, so that they end in reverse."""
        if place % 4 < 3:
            assert later[place + 1].wait(10.0)
        later[place].set()
        return place

    assert list(in_threads(after_the_next, range(8), cores=4)) == list(range(8))
    assert list(in_threads(pow, [2, 3, 4], [3, 2, 1], cores=1)) == [8, 9, 4]


def test_what_fails_stops_the_others():
    stop = Event()

    def task(place):
        if place == 0:
            raise ValueError("no")
        assert stop.wait(10.0)

    with pytest.raises(ValueError, match="no"):
        list(in_threads(task, range(2), cores=2, stop=stop))


def test_ctrl_c_leaves_what_had_begun(monkeypatch):
    stop, begun = Event(), Event()

    def task(place):
        begun.set()
        assert stop.wait(10.0)
        return place

    def pressed(*_, **__):
        assert begun.wait(10.0)
        raise KeyboardInterrupt

    monkeypatch.setattr("bayesgmm.runtime.parallel.wait", pressed)
    assert until_stopped(task, 3, stop, cores=1) == [0]


def test_few_arguments_are_made_ahead():
    made = []

    def arguments():
        for place in range(50):
            made.append(place)
            yield place

    with Threads(2) as threads:
        for place, result in enumerate(threads.few_at_once(lambda given: given * 10, arguments())):
            assert result == 10 * place
            assert len(made) <= place + 2 + 2


def test_a_long_step_is_not_waited_for_after_ctrl_c():
    """One that no signal reaches, as in compiled code; the next step never begins."""
    over, steps = Event(), []

    def task(unit):
        steps.append(unit)
        over.wait(10.0)
        end_if_stopped()
        steps.append("next")

    start = monotonic()
    Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        in_a_thread(task, "first")
    assert monotonic() - start < 2.0
    over.set()
    sleep(0.05)
    assert steps == ["first"]


def test_a_step_in_a_thread_keeps_its_surroundings_and_its_errors():
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        in_a_thread(np.divide, np.ones(1), np.zeros(1))
    caller = current_thread()
    assert in_a_thread(current_thread) is not caller
    assert list(in_threads(lambda _: in_a_thread(current_thread) is current_thread(), [0])) == [
        True
    ]


def test_an_interrupted_caller_does_not_wait_and_its_tasks_end():
    """Long tasks end at their next step, also those of pools within them; others never begin."""
    begun, ended, counted = Event(), [Event() for _ in range(2)], []

    def inner(place):
        begun.set()
        try:
            while True:
                end_if_stopped()
                sleep(0.001)
        finally:
            ended[place].set()

    def outer(place):
        counted.append(place)
        return list(in_threads(inner, [place], cores=1))

    start = monotonic()
    for place, pool in enumerate((None, Threads(1))):
        begun.clear()
        with pytest.raises(KeyboardInterrupt), pool or nullcontext():
            results = (pool.map if pool else partial(in_threads, cores=1))(outer, [place] * 3)
            Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
            next(iter(results))
        assert ended[place].wait(10.0)
    assert monotonic() - start < 5.0 and counted == [0, 1]
    end_if_stopped()


def test_threads_that_stay_heed_whoever_calls_them_now():
    """Threads first used in a call that is over are not stopped by its end."""
    with Threads(2) as threads:
        first = in_a_thread(lambda: list(threads.few_at_once(abs, [-1])))
        assert first + in_a_thread(lambda: list(threads.map(abs, [-2]))) == [1, 2]
