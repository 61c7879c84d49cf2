"""Sampling against plain PyMC: effective draws a second end to end, and the cost of a gradient.

Plain PyMC is the textbook model: pm.Mixture over K MvNormal, LKJCholeskyCov each, sampled by
nutpie; its compile cache is warm, its compile time counts. BLAS has one thread: two beside two
chains double plain PyMC's time. Same priors (half-normal scales, resolution 0), chains, draws and
target_accept.
"""

import time
import warnings
from statistics import median

import arviz as az
import numpy as np
import nutpie
import pymc as pm
from numba import njit
from threadpoolctl import threadpool_limits

from bayesgmm.data import as_dataset
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import MixtureSpec, Priors
from bayesgmm.sampling import sample
from bayesgmm.sampling.chain_starts import ChainStart
from bayesgmm.sampling.nutpie_model import direct_model
from bayesgmm.sampling.preconditioning import Frame
from tests.benchmarks.simulated import simulated_rows
from tests.benchmarks.timing import Pair, in_turn

SIZES = [(272, 2, 2), (1000, 2, 3), (5000, 5, 4)]
ENOUGH = 400  # effective draws, below which chains disagree and a mean has no error
PRIORS = Priors(
    mean_location=0.0, mean_scale=2.0, scale_family="halfnormal", scale=2.0, units="data"
)


def standardised(size):
    rows = simulated_rows(*size)
    return (rows - rows.mean(axis=0)) / rows.std(axis=0, ddof=1)


def plain_model(rows, n_components):
    n_features = rows.shape[1]
    with pm.Model() as model:
        weights = pm.Dirichlet("weights", np.ones(n_components))
        means = pm.Normal("means", 0.0, 2.0, shape=(n_components, n_features))
        components = []
        for k in range(n_components):
            factor, _, _ = pm.LKJCholeskyCov(
                f"factor_{k}", n=n_features, eta=2.0, sd_dist=pm.HalfNormal.dist(2.0)
            )
            components.append(pm.MvNormal.dist(mu=means[k], chol=factor))
        pm.Mixture("x", w=weights, comp_dists=components, observed=rows)
    return model


def run_plain(rows, n_components, seed):
    start = time.perf_counter()
    compiled = nutpie.compile_pymc_model(plain_model(rows, n_components))
    tree = nutpie.sample(
        compiled, draws=1000, tune=1000, chains=4, target_accept=0.9, seed=seed, progress_bar=False
    )
    return tree, time.perf_counter() - start, compiled


def run_ours(rows, n_components, seed):
    start = time.perf_counter()
    tree = sample(
        rows,
        MixtureSpec(n_components, priors=PRIORS, resolution=0),
        seed=seed,
        relabel=None,
        log_likelihood=False,
    )
    return tree, time.perf_counter() - start


def effective(tree):
    """Least bulk ESS of sorted means and weights, which relabelling leaves alone."""
    posterior = tree["posterior"]
    order = np.argsort(posterior["means"].values[..., 0], axis=-1)
    means = np.take_along_axis(posterior["means"].values, order[..., None], axis=2)
    weights = np.take_along_axis(posterior["weights"].values, order, axis=2)
    flat = np.concatenate([means.reshape(*means.shape[:2], -1), weights], axis=-1)
    ess = [float(az.ess(flat[..., i])) for i in range(flat.shape[-1])]
    error = flat.std(axis=(0, 1)) / np.sqrt(ess)
    return min(ess), flat.mean(axis=(0, 1)), error


def repeated(density, size, data):
    """Return a compiled loop that calls a C function as the sampler does, without Python."""
    density = density.ctypes
    x, gradient, value = 0.1 * np.arange(size) / size, np.empty(size), np.empty(1)
    data = np.atleast_1d(data).view(np.int64)

    @njit
    def loop(times, x, gradient, value, data):
        failed = 0
        for _ in range(times):
            failed += density(size, x.ctypes, gradient.ctypes, value.ctypes, data.ctypes)
        return failed

    assert loop(1, x, gradient, value, data) == 0, "the density must be finite where it is timed"
    return lambda times: loop(times, x, gradient, value, data)


def gradient_pair(rows, n_components, compiled):
    posterior = LogPosterior(
        resolve(MixtureSpec(n_components, priors=PRIORS, resolution=0), as_dataset(rows)), rows
    )
    start = ChainStart(
        np.zeros(posterior.dim), Frame(np.zeros(posterior.dim), np.eye(posterior.dim))
    )
    model = direct_model(posterior, start)
    ours = repeated(model.density.c_functions[0], posterior.dim, model.density.c_data)
    theirs = repeated(compiled.compiled_logp_func, compiled.n_dim, compiled.user_data)
    times = max(20, 1_000_000 // len(rows))
    pair = in_turn(lambda: ours(times), lambda: theirs(times))
    return Pair(pair.ours / times, pair.theirs / times, pair.ratio)


def lines(rounds=5):
    warnings.simplefilter("ignore")
    with threadpool_limits(1, "blas"):
        yield from _lines(rounds)


def _lines(rounds):
    for size in SIZES:
        rows, k = standardised(size), size[2]
        run_plain(rows, k, 0)
        run_ours(rows, k, 0)
        ratios, stuck = [], 0
        for seed in range(1, rounds + 1):
            mine, my_seconds = run_ours(rows, k, seed)
            plain, their_seconds, compiled = run_plain(rows, k, seed)
            my_ess, my_means, my_error = effective(mine)
            their_ess, their_means, their_error = effective(plain)
            assert my_ess > ENOUGH, "our own chains must agree"
            if their_ess > ENOUGH:
                apart = np.abs(my_means - their_means) / np.hypot(my_error, their_error)
                assert apart.max() < 4.0, "the two must sample the same posterior"
            stuck += their_ess <= ENOUGH
            ratios.append((my_ess / my_seconds) / (their_ess / their_seconds))
        gradient = gradient_pair(rows, k, compiled)
        yield (
            f"a. sampling at {size}: {median(ratios):.0f} times plain PyMC's ESS a second "
            f"({my_seconds:.2f} s against {their_seconds:.1f} s in the last pair"
            f"{f'; in {stuck} of {rounds} pairs its chains disagree' if stuck else ''})"
        )
        yield (
            f"a. gradient at {size}: {gradient.ratio:.0f} times cheaper "
            f"({1e6 * gradient.ours:.1f} us against {1e6 * gradient.theirs:.0f} us)"
        )
