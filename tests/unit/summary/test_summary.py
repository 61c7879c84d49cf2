"""Summaries: ArviZ's numbers, each parameter once, and nothing pretended."""

import arviz as az
import numpy as np
import pytest

from bayesgmm.errors import ConfigError
from bayesgmm.labels import relabel
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.posterior.tree import rows_of
from bayesgmm.prediction import coclustering
from bayesgmm.summary import label_free, summarize
from bayesgmm.summary.paper import Estimate
from tests.support.simulated_runs import clustered, run_about


@pytest.fixture(scope="module")
def run():
    data, truth = clustered(2)
    return relabel(run_about(data, 2, truth, deviation=0.1))


def test_rows_and_columns(run):
    table = summarize(run)
    assert list(table.index[:4]) == ["weights[1]", "weights[2]", "means[1, x1]", "means[1, x2]"]
    assert list(table.index[-2:]) == ["correlations[1, x1, x2]", "correlations[2, x1, x2]"]
    assert len(table) == 2 + 4 + 4 + 2
    assert not table.isna().any(axis=None)
    assert table.attrs["withheld"] == {}


def test_numbers_are_those_of_arviz(run):
    posterior = run["posterior"].to_dataset()[["weights", "means", "scales"]]
    expected = az.summary(posterior, round_to="none")
    table = summarize(run).iloc[: len(expected)]
    assert list(table.index) == list(expected.index)
    assert set(table.columns) == set(expected.columns)
    np.testing.assert_allclose(
        table[expected.columns].to_numpy(float), expected.to_numpy(float), rtol=1e-10
    )


def test_correlations_are_taken_on_the_artanh_scale(run):
    row = summarize(run, prob=0.5).loc["correlations[2, x1, x2]"]
    values = run["posterior"].to_dataset()["correlations"].values[:, :, 1, 0]
    bounds = np.tanh(np.quantile(np.arctanh(values), [0.25, 0.75]))
    np.testing.assert_allclose([row["eti50_lb"], row["eti50_ub"]], bounds, rtol=1e-12)
    assert row["mean"] == pytest.approx(values.mean())


def test_clusters_that_are_not_identified_are_withheld():
    data, truth = clustered(3, distance=8.0)
    twins = truth._replace(means=truth.means[[0, 1, 1]])
    tree = relabel(run_about(data, 3, twins, deviation=0.005))
    table = summarize(tree)
    assert "means[1, x1]" in table.index and "means[2, x1]" not in table.index
    assert list(table.attrs["withheld"]) == [2, 3]
    assert list(table.index[-6:]) == list(label_free(tree).index)


def test_label_free_rows(run):
    table = label_free(run)
    assert list(table.index) == [
        "log_likelihood", "sorted_weights[1]", "sorted_weights[2]", "entropy", "occupied",
    ]  # fmt: skip
    total = run["log_likelihood"]["x"].values.sum(axis=2).mean()
    assert table.loc["log_likelihood", "mean"] == pytest.approx(total, rel=1e-12)
    assert table.loc["occupied", "mean"] == pytest.approx(2.0)


def test_named_rows_are_together_as_the_coclustering_matrix_says(run):
    table = label_free(run, rows=[0, 1, 30])
    expected = coclustering(run, rows_of(run)[[0, 1, 30]]).values
    np.testing.assert_allclose(table["mean"].iloc[-3:], expected[[0, 0, 1], [1, 2, 2]], rtol=1e-12)
    assert list(table.index[-3:]) == ["together[0, 1]", "together[0, 30]", "together[1, 30]"]
    with pytest.raises(ConfigError, match="row 5000 is not among the"):
        label_free(run, rows=[0, 5000])


def test_shared_scales_appear_once():
    data, truth = clustered(3)
    table = summarize(relabel(run_about(data, MixtureSpec(3, "tied"), truth)))
    assert list(table.index[9:]) == ["scales[x1]", "scales[x2]", "correlations[x1, x2]"]


@pytest.mark.parametrize("prob", [0.0, 1.0, 89])
def test_a_probability_outside_the_unit_interval_is_refused(run, prob):
    with pytest.raises(ConfigError, match="prob must be a number between 0 and 1"):
        summarize(run, prob)


def test_only_what_is_asked_for(run):
    table = summarize(run, var_names=["means", "weights"])
    assert [name.partition("[")[0] for name in table.index] == ["weights"] * 2 + ["means"] * 4
    assert summarize(run, var_names="correlations").equals(summarize(run).iloc[-2:])
    with pytest.raises(ConfigError, match="var_names must be among weights, means, scales, corr"):
        summarize(run, var_names="mean")


def test_highest_density_stands_beside_equal_tails(run):
    both = summarize(run, 0.8, ci_kind="both")
    posterior = run["posterior"].to_dataset()
    for name, values in (("means[1, x1]", "means"), ("correlations[2, x1, x2]", "correlations")):
        draws = posterior[values].values[:, :, 0, 0] if values == "means" else (
            posterior[values].values[:, :, 1, 0]
        )  # fmt: skip
        expected = az.hdi(draws.ravel(), prob=0.8)
        found = both.loc[name, ["hdi80_lb", "hdi80_ub"]]
        np.testing.assert_allclose(found.to_numpy(float), np.asarray(expected), rtol=1e-12)
    assert list(summarize(run, ci_kind="hdi").columns[2:4]) == ["hdi89_lb", "hdi89_ub"]
    assert both.drop(columns=["hdi80_lb", "hdi80_ub"]).equals(summarize(run, 0.8))
    with pytest.raises(ConfigError, match="ci_kind must be one of eti, hdi, both"):
        summarize(run, ci_kind="wide")


def test_a_table_for_print_has_words_and_digits_that_mean_something(run):
    table, numbers = summarize(run, style="paper"), summarize(run)
    assert table.columns.tolist() == ["cluster", "mean", "89 % interval"]
    assert table.index[2] == "mean of x1" and table.index[-1] == "correlation of x1 and x2"
    for (_, printed), (name, exact) in zip(table.iterrows(), numbers.iterrows(), strict=True):
        low, _, high = (part.replace("\N{MINUS SIGN}", "-") for part in
                        printed["89 % interval"].rpartition(" to "))  # fmt: skip
        mean = printed["mean"].replace("\N{MINUS SIGN}", "-")
        decimals = len(mean.partition(".")[2])
        assert float(low) <= float(mean) <= float(high), name
        assert abs(float(mean) - exact["mean"]) <= 0.51 * 10.0**-decimals
        assert exact["sd"] / 100 < 10.0**-decimals <= max(exact["sd"], 10 * exact["mcse_mean"])


def test_shared_scales_belong_to_no_cluster_and_units_are_named():
    data, truth = clustered(2)
    tree = relabel(run_about(data, MixtureSpec(2, "tied"), truth, deviation=0.1))
    tree.attrs["about"] = '{"units": {"x1": "cm"}}'
    table = summarize(tree, style="paper", var_names="scales")
    assert table.index.tolist() == ["standard deviation of x1 (cm)", "standard deviation of x2"]
    assert table["cluster"].tolist() == ["", ""]


def test_digits_of_nearly_constant_and_wide_quantities():
    assert Estimate(1.0, 0.0, 0.0, {}).decimals == 3
    assert Estimate(1.0, 2e-30, 1e-31, {}).decimals == 12
    assert Estimate(5e6, 2e4, 100.0, {}).decimals == 0
    assert Estimate(0.5, 0.03, 0.02, {}).decimals == 2
