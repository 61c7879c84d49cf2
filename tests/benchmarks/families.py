"""The gradient with tails, contamination and noise against the Gaussian's, in turn.

Seconds are the processor's: one thread does all.
"""

import math
import time
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median
from typing import Any

import numpy as np

from bayesgmm.data import as_dataset
from bayesgmm.likelihood.compiled.gibbs import log_densities
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import MixtureSpec
from tests.benchmarks.simulated import simulated_rows
from tests.benchmarks.timing import ratio_within, seconds

SIZE = (1000, 2, 3)
SPECS: dict[str, dict[str, Any]] = {
    "normal": {},
    "t": {"family": "t"},
    "contaminated": {"family": "contaminated"},
    "noise": {"noise": "uniform"},
}
N_POINTS, N_TURNS = 500, 20


def posterior_of(family: str) -> LogPosterior:
    n, n_features, n_components = SIZE
    rows = simulated_rows(n, n_features, n_components)
    return LogPosterior(resolve(MixtureSpec(n_components, **SPECS[family]), as_dataset(rows)), rows)


def in_a_loop(posterior: LogPosterior) -> Callable[[], object]:
    """Densities with gradients at many points, from compiled code as the sampler makes them."""
    points = np.tile(np.linspace(-0.3, 0.3, posterior.dim), (N_POINTS, 1))
    out = np.empty(N_POINTS)
    return partial(log_densities, points, *posterior.program, out)


def from_python(posterior: LogPosterior) -> Callable[[], object]:
    x = np.linspace(-0.3, 0.3, posterior.dim)

    def call():
        for _ in range(N_POINTS):
            posterior.evaluate(x)

    return call


def one_round(calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Microseconds of the processor for one gradient, the least of many turns."""
    least = dict.fromkeys(calls, math.inf)
    for i in range(N_TURNS):  # whoever is first changes from turn to turn
        for family in list(calls)[:: -1 if i % 2 else 1]:
            spent = seconds(calls[family], clock=time.process_time)
            least[family] = min(least[family], 1e6 * spent / N_POINTS)
    return least


def lines(rounds=15) -> Iterator[str]:
    for where, made in (("in a compiled loop", in_a_loop), ("from Python", from_python)):
        calls = {family: made(posterior_of(family)) for family in SPECS}
        for each in calls.values():
            each()
        found = [one_round(calls) for _ in range(rounds)]
        times = {family: [each[family] for each in found] for family in SPECS}
        for family in list(SPECS)[1:]:
            low, ratio, high = ratio_within(times[family], times["normal"])
            yield (
                f"n. gradient of {family} at {SIZE}, {where}: {ratio:.2f} of the Gaussian's, "
                f"95 % {low:.2f} to {high:.2f} ({rounds} pairs in turn; "
                f"{median(times[family]):.1f} us, {median(times['normal']):.1f} us)"
            )
