"""The deviation that estimates of many rows have whatever their law is."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayesgmm as bg
from bayesgmm import labels
from bayesgmm.labels import sandwich_deviations
from bayesgmm.posterior.draws import Draws
from bayesgmm.report._write_report import write_report

N_ROWS = 2_000


def rows_of(law: str) -> np.ndarray:
    rng = np.random.default_rng(5)
    if law == "normal":
        return rng.normal(3.0, 2.0, size=(N_ROWS, 1))
    return 3.0 + 2.0 * rng.standard_t(7.0, size=(N_ROWS, 1))


@pytest.fixture
def few_suffice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bayesgmm.labels.sandwich.SANDWICH_ROWS", N_ROWS)


@pytest.mark.usefixtures("few_suffice")
@pytest.mark.parametrize("law", ["normal", "t"])
def test_one_gaussian_has_the_known_deviations(law: str) -> None:
    """Those of a mean and of a standard deviation, by second and fourth moments of the rows."""
    rows = rows_of(law)
    tree = bg.sample(rows, 1, draws=500, seed=1, log_likelihood=False)
    table = bg.summarize(tree)
    centred = rows - rows.mean()
    variance, fourth = (centred**2).mean(), (centred**4).mean()
    of_mean = np.sqrt(variance / N_ROWS)
    of_scale = np.sqrt((fourth - variance**2) / (4.0 * variance * N_ROWS))
    assert table.loc["means[1, x1]", "sd_sandwich"] == pytest.approx(of_mean, rel=0.01)
    assert table["sd_sandwich"].iloc[-1] == pytest.approx(of_scale, rel=0.01)
    wrong = table["sd_sandwich"] / table["sd"]
    assert (wrong.iloc[-1] > 1.2) == (law == "t")


@pytest.mark.usefixtures("few_suffice")
def test_a_row_that_counts_twice_is_two_rows() -> None:
    rows = rows_of("t")[: N_ROWS // 2]
    frame = pd.DataFrame(rows, columns=["x1"])
    twice = bg.Dataset.from_frame(frame, weights=np.full(len(rows), 2.0), weights_kind="frequency")
    options = {"draws": 50, "seed": 1, "log_likelihood": False}
    spec = bg.MixtureSpec(1, resolution=0.01)
    weighted = sandwich_deviations(Draws(bg.sample(twice, spec, **options)))
    written = sandwich_deviations(Draws(bg.sample(np.repeat(rows, 2, axis=0), spec, **options)))
    assert weighted == pytest.approx(written, rel=0.02)


def test_rows_left_in_a_file_are_told_by_some_of_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """20,000 of 60,000 rows with the tails of t, some of which count twice, against all of them."""
    monkeypatch.setattr("bayesgmm.labels.sandwich.SANDWICH_ROWS", 50_000)
    rng = np.random.default_rng(6)
    frame = pd.DataFrame({"x1": rng.standard_t(12.0, 60_000), "count": rng.integers(1, 3, 60_000)})
    frame.to_parquet(tmp_path / "rows.parquet")
    known: dict[str, Any] = {"weights": "count", "weights_kind": "frequency"}
    options: dict[str, Any] = {"draws": 250, "seed": 1, "log_likelihood": False}
    found = []
    for in_memory in (True, False):
        data = bg.Dataset.from_parquet(tmp_path / "rows.parquet", ["x1"], in_memory, **known)
        spec = bg.MixtureSpec(1, resolution=0.01)
        found.append(bg.summarize(bg.sample(data, spec, method="importance", **options)))
    assert (found[1]["sd_sandwich"] > 1.1 * found[1]["sd"]).any()
    # three errors: the deviation of fourth moments of 20,000 such rows is 4 %, of their roots 3 %
    np.testing.assert_allclose(found[1]["sd_sandwich"], found[0]["sd_sandwich"], rtol=0.1)


def test_it_is_of_many_rows_in_one_labelling(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    rows = np.concatenate([rows_of("normal")[:200], 30.0 + rows_of("normal")[:200]])
    options = {"draws": 100, "tune": 200, "seed": 1}
    raw = bg.sample(rows, 2, relabel=None, **options)
    tree = labels.relabel(raw)
    assert "sd_sandwich" not in bg.summarize(tree)
    monkeypatch.setattr("bayesgmm.labels.sandwich.SANDWICH_ROWS", 300)
    assert not sandwich_deviations(Draws(raw))
    table = bg.summarize(tree)
    np.testing.assert_allclose(table["sd_sandwich"], table["sd"], rtol=0.4)
    assert "sandwich sd" in write_report(tree, f"{tmp_path}/report.html").read_text()
