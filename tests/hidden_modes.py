"""Does the verdict find out runs that leave a mode out, and does it leave good runs alone?

    python -m tests.hidden_modes [hidden] [good] [--sets 100] [--runs 200] [--seed S] [--out FILE]

`hidden` makes data sets of four kinds in which a mixture of two has modes that chains do not
cross: two binary groupings of the rows, of which two components can follow only one. In integer
and zero-inflated columns one of the groups is constant, in rounded ones narrower than a step, and
the two-mode kind has few rows in three groups, so that shares are neither 0 nor 1. For each set
the run of `sample` is judged, and planted runs whose draws stay in one of the two largest modes.
What a run leaves out is measured by bridges within each mode: draws of the posterior there and
proposals count where they climb to it. A run that passes while it leaves out more than 5 % is a
miss.

`good` samples Old Faithful and iris at K = 1 to 6 and simulated clusters: a finding of modes left
out is a false alarm.

Each result is one line of JSON in FILE; a study that was stopped goes on where it ended.
"""

import argparse
import json
import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import logsumexp
from scipy.stats import multivariate_t

from bayesgmm.data import Dataset, as_dataset
from bayesgmm.diagnosis import RunStatus, diagnose
from bayesgmm.errors import BayesGMMError
from bayesgmm.evidence.bridge import bridge
from bayesgmm.labels import relabel
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.posterior.draws import Draws
from bayesgmm.sampling import sample
from bayesgmm.sampling.mode_search import find_modes
from bayesgmm.sampling.posterior_modes import Labelling, PosteriorMode, climb
from tests.support.places import ROOT
from tests.support.simulated_runs import tree_of

SEED = 20261128
KINDS = ("integer", "zero-inflated", "rounded", "two-mode")
GRAVE = 0.05
MOST_ALARMS = 0.05
_PROPOSED, _DRAWS = 20_000, 1_000
_LEAST_DRAWS = 400  # of a mode, for its bridge
_WITHIN = 1e-4  # a mode below this share by its Laplace mass is not bridged


def hidden_set(kind: str, n_features: int, rng: np.random.Generator) -> Dataset:
    """Simulate rows with two groupings, (obs, feature)."""
    n = int(rng.integers(25, 45)) if kind == "two-mode" else int(rng.integers(100, 240))
    one, other = rng.random((2, n)) < rng.uniform(0.3, 0.7, (2, 1))
    apart = np.where(other, rng.uniform(3.0, 6.0), 0.0)
    rows = rng.normal(size=(n, n_features))
    if n_features > 1:
        rows[:, -1] += apart
        apart = 0.0 * apart
    if kind == "integer":
        rows[:, 0] = np.where(one, 12.0, np.round(8.0 + rows[:, 0] - apart))
    elif kind == "zero-inflated":
        rows[:, 0] = np.where(one, 0.0, np.round(np.exp(1.0 + 0.4 * rows[:, 0]) + 3.0 * apart, 2))
    elif kind == "rounded":
        narrow = 6.0 + 0.2 * rng.normal(size=n)
        rows[:, 0] = np.round(np.where(one, narrow, rows[:, 0] - 2.0 * apart))
    else:
        rows[:, 0] += np.where(one, rng.uniform(2.5, 4.0), 0.0) - apart
    return as_dataset(rows)


def held_in(target: LogPosterior, mode: PosteriorMode, seed: int) -> np.ndarray:
    """Return draws (draw, dim) of the posterior within the basin of a mode.

    Draws of a t at the mode, resampled by their weights, that climb to it.
    """
    covariance = np.linalg.inv(mode.precision)
    covariance = 0.5 * (covariance + covariance.T)
    student = multivariate_t(mode.x, covariance, df=5.0, seed=seed)
    proposed = np.atleast_2d(student.rvs(_PROPOSED))
    ratios = target.log_densities(proposed) - student.logpdf(proposed)
    weights = np.exp(ratios - ratios[np.isfinite(ratios)].max())
    weights = np.where(np.isfinite(weights), weights, 0.0)
    rng = np.random.default_rng(seed)
    points = proposed[rng.choice(len(proposed), _DRAWS, p=weights / weights.sum())]
    return points[[climbs_to(target, mode, x) for x in points]]


def climbs_to(target: LogPosterior, mode: PosteriorMode, x: np.ndarray) -> bool:
    return Labelling(target).is_at(mode, *climb(target, x))


def mass_within(target: LogPosterior, mode: PosteriorMode, held: np.ndarray, seed: int) -> float:
    """Return the log mass of a mode by a bridge within its basin; nats, data units."""
    if len(held) < _LEAST_DRAWS:
        return math.nan
    each = len(held) // 4
    chains = held[: 4 * each].reshape(4, each, -1)

    def inside(points: np.ndarray) -> np.ndarray:
        return np.array([climbs_to(target, mode, x) for x in points])

    try:
        return bridge(target, chains, seed, inside)[0]
    except BayesGMMError:
        return math.nan


def outside(
    target: LogPosterior, modes: list[PosteriorMode], masses: np.ndarray, points: np.ndarray
) -> float:
    """Return the share of the mass in modes to which none of the points climbs."""
    labelling = Labelling(target)
    ends = [climb(target, x) for x in points]
    visited = np.array([any(labelling.is_at(mode, *end) for end in ends) for mode in modes])
    return float(np.exp(logsumexp(masses[~visited]) - logsumexp(masses))) if visited.any() else 1.0


def planted_run(
    target: LogPosterior, data: Dataset, held: np.ndarray, known: list[PosteriorMode], seed: int
) -> Any:
    """Lay draws that stay in one mode out as a run that was told of the known modes."""
    rng = np.random.default_rng(seed)
    x = held[rng.permutation(len(held))[: 4 * (len(held) // 4)]].reshape(4, -1, target.dim)
    return relabel(tree_of(target, x, data, seed=seed, modes=known))


def judge_set(kind: str, n_features: int, seed: int) -> dict[str, Any]:
    """Judge the runs of one data set with hidden modes."""
    data = hidden_set(kind, n_features, np.random.default_rng(seed))
    target = LogPosterior(resolve(MixtureSpec(2), data), data.values)
    honest = sample(data, 2, seed=seed, log_likelihood=False)
    everything = find_modes(target, data, seed + 1)  # another search than that of the run
    shares = np.exp([m.log_mass - everything[0].log_mass for m in everything])
    modes = [m for m, share in zip(everything, shares, strict=True) if share > _WITHIN][:4]
    modes = modes if len(modes) > 1 else everything[:2]  # however little the second one holds
    held = [held_in(target, mode, seed) for mode in modes]
    masses = np.array(
        [mass_within(target, mode, h, seed) for mode, h in zip(modes, held, strict=True)]
    )
    laplace = np.array([mode.log_mass for mode in modes])
    shift = len(data.values) * target.resolved.log_unit
    masses = np.where(np.isfinite(masses), masses, laplace - shift)
    draws = Draws(honest).coordinates
    runs = {"honest": (honest, draws.reshape(-1, target.dim))}
    for number, points in enumerate(held[:2]):
        if len(points) >= _LEAST_DRAWS:
            known = find_modes(target, data, seed + 2 + number)
            runs[f"in mode {number}"] = planted_run(target, data, points, known, seed), points
    found = {}
    for name, (tree, points) in runs.items():
        verdict = diagnose(tree)
        spread = points[np.linspace(0, len(points) - 1, 400).astype(int)]
        found[name] = {
            "status": verdict.status.name,
            "ok": verdict.ok,
            "left_out": None if verdict.left_out is None else verdict.left_out.share,
            "outside": outside(target, modes, masses, spread),
        }
    return {"kind": kind, "features": n_features, "modes": len(everything), "runs": found}


def good_runs(n_runs: int) -> Iterator[tuple[str, Any, int, int]]:
    """Yield name, data, K and seed of runs that should not be found to leave modes out."""
    for name in ("faithful", "iris"):
        data = Dataset.from_csv(ROOT / f"models/data/{name}.csv")
        for k in range(1, 7):
            for seed in range(1, 6):
                yield f"{name} K={k} seed={seed}", data, k, seed
    for number in range(max(n_runs - 60, 0)):
        rng = np.random.default_rng([SEED, number])
        k, n_features = int(rng.integers(1, 4)), int(rng.integers(1, 4))
        means = 5.0 * np.arange(k)[:, None] + rng.normal(scale=0.5, size=(k, n_features))
        rows = np.concatenate([rng.normal(mean, size=(50, n_features)) for mean in means])
        yield f"simulated {number} K={k + number % 2}", as_dataset(rows), k + number % 2, number


def judge_good(data: Any, k: int, seed: int) -> dict[str, Any]:
    """Judge one good run."""
    verdict = diagnose(sample(data, k, seed=seed, log_likelihood=False))
    left = verdict.left_out
    return {
        "status": verdict.status.name,
        "alarm": verdict.status is RunStatus.MODES_LEFT_OUT,
        "left_out": None if left is None else left.share,
        "measured": None if left is None else [mode.error is not None for mode in left.modes],
    }


def hidden_sets(n_sets: int) -> Iterator[tuple[str, str, int, int]]:
    """Yield name, kind, number of features and seed."""
    for number in range(n_sets):
        kind, n_features = KINDS[number % 4], 1 + number // 4 % 5
        yield f"{kind} D={n_features} set={number}", kind, n_features, SEED + 100 * number


def misses(result: dict[str, Any]) -> list[str]:
    """Return the runs that passed although they leave out more than 5 %."""
    return [name for name, run in result["runs"].items() if run["ok"] and run["outside"] > GRAVE]


def study(names: list[str], n_sets: int, n_runs: int, out: Path) -> dict[str, dict[str, Any]]:
    """Run what is not yet in the file; return all results by name."""
    done: dict[str, dict[str, Any]] = {}
    if out.exists():
        lines = out.read_text().splitlines()
        done = {entry.pop("name"): entry for entry in map(json.loads, lines)}
    tasks: list[tuple[str, Any]] = []
    if "hidden" in names:
        tasks += [(n, lambda a=a: judge_set(*a)) for n, *a in hidden_sets(n_sets)]
    if "good" in names:
        tasks += [(n, lambda a=a: judge_good(*a)) for n, *a in good_runs(n_runs)]
    with out.open("a") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, task in tasks:
            if name not in done:
                done[name] = task()
                file.write(json.dumps({"name": name, **done[name]}) + "\n")
                file.flush()
    return {name: done[name] for name, _ in tasks}


def main() -> None:
    """Run the studies and print their counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=["hidden", "good"])
    parser.add_argument("--sets", type=int, default=100)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path("hidden_modes.jsonl"))
    options = parser.parse_args()
    results = study(options.names, options.sets, options.runs, options.out)
    hidden = {name: result for name, result in results.items() if "runs" in result}
    judged = [run for result in hidden.values() for run in result["runs"].values()]
    grave = [run for run in judged if run["outside"] > GRAVE]
    missed = {name: misses(result) for name, result in hidden.items() if misses(result)}
    print(f"{len(hidden)} sets, {len(judged)} runs, {len(grave)} leave out more than 5 %; missed:")
    print(missed or "none")
    unasked = [run for run in judged if run["status"] == "MODES_LEFT_OUT" and run["outside"] < 0.01]
    print(f"{len(unasked)} runs that leave out less than 1 % are said to leave modes out")
    good = {name: result for name, result in results.items() if "alarm" in result}
    alarms = {name: result for name, result in good.items() if result["alarm"]}
    print(f"{len(alarms)} alarms in {len(good)} good runs: {alarms}")


if __name__ == "__main__":
    main()
