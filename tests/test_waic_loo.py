import json
from pathlib import Path

import arviz as az
import numpy as np
import pytest
import xarray as xr
from test_evidence import EIGHT, FIXED, evidence_by_enumeration

from bayesgmm.criteria import WAIC, loo, loo_with_refits, waic
from bayesgmm.data import as_dataset
from bayesgmm.errors import ConfigError, DataWarning
from bayesgmm.sampling import sample
from bayesgmm.spec import MixtureSpec, Priors

ROOT = Path(__file__).parents[1]


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
    result = loo_with_refits(posterior, -np.inf, draws=400, tune=300, seed=4)
    everything = evidence_by_enumeration(EIGHT, 2)
    exact = [everything - evidence_by_enumeration(np.delete(EIGHT, i), 2) for i in range(8)]
    assert max(result.error) < 0.03
    assert (np.abs(result.elpd_i.values - exact) < 4 * np.array(result.error)).all()
    assert result.elpd == pytest.approx(result.elpd_i.sum().item())
    assert result.refitted == tuple(range(8)) and (result.pareto_k == 0.0).all()
    assert result.p == pytest.approx(loo(posterior).p + loo(posterior).elpd - result.elpd)
    assert "8 rows were left out one by one" in str(result)


def test_only_rows_with_high_pareto_k_are_refitted():
    rows = np.append(np.linspace(-1.5, 1.5, 20), 8.0)[:, None]
    posterior = sample(rows, MixtureSpec(1, priors=FIXED, resolution=0), seed=3)
    plain = loo(posterior)
    result = loo_with_refits(posterior, draws=1000, tune=300, seed=4)
    assert float(plain.pareto_k[-1]) > 0.7 and result.refitted == (20,)
    assert result.pareto_k_before == (float(plain.pareto_k[-1]),)
    np.testing.assert_array_equal(result.elpd_i[:-1], plain.elpd_i[:-1])
    exact = evidence_by_enumeration(rows[:, 0], 1) - evidence_by_enumeration(rows[:-1, 0], 1)
    assert result.error[0] < 0.25
    assert abs(float(result.elpd_i[-1]) - exact) < 4 * result.error[0]
    assert float(plain.elpd_i[-1]) > exact + 2.0
    table = az.compare({"refitted": result, "plain": plain}, round_to="none")
    assert set(table.index) == {"refitted", "plain"}
    assert result.seed == 4
    with pytest.raises(ConfigError, match="1 of 21 rows have a Pareto k above 0.7"):
        loo_with_refits(posterior, max_refits=0)
