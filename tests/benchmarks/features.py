"""Runs of many features: seconds, what limits them, and the evidence by two routes.

ESS is the least bulk ESS of all that the verdict judges. Seconds are those of `sample`, the rest
being the same at any number of draws.
"""

import math
import time

from bayesgmm.diagnosis import diagnose
from bayesgmm.evidence import log_evidence, smc_evidence
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.sampling import sample
from tests.benchmarks.simulated import simulated_rows

SIZES = [((1000, 10, 3), None), ((1000, 30, 3), 2), ((2000, 20, 3), None)]
WITH_SMC = SIZES[0]


def least_ess(verdict):
    """Return the least bulk ESS among the verdict's statistics, and whose it is.

    What is the same in every draw, as the number of occupied clusters at times, has none.
    """
    both = verdict.statistics["label_free"] | verdict.statistics["clusters"]
    sizes = {name: figures["ess_bulk"] for name, figures in both.items()}
    return min((size, name) for name, size in sizes.items() if size is not None)


def lines():
    for size, n_factors in SIZES:
        rows, k = simulated_rows(*size), size[2]
        covariance = "full" if n_factors is None else "factor"
        spec = MixtureSpec(k, covariance, n_factors=n_factors)
        start, busy = time.perf_counter(), time.process_time()
        tree = sample(rows, spec, method="nuts", seed=1, log_likelihood=False)
        seconds, busy = time.perf_counter() - start, time.process_time() - busy
        verdict = diagnose(tree)
        ess, name = least_ess(verdict)
        steps = float(tree["sample_stats"]["n_steps"].mean())
        evidence = log_evidence(tree, seed=1)
        yield (
            f"l. {size} {spec.kind}: {seconds:.0f} s ({busy:.0f} s of processors), {steps:.0f} "
            f"leapfrog steps a draw, least bulk ESS {ess:.0f} ({name}); {verdict.status.value}; "
            f"bridge's error {evidence.error:.3f}"
        )
        if (size, n_factors) == WITH_SMC:
            other = smc_evidence(tree, seed=1)
            apart = abs(evidence.value - other.value) / math.hypot(evidence.error, other.error)
            yield f"l. {size}: bridge and SMC (error {other.error:.2f}) {apart:.1f} errors apart"
