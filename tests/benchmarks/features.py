"""Runs of many features: seconds, what limits them, and the evidence by two routes.

ESS is the least bulk ESS of all that the verdict judges. Seconds are those of `sample`, the rest
being the same at any number of draws. Factors are timed on rows that have them, and on rows of free
covariances too, whose posterior has two modes under two factors: each is taken by a feature of its
own, and the verdict must say so and weigh them.
"""

import math
import time

import numpy as np

from bayesgmm.diagnosis import diagnose
from bayesgmm.evidence import log_evidence, smc_evidence
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.sampling import sample
from tests.benchmarks.simulated import factor_rows, simulated_rows

FULL, FACTORS = MixtureSpec(3), MixtureSpec(3, "factor", n_factors=2)
CASES = {
    "rows of free covariances (1000, 10, 3)": (simulated_rows(1000, 10, 3), FULL),
    "rows of two factors (1000, 30, 3)": (factor_rows(1000, 30, 3, 2), FACTORS),
    "rows of free covariances (1000, 30, 3)": (simulated_rows(1000, 30, 3), FACTORS),
    "rows of free covariances (2000, 20, 3)": (simulated_rows(2000, 20, 3), FULL),
}
WITH_SMC = "rows of free covariances (1000, 10, 3)"


def least_ess(verdict):
    """Return the least bulk ESS among the verdict's statistics, and whose it is.

    What is the same in every draw, as the number of occupied clusters at times, has none.
    """
    both = verdict.statistics["label_free"] | verdict.statistics["clusters"]
    sizes = {name: figures["ess_bulk"] for name, figures in both.items()}
    return min((size, name) for name, size in sizes.items() if size is not None)


def lines():
    for name, (rows, spec) in CASES.items():
        yield from lines_of(name, rows, spec)


def lines_of(name: str, rows: np.ndarray, spec: MixtureSpec):
    start, busy = time.perf_counter(), time.process_time()
    tree = sample(rows, spec, method="nuts", seed=1, log_likelihood=False)
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    verdict = diagnose(tree)
    ess, least = least_ess(verdict)
    steps = float(tree["sample_stats"]["n_steps"].mean())
    yield (
        f"l. {name}, {spec.kind}: {seconds:.0f} s ({busy:.0f} s of processors), {steps:.0f} "
        f"leapfrog steps a draw, least bulk ESS {ess:.0f} ({least}); {verdict.status.value}"
    )
    if verdict.weighed is not None:
        shares = ", ".join(f"{m.weight:.2f} +- {m.weight_error:.2f}" for m in verdict.weighed.modes)
        yield f"l. {name}: modes that no chain crosses hold {shares}"
    evidence = log_evidence(tree, seed=1)
    yield f"l. {name}: bridge's error {evidence.error:.3f}"
    if name == WITH_SMC:
        other = smc_evidence(tree, seed=1)
        apart = abs(evidence.value - other.value) / math.hypot(evidence.error, other.error)
        yield f"l. {name}: bridge and SMC (error {other.error:.2f}) {apart:.1f} errors apart"
