"""Parquet in several files, damaged, or changed while results rest on it."""

import os
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bayesgmm import fit_em
from bayesgmm.data import Dataset, is_parquet
from bayesgmm.errors import ConfigError, DataError

ROWS = pd.DataFrame(np.random.default_rng(4).normal(size=(900, 2)), columns=["a", "b"])


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "year=1").mkdir()
    (tmp_path / "_skipped").mkdir()
    ROWS.iloc[:400].to_parquet(tmp_path / "part-0.parquet", index=False)
    ROWS.iloc[400:700].to_parquet(tmp_path / "part-1.parquet", index=False)
    ROWS.iloc[700:].to_parquet(tmp_path / "year=1" / "part-2.pq", index=False)
    ROWS.to_parquet(tmp_path / "_skipped" / "part-3.parquet", index=False)
    return tmp_path


@pytest.mark.parametrize("in_memory", [True, False])
def test_folders_and_patterns_are_read_in_order(folder, in_memory):
    whole = Dataset.from_frame(ROWS)
    assert Dataset.from_parquet(folder, in_memory=in_memory) == whole
    first = Dataset.from_parquet(folder / "part-*.parquet", in_memory=in_memory)
    assert first == Dataset.from_frame(ROWS.iloc[:700])
    blocks = [block for _, block in first.blocks(123)]
    assert [len(block) for block in blocks] == [123] * 5 + [85]
    np.testing.assert_array_equal(np.concatenate(blocks), ROWS.iloc[:700])
    assert is_parquet(str(folder)) and not is_parquet(str(folder / "_skipped" / "x"))
    with pytest.raises(DataError, match=r"no file matches the pattern '.*q-\*"):
        Dataset.from_parquet(folder / "q-*.parquet", in_memory=in_memory)


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_file_that_lacks_a_column_is_named(folder, in_memory):
    ROWS[["a"]].to_parquet(folder / "part-9.parquet", index=False)
    with pytest.raises(DataError, match=r"part-9.parquet' has no column 'b'"):
        Dataset.from_parquet(folder, in_memory=in_memory)
    data = Dataset.from_parquet(folder, ["a"], in_memory)
    assert (data.n_obs, data.features) == (1800, ("a",))


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("compression", ["none", "snappy"])
@pytest.mark.parametrize("place", [0.2, 0.5, 0.8])
def test_damaged_pages_are_errors_in_data(tmp_path, in_memory, place, compression):
    path = tmp_path / "t.parquet"
    table = pa.table(dict(ROWS.items()))
    options = {"row_group_size": 100, "compression": compression, "use_dictionary": False}
    pq.write_table(table, path, write_page_checksum=True, **options)
    raw = bytearray(path.read_bytes())
    start = int(place * (len(raw) - 4096))
    raw[start : start + 64] = bytes(byte ^ 0x15 for byte in raw[start : start + 64])
    path.write_bytes(raw)
    with pytest.raises(DataError) as caught:
        Dataset.from_parquet(path, in_memory=in_memory)
    assert "t.parquet' is damaged" in str(caught.value)
    assert caught.value.__cause__ is None


def longer(path, rows):
    pd.concat([rows, rows.iloc[:5]]).to_parquet(path, index=False)


def touched(path, rows):
    os.utime(path, (time.time() + 5, time.time() + 5))


def renamed(path, rows):
    rows.rename(columns={"b": "c"}).to_parquet(path, index=False)


def whole_numbers(path, rows):
    rows.astype("float32").to_parquet(path, index=False)


@pytest.mark.parametrize(
    "change", [longer, touched, renamed, whole_numbers, lambda p, _: p.unlink()]
)
@pytest.mark.parametrize("use", [lambda d: list(d.blocks()), lambda d: fit_em(d, 2, seed=1)])
def test_a_file_that_changes_is_refused_in_every_pass(folder, change, use):
    data = Dataset.from_parquet(folder, in_memory=False)
    use(data)
    change(folder / "part-1.parquet", ROWS.iloc[400:700])
    with pytest.raises(DataError, match=r"part-1.parquet' has changed since it was opened"):
        use(data)


def test_a_file_that_changes_within_a_pass_is_refused(folder):
    data = Dataset.from_parquet(folder, in_memory=False)
    blocks = data.blocks(100)
    next(blocks)
    touched(folder / "part-0.parquet", None)
    with pytest.raises(DataError, match="part-0.parquet' has changed"):
        list(blocks)


def test_codes_and_missing_rows_need_memory(folder):
    rows = ROWS.copy()
    rows.loc[[3, 8], "b"] = -999.0
    rows.to_parquet(folder / "c.parquet", index=False)
    data = Dataset.from_parquet(folder / "c.parquet", na=-999, missing="drop")
    assert (data.n_obs, data.n_dropped) == (898, 2)
    with pytest.raises(ConfigError, match="in_memory=True"):
        Dataset.from_parquet(folder / "c.parquet", in_memory=False, na=-999)
