"""Columns of a file or a frame that annotate its rows: read alike, strictly, and no features."""

import warnings

import numpy as np
import pandas as pd
import pytest

from bayesgmm.data import Dataset
from bayesgmm.errors import ConfigError, DataError

OPTIONS = {
    "missing": "mar",
    "weights": "n",
    "weights_kind": "frequency",
    "labels": "kind",
    "errors": {"x": "sx", "y": 0.25},
}


def table(n_rows=40):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(n_rows, 2)).round(6)
    out = pd.DataFrame({"x": x[:, 0], "n": 1 + np.arange(n_rows) % 4, "y": x[:, 1]})
    out["kind"] = ["b", "a", None, "a|b"] * (n_rows // 4)
    out["sx"] = np.linspace(0.1, 1.0, n_rows).round(6)
    out.loc[::5, ["x", "sx"]] = np.nan
    return out


@pytest.mark.parametrize("n_rows", [40, 4000])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_files_and_frames_say_the_same(tmp_path, suffix, n_rows):
    """4,000 rows are read by the compiled reader."""
    frame, path = table(n_rows), tmp_path / f"rows.{suffix}"
    write, read = {
        "csv": (lambda: frame.to_csv(path, index=False), Dataset.from_csv),
        "parquet": (lambda: frame.to_parquet(path), Dataset.from_parquet),
    }[suffix]
    write()
    arrays = {"weights": frame["n"], "labels": frame["kind"], "errors": {"x": frame["sx"]}}
    arrays["errors"]["y"] = 0.25
    given = Dataset.from_frame(frame[["x", "y"]], **{**OPTIONS, **arrays})
    for data in (
        read(path, **OPTIONS),
        read(path, ["x", "y"], **OPTIONS),
        Dataset.from_frame(frame, **OPTIONS),
    ):
        assert data.features == ("x", "y") and data.hash == given.hash
        assert {key: data.options[key] for key in OPTIONS} == OPTIONS
        assert data.annotations.classes == ("a", "b")
        assert data.n_counted == frame["n"].sum()
        assert not set(data.options["left_out"]) & {"n", "kind", "sx"}
    dropped = read(path, **{**OPTIONS, "missing": "drop"})
    kept = frame[frame["x"].notna()]
    assert dropped.n_obs == len(kept) and dropped.n_counted == kept["n"].sum()
    np.testing.assert_array_equal(dropped.annotations.errors[:, 0], kept["sx"])


def test_an_error_may_be_missing_where_its_value_is():
    frame = table()
    seen = Dataset.from_frame(frame, **OPTIONS).annotations.errors
    np.testing.assert_array_equal(seen[:, 0], frame["sx"].fillna(0.0))
    frame.loc[5, "x"] = 0.5
    with pytest.raises(DataError, match="'sx' is not a finite number in row 6"):
        Dataset.from_frame(frame, **OPTIONS)


def test_a_file_says_which_labels_are_unknown(tmp_path):
    path = tmp_path / "rows.csv"
    cells = ["b", " NA ", "?", "a | b", "", "-9"] * 4
    path.write_text("\n".join(["x,kind", *(f"{i * i % 23},{c}" for i, c in enumerate(cells))]))
    known = Dataset.from_csv(path, labels="kind", na=["?", -9]).annotations
    assert known.classes == ("a", "b")
    assert known.possible[:6].sum(axis=1).tolist() == [1, 0, 0, 2, 0, 0]
    frame = pd.DataFrame({"x": np.arange(24.0) ** 2, "kind": [1, 2, -9, None] * 6})
    known = Dataset.from_frame(frame, labels="kind", na=-9).annotations
    assert known.classes == ("1", "2") and known.possible.sum() == 12


@pytest.mark.parametrize(
    ("column", "line", "cell", "said"),
    [
        ("n", 4, "-1", "'n' is below 0 in line 4: -1;"),
        ("n", 7, "", "'n' is not a finite number in line 7"),
        ("n", 7, "two", "column 'n' of .*cannot be weights or errors: .*'two' .line 7.;"),
        ("n", 7, "9007199254740993", "above 2..53"),
        ("kind", 9, "a|", r"'a\|' in line 9 of 'kind' has an empty class beside"),
        ("sx", 3, "0", "'sx' is not above 0 in line 3: 0"),
        ("sx", 3, "-0.5", "'sx' is not above 0 in line 3"),
        ("sx", 3, "inf", "'sx' is not a finite number in line 3"),
        ("sx", 3, "NA", "'sx' is not a finite number in line 3"),
        ("sx", 3, "0,5", "'sx' of .*cannot be weights or errors"),
    ],
)
@pytest.mark.parametrize("n_rows", [40, 4000])
def test_a_wrong_cell_of_a_file_is_named_with_its_line(tmp_path, column, line, cell, said, n_rows):
    frame, path = table(n_rows).astype({"n": object, "sx": object}), tmp_path / "rows.csv"
    frame.loc[line - 2, column] = cell
    frame.to_csv(path, index=False)
    with pytest.raises(DataError, match=said) as caught:
        Dataset.from_csv(path, **OPTIONS)
    assert caught.value.column == column and caught.value.rows == (line,)


def test_what_is_asked_of_columns_is_checked(tmp_path):
    frame, path = table(), tmp_path / "rows.csv"
    frame.to_csv(path, index=False)
    for read, given in ((Dataset.from_csv, path), (Dataset.from_frame, frame)):
        with pytest.raises(ConfigError, match="'sx' holds weights, labels or errors of rows"):
            read(given, ["x", "y", "sx"], **OPTIONS)
        with pytest.raises(DataError, match="no column 'kinds'.*did you mean 'kind'"):
            read(given, **{**OPTIONS, "labels": "kinds"})
        with pytest.raises(ConfigError, match="weights_kind='frequency' if .* got None"):
            read(given, **{**OPTIONS, "weights_kind": None})
        with pytest.raises(DataError, match="no column 'z' among the features"):
            read(given, **{**OPTIONS, "errors": {"z": "sx"}})
    frame.to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(DataError, match="no column 'kinds'.*did you mean 'kind'"):
        Dataset.from_parquet(
            tmp_path / "rows.parquet", engine="dask", **{**OPTIONS, "labels": "kinds"}
        )


def test_the_old_name_of_dropping_rows_serves_once_more():
    frame = table()[["x", "y"]]
    with pytest.warns(FutureWarning, match="drop_missing=True is now missing='drop'; the old"):
        data = Dataset.from_frame(frame, drop_missing=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        assert data.hash == Dataset.from_frame(frame, missing="drop").hash
    with pytest.raises(ConfigError, match="ask for different things"):
        Dataset.from_frame(frame, missing="mar", drop_missing=True)
