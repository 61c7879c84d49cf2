"""Draws at the modes of many rows: seconds, and errors beside NUTS and PyMC's ADVI.

A long NUTS run is what all three are held to. ADVI is PyMC's, mean-field, on the same model, and
begins at the mode with the right labels; its optimiser runs until its bound no longer rises. What
is compared is label-free here, since the clusters are far apart.
"""

import time
import warnings

import numpy as np
import pymc as pm
from pymc.variational.callbacks import CheckParametersConvergence
from threadpoolctl import threadpool_limits

from bayesgmm.data import as_dataset
from bayesgmm.diagnosis import diagnose
from bayesgmm.evidence import log_evidence
from bayesgmm.likelihood.batches import batched_log_likelihoods
from bayesgmm.likelihood.compiled.gibbs import log_densities
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.likelihood.rows import Rows
from bayesgmm.model.parameters import Parameters
from bayesgmm.model.pymc_model import build_model
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.posterior.tree import parameters_of
from bayesgmm.sampling import sample
from bayesgmm.sampling.importance import drawn_from, propose
from bayesgmm.sampling.mode_search import find_modes
from tests.benchmarks.simulated import simulated_rows
from tests.benchmarks.timing import Pair, in_turn

BATCH_SIZE = 1_000_000, 5, 5
THREADED_SIZE = 1_000_000, 3, 3
TIMED_SIZES = [(100_000, 5, 5), (1_000_000, 3, 3)]
HELD_SIZE = 100_000, 3, 3
LARGE_HELD_SIZE, LARGEST_SIZE = (1_000_000, 3, 3), (1_000_000, 10, 10)
BOTH_SIZES = [(10_000, 3, 3), (1000, 2, 2)]
ADVI_STEPS = 5_000


def target_of(size):
    rows = simulated_rows(*size)
    return LogPosterior(resolve(MixtureSpec(size[2]), as_dataset(rows)), rows)


def near_a_point(target, n_points=64):
    rng = np.random.default_rng(1)
    return 0.3 * rng.normal(size=target.dim) + 0.01 * rng.normal(size=(n_points, target.dim))


def batch_pair(size=BATCH_SIZE, rounds=5) -> Pair:
    """64 points in one reading of the rows against one after the other, on one thread."""
    target = target_of(size)
    points, out = near_a_point(target), np.empty(64)
    batch = lambda: batched_log_likelihoods(points, target.flat, size[0], size[:0:-1], 1)  # noqa: E731
    return in_turn(batch, lambda: log_densities(points, *target.program, out), rounds)


def thread_pairs(size=THREADED_SIZE, rounds=5) -> dict[str, Pair]:
    """Two threads against one: 64 points in a batch, and a pass of EM."""
    target = target_of(size)
    points, shape = near_a_point(target), size[:0:-1]
    point = target.em_point(points[0])
    held = [Rows(target.resolved, as_dataset(target.rows), n_threads=n) for n in (2, 1)]
    return {
        "batch": in_turn(
            *[
                lambda n=n: batched_log_likelihoods(points, target.flat, size[0], shape, n)
                for n in (2, 1)
            ],
            rounds,
        ),
        "EM pass": in_turn(*[lambda each=each: each.moments(point) for each in held], rounds),
    }


def timed(size, draws=500):
    """Seconds of draws, evidence and verdict, and what the weights say."""
    rows, seen = simulated_rows(*size), {"seed": 1, "log_likelihood": False}
    start = time.perf_counter()
    tree = sample(rows, size[2], method="importance", draws=draws, **seen)
    drawn = time.perf_counter()
    log_evidence(tree, seed=1)
    verdict = diagnose(tree)
    end = time.perf_counter()
    return drawn - start, end - drawn, verdict


def quantities(parameters: Parameters) -> np.ndarray:
    """Weights, means, log scales and artanh correlations (draw, quantity), by the first mean."""
    order = np.argsort(parameters.means[..., 0], axis=1)
    ordered = parameters.permuted(order)
    pairs = np.tril_indices(ordered.means.shape[2], -1)
    correlations = np.arctanh(ordered.correlations[..., pairs[0], pairs[1]])
    parts = [ordered.weights, ordered.means, np.log(ordered.scales), correlations]
    return np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)


def apart(found: np.ndarray, long: np.ndarray) -> tuple[float, float, float]:
    """Largest error of a mean in posterior sds, and the least and largest ratio of the sds."""
    sd, ratios = long.std(axis=0), found.std(axis=0) / long.std(axis=0)
    return float(np.abs((found.mean(axis=0) - long.mean(axis=0)) / sd).max()), *ratios[
        [ratios.argmin(), ratios.argmax()]
    ].tolist()


def run_advi(rows, n_components, at):
    """PyMC's mean-field ADVI on the model that `sample` draws from, begun at a draw `at`."""
    start = time.perf_counter()
    with build_model(rows, n_components) as model:
        initial = {v.name: at[v.name] for v in model.free_RVs}
        narrow = {name: np.full(v.size, 0.01) for name, v in model.initial_point().items()}
        fitted = pm.fit(
            ADVI_STEPS,
            method="advi",
            start=initial,
            start_sigma=narrow,
            obj_optimizer=pm.adagrad_window(learning_rate=1e-3),
            callbacks=[CheckParametersConvergence(every=500, tolerance=1e-3)],
            random_seed=1,
            progressbar=False,
        )
        tree = fitted.sample(4000, random_seed=1)
    return tree, time.perf_counter() - start


def held(size, advi=True, draws=2000):
    """Yield the name, seconds and errors of each method beside a long NUTS run."""
    rows, options = simulated_rows(*size), {"seed": 1, "log_likelihood": False}
    long = sample(rows, size[2], method="nuts", draws=draws, **{**options, "seed": 2})
    reference = quantities(parameters_of(long))
    runs = {"importance": {"draws": 500}}
    if advi:
        runs["nuts"] = {"draws": 500, "tune": 500}
    for name, lengths in runs.items():
        start = time.perf_counter()
        tree = sample(rows, size[2], method=name, **lengths, **options)
        seconds = time.perf_counter() - start
        yield name, seconds, apart(quantities(parameters_of(tree)), reference)
    if advi:
        at = {name: value.values.mean(axis=(0, 1)) for name, value in tree["posterior"].items()}
        fitted, seconds = run_advi(rows, size[2], at)
        yield "ADVI", seconds, apart(quantities(parameters_of(fitted)), reference)


def held_lines(part, size, advi=True):
    for name, seconds, (mean, least, most) in held(size, advi):
        yield (
            f"{part}. {name} at {size} against 4 x 2000 of NUTS: means within {mean:.2f} sd, sds "
            f"{least:.2f} to {most:.2f} times, {seconds:.1f} s"
        )


def timed_line(part, size):
    drawn, judged, verdict = timed(size)
    weights = verdict.statistics["importance"]
    return (
        f"{part}. 4 x 500 draws at {size}: {drawn:.1f} s, evidence and verdict {judged:.1f} s; "
        f"{verdict.status.value}, Pareto k {weights['k_hat']:.2f}, {weights['effective']:.0f} "
        f"effective, {weights['acceptance']:.0%} accepted"
    )


def accepted_of(proposals, starts, rng):
    """Places (chain, draw) of independence Metropolis: where each chain is after each proposal."""
    ratios, out = proposals.log_ratios.reshape(len(starts), -1), []
    for chain, place in enumerate(starts):
        for t, log_uniform in enumerate(np.log(rng.random(ratios.shape[1]))):
            if log_uniform < ratios[chain, t] - proposals.log_ratios[place]:
                place = chain * ratios.shape[1] + t
            out.append(place)
    return np.reshape(out, ratios.shape)


def errors_of_both(size, draws=500, runs=40):
    """Errors of means, in sds over sqrt(draws), by chains and by resampling of the same proposals.

    Chains are those of independence Metropolis; resampling is by smoothed weights. All proposals
    of all runs, weighted, are what both are held to.
    """
    rows = simulated_rows(*size)
    data = as_dataset(rows)
    target = LogPosterior(resolve(MixtureSpec(size[2]), data), rows)
    modes = find_modes(target, data, 1)
    made, by_chain, by_resampling = [], [], []
    for seed in np.random.SeedSequence(1).spawn(runs):
        rng = np.random.default_rng(seed)
        found = propose(target, modes, shape=(4, draws), rng=rng)
        made.append(found)
        chosen = drawn_from(found, (4, draws), rng.spawn(4))
        by_resampling.append(found.points[chosen].mean(axis=(0, 1)))
        by_chain.append(found.points[accepted_of(found, chosen[:, 0], rng)].mean(axis=(0, 1)))
    ratios = np.concatenate([each.log_ratios for each in made])
    weights = np.exp(ratios - ratios.max())
    weights /= weights.sum()
    points = np.concatenate([each.points for each in made])
    mean = weights @ points
    sd = np.sqrt(weights @ (points - mean) ** 2)
    return [
        float(np.sqrt((((np.array(means) - mean) / sd) ** 2).mean() * 4 * draws))
        for means in (by_chain, by_resampling)
    ]


def lines():
    warnings.simplefilter("ignore")
    with threadpool_limits(1, "blas"):
        yield from _lines()


def _lines():
    pair = batch_pair()
    yield (
        f"i. 64 points at {BATCH_SIZE}, one thread: {pair.ratio:.2f} times the rows a second of "
        f"single points ({pair.ours:.2f} s against {pair.theirs:.2f} s)"
    )
    for name, pair in thread_pairs().items():
        yield (
            f"i. {name} at {THREADED_SIZE}: two threads {pair.ratio:.2f} times as fast as one "
            f"({pair.ours:.3f} s against {pair.theirs:.3f} s)"
        )
    for size in TIMED_SIZES:
        yield timed_line("i", size)
    for size in BOTH_SIZES:
        chains, resampled = errors_of_both(size)
        yield (
            f"i. error of a mean in sds over the root of the draws at {size}: independence "
            f"Metropolis {chains:.2f}, smoothed resampling {resampled:.2f} (independent draws 1)"
        )
    yield from held_lines("i", HELD_SIZE)


def largest_lines():
    """The largest sizes, half an hour on two cores."""
    warnings.simplefilter("ignore")
    with threadpool_limits(1, "blas"):
        yield timed_line("o", LARGEST_SIZE)
        yield from held_lines("o", LARGE_HELD_SIZE, advi=False)
