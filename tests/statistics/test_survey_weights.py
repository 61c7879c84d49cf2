"""Draws under the weights of a survey: their variance is that of the weighted estimate."""

import numpy as np
import pandas as pd
import pytest

import bayesgmm as bg
from bayesgmm.cli import main
from bayesgmm.likelihood.annotated_rows import table_of
from bayesgmm.likelihood.climbing import row_scores
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.model.resolving import resolve
from bayesgmm.posterior.tree import attribute
from bayesgmm.sampling import _sample, pseudo_posterior
from bayesgmm.sampling.mode_search import find_modes

TRUTH = np.array([0.0, 6.0])


def surveyed(table, weights):
    return bg.Dataset.from_frame(table, weights=weights, weights_kind="sampling")


def informative_sample(seed, n_rows=400):
    """Rows of two equal clusters at 0 and 6, of which large ones are selected more often."""
    rng = np.random.default_rng([9, seed])
    population = rng.normal(size=20_000) + TRUTH[rng.integers(2, size=20_000)]
    within = population - TRUTH[(population > 3.0).astype(int)]
    chance = np.exp(0.7 * within)
    chosen = rng.choice(len(population), n_rows, replace=False, p=chance / chance.sum())
    return population[chosen], 1.0 / chance[chosen]


def covered(posterior, prob=0.9):
    """Whether the intervals of both means hold the population's."""
    means = posterior["posterior"]["means"].values.reshape(-1, 2)
    low, high = np.quantile(means, [0.5 - prob / 2, 0.5 + prob / 2], axis=0)
    return (low < TRUTH) & (high > TRUTH)


def test_the_variance_of_a_mean_is_that_of_a_weighted_mean():
    """In closed form: sum w^2 (x - m)^2 / (sum w)^2."""
    rng = np.random.default_rng(1)
    x, weights = rng.normal(size=400), rng.lognormal(0.0, 1.0, 400)
    x += 0.3 * np.log(weights)
    posterior = bg.sample(surveyed(pd.DataFrame({"x": x}), weights), 1, seed=2)
    drawn = posterior["posterior"]["means"].values
    mean = np.average(x, weights=weights)
    expected = np.sqrt((weights**2 * (x - mean) ** 2).sum()) / weights.sum()
    ignored = np.sqrt(np.average((x - mean) ** 2, weights=weights) / 400)
    assert drawn.mean() == pytest.approx(mean, abs=0.1 * expected)
    assert drawn.std() == pytest.approx(expected, rel=0.05)
    assert expected > 1.3 * ignored
    told = attribute(posterior, "pseudo_posterior")
    assert told["effective_rows"] == pytest.approx(weights.sum() ** 2 / (weights @ weights))
    assert "no strata" in told["assumes"]
    total = posterior["sample_stats"]["log_likelihood"].values
    scaled = weights * 400 / weights.sum()
    np.testing.assert_allclose(posterior["log_likelihood"]["x"].values @ scaled, total, rtol=1e-9)


def test_equal_weights_change_little_where_the_model_holds():
    rng = np.random.default_rng(3)
    table = pd.DataFrame({"x": np.r_[rng.normal(size=300), rng.normal(8.0, 2.0, 200)]})
    ours = bg.sample(surveyed(table, np.full(500, 7.0)), 2, draws=500, seed=1)["posterior"]
    plain = bg.sample(table, 2, draws=500, seed=1)["posterior"]
    for name in ("weights", "means", "scales"):
        one, other = (tree[name].values.reshape(2000, 2) for tree in (ours, plain))
        assert np.abs(one.mean(axis=0) - other.mean(axis=0)).max() < 0.2 * other.std(axis=0).max()
        np.testing.assert_allclose(one.std(axis=0), other.std(axis=0), rtol=0.2)


def test_their_spread_is_that_of_estimates_over_samples():
    """Against EM on 60 samples of the same design; unadjusted draws are far too narrow."""
    estimates = []
    start = bg.fit_em(pd.DataFrame({"x": informative_sample(0)[0]}), 2, seed=1, n_starts=4)
    for seed in range(60):
        x, weights = informative_sample(seed)
        data = surveyed(pd.DataFrame({"x": x}), weights)
        fit = bg.fit_em(data, bg.MixtureSpec(2, "tied"), starts=[start.parameters])
        estimates.append(np.sort(fit.means.ravel()))
    spread = np.std(estimates, axis=0)
    x, weights = informative_sample(100)
    data = surveyed(pd.DataFrame({"x": x}), weights)
    posterior = bg.sample(data, bg.MixtureSpec(2, "tied"), draws=500, seed=1)
    adjusted = posterior["posterior"]["means"].values.reshape(-1, 2).std(axis=0)
    np.testing.assert_allclose(adjusted, spread, rtol=0.3)
    naive = posterior["posterior"]["scales"].values.mean() / np.sqrt(200)
    assert spread.min() > 1.3 * naive


def test_the_move_gives_the_variance_of_the_sandwich():
    """Scores by finite differences against the fused gradient; A H^-1 A' = H^-1 J H^-1."""
    x, weights = informative_sample(1, 120)
    data = surveyed(pd.DataFrame({"x": x, "y": x**2 + np.arange(120) % 7}), weights)
    target = LogPosterior(resolve(bg.MixtureSpec(2), data), table_of(data, 2))
    mode = find_modes(target, data, 3)[0]
    ((_, scores),) = row_scores(target, mode.x)
    of_rows = (
        target.evaluate(mode.x).gradient - target.evaluate(mode.x, inverse_temperature=0.0).gradient
    )
    np.testing.assert_allclose(target.rows.weights @ scores, of_rows, rtol=1e-5, atol=1e-4)
    move, stretch = pseudo_posterior._move(target, mode)
    inverse = np.linalg.inv(mode.precision)
    weighted = target.rows.weights[:, None] * scores
    sandwich = inverse @ (np.cov(weighted, rowvar=False) * 120) @ inverse
    np.testing.assert_allclose(move @ inverse @ move.T, sandwich, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(np.sort(np.linalg.eigvals(move).real), stretch, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_intervals_cover_the_population_where_draws_are_adjusted(monkeypatch):
    """Of 200 samples of the design, 90 % intervals of both means."""
    raw, inside = [], {"adjusted": [], "raw": []}

    def kept(target, tree, *others):
        raw.append(tree)
        return pseudo_posterior.adjusted(target, tree, *others)

    monkeypatch.setattr(_sample, "adjusted", kept)
    for seed in range(200):
        x, weights = informative_sample(seed)
        data = surveyed(pd.DataFrame({"x": x}), weights)
        posterior = bg.sample(data, bg.MixtureSpec(2, "tied"), draws=250, tune=300, seed=seed)
        inside["adjusted"].append(covered(posterior))
        inside["raw"].append(covered(raw.pop()))
    shares = {name: np.mean(values) for name, values in inside.items()}
    assert 0.85 < shares["adjusted"] < 0.95 and shares["raw"] < 0.8, shares


@pytest.fixture(scope="module")
def result():
    x, weights = informative_sample(0)
    return bg.sample(surveyed(pd.DataFrame({"x": x}), weights), 2, draws=100, tune=300, seed=1)


@pytest.mark.parametrize(
    "verb", [bg.loo, bg.waic, bg.loo_with_refits, bg.log_evidence, bg.smc_evidence, bg.extend]
)
def test_what_needs_a_likelihood_is_refused(verb, result):
    with pytest.raises(bg.DataError, match="not take a survey's weights"):
        verb(result)


def test_a_comparison_is_refused_with_the_reason(tmp_path, capsys):
    x, weights = informative_sample(0)
    table = pd.DataFrame({"x": x, "w": weights})
    with pytest.raises(bg.DataError, match="compare does not take a survey's weights"):
        bg.compare(surveyed(table[["x"]], weights), [1, 2])
    table.to_csv(tmp_path / "survey.csv", index=False)
    options = ["--weights", "w", "--weights-kind", "sampling", "--out", str(tmp_path / "out")]
    code = main(["compare", str(tmp_path / "survey.csv"), *options])
    assert code == 2 and "not take a survey's weights" in capsys.readouterr().err


def test_what_needs_none_is_not(result, tmp_path):
    again = bg.load(bg.save(result, tmp_path / "posterior.nc"))
    assert bg.diagnose(again).left_out is None
    assert bg.membership(again)["mean"].shape == (400, 2)
    assert bg.summarize(again).notna().all(axis=None)
    assert attribute(again, "pseudo_posterior")["adjustment"] == "sandwich"


def test_draws_that_no_affine_move_fits_are_refused():
    rng = np.random.default_rng(0)
    data = surveyed(pd.DataFrame({"x": rng.normal(size=60)}), rng.uniform(0.5, 2.0, 60))
    with pytest.raises(bg.SamplingError, match="Take fewer clusters"):
        bg.sample(data, 2, draws=100, tune=200, seed=1)
    with pytest.raises(bg.ConfigError, match="relabelled before they are adjusted"):
        bg.sample(data, 1, relabel=None)
