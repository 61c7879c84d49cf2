"""Tails, noise, or neither: which family the evidence prefers, and whether means are covered.

`families`: rows of two clusters from each family; the evidence of every family with K = 2 on them;
by how much noise is likelier than the tails that made them; and where a wrong family is ahead, how
far both routes to the evidence are apart.
`strays`: a twentieth of Gaussian rows is replaced by strays; how often 95 % intervals of the
clusters' means hold the truth, with Gaussian components, with t, and with noise.

    python -m tests.robust_studies [families] [strays] [--sets N] [--seed 20261130] [--out FOLDER]

With --out each data set is one line of JSON in FOLDER; a study that was stopped goes on from there.
"""

import argparse
import json
import math
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import multivariate_normal, multivariate_t

import bayesgmm as bg

SPECS: dict[str, dict[str, Any]] = {
    "normal": {},
    "t": {"family": "t"},
    "contaminated": {"family": "contaminated"},
    "noise": {"noise": "uniform"},
}
ALIKE = {"t": {"t", "contaminated"}, "contaminated": {"t", "contaminated"}}
WEIGHTS, MEANS = np.array([0.4, 0.6]), np.array([[0.0, 0.0], [6.0, 4.0]])
COVARIANCES = np.array([[[1.0, 0.5], [0.5, 1.0]], [[0.8, -0.3], [-0.3, 1.5]]])
BOX = np.array([[-9.0, -10.0], [15.0, 14.0]])
N_ROWS, N_STRAYS = 300, 15
NU, NOISE, GOOD_SHARE, INFLATION = 3.0, 0.1, 0.9, 25.0
FACTORS = (0.8, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0, 2.5)
NUS, INFLATIONS = (2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0), (6.0, 9.0, 13.0, 18.0, 25.0, 35.0, 50.0)
LEVEL = 0.95


def rows_of(truth: str, rng: np.random.Generator) -> np.ndarray:
    """Return rows (obs, 2) of two clusters of a family."""
    clusters = rng.choice(2, size=N_ROWS, p=WEIGHTS)
    gaps = rng.standard_normal((N_ROWS, 2))
    if truth == "t":
        gaps *= np.sqrt(NU / rng.chisquare(NU, (N_ROWS, 1)))
    elif truth == "contaminated":
        gaps *= np.where(rng.random((N_ROWS, 1)) < GOOD_SHARE, 1.0, math.sqrt(INFLATION))
    roots = np.linalg.cholesky(COVARIANCES)[clusters]
    rows = MEANS[clusters] + np.einsum("nij,nj->ni", roots, gaps)
    if truth == "noise":
        strays = rng.random(N_ROWS) < NOISE
        rows[strays] = rng.uniform(*BOX, (strays.sum(), 2))
    return rows


def posterior_of(rows: np.ndarray, family: str, seed: int) -> Any:
    spec = bg.MixtureSpec(2, **SPECS[family])
    return bg.sample(rows, spec, draws=500, tune=500, cores=1, seed=seed, log_likelihood=False)


def evidences(i: int, seed: int) -> dict[str, Any]:
    """Return log evidences of each family on the i-th set of each, and what explains them."""
    found: dict[str, Any] = {"routes": [], "likelier": {}}
    for truth in SPECS:
        rows = rows_of(truth, np.random.default_rng([seed, i, list(SPECS).index(truth)]))
        by_bridge: dict[str, Any] = {}
        for family in SPECS:
            posterior = posterior_of(rows, family, i)
            by_bridge[family] = bg.log_evidence(posterior, seed=i), posterior
            if family == "t" and truth == "normal":
                found["nu"] = float(np.median(posterior["posterior"]["nu"]))
        found[truth] = {family: each.value for family, (each, _) in by_bridge.items()}
        if truth in ALIKE:
            found["likelier"][truth] = noise_against_truth(rows, truth)
        found["routes"] += [disagreement(*by_bridge[f], i) for f in in_doubt(found[truth], truth)]
    return found


def in_doubt(values: dict[str, float], truth: str) -> list[str]:
    """Return the family ahead and the best of the right ones, where these are not one."""
    right = ALIKE.get(truth, {truth})
    first, own = (max(names, key=values.__getitem__) for names in (values, right))
    return [] if first in right else [first, own]


def disagreement(by_bridge: Any, posterior: Any, seed: int) -> float:
    """Return how far sequential Monte Carlo is from the bridge, in errors of both."""
    by_smc = bg.smc_evidence(posterior, n_particles=64, seed=seed)
    return abs(by_bridge.value - by_smc.value) / math.hypot(by_bridge.error, by_smc.error)


def noise_against_truth(rows: np.ndarray, truth: str) -> list[float]:
    """Return by how much noise on the box of rows is likelier than the tails they have, nats.

    Both at the true means and correlations, so that no prior decides: noise at the best of many
    weights and of common factors of the covariances; the tails as they were drawn, and at theirs.
    """
    volume = np.prod(np.ptp(rows, axis=0) * (N_ROWS + 1) / (N_ROWS - 1))
    gaussians = {s: clusters(rows, multivariate_normal, s) for s in FACTORS}
    shares = np.linspace(0.01, 0.3, 30)
    noisy = max(np.log(w / volume + (1 - w) * gaussians[s]).sum() for s in FACTORS for w in shares)
    if truth == "t":
        drawn = np.log(clusters(rows, multivariate_t, 1.0, NU)).sum()
        tails = (clusters(rows, multivariate_t, s, nu) for s in FACTORS for nu in NUS)
    else:
        wide = {(s, eta): clusters(rows, multivariate_normal, s * eta)
                for s in FACTORS for eta in INFLATIONS}  # fmt: skip
        mixed = GOOD_SHARE * gaussians[1.0] + (1.0 - GOOD_SHARE) * wide[1.0, INFLATION]
        drawn = np.log(mixed).sum()
        tails = (a * gaussians[s] + (1.0 - a) * wide[s, eta]
                 for s, eta in wide for a in 1.0 - shares)  # fmt: skip
    best = max(np.log(density).sum() for density in tails)
    return [float(noisy - drawn), float(noisy - best)]


def clusters(rows: np.ndarray, family: Any, factor: float, *shape: float) -> np.ndarray:
    """Return the density of both clusters at rows, their covariances times a factor."""
    parts = zip(WEIGHTS, MEANS, factor * COVARIANCES, strict=True)
    return sum(w * family(mean, covariance, *shape).pdf(rows) for w, mean, covariance in parts)


def coverage(i: int, seed: int) -> dict[str, Any]:
    """Return how many of the four intervals hold the truth, for each family."""
    rng = np.random.default_rng([seed, i])
    rows = rows_of("normal", rng)
    rows[:N_STRAYS] = rng.uniform(*BOX, (N_STRAYS, 2))
    return {family: held(posterior_of(rows, family, i)) for family in ("normal", "t", "noise")}


def held(posterior: Any) -> int:
    means = posterior["posterior"]["means"].values.reshape(-1, 2, 2)
    here = means.mean(axis=0)
    orders = (np.array([0, 1]), np.array([1, 0]))
    order = min(orders, key=lambda each: ((here[each] - MEANS) ** 2).sum())
    tail = (1.0 - LEVEL) / 2.0
    low, high = np.quantile(means[:, order], [tail, 1.0 - tail], axis=0)
    return int(((low < MEANS) & (high > MEANS)).sum())


def tell_families(found: list[dict[str, Any]]) -> None:
    for truth in SPECS:
        best = [max(each[truth], key=each[truth].get) for each in found]
        counts = {family: best.count(family) for family in SPECS}
        right = sum(family in ALIKE.get(truth, {truth}) for family in best)
        near = sum(
            max(each[truth].values()) - max(each[truth][f] for f in ALIKE.get(truth, {truth})) < 1.0
            for each in found
        )
        print(f"rows of {truth}: highest evidence {counts}; right in {right} of {len(found)}, "
              f"or within 1 nat of that in {near}")  # fmt: skip
    for truth in ALIKE:
        drawn, best = np.transpose([each["likelier"][truth] for each in found])
        ahead = (drawn > 0.0).sum(), (best > 0.0).sum()
        print(f"rows of {truth}: at the true means noise is likelier than the tails drawn in "
              f"{ahead[0]} of {len(found)}, median {np.median(drawn):.1f} nats; than tails "
              f"at their best in {ahead[1]}, median {np.median(best):.1f} nats")  # fmt: skip
    routes = [gap for each in found for gap in each["routes"]]
    print(f"where a wrong family is ahead, both routes are at most {max(routes, default=0.0):.1f} "
          f"errors apart ({len(routes)} evidences)")  # fmt: skip
    nu = np.quantile([each["nu"] for each in found], [0.0, 0.5, 1.0])
    print("posterior median of nu on rows of normal: least {:.1f}, median {:.1f}, most {:.1f}"
          .format(*nu))  # fmt: skip


def tell_strays(found: list[dict[str, Any]]) -> None:
    for family in found[0]:
        share = sum(each[family] for each in found) / (4 * len(found))
        error = math.sqrt(LEVEL * (1.0 - LEVEL) / (4 * len(found)))
        print(f"{family}: 95 % intervals hold {share:.3f} of {4 * len(found)} means "
              f"(0.95 within {error:.3f})")  # fmt: skip


STUDIES: dict[str, tuple[Callable[[int, int], Any], Callable[[Any], None], int]] = {
    "families": (evidences, tell_families, 30),
    "strays": (coverage, tell_strays, 100),
}


def results(name: str, n_sets: int, seed: int, folder: Path | None) -> Iterator[dict[str, Any]]:
    """Yield the result of each set; those that a folder has are not made again."""
    file = None if folder is None else folder / f"{name}_{seed}.jsonl"
    done = [] if file is None or not file.exists() else file.read_text().splitlines()
    yield from map(json.loads, done[:n_sets])
    for i in range(len(done), n_sets):
        found = STUDIES[name][0](i, seed)
        if file is not None:
            with file.open("a") as lines:
                lines.write(json.dumps(found) + "\n")
        yield found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", default=list(STUDIES), metavar="NAME")
    parser.add_argument("--sets", type=int)
    parser.add_argument("--seed", type=int, default=20261130)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore", bg.errors.ConvergenceWarning)
    for name in options.names:
        n_sets = STUDIES[name][2] if options.sets is None else options.sets
        STUDIES[name][1](list(results(name, n_sets, options.seed, options.out)))


if __name__ == "__main__":
    main()
