"""The kernel against its floor on this machine, and its growth with n, K and D.

The floor is what any implementation has to do: np.exp over n x K numbers and, for each cluster,
the two matrix products (whitening, second moments), by single-threaded BLAS.
"""

import numpy as np
from threadpoolctl import threadpool_limits

from bayesgmm.data import as_dataset
from bayesgmm.likelihood.compiled.kernels import blocked, sum_blocks, sum_rows
from bayesgmm.likelihood.compiled.whitening import whiten
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import MixtureSpec
from tests.benchmarks.simulated import simulated_rows
from tests.benchmarks.timing import Pair, in_turn, seconds

FLOOR_SIZES = [(1000, 2, 3), (10_000, 8, 5), (100_000, 10, 10)]


def kernel_call(n, n_features, n_components):
    """One pass over rows held in blocks, as the sampler makes it."""
    rows = simulated_rows(n, n_features, n_components)
    centre, unit = rows.mean(axis=0), rows.std(axis=0)
    blocks = blocked(rows, centre, unit)
    rng = np.random.default_rng(1)
    means = rng.normal(size=(n_components, n_features))
    factors = np.repeat(0.5 * np.eye(n_features)[None], n_components, axis=0)
    whitening, shift = np.empty_like(factors), np.empty_like(means)
    constant = np.empty(n_components)
    log_weights = np.full(n_components, -np.log(n_components))
    whiten(log_weights, means, factors, whitening, shift, constant)
    mass, first = np.zeros(n_components), np.zeros_like(means)
    second = np.zeros_like(factors)
    return lambda: sum_blocks(blocks, n, whitening, shift, constant, mass, first, second)


def floor_call(n, n_features, n_components):
    """The exponentials and the two products of every cluster."""
    rows = simulated_rows(n, n_features, n_components)
    exponents = -5.0 * np.random.default_rng(1).random((n, n_components))
    whitening = np.random.default_rng(2).normal(size=(n_features, n_features))

    def call():
        np.exp(exponents)
        for _ in range(n_components):
            z = rows @ whitening
            z.T @ z

    return call


def against_floor(size, rounds=7) -> Pair:
    n, n_features, n_components = size
    repeats = max(1, 2_000_000 // (n * n_components * n_features))
    with threadpool_limits(1):
        return in_turn(kernel_call(*size), floor_call(*size), rounds, (repeats, repeats))


def gradient_seconds(n, n_features, n_components):
    rows = simulated_rows(n, n_features, n_components)
    posterior = LogPosterior(resolve(MixtureSpec(n_components), as_dataset(rows)), rows)
    x = np.linspace(-0.3, 0.3, posterior.dim)
    posterior.evaluate(x)
    repeats = max(1, 10_000_000 // (n * n_components * n_features))
    return min(seconds(lambda: posterior.evaluate(x), repeats) for _ in range(5))


def pass_seconds(n, n_features, n_components):
    """One E-step pass over rows as they lie in a table."""
    rows = simulated_rows(n, n_features, n_components)
    centre, inverse_unit = rows.mean(axis=0), 1.0 / rows.std(axis=0)
    means = np.zeros((n_components, n_features))
    whitening = np.repeat(np.eye(n_features)[None], n_components, axis=0)
    sums = (
        np.zeros(n_components),
        np.zeros((n_components, n_features)),
        np.zeros((n_components, n_features, n_features)),
    )
    constant = np.zeros(n_components)
    call = lambda: sum_rows(rows, centre, inverse_unit, whitening, means, constant, *sums)  # noqa: E731
    call()
    return min(seconds(call) for _ in range(5))


def slope(sizes, times):
    """Least-squares slope on log axes."""
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


def floor_lines():
    for size in FLOOR_SIZES:
        pair = against_floor(size)
        yield (
            f"d. kernel / floor at {size}: {1 / pair.ratio:.2f} "
            f"({1e6 * pair.ours:.0f} us, floor {1e6 * pair.theirs:.0f} us)"
        )


def growth_lines():
    n = [10_000, 31_623, 100_000, 316_228, 1_000_000]
    for what, measured in (("EM pass", pass_seconds), ("gradient", gradient_seconds)):
        grown = slope(n, [measured(i, 5, 5) for i in n])
        yield f"e. {what} against n, D = 5, K = 5: slope {grown:.3f}"
    sizes = [2, 4, 8, 16]
    by_k = slope(sizes, [pass_seconds(100_000, 5, k) for k in sizes])
    yield f"e. EM pass against K, n = 1e5, D = 5: slope {by_k:.2f}"
    by_d = slope(sizes, [pass_seconds(100_000, d, 5) for d in sizes])
    yield f"e. EM pass against D, n = 1e5, K = 5: slope {by_d:.2f}"
