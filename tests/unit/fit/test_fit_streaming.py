"""Rows in memory, in chunks, in a memory map, in a Parquet file, in any number of threads."""

import tracemalloc
from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bayesgmm.data import Dataset, as_dataset
from bayesgmm.fit import fit_em, fit_map
from bayesgmm.fit.points import point_of
from bayesgmm.likelihood import rows as expectation
from bayesgmm.likelihood.moments import Moments
from bayesgmm.likelihood.rows import Rows
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import MixtureSpec


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    rng = np.random.default_rng(1)
    centres = np.array([[0.0, 0.0], [6.0, 3.0]])
    return centres[rng.integers(2, size=150_000)] + rng.normal(size=(150_000, 2))


def point() -> np.ndarray:
    return point_of(
        np.array([0.4, 0.6]), np.array([[-1.0, 0.0], [1.0, 0.5]]), np.array([np.eye(2)] * 2)
    )


def sums(values: np.ndarray, n_threads: int) -> Moments:
    data = as_dataset(values)
    resolved = resolve(MixtureSpec(2, resolution=0.0), data)
    return Rows(resolved, data, n_threads).moments(point())


@pytest.mark.parametrize("held_bytes", [0, 2**25])
def test_sums_do_not_depend_on_threads(values, monkeypatch, held_bytes):
    monkeypatch.setattr(expectation, "HELD_BYTES", held_bytes)
    one, three = sums(values, 1), sums(values, 3)
    assert one.log_likelihood == three.log_likelihood
    for a, b in zip(one[1:], three[1:], strict=True):
        assert a.tobytes() == b.tobytes()


def test_streamed_equals_held(values, monkeypatch):
    held = sums(values, 2)
    monkeypatch.setattr(expectation, "HELD_BYTES", 0)
    streamed = sums(values, 2)
    assert streamed.log_likelihood == pytest.approx(held.log_likelihood, rel=1e-13)
    for a, b in zip(held[1:], streamed[1:], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-8)


@pytest.mark.parametrize("held_bytes", [0, 2**25])
@pytest.mark.parametrize("n_rows", [1, expectation.CHUNK, expectation.CHUNK + 1, 140_000])
def test_every_row_is_in_the_sums_once(values, monkeypatch, held_bytes, n_rows):
    """One, two and three chunks: the moments of all rows are those of two parts merged."""
    monkeypatch.setattr(expectation, "HELD_BYTES", held_bytes)
    resolved = resolve(MixtureSpec(2, resolution=0.0), as_dataset(values))
    cut = n_rows // 3
    parts = [values[:n_rows], values[:cut], values[cut:n_rows]]
    whole, *two = (Rows(resolved, part, 2).moments(point()) for part in parts if len(part))
    np.testing.assert_allclose(whole.mass.sum(), n_rows, rtol=1e-12)
    for all_rows, merged in zip(whole, reduce(Moments.merge, two), strict=True):
        np.testing.assert_allclose(all_rows, merged, rtol=1e-9, atol=1e-7)


@pytest.mark.parametrize("fit", [fit_em, fit_map])
def test_files_equal_memory(values, tmp_path, monkeypatch, fit):
    rows = values[:20_000]
    monkeypatch.setattr(expectation, "HELD_BYTES", 0)
    np.save(tmp_path / "rows.npy", rows)
    table = pa.table({"x1": rows[:, 0], "x2": rows[:, 1]})
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=7_000)
    sources = (
        rows,
        np.load(tmp_path / "rows.npy", mmap_mode="r"),
        Dataset.from_parquet(tmp_path / "rows.parquet", in_memory=False),
    )
    first, *others = (
        fit(data, MixtureSpec(2, resolution=0.0), seed=1, n_starts=2) for data in sources
    )
    for other in others:
        assert other.log_likelihood == pytest.approx(first.log_likelihood, rel=1e-9)
        np.testing.assert_allclose(other.means, first.means, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(other.covariances, first.covariances, rtol=1e-9, atol=1e-9)


def test_memory_above_the_data_stays_bounded(values, monkeypatch):
    monkeypatch.setattr(expectation, "HELD_BYTES", 0)
    data = as_dataset(values)
    fit_em(data, 2, seed=1, n_starts=1)
    tracemalloc.start()
    fit_em(data, 2, seed=1, n_starts=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 2**20


def test_a_file_is_never_held_whole(tmp_path):
    columns = {f"x{j}": np.random.default_rng(j).normal(size=400_000) for j in range(3)}
    table = pa.table(columns)
    pq.write_table(table, tmp_path / "rows.parquet", compression="none", use_dictionary=False)
    held = table.nbytes
    del table, columns
    data = Dataset.from_parquet(tmp_path / "rows.parquet", in_memory=False)
    before = pa.total_allocated_bytes()
    above = [pa.total_allocated_bytes() - before for _ in data.blocks()]
    assert sum(len(block) for _, block in data.blocks()) == 400_000
    assert max(above) < held / 4


def test_a_fit_reads_an_array_where_it_lies_and_leaves_it_alone(values):
    given = values.copy()
    fit_em(given, 2, seed=1, n_starts=1)
    tracemalloc.start()
    fit_em(given, 2, seed=1, n_starts=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    held = 2 * given.nbytes  # the blocks and what they are laid out from: below 32 MiB
    assert peak < held + 8 * 2**20
    np.testing.assert_array_equal(given, values)
    assert as_dataset(given, copy=False).hash == as_dataset(given).hash
