"""Print the table of times of the documentation: ``python docs/times.py``, some minutes.

Rows are simulated from K separated Gaussians. Times are those of the processor, all cores together,
so that other work on the machine hardly counts; compiling is left out. Memory is the size of the
result.
"""

import time
import warnings
from collections.abc import Callable

import numpy as np

import bayesgmm as bg

SIZES = [
    *[(300, 2, 2), (1000, 2, 3), (3000, 2, 3), (10_000, 2, 3)],
    *[(1000, 5, 3), (1000, 10, 3), (1000, 2, 6)],
]


def simulated_rows(n: int, n_features: int, n_components: int) -> np.ndarray:
    """Return rows in groups six standard deviations apart in every feature."""
    rng = np.random.default_rng(1)
    centres = 6.0 * np.stack([rng.permutation(n_components) for _ in range(n_features)], axis=1)
    return centres[rng.integers(n_components, size=n)] + rng.normal(size=(n, n_features))


def seconds(call: Callable[..., object], *arguments: object) -> float:
    """Return the processor's seconds of one call, whose seed is 2."""
    start = time.process_time()
    call(*arguments, seed=2)
    return time.process_time() - start


def main() -> None:
    """Measure and print, one row a size."""
    warnings.simplefilter("ignore")
    bg.sample(simulated_rows(100, 2, 2), 2, draws=50, tune=50, seed=1)
    print("| n | D | K | `fit_em` | `sample` | `log_evidence` | result |")
    print("|---|---|---|---|---|---|---|")
    for n, n_features, n_components in SIZES:
        rows = simulated_rows(n, n_features, n_components)
        posterior = bg.sample(rows, n_components, seed=1)
        bg.log_evidence(posterior, seed=1)
        times = [
            seconds(bg.fit_em, rows, n_components),
            seconds(bg.sample, rows, n_components),
            seconds(bg.log_evidence, posterior),
        ]
        cells = [f"{n:,}", n_features, n_components, *(f"{t:.2g} s" for t in times)]
        print("|", *(f"{cell} |" for cell in cells), f"{posterior.nbytes / 2**20:.0f} MiB |")


if __name__ == "__main__":
    main()
