"""Compile what most tests need before they start, on two cores, and each function once.

    python -m tests.support.warm_up plain|annotated

Plain rows and annotated ones are compiled apart. Without it both workers of the tests compile the
same functions at the same time.
"""

import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pandas as pd

KINDS = ("plain", "annotated")
_SLOWEST = "gibbs.sweep_chains-*.nbc"


def needed() -> bool:
    """Whether code is kept, and the slowest function is not there for both kinds of rows."""
    from bayesgmm.runtime.code_folders import kept_in

    folder = kept_in()
    return folder is not None and len(list(folder.glob(_SLOWEST))) < len(KINDS)


def warm_up() -> None:
    """Compile both kinds side by side; a failure is left to the tests."""
    running = [subprocess.Popen([sys.executable, "-m", __name__, kind]) for kind in KINDS]
    for process in running:
        process.wait()


def _use(kind: str) -> None:
    import bayesgmm as bg

    rng = np.random.default_rng(1)
    rows = np.concatenate([rng.normal(size=(20, 2)), rng.normal(6.0, 1.0, (20, 2))])
    if kind == "annotated":
        rows[::4, 1] = np.nan
    missing: Any = "mar" if kind == "annotated" else "refuse"
    data = bg.Dataset.from_frame(pd.DataFrame(rows, columns=["a", "b"]), missing=missing)
    if kind == "annotated":
        _sweep(data)
    comparison = bg.compare(data, 2, draws=100, tune=100, max_draws=0, seed=1)
    tree = comparison.posteriors[2]
    bg.fit_em(data, 2, seed=1)
    bg.fit_map(data, 2, seed=1)
    bg.membership(tree)
    bg.partition(tree, seed=1)
    bg.density(tree)
    bg.posterior_over_k(comparison)
    if kind == "plain":
        bg.bic_grid(data, [2], seed=1)


def _sweep(data: Any) -> None:
    """Compile first what only these rows need: the other process begins with what both need."""
    from bayesgmm.likelihood.annotated_rows import table_of
    from bayesgmm.likelihood.log_posterior import LogPosterior
    from bayesgmm.model.resolving import resolve
    from bayesgmm.model.spec import MixtureSpec
    from bayesgmm.sampling.smc import temper

    target = LogPosterior(resolve(MixtureSpec(2), data), table_of(data, 2))
    temper(target, n_particles=64, n_runs=4, seed=1)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    _use(sys.argv[1])
