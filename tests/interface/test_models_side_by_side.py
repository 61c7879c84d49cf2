"""What is keyed by models: their mapping, the models that are one, several structures compared."""

import dataclasses
import json

import numpy as np
import pytest

import bayesgmm as bg
from bayesgmm import MixtureSpec, Priors
from bayesgmm.cli import main
from bayesgmm.errors import ConfigError
from bayesgmm.evidence import Evidence
from bayesgmm.model.several import ByModel, covariances_in, same_models
from bayesgmm.model.spec import COVARIANCES

COLUMNS = ["covariance", "family", "noise", "n_factors"]
ROWS = np.random.default_rng(1).normal(size=(60, 2)) + [[0, 0], [7, 2]] * 30


@pytest.fixture(scope="module")
def both():
    return bg.compare(ROWS, [2, 1], covariance=["tied", "VVV"], draws=300, tune=300, seed=1)


@pytest.fixture(scope="module")
def tied():
    return bg.compare(ROWS, 2, covariance="tied", draws=300, tune=300, seed=1)


def test_equal_specs_are_one_key():
    given = {"mean_scale": np.array([1.0, 2.0]), "mean_location": [[0.0, 1.0], [2.0, 3.0]]}
    one = MixtureSpec(np.int64(2), "VVI", Priors(**given), resolution=np.array([0.0, 1.0]))
    other = MixtureSpec.from_dict(json.loads(json.dumps(one.to_dict())))
    assert one == other and len({one, other}) == 1
    assert one != dataclasses.replace(one, priors=Priors())
    assert repr(MixtureSpec(2, "tied")) == "MixtureSpec(n_components=2, covariance='tied')"
    assert eval(repr(one)) == one


def test_k_finds_the_only_model_with_that_k():
    full, tied, three = MixtureSpec(2), MixtureSpec(2, "tied"), MixtureSpec(3)
    held = ByModel({full: "a", tied: "b", three: "c"}, {MixtureSpec(3, "tied"): three})
    assert held[3] == held[np.int64(3)] == held[three] == held[MixtureSpec(3, "tied")] == "c"
    assert held[tied] == "b" and list(held) == [full, tied, three] and len(held) == 3
    with pytest.raises(ConfigError, match=r"several models have K = 2: MixtureSpec\(2, 'full'\)"):
        held[2]
    with pytest.raises(ConfigError, match="no model with K = 4 here; there is K = 2, 3"):
        held[4]
    with pytest.raises(ConfigError, match="no model with K = '3'"):
        held["3"]
    with pytest.raises(
        ConfigError, match=r"there is no MixtureSpec\(n_components=4\) here; there is "
    ):
        held[MixtureSpec(4)]
    assert 2 in held and 4 not in held and held.get(4, "none") == "none" and held.get(3) == "c"


def test_models_that_are_one_are_found():
    names = ("full", "tied", "diag", "spherical", "tied_diag", "tied_spherical")
    specs = [MixtureSpec(k, name) for k in (1, 2) for name in names]
    same = same_models(specs, 2)
    assert {(a.covariance, b.covariance) for a, b in same.items()} == {
        ("tied", "full"), ("tied_diag", "diag"), ("tied_spherical", "spherical"),
    }  # fmt: skip
    assert {spec.n_components for spec in same} == {1}
    assert len(same_models(specs, 1)) == 5 + 4  # one model with K = 1, two with K = 2


@pytest.mark.parametrize("value", [[], ["tied", "EEE"], ("full", "full")])
def test_structures_are_named_once(value):
    with pytest.raises(ConfigError, match="at least one structure and none twice"):
        covariances_in(value)


def test_one_table_holds_every_structure_and_each_model_once(both):
    assert list(both.table.columns[:4]) == COLUMNS and both.table.index.name == "K"
    assert both.table.index.tolist() == [1, 2, 2]
    assert both.table["covariance"].tolist() == ["tied", "tied", "full"]
    assert both.table["family"].eq("normal").all() and both.table["noise"].isna().all()
    assert both.models == (MixtureSpec(1, "tied"), MixtureSpec(2, "tied"), MixtureSpec(2))
    assert both.fits[1] is both.fits[MixtureSpec(1)] is both.fits[MixtureSpec(1, "tied")]
    assert "With K = 1, full is the same model as tied, which stands for both." in repr(both)
    with pytest.raises(ConfigError, match="several models have K = 2"):
        both.posteriors[2]


def test_probabilities_are_over_all_models(both):
    table = both.table
    assert table["probability"].sum() == pytest.approx(1.0)
    shares = np.exp(table["log_evidence"] - table["log_evidence"].max())
    np.testing.assert_allclose(table["probability"], shares / shares.sum(), rtol=1e-12)
    assert table["weight"].sum() == pytest.approx(1.0, abs=1e-6)
    assert both.probability_basis.startswith(
        "p(model) assumes equal prior probabilities of K = 1 (tied), 2 (tied), 2 (full)."
    )
    found = bg.posterior_over_k(both, "poisson")
    assert found.models == both.models and list(found.table.columns[:4]) == COLUMNS
    np.testing.assert_allclose(found.table["prior"], [0.5, 0.25, 0.25])
    assert found.best in both.models


def test_a_model_counts_once_in_the_posterior_over_k():
    evidence = Evidence(-9.0, 0.02, "", 1000, 1)
    given = {MixtureSpec(1): evidence, MixtureSpec(1, "tied"): evidence, MixtureSpec(2): evidence}
    found = bg.posterior_over_k(given)
    np.testing.assert_allclose(found.table["probability"], [0.5, 0.5])
    assert "With K = 1, tied is the same model as full" in found.note


def test_a_model_is_the_same_whatever_it_is_compared_with(both, tied):
    columns = ["bic", "elpd_loo", "log_evidence", "draws"]
    beside = both.table[both.table["covariance"] == "tied"].loc[2, columns]
    np.testing.assert_array_equal(
        beside.to_numpy(float), tied.table.loc[2, columns].to_numpy(float)
    )
    assert tied.chosen().reason.startswith("K = 2 has the highest elpd by LOO")


def test_the_choice_names_the_structure_and_is_the_simplest(both):
    choice = both.chosen()
    assert choice.model == MixtureSpec(2, "tied") and choice.k == 2
    assert choice.reason.startswith("K = 2 (tied) ")
    assert set(both.best.values()) <= set(both.models)
    assert both.shortfalls(choice.model) == ()
    differences = both.differences
    assert list(differences.columns) == [*COLUMNS, "elpd_diff", "se_diff"]
    best = both.models.index(both.best["loo"])
    assert differences["elpd_diff"].iloc[best] == 0.0


@pytest.mark.slow
def test_report_and_plot_name_the_structures(both, tmp_path):
    page = bg.write_report(both, tmp_path / "report.html").read_text(encoding="utf-8")
    for part in (
        "Verdict on the run with K = 2 (tied)", "The number of components and the covariance",
        "With K = 1, full is the same model", "p(model)",
        "n_components=[1, 2], covariance=[&#39;tied&#39;, &#39;full&#39;]",
    ):  # fmt: skip
        assert part in page, part
    plot = bg.plots.criteria(both)
    assert plot.axes[0].get_legend_handles_labels()[1] == ["tied", "full"]
    assert plot.figure.get_suptitle().endswith("(ringed: the chosen K = 2 (tied))")


@pytest.mark.slow
def test_the_command_line_and_the_model_file_take_several(tmp_path, capsys):
    np.savetxt(tmp_path / "rows.csv", ROWS, delimiter=",", header="a,b", comments="")
    options = ["--covariance", "full,EEE", "-k", "1-2", "--draws", "100", "--tune", "200"]
    options += ["--evidence", "none", "--seed", "1", "--out", str(tmp_path / "out")]
    main(["compare", str(tmp_path / "rows.csv"), *options])
    out = capsys.readouterr().out
    assert "2 (tied)" in out and "With K = 1, tied is the same model as full" in out
    record = json.loads((tmp_path / "out" / "verdict.json").read_text())
    assert record["configuration"]["model"]["covariance"] == ["full", "tied"]
    name = record["chosen_model"]["covariance"]
    assert (tmp_path / "out" / f"posterior_k{record['chosen']}_{name}.nc").exists()
    model = tmp_path / "rows.toml"
    text = 'data.file = "rows.csv"\n[model]\nn_components = [1, 2]\ncovariance = {}\n{}'
    model.write_text(text.format('"all"', ""))
    assert main(["check", str(model)]) == 0
    assert f"covariance {', '.join(COVARIANCES)}" in capsys.readouterr().out
    for expected, message in (
        ("2 = -5.0", "which several structures have; write '2 full'"),
        ('"2 diag" = -5.0', "'diag', which covariance in [model] does not hold: full, tied"),
        ('"3 full" = -5.0', "K = 3, which n_components"),
    ):
        model.write_text(text.format('["full", "EEE"]', f"[expect.log_likelihood]\n{expected}"))
        assert main(["check", str(model)]) == 2
        assert message in capsys.readouterr().err
    model.write_text(text.format('["full", "round"]', ""))
    assert main(["check", str(model)]) == 2
    assert "several of these, or 'all'" in capsys.readouterr().err
