"""Draws made elsewhere: completed they are what the package makes itself of the same draws."""

import arviz as az
import numpy as np
import pymc as pm
import pytest
import xarray as xr

import bayesgmm as bg
from bayesgmm.errors import ConfigError
from bayesgmm.model.resolving import resolve
from bayesgmm.posterior.tree import attribute
from tests.support import own_models
from tests.support.own_results import result_of

FREE = ("weights", "means", "scales_free", "partial_correlations_beta")


@pytest.fixture(scope="module")
def own_run(faithful):
    return bg.sample(faithful, 2, draws=150, tune=300, chains=2, seed=1, relabel=None)


def foreign(tree, names, *, single=False, log_likelihood=False, dims=False):
    """The draws as another program leaves them: without our names of axes, in its precision."""
    draws = tree["posterior"].to_dataset()
    kind = np.float32 if single else np.float64
    values = {name: draws[name].values.astype(kind) for name in names}
    groups = {"posterior": values}
    if log_likelihood:
        groups["log_likelihood"] = {"x": tree["log_likelihood"]["x"].values.astype(kind)}
    named = {name: list(draws[name].dims[2:]) for name in names} if dims else None
    return az.from_dict(groups, dims=named)


@pytest.mark.parametrize("structure", ["full", "tied", "diag", "spherical"])
@pytest.mark.parametrize(
    "names",
    [("weights", "means", "covariances"), ("weights", "means", "scales", "correlations")],
    ids=["covariances", "factors"],
)
def test_the_same_draws_give_the_same_result(structure, names, faithful):
    spec = bg.MixtureSpec(2, structure)
    run = bg.sample(faithful, spec, draws=40, tune=150, chains=2, seed=1, relabel=None)
    names = [name for name in names if name in run["posterior"]]
    tree = bg.adopt(foreign(run, names, log_likelihood=True), faithful, spec)
    for group in ("posterior", "log_likelihood", "log_prior"):
        for name, variable in run[group].data_vars.items():
            got = tree[group][name]
            assert got.dims == variable.dims
            np.testing.assert_allclose(got.values, variable.values, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(
        tree["sample_stats"]["lp"], run["sample_stats"]["lp"], rtol=1e-8, atol=1e-6
    )


def test_every_verb_takes_adopted_draws(own_run, faithful, tmp_path):
    tree = bg.relabel(bg.adopt(foreign(own_run, ("weights", "means", "covariances")), faithful, 2))
    assert bg.diagnose(tree).statistics["chains"] == 2
    ours = bg.relabel(own_run)
    assert bg.loo(tree).elpd == pytest.approx(bg.loo(ours).elpd, abs=1e-4)
    assert bg.summarize(tree)["mean"].to_numpy() == pytest.approx(
        bg.summarize(ours)["mean"].to_numpy(), rel=1e-6
    )
    one, other = (bg.log_evidence(each, seed=1) for each in (tree, ours))
    assert one.value == pytest.approx(other.value, abs=1e-3)
    assert bg.membership(tree)["mean"].values == pytest.approx(
        bg.membership(ours)["mean"].values, abs=1e-6
    )
    again = bg.load(bg.save(tree, tmp_path / "adopted.nc"))
    assert attribute(again, "sampler")["method"] == "adopted"


def test_a_report_says_that_draws_were_adopted(own_run, faithful, tmp_path):
    of_one = own_run["posterior"].to_dataset().isel(feature=[0], feature_bis=[0], draw=slice(50))
    given = foreign({"posterior": xr.DataTree(of_one)}, ("weights", "means", "covariances"))
    rows = np.unique(faithful.values[:, :1], axis=0)
    tree = bg.relabel(bg.adopt(given, rows, 2))
    page = bg.write_report(tree, tmp_path / "adopted.md", format="md").read_text(encoding="utf-8")
    assert "bayesgmm.adopt(draws, data, bayesgmm.MixtureSpec(2, 'full'))" in page
    assert "Another program made the draws" in page and "give the same draws" not in page


def test_draws_that_were_not_adopted_are_refused_with_the_cure(own_run):
    given = foreign(own_run, ("weights", "means", "covariances"))
    for verb in (bg.relabel, bg.diagnose, bg.summarize, bg.loo, bg.log_evidence):
        with pytest.raises(ConfigError, match=r"adopt\(tree, data, spec"):
            verb(bg.relabel(given) if verb is bg.summarize else given)


def test_single_precision_is_good_enough(own_run, faithful):
    given = foreign(own_run, ("weights", "means", "covariances"), single=True, log_likelihood=True)
    tree = bg.adopt(given, faithful, 2)
    np.testing.assert_allclose(
        tree["log_likelihood"]["x"], own_run["log_likelihood"]["x"], rtol=1e-3, atol=1e-3
    )


def test_draws_of_an_own_model():
    run = result_of("named_clusters")
    rows, model = own_models.named_clusters()
    given = foreign(run, ("weights", "means", "s"), log_likelihood=True)
    tree = bg.adopt(given, rows, model)
    assert attribute(tree, "labels")["groups"] == [[0], [1]]
    assert tree["posterior"]["cluster"].values.tolist() == ["signal", "background"]
    for name in ("covariances", "excess"):  # computed anew from the free variables
        np.testing.assert_allclose(tree["posterior"][name], run["posterior"][name], rtol=1e-12)
    np.testing.assert_allclose(tree["log_likelihood"]["x"], run["log_likelihood"]["x"])
    assert bg.summarize(bg.relabel(tree)).index[0] == "weights[signal]"


def test_draws_without_spec_or_model(own_run, faithful):
    names = ("weights", "means", "covariances")
    with pytest.raises(ConfigError, match="no log likelihood of each row, and there is no spec"):
        bg.adopt(foreign(own_run, names), faithful)
    given = foreign(own_run, names, log_likelihood=True)
    kept = bg.adopt(given, faithful)
    assert attribute(kept, "components")["gaussian"]
    assert attribute(bg.relabel(kept), "relabelling")["method"] is None
    permuted = bg.relabel(bg.adopt(given, faithful, exchangeable=True))
    np.testing.assert_allclose(
        permuted["posterior"]["means"], bg.relabel(own_run)["posterior"]["means"]
    )
    other = given.copy()
    shifted = given["log_likelihood"].to_dataset() - 0.5
    other["log_likelihood"] = xr.DataTree(shifted)
    assert not attribute(bg.adopt(other, faithful), "components")["gaussian"]


def changed(tree, name, change):
    new = tree.copy()
    draws = tree["posterior"].to_dataset().copy(deep=True)
    draws[name] = change(draws[name])
    new["posterior"] = xr.DataTree(draws)
    return new


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("weights", lambda w: 2.0 * w, "'weights' of the draws must be above 0, sum 1"),
        ("means", lambda m: m.where(m > 2.0), "'means' of the draws must be finite"),
        ("covariances", lambda c: -c, "'scales' of the draws must be above 0"),
        ("means", lambda m: m.isel({m.dims[3]: 0}), "'means' must have the axes"),
    ],
)
def test_unusable_draws_are_refused(own_run, faithful, name, change, message):
    given = foreign(own_run, ("weights", "means", "covariances"))
    with pytest.raises(ConfigError, match=message):
        bg.adopt(changed(given, name, change), faithful, 2)


def test_what_does_not_belong_together_is_refused(own_run, faithful):
    names = ("weights", "means", "covariances")
    given = foreign(own_run, names, log_likelihood=True)
    with pytest.raises(ConfigError, match="log likelihood in the tree is not that of the spec"):
        bg.adopt(given, faithful.values[::-1], 2)
    with pytest.raises(ConfigError, match="not one value for each of the 100 rows"):
        bg.adopt(given, faithful.values[:100], 2)
    with pytest.raises(
        ConfigError, match="do not have one set of covariances, as covariance='tied'"
    ):
        bg.adopt(foreign(own_run, names), faithful, bg.MixtureSpec(2, "tied"))
    with pytest.raises(ConfigError, match=r"'weights' must have shape \(3,\) for K = 3"):
        bg.adopt(foreign(own_run, names), faithful, 3)
    with pytest.raises(ConfigError, match="lacks 'covariances'"):
        bg.adopt(foreign(own_run, names[:2]), faithful, 2)
    with pytest.raises(ConfigError, match="exchangeable has no effect with a spec"):
        bg.adopt(given, faithful, 2, exchangeable=True)
    with pytest.raises(ConfigError, match="takes a DataTree with a posterior"):
        bg.adopt({"posterior": {}}, faithful, 2)
    rows, model = own_models.named_clusters()
    with pytest.raises(ConfigError, match="draws lack the variable 's' of the model"):
        bg.adopt(foreign(result_of("named_clusters"), ("weights", "means")), rows, model)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # find_MAP announces its next version
def test_find_map_reaches_the_mode_of_fit_map():
    rng = np.random.default_rng(7)
    x = rng.normal(rng.choice([0.0, 10.0], 20), 3.0)[:, None]
    spec = bg.MixtureSpec(2, "tied")
    model = bg.build_model(x, spec)
    start = model.initial_point()
    assert abs(np.diff(start["means"].ravel())[0]) > 5.0
    best = pm.find_MAP(model=model, progressbar=False)
    mode = bg.fit_map(x, spec, seed=1).parameters
    np.testing.assert_allclose(best["means"], mode.means, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(best["weights"], mode.weights, atol=1e-3)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore")  # PyMC's own, of short runs and coming changes
def test_pymc_makes_and_uses_draws_of_the_built_in_model(faithful):
    model = bg.build_model(faithful, 2)
    options = {"model": model, "progressbar": False, "random_seed": 1}
    with model:
        approximation = pm.fit(n=3000, progressbar=False, random_seed=1)
    made = {
        "nutpie": pm.sample(300, tune=400, chains=2, cores=2, nuts_sampler="nutpie", **options),
        "pymc": pm.sample(300, tune=400, chains=2, cores=1, nuts_sampler="pymc", **options),
        "blackjax": pm.sample(300, tune=400, chains=2, nuts_sampler="blackjax", **options),
        "smc": pm.sample_smc(300, chains=2, cores=1, **options),
        "advi": approximation.sample(300),
    }
    reference = bg.loo(bg.sample(faithful, 2, seed=1)).elpd
    for name, tree in made.items():
        result = bg.relabel(bg.adopt(tree, faithful, 2))
        theirs = pm.compute_log_likelihood(
            tree, model=model, progressbar=False, extend_inferencedata=False
        )["x"].values
        ours = bg.adopt(tree, faithful, 2)["log_likelihood"]["x"].values
        np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-7)
        assert bg.diagnose(result).statistics["draws"] == 300
        if name in ("nutpie", "pymc", "blackjax"):  # the others approximate, well or badly
            assert bg.loo(result).elpd == pytest.approx(reference, abs=1.5), name
    rows = faithful.values[:7] + 0.1
    with model:
        pm.set_data({"x_data": rows}, coords={"obs": np.arange(7)})
        new = pm.compute_log_likelihood(
            made["nutpie"], progressbar=False, extend_inferencedata=False
        )["x"].values
        predicted = pm.sample_posterior_predictive(made["nutpie"], progressbar=False, random_seed=1)
    assert new.shape == (2, 300, 7)
    assert predicted["posterior_predictive"]["x"].shape == (2, 300, 7, 2)
    ours = bg.log_density(bg.adopt(made["nutpie"], faithful, 2), rows)["mean"].values
    theirs = new.reshape(-1, 7)
    np.testing.assert_allclose(np.logaddexp.reduce(theirs) - np.log(len(theirs)), ours, rtol=1e-8)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore")
def test_numpyro_samples_the_same_model(faithful):
    """Written by hand in NumPyro, in its names of axes; the log likelihood must agree with ours."""
    import jax
    import numpyro
    import numpyro.distributions as dist
    from jax import numpy as jnp

    numpyro.enable_x64()
    prior = resolve(bg.MixtureSpec(2), faithful)
    noise = jnp.diag(jnp.asarray(prior.resolution) ** 2)

    def model(rows):
        w = numpyro.sample("weights", dist.Dirichlet(jnp.ones(2)))
        normal = dist.Normal(jnp.asarray(prior.mean_location), jnp.asarray(prior.mean_scale))
        mu = numpyro.sample("means", normal.expand([2, 2]).to_event(2))
        scale = dist.LogNormal(jnp.log(jnp.asarray(prior.scale)), 0.8)
        s = numpyro.sample("scales", scale.expand([2, 2]).to_event(2))
        factor = numpyro.sample("factor", dist.LKJCholesky(2, 2.0).expand([2]).to_event(1))
        omega = numpyro.deterministic("correlations", factor @ jnp.swapaxes(factor, -1, -2))
        cov = s[..., :, None] * omega * s[..., None, :] + noise
        components = dist.MultivariateNormal(mu, cov)
        mixture = dist.MixtureSameFamily(dist.Categorical(probs=w), components)
        numpyro.sample("x", mixture, obs=rows)

    run = numpyro.infer.MCMC(
        numpyro.infer.NUTS(model), num_warmup=500, num_samples=500, num_chains=2,
        chain_method="sequential", progress_bar=False,
    )  # fmt: skip
    run.run(jax.random.PRNGKey(0), jnp.asarray(faithful.values))
    tree = bg.relabel(bg.adopt(az.from_numpyro(run, log_likelihood=True), faithful, 2))
    ours = bg.summarize(bg.sample(faithful, 2, seed=1))
    theirs = bg.summarize(tree)
    gap = (theirs["mean"] - ours["mean"]).abs()
    error = np.hypot(theirs["mcse_mean"], ours["mcse_mean"])
    assert (gap <= 4.0 * error).all()
