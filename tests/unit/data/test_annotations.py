"""What is known of rows beside their values: read, checked, counted, and in the hash."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from bayesgmm.data import Dataset, account, facts_of
from bayesgmm.data.incomplete import NormalSums, completed
from bayesgmm.errors import ConfigError, DataError, DataWarning
from bayesgmm.fit import fit_em
from bayesgmm.model.spec import MixtureSpec


def frame(**columns):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(30, 2))
    return pd.DataFrame({"x": x[:, 0], "y": x[:, 1] + 0.5 * x[:, 0], **columns})


def holes(**columns):
    out = frame(**columns)
    out.loc[::3, "y"] = np.nan
    return out


def test_nothing_known_is_no_annotation():
    data = Dataset.from_frame(frame())
    assert data.annotations is None and data.n_counted == data.n_obs == 30
    assert data.hash == Dataset.from_frame(frame(), missing="drop").hash


def test_missing_cells_are_kept_dropped_or_refused():
    with pytest.raises(DataError, match="10 missing values: 10 in column 'y'"):
        Dataset.from_frame(holes())
    assert Dataset.from_frame(holes(), missing="drop").n_obs == 20
    kept = Dataset.from_frame(holes(), missing="mar")
    assert kept.n_obs == 30 and np.isnan(kept.values[::3, 1]).all()
    assert kept.annotations.weights is None
    assert kept.hash != Dataset.from_frame(frame(), missing="mar").hash


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_files_and_frames_are_taken_alike(tmp_path, suffix):
    path = tmp_path / f"rows.{suffix}"
    write, read = {
        "csv": (lambda table: table.to_csv(path, index=False), Dataset.from_csv),
        "parquet": (lambda table: table.to_parquet(path), Dataset.from_parquet),
    }[suffix]
    write(holes())
    for missing, n_obs in (("mar", 30), ("drop", 20)):
        data = read(path, missing=missing)
        assert data.n_obs == n_obs
        assert data.hash == Dataset.from_frame(holes(), missing=missing).hash
    with pytest.raises(ConfigError, match="missing"):
        read(path, missing="mnar")
    with pytest.raises(DataError, match="missing value"):
        read(path)
    write(frame())
    assert read(path, missing="mar").annotations is None


def test_large_files_keep_their_missing_cells(tmp_path):
    """Those that the compiled reader takes."""
    rng = np.random.default_rng(2)
    table = pd.DataFrame(rng.normal(size=(4000, 3)), columns=["x", "y", "z"])
    table.loc[::7, "y"] = np.nan
    table.to_csv(tmp_path / "rows.csv", index=False)
    data = Dataset.from_csv(tmp_path / "rows.csv", missing="mar")
    np.testing.assert_array_equal(np.isnan(data.values), table.isna())


def normal_of(values):
    sums = NormalSums(np.nanmean(values, axis=0))
    for part in np.array_split(values, 3):
        sums.add(part, np.ones(len(part)))
    return sums.fit()


def test_centre_and_spread_are_those_of_one_normal_fitted_to_what_is_observed():
    data = Dataset.from_frame(holes(), missing="mar")
    fit = fit_em(data, MixtureSpec(1, resolution=0), seed=1, tol=1e-14)
    np.testing.assert_allclose(data.centre(), fit.means[0], rtol=1e-8)
    deviations = np.sqrt(np.diag(fit.covariances[0]) * 30 / 29)
    np.testing.assert_allclose(data.spread(), deviations, rtol=1e-8)
    whole = frame()
    normal = normal_of(whole.to_numpy())
    np.testing.assert_allclose(normal.mean, whole.mean(), rtol=1e-12)
    np.testing.assert_allclose(normal.covariance, np.cov(whole.T, bias=True), rtol=1e-12)


def test_missing_cells_are_filled_from_the_conditional_normal():
    rng = np.random.default_rng(1)
    x = rng.multivariate_normal([1.0, -2.0], [[1.0, 0.8], [0.8, 2.0]], size=40_000)
    hidden = x.copy()
    hidden[x[:, 0] > 1.0, 1] = np.nan  # at random, given the other column
    filled = completed(hidden, normal_of(hidden), rng)
    np.testing.assert_array_equal(filled[~np.isnan(hidden)], hidden[~np.isnan(hidden)])
    np.testing.assert_allclose(filled.mean(axis=0), [1.0, -2.0], atol=0.05)
    np.testing.assert_allclose(np.cov(filled.T), [[1.0, 0.8], [0.8, 2.0]], atol=0.06)


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame])
def test_columns_of_a_frame_and_arrays_say_the_same(library):
    n, kind = [1 + i % 4 for i in range(30)], ["a", "b", None] * 10
    sd = np.linspace(0.1, 1.0, 30)
    named = Dataset.from_frame(
        library({**frame().to_dict("list"), "n": n, "kind": kind, "sd": sd}),
        weights="n", weights_kind="frequency", labels="kind", errors={"y": "sd"},
    )  # fmt: skip
    given = Dataset.from_frame(
        frame(), weights=n, weights_kind="frequency", labels=kind, errors={"y": sd}
    )
    assert named.features == ("x", "y") and named.hash == given.hash
    known = named.annotations
    assert known.classes == ("a", "b") and known.possible.sum() == 20
    np.testing.assert_array_equal(known.weights, n)
    np.testing.assert_array_equal(known.errors, np.column_stack([np.zeros(30), sd]))
    assert named.n_counted == sum(n)


def test_each_annotation_is_in_the_hash():
    ones, kind = np.ones(30), ["a", "b"] * 15
    options = [
        {"missing": "mar"},
        {"weights": ones, "weights_kind": "frequency"},
        {"weights": ones, "weights_kind": "sampling"},
        {"weights": 2 * ones, "weights_kind": "frequency"},
        {"labels": kind},
        {"labels": kind[::-1]},
        {"labels": ["c", "b"] * 15},
        {"errors": {"x": 0.1}},
        {"errors": {"y": 0.1}},
    ]
    assert len({Dataset.from_frame(frame(), **o).hash for o in options}) == len(options)


def test_frequency_weights_are_duplicates():
    """Centre, spread and recording step too: a row that counts twice is tied with itself."""
    n = np.array([1 + i % 3 for i in range(30)])
    data = Dataset.from_frame(frame(), weights=n, weights_kind="frequency")
    copies = Dataset.from_frame(frame().loc[np.repeat(np.arange(30), n)].reset_index(drop=True))
    assert data.n_counted == copies.n_obs and data.n_distinct == copies.n_distinct
    for fact in ("centre", "spread", "smallest_gaps"):
        ours, theirs = getattr(data, fact)(), getattr(copies, fact)()
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    assert (data.smallest_gaps() > 0.0).all() and not Dataset.from_frame(
        frame()
    ).smallest_gaps().any()


def test_classes_are_sorted_or_in_the_order_of_categories():
    kind = ["low", "high", "low|high"] * 10
    for labels, classes in (
        (kind, ("high", "low")),
        (
            pd.Categorical(["low", "high", None] * 10, ["low", "high", "top"]),
            ("low", "high", "top"),
        ),
    ):
        data = Dataset.from_frame(frame(kind=labels), labels="kind")
        assert data.annotations.classes == classes
    allowed = Dataset.from_frame(frame(), labels=kind).annotations.allowed(3)
    assert allowed[:3].tolist() == [[False, True, False], [True, False, False], [True, True, False]]
    unknown = Dataset.from_frame(frame(), labels=["a", None, "b"] * 10).annotations.allowed(3)
    assert unknown[1].all() and unknown[0].tolist() == [True, False, False]
    with pytest.raises(ConfigError, match="name 2 classes.*at least 2 components, got 1"):
        fit_em(Dataset.from_frame(frame(), labels=kind), 1)


def test_labels_are_read_as_people_write_them():
    missing = pd.array(["a", pd.NA, "b"] * 10, dtype="string")
    data = Dataset.from_frame(frame(kind=missing), labels="kind")
    assert data.annotations.classes == ("a", "b") and data.annotations.possible.sum() == 20
    spaced = Dataset.from_frame(frame(), labels=["a | b", "b", "a"] * 10).annotations
    assert spaced.classes == ("a", "b") and spaced.possible[0].all()
    numbers = Dataset.from_frame(frame(), labels=[2, 10, 1] * 10).annotations
    assert numbers.classes == ("1", "2", "10")
    with pytest.raises(DataError, match=r"'a\|' in row 1 of 'labels' has an empty class beside"):
        Dataset.from_frame(frame(), labels=["a|", "b", "a"] * 10)
    with pytest.raises(DataError, match="not a finite number in row 2"):
        weights = pd.array([1, pd.NA, 2] * 10, dtype="Int64")
        Dataset.from_frame(frame(n=weights), weights="n", weights_kind="frequency")


def test_classes_that_no_label_tells_apart_are_alike():
    never = pd.Categorical(["a", "b", None] * 10, ["a", "b", "c"])
    assert Dataset.from_frame(frame(kind=never), labels="kind").annotations.class_groups == (
        0,
        1,
        -1,
    )
    sets = Dataset.from_frame(frame(), labels=["a", "b|c", ""] * 10).annotations
    assert sets.class_groups == (0, 1, 1)


def test_rows_that_count_are_counted():
    """Rows of weight 0 are absent from counts, and two distinct rows of weight 50 are 100 rows."""
    weights = np.r_[np.full(10, 2.0), np.zeros(20)]
    for kind, n in (("frequency", 20.0), ("sampling", 10)):
        assert Dataset.from_frame(frame(), weights=weights, weights_kind=kind).n_counted == n


def test_what_is_known_of_rows_is_told_before_any_work():
    data = Dataset.from_frame(
        holes(),
        missing="mar",
        weights=[0, 2.5, *[1] * 28],
        weights_kind="frequency",
        labels=["b", "a|b", None, *["a"] * 5, *[None] * 22],
        errors={"x": 0.5, "y": np.linspace(0.1, 0.2, 30)},
    )
    told = dict(account(facts_of(data)))
    assert told["missing"] == "10 of 'y'; 20 complete rows, 2 patterns"
    assert told["weights"] == "frequency, sum 30.5, largest 2.5; 1 row of weight 0"
    assert told["labels"] == "'a' 5, 'b' 1; 1 row of several classes; 23 unknown"
    assert told["errors"] == "'x' 0.5, 'y' 0.1 to 0.2"
    assert told["cost"].startswith("21 different patterns") and "about 840 complete" in told["cost"]
    few = Dataset.from_frame(holes(), missing="mar")
    assert facts_of(few)["groups"] == 2 and "cost" not in dict(account(facts_of(few)))
    plain = facts_of(Dataset.from_frame(frame()))
    assert not {"weights", "labels", "errors"} & set(plain) and plain["missing"] == {}


def test_what_is_hardly_observed_is_named():
    few = frame()
    few.loc[5:, "y"] = np.nan
    with pytest.warns(DataWarning, match=r"fewer than 10 rows show both of 'x' and 'y' \(5\)"):
        Dataset.from_frame(few, missing="mar")
    empty = frame()
    empty.loc[[3, 7], :] = np.nan
    with pytest.warns(DataWarning, match="2 rows with no cell observed, first row 4: kept"):
        assert Dataset.from_frame(empty, missing="mar").n_obs == 30


def with_cell(values, row, value):
    out = list(values)
    out[row] = value
    return out


ONES = [1.0] * 30
KINDS = ["a", "b"] * 15
FREQUENCY = {"weights_kind": "frequency"}
WRONG = {
    "weights without a kind": (ConfigError, {"weights": ONES}, "kind of the weights must be given"),
    "weights of another kind": (
        ConfigError,
        {"weights": ONES, "weights_kind": "importance"},
        "kind",
    ),
    "a kind without weights": (ConfigError, FREQUENCY, "give weights"),
    "a negative weight": (
        DataError,
        {"weights": with_cell(ONES, 4, -1.0), **FREQUENCY},
        "below 0 in row 5",
    ),
    "a missing weight": (
        DataError,
        {"weights": with_cell(ONES, 4, None), **FREQUENCY},
        "not a finite number in row 5",
    ),
    "a weight that is NaN": (
        DataError,
        {"weights": with_cell(ONES, 0, np.nan), **FREQUENCY},
        "in row 1",
    ),
    "an infinite weight": (
        DataError,
        {"weights": with_cell(ONES, 29, np.inf), **FREQUENCY},
        "in row 30",
    ),
    "two infinite weights": (
        DataError,
        {"weights": [np.inf, np.inf, *ONES[2:]], **FREQUENCY},
        "and in 1 more",
    ),
    "weights of 0": (
        DataError,
        {"weights": [0.0] * 30, **FREQUENCY},
        "all weights in 'weights' are 0",
    ),
    "one row that counts": (
        DataError,
        {"weights": [1.0] + [0.0] * 29, **FREQUENCY},
        "constant|cannot show",
    ),
    "few weights": (DataError, {"weights": ONES[:29], **FREQUENCY}, "29 numbers for 30 rows"),
    "many weights": (DataError, {"weights": [*ONES, 1.0], **FREQUENCY}, "31 numbers for 30 rows"),
    "weights of text": (
        DataError,
        {"weights": ["one"] * 30, **FREQUENCY},
        "must hold one number per row",
    ),
    "weights in two columns": (
        DataError,
        {"weights": np.ones((30, 2)), **FREQUENCY},
        "one number per row",
    ),
    "no column of weights": (DataError, {"weights": "n", **FREQUENCY}, "'n'"),
    "few labels": (DataError, {"labels": KINDS[:-1]}, "29 labels for 30 rows"),
    "many labels": (DataError, {"labels": [*KINDS, "a"]}, "31 labels for 30 rows"),
    "labels that are all unknown": (
        DataError,
        {"labels": [None] * 30},
        "all labels in 'labels' are unknown",
    ),
    "labels that are all empty": (DataError, {"labels": [""] * 30}, "unknown"),
    "labels that are all NaN": (DataError, {"labels": [np.nan] * 30}, "unknown"),
    "no column of labels": (DataError, {"labels": "kind"}, "'kind'"),
    "an error of 0": (DataError, {"errors": {"x": 0.0}}, "not above 0 in row 1"),
    "a negative error": (
        DataError,
        {"errors": {"x": with_cell(ONES, 6, -0.1)}},
        "not above 0 in row 7",
    ),
    "a missing error": (
        DataError,
        {"errors": {"x": with_cell(ONES, 6, None)}},
        "not a finite number in row 7",
    ),
    "an infinite error": (
        DataError,
        {"errors": {"y": with_cell(ONES, 6, np.inf)}},
        "not a finite number in row 7",
    ),
    "few errors": (DataError, {"errors": {"y": ONES[:3]}}, "3 numbers for 30 rows"),
    "errors of text": (DataError, {"errors": {"y": ["small"] * 30}}, "one number per row"),
    "errors of no feature": (DataError, {"errors": {"z": 0.1}}, "'z'"),
    "no column of errors": (DataError, {"errors": {"x": "sx"}}, "'sx'"),
    "another way with missing cells": (ConfigError, {"missing": "mnar"}, "missing"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_annotations_are_refused_with_column_and_row(name):
    error, options, message = WRONG[name]
    with pytest.raises(error, match=message) as caught:
        Dataset.from_frame(frame(), **options)
    assert str(caught.value).endswith((".", "?"))


HOLES = {
    "a column that is never observed": (["y"], slice(None), "'y' of the frame has no values"),
    "columns that are never observed together": (
        ["x", "y"],
        None,
        "'x' and 'y' are never observed together",
    ),
    "a column observed once": (["y"], slice(1, None), "column constant: 'y'"),
}


@pytest.mark.parametrize("name", HOLES)
def test_what_cannot_be_identified_is_refused(name):
    columns, rows, message = HOLES[name]
    data = frame()
    if rows is None:
        data.loc[:14, columns[0]], data.loc[15:, columns[1]] = np.nan, np.nan
    else:
        data.loc[rows, columns[0]] = np.nan
    with pytest.raises(DataError, match=message):
        Dataset.from_frame(data, missing="mar")


@pytest.mark.parametrize("cell", [np.inf, -np.inf, 1e200])
def test_cells_that_no_fit_can_take_are_refused(cell):
    data = holes()
    data.loc[4, "x"] = cell
    kind = "infinite" if np.isinf(cell) else "huge"
    with pytest.raises(DataError, match=f"1 {kind} value: 1 in column 'x'; first in row 5 .'x'.;"):
        Dataset.from_frame(data, missing="mar")


def test_columns_that_follow_from_others_are_refused_where_cells_are_missing():
    data = frame()
    data["z"] = data["x"] - 2.0 * data["y"]
    data.loc[::4, "y"] = np.nan
    with pytest.raises(DataError, match="collinear"):
        Dataset.from_frame(data, missing="mar")


def test_a_label_beside_the_categories_is_refused():
    labels = pl.Series("kind", ["a", "b"] * 15).cast(pl.Enum(["a", "b", "a|z"]))
    table = pl.from_pandas(frame()).with_columns(labels.replace({"b": "a|z"}))
    with pytest.raises(DataError, match="label 'z' in row 2 of 'kind' is not one of its"):
        Dataset.from_frame(table, labels="kind")
