"""The layout of a result: clusters from 1, no constants, and results of its first version."""

import arviz as az
import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr

import bayesgmm as bg
from bayesgmm.model.components import SAMPLED
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.files import load
from bayesgmm.posterior.tree import SCHEMA_VERSION, attribute
from tests.support.few import few
from tests.support.places import CASES

FIRST_VERSION = ("full", "diag", "own_model")  # 40 rows of Old Faithful, 2 chains of 60 draws


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(4).normal(size=(60, 3)) + [[0, 0, 0], [8, 4, 4]] * 30


@pytest.fixture(scope="module", params=SAMPLED)
def tree(request, rows):
    spec = bg.MixtureSpec(2, request.param)
    return bg.sample(rows, spec, draws=40, tune=150, chains=2, seed=1)


def test_no_variable_of_the_posterior_is_constant(tree):
    """But for the zeros of a covariance matrix whose structure has no correlations."""
    posterior = tree["posterior"].to_dataset()
    structure = Draws(tree).resolved.structure
    for name, variable in posterior.data_vars.items():
        varies = variable.std(("chain", "draw")).values > 0.0
        if name == "covariances" and structure.correlations == "none":
            np.testing.assert_array_equal(varies, np.broadcast_to(np.eye(3, dtype=bool), (2, 3, 3)))
        else:
            assert varies.all(), name
    summary = az.summary(tree, var_names=[n for n in posterior if n != "covariances"])
    assert np.isfinite(summary["r_hat"].to_numpy(dtype=float)).all()


def test_correlations_are_held_by_pair_and_given_as_matrices(tree):
    posterior = tree["posterior"].to_dataset()
    matrices = bg.correlation_matrices(tree)
    assert matrices.dims == ("chain", "draw", "cluster", "feature", "feature_bis")
    assert matrices["cluster"].values.tolist() == [1, 2]
    scales, h = posterior["scales"].values, tree["constant_data"]["resolution"].values
    again = matrices.values * scales[..., None] * scales[..., None, :] + np.diag(h**2)
    np.testing.assert_allclose(again, posterior["covariances"], rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(np.einsum("...dd->...d", matrices.values), 1.0)
    if "correlations" not in posterior:
        np.testing.assert_array_equal(matrices, np.broadcast_to(np.eye(3), matrices.shape))
        return
    pairs = posterior["correlations"]
    assert pairs.dims == ("chain", "draw", "cluster", "pair")
    for name in pairs["pair"].values:
        one, other = name.split(", ")
        found = matrices.sel(feature=one, feature_bis=other).values
        np.testing.assert_array_equal(found, pairs.sel(pair=name).values)


def test_where_nothing_is_correlated_there_is_no_such_variable(rows):
    for data, covariance in ((rows[:, :1], "full"), (rows, "tied_spherical")):
        spec = bg.MixtureSpec(2, covariance)
        tree = bg.sample(data, spec, draws=30, tune=100, chains=2, seed=1)
        assert "correlations" not in tree["posterior"] and "pair" not in tree["posterior"].coords
        size = data.shape[1]
        assert (bg.correlation_matrices(tree).values == np.eye(size)).all()


@pytest.mark.parametrize("name", FIRST_VERSION)
def test_a_result_of_the_first_version_is_read_as_one_of_the_present(name):
    """Its clusters were counted from 0, in coordinates and verdict; correlations were matrices."""
    path = CASES / f"schema_1_{name}.nc"
    old, new = az.from_netcdf(path), load(path)
    assert attribute(old, "schema_version") == 1 and attribute(new, "schema_version") == 2
    assert old["posterior"]["cluster"].values.tolist() == [0, 1]
    assert attribute(new, "verdict") is None
    for group in new.children.values():
        if "cluster" in group.coords:
            assert group["cluster"].values.tolist() == [1, 2]
    for name, variable in old["posterior"].data_vars.items():
        if name != "correlations":
            np.testing.assert_array_equal(new["posterior"][name].values, variable.values)
    if "correlations" in old["posterior"]:
        kept = old["posterior"]["correlations"].values
        assert new["posterior"]["correlations"].dims[2:] == ("cluster", "pair")
        np.testing.assert_allclose(bg.correlation_matrices(new), kept, rtol=1e-15)
    assert [str(k) for k in Draws(new).clusters] == ["1", "2"]


@pytest.mark.parametrize("name", few(FIRST_VERSION, {"full"}))
def test_every_verb_takes_a_result_of_the_first_version(name, tmp_path):
    tree = load(CASES / f"schema_1_{name}.nc")
    index = bg.summarize(tree).index
    assert index[:2].tolist() == ["weights[1]", "weights[2]"]
    again = bg.relabel(tree)
    np.testing.assert_array_equal(again["posterior"]["means"], tree["posterior"]["means"])
    soft = bg.membership(tree)
    assert soft["cluster"].values.tolist() == [1, 2]
    assert set(bg.simulate(tree, 50, seed=1)["cluster"].values) == {1, 2}
    assert set(bg.partition(tree, seed=1).labels) == {1, 2}
    assert bg.diagnose(tree).statistics["chains"] == 2
    assert np.isfinite(bg.loo(tree).elpd)
    for verb in (bg.density, bg.coclustering, bg.overlap, bg.label_free, bg.posterior_predictive):
        verb(tree)
    if name != "own_model":
        assert np.isfinite(bg.log_evidence(tree, seed=1).value)
        more = bg.extend(tree, 20, seed=1)
        assert more["posterior"]["cluster"].values.tolist() == [1, 2]
    page = bg.write_report(tree, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "weights[1]" in page and "weights[0]" not in page
    saved = bg.save(tree, tmp_path / "again.nc")
    assert load(saved)["posterior"].equals(tree["posterior"])


def test_a_result_of_the_first_version_that_was_never_loaded_is_saved_in_the_present(tmp_path):
    old = az.from_netcdf(CASES / "schema_1_full.nc")
    again = load(bg.save(old, tmp_path / "again.nc"))
    assert attribute(again, "schema_version") == SCHEMA_VERSION == 2
    assert again["posterior"].equals(load(CASES / "schema_1_full.nc")["posterior"])


def own_model(rows, names):
    coords = {"cluster": names, "feature": ["x1"], "feature_bis": ["x1"]}
    with pm.Model(coords=coords) as model:
        weights = pm.Dirichlet("weights", np.ones(2), dims="cluster")
        means = pm.Normal("means", [[0.0], [8.0]], 1.0, dims=("cluster", "feature"))
        sd = pm.HalfNormal("sd", 2.0, dims="cluster")
        pm.Deterministic(
            "covariances", sd[:, None, None] ** 2, dims=("cluster", "feature", "feature_bis")
        )
        pm.NormalMixture("x", weights, means[:, 0], sd, observed=rows[:, 0])
    return model


@pytest.mark.slow
@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (range(2), [1, 2]),
        ((1, 2), [1, 2]),
        (("short", "long"), ["short", "long"]),
    ],
    ids=["counted", "numbered", "named"],
)
def test_a_users_clusters_keep_their_names_and_are_never_counted_from_0(rows, names, expected):
    data = rows[:, :1]
    tree = bg.sample(data, model=own_model(rows, names), draws=30, tune=100, chains=2, seed=1)
    assert tree["posterior"]["cluster"].values.tolist() == expected
    assert bg.membership(tree)["cluster"].values.tolist() == expected
    found = bg.hard_comparison(data, tree, seed=1)
    assert list(found.counts.index) == expected and set(found.rows["kmeans"]) == set(expected)
    assert set(bg.simulate(tree, 40, seed=1)["cluster"].values) == set(expected)
    assert bg.summarize(tree).index[0] == f"weights[{expected[0]}]"


@pytest.mark.slow
def test_a_users_model_keeps_the_names_of_its_rows(rows):
    frame = pd.DataFrame({"x1": rows[:, 0]}, index=[f"plot {i}" for i in range(len(rows))])
    model = own_model(rows, range(2))
    tree = bg.sample(frame, model=model, draws=30, tune=100, chains=2, seed=1)
    for group in ("observed_data", "log_likelihood"):
        assert tree[group]["obs"].values.tolist() == frame.index.tolist()
    assert bg.membership(tree)["obs"].values.tolist() == frame.index.tolist()


def test_draws_adopted_without_a_model_keep_the_names_of_their_clusters(rows):
    run = bg.sample(rows, 2, draws=30, tune=100, chains=2, seed=1)
    drawn = run["posterior"].to_dataset()[["weights", "means", "covariances"]]
    groups = {"log_likelihood": run["log_likelihood"].to_dataset()}
    for names, expected in ((["a", "b"], ["a", "b"]), ([0, 1], [1, 2])):
        groups["posterior"] = drawn.assign_coords(cluster=names)
        tree = bg.adopt(xr.DataTree.from_dict(groups), rows)
        assert tree["posterior"]["cluster"].values.tolist() == expected


def test_only_scikit_learns_labels_count_from_0(rows):
    fitted = bg.GaussianMixture(2, random_state=0).fit(rows)
    assert set(fitted.predict(rows)) == {0, 1}
    fit = bg.fit_em(rows, 2, seed=1)
    assert set(bg.membership(fit, rows)["most_probable"].values) == {1, 2}
    assert [line.split()[0] for line in str(fit).splitlines()[-2:]] == ["1", "2"]
    assert bg.build_model(rows, 2).coords["cluster"] == (1, 2)
