"""The estimator on rows with missing cells and with weights."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.base import clone

from bayesgmm.data import Dataset
from bayesgmm.errors import DataError
from bayesgmm.estimator import GaussianMixture
from bayesgmm.fit import fit_em
from bayesgmm.model.spec import MixtureSpec


@pytest.fixture(scope="module")
def overlapping():
    rng = np.random.default_rng(8)
    return np.concatenate([rng.normal(0, 1, (120, 2)), rng.normal(2.2, 0.7, (80, 2))])


def with_holes(rows, share=0.3, seed=5):
    out = np.array(rows, dtype=float)
    hidden = np.random.default_rng(seed).random(out.shape) < share
    out[hidden & ~hidden.all(axis=1, keepdims=True)] = np.nan
    return out


@pytest.mark.filterwarnings("ignore:.*duplicates of an earlier row:bayesgmm.errors.DataWarning")
@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
def test_integer_weights_are_repeated_rows(overlapping, covariance_type):
    """scikit-learn's check of sample weights has more columns than rows, which is refused."""
    weights = np.random.default_rng(42).integers(0, 5, size=len(overlapping))
    model = GaussianMixture(2, covariance_type=covariance_type, random_state=0, tol=1e-10)
    model.set_params(max_iter=1000)
    repeated = clone(model).fit(np.repeat(overlapping, weights, axis=0))
    order = np.random.default_rng(0).permutation(len(overlapping))
    weighted = clone(model).fit(overlapping[order], sample_weight=weights[order])
    np.testing.assert_allclose(
        weighted.predict_proba(overlapping), repeated.predict_proba(overlapping), atol=1e-4
    )
    assert weighted.lower_bound_ == pytest.approx(repeated.lower_bound_, abs=1e-8)
    copies = np.repeat(overlapping, weights, axis=0)
    for criterion in ("score", "aic", "bic"):
        ours = getattr(weighted, criterion)(overlapping, sample_weight=weights)
        assert ours == pytest.approx(getattr(weighted, criterion)(copies), rel=1e-12)
    assert weighted.bic(copies) == pytest.approx(weighted.point_fit_.bic, rel=1e-8)


def test_weights_of_one_change_nothing_and_fractions_are_taken_by_em(overlapping):
    model = GaussianMixture(2, random_state=0)
    plain, ones = clone(model).fit(overlapping), np.ones(len(overlapping))
    for weights in (ones, 1.0):
        same = clone(model).fit(overlapping, sample_weight=weights)
        np.testing.assert_array_equal(same.means_, plain.means_)
    tight = clone(model).set_params(tol=1e-10, max_iter=1000)
    halves = clone(tight).fit(overlapping, sample_weight=0.5 * ones)
    np.testing.assert_allclose(halves.means_, tight.fit(overlapping).means_, atol=1e-4)
    assert halves.bic(overlapping, 0.5 * ones) == pytest.approx(halves.point_fit_.bic)
    with pytest.raises(DataError, match="whole numbers"):
        model.set_params(method="map").fit(overlapping, sample_weight=0.5 * ones)
    for wrong in (-ones, 0.0 * ones, ones[:-1], np.where(ones, np.nan, 1.0)):
        with pytest.raises(ValueError):
            GaussianMixture().fit(overlapping, sample_weight=wrong)
    three = np.where(np.arange(len(overlapping)) < 3, 9.0, 0.0)
    with pytest.raises(ValueError, match="n_components = 4, n_samples = 3"):
        GaussianMixture(4).fit(overlapping, sample_weight=three)


def test_missing_cells_are_summed_over_where_that_is_asked_for(faithful):
    rows = with_holes(faithful.values)
    with pytest.raises(ValueError, match="contains NaN"):
        GaussianMixture(2).fit(rows)
    model = GaussianMixture(2, missing="mar", random_state=0, tol=1e-10, max_iter=500)
    model.set_params(reg_covar=0).fit(rows)
    frame = pd.DataFrame(rows, columns=["x1", "x2"])
    data = Dataset.from_frame(frame, missing="mar")
    fit = fit_em(data, MixtureSpec(2, resolution=0), seed=1, n_starts=10)
    np.testing.assert_allclose(model.means_, fit.means, rtol=1e-4)
    assert model.score(rows) * len(rows) == pytest.approx(fit.log_likelihood, abs=1e-3)
    assert model.bic(rows) == pytest.approx(fit.bic, abs=2e-3)
    seen = ~np.isnan(rows)
    parts = [
        [
            np.log(w) + multivariate_normal(m[s], c[np.ix_(s, s)]).logpdf(x[s])
            for w, m, c in zip(model.weights_, model.means_, model.covariances_, strict=True)
        ]
        for x, s in zip(rows, seen, strict=True)
    ]
    totals = logsumexp(parts, axis=1)
    np.testing.assert_allclose(model.score_samples(rows), totals, rtol=1e-10)
    shares = np.exp(parts - totals[:, None])
    np.testing.assert_allclose(model.predict_proba(rows), shares, atol=1e-10)
    np.testing.assert_array_equal(model.predict(rows), shares.argmax(axis=1))
    nothing = model.predict_proba([[np.nan, np.nan]])
    np.testing.assert_allclose(nothing[0], model.weights_, rtol=1e-12)
    named = GaussianMixture(2, missing="mar", random_state=0).fit(frame, sample_weight=seen.sum(1))
    assert named.feature_names_in_.tolist() == ["x1", "x2"]
    with pytest.raises(ValueError, match="infinity"):
        model.predict([[np.inf, np.nan]])


def test_tags_follow_what_is_done_about_missing_cells():
    assert not GaussianMixture().__sklearn_tags__().input_tags.allow_nan
    assert GaussianMixture(missing="mar").__sklearn_tags__().input_tags.allow_nan
