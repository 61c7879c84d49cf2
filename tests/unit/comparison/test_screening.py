"""Which models are sampled where all structures are compared, and what is said of it."""

import logging

import numpy as np
import pandas as pd
import pytest

from bayesgmm.cli import main
from bayesgmm.comparison.screening import screened
from bayesgmm.data import as_dataset
from bayesgmm.fit import fit_em
from bayesgmm.limits import SCREENED
from bayesgmm.model.several import same_models
from bayesgmm.model.spec import COVARIANCES, MixtureSpec

ROWS = np.random.default_rng(1).normal(size=(60, 2)) * [1.0, 3.0] + [[0, 0], [7, 2]] * 30
FAMILIES = {"family": "normal", "noise": None, "nu": "shared"}


def models_of(counts, n_features):
    specs = [MixtureSpec(k, name) for k in counts for name in COVARIANCES]
    same = same_models(specs, n_features)
    return [spec for spec in specs if spec not in same]


def test_the_best_by_bic_are_kept(caplog):
    models, data = models_of([1, 2, 3], 2), as_dataset(ROWS)
    with caplog.at_level(logging.INFO):
        found = screened(data, models, FAMILIES, seed=1)
    bics = {spec: fit_em(data, spec, seed=1).bic for spec in models}
    best = sorted(models, key=bics.get)[:SCREENED]
    assert set(found.kept) == set(best)
    assert [spec.n_components for spec in found.kept] == sorted(s.n_components for s in best)
    assert found.n_models == len(models) == 19
    assert found.note.startswith("Of 19 models the 5 best by BIC were sampled; 14 were left out")
    assert found.note in caplog.text


def test_a_structure_without_posterior_that_is_ahead_is_named(iris):
    found = screened(iris, models_of([2, 3], 4), FAMILIES, seed=1)
    assert (
        "VEV with K = 2 is better than all of them by 12.3, but it has no posterior" in found.note
    )
    assert "The nearest structure that has one is full" in found.note
    assert all(spec.covariance in COVARIANCES for spec in found.kept)


def test_few_models_are_not_screened():
    models = models_of([1, 2], 1)
    assert len(models) <= SCREENED
    assert screened(as_dataset(ROWS[:, :1]), models, FAMILIES, seed=1) is None


def test_families_are_screened_together():
    families = [{"family": f, "noise": n} for f in ("normal",) for n in (None, "uniform")]
    models = [MixtureSpec(2, name, **kind) for name in COVARIANCES for kind in families]
    asked = {"family": "normal", "noise": [None, "uniform"], "nu": "shared"}
    found = screened(as_dataset(ROWS), models, asked, seed=1)
    assert len(found.kept) == SCREENED and set(found.kept) <= set(models)


def test_numbers_of_factors_are_screened_beside_all_structures():
    """The model of the rows is among the best five."""
    kinds = [MixtureSpec(1, name) for name in ("full", "diag", "spherical")]
    kinds += [MixtureSpec(k, "factor", n_factors=q) for k in (1, 2) for q in (1, 2)]
    found = screened(as_dataset(rows_with_a_factor()), kinds, FAMILIES, seed=1)
    numbers = found.table.loc[found.table["covariance"] == "factor", "n_factors"]
    assert numbers.tolist() == [1, 2, 1, 2]
    assert len(found.kept) == SCREENED and MixtureSpec(1, "factor", n_factors=1) in found.kept
    best = found.table["bic"].astype(float).idxmin(), found.table.sort_values("bic").iloc[0]
    assert (best[0], best[1]["covariance"], best[1]["n_factors"]) == (1, "factor", 1)


def test_the_command_line_says_what_was_sampled_and_the_report_shows_all(tmp_path, capsys):
    pd.DataFrame(ROWS, columns=["a", "b"]).to_csv(tmp_path / "rows.csv", index=False)
    out = tmp_path / "out"
    options = ["--covariance", "all", "-k", "1-2", "--draws", "100", "--tune", "200"]
    options += ["--evidence", "none", "--seed", "1", "--out", str(out)]
    main(["compare", str(tmp_path / "rows.csv"), *options])
    printed = " ".join(capsys.readouterr().out.split())
    assert "Of 11 models the 5 best by BIC were sampled; 6 were left out" in printed
    assert len(pd.read_csv(out / "comparison.csv")) == SCREENED
    page = (out / "report.html").read_text()
    assert "Of 11 models the 5 best by BIC were sampled" in page
    assert "BIC above the smallest, by covariance structure" in page
    assert "VEV" in page  # fitted, though it has no posterior


def rows_with_a_factor():
    """Return rows of one cluster in which one factor moves six features."""
    rng = np.random.default_rng(3)
    loadings = [2.0, 1.5, -1.0, 1.0, 2.0, -2.0]
    return rng.normal(size=(120, 1)) * loadings + rng.normal(size=(120, 6))


@pytest.mark.slow
def test_a_model_file_and_the_command_line_screen_factors_alike(tmp_path, capsys):
    """The model of the rows among all structures, and one to three factors."""
    frame = pd.DataFrame(rows_with_a_factor(), columns=list("abcdef"))
    frame.to_csv(tmp_path / "rows.csv", index=False)
    (tmp_path / "rows.toml").write_text(
        '[data]\nfile = "rows.csv"\n'
        '[model]\nn_components = 1\ncovariance = ["all", "factor"]\nn_factors = [1, 2, 3]\n'
        '[sampler]\ndraws = 50\ntune = 100\nmax_draws = 0\nseed = 1\nevidence = "none"\n'
    )
    options = ["--covariance", "all,factor", "--factors", "1-3", "-k", "1", "--draws", "50"]
    options += ["--tune", "100", "--max-draws", "0", "--evidence", "none", "--seed", "1"]
    tables = []
    for command, out in (
        (["compare", str(tmp_path / "rows.csv"), *options], tmp_path / "by_options"),
        (["run", str(tmp_path / "rows.toml")], tmp_path / "by_file"),
    ):
        main([*command, "--out", str(out)])
        assert "the 5 best by BIC were sampled" in " ".join(capsys.readouterr().out.split())
        tables.append(pd.read_csv(out / "comparison.csv").drop(columns="seconds"))
    pd.testing.assert_frame_equal(*tables)
    best = tables[0].sort_values("bic").iloc[0]
    assert (best["K"], best["covariance"], best["n_factors"]) == (1, "factor", 1)
