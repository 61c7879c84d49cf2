"""The verdict: bad runs look bad, good ones do not."""

import json

import numpy as np
import pytest
import xarray as xr

from bayesgmm.diagnosis import RunStatus, diagnose
from bayesgmm.labels import relabel
from bayesgmm.posterior.tree import attribute, permuted_tree, with_attributes
from tests.support.simulated_runs import clustered, run_about


def good_run(seed=0, n_clusters=2, relabelled=True, **options):
    data, truth = clustered(n_clusters, seed=seed)
    tree = run_about(data, n_clusters, truth, seed=seed, **options)
    return relabel(tree) if relabelled else tree


def with_stats(tree, **values):
    """Replace sample statistics: each value is a function of the array (chain, draw)."""
    stats = tree["sample_stats"].to_dataset().copy(deep=True)
    for name, change in values.items():
        stats[name].values = change(stats[name].values)
    new = tree.copy()
    new["sample_stats"] = xr.DataTree(stats)
    return new


def with_chain(tree, chain, change):
    """Change every array of one chain, posterior and statistics alike."""
    new = tree.copy()
    for group in ("posterior", "sample_stats"):
        dataset = tree[group].to_dataset().copy(deep=True)
        for name, variable in dataset.data_vars.items():
            if variable.dtype == float:
                dataset[name].values[chain] = change(variable.values[chain])
        new[group] = xr.DataTree(dataset)
    return new


def two_modes(seed=0):
    data, truth = clustered(3, seed=seed)
    other = truth._replace(means=truth.means[[0, 1, 1]] + [[0.0], [-1.0], [1.0]])
    return relabel(run_about(data, 3, [truth, truth, other, truth], seed=seed))


def stuck_chain(seed=0):
    return with_chain(good_run(seed), 2, lambda chain: np.broadcast_to(chain[5], chain.shape))


def nan_chain(seed=0):
    return with_chain(good_run(seed), 1, lambda chain: np.full_like(chain, np.nan))


def diverging(seed=0):
    rng = np.random.default_rng(seed)
    return with_stats(good_run(seed), diverging=lambda old: rng.random(old.shape) < 0.01)


def switched_labels(seed=0):
    raw = good_run(seed, relabelled=False)
    orders = np.tile([0, 1], (4, 500, 1))
    orders[1, np.random.default_rng(seed).choice(500, 50, replace=False)] = [1, 0]
    return permuted_tree(raw, orders)


BAD = {
    two_modes: RunStatus.CHAINS_DISAGREE,
    stuck_chain: RunStatus.SAMPLER_TROUBLE,
    nan_chain: RunStatus.SAMPLER_TROUBLE,
    diverging: RunStatus.SAMPLER_TROUBLE,
    switched_labels: RunStatus.LABELS_SWITCH,
}


@pytest.mark.parametrize("plant", BAD, ids=lambda plant: plant.__name__)
@pytest.mark.parametrize("seed", [0, 1])
def test_planted_bad_runs_are_flagged(plant, seed):
    verdict = diagnose(plant(seed))
    assert not verdict.ok
    if plant is not stuck_chain:
        assert verdict.status is BAD[plant]
    json.dumps(verdict.to_dict(), allow_nan=False)


@pytest.mark.slow
@pytest.mark.parametrize("plant", BAD, ids=lambda plant: plant.__name__)
def test_all_of_fifty_planted_bad_runs_are_flagged(plant):
    assert not any(diagnose(plant(seed)).ok for seed in range(10))


def flagged(n_runs):
    verdicts = (diagnose(good_run(seed, 2 + seed % 2)) for seed in range(n_runs))
    return sum(verdict.status is not RunStatus.CONVERGED for verdict in verdicts)


def test_good_runs_are_not_flagged():
    assert flagged(20) <= 1


@pytest.mark.slow
def test_at_most_five_percent_of_two_hundred_good_runs_are_flagged():
    assert flagged(200) <= 10


def test_figures_and_words_of_a_good_run():
    verdict = diagnose(good_run())
    assert verdict.ok and verdict.status is RunStatus.CONVERGED and str(verdict) == "converged"
    assert not verdict.reasons and not verdict.more_draws_help
    statistics = verdict.statistics
    assert (statistics["chains"], statistics["draws"], statistics["divergences"]) == (4, 500, 0)
    assert list(statistics["label_free"]) == [
        "log_likelihood", "sorted_weights[1]", "sorted_weights[2]", "entropy", "occupied",
    ]  # fmt: skip
    assert statistics["occupied"] == pytest.approx(2.0)
    assert len(statistics["e_fmi"]) == 4 and min(statistics["e_fmi"]) > 1.5
    assert statistics["identification"] == [1.0, 1.0]
    assert json.loads(json.dumps(verdict.to_dict()))["status"] == "converged"
    assert len(verdict.modes) == 1


def test_two_modes_are_listed_with_their_log_likelihoods():
    verdict = diagnose(two_modes())
    assert [mode.chains for mode in verdict.modes] == [(0, 1, 3), (2,)]
    assert verdict.modes[0].log_likelihood > verdict.modes[1].log_likelihood
    assert verdict.reasons[0].startswith(
        "the chains stay in 2 modes and never cross: chains 0, 1, 3 at log likelihood -"
    )
    assert not any("times as many draws" in reason for reason in verdict.reasons)


def test_words_of_bad_runs():
    sentences = {plant.__name__: str(diagnose(plant())) for plant in BAD}
    assert "chain 2 is stuck: log_likelihood has one value" in sentences["stuck_chain"]
    assert "chain 1 is not finite: log_likelihood is nan" in sentences["nan_chain"]
    assert "of 2000 draws diverged (" in sentences["diverging"]
    assert "raise target_accept" in sentences["diverging"]
    assert "2.5 % of draws have other labels" in sentences["switched_labels"]


def test_a_few_divergences_are_shown():
    def two(old):
        new = old.copy()
        new[0, :2] = True
        return new

    verdict = diagnose(with_stats(good_run(), diverging=two))
    assert verdict.ok
    assert verdict.notes == ("2 of 2000 draws diverged, which is within the limit.",)


def test_slow_energy_and_deep_trees_are_trouble():
    walk = np.cumsum(np.random.default_rng(0).normal(size=(4, 500)), axis=1)
    verdict = diagnose(with_stats(good_run(), energy=lambda old: walk))
    assert verdict.status is RunStatus.SAMPLER_TROUBLE and "E-FMI is 0.0" in verdict.reasons[0]
    deep = np.arange(2000).reshape(4, 500) % 50 == 0
    verdict = diagnose(with_stats(good_run(), maxdepth_reached=lambda old: deep))
    assert verdict.reasons[0].startswith("2.0 % of draws reached the largest tree depth")


def test_short_or_sticky_runs_have_too_few_draws():
    for options in ({"draws": 50}, {"memory": 0.95}, {"draws": 2}):
        verdict = diagnose(good_run(**options))
        assert verdict.status is RunStatus.TOO_FEW_DRAWS and verdict.more_draws_help
        assert any("times as many draws" in reason for reason in verdict.reasons)


def test_one_chain_is_not_enough():
    verdict = diagnose(good_run(chains=1, draws=2000))
    assert verdict.status is RunStatus.TOO_FEW_DRAWS
    assert verdict.reasons[0].startswith("one chain cannot show")


def test_a_chain_that_strays_in_one_cluster_is_short_of_draws_not_of_identity():
    tree = good_run()
    posterior = tree["posterior"].to_dataset().copy(deep=True)
    means = posterior["means"].values
    means[0, :, 0] += 0.7 * means[:, :, 0].std(axis=(0, 1))  # too little to move any row
    tree["posterior"] = xr.DataTree(posterior)
    verdict = diagnose(tree)
    assert verdict.statistics["identification"] == [1.0, 1.0]
    assert verdict.status is RunStatus.TOO_FEW_DRAWS
    assert verdict.reasons[0].startswith("R-hat is 1.0") and "means[1, x" in verdict.reasons[0]


def test_other_ways_to_relabel_are_reported():
    tree = good_run()
    agreement = {"ecr": 1.0, "pivot": 1.0}
    assert attribute(tree, "relabelling")["agreement"] == agreement
    verdict = diagnose(tree)
    assert verdict.statistics["agreement"] == agreement and not verdict.notes
    relabelling = {"method": "stephens", "moved": 0.0, "agreement": {"ecr": 1.0, "pivot": 0.625}}
    verdict = diagnose(with_attributes(tree, relabelling=relabelling))
    assert verdict.status is RunStatus.CONVERGED
    assert verdict.notes == (
        "other ways to relabel give the same labels to fewer draws than usual: 62.5 % by pivot.",
    )


def test_an_interrupted_run_says_so():
    verdict = diagnose(with_attributes(good_run(), status="interrupted"))
    assert verdict.status is RunStatus.INTERRUPTED and not verdict.ok


def test_clusters_that_are_not_identified_are_a_finding_not_a_failure():
    data, truth = clustered(3, distance=8.0)
    twins = truth._replace(means=truth.means[[0, 1, 1]])
    verdict = diagnose(relabel(run_about(data, 3, twins, deviation=0.005)))
    assert verdict.status is RunStatus.NOT_IDENTIFIED and verdict.ok
    assert verdict.reasons[0].startswith("clusters 2, 3 are identified in")


def test_one_cluster_is_judged_by_all_its_quantities():
    data, truth = clustered(1)
    verdict = diagnose(relabel(run_about(data, 1, truth)))
    assert verdict.status is RunStatus.CONVERGED
    assert list(verdict.statistics["label_free"]) == ["log_likelihood"]
    assert verdict.statistics["occupied"] == 1.0
    other = truth._replace(means=truth.means + 1.5)
    verdict = diagnose(relabel(run_about(data, 1, [truth, other, truth, other])))
    assert verdict.status is RunStatus.CHAINS_DISAGREE


def test_r_hat_as_sampled_is_kept_beside():
    raw = good_run(relabelled=False)
    orders = np.tile([0, 1], (4, 500, 1))
    orders[1] = [1, 0]
    mixed = permuted_tree(raw, orders)
    stats = mixed["sample_stats"].to_dataset().drop_vars("permutation")
    mixed["sample_stats"] = xr.DataTree(stats)
    verdict = diagnose(relabel(mixed))
    assert verdict.status is RunStatus.CONVERGED
    assert verdict.statistics["r_hat_max_as_sampled"] > 1.5


def test_a_users_own_model_is_judged():
    tree = good_run()
    own = tree.copy()
    own["posterior"] = xr.DataTree(
        tree["posterior"].to_dataset()[["weights", "means", "covariances"]]
    )
    own["sample_stats"] = xr.DataTree(tree["sample_stats"].to_dataset()[["log_likelihood"]])
    del own.attrs["resolved"], own.attrs["spec"]
    verdict = diagnose(own)
    assert verdict.status is RunStatus.CONVERGED
    assert verdict.statistics["divergences"] is None and verdict.statistics["e_fmi"] is None
