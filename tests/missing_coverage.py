"""Coverage where cells are missing at random: of imputed cells, and of means beside dropped rows.

Rows come from two overlapping clusters; y is missing the oftener the larger x is, so that it is
missing at random. Each data set is fitted with its missing cells, and once more without the rows
that have one.

    python -m tests.missing_coverage [--fits 200] [--seed 20261129]
"""

import argparse
import math

import numpy as np
import pandas as pd

import bayesgmm as bg

N_ROWS = 200
WEIGHTS = np.array([0.4, 0.6])
MEANS = np.array([[0.0, 0.0], [3.5, 3.0]])
COVARIANCES = np.array([[[1.0, 0.6], [0.6, 1.0]], [[0.8, -0.4], [-0.4, 1.5]]])
CELLS = 10  # of each data set, so that they depend on one another little
CELL_LEVEL, MEAN_LEVEL = 0.89, 0.95
OVERALL = "overall"


def simulated(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return complete rows (obs, 2), and whether y is hidden."""
    clusters = rng.choice(2, size=N_ROWS, p=WEIGHTS)
    roots = np.linalg.cholesky(COVARIANCES)
    noise = rng.standard_normal((N_ROWS, 2, 1))
    rows = MEANS[clusters] + (roots[clusters] @ noise)[..., 0]
    return rows, rng.random(N_ROWS) < 0.8 / (1.0 + np.exp(-1.5 * (rows[:, 0] - 2.0)))


def truths() -> dict[str, float]:
    """Return the true means of y: of each cluster, and of all rows."""
    return {"1": MEANS[0, 1], "2": MEANS[1, 1], OVERALL: float(WEIGHTS @ MEANS[:, 1])}


def held(posterior) -> dict[str, bool]:
    """Whether the 95 % interval of each mean of y holds the truth."""
    draws = posterior["posterior"]
    means = draws["means"].values[..., 1].reshape(-1, 2)
    overall = (draws["weights"].values.reshape(-1, 2) * means).sum(axis=1)
    tails = (1.0 - MEAN_LEVEL) / 2.0
    low, high = np.quantile(np.column_stack([means, overall]), [tails, 1.0 - tails], axis=0)
    inside = (low < list(truths().values())) & (list(truths().values()) < high)
    return dict(zip(truths(), inside.tolist(), strict=True))


def fitted(rows: np.ndarray, hidden: np.ndarray, missing: str, seed: int):
    """Return draws of two clusters with y hidden, its rows kept ("mar") or left out ("drop")."""
    table = pd.DataFrame(rows, columns=["x", "y"])
    table.loc[hidden, "y"] = np.nan
    data = bg.Dataset.from_frame(table, missing=missing)
    return bg.sample(data, 2, draws=500, tune=500, seed=seed)


def study(n_fits: int, seed: int) -> tuple[list[bool], dict[str, list[dict[str, bool]]]]:
    """Return whether intervals hold hidden cells, and whether those of means hold the truth."""
    cells: list[bool] = []
    means: dict[str, list[dict[str, bool]]] = {"mar": [], "drop": []}
    for i in range(n_fits):
        rng = np.random.default_rng([seed, i])
        rows, hidden = simulated(rng)
        for missing, found in means.items():
            posterior = fitted(rows, hidden, missing, seed=i)
            found.append(held(posterior))
            if missing == "mar":
                imputed = bg.impute(posterior, prob=CELL_LEVEL, seed=i)
                some = rng.choice(len(imputed.cells), CELLS, replace=False)
                chosen, values = imputed.cells.iloc[some], rows[imputed.places[some, 0], 1]
                cells += ((chosen["lower"] < values) & (values < chosen["upper"])).tolist()
    return cells, means


def share(outcomes: list[bool]) -> str:
    """Show a share and its standard error."""
    mean = float(np.mean(outcomes))
    return f"{mean:.3f} (se {math.sqrt(mean * (1.0 - mean) / len(outcomes)):.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--fits", type=int, default=200)
    parser.add_argument("--seed", type=int, default=20261129)
    options = parser.parse_args()
    cells, means = study(options.fits, options.seed)
    print(f"89 % intervals hold {share(cells)} of {len(cells)} hidden cells")
    for missing, found in means.items():
        for name in truths():
            print(f"{missing}: 95 % intervals of the mean of y, {name}: "
                  f"{share([each[name] for each in found])}")  # fmt: skip


if __name__ == "__main__":
    main()
