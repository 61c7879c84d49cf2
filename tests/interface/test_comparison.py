"""The comparison over K: its table, its rankings, its choice."""

import math
from dataclasses import replace

import arviz as az
import numpy as np
import pytest
import xarray as xr

from bayesgmm.comparison import compare
from bayesgmm.elpd import rank
from bayesgmm.errors import ConfigError, DataError
from bayesgmm.model.spec import MixtureSpec, Priors


@pytest.fixture(scope="module")
def comparison(faithful):
    return compare(faithful, range(1, 4), draws=500, tune=500, seed=5)


def test_table_has_every_criterion(comparison):
    table = comparison.table
    assert list(table.index) == [1, 2, 3]
    assert table.loc[2, "log_likelihood"] == pytest.approx(-1130.2640, abs=0.01)
    assert table.loc[2, "bic"] == pytest.approx(2322.192, abs=0.01)
    assert table.loc[2, "n_parameters"] == 11
    np.testing.assert_array_equal(table["p_loo"] > 0, True)
    for spec, fit in comparison.fits.items():
        k = spec.n_components
        assert table.loc[k, "icl"] == fit.icl
        assert table.loc[k, "verdict"] == comparison.verdicts[spec].status.value
    assert comparison.best["bic"] == MixtureSpec(2)


def test_the_table_counts_hills_and_groups_beside_k(comparison):
    table = comparison.table
    assert table["modes"].tolist() == [1, 2, 2] and table["groups"].tolist() == [1, 2, 2]
    assert table.loc[1, "modes_probability"] == table.loc[1, "groups_probability"] == 1.0
    assert table.loc[2, "modes_probability"] > 0.95 and table.loc[2, "groups_probability"] > 0.95


def test_differences_are_those_of_the_pointwise_values(comparison):
    """Against the formula of Vehtari, Gelman and Gabry (2017), section 5.1."""
    loos = comparison.elpds["loo"]
    best = max(loos, key=lambda k: loos[k].elpd)
    assert best == comparison.best["loo"]
    for k, row in comparison.differences.iterrows():
        difference = np.asarray(loos[k].elpd_i) - np.asarray(loos[best].elpd_i)
        assert row["elpd_diff"] == pytest.approx(difference.sum(), abs=1e-8)
        expected = math.sqrt(len(difference) * difference.var())
        assert row["se_diff"] == pytest.approx(expected, rel=0.01, abs=1e-8)


def test_stacking_does_not_underflow(comparison):
    """A row that no model explains moves no weight, however low its density."""
    loos = comparison.elpds["loo"]
    before = rank(loos)["weight"]

    def with_hopeless_row(elpd):
        pointwise = xr.DataArray(np.append(np.asarray(elpd.elpd_i), -5000.0), dims="obs")
        return replace(elpd, elpd=float(pointwise.sum()), elpd_i=pointwise, n_data_points=273)

    after = rank({k: with_hopeless_row(e) for k, e in loos.items()})["weight"]
    np.testing.assert_allclose(after, before, atol=1e-3)
    assert after.sum() == pytest.approx(1.0, abs=1e-6)


def test_waic_results_are_ranked_too(comparison):
    table = rank(comparison.elpds["waic"])
    assert table["elpd_diff"].max() == 0.0
    assert az.compare({"a": comparison.elpds["waic"][1], "b": comparison.elpds["waic"][2]}).shape[0]


def test_choice_is_the_simplest_within_error(comparison):
    choice = comparison.chosen("loo")
    ranking = rank({k: e for k, e in comparison.elpds["loo"].items() if comparison.verdicts[k].ok})
    behind = -ranking["elpd_diff"]
    within = [k for k in ranking.index if behind[k] < max(4.0, 2.0 * ranking["se_diff"][k])]
    assert choice.k == within[0]
    assert f"K = {choice.k}" in choice.reason
    assert comparison.chosen("bic").k == 2
    with pytest.raises(ConfigError, match="criterion must be one of"):
        comparison.chosen("dic")


def test_draws_of_one_k_do_not_depend_on_the_others(faithful, comparison):
    alone = compare(faithful, 2, draws=500, tune=500, evidence="none", seed=5)
    np.testing.assert_array_equal(
        alone.posteriors[2]["posterior"]["means"], comparison.posteriors[2]["posterior"]["means"]
    )


def test_a_bad_run_is_extended_when_allowed(faithful):
    short = compare(faithful, 2, draws=60, tune=300, max_draws=0, evidence="none", seed=1)
    longer = compare(faithful, 2, draws=60, tune=300, max_draws=960, evidence="none", seed=1)
    assert not short.verdicts[2].ok and longer.verdicts[2].ok
    assert short.table.loc[2, "draws"] == 60 and longer.table.loc[2, "draws"] > 60


def test_an_evidence_without_an_error_never_wins(comparison):
    table = comparison.table.assign(log_evidence=0.0, log_evidence_error=math.inf)
    table.loc[2, ["log_evidence", "log_evidence_error"]] = -9.0, 0.1
    assert replace(comparison, table=table).best["evidence"] == MixtureSpec(2)
    table["log_evidence_error"] = math.inf
    with pytest.raises(ConfigError, match="no K has an evidence with a finite error"):
        replace(comparison, table=table).chosen("evidence")


def test_by_the_bridge_alone_a_bad_verdict_has_no_probability(faithful):
    short = compare(faithful, [1, 2], draws=40, tune=300, max_draws=0, evidence="bridge", seed=1)
    assert short.table["probability"].isna().all()
    assert (
        "p(K) leaves out K = 1, whose chains did not pass the convergence checks; K = 2, whose"
        in repr(short)
    )
    assert short.chosen("loo").reason.startswith("No K has both")


def test_both_routes_stand_in_the_table_and_a_bad_verdict_is_covered(faithful):
    """30 rows, so that chains of 60 draws are too short: the second route needs none of them."""
    short = compare(faithful.values[:30], [1, 2], draws=60, tune=300, seed=1)
    assert not any(verdict.ok for verdict in short.verdicts.values())
    table = short.table
    assert np.isinf(table["log_evidence_bridge_error"]).all()
    np.testing.assert_array_equal(table["log_evidence"], table["log_evidence_smc"])
    assert (table["log_evidence_error"] < 0.1).all()
    assert set(table["evidence_method"]) == {"sequential Monte Carlo from the prior"}
    assert table["probability"].sum() == pytest.approx(1.0)
    assert "At K = 1, 2 the evidence is that of sequential Monte Carlo alone" in repr(short)


def test_where_chains_are_good_both_routes_agree_and_the_bridge_is_quoted(comparison):
    table = comparison.table
    good = [spec.n_components for spec, v in comparison.verdicts.items() if v.ok]
    assert 2 in good and table["probability"].notna().all()
    np.testing.assert_array_equal(table["log_evidence"][good], table["log_evidence_bridge"][good])
    gap = (table["log_evidence_bridge"] - table["log_evidence_smc"])[good].abs()
    errors = np.hypot(table["log_evidence_bridge_error"], table["log_evidence_smc_error"])[good]
    assert (gap < 3 * errors).all()


def test_without_evidence_nothing_is_said_of_it(faithful):
    none = compare(faithful, 1, draws=60, tune=300, evidence="none", seed=1)
    assert none.table["log_evidence"].isna().all() and "evidence" not in none.best
    assert none.probability_note == "p(K) is not given: there is no evidence."
    with pytest.raises(ConfigError, match='compare with evidence="both"'):
        none.chosen("evidence")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_components": []}, ConfigError, "at least one K"),
        ({"n_components": [2, 2]}, ConfigError, "none twice"),
        ({"n_components": [0, 1]}, ConfigError, "n_components must be an integer >= 1, got 0"),
        ({"n_components": [1, 300]}, DataError, "300"),
        (
            {"priors": Priors(concentration=(1.0, 2.0))},
            ConfigError,
            "must not differ between",
        ),
        ({"evidence": "smc"}, ConfigError, "evidence must be one of both, bridge, none, got 'smc'"),
        ({"covariance": "round"}, ConfigError, "covariance must be"),
    ],
)
def test_wrong_arguments_before_any_work(faithful, options, error, message):
    with pytest.raises(error, match=message):
        compare(faithful, **{"n_components": [1, 2], **options})
