"""EM against scikit-learn: time an iteration from the same start, and peak memory."""

import subprocess
import sys
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from bayesgmm.data import as_dataset
from bayesgmm.errors import ConvergenceWarning as NotConverged
from bayesgmm.errors import DegeneracyWarning
from bayesgmm.fit import fit_em
from bayesgmm.fit.em import Likelihood
from bayesgmm.fit.points import point_of
from bayesgmm.likelihood.rows import Rows
from bayesgmm.model.parameters import Parameters
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import MixtureSpec
from tests.benchmarks.simulated import simulated_rows
from tests.benchmarks.timing import Pair, in_turn

SIZES = [(1000, 2, 3), (100_000, 5, 5), (1_000_000, 10, 10)]
_ITERATIONS = {1000: 200, 100_000: 10, 1_000_000: 2}


def start_point(rows, n_components):
    """The same start for both: rows drawn as means, the pooled covariance, equal weights."""
    rng = np.random.default_rng(7)
    means = rows[rng.choice(len(rows), n_components, replace=False)]
    covariances = np.repeat(np.cov(rows.T)[None], n_components, axis=0)
    return np.full(n_components, 1.0 / n_components), means, covariances


def ours(rows, n_components, n_iter):
    """Run n_iter EM steps without extrapolation; return the log likelihood after them."""
    dataset = as_dataset(rows)
    target = Likelihood(resolve(MixtureSpec(n_components, resolution=0), dataset))
    resolved = target.resolved
    weights, means, covariances = start_point(rows, n_components)
    scaled = (means - resolved.centre) / resolved.unit
    covariances = covariances / np.multiply.outer(resolved.unit, resolved.unit)
    start = point_of(weights, scaled, covariances)
    held = Rows(resolved, dataset)
    floor = np.zeros(resolved.n_features)

    def run():
        x = start
        for _ in range(n_iter):
            x, collapsed = target.step(x, held.moments(x), floor)
            assert collapsed < 0
        return held.moments(x).log_likelihood + target.data_units(held)

    return run


def theirs(rows, n_components, n_iter):
    weights, means, covariances = start_point(rows, n_components)

    def run():
        model = GaussianMixture(
            n_components,
            tol=0.0,
            reg_covar=0.0,
            max_iter=n_iter,
            weights_init=weights,
            means_init=means,
            precisions_init=np.linalg.inv(covariances),
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(rows)
        return model.score(rows) * len(rows)

    return run


def against_scikit_learn(size, rounds=5) -> Pair:
    n, n_features, n_components = size
    rows = simulated_rows(n, n_features, n_components)
    n_iter = _ITERATIONS[n]
    mine, other = ours(rows, n_components, n_iter), theirs(rows, n_components, n_iter)
    assert abs(mine() / other() - 1.0) < 1e-8, "both must reach the same log likelihood"
    return in_turn(mine, other, rounds)


def fit_of_ours(data, start):
    """Fit as a user does, for two iterations from a given start."""
    weights, means, covariances = start
    scales = np.sqrt(np.einsum("kdd->kd", covariances))
    given = Parameters(weights, means, scales, covariances, covariances)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConverged)
        warnings.simplefilter("ignore", DegeneracyWarning)  # two iterations end anywhere
        fit_em(data, len(weights), starts=[given], max_iter=2)


def fit_of_theirs(rows, start):
    weights, means, covariances = start
    model = GaussianMixture(
        len(weights),
        tol=0.0,
        max_iter=2,
        weights_init=weights,
        means_init=means,
        precisions_init=np.linalg.inv(covariances),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(rows)


_PEAK = """
from pathlib import Path
from bayesgmm.data import as_dataset
from tests.benchmarks.em import {which}, start_point
from tests.benchmarks.simulated import simulated_rows

def resident(name):
    line = next(l for l in Path("/proc/self/status").read_text().splitlines() if name in l)
    return int(line.split()[1])

small = simulated_rows(1000, {d}, {k})
{which}(small, start_point(small, {k}))
rows = simulated_rows({n}, {d}, {k})
start = start_point(rows, {k})
Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
before = resident("VmRSS")
{which}({data}, start)
print(resident("VmHWM") - before)
"""


def peak_mebibytes(which, size, data="rows"):
    """Peak memory of a fit of two iterations in a fresh process (Linux), rows and imports excluded.

    `data` is what is fitted: the rows, or "as_dataset(rows)", whose own copy then counts.
    """
    n, d, k = size
    code = _PEAK.format(which=which, n=n, d=d, k=k, data=data)
    return int(subprocess.check_output([sys.executable, "-c", code])) / 1024


def lines():
    for size in SIZES:
        pair, n_iter = against_scikit_learn(size), _ITERATIONS[size[0]]
        yield (
            f"c. EM iteration at {size}: {pair.ratio:.1f} times scikit-learn's speed "
            f"({1e3 * pair.ours / n_iter:.3g} ms against {1e3 * pair.theirs / n_iter:.3g} ms)"
        )
    for what, which, data in (
        ("fit_em(rows)", "fit_of_ours", "rows"),
        ("fit_em(Dataset of rows), its own copy counted", "fit_of_ours", "as_dataset(rows)"),
        ("scikit-learn's fit(rows)", "fit_of_theirs", "rows"),
    ):
        mebibytes = peak_mebibytes(which, SIZES[-1], data)
        yield f"c. peak memory above the rows at {SIZES[-1]}, {what}: {mebibytes:.0f} MiB"
