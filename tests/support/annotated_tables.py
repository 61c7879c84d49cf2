"""A table with columns that annotate its rows, and how each kind of annotation is asked for."""

from typing import Any

import numpy as np
import pandas as pd

__all__ = ["ASKED", "COUNTS", "annotated_table"]

COUNTS: dict[str, Any] = {"weights": "count", "weights_kind": "frequency"}
ASKED: dict[str, dict[str, Any]] = {
    "labels": {"labels": "kind"},
    "missing": {"missing": "mar"},
    "errors": {"errors": {"x": "sx", "y": 0.1}},
    "all": {**COUNTS, "labels": "kind", "missing": "mar", "errors": {"y": 0.2}},
}


def annotated_table(what: str, n_rows: int) -> pd.DataFrame:
    """Two clusters, and beside their features a count, a class for some, and an error.

    For "missing" and "all", a fifth of the cells of x are missing.
    """
    rng = np.random.default_rng(7)
    second = rng.random(n_rows) < 0.4
    values = rng.normal(size=(n_rows, 2)) + np.where(second[:, None], [4.0, 1.0], 0.0)
    kind = np.where(second, "b", "a").astype(object)
    kind[rng.random(n_rows) < 0.9] = None
    frame = pd.DataFrame(values, columns=["x", "y"])
    if what in ("missing", "all"):
        frame.loc[rng.random(n_rows) < 0.2, "x"] = np.nan
    frame["count"] = rng.integers(0, 4, n_rows)
    frame["kind"] = kind
    frame["sx"] = np.round(rng.uniform(0.1, 0.3, n_rows), 1)
    return frame
