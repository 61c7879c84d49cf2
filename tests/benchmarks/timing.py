"""Pairs measured in turn in one run: medians and their ratio."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean, median, stdev

_T = {15: 2.145, 20: 2.093, 30: 2.045}  # quantile 0.975 of Student's t, by number of pairs


@dataclass(frozen=True)
class Pair:
    """Median seconds of ours and theirs, taken in turn, and the median of the paired ratios."""

    ours: float
    theirs: float
    ratio: float  # theirs / ours: how many times faster ours is


def seconds(
    call: Callable[[], object],
    repeats: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Seconds of one call by a clock, the mean over `repeats` of them."""
    start = clock()
    for _ in range(repeats):
        call()
    return (clock() - start) / repeats


def in_turn(
    ours: Callable[[], object],
    theirs: Callable[[], object],
    rounds: int = 5,
    repeats: tuple[int, int] = (1, 1),
) -> Pair:
    """Time both in turn after one warm-up of each."""
    ours()
    theirs()
    times = [(seconds(ours, repeats[0]), seconds(theirs, repeats[1])) for _ in range(rounds)]
    return Pair(
        ours=median(a for a, _ in times),
        theirs=median(b for _, b in times),
        ratio=median(b / a for a, b in times),
    )


def ratio_within(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean ratio ours / theirs of 15, 20 or 30 pairs, on the log, between its 95 %."""
    logs = [math.log(a / b) for a, b in zip(ours, theirs, strict=True)]
    middle, half = mean(logs), _T[len(logs)] * stdev(logs) / math.sqrt(len(logs))
    return math.exp(middle - half), math.exp(middle), math.exp(middle + half)
