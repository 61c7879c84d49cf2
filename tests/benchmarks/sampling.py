"""Sampling against plain PyMC: effective draws a second end to end, and the cost of a gradient.

Plain PyMC is the textbook model: pm.Mixture over K MvNormal, LKJCholeskyCov each, sampled by
nutpie; its compile cache is warm, its compile time counts. Same priors (half-normal scales,
resolution 0), chains, draws and target_accept.
"""

import ctypes
import time
import warnings
from statistics import median

import arviz as az
import numpy as np
import nutpie
import pymc as pm

from bayesgmm.data import as_dataset
from bayesgmm.mixture import LogPosterior, resolve
from bayesgmm.mixture.fused import TERMS, log_posterior
from bayesgmm.sampling import sample
from bayesgmm.spec import MixtureSpec, Priors
from tests.benchmarks.simulated import simulated_rows
from tests.benchmarks.timing import in_turn

SIZES = [(272, 2, 2), (1000, 2, 3), (5000, 5, 4)]
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


def plain_gradient(compiled):
    """Return a call of the compiled C function that nutpie samples plain PyMC with."""
    point = 0.1 * np.arange(compiled.n_dim) / compiled.n_dim
    gradient, value = np.empty(compiled.n_dim), np.empty(())
    doubles = ctypes.POINTER(ctypes.c_double)
    arguments = (
        compiled.n_dim,
        *(array.ctypes.data_as(doubles) for array in (point, gradient, value)),
        compiled.user_data.ctypes.data,
    )
    density = compiled.compiled_logp_func.ctypes
    assert density(*arguments) == 0, "the density must be finite where it is timed"
    return lambda: density(*arguments)


def gradient_pair(rows, n_components, compiled):
    posterior = LogPosterior(
        resolve(MixtureSpec(n_components, priors=PRIORS, resolution=0), as_dataset(rows)), rows
    )
    x, terms = np.linspace(-0.2, 0.2, posterior.dim), np.empty(len(TERMS))
    gradient, flat = np.empty(posterior.dim), posterior.flat
    repeats = max(20, 2_000_000 // len(rows))
    return in_turn(
        lambda: log_posterior(x, flat, 1.0, 1.0, terms, gradient),
        plain_gradient(compiled),
        repeats=(repeats, max(20, repeats // 20)),
    )


def lines(rounds=5):
    warnings.simplefilter("ignore")
    for size in SIZES:
        rows, k = standardised(size), size[2]
        run_plain(rows, k, 0)
        run_ours(rows, k, 0)
        ratios = []
        for seed in range(1, rounds + 1):
            mine, my_seconds = run_ours(rows, k, seed)
            plain, their_seconds, compiled = run_plain(rows, k, seed)
            my_ess, my_means, my_error = effective(mine)
            their_ess, their_means, their_error = effective(plain)
            apart = np.abs(my_means - their_means) / np.hypot(my_error, their_error)
            assert apart.max() < 4.0, "the two must sample the same posterior"
            ratios.append((my_ess / my_seconds) / (their_ess / their_seconds))
        gradient = gradient_pair(rows, k, compiled)
        yield (
            f"a. sampling at {size}: {median(ratios):.0f} times plain PyMC's ESS a second "
            f"({my_seconds:.2f} s against {their_seconds:.1f} s in the last pair)"
        )
        yield (
            f"a. gradient at {size}: {gradient.ratio:.0f} times cheaper "
            f"({1e6 * gradient.ours:.1f} us against {1e6 * gradient.theirs:.0f} us)"
        )
