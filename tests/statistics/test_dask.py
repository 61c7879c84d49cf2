"""Rows on the workers of Dask: the same bits for any number of them, and when one dies."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import dask.array as dask_array
import dask.dataframe as frames
import distributed
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import bayesgmm as bg
from bayesgmm.data import as_dataset
from bayesgmm.data.dask_rows import DaskRows
from bayesgmm.errors import ConfigError, DataError, ResourceError
from bayesgmm.limits import MANY_ROWS
from bayesgmm.runtime import dask_client

pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame:Warning")

N_ROWS = MANY_ROWS + 1_000
_QUICK: dict[str, Any] = {"draws": 60, "chains": 2, "seed": 1, "log_likelihood": False}


def plain_rows(n: int) -> np.ndarray:
    rng = np.random.default_rng(n)
    return np.array([[0.0, 0.0], [5.0, 1.0]])[rng.integers(2, size=n)] + rng.normal(size=(n, 2))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parquet of four files, one of them without rows, with a column of texts."""
    place, values = tmp_path_factory.mktemp("rows"), plain_rows(N_ROWS)
    cuts = [0, 9_000, 9_000, 15_000, N_ROWS]
    for number, (start, stop) in enumerate(zip(cuts, cuts[1:], strict=False)):
        part = values[start:stop]
        columns = {"x1": part[:, 0], "x2": part[:, 1], "name": ["row"] * len(part)}
        table = pa.table(
            columns, pa.schema({"x1": pa.float64(), "x2": pa.float64(), "name": pa.string()})
        )
        pq.write_table(table, place / f"part{number}.parquet")
    return place


@pytest.fixture
def workers(request: pytest.FixtureRequest) -> Iterator[Any]:
    with distributed.Client(
        n_workers=request.param,
        threads_per_worker=1,
        dashboard_address=":0",
        silence_logs=50,
    ) as client:
        yield client


def drawn(data: bg.Dataset) -> tuple[Any, ...]:
    """Return what passes over the rows find: of a fit, and of draws with evidence and LOO."""
    fit = bg.fit_em(data, 2, seed=1, n_starts=4)
    tree = bg.sample(data, 2, method="importance", **_QUICK)
    return (
        data.hash,
        fit.log_likelihood,
        fit.icl,
        fit.means.tobytes(),
        tree.attrs["importance"],
        tree.posterior.covariances.values.tobytes(),
        bg.loo(tree, data).elpd,
        tree["observed_sample"]["x"].values.tobytes(),
    )


def test_facts_are_those_of_rows_in_memory(folder: Path) -> None:
    values = plain_rows(N_ROWS)
    here = as_dataset(values)
    collections = {
        "array": dask_array.from_array(values, chunks=(7_001, 1)),
        "frame": frames.from_pandas(pd.DataFrame(values, columns=["x1", "x2"]), npartitions=5),
    }
    found = {name: bg.Dataset.from_dask(each) for name, each in collections.items()}
    found["files"] = bg.Dataset.from_parquet(folder, engine="dask")
    for data in found.values():
        assert data.features == ("x1", "x2") and data.n_obs == N_ROWS
        np.testing.assert_allclose(data.centre(), here.centre(), rtol=1e-12)
        np.testing.assert_allclose(data.spread(), here.spread(), rtol=1e-12)
        assert np.array_equal(data.ranges(), here.ranges())
        assert data.n_distinct == here.n_distinct
        assert np.array_equal(np.concatenate([b for _, b in data.blocks()]), values)
        fit = bg.fit_em(data, 2, seed=1, n_starts=4)
        other = bg.fit_em(here, 2, seed=1, n_starts=4)
        assert fit.log_likelihood == pytest.approx(other.log_likelihood, rel=1e-12)
        np.testing.assert_allclose(fit.covariances, other.covariances, rtol=1e-9)
        assert fit.icl == pytest.approx(other.icl, rel=1e-12)
    with pytest.raises(ResourceError, match="were left in"):
        _ = found["frame"].values


@pytest.fixture(scope="module")
def alone(folder: Path) -> tuple[Any, ...]:
    """What this process finds without workers."""
    return drawn(bg.Dataset.from_parquet(folder, engine="dask"))


@pytest.mark.parametrize(
    "workers",
    [pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(4, marks=pytest.mark.slow)],
    indirect=True,
)
def test_any_number_of_workers_gives_the_same_bits(
    workers: Any, folder: Path, alone: tuple[Any, ...]
) -> None:
    assert drawn(bg.Dataset.from_parquet(folder, engine="dask")) == alone


@pytest.mark.slow
@pytest.mark.parametrize("workers", [2], indirect=True)
def test_a_worker_that_dies_changes_nothing(
    workers: Any, folder: Path, alone: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each third pass over the rows begins with the death of a worker, up to three of them."""
    data, killed, passes = bg.Dataset.from_parquet(folder, engine="dask"), [], 0
    whole = DaskRows.each

    def each(self: DaskRows, *arguments: Any, **options: Any) -> Iterator[Any]:
        nonlocal passes
        passes += 1
        if passes % 3 == 0 and len(killed) < 3:
            pids = workers.run(os.getpid)
            killed.append(next(iter(pids.values())))
            found = whole(self, *arguments, **options)
            first = next(found)
            os.kill(killed[-1], signal.SIGKILL)
            yield first
            yield from found
            return
        yield from whole(self, *arguments, **options)

    monkeypatch.setattr(DaskRows, "each", each)
    assert drawn(data) == alone
    assert len(set(killed)) == 3


def test_families_beyond_gaussians_are_drawn_from_too() -> None:
    values = plain_rows(N_ROWS)[:, :1]
    data = bg.Dataset.from_dask(dask_array.from_array(values, chunks=(8_000, 1)))
    for options in ({"family": "t", "nu": 5.0}, {"noise": "uniform"}):
        spec = bg.MixtureSpec(1, **options)
        there, here = (bg.fit_em(each, spec, seed=1, n_starts=2) for each in (data, values))
        assert there.log_likelihood == pytest.approx(here.log_likelihood, rel=1e-11)
        tree = bg.sample(data, spec, method="importance", **_QUICK)
        evidence = bg.log_evidence(tree, seed=1)
        other = bg.log_evidence(bg.sample(values, spec, method="importance", **_QUICK), seed=1)
        assert abs(evidence.value - other.value) < 4 * np.hypot(evidence.error, other.error)


def test_faults_of_rows_are_found_by_workers() -> None:
    values = plain_rows(5_000)
    for change, words in (
        ((4_000, 1, np.nan), r"1 missing value: .* first in row 4001 \('x2'\)"),
        ((2_500, 0, np.inf), r"1 infinite value: .* first in row 2501 \('x1'\)"),
        ((slice(None), 1, 3.0), r"1 column constant: 'x2' \(all 3\)"),
        ((slice(None), 1, 2.0 * values[:, 0]), "collinear"),
    ):
        row, column, cell = change
        wrong = values.copy()
        wrong[row, column] = cell
        with pytest.raises(DataError, match=words):
            bg.Dataset.from_dask(dask_array.from_array(wrong, chunks=(900, 2)))
    code = values.copy()
    code[[5, 4_500], 0] = -999.0
    with pytest.warns(bg.DataWarning, match="holds -999 in 2 rows"):
        bg.Dataset.from_dask(dask_array.from_array(code, chunks=(900, 2)))


def test_what_is_no_collection_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="a Dask array or frame is needed, got ndarray"):
        bg.Dataset.from_dask(plain_rows(30))
    with pytest.raises(DataError, match="must be two-dimensional"):
        bg.Dataset.from_dask(dask_array.ones(10))
    with pytest.raises(ConfigError, match="need the rows in memory"):
        bg.Dataset.from_parquet(folder, engine="dask", missing="drop")
    data = bg.Dataset.from_dask(dask_array.from_array(plain_rows(N_ROWS), chunks=(9_000, 2)))
    with pytest.raises(ResourceError, match="method 'nuts' .* in memory"):
        bg.sample(data, 2, method="nuts")
    monkeypatch.setattr(dask_client, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"Dask is not installed; install bayesgmm\[dask\]"):
        bg.Dataset.from_dask(plain_rows(30))


def test_files_of_other_programs_are_read(tmp_path: Path) -> None:
    """Integers, decimals as Spark writes them, folders by a key, and a column without a value.

    The last file is written by polars, the others by pyarrow.
    """
    number, values = np.arange(60), plain_rows(60)[:, 0]
    for part in range(3):
        rows = slice(20 * part, 20 * part + 20)
        columns = {
            "a": pa.array(number[rows] % 7, pa.int32()),
            "b": values[rows],
            "c": pa.array([Decimal(int(i) % 11) / 4 for i in number[rows]], pa.decimal128(10, 2)),
            "nothing": pa.array([None] * 20, pa.float64()),
        }
        folder = tmp_path / f"key={part}"
        folder.mkdir()
        pq.write_table(pa.table(columns), folder / "part-0.snappy.parquet", row_group_size=7)
    pl.read_parquet(tmp_path / "key=2" / "part-0.snappy.parquet").write_parquet(
        tmp_path / "key=2" / "part-0.snappy.parquet", compression="zstd"
    )
    there = bg.Dataset.from_parquet(tmp_path, ["a", "b", "c"], engine="dask")
    here = bg.Dataset.from_parquet(tmp_path, ["a", "b", "c"])
    left = bg.Dataset.from_parquet(tmp_path, ["a", "b", "c"], in_memory=False)
    assert np.array_equal(np.concatenate([b for _, b in left.blocks(13)]), here.values)
    assert left.hash == here.hash
    assert np.array_equal(np.concatenate([b for _, b in there.blocks()]), here.values)
    some = bg.Dataset.from_dask(dask_array.from_array(here.values, chunks=(9, 3)), ["x3", "x1"])
    assert np.array_equal(np.concatenate([b for _, b in some.blocks()]), here.values[:, [2, 0]])
    assert np.array_equal(there.smallest_gaps(), here.smallest_gaps())
    assert there.n_distinct == here.n_distinct
    tree = bg.sample(there, 1, draws=20, tune=50, seed=1)
    assert np.array_equal(tree["observed_data"]["x"], here.values)
    with pytest.raises(DataError, match="column 'nothing' of the collection has no values"):
        bg.Dataset.from_parquet(tmp_path, ["a", "nothing"], engine="dask")


def test_progress_is_told_by_partitions() -> None:
    data = bg.Dataset.from_dask(dask_array.from_array(plain_rows(N_ROWS), chunks=(5_250, 2)))
    heard: list[tuple[int, int, int]] = []
    bg.sample(data, 1, method="importance", progress=lambda *told: heard.append(told), **_QUICK)
    of_first = [done for chain, done, total in heard if chain == 0 and total == 60]
    assert of_first == sorted(of_first) and of_first[-1] == 60
    assert {15, 30, 45, 60} <= set(of_first), "four partitions of a quarter each"


@pytest.mark.filterwarnings("ignore:Estimated shape")  # filters are the process's, not a thread's
def test_models_are_compared_by_an_executor_with_the_same_results() -> None:
    rows = plain_rows(60)
    options: dict[str, Any] = {"draws": 40, "tune": 80, "seed": 1, "evidence": "none"}
    here = bg.compare(rows, [1, 2], **options)
    with ThreadPoolExecutor(2) as pool:
        there = bg.compare(rows, [1, 2], executor=pool, **options)
    others = there.table.drop(columns="seconds")
    pd.testing.assert_frame_equal(here.table.drop(columns="seconds"), others)
    for model in here.models:
        means = [found.posteriors[model].posterior.means for found in (here, there)]
        assert np.array_equal(*means)
    with pytest.raises(ConfigError, match="executor must have a method submit"):
        bg.compare(rows, [1, 2], executor="local", **options)
    data = bg.Dataset.from_dask(dask_array.from_array(rows, chunks=(30, 2)))
    pool = ThreadPoolExecutor(1)
    with pytest.raises(ConfigError, match="the rows are on Dask workers"):
        bg.compare(data, [1, 2], executor=pool, **options)


@pytest.mark.slow
@pytest.mark.timeout(1_800)  # where nothing is stored it compiles all of NUTS, in minutes
@pytest.mark.parametrize("workers", [1], indirect=True)
def test_workers_of_dask_compare_models(workers: Any) -> None:
    rows = plain_rows(50)
    options: dict[str, Any] = {"draws": 30, "tune": 60, "seed": 1, "evidence": "none"}
    here, there = bg.compare(rows, 1, **options), bg.compare(rows, 1, executor=workers, **options)
    assert np.array_equal(here.posteriors[1].posterior.means, there.posteriors[1].posterior.means)
