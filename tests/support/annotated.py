"""Rows of which everything is known that may be known beside their values."""

import numpy as np
import pandas as pd

from bayesgmm import Dataset
from bayesgmm.likelihood.annotated_rows import AnnotatedRows

N_ROWS = 60


def some_rows(n_features: int, n_components: int, rng: np.random.Generator) -> AnnotatedRows:
    """Return rows with all annotations, every third cell missing, one row of which none is seen."""
    values = 100.0 + rng.normal(size=(N_ROWS, n_features)) * np.arange(3, 3 + n_features)
    values[rng.random(values.shape) < 0.3] = np.nan
    values[0] = np.nan
    allowed = rng.random((N_ROWS, n_components)) < 0.6
    allowed[~allowed.any(axis=1)] = True
    errors = np.where(rng.random((N_ROWS, 1)) < 0.4, [[1.0, 0.0, 2.5, 0.1, 3.0][:n_features]], 0.0)
    return AnnotatedRows(values, rng.integers(0, 4, N_ROWS).astype(float), allowed, errors)


def everything_known(n: int) -> Dataset:
    """Rows with missing cells, errors, weights and some labels."""
    rng = np.random.default_rng(n)
    kinds = rng.integers(2, size=n)
    frame = pd.DataFrame(6.0 * kinds[:, None] + rng.normal(size=(n, 2)), columns=["x", "y"])
    frame.loc[::4, "y"] = np.nan
    return Dataset.from_frame(
        frame,
        missing="mar",
        weights=1.0 + np.arange(n) % 2,
        weights_kind="frequency",
        labels=[["low", "high"][kind] if i % 5 == 0 else None for i, kind in enumerate(kinds)],
        errors={"x": 0.1 + 0.2 * (np.arange(n) % 2)},
    )
