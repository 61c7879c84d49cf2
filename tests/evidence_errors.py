"""Are the stated errors of both evidence routes honest, where the evidence is known?

    python -m tests.evidence_errors [PROBLEM ...] [--seeds 40] [--out FILE]

Bridge sampling (fresh chains and proposals) and sequential Monte Carlo from the prior estimate the
evidence of small models with many seeds. z is an estimate's distance from the truth over its stated
error: honest errors give it mean 0 and a standard deviation near 1, below 1 where errors are
guarded. The truth of eight rows is a sum over all their allocations, each cluster by quadrature, in
every structure whose features are independent within a cluster; that of other problems is the mean
of eight bridges from 80,000 draws each, with the error of that mean.

Each result is one line of JSON in FILE; a study that was stopped goes on where it ended.
"""

import argparse
import itertools
import json
import math
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.special import gammaln, logsumexp
from scipy.stats import norm

from bayesgmm.evidence import Evidence, log_evidence, smc_evidence
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.sampling import sample
from bayesgmm.typing import Array
from tests.support.few_rows import FIXED

EIGHT = np.array(
    [
        [-2.0, 0.4, 1.2],
        [-1.4, -0.8, 0.1],
        [-1.1, 1.0, -0.9],
        [0.3, -1.2, 2.1],
        [0.9, 0.2, -1.6],
        [1.3, 2.4, 0.6],
        [1.8, 1.9, 1.0],
        [2.2, -0.1, -0.4],
    ]
)
ROUTES = ("bridge", "smc")
MOST_SPREAD = 1.2
_LONG_RUNS, _LONG_DRAWS = 4, 10_000


class Problem(NamedTuple):
    """Rows and a model of them; ``exact`` says that all allocations can be summed over."""

    rows: Array
    spec: MixtureSpec
    exact: bool


class Spread(NamedTuple):
    """Of z: its number, mean, standard deviation, shares beyond 2 and 3; the median error, nats."""

    n: int
    mean: float
    deviation: float
    beyond_2: float
    beyond_3: float
    error: float


def _eight(n_features: int, k: int) -> Problem:
    spec = MixtureSpec(k, covariance="diag", priors=FIXED, resolution=0)
    return Problem(EIGHT[:, :n_features], spec, exact=True)


def _groups(n: int, n_features: int, k: int, apart: float, n_groups: int) -> Problem:
    """Rows in groups whose centres lie `apart` from one another, under the default priors."""
    rng = np.random.default_rng([n, n_features, n_groups])
    centres = apart * np.arange(n_groups)[:, None] * (-1.0) ** np.arange(n_features)
    rows = centres[np.arange(n) % n_groups] + rng.normal(size=(n, n_features))
    return Problem(rows, MixtureSpec(k), exact=False)


PROBLEMS = {
    **{f"8 rows, D={d}, K={k}": _eight(d, k) for d in (1, 2, 3) for k in (1, 2, 3)},
    "60 rows, D=1, K=2": _groups(60, 1, 2, 3.0, 2),
    "60 rows, D=1, K=3, two groups": _groups(60, 1, 3, 4.0, 2),
    "40 rows, D=2, K=2": _groups(40, 2, 2, 3.0, 2),
    "60 rows, D=3, K=2, one group": _groups(60, 3, 2, 0.0, 1),
    "90 rows, D=3, K=3": _groups(90, 3, 3, 4.0, 3),
}


def by_allocations(rows: Array, n_components: int) -> float:
    """Return the log evidence, nats: a sum over all allocations of the rows (obs, feature).

    Features are independent within a cluster, so that its evidence is a product of quadratures in
    (mean, log scale), one per feature.
    """
    mean = np.linspace(-9.0, 10.0, 381)[:, None]
    log_scale = np.linspace(math.log(0.7) - 4.0, math.log(0.7) + 4.0, 161)
    prior = norm.logpdf(mean, 0.5, 2.0) + norm.logpdf(log_scale, math.log(0.7), 0.6)
    prior = prior + math.log(mean[1, 0] - mean[0, 0]) + math.log(log_scale[1] - log_scale[0])
    of_cell = [[norm.logpdf(y, mean, np.exp(log_scale)) for y in row] for row in rows]
    n, n_features = rows.shape

    @cache
    def of_cluster(members: tuple[int, ...]) -> float:
        return float(
            sum(
                logsumexp(prior + sum((of_cell[i][d] for i in members), np.zeros(())))
                for d in range(n_features)
            )
        )

    terms = []
    for labels in itertools.product(range(n_components), repeat=n):
        clusters = [
            tuple(i for i, label in enumerate(labels) if label == k) for k in range(n_components)
        ]
        weights = sum(gammaln(1.0 + len(members)) for members in clusters)
        terms.append(weights + sum(map(of_cluster, clusters)))
    constant = gammaln(n_components) - gammaln(n_components + n)
    return float(logsumexp(terms) + constant)


def truth_of(problem: Problem) -> tuple[float, float]:
    """Return the log evidence and its error, nats."""
    if problem.exact:
        return by_allocations(problem.rows, problem.spec.n_components), 0.0
    values = [
        log_evidence(
            sample(
                problem.rows, problem.spec, draws=_LONG_DRAWS, seed=9000 + r, log_likelihood=False
            ),
            seed=r,
        ).value
        for r in range(_LONG_RUNS)
    ]
    return float(np.mean(values)), float(np.std(values, ddof=1) / math.sqrt(_LONG_RUNS))


def estimate(problem: Problem, route: str, seed: int) -> Evidence:
    """Return what a route states with this seed, chains and all."""
    if route == "bridge":
        return log_evidence(
            sample(problem.rows, problem.spec, seed=seed, log_likelihood=False), seed=seed
        )
    model_and_rows = sample(
        problem.rows, problem.spec, draws=5, tune=50, seed=1, log_likelihood=False
    )
    return smc_evidence(model_and_rows, seed=seed)


def _tasks(names: list[str], n_seeds: int) -> Iterator[tuple[str, str, int]]:
    """Yield problem, "truth" or route, and seed; all problems by one seed before the next."""
    yield from ((name, "truth", 0) for name in names)
    for seed in range(1, n_seeds + 1):
        yield from ((name, route, seed) for name in names for route in ROUTES)


def study(names: list[str], n_seeds: int, out: Path) -> dict[tuple[str, str], Spread]:
    """Run what is not yet in the file; return the spread of z by problem and route."""
    done: dict[tuple[str, str, int], tuple[float, float]] = {}
    if out.exists():
        for entry in map(json.loads, out.read_text().splitlines()):
            done[entry["problem"], entry["route"], entry["seed"]] = entry["value"], entry["error"]
    with out.open("a") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, route, seed in _tasks(names, n_seeds):
            if (name, route, seed) in done:
                continue
            problem = PROBLEMS[name]
            if route == "truth":
                value, error = truth_of(problem)
            else:
                found = estimate(problem, route, seed)
                value, error = found.value, found.error
            done[name, route, seed] = value, error
            entry = {"problem": name, "route": route, "seed": seed, "value": value, "error": error}
            file.write(json.dumps(entry) + "\n")
            file.flush()
    return spreads(done, names)


def spreads(
    done: dict[tuple[str, str, int], tuple[float, float]], names: list[str]
) -> dict[tuple[str, str], Spread]:
    """Return the spread of z by problem and route, then that of all problems together."""
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for (name, route, _), (value, error) in done.items():
        if name in names and route != "truth":
            truth, its_error = done[name, "truth", 0]
            z = (value - truth) / math.hypot(error, its_error)
            found.setdefault((name, route), []).append((z, error))
    for route in ROUTES:
        found["all", route] = [pair for name in names for pair in found.get((name, route), [])]
    return {case: _spread(*np.array(pairs).T) for case, pairs in found.items() if pairs}


def _spread(z: Array, errors: Array) -> Spread:
    far = np.abs(z)
    return Spread(
        len(z),
        float(z.mean()),
        float(z.std(ddof=1)) if len(z) > 1 else math.nan,
        float((far > 2.0).mean()),
        float((far > 3.0).mean()),
        float(np.median(errors)),
    )


def main() -> None:
    """Run the study and print the table that stands in tests/README.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(PROBLEMS))
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--out", type=Path, default=Path("evidence_errors.jsonl"))
    options = parser.parse_args()
    print("| problem | route | seeds | mean z | sd of z | beyond 2 | beyond 3 | median error |")
    print("|---|---|---|---|---|---|---|---|")
    for (name, route), spread in study(options.names, options.seeds, options.out).items():
        n, mean, deviation, two, three, error = spread
        print(
            f"| {name} | {route} | {n} | {mean:.2f} | {deviation:.2f} | {two:.3f} | {three:.3f} "
            f"| {error:.4f} |"
        )


if __name__ == "__main__":
    main()
