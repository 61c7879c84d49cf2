"""Factor-analytic components: fits against other maximisers, their prior, and their posterior."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_wine

import bayesgmm as bg
from bayesgmm.errors import ConfigError
from bayesgmm.model.components.loadings import (
    agreement,
    aligned,
    draw_loadings,
    factor_analysis,
    filled,
    triangular,
)

ROWS = np.random.default_rng(5).multivariate_normal(
    np.zeros(3), [[2.0, 0.7, -0.4], [0.7, 1.0, 0.3], [-0.4, 0.3, 0.5]], size=150
)


def two_clusters(n=400, n_features=5, seed=1):
    """Return rows of two clusters with one factor each, and the loadings (cluster, feature)."""
    rng = np.random.default_rng(seed)
    loadings = rng.normal(size=(2, n_features)) + np.sign(rng.normal(size=(2, n_features)))
    which = (rng.random(n) < 0.4).astype(int)
    rows = which[:, None] * np.array([6.0, 3.0, 0.0, 0.0, 5.0])
    rows = rows + rng.normal(size=(n, 1)) * loadings[which] + 0.6 * rng.normal(size=rows.shape)
    return rows, loadings


def test_as_many_factors_as_features_leave_the_covariance_free():
    full = bg.fit_em(ROWS, 1, seed=1, n_starts=2)
    factors = bg.fit_em(ROWS, bg.MixtureSpec(1, "factor", n_factors=3), seed=1, n_starts=2)
    assert factors.log_likelihood == pytest.approx(full.log_likelihood, abs=1e-5)
    assert factors.n_parameters == full.n_parameters
    np.testing.assert_allclose(factors.covariances, full.covariances, atol=1e-3)


# The best of 50 starts of L-BFGS on the same likelihood in another parametrisation: scipy 1.x,
# unique variances at least 1e-8 of those of the data.
WINE = {(2, 1): -3278.674, (2, 2): -3162.146, (3, 1): -3099.027, (3, 2): -2995.153}


@pytest.mark.parametrize(
    "size", [(2, 1), *(pytest.param(size, marks=pytest.mark.slow) for size in list(WINE)[1:])]
)
@pytest.mark.parametrize("seed", [1, *(pytest.param(s, marks=pytest.mark.slow) for s in (2, 3))])
def test_em_is_as_high_as_many_starts_of_another_maximiser(size, seed):
    """With 122 parameters on 178 rows nearly each start ends elsewhere, of either maximiser."""
    k, q = size
    spec = bg.MixtureSpec(k, "factor", n_factors=q, resolution=0)
    fit = bg.fit_em(load_wine().data, spec, seed=seed)
    assert fit.log_likelihood > WINE[size] - 0.01


def test_factors_are_sought_from_two_beginnings():
    """Of 60 rows of breast_cancer, 30 features: half the variances lead 86 nats less high."""
    rows = load_breast_cancer().data
    covariance = np.cov(((rows - rows.mean(axis=0)) / rows.std(axis=0))[:60].T)
    loadings, unique = factor_analysis(covariance, 1)
    whole = loadings @ loadings.T + np.diag(unique)
    distance = np.trace(np.linalg.solve(whole, covariance))
    assert -50.0 * (np.linalg.slogdet(whole)[1] + distance) > -510.0


@pytest.mark.parametrize("covariance", ["factor", "CUC", "UCU"])
def test_em_never_falls_and_keeps_to_its_structure(covariance):
    rows, _ = two_clusters(200)
    spec = bg.MixtureSpec(2, covariance, n_factors=2)
    fit = bg.fit_em(rows, spec, seed=1, n_starts=6)
    for climb in fit.climbs:
        assert np.diff(climb.path).min(initial=0.0) > -1e-8 * abs(fit.log_likelihood)
    loadings, unique = fit.parameters.loadings, fit.parameters.unique_scales
    whole = loadings @ loadings.swapaxes(1, 2) + unique[:, :, None] ** 2 * np.eye(5)
    np.testing.assert_allclose(fit.covariances, whole, rtol=1e-8)
    if covariance[0] == "C":
        np.testing.assert_allclose(loadings[0], loadings[1], rtol=1e-8)
    if covariance[1] == "C":
        np.testing.assert_allclose(unique[0], unique[1], rtol=1e-8)
    if covariance[2] == "C":
        np.testing.assert_allclose(unique, unique[:, :1] * np.ones(5), rtol=1e-8)


def test_the_prior_of_loadings_is_that_of_free_ones_in_any_order():
    """The second and fourth moments of Lambda Lambda' do not know the order of the features."""
    scale, rng = np.array([[1.0, 2.0, 0.5, 1.5]]), np.random.default_rng(4)
    size, q = 200_000, 2
    free = rng.normal(size=(size, 4, q)) * scale[0][:, None] / np.sqrt(q)
    expected = free @ free.swapaxes(1, 2)
    for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
        order = np.array(order)
        logs, below = draw_loadings(scale, order, q, size, rng)
        loadings = filled(np.exp(logs[:, 0]), below[:, 0], order)
        found = loadings @ loadings.swapaxes(1, 2)
        for power in (1, 2):
            error = 4.5 * (expected**power).std(axis=0) / np.sqrt(size / 2)
            gap = (found**power).mean(axis=0) - (expected**power).mean(axis=0)
            assert (np.abs(gap) < error).all()


def test_turned_draws_come_together_and_noise_does_not_agree():
    rng = np.random.default_rng(6)
    one = rng.normal(size=(6, 2)) * [2.0, 1.0]
    turns = np.linalg.qr(rng.normal(size=(300, 2, 2)))[0]
    draws = aligned(one @ turns)
    np.testing.assert_allclose(draws, np.broadcast_to(draws[0], draws.shape), atol=1e-7)
    np.testing.assert_allclose(draws[0] @ draws[0].T, one @ one.T, atol=1e-7)
    assert agreement(draws).min() > 1.0 - 1e-6
    lower = triangular(one @ turns, np.arange(6))
    np.testing.assert_allclose(lower, np.broadcast_to(lower[0], lower.shape), atol=1e-7)
    assert agreement(aligned(rng.normal(size=(300, 6, 1)))).max() < 0.5


def test_draws_hold_the_loadings_and_both_routes_agree(tmp_path):
    rows, loadings = two_clusters()
    spec = bg.MixtureSpec(2, "factor", n_factors=1)
    tree = bg.sample(rows, spec, draws=500, tune=500, seed=1)
    table = bg.summarize(tree, prob=0.99)
    held = []
    for k in range(2):
        names = [f"loadings[{k + 1}, x{d + 1}, 1]" for d in range(5)]
        low, high = (table.loc[names, f"eti99_{end}"] for end in ("lb", "ub"))
        sign = np.sign(table.loc[names, "mean"].to_numpy(dtype=float) @ loadings[k])
        held += [lo <= sign * v <= hi for lo, hi, v in zip(low, high, loadings[k], strict=True)]
    assert sum(held) >= 9
    bridge = bg.log_evidence(tree, seed=1)
    smc = bg.smc_evidence(tree, seed=1)
    assert abs(bridge.value - smc.value) < 3.0 * np.hypot(bridge.error, smc.error) + 0.1
    assert np.isfinite(bg.loo(tree).elpd)
    bg.save(tree, tmp_path / "factors.nc")
    again = bg.load(tmp_path / "factors.nc")
    np.testing.assert_array_equal(again["posterior"]["loadings"], tree["posterior"]["loadings"])


def test_factors_are_asked_for_in_words():
    with pytest.raises(ConfigError, match="n_factors must say how many factors 'factor' has"):
        bg.MixtureSpec(2, "factor")
    with pytest.raises(ConfigError, match="has an effect on factor-analytic covariances only"):
        bg.MixtureSpec(2, "full", n_factors=1)
    with pytest.raises(ConfigError, match="from 1 to the number of features"):
        bg.fit_em(ROWS, bg.MixtureSpec(1, "factor", n_factors=4))


def test_numbers_of_factors_stand_beside_structures_in_one_table():
    table = bg.bic_grid(ROWS, [1], ["full", "factor"], n_factors=[1, 2], seed=1, n_starts=2)
    assert table["n_factors"].fillna(0).astype(int).tolist() == [0, 1, 2]
    assert table["log_likelihood"].iloc[1] <= table["log_likelihood"].iloc[2] + 1e-6
