import copy
import doctest
import itertools
import pickle
import subprocess
import sys
import tracemalloc
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import bayesgmm.data.checking
import bayesgmm.data.conversion
import bayesgmm.data.cures
import bayesgmm.data.dataset
import bayesgmm.data.dialect
import bayesgmm.data.suspicions
from bayesgmm.data import Dataset, as_dataset, check_components
from bayesgmm.errors import DataError, DataWarning
from tests.support.places import DATA

WHOLE = np.random.default_rng(1).integers(0, 1000, size=(60, 3))
REAL = np.random.default_rng(2).normal(size=(60, 3))
NAMES = ["a", "b", "c"]


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def same(one: Dataset, other: Dataset) -> bool:
    """Whether two data sets agree bit for bit, but perhaps not in their names."""
    return all(
        np.array_equal(x, y)
        for x, y in (
            (one.values, other.values),
            (one.centre(), other.centre()),
            (one.spread(), other.spread()),
            (one.smallest_gaps(), other.smallest_gaps()),
        )
    )


def read_only(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    "form",
    [
        lambda x: x.tolist(),
        lambda x: tuple(map(tuple, x.tolist())),
        lambda x: x.astype(np.int16),
        lambda x: x.astype(np.uint64),
        lambda x: x.astype(np.float32),
        lambda x: x.astype(np.float16),
        lambda x: x.astype(np.longdouble),
        lambda x: x.astype(">f8"),
        lambda x: np.asfortranarray(x, dtype=np.float64),
        lambda x: read_only(x.astype(np.float64)),
        lambda x: np.repeat(np.repeat(x.astype(float), 2, axis=0), 3, axis=1)[::2, ::3],
        lambda x: x.astype(float)[::-1, ::-1].copy()[::-1, ::-1],
        lambda x: np.ma.masked_less(x, -1),
        lambda x: pd.DataFrame(x, columns=NAMES),
        lambda x: pd.DataFrame(x, columns=NAMES).astype("Int64"),
        lambda x: pd.DataFrame(x, columns=NAMES).astype("float32"),
        lambda x: pd.DataFrame(x, columns=NAMES).astype("Float64"),
        lambda x: pd.DataFrame(x, columns=NAMES).astype("int64[pyarrow]"),
        lambda x: pd.DataFrame(x, columns=NAMES).astype("double[pyarrow]"),
        lambda x: pl.DataFrame(x, schema=NAMES),
        lambda x: pl.DataFrame(x, schema=NAMES).cast(pl.Float32),
        lambda x: pa.table(dict(zip(NAMES, x.T.copy(), strict=True))),
    ],
)
def test_every_form_gives_the_same_bits(form):
    given_data = form(WHOLE)
    before = copy.deepcopy(given_data)
    data = as_dataset(given_data)
    assert same(data, as_dataset(WHOLE.astype(np.float64)))
    assert data.values.dtype == np.float64 and data.values.flags.c_contiguous
    assert not data.values.flags.writeable
    assert np.array_equal(np.asarray(given_data), np.asarray(before))


def test_values_are_an_own_copy_unless_they_cannot_change():
    array = REAL.copy()
    data = as_dataset(array)
    array[:] = 0
    assert np.array_equal(data.values, REAL)
    view_of_writeable = REAL.copy()[:]
    view_of_writeable.flags.writeable = False
    assert not np.shares_memory(as_dataset(view_of_writeable).values, view_of_writeable)
    frozen = read_only(REAL)
    assert np.shares_memory(as_dataset(frozen).values, frozen)
    with pytest.raises(ValueError, match="read-only"):
        data.values[0, 0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        next(data.blocks())[1][0, 0] = 1.0


def test_hash_sees_values_shape_and_names_only(tmp_path):
    data = as_dataset(REAL)
    changed = REAL.copy()
    changed[7, 1] = np.nextafter(changed[7, 1], 9)
    assert data == as_dataset(REAL) and hash(data) == hash(as_dataset(REAL))
    assert data != as_dataset(changed)
    assert data != as_dataset(REAL.reshape(90, 2))
    assert data != as_dataset(pd.DataFrame(REAL, columns=NAMES))
    assert as_dataset(data) is data
    assert len(data.hash) == 64 and int(data.hash, 16)
    assert pickle.loads(pickle.dumps(data)) == data


def test_features_labels_and_source_of_each_kind():
    bare = as_dataset(REAL)
    assert (bare.features, bare.row_labels, bare.source) == (("x1", "x2", "x3"), None, "array")
    labels = [f"r{i}" for i in range(60)]
    frame = as_dataset(pd.DataFrame(REAL, index=labels, columns=[1, "b", "c"]))
    assert (frame.features, frame.source) == (("1", "b", "c"), "frame")
    assert frame.row_labels == tuple(labels)
    assert as_dataset(pl.DataFrame(REAL)).row_labels is None
    assert (bare.n_obs, bare.n_features) == (60, 3)


def exact_moments(column: np.ndarray) -> tuple[float, float]:
    cells = [Fraction(float(x)) for x in column]
    mean = sum(cells) / len(cells)
    variance = sum((x - mean) ** 2 for x in cells) / (len(cells) - 1)
    ratio = variance / Fraction(float(np.ptp(column))) ** 2
    return float(mean), float(ratio) ** 0.5 * float(np.ptp(column))


@pytest.mark.parametrize(
    "column",
    [
        REAL[:, 0],
        1e8 + REAL[:, 0],
        1e8 + 1e-4 * REAL[:, 0],
        1e-8 * REAL[:, 0],
        1e8 * REAL[:, 0],
        1e-140 * REAL[:, 0],
        1e149 * REAL[:, 0],
        1 + 1e-12 * REAL[:, 0],
        np.r_[1e6, REAL[:, 0]],
    ],
)
def test_moments_are_exact_at_any_offset_and_scale(column):
    mean, sd = exact_moments(column)
    data = as_dataset(column[:, None])
    assert abs(data.centre()[0] - mean) <= 1e-15 * np.abs(column).max()
    assert data.spread()[0] == pytest.approx(sd, rel=1e-12)


def test_moments_of_many_blocks_and_mixed_scales():
    array = np.random.default_rng(5).normal(size=(40_000, 3)) * [1e-8, 1.0, 1e8] + [0.0, 1e8, 0.0]
    data = as_dataset(array)
    for j in range(3):
        mean, sd = exact_moments(array[:, j])
        assert data.centre()[j] == pytest.approx(mean, rel=1e-13)
        assert data.spread()[j] == pytest.approx(sd, rel=1e-12)


@pytest.mark.parametrize(
    ("values", "step"),
    [
        ([1.0, 1.0, 2.0, 4.0], 1.0),
        ([1.0, 2.0, 4.0], 0.0),
        ([0.1 + 0.2, 0.3, 0.4, 0.6], 0.1),
        ([0.1 + 0.2, 0.3, 0.3, 0.9], 0.6),
        ([5.0, 5.0, 5.0 + 1e-12, 6.5], 1.5),
        ([1e-9, 1e-9, 3e-9], 2e-9),
        ([1e8, 1e8, 1e8 + 0.5], 0.5),
        ([1e8 + 0.1, 1e8 + 0.2, 1e8 + 0.2], 0.1),
    ],
)
def test_smallest_gap_is_the_recording_step_of_ties(values, step):
    gap = as_dataset(np.array(values)[:, None]).smallest_gaps()[0]
    assert gap == pytest.approx(step, rel=1e-6)


def test_recording_steps_of_published_data():
    assert Dataset.from_csv(DATA / "iris.csv").smallest_gaps() == pytest.approx([0.1] * 4)
    faithful = Dataset.from_csv(DATA / "faithful.csv")
    assert faithful.smallest_gaps() == pytest.approx([0.001, 1.0])
    assert Dataset.from_csv(DATA / "galaxies.csv").smallest_gaps().tolist() == [0.0]


@pytest.mark.parametrize("max_rows", [1, 7, 59, 60, 61, 1000])
def test_blocks_cover_the_rows_in_order(max_rows):
    starts, blocks = zip(*as_dataset(REAL).blocks(max_rows), strict=True)
    assert np.array_equal(np.concatenate(blocks), REAL)
    assert max(map(len, blocks)) <= max_rows
    assert list(starts) == list(range(0, 60, max_rows))


@pytest.mark.parametrize("dtype", ["f8", "f4", "i4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_memory_map_gives_the_same_bits(tmp_path, dtype, order):
    mapped = np.memmap(tmp_path / "x.bin", dtype, "w+", shape=(60, 3), order=order)
    mapped[:] = WHOLE
    data = as_dataset(mapped)
    assert same(data, as_dataset(WHOLE)) and data == as_dataset(WHOLE)
    assert np.shares_memory(data.values, mapped) == (dtype == "f8" and order == "C")
    assert not data.values.flags.writeable


def test_memory_map_is_not_loaded(tmp_path):
    mapped = np.memmap(tmp_path / "x.bin", "f4", "w+", shape=(200_000, 8))
    mapped[:] = np.random.default_rng(0).normal(size=mapped.shape)
    tracemalloc.start()
    try:
        data = as_dataset(mapped)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 200_000 * 8 * 8 / 1.5
    assert data.n_distinct == 200_000


@pytest.mark.parametrize("group", [1000, 17_000, 60_000])
def test_parquet_left_in_the_file_gives_the_same_bits(tmp_path, group):
    array = np.random.default_rng(0).normal(size=(50_000, 2)).round(4)
    frame = pl.DataFrame({"a": array[:, 0], "s": "text", "b": array[:, 1]})
    frame.write_parquet(tmp_path / "x.parquet", row_group_size=group)
    whole = Dataset.from_parquet(tmp_path / "x.parquet")
    lazy = Dataset.from_parquet(tmp_path / "x.parquet", in_memory=False)
    assert whole == lazy and whole.n_distinct == lazy.n_distinct
    assert whole.features == lazy.features == ("a", "b")
    assert whole.options["ignored_columns"] == lazy.options["ignored_columns"] == ["s"]
    assert np.array_equal(whole.centre(), lazy.centre())
    assert np.array_equal(whole.spread(), lazy.spread())
    assert np.array_equal(whole.smallest_gaps(), lazy.smallest_gaps())
    for (i, x), (j, y) in zip(whole.blocks(3000), lazy.blocks(3000), strict=True):
        assert i == j and np.array_equal(x, y)


def test_parquet_columns_and_the_index_of_pandas(tmp_path):
    frame = pd.DataFrame(REAL, columns=NAMES, index=np.arange(60) ** 2)
    frame.to_parquet(tmp_path / "x.parquet")
    for in_memory in (True, False):
        data = Dataset.from_parquet(tmp_path / "x.parquet", in_memory=in_memory)
        assert data.features == ("a", "b", "c")
        data = Dataset.from_parquet(tmp_path / "x.parquet", ["c", "a"], in_memory=in_memory)
        assert data == as_dataset(frame[["c", "a"]])


def test_steps_of_rows_left_in_a_file_come_from_an_even_sample(tmp_path, monkeypatch):
    monkeypatch.setattr(bayesgmm.data.recording, "_SAMPLED_VALUES", 20_000)
    array = np.random.default_rng(0).integers(0, 50, size=(50_000, 2)) * [0.5, 2.0]
    pl.DataFrame(array, schema=["a", "b"]).write_parquet(tmp_path / "x.parquet")
    with pytest.warns(DataWarning):
        data = Dataset.from_parquet(tmp_path / "x.parquet", in_memory=False)
    assert data.smallest_gaps().tolist() == [0.5, 2.0]


def test_distinct_rows_are_counted_exactly_then_estimated(monkeypatch):
    array = np.random.default_rng(0).integers(0, 90, size=(3000, 2)) * 0.25
    array[0], array[1] = 0.0, -0.0
    assert as_dataset(array).n_distinct == len(np.unique(array, axis=0))
    monkeypatch.setattr(bayesgmm.data.passes.FirstPass.__init__, "__defaults__", (2000,))
    many = np.random.default_rng(0).normal(size=(50_000, 2))
    assert as_dataset(many).n_distinct == pytest.approx(50_000, rel=0.15)


@pytest.mark.parametrize("n_columns", [1, 2, 3, 4, 5, 7])
def test_rows_of_the_same_numbers_in_another_order_are_distinct(n_columns):
    rows = np.array(list(itertools.product([0.0, 1.0, -1.0], repeat=n_columns)))
    assert as_dataset(np.concatenate([rows, rows])).n_distinct == len(rows)


def test_published_csv_files():
    iris = Dataset.from_csv(DATA / "iris.csv")
    assert iris.features == ("sepal_length", "sepal_width", "petal_length", "petal_width")
    assert iris.options["ignored_columns"] == ["species"]
    assert (iris.n_obs, iris.n_distinct, iris.n_dropped) == (150, 149, 0)
    assert iris.source == str(DATA / "iris.csv")
    reference = pd.read_csv(DATA / "iris.csv").drop(columns="species")
    assert iris == as_dataset(reference)
    assert Dataset.from_frame(pd.read_csv(DATA / "iris.csv")) == iris


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ("a,b\n1.5,-2\n2e3,+4.\n.5,7\n", {}),
        (b"\xef\xbb\xbfa,b\n1.5,-2\n2e3,4\n0.5,7", {}),
        ("a,b\r\n1.5,-2\r\n2E3,4\r\n0.5,7\r\n\r\n\r\n", {}),
        ("a,b\r1.5,-2\r2000,4\r0.5,7\r", {}),
        ('"a", b\n 1.5 ,"-2"\n2000, 4\n0.5,"7"\n', {}),
        ("a;b\n1,5;-2\n2e3;4,0\n,5;7\n", {"sep": ";", "decimal": ","}),
        ("a\tb\n1.5\t-2\n2000\t4\n0.5\t7\n", {"sep": "\t"}),
        ("a,b\n1.5,-2\n2000,4\n0.5,7\n".encode("utf-16"), {"encoding": "utf-16"}),
        ("é,a,b\nü,1.5,-2\nx,2000,4\ny,0.5,7\n".encode("cp1252"), {"encoding": "cp1252"}),
        ('a,note,b\n1.5,"x, ""y""\nz",-2\n2000,,4\n0.5,NA,7\n', {}),
        ("b,a\n-2,1.5\n4,2000\n7,0.5\n", {"columns": ["a", "b"]}),
        ("a,b\n1.5,-2\n,4\n2000,4\nNA,\n0.5,7\n", {"missing": "drop"}),
    ],
)
def test_csv_dialects_that_are_read(tmp_path, content, options):
    data = Dataset.from_csv(write(tmp_path / "x.csv", content), **options)
    assert data.values.tolist() == [[1.5, -2.0], [2000.0, 4.0], [0.5, 7.0]]
    assert data.features == ("a", "b")
    assert data.n_dropped == 2 * (options.get("missing") == "drop")
    assert data.options["missing"] == options.get("missing", "refuse")


def test_csv_of_many_chunks(tmp_path):
    array = np.random.default_rng(0).normal(size=(30_000, 2))
    path = tmp_path / "x.csv"
    pd.DataFrame(array, columns=["a", "b"]).to_csv(path, index=False)
    assert np.array_equal(Dataset.from_csv(path).values, array)
    with path.open("a") as stream:
        stream.write("1,2\n?,3\n")
    with pytest.raises(DataError, match="line 30003") as caught:
        Dataset.from_csv(path)
    assert (caught.value.column, caught.value.rows) == ("a", (30_003,))


def test_csv_lines_count_line_breaks_within_quotes(tmp_path):
    path = write(tmp_path / "x.csv", 'a,note\n1,"two\nlines"\n2,x\n,y\n')
    with pytest.raises(DataError, match="line 5") as caught:
        Dataset.from_csv(path)
    assert caught.value.rows == (5,)
    assert caught.value.counts == {"a": 1}


def test_csv_that_may_not_be_read(tmp_path, monkeypatch):
    def refuse(self):
        raise PermissionError(13, "Permission denied")

    path = write(tmp_path / "x.csv", "a\n1\n2\n")
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DataError, match="Permission denied") as caught:
        Dataset.from_csv(path)
    assert caught.value.path == str(path)


def test_half_of_the_cells_decide_what_is_a_numeric_column(tmp_path):
    mostly_text = write(tmp_path / "t.csv", "a,s\n1,x\n2,y\n4,3\n")
    data = Dataset.from_csv(mostly_text)
    assert (data.features, data.options["ignored_columns"]) == (("a",), ["s"])
    half = write(tmp_path / "h.csv", "a,s\n1,x\n2,4\n4,\n")
    with pytest.raises(DataError, match="'x'"):
        Dataset.from_csv(half)
    assert Dataset.from_csv(half, ["a"]).options["ignored_columns"] == ["s"]


def test_dropped_rows_take_their_labels_with_them():
    frame = pd.DataFrame({"a": [1.0, None, 3.0, 4.0], "b": [1, 2, 3, 8]}, index=list("wxyz"))
    data = Dataset.from_frame(frame, missing="drop")
    assert (data.row_labels, data.n_dropped) == (("w", "y", "z"), 1)
    assert data.kept.tolist() == [0, 2, 3]
    assert data.values.tolist() == [[1.0, 1.0], [3.0, 3.0], [4.0, 8.0]]


def test_duplicates_warn_where_the_caller_stands():
    with pytest.warns(DataWarning, match="3 of 5 rows") as caught:
        as_dataset([[0.0], [1.0], [0.0], [1.0], [1.0]])
    assert caught[0].filename == __file__
    assert as_dataset([[0.0], [1.0], [0.0], [1.0]]).n_distinct == 2


def test_numbers_of_rows_and_components():
    data = as_dataset(REAL[:12])
    check_components(data, 3)
    with pytest.warns(DataWarning, match="prior dominates") as caught:
        check_components(data, 4)
    assert caught[0].filename == __file__
    with pytest.raises(DataError) as error:
        check_components(data, 12)
    assert (error.value.n_obs, error.value.n_components) == (12, 12)


def test_nearly_collinear_and_nearly_constant_columns_are_accepted():
    near = np.c_[REAL[:, 0], REAL[:, 0] + 1e-4 * REAL[:, 1]]
    assert as_dataset(near).n_features == 2
    assert as_dataset(np.c_[REAL[:, 0], 1e8 + 1e-6 * REAL[:, 1]]).n_features == 2
    assert as_dataset([[2.0**53], [1e20]]).n_obs == 2
    with pytest.raises(DataError) as caught:
        as_dataset(np.c_[REAL, REAL[:, 1] + 1e-6 * REAL[:, 2]])
    assert set(caught.value.columns) >= {"x2", "x4"}


@pytest.mark.parametrize("n_features", [2, 5])
@pytest.mark.parametrize("n_far", [1, 2, 5])
@pytest.mark.parametrize("n_rows", [1, 3])
@pytest.mark.parametrize("far", [1e6, 1e12])
def test_far_rows_do_not_make_columns_collinear(n_features, n_far, n_rows, far):
    """The correlation of all rows is singular; that of rows at ordinary distances is not."""
    rng = np.random.default_rng(n_features)
    rows = rng.normal(size=(60, n_features))
    rows[:n_rows, :n_far] += far * rng.choice([-1.0, 1.0], size=(n_rows, 1))
    assert as_dataset(rows).n_features == n_features
    assert as_dataset(1e-8 * rows + 3.0).n_features == n_features
    with pytest.raises(DataError) as caught:
        as_dataset(np.c_[rows, rows[:, :2] @ [2.0, -1.0] + 3.0])
    assert caught.value.columns == ("x1", "x2", f"x{n_features + 1}")


def test_far_rows_of_a_column_that_hardly_varies():
    """More than half of the cells equal: the typical distance is that of the others."""
    rows = np.zeros((40, 2))
    rows[:9, 0], rows[5:14, 1] = np.arange(1, 10), np.arange(2, 20, 2)
    rows[0] = 1e7, 1e7
    with pytest.warns(DataWarning, match="duplicates"):
        assert as_dataset(rows).n_features == 2
    with pytest.raises(DataError, match="'x1', 'x3' are collinear"):
        as_dataset(np.c_[rows, 1.0 - 2.0 * rows[:, 0]])


def test_reading_imports_no_frame_library():
    code = (
        "import sys, bayesgmm.data as d; d.as_dataset([[1], [2]]);"
        "print([m for m in ('pandas', 'polars', 'pyarrow', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("module", ["conversion", "cures", "dataset", "dialect", "suspicions"])
def test_examples_of_the_docstrings(module):
    result = doctest.testmod(getattr(bayesgmm.data, module))
    assert result.attempted and not result.failed
