"""The loop over public functions: one or two arguments made hostile, and the answer judged."""

import signal
import time
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread, main_thread
from typing import Any

import numpy as np

from bayesgmm.errors import (
    BayesGMMError,
    ConvergenceWarning,
    DataWarning,
    DegeneracyWarning,
)
from bayesgmm.runtime.renaming import OLD_NAME
from tests.fuzzing.hostile import Hostile, hostile_values
from tests.fuzzing.running import Outcome, is_sentence
from tests.fuzzing.verbs import Material, Verb, verbs

__all__ = ["called", "fuzz_calls"]

STOP_WITHIN = 4.0  # seconds from Ctrl-C to the return, on a machine that others use too
LATER = 10  # times the patience, for a second call


def fuzz_calls(
    seed: int,
    place: Path,
    walked: Sequence[Verb] | None = None,
    *,
    each: int | None = None,
    patience: float = 2.0,
) -> Iterator[Outcome]:
    """Yield the outcomes of calls with hostile arguments; the same seed gives the same calls.

    Parameters
    ----------
    seed : int
    place : path
        Each file that a call is told to write lies below it.
    walked : sequence of Verb, optional
        All that is public by default.
    each : int, optional
        Calls of one parameter, in the order of the verbs. By default all values of all
        parameters in random order, then pairs of them without end.
    patience : float, seconds
        A call that takes longer gets Ctrl-C.
    """
    rng = np.random.default_rng(seed)
    walked = list(verbs(Material(place))) if walked is None else walked
    single = [(verb, [(name, value)]) for verb in walked for name, value in _of(verb, each, rng)]
    if each is None:
        rng.shuffle(single)
    for number, (verb, changes) in enumerate(single):
        yield called(verb, changes, place, number, patience)
    number = len(single)
    while each is None:
        verb = walked[int(rng.integers(len(walked)))]
        choices = list(_of(verb, 3, rng))
        picked = rng.permutation(len(choices))[: int(rng.integers(2, 4))]
        yield called(verb, [choices[i] for i in picked], place, number, patience)
        number += 1


def _of(verb: Verb, each: int | None, rng: np.random.Generator) -> Iterator[tuple[str, Hostile]]:
    for name, parameter in verb.signature.parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            continue
        values = hostile_values(parameter)
        order = rng.permutation(len(values))[:each] if each else range(len(values))
        yield from ((name, values[i]) for i in order)


def called(
    verb: Verb, changes: list[tuple[str, Hostile]], place: Path, number: int, patience: float
) -> Outcome:
    """Call a verb with some arguments changed, and judge what comes of it.

    An error after Ctrl-C counts if it comes again when Ctrl-C comes later: compiled code of
    others, as Matplotlib's for paths, makes an error of its own of an interrupt at times.
    """
    shown = ", ".join(f"{name}={value.name}" for name, value in changes)
    content = f"{verb.name}({shown})".encode()
    given = {**verb.given, **{name: value.make(place) for name, value in changes}}
    name, fault, pressed = _judged(verb, given, patience)
    if pressed and fault.startswith("raw"):
        given |= {name: value.make(place) for name, value in changes}
        name, fault, _ = _judged(verb, given, LATER * patience)
    return Outcome(number, name, fault and f"{content.decode()}: {fault}", content)


def _judged(verb: Verb, given: dict[str, Any], patience: float) -> tuple[str, str, bool]:
    due = time.monotonic() + patience
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for own in (ConvergenceWarning, DataWarning, DegeneracyWarning):
            warnings.simplefilter("ignore", own)
        warnings.filterwarnings("ignore", f".*; {OLD_NAME}", FutureWarning)
        warnings.filterwarnings("ignore", "X .* feature names", UserWarning)  # scikit-learn's own
        try:
            with _pressed_after(patience) as pressed:
                answer = verb.call(**given)
                if isinstance(answer, Iterator):
                    list(answer)
            name, fault = "accepted", ""
        except BayesGMMError as error:
            good = is_sentence(str(error))
            name, fault = type(error).__name__, "" if good else f"no sentence: {error!s:.300}"
        except KeyboardInterrupt:
            name, fault = "stopped", ""
        except Exception as error:
            if pressed and any(isinstance(e, KeyboardInterrupt) for e in _causes(error)):
                return "stopped", "", True  # as numba says it at times
            place = traceback.extract_tb(error.__traceback__)[-1]
            own = [
                f for f in traceback.extract_tb(error.__traceback__) if "bayesgmm/" in f.filename
            ]
            name = type(error).__name__
            fault = (
                f"raw {name}: {error!s:.200} ({Path(place.filename).name}:{place.lineno}; "
                f"{Path(own[-1].filename).name}:{own[-1].lineno})"
            )
    if (late := time.monotonic() - due) > STOP_WITHIN:
        fault = f"{fault} stopped only {late:.1f} s after Ctrl-C"
    return name, fault, bool(pressed)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


@contextmanager
def _pressed_after(seconds: float) -> Iterator[list[int]]:
    """Press Ctrl-C in the block once its time is over, and again; the list says how often.

    What Python runs between two objects that it throws away, as JAX does, loses an exception.
    """
    pressed: list[int] = []
    over = Event()

    def press(number: int, frame: Any) -> None:
        if not over.is_set():
            pressed.append(number)
            raise KeyboardInterrupt

    def wait() -> None:
        if not over.wait(seconds):
            signal.pthread_kill(main_thread().ident or 0, signal.SIGINT)
        while not over.wait(STOP_WITHIN / 2):
            signal.pthread_kill(main_thread().ident or 0, signal.SIGINT)

    before = signal.signal(signal.SIGINT, press)
    waiting = Thread(target=wait)
    waiting.start()
    try:
        yield pressed
    finally:
        over.set()
        waiting.join()
        signal.signal(signal.SIGINT, before)
