"""Calibration of p(K): does what has probability p hold in a share p of data sets?

K is drawn from its prior (uniform on 1 ... 5), parameters from theirs, rows from the mixture; then
K = 1 ... 5 are weighed under the same priors. Averaged over such data sets

- of all pairs of a data set and a K with p(K) near p, a share p have the true K (reliability), and
- a credible set of K holds the true one as often as its posterior mass says, on average,

exactly, for right evidences. Counts are sums of independent Bernoulli variables whose
probabilities are those p(K): their deviations give the bands.

    python -m tests.calibration_of_k [--sets 500] [--seed 20261130] [--out FILE]

prints the figures. With --out each data set is one line of FILE, and a later run goes on from it.
"""

import argparse
import json
import warnings
from collections import Counter
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np

import bayesgmm as bg
from bayesgmm.evidence.shares import shares
from bayesgmm.sampling import mode_search
from tests.calibration import draw_prior, draw_rows, prior_design

LARGEST = 5
N_ROWS = 50
EDGES = np.array([0.0, 0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98, 1.0])
LEVELS = (0.5, 0.8, 0.89, 0.95)


def one_set(i: int, seed: int) -> dict:
    """Simulate one data set and weigh K = 1 ... 5; return the true K and what was found.

    The probabilities are those that `compare` gives by bridge sampling; what else it computes is
    left out, and the search for starting points is short, as in `tests.calibration`.
    """
    rng = np.random.default_rng([seed, i])
    n_features, true = 1 + i % 2, int(rng.integers(1, LARGEST + 1))
    design = prior_design(n_features, true, N_ROWS)
    rows, _ = draw_rows(draw_prior(design, rng), N_ROWS, rng)
    evidences, statuses = [], []
    with mock.patch.object(mode_search, "_EM_STARTS", 4), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for k in range(1, LARGEST + 1):
            spec = replace(design.spec, n_components=k)
            options = {"draws": 500, "tune": 500, "log_likelihood": False}
            tree = bg.sample(rows, spec, cores=1, seed=i, **options)
            evidences.append(bg.log_evidence(tree, seed=i))
            statuses.append(bg.diagnose(tree).status.name)
    values = np.array([evidence.value for evidence in evidences])
    errors = np.array([evidence.error for evidence in evidences])
    p, error = shares(values, errors)
    return {
        "set": i,
        "features": n_features,
        "true": true,
        "p": p.tolist(),
        "error": error.tolist(),
        "status": statuses,
    }


def reliability(p: np.ndarray, is_true: np.ndarray) -> list[str]:
    """Compare the mean p with the share of true K, in bins of p."""
    lines = []
    bins = np.clip(np.digitize(p, EDGES) - 1, 0, len(EDGES) - 2)
    for b in range(len(EDGES) - 1):
        inside = bins == b
        expected, spread = p[inside].sum(), np.sqrt((p[inside] * (1.0 - p[inside])).sum())
        z = (is_true[inside].sum() - expected) / max(spread, 1e-12)
        lines.append(
            f"  p in {EDGES[b]:.2f} to {EDGES[b + 1]:.2f}: {inside.sum()} pairs, expected "
            f"{expected:.1f}, true {is_true[inside].sum()}, z {z:.2f}"
        )
    return lines


def coverage(p: np.ndarray, true: np.ndarray, level: float) -> str:
    """Compare the mass of the smallest credible sets with how often they hold the true K."""
    order = np.argsort(-p, axis=1)
    sizes = 1 + (np.cumsum(np.take_along_axis(p, order, 1), axis=1) < level).sum(axis=1)
    sets = [set(o[:s]) for o, s in zip(order, sizes, strict=True)]
    mass = np.array([row[list(chosen)].sum() for row, chosen in zip(p, sets, strict=True)])
    held = sum(k - 1 in chosen for k, chosen in zip(true, sets, strict=True))
    z = (held - mass.sum()) / np.sqrt((mass * (1.0 - mass)).sum())
    return (
        f"  {level:.0%} sets, of {sizes.mean():.2f} K on average: mass {mass.mean():.3f}, "
        f"true K in {held / len(true):.3f}, z {z:.2f}"
    )


def describe(found: list[dict]) -> str:
    """Write the figures of all data sets."""
    p, true = np.array([one["p"] for one in found]), np.array([one["true"] for one in found])
    is_true = np.arange(1, LARGEST + 1) == true[:, None]
    statuses = Counter(status for one in found for status in one["status"])
    errors = np.array([one["error"] for one in found])
    return "\n".join([
        f"{len(found)} data sets; verdicts on the runs: {dict(statuses)}; error of p(K) at most "
        f"{errors.max():.3f}, median {np.median(errors.max(axis=1)):.3f}",
        *reliability(p.ravel(), is_true.ravel()),
        *(coverage(p, true, level) for level in LEVELS),
    ])  # fmt: skip


def main() -> None:
    """Run the study, or the rest of it."""
    parser = argparse.ArgumentParser(description="Calibration of the posterior of K.")
    parser.add_argument("--sets", type=int, default=500)
    parser.add_argument("--seed", type=int, default=20261130)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    found = []
    if arguments.out is not None and arguments.out.exists():
        found = [json.loads(line) for line in arguments.out.read_text().splitlines()]
    for i in range(len(found), arguments.sets):
        found.append(one_set(i, arguments.seed))
        if arguments.out is not None:
            with arguments.out.open("a") as lines:
                print(json.dumps(found[-1]), file=lines)
    print(describe(found))


if __name__ == "__main__":
    main()
