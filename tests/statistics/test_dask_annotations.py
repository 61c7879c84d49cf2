"""Rows on the workers of Dask with weights, labels, errors and missing cells."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask.array as dask_array
import dask.dataframe as frames
import distributed
import numpy as np
import pandas as pd
import pytest

import bayesgmm as bg
from bayesgmm.analysis.data_section import DataSection
from bayesgmm.data import dask_rows, facts_of
from bayesgmm.data.dask_rows import DaskRows
from bayesgmm.errors import ConfigError, DataError
from bayesgmm.limits import MANY_ROWS

pytestmark = [
    pytest.mark.filterwarnings("ignore:1 row with no cell observed"),
    pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame:Warning"),
]

N_ROWS = MANY_ROWS + 1_234
ASKED: dict[str, dict[str, Any]] = {
    "counts": {"weights": "count", "weights_kind": "frequency"},
    "survey": {"weights": "count", "weights_kind": "sampling"},
    "labels": {"labels": "kind"},
    "missing": {"missing": "mar"},
    "errors": {"errors": {"x": "sx", "y": 0.1}},
    "all": {
        "weights": "count", "weights_kind": "frequency", "labels": "kind", "missing": "mar",
        "errors": {"y": 0.2},
    },
}  # fmt: skip
_QUICK: dict[str, Any] = {
    "method": "importance", "draws": 40, "chains": 2, "seed": 1, "log_likelihood": False
}  # fmt: skip


def table_of(what: str, n_rows: int = N_ROWS) -> pd.DataFrame:
    """Two clusters; of the first rows no x is observed, and no class known."""
    rng = np.random.default_rng(7)
    second = rng.random(n_rows) < 0.4
    values = rng.normal(size=(n_rows, 2)) + np.where(second[:, None], [4.0, 1.0], 0.0)
    kind = np.where(second, "b", "a").astype(object)
    kind[rng.random(n_rows) < 0.9] = None
    kind[: n_rows // 4] = None
    frame = pd.DataFrame(values, columns=["x", "y"])
    if what in ("missing", "all"):
        frame.loc[rng.random(n_rows) < 0.2, "x"] = np.nan
        frame.loc[: n_rows // 5, "x"] = np.nan
        frame.loc[n_rows // 2, ["x", "y"]] = np.nan
    frame["count"] = rng.integers(0, 4, n_rows)
    frame["kind"] = kind
    frame["sx"] = np.round(rng.uniform(0.1, 0.3, n_rows), 1)
    return frame


def both(what: str, n_rows: int = N_ROWS) -> tuple[bg.Dataset, bg.Dataset]:
    """The rows in memory, and in six partitions."""
    frame, known = table_of(what, n_rows), ASKED[what]
    collection = frames.from_pandas(frame, npartitions=6)
    there = bg.Dataset.from_dask(collection, ["x", "y"], **known)
    return bg.Dataset.from_frame(frame, ["x", "y"], **known), there


def facts(data: bg.Dataset) -> dict[str, Any]:
    """Return what is known of rows but where they lie and what that makes of their hash."""
    other = ("hash", "source", "left_out")
    return {name: fact for name, fact in facts_of(data).items() if name not in other}


@pytest.mark.parametrize("what", ASKED)
def test_facts_and_fits_are_those_of_rows_in_memory(what: str) -> None:
    here, there = both(what)
    assert facts(there) == facts(here)
    assert there.incomplete == (what in ("missing", "all"))
    np.testing.assert_allclose(there.centre(), here.centre(), rtol=1e-11)
    np.testing.assert_allclose(there.spread(), here.spread(), rtol=1e-11)
    assert np.array_equal(there.ranges(), here.ranges())
    assert np.array_equal(there.smallest_gaps(), here.smallest_gaps())
    assert (there.n_distinct, there.n_counted) == (here.n_distinct, here.n_counted)
    fits = [bg.fit_em(data, 2, seed=1, n_starts=2) for data in (here, there)]
    assert fits[1].log_likelihood == pytest.approx(fits[0].log_likelihood, rel=1e-11)
    assert fits[1].icl == pytest.approx(fits[0].icl, rel=1e-11)
    np.testing.assert_allclose(fits[1].covariances, fits[0].covariances, rtol=1e-7)
