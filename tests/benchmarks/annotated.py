"""What missing cells and errors of single rows cost beside complete rows, in turn in one run."""

import time

import numpy as np
import pandas as pd

from bayesgmm.data import Dataset, as_dataset
from bayesgmm.likelihood.annotated_rows import AnnotatedRows
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.likelihood.rows import Rows
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.sampling import sample
from tests.benchmarks.simulated import simulated_rows
from tests.benchmarks.timing import Pair, in_turn, seconds

MANY_PATTERNS = 2000, 12, 3


def with_patterns(rows, n_patterns, share, seed=2):
    """Take cells out of rows (obs, feature), by so many different patterns; the first is complete.

    All but the first lack about `share` of their cells, and none lacks all.
    """
    rng = np.random.default_rng(seed)
    patterns = {(False,) * rows.shape[1]: None}
    while len(patterns) < n_patterns:
        pattern = tuple((rng.random(rows.shape[1]) < share).tolist())
        if not all(pattern):
            patterns[pattern] = None
    missing = np.array(list(patterns))[np.arange(len(rows)) % n_patterns]
    return np.where(missing, np.nan, rows)


def gradient_call(rows, known, n_components):
    """One gradient of the log posterior, as the sampler makes it."""
    target = LogPosterior(resolve(MixtureSpec(n_components), as_dataset(rows)), known)
    x = np.linspace(-0.3, 0.3, target.dim)
    return lambda: target.evaluate(x)


def gradient_with_patterns(n=5000, n_features=5, n_components=4, n_patterns=8, rounds=9) -> Pair:
    """A gradient with a third of the cells missing against one with complete rows."""
    rows = simulated_rows(n, n_features, n_components)
    known = AnnotatedRows(with_patterns(rows, n_patterns, 0.35))
    repeats = max(1, 1_000_000 // (n * n_components))
    calls = [gradient_call(rows, each, n_components) for each in (known, rows)]
    return in_turn(*calls, rounds, (repeats, repeats))


def pass_with_patterns(n=1_000_000, n_features=10, n_components=10, n_patterns=30) -> Pair:
    """EM's pass with a fifth of the cells missing against that over complete rows."""
    rows = simulated_rows(n, n_features, n_components)
    resolved = resolve(MixtureSpec(n_components, resolution=0), as_dataset(rows))
    target = LogPosterior(resolved, rows[:1000])
    point = target.em_point(np.linspace(-0.3, 0.3, target.dim))
    known = AnnotatedRows(with_patterns(rows, n_patterns, 0.2))
    calls = [Rows(resolved, each) for each in (known, as_dataset(rows))]
    return in_turn(*[lambda held=each: held.moments(point) for each in calls])


def lines():
    pair = gradient_with_patterns()
    yield (
        f"h. gradient at (5000, 5, 4), 8 patterns / complete: {1 / pair.ratio:.2f} "
        f"({1e6 * pair.ours:.0f} us, complete {1e6 * pair.theirs:.0f} us)"
    )
    pair = pass_with_patterns()
    yield (
        f"h. EM pass at (1000000, 10, 10), 20 % missing in 30 patterns / complete: "
        f"{1 / pair.ratio:.2f} ({pair.ours:.2f} s, complete {pair.theirs:.2f} s)"
    )
    n, n_features, n_components = MANY_PATTERNS
    rows = simulated_rows(*MANY_PATTERNS)
    call = gradient_call(rows, AnnotatedRows(with_patterns(rows, n, 0.3)), n_components)
    call()
    taken = min(seconds(call, 5) for _ in range(9))
    yield f"h. gradient at {MANY_PATTERNS}, {n} patterns: {1e3 * taken:.1f} ms"
    yield _sampling_line()


def _sampling_line():
    rows = simulated_rows(2000, 2, 2)
    errors = np.random.default_rng(3).uniform(0.1, 0.5, size=rows.shape)
    frame = {"x": rows[:, 0], "y": rows[:, 1], "ex": errors[:, 0], "ey": errors[:, 1]}
    data = Dataset.from_frame(pd.DataFrame(frame), errors={"x": "ex", "y": "ey"})
    start = time.perf_counter()
    posterior = sample(data, 2, seed=1)
    taken = time.perf_counter() - start
    steps = float(posterior["sample_stats"]["n_steps"].mean())
    return (
        f"h. 4 x (1000 + 1000) at (2000, 2, 2), 2000 different errors: {taken:.1f} s, "
        f"{steps:.1f} leapfrog steps a draw"
    )
