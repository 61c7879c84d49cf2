"""Make the simulated data sets beside this file: ``python models/data/simulate.py``.

Each is drawn from a known mixture with a fixed seed and rounded to three decimals, so that running
the script again writes the same bytes. The truth is kept here, where a reader can look it up.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np


class Truth(NamedTuple):
    """A mixture in two dimensions, and how many rows to draw from it."""

    seed: int
    rows: int
    weights: list[float]
    means: list[list[float]]
    scales: list[list[float]]
    correlations: list[float]


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
}


def draw(truth: Truth) -> np.ndarray:
    """Draw rows (obs, 2), in random order of the components."""
    rng = np.random.default_rng(truth.seed)
    component = rng.choice(len(truth.weights), size=truth.rows, p=truth.weights)
    noise = rng.standard_normal((truth.rows, 2))
    r = np.array(truth.correlations)[component]
    noise[:, 1] = r * noise[:, 0] + np.sqrt(1 - r**2) * noise[:, 1]
    return np.array(truth.means)[component] + np.array(truth.scales)[component] * noise


def main() -> None:
    """Write one CSV file for each truth."""
    for name, truth in TRUTHS.items():
        lines = ["x,y", *(f"{x:.3f},{y:.3f}" for x, y in draw(truth))]
        path = Path(__file__).with_name(f"{name}.csv")
        path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
