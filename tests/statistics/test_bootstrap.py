"""The bootstrap of the likelihood ratio against mclust's, its own definition, and its level.

mclust's fits stop early: its statistic agrees to 0.05 where both are at the same optima. The
p-value of a test at its exact level exceeds i / (B + 1) with known probability; the band is that
of the binomial at 4 standard errors.
"""

import json

import numpy as np
import pytest

from bayesgmm.errors import ConfigError, DegenerateFitError
from bayesgmm.fit import BootstrapTest, bootstrap_lrt, fit_em
from bayesgmm.fit.simulated import draw_rows
from bayesgmm.model.parameters import Parameters
from bayesgmm.model.spec import MixtureSpec
from tests.support.few import few
from tests.support.places import REFERENCE

MCLUST = json.loads((REFERENCE / "mclust.json").read_text())


@pytest.mark.parametrize(
    ("k", "covariance", "key"),
    few([(1, "full", "VVV"), (1, "tied", "EEE"), (2, "tied", "EEE")], {(1, "full", "VVV")}),
)
def test_statistic_and_decision_of_mclust(faithful, k, covariance, key):
    reference = MCLUST["bootstrap"][f"faithful_LRT_{key}"]
    test = bootstrap_lrt(faithful, k, 19, covariance=covariance, seed=1)
    assert test.statistic == pytest.approx(reference["statistic"][k - 1], abs=0.05)
    assert reference["p_value"][k - 1] < 0.01
    assert test.p_value == 1 / 20
    assert len(test.replicates) + test.n_failed == 19


def test_a_component_that_is_not_needed():
    rows = np.random.default_rng(5).normal(size=(80, 1))
    test = bootstrap_lrt(rows, 1, 39, seed=1, n_starts=5)
    assert test.k == 1
    assert test.p_value > 0.1
    assert "K = 1 against 2" in repr(test)
    again = bootstrap_lrt(rows, 1, 39, seed=1, n_starts=5)
    assert again.replicates.tobytes() == test.replicates.tobytes()
    ratio = 2 * (test.alternative.log_likelihood - test.null.log_likelihood)
    assert test.statistic == ratio > 0


def test_p_value_and_its_error(faithful):
    fit = fit_em(faithful, 1, seed=1)
    replicates = np.arange(1.0, 100.0)  # 1 ... 99
    test = BootstrapTest(90.0, replicates, 0, fit, fit, 1)
    assert test.p_value == pytest.approx((1 + 10) / 100)
    assert test.error == pytest.approx(np.sqrt(0.11 * 0.89 / 100))


@pytest.mark.slow
def test_level():
    """Of data from the null, a share i / 20 has a p-value of at most i / 20."""
    sets, level = 200, 0.2
    children = np.random.SeedSequence(11).spawn(sets)
    rejected = 0
    for i, child in enumerate(children):
        rows = np.random.default_rng(child).normal(size=(60, 1))
        rejected += bootstrap_lrt(rows, 1, 19, covariance="tied", seed=i).p_value <= level + 1e-9
    assert abs(rejected / sets - level) < 4 * np.sqrt(level * (1 - level) / sets)


def test_rows_drawn_from_a_mixture_have_its_moments():
    covariances = np.array([[[1.0, 0.6], [0.6, 2.0]], [[0.3, 0.0], [0.0, 0.2]]])
    means = np.array([[0.0, 0.0], [4.0, -3.0]])
    parameters = Parameters(np.array([0.3, 0.7]), means, None, None, covariances)
    rows, clusters = draw_rows(parameters, 40_000, np.random.default_rng(1))
    assert np.mean(clusters) == pytest.approx(0.7, abs=4 * np.sqrt(0.21 / 40_000))
    for k in range(2):
        inside = rows[clusters == k]
        error = np.sqrt(np.diag(covariances[k]) / len(inside))
        assert np.all(np.abs(inside.mean(axis=0) - means[k]) < 4 * error)
        np.testing.assert_allclose(np.cov(inside.T), covariances[k], atol=0.08)


def test_wrong_arguments(faithful):
    with pytest.raises(ConfigError, match="n_bootstrap must be an integer >= 1, got 0"):
        bootstrap_lrt(faithful, 1, 0)
    with pytest.raises(ConfigError, match="n_components"):
        bootstrap_lrt(faithful, 0)


def test_failed_replicates_are_counted(faithful, monkeypatch):
    from bayesgmm.fit import _bootstrap_lrt as bootstrap

    calls = []

    def failing(data, spec, **options):
        calls.append(spec)
        if len(calls) in (3, 6):  # the first and the second simulated data set
            raise DegenerateFitError("collapsed")
        return fit_em(data, spec, **options)

    monkeypatch.setattr(bootstrap, "fit_em", failing)
    test = bootstrap_lrt(faithful, 1, 4, seed=1)
    assert calls[0] == MixtureSpec(1)
    assert (test.n_failed, len(test.replicates)) == (2, 2)

    def always_failing(data, spec, **options):
        if data.hash != faithful.hash:
            raise DegenerateFitError("collapsed")
        return fit_em(data, spec, **options)

    monkeypatch.setattr(bootstrap, "fit_em", always_failing)
    with pytest.raises(DegenerateFitError, match="none of 4 data sets"):
        bootstrap_lrt(faithful, 1, 4, seed=1)
