"""Rows left out one by one: the term comes out right, or is left as it was and said so."""

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm

from bayesgmm.comparison import compare
from bayesgmm.elpd import loo, loo_with_refits
from bayesgmm.elpd import refit as refits
from bayesgmm.errors import ConfigError, SamplingError, SamplingInterrupted
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.sampling import sample
from tests.support.few_rows import FIXED, OUTLYING, evidence_by_enumeration


@pytest.mark.parametrize("far", [14.0, 20.0, 1000.0])
def test_a_row_that_leaves_the_posteriors_nothing_in_common_is_mended(far):
    """Bridges of the two posteriors did not settle, or were 3 nats off with an error of 0.9."""
    rows = np.append(np.linspace(-1.5, 1.5, 20), far)
    spec = MixtureSpec(1, priors=FIXED, resolution=0)
    posterior = sample(rows[:, None], spec, seed=3)
    result = loo_with_refits(posterior, moment_matching=False, tune=300, seed=4)
    exact = [log_evidence_of_one(part) for part in (rows, rows[:-1])]
    error = float(result.error[-1])
    assert result.refitted == (20,) and not result.warning and error < 0.03
    assert abs(float(result.elpd_i[-1]) - (exact[0] - exact[1])) < 4 * error


def log_evidence_of_one(rows):
    """One component under FIXED: the mean in closed form, the log scale by quadrature."""
    log_scale = np.linspace(np.log(0.7) - 6.0, np.log(0.7) + 9.0, 751)
    prior = norm.logpdf(log_scale, np.log(0.7), 0.6)
    of_scale = [
        multivariate_normal.logpdf(
            rows, np.full(len(rows), 0.5), scale**2 * np.eye(len(rows)) + 4.0
        )
        for scale in np.exp(log_scale)
    ]
    return logsumexp(of_scale + prior) + np.log(log_scale[1] - log_scale[0])


def test_quadrature_over_the_scale_is_that_over_both():
    expected = evidence_by_enumeration(OUTLYING, 1)
    assert log_evidence_of_one(OUTLYING) == pytest.approx(expected, abs=1e-4)


def test_a_row_that_cannot_be_refitted_is_left_standing(far_out, caplog):
    """Three draws per chain are too few for any bridge: the row keeps what PSIS said."""
    plain = loo(far_out)
    with caplog.at_level("INFO", logger="bayesgmm.elpd.refit"):
        result = loo_with_refits(far_out, moment_matching=False, draws=3, tune=200, seed=4)
    assert result.n_refitted == 0 and result.r_hat == () and result.warning
    np.testing.assert_array_equal(result.pareto_k, plain.pareto_k)
    np.testing.assert_array_equal(result.elpd_i, plain.elpd_i)
    assert np.isnan(result.error).all()
    assert "row 20 cannot be refitted and keeps its Pareto k: bridge sampling of 2" in caplog.text
    assert "1 rows with a high Pareto k are left." in str(result)


@pytest.fixture(scope="module")
def far_out():
    rows = np.append(OUTLYING[:-1], 40.0)
    return sample(rows[:, None], MixtureSpec(1, priors=FIXED, resolution=0), seed=3)


@pytest.mark.parametrize("error", [0.3, None])
def test_the_smaller_error_is_taken_where_posteriors_hardly_overlap(monkeypatch, error):
    """A joint bridge with a large error, or none; bridges of their own with a smaller, or none."""

    def joint(at_draws, predicted):
        if error is None:
            raise SamplingError("no joint bridge")
        return -5.0, error

    def none():
        raise ConfigError("too few draws")

    monkeypatch.setattr(refits, "log_ratio", joint)
    apart = refits._log_predictive(None, None, lambda: (-30.0, 0.06), lambda: (-24.0, 0.08))
    assert apart == pytest.approx((-6.0, 0.1))
    if error is None:
        with pytest.raises(ConfigError, match="too few draws"):
            refits._log_predictive(None, None, none, none)
    else:
        assert refits._log_predictive(None, None, none, none) == (-5.0, error)
        wide = refits._log_predictive(None, None, lambda: (-30.0, 0.6), lambda: (-24.0, 0.8))
        assert wide == (-5.0, error)


def test_an_interrupted_refit_is_not_taken_for_a_failed_one(far_out, monkeypatch):
    def interrupted(*_):
        raise SamplingInterrupted("during warm-up", partial=None)

    monkeypatch.setattr(refits, "run_chains", interrupted)
    with pytest.raises(SamplingInterrupted):
        loo_with_refits(far_out, moment_matching=False, draws=3, tune=200, seed=4)


def test_a_comparison_outlives_a_row_that_cannot_be_refitted(monkeypatch):
    def failing(*_):
        raise SamplingError("no bridge")

    monkeypatch.setattr(refits, "may_match_moments", lambda posterior: False)
    monkeypatch.setattr(refits, "log_ratio", failing)
    monkeypatch.setattr(refits, "bridge", failing)
    rows = np.append(OUTLYING[:-1], 40.0)[:, None]
    options = {"draws": 200, "tune": 300, "evidence": "none", "covariance": "tied"}
    comparison = compare(rows, [1, 2], seed=1, **options)
    assert comparison.table.loc[1, ["n_bad_pareto", "n_refitted"]].tolist() == [1, 0]
    assert list(comparison.posteriors) == list(comparison.models)
