"""Equality and speed of the JAX engine on the device at hand: `python -m tests.device`.

Needs numpy, numba, scipy, jax and scikit-learn alone, on Python 3.12 or later, and under five
minutes. `--rows N` sets the number of rows. Exit code 1 where the engines differ.

scikit-learn's mixture does not take arrays of JAX, which cannot be written to: on a GPU it is timed
with those of CuPy or PyTorch, whichever is installed, through its array API.
"""

import argparse
import importlib
import os
import sys
import time
import types
import warnings
from pathlib import Path
from statistics import median

os.environ["SCIPY_ARRAY_API"] = "1"
try:
    import bayesgmm  # noqa: F401
except ModuleNotFoundError:  # its face needs a package more, its engines do not
    sys.modules["bayesgmm"] = types.ModuleType("bayesgmm")
    sys.modules["bayesgmm"].__path__ = [str(Path(__file__).parents[1] / "bayesgmm")]

import jax
import numpy as np
import sklearn
from sklearn.mixture import GaussianMixture

from bayesgmm.likelihood.batches import batched_log_likelihoods
from bayesgmm.likelihood.compiled.batches import whiten_points
from bayesgmm.likelihood.compiled.coordinates import Problem, flatten
from bayesgmm.likelihood.compiled.kernels import blocked, sum_rows
from bayesgmm.likelihood.jax.passes import Components, log_likelihoods, place, sums
from bayesgmm.runtime.parallel import available_cores, in_threads

N_FEATURES, N_CLUSTERS, N_POINTS = 5, 5, 64
CHUNK = 2**16
TOLERANCE = 1e-10
ON_GPU, ON_CPU = 4_000_000, 200_000
STEPS = 3


def simulated_rows(n_rows):
    rng = np.random.default_rng(1)
    centres = rng.normal(scale=2.0, size=(N_CLUSTERS, N_FEATURES))
    return centres[rng.integers(0, N_CLUSTERS, n_rows)] + rng.normal(size=(n_rows, N_FEATURES))


def problem_with(rows):
    """The rows as compiled code reads them; the prior, which no pass reads, is 0."""
    d, k, nothing = N_FEATURES, N_CLUSTERS, np.empty(0)
    known = dict.fromkeys(Problem._fields, 0) | {
        "n_rows": len(rows), "n_features": d, "n_clusters": k, "n_parts": k, "n_layers": 1,
        "n_scale_sets": k, "n_pair_sets": k, "has_pairs": True, "constants": np.zeros(6),
        "concentration": np.ones(k), "nu": nothing, "mean_location": np.zeros((k, d)),
        "mean_scale": np.ones((k, d)), "prior_scale": np.ones((k, d)), "resolution": np.zeros(d),
        "order": nothing, "blocks": blocked(rows, np.zeros(d), np.ones(d)),
    }  # fmt: skip
    return flatten(Problem(**known))


def components_at(points, flat):
    k, d = N_CLUSTERS, N_FEATURES
    whitened = [np.empty((len(points), *shape)) for shape in ((k, d, d), (k, d), (k,))]
    whiten_points(points, flat, *whitened, np.empty(len(points)))
    return Components(*whitened)


def compiled_sums(rows, components):
    """The E-step's sums by all cores, added in the order of the rows."""
    centre, unit = np.zeros(N_FEATURES), np.ones(N_FEATURES)

    def of(start):
        found = [np.zeros(N_CLUSTERS), np.zeros_like(components.shift)]
        found.append(np.zeros_like(components.whitening))
        part = rows[start : start + CHUNK]
        return [sum_rows(part, centre, unit, *components, *found), *found]

    parts = list(in_threads(of, range(0, len(rows), CHUNK)))
    return [np.sum([part[i] for part in parts], axis=0) for i in range(4)]


def jax_total(task, placed, components):
    """What JAX adds up over the parts of the rows; all are under way before one is waited for."""
    parts = [jax.tree.leaves(task(part, components)) for part in placed]
    return [np.sum([np.asarray(part[i]) for part in parts], axis=0) for i in range(len(parts[0]))]


def apart(found, expected):
    """Largest difference of lower triangles and vectors, relative to the largest of them."""
    scale = max(1.0, float(np.abs(expected).max()))
    difference = np.abs(found - expected)
    return float((np.tril(difference) if np.ndim(found) == 3 else difference).max()) / scale


def seconds(call, rounds=3):
    """Median seconds of a call, after one that warms up."""
    call()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return median(times)


def arrays_for_sklearn(rows, on_gpu):
    """The rows as scikit-learn can take them on this device, and what they are."""
    for name in ("cupy", "torch") if on_gpu else ():
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        if name == "cupy":
            return module.asarray(rows), "CuPy on the GPU"
        return module.asarray(rows, device="cuda"), "PyTorch on the GPU"
    return rows, "NumPy on the CPU"


def sklearn_seconds(rows, on_gpu):
    """Seconds of an EM step of scikit-learn: of a fit of many less those of a fit of one."""
    taken, what = arrays_for_sklearn(rows, on_gpu)

    def fit(steps):
        options = {"init_params": "random", "tol": 0.0, "max_iter": steps, "random_state": 1}
        GaussianMixture(N_CLUSTERS, **options).fit(taken)

    warnings.simplefilter("ignore")  # so few steps do not converge
    dispatch = what != "NumPy on the CPU"
    with sklearn.config_context(array_api_dispatch=dispatch):
        return (seconds(lambda: fit(1 + STEPS)) - seconds(lambda: fit(1))) / STEPS, what


def main():
    parser = argparse.ArgumentParser(description="The JAX engine on the device at hand.")
    parser.add_argument("--rows", type=int)
    given = parser.parse_args().rows
    device = jax.devices()[0]
    on_gpu = device.platform != "cpu"
    n_rows = given or (ON_GPU if on_gpu else ON_CPU)
    kind = f"a GPU, {device.device_kind}" if on_gpu else "no GPU: JAX on the CPU"
    print(f"{kind}; jax {jax.__version__}; {n_rows} rows, D = {N_FEATURES}, K = {N_CLUSTERS}")
    rows, shape = simulated_rows(n_rows), (N_CLUSTERS, N_FEATURES)
    flat = problem_with(rows)
    dim = N_CLUSTERS - 1 + N_CLUSTERS * N_FEATURES * (2 + (N_FEATURES - 1) // 2)
    points = 0.3 * np.random.default_rng(2).normal(size=(N_POINTS, dim))
    components = components_at(points, flat)
    first = Components(*(each[0] for each in components))
    placed = [place(rows[start : start + CHUNK], CHUNK) for start in range(0, n_rows, CHUNK)]

    def draws_compiled():
        return batched_log_likelihoods(points, flat, n_rows, shape, available_cores())

    def draws_jax():
        return jax_total(log_likelihoods, placed, components)[0]

    def step_compiled():
        return compiled_sums(rows, first)

    def step_jax():
        return jax_total(sums, placed, first)

    worst = max(
        apart(draws_jax(), draws_compiled()),
        *(apart(ours, theirs) for ours, theirs in zip(step_jax(), step_compiled(), strict=True)),
    )
    print(f"largest relative difference of the engines: {worst:.1e} (at most {TOLERANCE:.0e})")
    for what, calls, n in (
        (f"{N_POINTS} draws", (draws_jax, draws_compiled), n_rows * N_POINTS),
        ("EM pass", (step_jax, step_compiled), n_rows),
    ):
        by_jax, by_compiled = (n / seconds(call) / 1e6 for call in calls)
        print(
            f"{what}: JAX {by_jax:.1f}, compiled with {available_cores()} threads "
            f"{by_compiled:.1f} million rows a second"
        )
    spent, what = sklearn_seconds(rows, on_gpu)
    print(f"EM step of scikit-learn, {what}: {n_rows / spent / 1e6:.1f} million rows a second")
    return int(not worst <= TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
