"""Tails, noise, or neither: which family the evidence prefers, and whether means are covered.

`families`: rows of two clusters from each family; the evidence of every family with K = 2 on them.
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
from scipy.stats import multivariate_normal

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
    """Return log evidences of each family on the i-th set of each, and the median of nu."""
    found: dict[str, Any] = {}
    for truth in SPECS:
        rows = rows_of(truth, np.random.default_rng([seed, i, list(SPECS).index(truth)]))
        found[truth] = {}
        for family in SPECS:
            posterior = posterior_of(rows, family, i)
            found[truth][family] = bg.log_evidence(posterior, seed=i).value
            if family == "t" and truth == "normal":
                found["nu"] = float(np.median(posterior["posterior"]["nu"]))
        if truth == "contaminated":
            found["box"] = box_against_truth(rows)
    return found


def box_against_truth(rows: np.ndarray) -> float:
    """Return by how much noise on the box of rows is likelier than the contamination they have.

    Both at the true clusters, the weight of the noise at its best of ten: what no prior decides.
    """
    gaussians = [multivariate_normal(*each) for each in zip(MEANS, COVARIANCES, strict=True)]
    wide = [
        multivariate_normal(mean, INFLATION * covariance)
        for mean, covariance in zip(MEANS, COVARIANCES, strict=True)
    ]
    good, bad = (sum(w * g.pdf(rows) for w, g in zip(WEIGHTS, each, strict=True))
                 for each in (gaussians, wide))  # fmt: skip
    volume = np.prod(np.ptp(rows, axis=0) * (N_ROWS + 1) / (N_ROWS - 1))
    shares = np.linspace(0.02, 0.2, 10)
    noisy = max(np.log(w / volume + (1.0 - w) * good).sum() for w in shares)
    return float(noisy - np.log(GOOD_SHARE * good + (1.0 - GOOD_SHARE) * bad).sum())


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
        print(f"rows of {truth}: highest evidence {counts}; right in {right} of {len(found)}")
    near = sum(max(each["normal"].values()) - each["normal"]["normal"] < 1.0 for each in found)
    box = [each["box"] for each in found]
    ahead, median = sum(value > 0.0 for value in box), float(np.median(box))
    print("rows of contaminated: noise is likelier than the truth at the true clusters in "
          f"{ahead} of {len(found)}, median {median:.1f} nats")  # fmt: skip
    nu = np.quantile([each["nu"] for each in found], [0.0, 0.5, 1.0])
    print(f"rows of normal: within 1 nat of the highest, or that, in {near} of {len(found)}")
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
