import json

import arviz as az
import numpy as np
import pytest
import xarray as xr

from bayesgmm.data import as_dataset
from bayesgmm.elpd import WAIC, loo, loo_with_refits, waic
from bayesgmm.elpd.moment_matching import may_match_moments
from bayesgmm.errors import ConfigError, DataWarning
from bayesgmm.model.spec import MixtureSpec, Priors
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.tree import with_attributes
from bayesgmm.sampling import sample
from tests.support.few_rows import EIGHT, FIXED, OUTLYING, evidence_by_enumeration
from tests.support.places import ROOT


def tree_of(log_likelihood):
    return xr.DataTree.from_dict(
        {"log_likelihood": xr.Dataset({"x": (("chain", "draw", "obs"), log_likelihood)})}
    )


@pytest.fixture(scope="module")
def log_likelihood():
    rng = np.random.default_rng(3)
    return rng.normal(-2.0, 0.3, (2, 250, 30)) - 5.0 * rng.random(30)


def test_waic_equals_the_formula(log_likelihood):
    result = waic(tree_of(log_likelihood))
    flat = log_likelihood.reshape(-1, 30)
    expected = np.log(np.mean(np.exp(flat), axis=0)) - np.var(flat, axis=0, ddof=1)
    np.testing.assert_allclose(result.elpd_i, expected, rtol=1e-12)
    assert result.elpd == pytest.approx(expected.sum(), rel=1e-12)
    assert result.se == pytest.approx(np.sqrt(30) * expected.std(ddof=1), rel=1e-12)
    assert result.p == pytest.approx(np.var(flat, axis=0, ddof=1).sum(), rel=1e-12)
    assert not result.warning and result.n_high_variance == 0


def test_equal_to_loo_in_r_on_the_same_matrix():
    """The matrix of reference/loo_matrix.R, by the same formula; Pareto shapes up to 0.8.

    With 900 draws the tail has 90 in both programs, where the ESS of the total exceeds the draws.
    """
    reference = json.loads((ROOT / "tests/reference/loo_matrix.json").read_text())
    uniform, state = np.empty(20 * 4 * 225), 20261121
    for j in range(len(uniform)):
        state = 16807 * state % 2147483647
        uniform[j] = state / 2147483647
    shapes = np.linspace(0.04, 0.8, 20)
    values = np.log(uniform).reshape(20, 4, 225).transpose(1, 2, 0) * shapes
    tree = tree_of(values - 0.1 * np.arange(1, 21))
    for criterion, name in ((waic, "waic"), (loo, "loo")):
        ours = criterion(tree)
        assert ours.elpd == pytest.approx(reference[f"elpd_{name}"], abs=1e-8)
        assert ours.se == pytest.approx(reference[f"se_elpd_{name}"], abs=1e-8)
        assert ours.p == pytest.approx(reference[f"p_{name}"], abs=1e-8)
        np.testing.assert_allclose(ours.elpd_i, reference[f"elpd_{name}_i"], atol=1e-8)
    np.testing.assert_allclose(ours.pareto_k, reference["pareto_k"], atol=1e-8)
    assert (np.array(reference["pareto_k"]) > 0.7).any()


def test_waic_survives_values_that_underflow(log_likelihood):
    moved = waic(tree_of(log_likelihood - 2000.0))
    assert moved.elpd == pytest.approx(waic(tree_of(log_likelihood)).elpd - 30 * 2000.0, rel=1e-12)


def test_waic_counts_the_rows_with_high_variance(log_likelihood):
    spread = log_likelihood.copy()
    spread[:, :, :3] *= np.linspace(0.5, 1.5, 250)[:, None]
    spread[:, :, :3] -= 10.0 * np.linspace(0.0, 1.0, 250)[:, None]
    result = waic(tree_of(spread))
    assert result.warning and result.n_high_variance == 3
    assert "exceeds 0.4 in 3 rows (10.0 %): prefer LOO." in str(result)


def test_arviz_compares_waic_results(log_likelihood):
    better, worse = waic(tree_of(log_likelihood)), waic(tree_of(log_likelihood - 0.2))
    assert isinstance(better, WAIC) and better.kind == "waic"
    table = az.compare({"worse": worse, "better": better}, round_to="none")
    assert list(table.index) == ["better", "worse"]
    assert table["elpd_diff"].iloc[1] == pytest.approx(-6.0, abs=1e-9)


def test_high_pareto_k_is_carried_and_not_emitted(log_likelihood):
    heavy = log_likelihood.copy()
    heavy[0, :5, 0] -= 40.0
    result = loo(tree_of(heavy))
    assert result.warning and float(result.pareto_k.max()) > 0.7


@pytest.mark.parametrize("criterion", [waic, loo])
def test_a_tree_without_log_likelihood_is_refused(criterion, log_likelihood):
    with pytest.raises(ConfigError, match="sample with log_likelihood=True"):
        criterion(xr.DataTree())
    log_likelihood = log_likelihood.copy()
    log_likelihood[0, 0, 0] = -np.inf
    with pytest.raises(ConfigError, match="has 1 values that are not finite, of 15000"):
        criterion(tree_of(log_likelihood))


def test_faithful_agrees_with_stan_and_loo_in_r():
    data = as_dataset(np.loadtxt(ROOT / "models/data/faithful.csv", delimiter=",", skiprows=1))
    scaled = as_dataset((data.values - data.centre()) / data.spread())
    priors = Priors(
        mean_location=0.0, mean_scale=2.0, scale_family="halfnormal", scale=2.0, units="data"
    )
    with pytest.warns(DataWarning, match="hold ties"):
        posterior = sample(scaled, MixtureSpec(2, priors=priors, resolution=0), seed=5)
    reference = json.loads((ROOT / "tests/reference/stan_faithful_k.json").read_text())
    r = reference["runs"]["K2_ord1"]["information"]
    assert waic(posterior).elpd == pytest.approx(r["waic"]["elpd_waic"], abs=0.3)
    assert loo(posterior).elpd == pytest.approx(r["loo"]["elpd_loo"], abs=0.3)
    assert loo(posterior).se == pytest.approx(r["loo"]["se_elpd_loo"], abs=0.2)


def test_refits_are_exact_leave_one_out():
    """log p(x_i | the rest) is a difference of two evidences, each a sum over all allocations."""
    posterior = sample(EIGHT[:, None], MixtureSpec(2, priors=FIXED, resolution=0), seed=3)
    result = loo_with_refits(posterior, -np.inf, moment_matching=False, draws=400, tune=300, seed=4)
    everything = evidence_by_enumeration(EIGHT, 2)
    exact = [everything - evidence_by_enumeration(np.delete(EIGHT, i), 2) for i in range(8)]
    assert float(result.error.max()) < 0.03
    assert (np.abs(result.elpd_i.values - exact) < 4 * result.error.values).all()
    assert result.elpd == pytest.approx(result.elpd_i.sum().item())
    assert result.refitted == tuple(range(8)) and (result.pareto_k == 0.0).all()
    assert result.p == pytest.approx(loo(posterior).p + loo(posterior).elpd - result.elpd)
    assert "8 rows were left out one by one" in str(result)


@pytest.fixture(scope="module")
def outlying():
    return sample(OUTLYING[:, None], MixtureSpec(1, priors=FIXED, resolution=0), seed=3)


def exact_of_the_outlier():
    return evidence_by_enumeration(OUTLYING, 1) - evidence_by_enumeration(OUTLYING[:-1], 1)


def test_only_rows_with_high_pareto_k_are_refitted(outlying):
    plain = loo(outlying)
    result = loo_with_refits(outlying, moment_matching=False, draws=1000, tune=300, seed=4)
    assert float(plain.pareto_k[-1]) > 0.7 and result.refitted == (20,)
    assert result.n_matched == 0
    np.testing.assert_array_equal(result.pareto_k_before, plain.pareto_k)
    np.testing.assert_array_equal(result.elpd_i[:-1], plain.elpd_i[:-1])
    exact = exact_of_the_outlier()
    error = float(result.error[-1])
    assert error < 0.25 and np.isnan(result.error[:-1]).all()
    assert abs(float(result.elpd_i[-1]) - exact) < 4 * error
    assert float(plain.elpd_i[-1]) > exact + 1.0
    table = az.compare({"refitted": result, "plain": plain}, round_to="none")
    assert set(table.index) == {"refitted", "plain"}
    assert result.seed == 4


def test_moment_matching_agrees_with_quadrature(outlying):
    """Over 24 seeds, those of the test left out: bias 0.01, sd 0.04, stated error 0.04 nats."""
    plain, result = loo(outlying), loo_with_refits(outlying, seed=4)
    assert result.matched == (20,) and result.n_refitted == 0 and not result.warning
    assert float(result.pareto_k[-1]) < 0.7 < float(result.pareto_k_before[-1])
    np.testing.assert_array_equal(result.elpd_i[:-1], plain.elpd_i[:-1])
    assert float(result.error[-1]) < 0.1
    assert abs(float(result.elpd_i[-1]) - exact_of_the_outlier()) < 4 * float(result.error[-1])
    assert result.elpd == pytest.approx(float(result.elpd_i.sum()))
    assert result.p == pytest.approx(plain.p + plain.elpd - result.elpd)
    assert "1 rows were repaired by moment matching." in str(result)


def two_groups_and_one():
    rng = np.random.default_rng(5)
    return np.concatenate([rng.normal(0.0, 1.0, (30, 1)), rng.normal(9.0, 1.0, (30, 1)), [[16.0]]])


@pytest.fixture(scope="module")
def two_clusters():
    return sample(two_groups_and_one(), 2, seed=3)


def test_moment_matching_agrees_with_a_refit_of_two_clusters(two_clusters):
    matched = loo_with_refits(two_clusters, seed=4)
    refitted = loo_with_refits(two_clusters, moment_matching=False, draws=2000, seed=4)
    assert matched.matched == refitted.refitted == (60,)
    error = np.hypot(float(matched.error[-1]), float(refitted.error[-1]))
    assert error < 0.15
    assert abs(float(matched.elpd_i[-1] - refitted.elpd_i[-1])) < 4 * error
    unmended = [loo(sample(two_groups_and_one(), 2, seed=seed)) for seed in range(5)]
    above = [float(result.elpd_i[-1] - refitted.elpd_i[-1]) for result in unmended]
    assert np.median(above) > 0.5  # one run may be right by luck


def test_moments_are_matched_only_where_every_cluster_is_identified(two_clusters):
    assert may_match_moments(Draws(two_clusters))
    unsure = with_attributes(two_clusters, identification=[1.0, 0.985])
    assert not may_match_moments(Draws(unsure))
    assert loo_with_refits(unsure, draws=100, tune=200, seed=4).refitted == (60,)
    raw = {name: text for name, text in two_clusters.attrs.items() if name != "identification"}
    unlabelled = two_clusters.copy()
    unlabelled.attrs = raw
    assert not may_match_moments(Draws(unlabelled))
    unlabelled.attrs = {name: text for name, text in raw.items() if name != "resolved"}
    with pytest.raises(ConfigError, match="user's own model"):
        loo_with_refits(unlabelled)


def test_nothing_changes_where_pareto_k_is_low(faithful):
    posterior = sample(faithful, 2, draws=300, seed=3)
    plain, result = loo(posterior), loo_with_refits(posterior, seed=1)
    assert float(plain.pareto_k.max()) <= 0.7
    assert result.n_matched == result.n_refitted == 0 and not result.warning
    np.testing.assert_array_equal(result.elpd_i, plain.elpd_i)
    np.testing.assert_array_equal(result.pareto_k, plain.pareto_k)
    for name in ("elpd", "se", "p"):
        assert getattr(result, name) == pytest.approx(getattr(plain, name), rel=1e-12)
    assert plain.log_weights is None


def test_too_many_rows_to_refit_are_left_standing(outlying):
    result = loo_with_refits(outlying, max_refits=0)
    assert result.n_refitted == 0 and result.warning
    assert float(result.pareto_k[-1]) > 0.7
    assert "1 rows with a high Pareto k are left." in str(result)
