"""Other priors on K from one set of runs, against runs under these priors."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from bayesgmm.data import Dataset
from bayesgmm.errors import ConfigError
from bayesgmm.evidence import log_evidence, posterior_over_k, posteriors_over_k
from bayesgmm.evidence.occupancy import Occupancy, occupancy_of
from bayesgmm.evidence.over_clusters import Runs, joint_of
from bayesgmm.evidence.priors_over_k import WeightsPrior, prior_over_k
from bayesgmm.likelihood.responsibilities import responsibilities
from bayesgmm.model.spec import MixtureSpec, Priors
from bayesgmm.posterior.draws import Draws
from bayesgmm.sampling import sample


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(3)
    return np.concatenate([rng.normal(0.0, 1.0, 12), rng.normal(3.5, 0.8, 8)])[:, None]


@pytest.fixture(scope="module")
def comparison(rows):
    return compared(rows, 4, draws=2000)


def compared(rows, most, draws):
    """Return what is asked of a comparison: draws, verdicts and evidences."""
    models = [MixtureSpec(k) for k in range(1, most + 1)]
    posteriors = {m: sample(rows, m, draws=draws, tune=500, seed=2) for m in models}
    evidences = {m: log_evidence(tree, seed=1) for m, tree in posteriors.items()}
    table = pd.DataFrame(
        {
            "log_evidence": [e.value for e in evidences.values()],
            "log_evidence_error": [e.error for e in evidences.values()],
        },
        index=range(1, most + 1),
    )
    verdicts = {m: SimpleNamespace(ok=True) for m in models}
    return SimpleNamespace(
        table=table, models=models, posteriors=posteriors, verdicts=verdicts, seed=2
    )


def test_the_runs_say_of_each_other_what_their_evidences_are(comparison):
    """p(K) by the partitions of the runs at K and below, against p(K) by evidence."""
    by_draws = posterior_over_k(comparison, np.ones(4)).table
    by_evidence = posterior_over_k(comparison).table
    error = np.hypot(by_draws["error"], by_evidence["error"])
    assert (np.abs(by_draws["probability"] - by_evidence["probability"]) < 3.0 * error).all()
    assert error.max() < 0.03


def test_one_prior_out_of_reach_is_named():
    """A tenth of many rows is a cluster which others pass into; the prior has both alike."""
    rng = np.random.default_rng(3)
    rows = np.append(rng.normal(0.0, 1.0, 810), rng.normal(1.8, 0.7, 90))[:, None]
    found = posteriors_over_k(compared(rows, 2, draws=100), {"near": {}, "far": {"gamma": 3000.0}})
    assert list(found.refused) == ["far"] and "Pareto k above 0.7" in found.refused["far"]
    assert "Not under far:" in repr(found) and list(found.results) == ["near"]


def test_several_priors_stand_side_by_side(comparison):
    settings = {
        "flat": {},
        "few": {"prior": [0.7, 0.2, 0.1]},
        "long": {"prior": "geometric"},
    }
    found = posteriors_over_k(comparison, settings)
    assert not found.refused
    assert list(found.table.index) == list(found.results) == ["flat", "few", "long"]
    for name in found.results:
        alone = posterior_over_k(comparison, **settings[name])
        np.testing.assert_array_equal(
            found.table.loc[name, [1, 2, 3]], alone.table["probability"][:3]
        )
        expected = alone.clusters["probability"]
        np.testing.assert_array_equal(found.clusters.loc[name, expected.index], expected)
    with pytest.raises(ConfigError, match="'e_0'; posterior_over_k takes"):
        posteriors_over_k(comparison, {"sparse": {"e_0": 0.1}})
    with pytest.raises(ConfigError, match="prior must be one of"):
        posteriors_over_k(comparison, {"odd": {"prior": "none"}})


@pytest.mark.parametrize("gamma", [0.8, 3.0])
def test_another_concentration_against_runs_with_it(comparison, rows, gamma):
    table = posterior_over_k(comparison, np.ones(3), gamma=gamma).table
    odds = np.log(table["probability"].to_numpy())
    errors = (table["error"] / table["probability"]).to_numpy()
    prior = Priors(concentration=gamma)
    direct = [
        log_evidence(
            sample(rows, MixtureSpec(k, priors=prior), draws=500, tune=500, seed=k), seed=1
        )
        for k in (1, 2, 3)
    ]
    for k in (2, 3):
        expected = direct[k - 1].value - direct[0].value
        error = np.hypot(np.hypot(errors[0], errors[k - 1]), direct[k - 1].error)
        assert abs(odds[k - 1] - odds[0] - expected) < 3.0 * error, k


def test_k_beyond_the_runs(comparison):
    over = posterior_over_k(comparison, np.full(30, 1 / 30), mixing="dynamic", alpha=1.0)
    assert over.table.index[-1] > 4 and over.table["probability"].sum() == pytest.approx(
        1, abs=1e-5
    )
    assert over.clusters["probability"].sum() == pytest.approx(1.0)
    assert np.isnan(over.table.loc[5, "log_evidence"])
    assert over.prior == "as given on K = 1 to 30"
    assert over.mixing == "weights ~ Dirichlet(1 / K), dynamic"


def test_a_sparse_prior_on_one_large_k(comparison):
    over = posterior_over_k(comparison, 10, mixing="sparse", e0=0.05)
    assert over.table.loc[10, "probability"] == pytest.approx(1.0)
    assert over.clusters["probability"].sum() == pytest.approx(1.0)
    static = posterior_over_k(comparison, 10).clusters["probability"]
    assert over.clusters.loc[1, "probability"] > 2.0 * static[1]  # it empties components


def test_probabilities_that_all_hold_rows_against_all_labellings(rows):
    draws = Draws(sample(rows[::3], 3, draws=30, tune=200, seed=1))
    occupancy = occupancy_of(draws, seed=1)
    place = 17
    one = draws.parameters.at(place)
    shares = responsibilities(one, draws.rows, *draws.frame)
    n_rows = shares.shape[1]
    total = 0.0
    for code in range(3**n_rows):
        labels = np.array([code // 3**i % 3 for i in range(n_rows)])
        if len(set(labels)) == 3:
            total += shares[labels, np.arange(n_rows)].prod()
    assert occupancy.probabilities.ravel()[place] == pytest.approx(total, rel=1e-10)
    drawn = occupancy.full.mean(axis=2).ravel()
    error = np.sqrt((occupancy.probabilities * (1 - occupancy.probabilities)).sum() / 4)
    assert abs(drawn.sum() - occupancy.probabilities.sum()) < 3.0 * error
    expected = draws.responsibilities(draws.rows).sum(axis=(0, 2))
    sizes = occupancy.sizes.mean(axis=2).reshape(-1, 3).sum(axis=0)
    np.testing.assert_allclose(sizes, expected, atol=4.0 * np.sqrt(expected.sum() / 4))


def test_integer_weights_are_copies(rows):
    weights = np.tile([1, 2], len(rows) // 2)
    frame = pd.DataFrame({"x": rows[:, 0], "copies": weights})
    data = Dataset.from_frame(frame, weights="copies", weights_kind="frequency")
    draws = Draws(sample(data, 2, draws=50, tune=200, seed=1))
    copied = Draws.of(draws.parameters, draws.features, rows=np.repeat(rows, weights, axis=0))
    once, twice = occupancy_of(draws, seed=1), occupancy_of(copied, seed=2)
    np.testing.assert_allclose(once.probabilities.ravel(), twice.probabilities.ravel(), rtol=1e-9)
    assert once.sizes.sum(axis=-1).min() == weights.sum()


def test_what_does_not_follow_is_refused(comparison):
    with pytest.raises(ConfigError, match="needs draws: pass a Comparison"):
        posterior_over_k(comparison.table, 5)
    tree = comparison.posteriors[MixtureSpec(2)]
    models = [MixtureSpec(2), MixtureSpec(2, "tied")]
    both = SimpleNamespace(
        table=comparison.table.iloc[[1, 1]], models=models, posteriors=dict.fromkeys(models, tree)
    )
    with pytest.raises(ConfigError, match=r"one structure and family.*2 \(full\), 2 \(tied\)"):
        posterior_over_k(both, 5)
    assert "No K+: the number of clusters" in posterior_over_k(both).note


def test_a_prior_that_the_draws_do_not_reach_is_refused():
    """Two clusters of 1,000 rows of any sizes, to a prior under which they are about equal."""
    smaller = np.random.default_rng(1).integers(1, 400, size=(4, 250, 1))
    sizes = np.stack([smaller, 1000 - smaller], axis=-1)
    occupancy = Occupancy(np.full((4, 250), 0.9), sizes)
    runs = Runs({2: occupancy}, {2: (-50.0, 0.1)}, 1.0, 1000, ())
    over = prior_over_k(2, 2)
    assert joint_of(runs, over, WeightsPrior("static", 1.5)).k_hats[0] < 0.7
    with pytest.raises(ConfigError, match="do not reach this prior.*K = 2.*Dirichlet"):
        joint_of(runs, over, WeightsPrior("static", 3000.0))
