"""Make the simulated data sets beside this file: ``python models/data/simulate.py``.

Each is drawn from a known mixture with a fixed seed and rounded to three decimals, so that running
the script again writes the same bytes. The truth is kept here, where a reader can look it up.
``faithful_strays`` is Old Faithful with 20 rows more, on a grid over the range of the data.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np


class Truth(NamedTuple):
    """A mixture in two dimensions, and how many rows to draw from it.

    With `errors`, each cell is recorded with an error of its own, which is written beside it: its
    standard deviation is drawn evenly between half and three halves of that of the feature. With
    `nu`, a component is Student's t with so many degrees of freedom: scales and correlations are
    those of its scale matrix.
    """

    seed: int
    rows: int
    weights: list[float]
    means: list[list[float]]
    scales: list[list[float]]
    correlations: list[float]
    errors: list[float] | None = None
    nu: float | None = None


TRUTHS = {
    "three_blobs": Truth(
        seed=1,
        rows=400,
        weights=[0.3, 0.4, 0.3],
        means=[[-4.0, 0.0], [0.0, 3.0], [3.5, -1.0]],
        scales=[[0.6, 0.6], [1.5, 0.5], [0.8, 1.6]],
        correlations=[0.0, 0.6, -0.5],
    ),
    "overlapping": Truth(
        seed=2,
        rows=300,
        weights=[0.5, 0.5],
        means=[[-1.1, 0.0], [1.1, 0.5]],
        scales=[[1.0, 1.0], [1.0, 1.0]],
        correlations=[0.0, 0.0],
    ),
    "unequal_weights": Truth(
        seed=3,
        rows=400,
        weights=[0.05, 0.2, 0.75],
        means=[[-5.0, 3.0], [0.0, 4.0], [2.0, 0.0]],
        scales=[[0.6, 0.6], [0.9, 0.7], [1.2, 1.0]],
        correlations=[0.0, 0.2, 0.3],
    ),
    "correlated": Truth(
        seed=4,
        rows=300,
        weights=[0.45, 0.55],
        means=[[0.0, 0.0], [0.6, -0.6]],
        scales=[[1.5, 1.5], [1.5, 1.5]],
        correlations=[0.9, -0.8],
    ),
    "survey": Truth(
        seed=5,
        rows=300,
        weights=[0.35, 0.65],
        means=[[-1.4, 60.0], [-0.6, 20.0]],
        scales=[[0.3, 60.0], [0.2, 25.0]],
        correlations=[0.0, 0.0],
        errors=[0.25, 12.0],
    ),
    "heavy_tails": Truth(
        seed=6,
        rows=300,
        weights=[1.0],
        means=[[10.0, 5.0]],
        scales=[[1.0, 0.5]],
        correlations=[0.6],
        nu=3.0,
    ),
    "two_t": Truth(
        seed=8,
        rows=500,
        weights=[0.4, 0.6],
        means=[[-8.0, 0.0], [8.0, 4.0]],
        scales=[[0.8, 0.8], [1.0, 0.7]],
        correlations=[0.0, 0.5],
        nu=3.0,
    ),
}


def draw(truth: Truth) -> np.ndarray:
    """Draw rows (obs, 2), in random order of the components."""
    rng = np.random.default_rng(truth.seed)
    component = rng.choice(len(truth.weights), size=truth.rows, p=truth.weights)
    noise = rng.standard_normal((truth.rows, 2))
    r = np.array(truth.correlations)[component]
    noise[:, 1] = r * noise[:, 0] + np.sqrt(1 - r**2) * noise[:, 1]
    if truth.nu is not None:
        noise /= np.sqrt(rng.chisquare(truth.nu, truth.rows) / truth.nu)[:, None]
    return np.array(truth.means)[component] + np.array(truth.scales)[component] * noise


def with_errors(rows: np.ndarray, truth: Truth) -> np.ndarray:
    """Record rows with errors of their own, and put these beside them (obs, 4)."""
    rng = np.random.default_rng([truth.seed, 1])
    errors = (rng.uniform(0.5, 1.5, size=rows.shape) * truth.errors).round(3)
    return np.hstack([rows + errors * rng.standard_normal(rows.shape), errors])


class FactorTruth(NamedTuple):
    """A mixture of clusters with one factor each, and how many rows to draw from it.

    A row is the mean of its cluster, the cluster's loadings times a standard normal value of the
    factor, and noise of each feature.
    """

    seed: int
    rows: int
    weights: list[float]
    means: list[list[float]]
    loadings: list[list[float]]
    noise: list[float]


SENSORS = FactorTruth(
    seed=9,
    rows=300,
    weights=[0.4, 0.6],
    means=[[0.0] * 10, [1.5, 1.5, 1.0, 1.0, 0.5, 0.5, 0.0, 0.0, 0.0, 0.0]],
    loadings=[
        [1.5, 1.2, 1.0, 0.8, 0.6, 0.4, 0.2, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.2, -0.4, 0.6, -0.8, 1.0, -1.2, 1.5],
    ],
    noise=[0.5, 0.6, 0.7, 0.8, 0.5, 0.6, 0.7, 0.8, 0.5, 0.6],
)


def draw_factors(truth: FactorTruth) -> np.ndarray:
    """Draw rows (obs, feature), in random order of the clusters."""
    rng = np.random.default_rng(truth.seed)
    cluster = rng.choice(len(truth.weights), size=truth.rows, p=truth.weights)
    factor, noise = rng.standard_normal((truth.rows, 1)), rng.standard_normal((truth.rows, 10))
    common = factor * np.array(truth.loadings)[cluster]
    return np.array(truth.means)[cluster] + common + noise * truth.noise


STRAYS = {"eruptions": (1.6, 2.475, 3.35, 4.225, 5.1), "waiting": (43, 60.667, 78.333, 96)}


def with_strays(text: str) -> str:
    """Return the CSV text of Old Faithful with the strays after its rows."""
    return text + "".join(
        f"{eruptions:g},{waiting:g}\n"
        for eruptions in STRAYS["eruptions"]
        for waiting in STRAYS["waiting"]
    )


def write(path: Path, rows: np.ndarray, head: str) -> None:
    """Write rows under a head, each cell with three decimals."""
    lines = [head, *(",".join(f"{cell:.3f}" for cell in row) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def main() -> None:
    """Write one CSV file for each truth, and Old Faithful with its strays."""
    here = Path(__file__).parent
    faithful = with_strays((here / "faithful.csv").read_text(encoding="utf-8"))
    (here / "faithful_strays.csv").write_text(faithful, encoding="utf-8", newline="\n")
    for name, truth in TRUTHS.items():
        rows, head = draw(truth), "x,y"
        if truth.errors is not None:
            rows, head = with_errors(rows, truth), "x,y,x_error,y_error"
        write(here / f"{name}.csv", rows, head)
    write(here / "sensors.csv", draw_factors(SENSORS), ",".join(f"s{d + 1}" for d in range(10)))


if __name__ == "__main__":
    main()
