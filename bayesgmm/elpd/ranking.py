"""Rank models by their expected log predictive density."""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["rank"]


def rank(elpds: Mapping[int, Any]) -> "pd.DataFrame":
    """Compare the elpd of several K by ArviZ: elpd_diff, se_diff and stacking weight, by K.

    Each row of the data is shifted by its largest value over the models first: differences and
    weights do not depend on it, and without it the weights underflow for rows of very low density.
    """
    import arviz as az
    import pandas as pd

    if len(elpds) == 1:
        alone = {"elpd_diff": 0.0, "se_diff": 0.0, "weight": 1.0}
        return pd.DataFrame([alone], index=list(elpds)).rename_axis("K")
    largest = np.max([np.asarray(e.elpd_i) for e in elpds.values()], axis=0)
    shifted = {
        str(k): replace(e, elpd=e.elpd - largest.sum(), elpd_i=e.elpd_i - largest)
        for k, e in elpds.items()
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        table = az.compare(shifted, round_to="none")
    table.index = table.index.astype(int)
    table = table.rename(columns={"dse": "se_diff"}).sort_index().rename_axis("K")
    return table[["elpd_diff", "se_diff", "weight"]].astype(float)
