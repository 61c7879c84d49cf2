"""The report of rows with missing cells, weights, labels and errors."""

import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.stats import kurtosis, skew

import bayesgmm as bg
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.observed import observed_group
from bayesgmm.report.annotations import annotations
from bayesgmm.report.counting import _left_out
from bayesgmm.report.data_checks import _predictive
from bayesgmm.report.document import Table, Text
from bayesgmm.report.subject import Subject
from bayesgmm.summary.numbers import significant
from tests.support.prediction_draws import posterior_of, random_parameters

N = 60


def rows():
    rng = np.random.default_rng(5)
    values = 6.0 * (np.arange(N) % 2)[:, None] + rng.normal(size=(N, 2))
    return pd.DataFrame(values, columns=["x1", "x2"])


def subject_for(data):
    """Draws made by hand beside the rows."""
    tree = posterior_of(random_parameters(20, 2, data.n_features, seed=4), data.values)
    tree["observed_data"] = xr.DataTree(observed_group(data))
    return Subject(Draws(tree), SimpleNamespace(status=None), None, None, {})


def told_of(data):
    """Texts and tables of the section on the data."""
    blocks = annotations(subject_for(data))
    texts = " ".join(block.text for block in blocks if isinstance(block, Text))
    return texts, [block for block in blocks if isinstance(block, Table)]


def test_missing_cells_their_patterns_and_the_assumption():
    table = pd.DataFrame(np.random.default_rng(1).normal(size=(N, 12)))
    table.columns = [f"x{j + 1}" for j in range(12)]
    for j in range(12):
        table.iloc[3 * j : 3 * j + 3 - (j == 11), j] = np.nan
    table.iloc[40:45, :9] = np.nan
    assert subject_for(bg.Dataset.from_frame(table, missing="mar")).has_missing
    texts, (by_column, patterns) = told_of(bg.Dataset.from_frame(table, missing="mar"))
    cells = 35 + 45
    assert f"Of 720 cells {cells} are missing" in texts and "20 of 60 rows are complete" in texts
    assert by_column.rows[0] == ("x1", "8", "13.3\N{NO-BREAK SPACE}%")
    assert patterns.rows[0] == ("none", "20")
    assert patterns.rows[1] == ("x1, x2, x3, x4, x5, x6, and 3 more", "5")
    assert len(patterns.rows) == 10
    assert "4 more patterns with 11 rows are not listed" in patterns.caption
    for said in ("missing at random", "not on its own value", "cannot show whether that holds"):
        assert said in texts


@pytest.mark.parametrize(
    ("kind", "said"),
    [("frequency", "stands for w equal rows"), ("sampling", "correct for how rows were selected")],
)
def test_weights_by_their_kind(kind, said):
    weights = np.arange(N) % 4
    data = bg.Dataset.from_frame(rows(), weights=weights, weights_kind=kind)
    texts, tables = told_of(data)
    assert said in texts and not tables
    assert "sum is 90, the largest is 3. 15 rows of weight 0 do not count." in texts


def test_labels_by_class_and_errors_by_column():
    labels = [*["low"] * 5, *["high"] * 7, "low|high", *[None] * (N - 13)]
    table = rows()
    table.iloc[:4, 0] = np.nan
    errors = {"x1": np.linspace(0.1, 0.3, N)}
    data = bg.Dataset.from_frame(table, missing="mar", labels=labels, errors=errors)
    _, (_, _, classes, of_cells) = told_of(data)
    assert classes.rows == (("high", "7"), ("low", "5"), ("one of several", "1"), ("unknown", "47"))
    assert of_cells.rows[0][:2] == ("x1", "56")
    assert of_cells.rows[0][4] == "0.3" and of_cells.rows[0][2] != "0.1"  # the first are missing
    assert of_cells.rows[1] == ("x2", "0", "none", "none", "none")


def test_what_loo_leaves_out_of_a_row():
    table = rows()
    table.iloc[:4, 0] = np.nan
    labels = [*["low"] * 5, *["high"] * 7, *[None] * (N - 12)]
    data = bg.Dataset.from_frame(
        table, missing="mar", labels=labels, weights=1 + np.arange(N) % 2, weights_kind="frequency"
    )
    (said,) = _left_out(subject_for(data))
    for part in ("its observed cells", "one copy of it", "its label"):
        assert part in said.text
    assert _left_out(subject_for(bg.Dataset.from_frame(rows()))) == []


def test_nothing_is_said_of_plain_rows():
    data = bg.Dataset.from_frame(rows(), missing="mar")
    assert told_of(data) == ("", [])


def test_a_whole_report_counts_by_weights_and_names_classes(tmp_path):
    table = rows()
    table.iloc[::6, 1] = np.nan
    labels = ["low" if i % 10 == 0 else "high" if i % 10 == 1 else None for i in range(N)]
    data = bg.Dataset.from_frame(
        table, missing="mar", weights=1 + np.arange(N) % 2, weights_kind="frequency",
        labels=pd.Categorical(labels, ["low", "high"]),
    )  # fmt: skip
    tree = bg.sample(data, bg.MixtureSpec(2, "diag"), draws=100, tune=200, seed=1)
    path = bg.write_report(tree, tmp_path / "report.md", format="md")
    text = re.sub(r"\\(.)", r"\1", path.read_text(encoding="utf-8"))
    for said in (
        "90 rows, 2 features, K = 2",
        "Rows used: 90, by the weights of 60 rows",
        "Each of the n = 90 rows",
        "All clusters have the same prior; the labels tell them apart.",
        "means[low, x1]",
        "| low and high |",
        "There is no comparison with k-means",
        "In all of them the same cells are missing, rows of known class come from it.",
        "weights=weights, weights_kind='frequency', labels=labels)",
        "Each of 18 known labels was left out in turn",
    ):
        assert said in text, said
    assert re.search(r"2 groups of 30, 60 rows", text)


@pytest.mark.parametrize("kind", ["frequency", "sampling"])
def test_checks_are_of_observed_cells_by_weight(kind):
    """The same as of the rows written out; a survey's extremes are not the population's."""
    table, weights = rows(), 1.0 + np.arange(N) % 3
    table.iloc[::6, 1] = np.nan
    data = bg.Dataset.from_frame(table, missing="mar", weights=weights, weights_kind=kind)
    checked, joint = _predictive(subject_for(data))[1:]
    shown = {line[0]: line[1] for line in checked.rows}
    column = np.repeat(table["x2"].to_numpy(), weights.astype(int))
    column = column[~np.isnan(column)]
    assert shown["skewness of x2"] == significant(skew(column))
    assert shown["excess kurtosis of x2"] == significant(kurtosis(column))
    assert ("smallest of x2" in shown) == (kind == "frequency")
    assert "the same cells are missing" in checked.caption
    pairs = np.repeat(table.to_numpy(), weights.astype(int), axis=0)
    pairs = pairs[~np.isnan(pairs).any(axis=1)]
    name, own, *_ = joint.rows[0]
    assert name == "correlation of x1 and x2" and own == significant(np.corrcoef(pairs.T)[0, 1])
