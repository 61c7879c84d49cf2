"""Posteriors of rows with missing cells, weights, labels and errors."""

import math

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

import bayesgmm as bg
from bayesgmm.posterior.draws import Draws
from tests.support.few_annotated_rows import INDEPENDENT, SECOND, enumerated, known
from tests.support.few_rows import EIGHT, FIXED
from tests.support.places import REFERENCE

pytestmark = pytest.mark.filterwarnings("ignore::bayesgmm.errors.DataWarning")


@pytest.mark.parametrize(
    "options",
    [("missing",), ("weights",), ("labels",), ("missing", "weights", "labels", "errors")],
    ids=" and ".join,
)
def test_the_evidence_is_the_sum_over_all_allocations(options):
    data, expected = known(*options)
    posterior = bg.sample(data, INDEPENDENT, draws=2000, seed=11)
    evidence = bg.log_evidence(posterior, seed=1)
    assert evidence.error < 0.02
    assert evidence.value == pytest.approx(expected, abs=4 * evidence.error)
    if "labels" in options:
        assert Draws(posterior).groups.groups == ((0,), (1,))  # K! is 1: labels tell them apart


@pytest.mark.parametrize(
    ("labels", "groups"),
    [
        (["low", "low", None, None, None, None, None, None], ((0,), (1, 2))),
        (["a", "a", "b|c", None, None, "b|c", "b|c", "b|c"], ((0,), (1, 2))),
    ],
    ids=["components without a class", "classes in one set"],
)
def test_clusters_that_no_label_tells_apart_are_exchangeable(labels, groups):
    table = pd.DataFrame({"x": EIGHT})
    data = bg.Dataset.from_frame(table, labels=labels)
    expected = enumerated(EIGHT[:, None], np.ones(8, int), data.annotations.allowed(3))
    spec = bg.MixtureSpec(3, priors=FIXED, resolution=0)
    posterior = bg.sample(data, spec, draws=2000, seed=11)
    assert Draws(posterior).groups.groups == groups
    evidence = bg.log_evidence(posterior, seed=1)
    assert evidence.error < 0.03
    assert evidence.value == pytest.approx(expected, abs=4 * evidence.error)


def test_a_row_that_counts_twice_counts_twice_in_what_no_label_touches():
    """The same draws with weights and with copies."""
    rows, times = np.r_[EIGHT, EIGHT + 7.0], np.array([1, 2] * 8)
    table = pd.DataFrame({"x": rows})
    data = bg.Dataset.from_frame(table, weights=times, weights_kind="frequency")
    copies = np.repeat(rows, times)
    spec = bg.MixtureSpec(2, priors=FIXED, resolution=0)
    posterior = bg.sample(data, spec, draws=100, tune=200, seed=1)
    drawn = xr.DataTree.from_dict({"posterior": posterior["posterior"].to_dataset()})
    written_out = bg.adopt(drawn, copies[:, None], spec)
    one, other = bg.label_free(posterior), bg.label_free(written_out)
    for name in ("entropy", "occupied", "log_likelihood"):
        assert one.loc[name, "mean"] == pytest.approx(other.loc[name, "mean"], rel=1e-9), name


@pytest.fixture(scope="module")
def airquality():
    table = pd.read_csv(REFERENCE / "airquality.csv")
    data = bg.Dataset.from_frame(table.assign(Ozone=np.log(table["Ozone"])), missing="mar")
    return data, bg.sample(data, 2, draws=500, seed=1)


def test_log_likelihoods_are_those_of_the_observed_cells(airquality):
    data, posterior = airquality
    assert np.isnan(posterior["observed_data"]["x"]).sum() == 44
    draws = Draws(posterior)
    stored = posterior["log_likelihood"]["x"].values.reshape(-1, data.n_obs)
    for sample in (0, 999, 1999):
        weights, means, _, _, covariances = (value[sample] for value in draws.parameters[:5])
        for i in (0, 4, 26, 152):  # row 5 lacks two cells
            seen = np.flatnonzero(~np.isnan(data.values[i]))
            terms = [
                math.log(w)
                + multivariate_normal(m[seen], c[np.ix_(seen, seen)]).logpdf(data.values[i, seen])
                for w, m, c in zip(weights, means, covariances, strict=True)
            ]
            assert stored[sample, i] == pytest.approx(logsumexp(terms), abs=1e-9)
    total = posterior["sample_stats"]["log_likelihood"].values.ravel()
    np.testing.assert_allclose(total, stored.sum(axis=1), rtol=1e-10)


def test_verbs_take_a_posterior_of_incomplete_rows(airquality, tmp_path):
    _, posterior = airquality
    again = bg.load(bg.save(posterior, tmp_path / "posterior.nc"))
    for tree in (posterior, again):
        verdict = bg.diagnose(tree)
        assert verdict.statistics["chains"] == 4 and "modes left out" not in verdict.status.value
        soft = bg.membership(tree)
        np.testing.assert_allclose(soft["mean"].sum("cluster"), 1.0, atol=1e-12)
        assert np.isfinite(bg.loo(tree).elpd) and np.isfinite(bg.waic(tree).elpd)
        together = bg.coclustering(tree)
        assert together.shape == (153, 153) and together.min() >= 0.0
        assert bg.summarize(tree).notna().all(axis=None)
        assert bg.log_evidence(tree, seed=1).error < 0.2


def test_what_is_known_of_rows_comes_back_from_disk(tmp_path):
    data, _ = known("missing", "weights", "labels")
    posterior = bg.sample(data, INDEPENDENT, draws=50, tune=200, seed=1)
    again = bg.load(bg.save(posterior, tmp_path / "posterior.nc"))
    one, other = Draws(posterior).table, Draws(again).table
    for name in ("weights", "allowed"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert posterior["posterior"]["cluster"].values.tolist() == ["low", "high"]
    assert bg.membership(again)["cluster"].values.tolist() == ["low", "high"]
    soft = bg.membership(again)["mean"].values
    assert soft[0, 0] == soft[5, 1] == soft[7, 1] == 1.0  # their classes are known
    for verb in (bg.loo, bg.waic):
        assert verb(again).n_data_points == 9  # one row counts twice


def test_draws_under_errors_of_each_row_are_of_the_values_without_them():
    rng = np.random.default_rng(4)
    truth = rng.normal(size=400) + 6.0 * (np.arange(400) % 2)
    errors = np.where(np.arange(400) % 4 < 2, 0.2, 2.0)
    table = pd.DataFrame({"x": truth + errors * rng.normal(size=400)})
    posterior = bg.sample(bg.Dataset.from_frame(table, errors={"x": errors}), 2, seed=1)
    scales = posterior["posterior"]["scales"].mean(("chain", "draw")).values.ravel()
    np.testing.assert_allclose(scales, 1.0, atol=0.2)
    plain = bg.sample(table, 2, seed=1)["posterior"]["scales"].mean().item()
    assert plain > 1.4


def test_nothing_missing_changes_no_bit():
    """Rows of which nothing is known are not annotated, whatever was asked for."""
    table = pd.DataFrame({"x": EIGHT, "y": SECOND})
    one, other = (
        bg.sample(bg.Dataset.from_frame(table, missing=missing), 2, draws=50, tune=100, seed=1)
        for missing in ("refuse", "mar")
    )
    assert one["posterior"].equals(other["posterior"])
