"""EM under the recording error: tied, rounded, zero-inflated columns, saddles, and growing K.

The log likelihoods were found beforehand by an independent program in NumPy, 60 starts of four
kinds each.
"""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.metrics import adjusted_rand_score

from bayesgmm.data import Dataset, as_dataset
from bayesgmm.errors import DataWarning, DegeneracyWarning
from bayesgmm.fit import FitStatus, bic_grid, bootstrap_lrt, fit_em, fit_map
from bayesgmm.fit.em import Likelihood
from bayesgmm.fit.points import point_of, split
from bayesgmm.fit.saddles import off_saddles
from bayesgmm.likelihood.compiled.m_step import bound
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.likelihood.rows import Rows
from bayesgmm.model.parameters import Parameters, covariances_from
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import COVARIANCES, MCLUST_NAMES, MixtureSpec
from bayesgmm.prediction import membership
from bayesgmm.sampling import sample
from tests.support.places import CASES, DATA

SETS = {path.stem: path for folder in (CASES, DATA) for path in folder.glob("*.csv")}
pytestmark = pytest.mark.filterwarnings("ignore::bayesgmm.errors.DataWarning")


def read(name: str) -> Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        return Dataset.from_csv(SETS[name], missing="mar")


def some_scatter(rng, size, rank):
    root = rng.normal(size=(size, rank)) * 10.0 ** rng.uniform(-1.5, 0.5, size=(size, 1))
    return root @ root.T + 1e-9 * np.eye(size)


def gain(covariance, scatter):
    return -np.linalg.slogdet(covariance)[1] - np.trace(np.linalg.solve(covariance, scatter))


def brute_force(scatter, error, rng):
    """The best Sigma = diag(h^2) + root root' that quasi-Newton steps find from several starts."""
    size = len(error)

    def loss(flat):
        root = flat.reshape(size, size)
        covariance = np.diag(error**2) + root @ root.T + 1e-14 * np.eye(size)
        inverse = np.linalg.inv(covariance)
        slope = inverse - inverse @ scatter @ inverse
        return -gain(covariance, scatter), (2.0 * slope @ root).ravel()

    spread = np.sqrt(np.diag(scatter))
    starts = [np.diag(spread) + 0.1 * spread * rng.normal(size=(size, size)) for _ in range(4)]
    options = {"maxiter": 20_000, "maxfun": 40_000, "ftol": 1e-15, "gtol": 1e-9}
    return -min(
        minimize(loss, s.ravel(), jac=True, method="L-BFGS-B", options=options).fun for s in starts
    )


@pytest.mark.parametrize("exact", [0, 1, 2], ids=["all", "one exact", "two exact"])
@pytest.mark.parametrize("size", [1, 2, 4])
def test_the_bounded_covariance_is_the_best_of_all_that_hold_the_error(size, exact):
    rng = np.random.default_rng([size, exact])
    for _ in range(5):
        error = 10.0 ** rng.uniform(-1.0, 0.5, size)
        error[:exact] = 0.0
        if not error.any():
            continue
        scatter = some_scatter(rng, size, size + 1 if exact else int(rng.integers(1, size + 1)))
        covariance = scatter.copy()
        assert bound(covariance, error, np.empty((size, size)))
        least = np.linalg.eigvalsh(covariance - np.diag(error**2)).min()
        assert least > -1e-12 * np.abs(covariance).max()
        assert gain(covariance, scatter) >= brute_force(scatter, error, rng) - 1e-6
        np.testing.assert_allclose(covariance[:exact, :exact], scatter[:exact, :exact])


def test_eigenvalues_in_units_of_the_error_are_raised_to_one_to_the_last_digits():
    rng = np.random.default_rng(3)
    for _ in range(20):
        error = 10.0 ** rng.uniform(-1.0, 0.5, 3)
        scatter = some_scatter(rng, 3, 2)
        covariance = scatter.copy()
        bound(covariance, error, np.empty((3, 3)))
        outer = np.outer(error, error)
        values, axes = np.linalg.eigh(scatter / outer)
        exact = (axes * np.maximum(values, 1.0)) @ axes.T
        np.testing.assert_allclose(covariance / outer, exact, rtol=0, atol=1e-12 * exact.max())


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_the_path_never_falls_at_the_bound_and_every_covariance_holds_it(covariance):
    for name, k in (("months3", 3), ("rain", 3), ("likert", 2)):
        fit = fit_em(read(name), MixtureSpec(k, covariance), seed=3, n_starts=6)
        for climb in fit.climbs:
            assert np.diff(climb.path).min(initial=0.0) > -1e-9 * abs(climb.path[-1]), name
        h = fit.resolved.resolution
        for optimum in fit.optima:
            excess = optimum.parameters.covariances - np.diag(h**2)
            assert np.linalg.eigvalsh(excess / np.outer(h, h)).min() > -1e-9


def test_an_extrapolated_point_is_led_back():
    data = read("months3")
    target = Likelihood(resolve(MixtureSpec(2), data))
    rng = np.random.default_rng(1)
    x = point_of(np.full(2, 0.5), rng.normal(size=(2, 3)), np.array([np.eye(3) * 1e-7] * 2))
    x = LogPosterior(target.resolved, data.values).bounded(x)
    error = target.resolved.resolution / target.resolved.unit
    excess = split(x, 2, 3)[2] - np.diag(error**2)
    assert np.linalg.eigvalsh(excess).min() > -1e-15
    sums = Rows(target.resolved, data).moments(x)
    assert np.isfinite(sums.log_likelihood)


def test_scales_and_correlations_leave_the_error_out():
    for name, k in (("zero", 2), ("months3", 2)):
        fit = fit_em(read(name), k, seed=1)
        h = fit.resolved.resolution
        again = covariances_from(fit.scales, fit.correlations, h)
        np.testing.assert_allclose(again, fit.covariances, atol=1e-6 * fit.covariances.max())
    zeros = fit_em(read("zero"), 2, seed=1)
    assert zeros.scales[0] == 0.0
    assert zeros.covariances[0, 0, 0] == pytest.approx(zeros.resolved.resolution[0] ** 2)


def test_spherical_structures_carry_the_largest_error(faithful):
    for name in ("spherical", "tied_spherical"):
        h = resolve(MixtureSpec(2, name), faithful).resolution
        np.testing.assert_array_equal(h, 0.4)
    np.testing.assert_allclose(resolve(MixtureSpec(2), faithful).resolution, [0.0004, 0.4])


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("zero", (-821.40, 412.32, 415.58)),
        ("rain", (-796.52, 420.65, 430.03)),
        ("months2", (-1109.62, -905.20)),
        ("months3", (-1779.06, -1528.72, -1439.79)),
        ("faithful", (-1289.80, -1130.26, -1114.44, -1106.03)),
        ("iris", (-379.91, -214.35, -180.19)),
        ("galaxies", (-240.34, -220.06, -203.18)),
    ],
)
def test_log_likelihoods_under_the_recording_error(name, values):
    for k, value in enumerate(values, start=1):
        assert fit_em(read(name), k, seed=1).log_likelihood == pytest.approx(value, abs=0.01)


def test_a_narrow_cluster_that_is_real_is_kept():
    fit = fit_em(read("narrow_real_cluster"), 3, seed=1)
    assert fit.log_likelihood == pytest.approx(-2285.83, abs=0.01)
    np.testing.assert_allclose(np.sort(fit.weights) * 215, [29.1, 36.4, 149.4], atol=0.1)
    assert fit.status is FitStatus.CONVERGED


def test_old_faithful_keeps_the_slab_beside_the_fit():
    fit = fit_em(read("faithful"), 3, seed=1)
    assert fit.log_likelihood == pytest.approx(-1114.4399, abs=1e-3)
    assert fit.status is FitStatus.SET_ASIDE
    assert fit.optima[0].flagged and fit.optima[0].objective > -1114.29
    assert fit.set_aside[0] is fit.optima[0]
    with pytest.warns(DegeneracyWarning, match="chance explains every solution"):
        again = fit_em(read("faithful"), 3, starts=[fit.optima[0].parameters])
    assert again.optima[0].objective == pytest.approx(fit.optima[0].objective, abs=1e-6)


@pytest.mark.slow
def test_likert_items_keep_the_recording_error():
    """595 x 8 integers, 3 groups; mclust's best: VVI, 3, BIC 12797.06 in our sign."""
    data = read("likert")
    table = bic_grid(data, [2, 3, 4], list(MCLUST_NAMES.values()), seed=1)
    table = table.set_index("covariance", append=True)
    assert table.loc[(3, "diag"), "bic"] == pytest.approx(12797.06, abs=0.1)
    assert table["rank"].idxmin() == (3, "diag")
    tied = fit_em(data, MixtureSpec(4, "tied"), seed=1)
    variances = np.einsum("kdd->kd", tied.covariances)
    assert (variances >= 0.4**2 * (1.0 - 1e-9)).all()


def test_months_are_two_groups():
    data = read("months2")
    labels = membership(fit_em(data, 2, seed=1), data)["mean"].argmax("cluster").values
    months = data.values[:, 0]
    assert adjusted_rand_score(months > 10.5, labels) > 0.5
    table = bic_grid(data, [1, 2], ["full"], seed=1)
    assert table["rank"].idxmin() == 2


@pytest.mark.parametrize("name", ["zero", "rain"])
def test_the_posterior_mode_of_zeros_is_found(name):
    fit = fit_map(read(name), 2, seed=1, n_starts=8)
    assert fit.status.converged and not fit.flagged
    assert fit.weights[0] == pytest.approx(fit_em(read(name), 2, seed=1).weights[0], abs=0.02)


def test_rain_needs_a_second_component():
    test = bootstrap_lrt(read("rain"), 1, n_bootstrap=19, seed=1)
    assert test.statistic == pytest.approx(2 * (420.65 + 796.52), abs=0.1)
    assert test.p_value == 1 / 20


def test_simulated_rows_are_recorded_like_the_data():
    """Under the null of two groups, one of them at zero: a third is not needed."""
    test = bootstrap_lrt(read("zero"), 2, n_bootstrap=19, seed=1)
    assert len(test.replicates) == 19
    assert test.p_value > 0.05


def test_components_that_coincide_are_led_on(faithful):
    total = np.cov(faithful.values.T, bias=True)
    same = Parameters(
        np.full(2, 0.5), np.repeat(faithful.values.mean(axis=0)[None], 2, axis=0),
        np.ones((2, 2)), np.ones((2, 2, 2)), np.repeat(total[None], 2, axis=0),
    )  # fmt: skip
    fit = fit_em(faithful, 2, starts=[same])
    assert fit.log_likelihood == pytest.approx(-1130.264, abs=0.01)


def test_where_no_split_gains_the_status_says_so():
    """Values 0 and 1, 50 times each: two components hold one value each, and a third has none."""
    data = as_dataset(np.repeat([0.0, 1.0], 50)[:, None])
    fit = fit_em(data, 2, seed=1)
    assert fit.log_likelihood == pytest.approx(-64.507736, abs=1e-5)
    assert fit.status is FitStatus.CONVERGED
    resolved = replace(fit.resolved, spec=MixtureSpec(3), concentration=np.ones(3))
    target = Likelihood(resolved)
    unit, centre = resolved.unit, resolved.centre
    order = [0, 1, 1]
    point = point_of(
        np.array([0.5, 0.3, 0.2]),
        (fit.means[order] - centre) / unit,
        fit.covariances[order] / np.multiply.outer(unit, unit),
    )
    rows = Rows(resolved, data)
    run = target.climb(rows, target.start(point), np.zeros(1), 1e-10, 1000)
    ((ended, _),) = off_saddles(target, rows, [(run, (0,))], np.zeros(1), 1e-10, 1000)
    assert ended.status is FitStatus.NO_GAIN and ended.status.converged
    assert ended.objective == pytest.approx(run.objective, abs=1e-6)


def test_seven_rows_in_five_features_are_told_to_be_few():
    with pytest.warns(DegeneracyWarning, match="7 rows in 5 features"):
        fit = fit_em(read("mma"), 2, seed=1)
    assert fit.flagged
    means = fit.means
    assert np.abs(means[0] - means[1]).max() > 1.0  # no component stands twice


@pytest.mark.parametrize("covariance", MCLUST_NAMES.values())
@pytest.mark.parametrize("name", sorted(SETS.keys() - {"mma"}))
def test_the_best_of_all_optima_never_falls_when_a_component_is_added(name, covariance):
    """Of mclust's six structures; all of them, and more components, on demand."""
    _never_falls(name, covariance, 4)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::bayesgmm.errors.DegeneracyWarning")
@pytest.mark.parametrize("covariance", COVARIANCES)
@pytest.mark.parametrize("name", sorted(SETS.keys() - {"mma"}))
def test_the_best_of_all_optima_never_falls_up_to_six(name, covariance):
    _never_falls(name, covariance, 6)


def _never_falls(name, covariance, largest):
    data, best = read(name), -np.inf
    for k in range(1, largest + 1):
        fit = fit_em(data, MixtureSpec(k, covariance), seed=4)
        assert fit.optima[0].objective > best - 1e-6, k
        best = fit.optima[0].objective


@pytest.mark.parametrize("name", sorted(SETS.keys() - {"mma", "likert"}))
def test_no_draw_of_the_posterior_is_above_the_best_of_all_optima(name):
    data = read(name)
    for k in (1, 2):
        tree = sample(data, k, draws=100, tune=200, seed=2)
        highest = float(tree["log_likelihood"].to_dataset()["x"].sum("obs").max())
        assert highest <= fit_em(data, k, seed=2).optima[0].objective + 1e-6
