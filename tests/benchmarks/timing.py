"""Pairs measured in turn in one run: medians and their ratio."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Pair:
    """Median seconds of ours and theirs, taken in turn, and the median of the paired ratios."""

    ours: float
    theirs: float
    ratio: float  # theirs / ours: how many times faster ours is


def seconds(call: Callable[[], object], repeats: int = 1) -> float:
    """Seconds of one call, the mean over `repeats` of them."""
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


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
