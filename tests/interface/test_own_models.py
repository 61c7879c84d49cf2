"""Own PyMC models through the whole flow: right, or refused with the cure."""

import json

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
import xarray as xr
from scipy import stats

import bayesgmm as bg
from bayesgmm.data import as_dataset
from bayesgmm.errors import ConfigError, DataWarning
from bayesgmm.posterior.tree import attribute, permuted_tree
from bayesgmm.sampling import user_model
from bayesgmm.sampling.contract import check_contract
from tests.support import own_models
from tests.support.own_results import known, moves_of, result_of

ALL_OF_THREE, ALL_OF_TWO, NONE_OF_THREE = [[0, 1, 2]], [[0, 1]], [[0], [1], [2]]
SHOWN = {  # whether the components are Gaussian, and the groups of exchangeable labels
    "ordered": (True, NONE_OF_THREE),
    "ordered_with_initval": (True, NONE_OF_THREE),
    "own_vectors": (True, ALL_OF_THREE),
    "normal_mixture": (True, ALL_OF_THREE),
    "product_of_mixtures": (False, ALL_OF_TWO),
    "list_of_components": (True, ALL_OF_TWO),
    "hierarchical_means": (True, ALL_OF_THREE),
    "pooled_scales": (True, ALL_OF_TWO),
    "t_components": (False, ALL_OF_THREE),
    "censored_rows": (True, ALL_OF_THREE),
    "named_clusters": (True, [[0], [1]]),
    "dims_in_another_order": (True, ALL_OF_TWO),
    "k_from_data": (True, ALL_OF_THREE),
    "mixture_of_censored": (False, ALL_OF_THREE),
}
REFUSED = {
    "covariates_on_weights": r"needs a variable 'weights' .* got dims \('obs', 'cluster'\); give "
    r"it another name and add pm.Deterministic\('weights', row_weights.mean\(axis=0\)",
    "without_the_feature_axis": r"needs a variable 'means' .* got dims \('cluster',\); give it "
    r"another name and add pm.Deterministic\('means', mu\[:, None\]",
    "sampled_labels": r"'z' draws a discrete value for each row.* marginalise the labels out: pm",
}


def switched(tree):
    """Switch the labels of every draw at random, of all that was seen to move."""
    sizes = tree["posterior"].sizes
    labels = np.tile(np.arange(sizes["cluster"]), (sizes["chain"], sizes["draw"], 1))
    return permuted_tree(tree, np.random.default_rng(6).permuted(labels, axis=2))


@pytest.fixture(scope="module")
def t_result():
    return result_of("t_components", 60)


@pytest.mark.parametrize("name", SHOWN)
@pytest.mark.filterwarnings("ignore:'first' depend on the labels")
def test_what_is_shown_of_models_as_people_write_them(name):
    gaussian, groups = SHOWN[name]
    assert [list(group) for group in moves_of(name).groups.groups] == groups
    tree = result_of(name)
    shown = attribute(tree, "components")
    assert shown["gaussian"] is gaussian
    assert shown["gap"] < 1e-10 or not gaussian
    assert attribute(tree, "labels")["groups"] == groups


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_served_is_refused_with_its_cure(name):
    rows, model = own_models.BUILDERS[name]()
    with pytest.raises(ConfigError, match=REFUSED[name]):
        bg.sample(rows, model=model, seed=1)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("covariates_on_weights", {"mean_weights": True}),
        ("without_the_feature_axis", {"mended": True}),
    ],
)
def test_the_cures_work(name, options):
    rows, model = own_models.BUILDERS[name](**options)
    check_contract(model, as_dataset(rows))


def test_what_needs_gaussians_is_refused_in_one_sentence(t_result):
    for verb in (
        bg.membership, bg.density, bg.log_density, bg.overlap, bg.coclustering, bg.partition,
        bg.posterior_predictive, bg.density_grid, lambda tree: bg.simulate(tree, 5),
        lambda tree: bg.label_free(tree, rows=[0, 1]),
        lambda tree: bg.hard_comparison(np.zeros((5, 1)), tree),
        lambda tree: bg.plots.density_1d(tree),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match="not that of Gaussians with its weights"):
            verb(t_result)
    with pytest.raises(ConfigError, match="user's own model"):
        bg.log_evidence(t_result)


def test_all_else_works_without_gaussians(t_result):
    relabelled = bg.relabel(t_result)
    table = bg.summarize(relabelled)
    assert np.isfinite(table["mean"]).all()
    assert "entropy" not in bg.label_free(relabelled).index
    assert bg.diagnose(relabelled).statistics["chains"] == 2
    assert np.isfinite(bg.loo(relabelled).elpd) and np.isfinite(bg.waic(relabelled).elpd)
    assert bg.plots.forest(relabelled).axes.shape == (2,)


def test_correlations_that_the_model_does_not_name_are_those_of_its_covariances():
    tree = result_of("pooled_scales")
    table = bg.summarize(tree)
    r = tree["posterior"]["r"].values
    for k in range(2):
        row = table.loc[f"correlations[{k + 1}, x1, x2]"]
        assert row["mean"] == pytest.approx(r[:, :, k].mean(), rel=1e-12)
        assert row["sd"] == pytest.approx(r[:, :, k].std(ddof=1), rel=1e-9)


def test_axes_in_another_order_are_put_in_ours():
    tree = result_of("dims_in_another_order")
    draws = tree["posterior"].to_dataset()
    assert draws["means"].dims == ("chain", "draw", "cluster", "feature")
    assert draws["covariances"].dims[2:] == ("cluster", "feature", "feature_bis")
    assert draws["sd"].dims[2:] == ("feature", "cluster")
    np.testing.assert_allclose(
        np.einsum("sckdd->sckd", draws["covariances"].values),
        draws["sd"].values.swapaxes(2, 3) ** 2,
        rtol=1e-12,
    )
    relabelled = bg.relabel(tree)["posterior"]
    np.testing.assert_allclose(
        np.einsum("sckdd->sckd", relabelled["covariances"].values),
        relabelled["sd"].values.swapaxes(2, 3) ** 2,
        rtol=1e-12,
    )


def test_names_stay_where_priors_tell_the_clusters_apart():
    tree = result_of("named_clusters")
    relabelled = bg.relabel(tree)
    np.testing.assert_array_equal(relabelled["posterior"]["means"], tree["posterior"]["means"])
    assert attribute(relabelled, "relabelling")["method"] is None
    assert bg.summarize(relabelled).index[0] == "weights[signal]"
    soft = bg.membership(relabelled)
    assert soft["cluster"].values.tolist() == ["signal", "background"]
    largest = soft["mean"].sel(cluster=soft["most_probable"])
    np.testing.assert_array_equal(largest, soft["mean"].max("cluster"))
    assert set(bg.most_ambiguous(soft)["runner_up"]) <= {"signal", "background"}
    for result in (tree, relabelled):
        verdict = bg.diagnose(result)
        assert verdict.statistics["switched"] is None
        assert not any("relabel" in reason for reason in verdict.reasons)


def test_vectors_without_the_dim_stay_with_their_clusters():
    with pytest.warns(DataWarning, match="'first' depend on the labels and do not move"):
        tree = switched(result_of("own_vectors"))
    draws = bg.relabel(tree)["posterior"]
    assert attribute(bg.relabel(tree), "relabelling")["moved"] > 0.5
    np.testing.assert_array_equal(draws["mu"].values, draws["means"].values[..., 0])
    np.testing.assert_array_equal(draws["sd"].values ** 2, draws["covariances"].values[..., 0, 0])
    np.testing.assert_array_equal(draws["in_order"].values, np.sort(draws["mu"].values))


def test_a_list_of_components_moves_together():
    draws = bg.relabel(switched(result_of("list_of_components")))["posterior"]
    for k in range(2):
        factor = np.zeros((2, 30, 2, 2))
        factor[..., [0, 1, 1], [0, 0, 1]] = draws[f"chol_{k}"].values
        np.testing.assert_allclose(
            factor @ factor.swapaxes(-1, -2), draws["covariances"].values[:, :, k], atol=1e-12
        )


def test_every_such_result_is_saved_and_loaded(tmp_path):
    for name in ("t_components", "named_clusters"):
        tree = bg.relabel(result_of(name))
        again = bg.load(bg.save(tree, tmp_path / f"{name}.nc"))
        assert again["posterior"].to_dataset().equals(tree["posterior"].to_dataset())
        assert attribute(again, "components") == attribute(tree, "components")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"spec": 2}, "spec has no effect beside model="),
        ({"method": "smc"}, "method has no effect beside model="),
        ({"progress": print}, "progress has no effect beside model="),
    ],
)
def test_arguments_without_effect_are_refused(options, message):
    rows, model = own_models.named_clusters()
    with pytest.raises(ConfigError, match=message):
        bg.sample(rows, model=model, **options)


def test_a_model_without_a_density_is_refused_before_sampling(monkeypatch):
    y = own_models.line()
    with pm.Model(coords=own_models.coords(y, 3)) as model:
        w = pm.Dirichlet("weights", np.ones(3), dims="cluster")
        mu = pm.Normal("mu", 4.0, 5.0, dims="cluster")
        sd = pm.LogNormal("sd", 0.0, 0.5, dims="cluster")
        pm.Deterministic("means", mu[:, None], dims=("cluster", "feature"))
        pm.Deterministic("covariances", (sd**2)[:, None, None], dims=own_models.SQUARE)

        def draw(w, mu, rng=None, size=None):
            return np.zeros(size)

        pm.CustomDist("x", w, mu, random=draw, observed=y, signature="(k),(k)->()", dims="obs")
    monkeypatch.setattr(pm, "sample", lambda **_: pytest.fail("sampled"))
    with pytest.raises(ConfigError, match="PyMC cannot evaluate the log density"):
        bg.sample(y[:, None], model=model, seed=1)


def test_a_value_out_of_range_costs_its_own_draw_only():
    _, _, density, prior = known("pooled_scales")
    values = {key: value.copy() for key, value in prior.items()}
    values["r"][1] = 1.5
    found = density.values(values)
    total = found.log_prior + found.log_likelihood
    assert np.isfinite(total).tolist() == [True, False, True, True]


def test_what_no_sampler_takes_is_one_error(monkeypatch):
    rows, model = own_models.named_clusters()
    tried = []

    def refuse(nuts_sampler, **_):
        tried.append(nuts_sampler)
        raise NotImplementedError("no such thing\nTraceback")

    monkeypatch.setattr(user_model, "_start", lambda *_: {})
    monkeypatch.setattr(pm, "sample", refuse)
    with pytest.raises(bg.SamplingError, match=r"NotImplementedError: no such thing\). Give"):
        bg.sample(rows, model=model, seed=1)
    assert tried == ["nutpie", "pymc"]


def test_rows_of_the_log_likelihood_need_not_be_kept():
    kept, summed = (result_of("normal_mixture", keep=keep) for keep in (True, False))
    assert "log_likelihood" not in summed
    assert attribute(summed, "components") == attribute(kept, "components")
    total = kept["log_likelihood"]["x"].sum("obs")
    for tree in (kept, summed):
        np.testing.assert_allclose(tree["sample_stats"]["log_likelihood"], total, rtol=1e-13)
    with pytest.raises(ConfigError, match="sample with log_likelihood=True"):
        bg.loo(summed)


def test_what_the_model_says_of_labels_is_stored_as_json():
    shown = json.loads(result_of("named_clusters").attrs["labels"])
    assert shown["groups"] == [[0], [1]]


def test_extend_says_that_it_cannot_and_the_verdict_does_not_advise_it(t_result):
    with pytest.raises(ConfigError, match="sample it again with more draws"):
        bg.extend(t_result)
    apart = t_result.copy()
    said = apart["sample_stats"].to_dataset()
    apart["sample_stats"] = xr.DataTree(
        said.assign(log_likelihood=said["log_likelihood"] + 900.0 * said["chain"])
    )
    for tree in (t_result, apart):
        verdict = bg.diagnose(tree)
        assert not verdict.ok
        for advice in ("extend", "smc", "combine_modes", "weigh"):
            assert not any(advice + "(" in reason for reason in verdict.reasons)
            assert "method='smc'" not in str(verdict)


def test_none_texts_objects_and_dates_are_saved(tmp_path, t_result):
    dims, shape = ("chain", "draw"), (2, 60)
    none, texts, mixed = (np.full(shape, None, dtype=object) for _ in range(3))
    texts[0, 0], mixed[0, 1], mixed[1, 2] = "diverged", {"a": [1, None]}, 3.5
    dates = np.full(shape, "2026-11-28", dtype="M8[ns]")
    tree = t_result.copy()
    said = tree["sample_stats"].to_dataset()
    added = {"none": none, "texts": texts, "mixed": mixed, "dates": dates}
    tree["sample_stats"] = xr.DataTree(said.assign({k: (dims, v) for k, v in added.items()}))
    tree["sample_stats"].attrs["settings"] = {"max_depth": None, "adapt": True}
    again = bg.load(bg.save(tree, tmp_path / "tree.nc"))["sample_stats"]
    assert (again["none"].values == "").all()
    assert again["texts"].values[0, 0] == "diverged" and (again["texts"].values[1] == "").all()
    assert json.loads(again["mixed"].values[0, 1]) == {"a": [1, None]}
    assert again["mixed"].values[1, 2] == "3.5"
    assert again["dates"].values[0, 0].startswith("2026-11-28")
    assert json.loads(again.attrs["settings"]) == {"max_depth": None, "adapt": True}


@pytest.mark.parametrize("name", ["t_components", "named_clusters"])
def test_a_report_of_each_says_what_it_can(tmp_path, name):
    path = bg.write_report(bg.relabel(result_of(name)), tmp_path / "report.html")
    page = path.read_text(encoding="utf-8")
    said = "is not that of a mixture of Gaussians with its weights" in page
    assert said is (name == "t_components")
    assert ("Separation and membership" in page) is (name == "named_clusters")
    assert ("means[background, x1]" in page) is (name == "named_clusters")


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", SHOWN)
@pytest.mark.filterwarnings("ignore:'first' depend on the labels")
def test_each_model_is_sampled_judged_saved_and_reported(name, tmp_path):
    rows, model = own_models.BUILDERS[name]()
    tree = bg.sample(rows, model=model, seed=1, draws=400, tune=500, chains=2)
    assert attribute(tree, "sampler")["engine"] == "nutpie"
    assert attribute(tree, "components")["gaussian"] is SHOWN[name][0]
    verdict = bg.diagnose(tree)
    assert verdict.statistics["draws"] == 400 and verdict.statistics["divergences"] is not None
    again = bg.load(bg.save(tree, tmp_path / "tree.nc"))
    assert again["posterior"].to_dataset().equals(tree["posterior"].to_dataset())
    assert bg.write_report(again, tmp_path / "report.html").stat().st_size > 20_000
    if name == "own_vectors":
        draws = tree["posterior"]
        np.testing.assert_array_equal(draws["mu"].values, draws["means"].values[..., 0])
    if name == "named_clusters":
        centres = tree["posterior"]["means"].mean(("chain", "draw")).values.ravel()
        assert centres[0] == pytest.approx(9.0, abs=0.7)
        assert centres[1] == pytest.approx(0.0, abs=0.7)
        assert float(tree["posterior"]["excess"].mean()) == pytest.approx(9.0, abs=0.9)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_discrete_variables_go_to_pymc(tmp_path):
    """A discrete variable that labels no row: which of two error models holds."""
    y = own_models.line(60)
    with pm.Model(coords=own_models.coords(y, 3)) as model:
        wide = pm.Bernoulli("wide", 0.5)
        w = pm.Dirichlet("weights", np.ones(3), dims="cluster")
        mu = pm.Normal("mu", np.array([0.0, 4.0, 9.0]), 1.0, dims="cluster")
        sd = pm.LogNormal("sd", 0.5 * wide, 0.3, dims="cluster")
        own_models.on_a_line(w, mu, sd, y)
    tree = bg.sample(y[:, None], model=model, seed=1, draws=200, tune=300, chains=2)
    assert attribute(tree, "sampler")["engine"] == "pymc"
    assert set(np.unique(tree["posterior"]["wide"].values)) <= {0, 1}
    assert bg.load(bg.save(tree, tmp_path / "tree.nc"))["posterior"].sizes["draw"] == 200


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_overlapping_named_clusters_by_quadrature():
    """Diseased and healthy with informative priors: moments within 4 Monte Carlo errors."""
    rng = np.random.default_rng(12)
    n = 60
    y = np.where(rng.random(n) < 0.15, rng.normal(1.0, 1, n), rng.normal(0, 1, n))
    with pm.Model(coords=own_models.coords(y, ["diseased", "healthy"])) as model:
        w = pm.Dirichlet("weights", np.array([1.5, 8.5]), dims="cluster")
        mu = pm.Normal("means", np.array([[1.0], [0.0]]), 0.5, dims=("cluster", "feature"))
        cov = pm.Deterministic("covariances", pt.ones((2, 1, 1)), dims=own_models.SQUARE)
        components = pm.MvNormal.dist(mu=mu, cov=cov)
        pm.Mixture("x", w=w, comp_dists=components, observed=y[:, None], dims=("obs", "feature"))
    tree = bg.sample(y[:, None], model=model, seed=1)
    verdict = bg.diagnose(tree)
    assert verdict.ok and not any("relabel" in reason for reason in verdict.reasons)
    weight, means = np.linspace(0.0005, 0.9995, 400), np.linspace(-2.5, 3.5, 121)
    density = stats.norm.pdf(y[:, None], means, 1)
    log = stats.beta.logpdf(weight, 1.5, 8.5)[:, None, None]
    log = log + stats.norm.logpdf(means, 1, 0.5)[:, None] + stats.norm.logpdf(means, 0, 0.5)
    for row in density:
        first, second = weight[:, None, None] * row[:, None], (1 - weight[:, None, None]) * row
        log = log + np.log(first + second)
    p = np.exp(log - log.max())
    p /= p.sum()
    table = bg.summarize(tree)
    for key, exact in (
        ("weights[diseased]", (p.sum((1, 2)) * weight).sum()),
        ("means[diseased, x1]", (p.sum((0, 2)) * means).sum()),
        ("means[healthy, x1]", (p.sum((0, 1)) * means).sum()),
    ):
        row = table.loc[key]
        assert abs(row["mean"] - exact) < 4.0 * row["mcse_mean"], key
