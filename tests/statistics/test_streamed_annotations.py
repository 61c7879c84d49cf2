"""Rows with weights, labels, errors and missing cells, left in a file: the bits of memory."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayesgmm as bg
from bayesgmm.data import facts_of
from bayesgmm.errors import ConfigError, DataError
from bayesgmm.limits import MANY_ROWS
from tests.support.annotated_tables import ASKED as OTHERS
from tests.support.annotated_tables import COUNTS, annotated_table

N_ROWS = MANY_ROWS + 1_234
ASKED: dict[str, dict[str, Any]] = {"weights": COUNTS, **OTHERS}


def table_of(what: str) -> pd.DataFrame:
    """The table; where cells are missing, one row has none."""
    frame = annotated_table(what, N_ROWS)
    if what in ("missing", "all"):
        frame.loc[5, ["x", "y"]] = np.nan
    return frame


def both(folder: Path, what: str) -> tuple[bg.Dataset, bg.Dataset]:
    """The rows in memory, and left in two files of other row groups."""
    frame = table_of(what)
    frame[:9_000].to_parquet(folder / "one.parquet", row_group_size=2_000)
    frame[9_000:].to_parquet(folder / "two.parquet", row_group_size=7_777)
    known, columns = ASKED[what], ["x", "y"]
    left = bg.Dataset.from_parquet(folder, columns, in_memory=False, **known)
    return bg.Dataset.from_parquet(folder, columns, **known), left


@pytest.mark.filterwarnings("ignore:1 row with no cell observed")
@pytest.mark.parametrize("what", ASKED)
def test_facts_and_fits_are_those_of_rows_in_memory(what: str, tmp_path: Path) -> None:
    held, left = both(tmp_path, what)
    assert not left.in_memory
    facts = [facts_of(data) | {"left_out": None} for data in (left, held)]  # read only in memory
    assert facts[0] == facts[1]
    assert left.centre().tobytes() == held.centre().tobytes()
    assert left.spread().tobytes() == held.spread().tobytes()
    assert left.smallest_gaps().tobytes() == held.smallest_gaps().tobytes()
    assert (left.n_distinct, left.n_counted) == (held.n_distinct, held.n_counted)
    fits = [bg.fit_em(data, 2, seed=1, n_starts=2) for data in (held, left)]
    assert fits[0].log_likelihood == fits[1].log_likelihood
    assert fits[0].icl == fits[1].icl
    assert fits[0].covariances.tobytes() == fits[1].covariances.tobytes()


@pytest.mark.filterwarnings("ignore:1 row with no cell observed")
def test_draws_criteria_and_predictions_are_those_of_rows_in_memory(tmp_path: Path) -> None:
    held, left = both(tmp_path, "all")
    options: Any = {"method": "importance", "draws": 40, "seed": 1, "log_likelihood": False}
    trees = [bg.sample(data, 2, chains=2, **options) for data in (held, left)]
    means = [tree.posterior.means.values for tree in trees]
    assert means[0].tobytes() == means[1].tobytes()
    assert bg.log_evidence(trees[0]).value == bg.log_evidence(trees[1]).value
    found = [bg.waic(tree, data).elpd for tree, data in zip(trees, (held, left), strict=True)]
    assert found[0] == found[1]
    sample = trees[1]["observed_sample"]
    assert sample.sizes["obs"] == MANY_ROWS
    kept = held.annotations.weights[sample["obs"].values]  # type: ignore[union-attr,index]
    assert np.array_equal(sample["weights"].values, kept)
    path = bg.write_predictions(trees[1], left, tmp_path.parent / "predictions.parquet")
    assert len(pd.read_parquet(path)) == N_ROWS


@pytest.mark.parametrize(
    "spec", [bg.MixtureSpec(2, family="t"), bg.MixtureSpec(2, noise="uniform")], ids=str
)
def test_other_families_and_noise_too(spec: bg.MixtureSpec, tmp_path: Path) -> None:
    fits = [bg.fit_em(data, spec, seed=1, n_starts=2) for data in both(tmp_path, "labels")]
    assert fits[0].log_likelihood == fits[1].log_likelihood
    assert fits[0].means.tobytes() == fits[1].means.tobytes()


@pytest.mark.filterwarnings("ignore:1 row with no cell observed")
def test_few_rows_in_a_file_are_those_in_memory(tmp_path: Path) -> None:
    frame = table_of("missing")[:60]
    frame.to_parquet(tmp_path / "few.parquet")
    known: Any = {"missing": "mar", "labels": "kind"}
    held, left = (
        bg.Dataset.from_parquet(tmp_path / "few.parquet", ["x", "y"], in_memory, **known)
        for in_memory in (True, False)
    )
    fits = [bg.fit_map(data, 2, seed=1, n_starts=2) for data in (held, left)]
    assert fits[0].log_posterior == fits[1].log_posterior
    trees = [bg.sample(data, 2, draws=20, tune=30, seed=1) for data in (held, left)]
    assert trees[0].posterior.equals(trees[1].posterior)


def test_what_the_file_cannot_say_is_refused(tmp_path: Path) -> None:
    frame = table_of("missing")
    frame.to_parquet(tmp_path / "rows.parquet")
    path = tmp_path / "rows.parquet"
    with pytest.raises(DataError, match="missing values?: .* in column 'x'"):
        bg.Dataset.from_parquet(path, ["x", "y"], in_memory=False, labels="kind")
    with pytest.raises(ConfigError, match="missing='drop' need the rows in memory"):
        bg.Dataset.from_parquet(path, ["x", "y"], in_memory=False, missing="drop")
    with pytest.raises(DataError, match="'nobody'"):
        bg.Dataset.from_parquet(path, ["x"], in_memory=False, labels="nobody")
    frame["count"] = -1
    frame[["y", "count"]].to_parquet(path)
    known: Any = {"weights": "count", "weights_kind": "frequency"}
    with pytest.raises(DataError, match="'count' is below 0 in row 1"):
        bg.Dataset.from_parquet(path, in_memory=False, **known)
