"""Memberships, densities and simulated rows against brute force over the draws."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.stats import kstest, multivariate_normal

from bayesgmm.data import as_dataset
from bayesgmm.errors import ConfigError, DataError, ResourceError
from bayesgmm.fit import fit_em
from bayesgmm.prediction import (
    density,
    density_grid,
    draws,
    log_density,
    membership,
    most_ambiguous,
    posterior_predictive,
    simulate,
)
from tests.support.prediction_draws import joint_densities, posterior_of, random_parameters


@pytest.fixture(scope="module")
def parameters():
    return random_parameters(60, 3, 2)


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(1).normal(3.0, 3.0, size=(300, 2))


@pytest.fixture(scope="module")
def posterior(parameters, rows):
    return posterior_of(parameters, rows)


@pytest.fixture(scope="module")
def joint(parameters, rows):
    return joint_densities(parameters, rows)


@pytest.mark.parametrize("size", [1, 2, 3, 10, 4001])
@pytest.mark.parametrize("prob", [0.05, 0.5, 0.89, 0.9999])
def test_intervals_are_quantiles_of_type_7(size, prob):
    values = np.random.default_rng(size).normal(size=(3, 2, size)).round(1)
    values[1, 1, size // 2] = np.nan
    expected = np.quantile(values, [0.5 - 0.5 * prob, 0.5 + 0.5 * prob], axis=-1)
    np.testing.assert_allclose(draws.interval(values[0, 0], prob), expected[:, 0, 0], atol=1e-14)
    np.testing.assert_allclose(draws.interval(values, prob), expected, atol=1e-14)


def test_membership_equals_brute_force(posterior, joint, monkeypatch):
    """Over several blocks of rows, mean, quantiles and entropy to 1e-12."""
    monkeypatch.setattr("bayesgmm.posterior.blocks.BLOCK_BYTES", 2**18)
    soft = membership(posterior, prob=0.8)
    shares = joint / joint.sum(axis=2, keepdims=True)
    mean = shares.mean(axis=0)
    np.testing.assert_allclose(soft["mean"], mean, rtol=0, atol=1e-12)
    np.testing.assert_allclose(soft["lower"], np.quantile(shares, 0.1, axis=0), atol=1e-12)
    np.testing.assert_allclose(soft["upper"], np.quantile(shares, 0.9, axis=0), atol=1e-12)
    np.testing.assert_allclose(soft["entropy"], -(mean * np.log(mean)).sum(axis=1), atol=1e-12)
    np.testing.assert_array_equal(soft["most_probable"], mean.argmax(axis=1) + 1)
    column = soft.sel(cluster=2)
    assert column["mean"].dims == ("obs",) and column.sizes["obs"] == len(mean)
    np.testing.assert_array_equal(column["mean"], soft["mean"].values[:, 1])


@pytest.mark.parametrize(
    "form",
    [
        np.asarray,
        np.ndarray.tolist,
        lambda x: pd.DataFrame({"other": 1.0, "x2": x[:, 1], "x1": x[:, 0]}),
        as_dataset,
    ],
    ids=["array", "lists", "frame by name", "Dataset"],
)
def test_new_rows_in_any_form(posterior, rows, form):
    xr.testing.assert_equal(
        membership(posterior, form(rows[:7])), membership(posterior).isel(obs=slice(7))
    )


def test_one_row_far_away_has_finite_memberships(posterior):
    soft = membership(posterior, [[1e6, -1e6]])
    np.testing.assert_allclose(soft["mean"].sum("cluster"), 1.0)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([[1.0, 2.0, 3.0]], "must have the 2 features of the model (x1, x2), got 3 columns"),
        ([[1.0, 2.0], [1.0, np.nan]], "first in row 2, column 'x2': nan"),
        ([[np.inf, 2.0]], "first in row 1, column 'x1': inf"),
        (np.empty((0, 2)), "rows is empty"),
        ([1.0, 2.0, 3.0], "must have the 2 features of the model (x1, x2), got 3 columns"),
        (pd.DataFrame({"x1": [1.0], "width": [2.0]}), "there is no column 'x2' of rows"),
        (pd.DataFrame({"x1": [1.0], "x2": ["a"]}), "x2"),
    ],
)
def test_unusable_rows_are_refused(posterior, bad, message):
    with pytest.raises(DataError) as caught:
        membership(posterior, bad)
    assert message in str(caught.value)


def test_a_point_fit_gives_the_plug_in_through_the_same_call(faithful):
    fit = fit_em(faithful, 2, seed=1)
    one = fit.parameters.at(None)
    joint = joint_densities(one, faithful.values)[0]
    soft = membership(fit, faithful)
    np.testing.assert_allclose(soft["mean"], joint / joint.sum(axis=1, keepdims=True), atol=1e-12)
    xr.testing.assert_equal(soft["lower"], soft["mean"])
    xr.testing.assert_equal(soft["upper"], soft["mean"])
    log = log_density(fit, faithful)["mean"]
    assert float(log.sum()) == pytest.approx(fit.log_likelihood, rel=1e-12)
    with pytest.raises(ConfigError, match="does not keep the data"):
        membership(fit)


def test_wrong_arguments_are_named(posterior):
    with pytest.raises(ConfigError, match=r"prob must be a number between 0 and 1, got 89"):
        membership(posterior, prob=89)
    with pytest.raises(ConfigError, match="a PointFit or a DataTree"):
        membership(xr.DataTree())


def test_most_ambiguous_rows_come_first(posterior):
    soft = membership(posterior)
    table = most_ambiguous(soft, 5)
    assert table.index.tolist() == np.argsort(-soft["entropy"].values)[:5].tolist()
    means = soft["mean"].values[table.index]
    np.testing.assert_array_equal(table["probability"], means.max(axis=1))
    np.testing.assert_array_equal(table["runner_up_probability"], np.sort(means, axis=1)[:, -2])


def test_density_equals_brute_force(posterior, joint, monkeypatch):
    monkeypatch.setattr("bayesgmm.posterior.blocks.BLOCK_BYTES", 2**17)
    total = joint.sum(axis=2)
    found = density(posterior, prob=0.5)
    np.testing.assert_allclose(found["mean"], total.mean(axis=0), rtol=1e-11)
    for name, tail in (("lower", 0.25), ("upper", 0.75)):
        quantile = np.exp(np.quantile(np.log(total), tail, axis=0))
        np.testing.assert_allclose(found[name], quantile, rtol=1e-11)
    assert found.attrs["prob"] == 0.5


def test_log_density_survives_where_the_density_underflows(posterior):
    far = [[4000.0, 4000.0]]
    assert float(density(posterior, far)["mean"][0]) == 0.0
    assert -1e9 < float(log_density(posterior, far)["mean"][0]) < -1e3


def test_grid_holds_the_exact_marginal(posterior, parameters):
    grid = density_grid(posterior, "x2", size=1501, limits=[(-30, 30)])
    weights, means, _, _, covariances = parameters[:5]
    at = 800
    pdf = weights * np.exp(
        -0.5 * (grid["x"].values[at] - means[..., 1]) ** 2 / covariances[..., 1, 1]
    )
    pdf /= np.sqrt(2 * np.pi * covariances[..., 1, 1])
    assert float(grid["mean"][at]) == pytest.approx(pdf.sum(axis=1).mean(), rel=1e-11)
    np.testing.assert_allclose(grid["components"][:, at], pdf.mean(axis=0), rtol=1e-11)
    assert float(grid["mean"].integrate("x")) == pytest.approx(1.0, abs=1e-9)
    assert grid["x"].attrs["long_name"] == "x2"


def test_grid_of_two_features_lies_as_labelled(posterior):
    grid = density_grid(posterior, ["x2", "x1"], size=20)
    at = grid["mean"].isel(x=3, y=11)
    direct = density(posterior, [[float(at["y"]), float(at["x"])]])
    assert grid["mean"].dims == ("y", "x")
    for name in ("mean", "lower", "upper"):
        assert float(grid[name].isel(x=3, y=11)) == pytest.approx(float(direct[name][0]), rel=1e-11)
    np.testing.assert_allclose(grid["components"].sum("cluster"), grid["mean"], rtol=1e-11)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"features": "width"}, "there is no feature 'width'; the model has x1, x2"),
        ({"features": ["x1", "x1"]}, "one or two different names"),
        ({"features": "x1", "limits": [(2, 1)]}, r"one \(low, high\)"),
        ({"size": 1}, "size must be an integer >= 2"),
    ],
)
def test_unusable_grids_are_refused(posterior, arguments, message):
    with pytest.raises(ConfigError, match=message):
        density_grid(posterior, **arguments)


def test_density_of_galaxies_integrates_to_one(galaxies):
    fit = fit_em(galaxies, 3, seed=1)
    grid = density_grid(fit, size=20_001, limits=[(-60, 100)])
    assert float(grid["mean"].integrate("x")) == pytest.approx(1.0, abs=1e-6)


def test_simulated_rows_follow_the_predictive_density(posterior, parameters):
    found = simulate(posterior, 20_000, seed=3)
    for cluster in range(3):
        weight = parameters.weights[:, cluster].mean()
        share = float((found["cluster"] == cluster + 1).mean())
        assert abs(share - weight) < 4 * np.sqrt(weight * (1 - weight) / 20_000)
    draw, cluster = found["draw"].values, found["cluster"].values - 1
    factors = np.linalg.cholesky(parameters.covariances)[draw, cluster]
    centred = (found["x"].values - parameters.means[draw, cluster])[..., None]
    noise = np.linalg.solve(factors, centred)[..., 0]
    assert kstest(noise.ravel(), "norm").pvalue > 1e-3
    assert abs(np.corrcoef(noise.T)[0, 1]) < 4 / np.sqrt(20_000)


def test_simulation_is_seeded_and_takes_one_draw_where_asked(posterior):
    first = simulate(posterior, 50, one_draw=True)
    again = simulate(posterior, 50, seed=first.attrs["seed"], one_draw=True)
    xr.testing.assert_equal(first, again)
    assert len(np.unique(first["draw"])) == 1
    assert len(np.unique(simulate(posterior, 50, seed=1)["draw"])) > 20
    with pytest.raises(ConfigError, match="n must be an integer >= 1, got 0"):
        simulate(posterior, 0)


def test_posterior_predictive_replicates_come_from_their_draws(parameters, rows):
    """Draws far apart from each other, so that a replicate tells which one it came from."""
    shift = 1000.0 * np.arange(60)[:, None, None]
    apart = posterior_of(parameters._replace(means=parameters.means + shift), rows)
    tree = posterior_predictive(apart, 10, seed=1)
    group = tree["posterior_predictive"].to_dataset()
    assert group["x"].dims == ("chain", "draw", "obs", "feature")
    assert group.sizes["chain"] * group.sizes["draw"] == 10
    position = group["x"].mean(("obs", "feature")).values / 1000.0
    expected = group["chain"].values[:, None] * 30 + group["draw"].values
    np.testing.assert_array_equal(position.round(), expected)
    assert "posterior_predictive" not in apart.children


def test_replicates_that_would_not_fit_are_refused(posterior, monkeypatch):
    monkeypatch.setattr("bayesgmm.runtime.memory.available_bytes", lambda: 1000)
    with pytest.raises(ResourceError, match="replicates of 300 rows would take"):
        posterior_predictive(posterior)


def test_marginal_of_a_marginal_is_exact(parameters, rows):
    source = draws.draws_of(posterior_of(parameters, rows)).marginal([1])
    one = multivariate_normal(parameters.means[0, 0, 1], parameters.covariances[0, 0, 1, 1])
    log_density = source.taken(np.array([0])).log_densities(rows[:1, [1]])
    joint = joint_densities(source.taken(np.array([0])).parameters, rows[:1, [1]])
    assert joint[0, 0, 0] == pytest.approx(parameters.weights[0, 0] * one.pdf(rows[0, 1]))
    assert log_density[0, 0] == pytest.approx(np.log(joint.sum()))


def test_membership_is_streamed(monkeypatch):
    """The responsibilities of all rows and draws would take 96 MB; a tenth is allowed."""
    monkeypatch.setattr("bayesgmm.posterior.blocks.BLOCK_BYTES", 2**20)
    monkeypatch.setattr("bayesgmm.posterior.blocks.MOST_THREADS", 2)
    wide = np.random.default_rng(6).normal(3.0, 3.0, size=(10_000, 1))
    posterior = posterior_of(random_parameters(400, 3, 1), wide)
    membership(posterior, wide[:2])
    tracemalloc.start()
    try:
        membership(posterior)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 9.6e6


def test_a_data_set_without_a_feature_of_the_model_is_refused():
    rows = pd.DataFrame({"length": [1.0, 2.0, 4.0, 7.0], "width": [2.0, 1.0, 3.0, 8.0]})
    fit = fit_em(rows, 1, seed=1)
    other = as_dataset(rows.rename(columns={"width": "height"}))
    with pytest.raises(DataError, match="no feature 'width'; they have length, height"):
        density(fit, other)
