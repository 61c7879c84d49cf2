"""Numbers of any size: units, offsets, outliers, near-collinear columns, few rows, many ties.

A change of unit or origin must not change the answer. What it may change is set by the data
themselves: with an offset of 1e8 spreads every value is rounded by 1e-8 of a spread.
"""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bayesgmm
from bayesgmm.errors import DataError, DataWarning
from bayesgmm.model.spec import COVARIANCES, MixtureSpec

FEW = settings(derandomize=True, deadline=None, max_examples=12)
MANY = settings(derandomize=True, deadline=None, max_examples=200)
SCALAR = {"spherical", "tied_spherical"}
RNG = np.random.default_rng

changes = st.fixed_dictionaries(
    {
        "covariance": st.sampled_from(COVARIANCES),
        "exponents": st.tuples(st.floats(-8, 8), st.floats(-8, 8)),
        "shifts": st.tuples(st.floats(-1e8, 1e8), st.floats(-1e8, 1e8)),
        "seed": st.integers(0, 99),
    }
)


def two_groups(seed: int, n: int = 40) -> np.ndarray:
    """Two groups that every structure tells apart, (obs, feature)."""
    rng = RNG(seed)
    one = rng.normal(size=(n, 2)) @ [[1.0, 0.5], [0.0, 0.8]]
    return np.concatenate([one, rng.normal(size=(n + 20, 2)) * [1.5, 0.7] + [7.0, -6.0]])


def check_equivariance(covariance, exponents, shifts, seed):
    """fit(a x + b) is a fit(x) + b to 1e-6, in units of the spread, and so is its likelihood."""
    rows = two_groups(seed)
    spec = MixtureSpec(2, covariance)
    unit = 10.0 ** np.array(exponents[:1] * 2 if covariance in SCALAR else exponents)
    plain = bayesgmm.fit_em(rows, spec, seed=1, n_starts=4)
    moved = bayesgmm.fit_em(unit * (rows + shifts), spec, seed=1, n_starts=4)
    np.testing.assert_allclose(moved.means / unit - shifts, plain.means, rtol=0, atol=1e-6)
    np.testing.assert_allclose(moved.scales / unit, plain.scales, rtol=1e-6)
    np.testing.assert_allclose(moved.weights, plain.weights, rtol=1e-6)
    np.testing.assert_allclose(moved.correlations, plain.correlations, rtol=0, atol=1e-6)
    jacobian = len(rows) * np.log(unit).sum()
    assert moved.log_likelihood + jacobian == pytest.approx(plain.log_likelihood, abs=1e-5)


@FEW
@given(changes)
def test_em_does_not_see_units_and_origin(change):
    check_equivariance(**change)


@pytest.mark.slow
@MANY
@given(changes)
def test_em_does_not_see_units_and_origin_in_many_cases(change):
    check_equivariance(**change)


@settings(derandomize=True, deadline=None, max_examples=4)
@given(
    st.sampled_from(COVARIANCES),
    st.integers(-26, 26),
    st.integers(-26, 26),
    st.sampled_from(["nuts", "smc"]),
)
def test_draws_are_the_same_after_a_change_of_unit_by_a_power_of_two(
    covariance, power, other_power, method
):
    """Bit for bit: scaling by a power of two is exact, and all arithmetic is in spreads."""
    unit = np.ldexp(1.0, [power, power if covariance in SCALAR else other_power])
    rows, spec = two_groups(1, 15), MixtureSpec(2, covariance)
    options = {"draws": 40, "tune": 60, "chains": 2, "seed": 2, "method": method}
    plain = bayesgmm.sample(rows, spec, **options)["posterior"]
    moved = bayesgmm.sample(unit * rows, spec, **options)["posterior"]
    np.testing.assert_array_equal(moved["weights"], plain["weights"])
    np.testing.assert_array_equal(moved["means"] / unit, plain["means"])
    np.testing.assert_array_equal(moved["scales"] / unit, plain["scales"])
    np.testing.assert_array_equal(
        moved["covariances"].values / np.outer(unit, unit), plain["covariances"].values
    )


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_a_row_a_million_spreads_away_keeps_everything_finite(covariance):
    rows = np.concatenate([two_groups(3), [[1e6, 3.0]]])
    spec = MixtureSpec(2, covariance)
    fits = [bayesgmm.fit_map(rows, spec, seed=1, n_starts=6)]
    fits.append(bayesgmm.sample(rows, spec, draws=40, tune=150, chains=2, seed=1))
    for fitted in fits:
        soft = bayesgmm.membership(fitted, rows)
        assert np.isfinite(soft["mean"]).all() and np.isfinite(soft["entropy"]).all()
        np.testing.assert_allclose(soft["mean"].sum("cluster"), 1.0, atol=1e-12)
        assert np.isfinite(bayesgmm.log_density(fitted, rows)["mean"]).all()
    assert all(np.isfinite(v).all() for v in fits[1]["posterior"].data_vars.values())


@pytest.mark.parametrize("n_far", [1, 2, pytest.param(5, marks=pytest.mark.slow)])
def test_a_row_a_million_spreads_away_in_several_features_is_fitted(n_far):
    rows = np.concatenate([RNG(3).normal(size=(40, 5)), RNG(4).normal(size=(61, 5)) + 6.0])
    rows[-1, :n_far] += 1e6
    fits = [
        bayesgmm.fit_em(rows, 1, seed=1),
        bayesgmm.sample(rows, 2, draws=40, tune=150, chains=2, seed=1),
    ]
    for fitted in fits:
        soft = bayesgmm.membership(fitted, rows)
        assert np.isfinite(soft["mean"]).all()
        np.testing.assert_allclose(soft["mean"].sum("cluster"), 1.0, atol=1e-12)
    assert all(np.isfinite(v).all() for v in fits[1]["posterior"].data_vars.values())


@settings(derandomize=True, deadline=None, max_examples=5)
@given(st.floats(-3.9, -1.0), st.integers(0, 99))
def test_nearly_collinear_columns_are_fitted_as_well_as_their_difference(exponent, seed):
    """The map (x, y) -> (x, x + e y) is linear: likelihoods differ by its Jacobian alone."""
    rows, small = two_groups(seed), 10.0**exponent
    near = np.column_stack([rows[:, 0], rows[:, 0] + small * rows[:, 1]])
    plain = bayesgmm.fit_em(rows, 2, seed=1, n_starts=20)
    leaning = bayesgmm.fit_em(near, 2, seed=1, n_starts=20)
    jacobian = len(rows) * np.log(small)
    assert leaning.log_likelihood + jacobian == pytest.approx(plain.log_likelihood, abs=1e-4)


def test_columns_too_near_to_collinear_are_refused():
    rows = two_groups(1)
    near = np.column_stack([rows[:, 0], rows[:, 0] + 1e-6 * rows[:, 1]])
    with pytest.raises(DataError, match="'x1', 'x2' are collinear"):
        bayesgmm.fit_em(near, 2)


@pytest.mark.parametrize("n_obs", [2, 3, 4])
def test_no_more_rows_than_features_is_refused(n_obs):
    with pytest.raises(DataError, match=f"{n_obs} rows cannot show the spread of 4 features"):
        bayesgmm.sample(RNG(1).normal(size=(n_obs, 4)), 1)


@pytest.mark.filterwarnings("ignore::bayesgmm.DataWarning")
@pytest.mark.parametrize("covariance", ["diag", "spherical"])
def test_no_more_rows_than_features_is_fitted_without_correlations(covariance):
    """At K = 1 the maximum has a closed form."""
    rows = RNG(1).normal(size=(6, 12)) * np.arange(1.0, 13.0)
    fit = bayesgmm.fit_em(rows, 1, covariance=covariance, seed=1, n_starts=4)
    variances = rows.var(axis=0)
    if covariance == "spherical":
        variances = np.full(12, variances.mean())
    expected = -3.0 * (12 * np.log(2.0 * np.pi) + np.log(variances).sum() + 12)
    assert fit.log_likelihood == pytest.approx(expected, abs=1e-9)
    tree = bayesgmm.sample(
        rows, 2, covariance=covariance, draws=50, tune=200, chains=2, seed=1, relabel=None
    )
    assert all(np.isfinite(v).all() for v in tree["posterior"].data_vars.values())


def of_independent_features(rows, weights):
    """Return the highest log likelihood of one cluster; NaN where a cell is missing."""
    times = weights[:, None] * ~np.isnan(rows)
    n, filled = times.sum(axis=0), np.nan_to_num(rows)
    means = (times * filled).sum(axis=0) / n
    variances = (times * (filled - means) ** 2).sum(axis=0) / n
    return -0.5 * (n * (np.log(2.0 * np.pi * variances) + 1.0)).sum()


@pytest.mark.filterwarnings("ignore:.* rows in 12 features:bayesgmm.DataWarning")
@pytest.mark.filterwarnings("ignore:fewer than 10 rows:bayesgmm.DataWarning")
@pytest.mark.parametrize("known", ["weights", "missing", "labels"])
def test_no_more_rows_than_features_with_what_is_known_of_them(known):
    """A row that counts three times shows no more than one: 18 counted rows are still few."""
    rows = RNG(1).normal(size=(9, 12)) * np.arange(1.0, 13.0)
    weights, options, k = np.ones(9), {}, 1
    if known == "weights":
        weights = np.r_[np.full(5, 1.0), np.full(4, 3.0)]
        options = {"weights": weights.astype(int), "weights_kind": "frequency"}
    elif known == "missing":
        rows[2, 3] = rows[5, 3] = rows[5, 7] = np.nan
        options = {"missing": "mar"}
    else:
        k, options = 2, {"labels": ["a"] * 4 + ["b"] * 5}
    frame = pd.DataFrame(rows, columns=[f"x{d + 1}" for d in range(12)])
    data = bayesgmm.Dataset.from_frame(frame, **options)
    expected = of_independent_features(rows, weights)
    if k == 2:
        expected = sum(
            of_independent_features(part, np.ones(len(part))) for part in (rows[:4], rows[4:])
        )
        expected += 4 * np.log(4 / 9) + 5 * np.log(5 / 9)
    fit = bayesgmm.fit_em(data, k, covariance="diag", seed=1, n_starts=2)
    assert fit.log_likelihood == pytest.approx(expected, abs=1e-5)
    with pytest.raises(DataError, match="9 rows cannot show the spread of 12 features"):
        bayesgmm.fit_em(data, k)
    factors = MixtureSpec(k, "factor", n_factors=1)
    assert bayesgmm.fit_em(data, factors, seed=1, n_starts=2).log_likelihood >= expected
    tree = bayesgmm.sample(data, factors, draws=20, tune=50, chains=2, seed=1, relabel=None)
    assert all(np.isfinite(v).all() for v in tree["posterior"].data_vars.values())


def test_copies_among_few_rows_with_missing_cells_are_refused():
    rows = RNG(1).normal(size=(6, 8))
    rows[:, 5] = 2.0 * rows[:, 1]
    rows[0, 0] = np.nan
    frame = pd.DataFrame(rows, columns=[f"x{d + 1}" for d in range(8)])
    with pytest.raises(DataError, match="'x2', 'x6' are collinear"):
        bayesgmm.Dataset.from_frame(frame, missing="mar")


@pytest.mark.filterwarnings("ignore:.* rows in 30 features:bayesgmm.DataWarning")
def test_a_factor_through_two_rows_is_no_cluster():
    """20 rows of 30 features: any two lie on a factor, 400 nats above the clusters of ten."""
    rows = RNG(0).normal(size=(20, 30))
    rows[:10] += 3.0
    fit = bayesgmm.fit_em(rows, MixtureSpec(2, "factor", n_factors=1), seed=1, n_starts=8)
    assert [optimum.flagged for optimum in fit.optima][:2] == [True, True]
    assert fit.optima[0].objective > fit.log_likelihood + 300.0
    assert not fit.flagged and fit.parameters.weights.min() > 0.4


def test_what_the_prior_decides_of_few_rows_is_said():
    rows = np.r_[RNG(1).normal(size=(8, 20)), 9.0 + RNG(2).normal(size=(7, 20))]
    words = "Each scale of a cluster rests on about 8 rows; the default prior gives 9 %"
    with pytest.warns(DataWarning, match=words):
        bayesgmm.fit_map(rows, 2, covariance="diag", seed=1, n_starts=2)
    with pytest.raises(DataError, match="15 rows cannot show the spread of 20 features.*'diag'"):
        bayesgmm.bic_grid(rows, [1], ["full"])
    with pytest.raises(DataError, match="'x1', 'x3' are collinear"):
        bayesgmm.fit_em(np.c_[rows[:, :2], rows[:, 0], rows], 2, covariance="diag")


def test_hardly_more_rows_than_features_is_warned_of_and_sampled():
    rows = RNG(1).normal(size=(6, 4))
    with pytest.warns(DataWarning, match="the prior dominates"):
        tree = bayesgmm.sample(rows, 2, draws=50, tune=200, chains=2, seed=1)
    assert all(np.isfinite(v).all() for v in tree["posterior"].data_vars.values())


@settings(derandomize=True, deadline=None, max_examples=4)
@given(st.integers(3, 6), st.integers(0, 99))
def test_many_ties_leave_a_proper_posterior(n_values, seed):
    """Rounded to a few values: no component shrinks below the recording error."""
    rows = RNG(seed).integers(0, n_values, size=(80, 1)).astype(float) * 0.1
    with pytest.warns(DataWarning, match="duplicates"):
        tree = bayesgmm.sample(rows, 2, draws=50, tune=200, chains=2, seed=1)
    variances = tree["posterior"]["covariances"].values
    assert np.isfinite(variances).all() and variances.min() >= (0.4 * 0.1) ** 2 * 0.99
