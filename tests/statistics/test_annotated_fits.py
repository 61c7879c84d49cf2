"""Fits of rows with missing cells, weights, labels and errors: other programs and identities.

The log likelihoods were found beforehand by independent programs in NumPy (best of 30 starts), two
of them for missing cells; those of weights and labels agree with mclust.
"""

import numpy as np
import pandas as pd
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from bayesgmm.data import Dataset
from bayesgmm.errors import ConfigError, DataError, DegenerateFitError
from bayesgmm.fit import FitStatus, bic_grid, bootstrap_lrt, fit_em, fit_map
from bayesgmm.model.spec import COVARIANCES, MixtureSpec
from bayesgmm.prediction import membership
from tests.support.few import few
from tests.support.places import DATA, REFERENCE

FREQUENCY = {"weights_kind": "frequency"}
pytestmark = pytest.mark.filterwarnings("ignore::bayesgmm.errors.DataWarning")


@pytest.fixture(scope="module")
def airquality():
    table = pd.read_csv(REFERENCE / "airquality.csv")
    return Dataset.from_frame(table.assign(Ozone=np.log(table["Ozone"])), missing="mar")


@pytest.fixture(scope="module")
def eruptions():
    return pd.read_csv(DATA / "faithful.csv")


def spec(n_components, covariance="full"):
    return MixtureSpec(n_components, covariance, resolution=0)


@pytest.mark.parametrize(("k", "value"), [(1, -1896.171507), (2, -1853.943956)])
def test_missing_cells(airquality, k, value):
    fit = fit_em(airquality, spec(k), seed=1)
    assert fit.log_likelihood == pytest.approx(value, abs=1e-5)
    assert fit.status.converged and not fit.flagged
    if k == 2:
        np.testing.assert_allclose(fit.weights, [0.385326, 0.614674], atol=1e-5)
        means = [
            [2.899888, 85.893710, 10.419909, 74.203957],
            [3.718867, 245.887093, 9.667653, 80.188256],
        ]
        np.testing.assert_allclose(fit.means, means, rtol=2e-5)


def test_a_slab_that_missing_cells_make_is_set_aside(airquality):
    """Rows whose cell is missing lie in any slab across it; the others speak for one."""
    fit = fit_em(airquality, spec(3), seed=1)
    assert fit.log_likelihood >= -1823.153538 - 1e-5
    assert fit.status is FitStatus.SET_ASIDE and fit.optima[0].flagged
    assert fit.optima[0].objective > fit.log_likelihood + 5.0
    reached = [optimum.objective for optimum in fit.optima]
    assert np.abs(np.array(reached) + 1823.153538).min() < 1e-4


@pytest.mark.parametrize("covariance", ["full", "diag"])
def test_a_narrow_group_stays_though_few_of_its_rows_are_complete(covariance):
    """It is narrow in x, which all rows show; four other columns lack 40 % of their cells."""
    rng = np.random.default_rng(6)
    rows = rng.normal(size=(330, 5))
    rows[:30, 0] = 0.3 + 0.01 * rng.normal(size=30)
    rows[:30, 1:] += 2.5
    rows[:, 1:][rng.random((330, 4)) < 0.4] = np.nan
    complete = ~np.isnan(rows).any(axis=1)
    assert complete[:30].sum() <= 6  # as many as lie in some plane of five features
    table = pd.DataFrame(rows, columns=list("xabcd"))
    fit = fit_em(Dataset.from_frame(table, missing="mar"), spec(2, covariance), seed=1)
    assert fit.status is FitStatus.CONVERGED and not fit.flagged
    assert fit.weights.min() * 330 == pytest.approx(30.0, abs=3.0)
    narrow = fit.weights.argmin()
    assert fit.means[narrow, 0] == pytest.approx(0.3, abs=0.01)


def test_frequency_weights(eruptions):
    n = np.array([1 + i % 4 for i in range(272)])
    data = Dataset.from_frame(eruptions, weights=n, **FREQUENCY)
    fit = fit_em(data, spec(2), seed=1)
    assert fit.log_likelihood == pytest.approx(-2798.060778, abs=1e-5)
    np.testing.assert_allclose(fit.weights, [0.339179, 0.660821], atol=1e-5)
    np.testing.assert_allclose(fit.means, [[2.031145, 54.799908], [4.289861, 80.060503]], rtol=1e-6)
    copies = Dataset.from_frame(eruptions.loc[np.repeat(np.arange(272), n)].reset_index(drop=True))
    same = fit_em(copies, spec(2), seed=1)
    assert fit.n_obs == same.n_obs == 680
    for criterion in ("log_likelihood", "aic", "bic", "icl"):
        assert getattr(fit, criterion) == pytest.approx(getattr(same, criterion), abs=1e-6)
    grids = [bic_grid(d, [1, 2, 3], ["full", "tied"], seed=1) for d in (data, copies)]
    np.testing.assert_allclose(grids[0]["bic"], grids[1]["bic"], atol=1e-5)


def test_known_labels():
    iris = pd.read_csv(DATA / "iris.csv")
    labels = iris["species"].where(np.arange(150) % 5 == 0, None)
    data = Dataset.from_frame(iris.drop(columns="species"), labels=labels)
    fit = fit_em(data, spec(3), seed=1)
    assert fit.log_likelihood == pytest.approx(-182.2062603, abs=1e-5)
    np.testing.assert_allclose(fit.weights, [0.3333333, 0.3112713, 0.3553954], atol=1e-4)
    assert fit.n_parameters == 44
    means = iris.groupby("species")[list(data.features)].mean().to_numpy()
    np.testing.assert_allclose(fit.means, means, atol=0.2)  # class c is component c
    more = fit_em(data, spec(4), seed=1, n_starts=12)
    named = [[line.split()[0] for line in str(f).splitlines()[-4:]] for f in (fit, more)]
    assert named == [
        ["cluster", "setosa", "versicolor", "virginica"],
        ["setosa", "versicolor", "virginica", "4"],
    ]


def test_errors_of_each_row(eruptions):
    errors = dict(
        zip(
            eruptions.columns,
            (0.05 + 0.1 * (np.arange(272) % 5), 1.0 + np.arange(272) % 4),
            strict=True,
        )
    )
    data = Dataset.from_frame(eruptions, errors=errors)
    assert fit_em(data, spec(1), seed=1).log_likelihood == pytest.approx(-1298.787147, abs=1e-5)
    fit = fit_em(data, spec(2), seed=1)
    assert fit.log_likelihood == pytest.approx(-1153.8560397, abs=1e-5)
    np.testing.assert_allclose(fit.weights, [0.358717, 0.641283], atol=1e-5)
    np.testing.assert_allclose(fit.means, [[2.064678, 54.444516], [4.302196, 80.021590]], rtol=1e-5)
    expected = [[0.0519354, 0.5097263, 30.0991996], [0.1285150, 0.8105886, 30.8111274]]
    found = [[c[0, 0], c[0, 1], c[1, 1]] for c in fit.covariances]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def brute_force(fit, data):
    """The log likelihood row by row with SciPy, all annotations together."""
    known, total = data.annotations, 0.0
    allowed = known.allowed(len(fit.weights))
    for i, row in enumerate(data.values):
        seen, terms = np.flatnonzero(~np.isnan(row)), []
        for k in range(len(fit.weights)):
            if allowed is not None and not allowed[i, k]:
                continue
            covariance = fit.covariances[k][np.ix_(seen, seen)]
            if known.errors is not None:
                covariance = covariance + np.diag(known.errors[i, seen] ** 2)
            density = (
                multivariate_normal(fit.means[k, seen], covariance).logpdf(row[seen])
                if len(seen)
                else 0.0
            )
            terms.append(np.log(fit.weights[k]) + density)
        total += (1.0 if known.weights is None else known.weights[i]) * logsumexp(terms)
    return total


@pytest.mark.parametrize("covariance", few(COVARIANCES, {"full", "shared_scales"}))
@pytest.mark.parametrize("fitted", [fit_em, fit_map])
def test_all_together(covariance, fitted):
    """A labelled row that counts twice, with a missing cell and an error, in every structure."""
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(120, 3)) + 6.0 * (np.arange(120) % 2)[:, None]
    rows[rng.random(rows.shape) < 0.2] = np.nan
    labels = np.where(np.arange(120) % 6 == 0, "a", np.where(np.arange(120) % 6 == 1, "b|c", ""))
    data = Dataset.from_frame(
        pd.DataFrame(rows, columns=["x", "y", "z"]), missing="mar", weights=1 + np.arange(120) % 3,
        weights_kind="frequency", labels=labels, errors={"y": 0.1 + 0.1 * (np.arange(120) % 2)},
    )  # fmt: skip
    with pytest.raises(ConfigError, match="3 classes"):
        fitted(data, spec(2, covariance))
    fit = fitted(data, MixtureSpec(3, covariance), seed=1, n_starts=12)
    assert fit.log_likelihood == pytest.approx(brute_force(fit, data), abs=1e-6)
    assert fit.means[0].max() < 3.0 and fit.status.converged  # class a is the first component


def test_a_weight_of_0_is_absence_and_a_row_without_cells_says_nothing(eruptions):
    whole = fit_em(Dataset.from_frame(eruptions[:250]), spec(2), seed=1)
    weights = np.r_[np.ones(250), np.zeros(22)]
    absent = fit_em(Dataset.from_frame(eruptions, weights=weights, **FREQUENCY), spec(2), seed=1)
    empty = eruptions.copy().astype(float)
    empty.loc[250:, :] = np.nan
    with pytest.warns(match="22 rows with no cell observed"):
        data = Dataset.from_frame(empty, missing="mar")
    silent = fit_em(data, spec(2), seed=1)
    for fit in (absent, silent):
        assert fit.log_likelihood == pytest.approx(whole.log_likelihood, abs=1e-6)
        np.testing.assert_allclose(fit.means, whole.means, rtol=1e-5)
    assert absent.n_obs == 250 and absent.bic == pytest.approx(whole.bic, abs=1e-6)


def test_a_row_is_its_two_halves_where_features_are_independent(eruptions):
    halves = pd.concat([eruptions.assign(waiting=np.nan), eruptions.assign(eruptions=np.nan)])
    halves = pd.concat([halves, eruptions[:1]], ignore_index=True)
    more = pd.concat([eruptions, eruptions[:1]], ignore_index=True)
    with pytest.warns(match="fewer than 10 rows show both"):
        data = Dataset.from_frame(halves, missing="mar")
    one, other = (fit_em(d, spec(1, "diag"), seed=1, tol=1e-15) for d in (data, more))
    assert one.log_likelihood == pytest.approx(other.log_likelihood, abs=1e-8)
    np.testing.assert_allclose(one.covariances, other.covariances, rtol=1e-5)


def test_a_cell_with_a_huge_error_is_missing(eruptions):
    holes, errors = eruptions.copy(), np.full(272, 1e-9)
    holes.loc[::5, "waiting"] = np.nan
    errors[::5] = 1e6 * eruptions["waiting"].std()
    missing = fit_em(Dataset.from_frame(holes, missing="mar"), spec(2), seed=1)
    vague = fit_em(Dataset.from_frame(eruptions, errors={"waiting": errors}), spec(2), seed=1)
    np.testing.assert_allclose(missing.means, vague.means, rtol=1e-5)
    np.testing.assert_allclose(missing.weights, vague.weights, atol=1e-6)


def test_no_row_needs_to_be_complete(eruptions):
    """Each row shows two of three columns; what is narrow then speaks of no row at all."""
    rng = np.random.default_rng(2)
    table = eruptions.assign(third=eruptions["waiting"] / 10.0 + rng.normal(size=272))
    for j, name in enumerate(table.columns):
        table.loc[j::3, name] = np.nan
    data = Dataset.from_frame(table, missing="mar")
    for k in (1, 2):
        fit = fit_em(data, spec(k), seed=1, n_starts=12)
        assert fit.status.converged and np.isfinite(fit.log_likelihood)


def test_classes_without_a_row_and_components_without_one(eruptions):
    """All rows are labelled: no row may be in a third component, which a likelihood cannot fit."""
    labels = np.where(eruptions["eruptions"] < 3.0, "short", "long")
    data = Dataset.from_frame(eruptions, labels=labels)
    both = fit_em(data, spec(2), seed=1)
    for k, name in enumerate(("long", "short")):
        mine = eruptions[labels == name]
        np.testing.assert_allclose(both.means[k], mine.mean(), rtol=1e-8)
        assert both.weights[k] == pytest.approx(len(mine) / 272, abs=1e-10)
    with pytest.raises(DegenerateFitError):
        fit_em(data, spec(3), seed=1, n_starts=6)


def test_memberships_of_annotated_rows_know_what_is_known(eruptions):
    fit = fit_em(eruptions, spec(2), seed=1)
    labels = [None] * 270 + ["1", "2"]
    data = Dataset.from_frame(eruptions, labels=labels)
    soft = membership(fit, data)["mean"].values
    assert soft[270, 0] == soft[271, 1] == 1.0
    np.testing.assert_allclose(soft[:270], membership(fit, eruptions)["mean"].values[:270])


def test_verbs_that_do_not_take_such_rows_say_so(airquality, eruptions):
    fractions = Dataset.from_frame(eruptions, weights=np.full(272, 1.5), **FREQUENCY)
    assert fit_em(fractions, spec(2), seed=1, n_starts=4).n_obs == 408
    with pytest.raises(DataError, match="frequency weights must be whole numbers.*1.5 in row 1"):
        fit_map(fractions, 2)
    with pytest.raises(DataError, match="bootstrap_lrt does not take missing cells"):
        bootstrap_lrt(airquality, 1)
