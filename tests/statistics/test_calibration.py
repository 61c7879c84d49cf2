"""Calibration and coverage: 200 fits of one shape here, the long studies on demand.

Levels. Ranks of all functions of a study together are refused at 1 in 1,000 (Bonferroni over the
functions, which depend on each other), coverages beyond 4 binomial standard errors of nominal. A
study that fails is run once more with another seed and 4 times the fits; then it is a bug.
The priors depend on no row and the resolution is 0, as exactness needs; for the separated truths,
fixed ones, coverage is near nominal only up to order 1 / n, small beside the binomial error.
"""

import numpy as np
import pytest
from calibration import DESIGNS, LEVELS, LONG, Length, onion, run_study, uniformity
from scipy.stats import beta, kstest

SHORT = Length(chains=2, tune=200, draws=400, thin=8)


def assert_calibrated(study):
    p_values = study.p_values()
    assert min(p_values.values()) * len(p_values) > 0.001, p_values


def assert_covers(study, levels):
    for level in levels:
        error = np.sqrt(level * (1.0 - level) / len(study.r_hat))
        for name, share in study.coverage(level).items():
            assert abs(share - level) < 4.0 * error, (name, level, share)


def test_ranks_are_uniform_and_intervals_cover():
    study = run_study(DESIGNS["D2K2"], 60, SHORT)
    assert_calibrated(study)
    assert_covers(study, LEVELS[:2])


def test_a_study_goes_on_where_it_was_stopped(tmp_path):
    design, length = DESIGNS["D1K2"], Length(chains=2, tune=50, draws=20, thin=4)
    whole = run_study(design, 3, length)
    run_study(design, 2, length, folder=tmp_path)
    (lines,) = [path.read_text().splitlines() for path in tmp_path.iterdir()]
    resumed = run_study(design, 3, length, folder=tmp_path)
    assert len(lines) == 2
    for name, ranks in whole.ranks.items():
        assert np.array_equal(resumed.ranks[name], ranks)
    assert np.array_equal(resumed.r_hat, whole.r_hat)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", DESIGNS)
def test_a_thousand_fits(name):
    study = run_study(DESIGNS[name], 1000, LONG)
    if DESIGNS[name].truth is None:
        assert_calibrated(study)
    assert_covers(study, LEVELS)


def test_the_p_value_of_a_band_is_uniform_under_the_null():
    """It is discrete, and its own level is exact: P(p <= a) <= a, and not far below."""
    rng = np.random.default_rng(1)
    p_values = np.array([uniformity(rng.integers(0, 20, 100), 19) for _ in range(400)])
    for level in (0.05, 0.2, 0.5):
        assert abs(np.mean(p_values <= level) - level) < 4.0 * np.sqrt(level * (1 - level) / 400)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda u: u**1.4,  # shifted
        lambda u: beta(2.0, 2.0).ppf(u),  # too wide a posterior
        lambda u: beta(0.5, 0.5).ppf(u),  # too narrow
    ],
    ids=["shifted", "too wide", "too narrow"],
)
def test_ranks_that_are_not_uniform_are_refused(wrong):
    ranks = (100 * wrong(np.random.default_rng(2).random(200))).astype(int)
    assert uniformity(ranks, 99) < 1e-4


def test_the_onion_draws_lkj_marginals():
    """Every correlation of LKJ(eta) is Beta(eta + D / 2 - 1) on (-1, 1)."""
    rng = np.random.default_rng(3)
    draws = np.stack([onion(3, 1.5, rng) for _ in range(2000)])
    for i, j in ((1, 0), (2, 0), (2, 1)):
        assert kstest(0.5 * (1.0 + draws[:, i, j]), beta(2.0, 2.0).cdf).pvalue > 1e-3
