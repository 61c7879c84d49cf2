"""EM against reference values, closed forms and its invariances."""

import warnings
from dataclasses import replace
from math import comb

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import gamma, multivariate_normal, norm

from bayesgmm.data import as_dataset
from bayesgmm.errors import (
    ConfigError,
    ConvergenceWarning,
    DataWarning,
    DegenerateFitError,
)
from bayesgmm.fit import FitStatus, Optimum, fit_em
from bayesgmm.fit.degeneracy import by_chance, log_expected_slabs, narrowest
from bayesgmm.fit.em import Likelihood
from bayesgmm.fit.points import point_of, split
from bayesgmm.likelihood.rows import Rows
from bayesgmm.model.components import STRUCTURES
from bayesgmm.model.parameters import Parameters
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import COVARIANCES, MixtureSpec


def test_bic_of_faithful(faithful):
    assert fit_em(faithful, 2, seed=1).bic == pytest.approx(2322.192, abs=1e-3)


def test_icl_from_responsibilities(faithful):
    fit = fit_em(faithful, 3, seed=1)
    joint = np.array([
        np.log(w) + multivariate_normal(m, c).logpdf(faithful.values)
        for w, m, c in zip(fit.weights, fit.means, fit.covariances, strict=True)
    ])  # fmt: skip
    certain = (joint.max(axis=0) - np.logaddexp.reduce(joint)).sum()
    assert fit.icl == pytest.approx(fit.bic - 2 * certain, abs=1e-6)


def test_one_component_is_the_sample_moments(faithful):
    fit = fit_em(faithful, 1, seed=1)
    np.testing.assert_allclose(fit.means[0], faithful.values.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(fit.covariances[0], np.cov(faithful.values.T, ddof=0), rtol=1e-10)
    h = fit.resolved.resolution
    np.testing.assert_allclose(fit.scales[0] ** 2 + h**2, np.diag(fit.covariances[0]), rtol=1e-12)
    assert fit.icl == fit.bic


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_m_step_matches_the_structure(covariance):
    rng = np.random.default_rng(1)
    structure, k, d = STRUCTURES[covariance], 3, 3
    data = as_dataset(rng.normal(size=(200, d)) @ rng.normal(size=(d, d)))
    resolved = resolve(MixtureSpec(k, covariance, resolution=0.0), data)
    rows = (data.values - resolved.centre) / resolved.unit
    start = point_of(np.full(k, 1 / k), rng.normal(size=(k, d)), np.array([np.eye(d)] * k))
    sums = Rows(resolved, data).moments(start)
    weights, means, covariances = split(start, k, d)
    joint = np.array([
        w * multivariate_normal(m, c).pdf(rows)
        for w, m, c in zip(weights, means, covariances, strict=True)
    ])  # fmt: skip
    assert sums.log_likelihood == pytest.approx(np.log(joint.sum(axis=0)).sum(), rel=1e-12)
    r = joint / joint.sum(axis=0)
    mass = r.sum(axis=1)
    centres = r @ rows / mass[:, None]
    offsets = rows - centres[:, None]
    scatter = np.einsum("kn,kni,knj->kij", r, offsets, offsets)
    after, collapsed = Likelihood(resolved).step(start, sums, np.full(d, 1e-12))
    for _ in range(5 if structure.partly_shared else 0):  # one step climbs, and leaves a rest
        after, collapsed = Likelihood(resolved).step(after, sums, np.full(d, 1e-12))
    assert collapsed == -1
    weights, means, covariances = split(after, k, d)
    np.testing.assert_allclose(weights, mass / mass.sum(), rtol=1e-10)
    np.testing.assert_allclose(means, centres, atol=1e-12)
    if structure.partly_shared:
        best, value = brute_force_covariances(structure, mass, scatter)
        assert expected(covariances, mass, scatter) == pytest.approx(value, abs=1e-7)
        np.testing.assert_allclose(covariances, best, atol=1e-4)
    else:
        np.testing.assert_allclose(covariances, structure.covariances(mass, scatter), atol=1e-12)


def expected(covariances, mass, scatter):
    """The expected log likelihood of rows about their means, up to a constant."""
    terms = np.linalg.slogdet(covariances)[1] * mass
    return -0.5 * float((terms + np.trace(np.linalg.solve(covariances, scatter), 0, 1, 2)).sum())


def brute_force_covariances(structure, mass, scatter):
    """Maximise over scales and unit rows of Cholesky factors, from many starts."""
    k, d = len(mass), scatter.shape[1]
    n_scales = d * structure.n_scale_sets(k)
    lower = np.tril_indices(d, -1)

    def covariances(y):
        scales = np.exp(y[:n_scales]).reshape(-1, d)
        factors = np.tile(np.eye(d), (structure.n_pair_sets(k), 1, 1))
        factors[:, lower[0], lower[1]] = y[n_scales:].reshape(len(factors), -1)
        factors /= np.linalg.norm(factors, axis=2, keepdims=True)
        roots = np.broadcast_to(scales[:, :, None] * factors, (k, d, d))
        return roots @ roots.swapaxes(1, 2)

    rng = np.random.default_rng(2)
    size = n_scales + len(lower[0]) * structure.n_pair_sets(k)
    ends = [
        minimize(
            lambda y: -expected(covariances(y), mass, scatter),
            0.3 * rng.normal(size=size),
            jac="3-point",
            options={"gtol": 1e-7},
        )
        for _ in range(2)
    ]
    best = min(ends, key=lambda end: end.fun)
    return covariances(best.x), -best.fun


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_em_never_falls_and_ends_at_a_fixed_point(faithful, covariance):
    fit = fit_em(faithful, MixtureSpec(3, covariance), seed=1, n_starts=5)
    assert np.diff(fit.path).min() >= -1e-10
    assert fit.path[-1] == pytest.approx(fit.log_likelihood, abs=1e-9)
    target = Likelihood(fit.resolved)
    unit, centre = fit.resolved.unit, fit.resolved.centre
    x = point_of(
        fit.weights, (fit.means - centre) / unit, fit.covariances / np.multiply.outer(unit, unit)
    )
    rows = Rows(fit.resolved, faithful)
    after, collapsed = target.step(x, rows.moments(x), np.full(2, 1e-12))
    assert collapsed == -1
    np.testing.assert_allclose(after, x, atol=2e-3)  # a fixed point of the plain step


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_affine_equivariance(faithful, covariance):
    scalar = STRUCTURES[covariance].one_scale
    a, b = (np.array([1e8, 1e8]) if scalar else np.array([1e-8, 1e8])), np.array([3.0, -2e9])
    spec = MixtureSpec(2, covariance)
    fit = fit_em(faithful, spec, seed=1, n_starts=6)
    moved = fit_em(a * faithful.values + b, spec, seed=1, n_starts=6)
    np.testing.assert_allclose(moved.weights, fit.weights, rtol=1e-5)
    np.testing.assert_allclose((moved.means - b) / a, fit.means, rtol=1e-5)
    np.testing.assert_allclose(moved.scales / a, fit.scales, rtol=1e-5)
    np.testing.assert_allclose(moved.correlations, fit.correlations, atol=1e-5)
    shifted = fit.log_likelihood - faithful.n_obs * np.log(a).sum()
    assert moved.log_likelihood == pytest.approx(shifted, abs=1e-5)


def test_numbering_by_the_feature_that_separates():
    noise = np.random.default_rng(1).normal(size=(100, 2))
    values = np.concatenate([noise + [0, 9], noise])
    fit = fit_em(values, MixtureSpec(2, "tied_spherical"), seed=1)
    assert fit.order_feature == "x2"
    assert fit.means[0, 1] < fit.means[1, 1]
    assert fit_em(values[:, ::-1], MixtureSpec(2, "tied"), seed=1).order_feature == "x1"


def test_what_chance_explains_is_set_aside_and_said(galaxies):
    fit = fit_em(galaxies, 5, seed=1)
    assert fit.weights.min() * galaxies.n_obs > 2.5
    above = fit.set_aside
    assert above[0] is fit.optima[0]
    assert fit.status is FitStatus.SET_ASIDE
    assert all(o.flagged and o.objective > fit.log_likelihood for o in above)
    assert f"{len(above)} higher solutions, the best at log likelihood -1" in repr(fit)
    assert sum(o.count for o in fit.optima) + fit.n_collapsed == 60
    assert [o.objective for o in fit.optima] == sorted(
        (o.objective for o in fit.optima), reverse=True
    )


@pytest.mark.parametrize("n_rows", [4, 7])
@pytest.mark.parametrize("sd", [0.3, 1e-3])
def test_a_small_cluster_that_stands_apart_is_kept_however_narrow(n_rows, sd):
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(size=100), 12.0 + sd * rng.normal(size=n_rows)])
    fit = fit_em(values[:, None], 2, seed=1)
    assert not fit.flagged
    assert fit.weights[1] * len(values) == pytest.approx(n_rows, abs=0.01)


def test_the_small_clusters_of_galaxies_are_kept(galaxies):
    """Seven slow and three fast galaxies: Roeder (1990), J. American Statistical Association 85."""
    fit = fit_em(galaxies, 3, seed=1)
    np.testing.assert_allclose(np.sort(fit.weights)[:2] * galaxies.n_obs, [3, 7], atol=0.05)


def some_mixture(rng, n_clusters, n_features):
    factors = rng.normal(size=(n_clusters, n_features, n_features))
    scales = 10.0 ** rng.uniform(-2.5, 0.0, size=(n_clusters, 1, n_features))
    factors *= scales
    covariances = factors @ factors.swapaxes(1, 2)
    means = rng.normal(size=(n_clusters, n_features))
    weights = rng.dirichlet(np.ones(n_clusters))
    return Parameters(weights, means, None, None, covariances)


def test_chance_agrees_with_integrals_and_counts():
    """In one dimension: overlaps on a grid, the tail as a mixture of gammas, slabs counted."""
    rng, n_obs, either = np.random.default_rng(5), 9, []
    for _ in range(25):
        mixture = some_mixture(rng, 3, 1)
        pooled = mixture.weights @ mixture.covariances[:, 0, 0]
        sds = np.sqrt(mixture.covariances[:, 0, 0])
        believed = []
        for k in range(3):
            x = mixture.means[k, 0] + sds[k] * np.linspace(-12, 12, 100_001)
            own = norm(mixture.means[k, 0], sds[k]).pdf(x)
            others = sum(
                mixture.weights[j] * norm(mixture.means[j, 0], sds[j]).pdf(x)
                for j in range(3) if j != k
            )  # fmt: skip
            expected = n_obs * (own @ others) / (own @ own)
            free = mixture.weights[k] * n_obs - 2
            tail = gamma(free).cdf(expected) if free > 0 else 1.0
            slabs = np.log(comb(n_obs, 2)) + np.log(max(tail, 1e-300))
            counted = log_expected_slabs(mixture, STRUCTURES["full"], n_obs)[k]
            assert counted == pytest.approx(slabs, abs=1e-3) or max(counted, slabs) < -50.0
            believed.append(sds[k] ** 2 >= 0.01 * pooled or slabs <= np.log(1e-3))
        either += believed
        np.testing.assert_array_equal(
            by_chance(mixture, STRUCTURES["full"], n_obs), ~np.array(believed)
        )
    assert 5 < either.count(False) < 70


def test_slabs_across_the_features_are_fixed_by_two_rows_each():
    """Without correlations: one of C(D, m) C(n, 2 m), where m features are narrow."""
    mixture = Parameters(
        weights=np.array([0.9, 0.1]),
        means=np.zeros((2, 3)),
        scales=None,
        correlations=None,
        covariances=np.array([np.eye(3), np.diag([1e-6, 1e-6, 1.0])]),
    )
    counted = log_expected_slabs(mixture, STRUCTURES["diag"], 200)[1]
    overlap = 180 * np.sqrt(2.0) ** 3 * np.prod((1.0 + np.array([1e6, 1e6, 1.0])) ** -0.5)
    expected = np.log(3 * comb(200, 4)) + gamma(20 - 4).logcdf(overlap)
    assert counted == pytest.approx(max(expected, np.log(3 * comb(200, 4) * 1e-300)), abs=1e-6)


@pytest.mark.parametrize("n_features", [1, 2, 4])
def test_chance_and_narrowness_are_left_alone_by_affine_maps(n_features):
    rng, full = np.random.default_rng(6), STRUCTURES["full"]
    for _ in range(20):
        one = some_mixture(rng, 4, n_features)
        turn = rng.normal(size=(n_features, n_features)) * 1e3
        other = one._replace(
            means=one.means @ turn.T + 5.0, covariances=turn @ one.covariances @ turn.T
        )
        np.testing.assert_allclose(narrowest(other, full), narrowest(one, full), rtol=1e-4)
        np.testing.assert_array_equal(by_chance(other, full, 200), by_chance(one, full, 200))


def test_no_component_is_narrow_after_the_wide_steps(iris):
    target = Likelihood(resolve(MixtureSpec(3, resolution=0.0), iris))
    rows = (iris.values - target.resolved.centre) / target.resolved.unit
    ties = np.array([np.cov(rows.T)] * 3) * np.array([1.0, 1.0, 1e-6])[:, None, None]
    start = point_of(np.full(3, 1 / 3), rows[[0, 75, 120]], ties)
    x = target.widened(Rows(target.resolved, iris), start, np.full(4, 1e-12))
    assert np.linalg.eigvalsh(split(x, 3, 4)[2]).min() > 0.1


def test_every_start_keeps_its_path(galaxies):
    fit = fit_em(galaxies, 4, seed=1)
    assert len(fit.climbs) == 60
    reached = [climb.optimum for climb in fit.climbs]
    assert [reached.count(i) for i in range(len(fit.optima))] == [o.count for o in fit.optima]
    assert reached.count(None) == sum(climb.collapsed for climb in fit.climbs) == fit.n_collapsed
    for climb in fit.climbs:
        assert climb.n_obs == galaxies.n_obs
        if climb.collapsed:
            continue
        assert climb.path[-1] == pytest.approx(fit.optima[climb.optimum].objective, abs=0.02)
    assert any(np.array_equal(climb.path, fit.path) for climb in fit.climbs)


def test_all_collapsed():
    values = np.r_[np.zeros(30), np.ones(30)][:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        data = as_dataset(values)
    with pytest.raises(DegenerateFitError, match="60 rows in 1 features do not") as raised:
        fit_em(data, MixtureSpec(2, resolution=0.0), seed=1, n_starts=3)
    assert raised.value.effective_rows == pytest.approx(30, abs=1)


def test_not_converged_is_said(faithful):
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        fit = fit_em(faithful, 4, seed=1, n_starts=2, max_iter=4)
    assert fit.status is FitStatus.MAX_ITER


def test_same_seed_same_fit(faithful):
    one, other = (fit_em(faithful, 3, seed=7, n_starts=6) for _ in range(2))
    assert one.means.tobytes() == other.means.tobytes()
    drawn = fit_em(faithful, 2, n_starts=2)
    again = fit_em(faithful, 2, n_starts=2, seed=drawn.seed)
    assert again.means.tobytes() == drawn.means.tobytes()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"n_starts": 0}, "n_starts must be an integer >= 1, got 0"),
        ({"max_iter": 1.5}, "max_iter must be an integer >= 1, got 1.5"),
        ({"tol": 0.0}, "tol must be a number between 0 and 1, got 0.0"),
        ({"seed": -1}, "seed must be an integer >= 0 or None, of 128 bits at most, got -1"),
    ],
)
def test_wrong_options(faithful, option, message):
    with pytest.raises(ConfigError, match=message):
        fit_em(faithful, 2, **option)


def test_repr_names_what_a_reader_wants(faithful):
    text = repr(fit_em(faithful, 2, seed=1))
    for part in ("maximum likelihood", "full (VVV)", "BIC 2322.192", "of 60 starts", "0.356"):
        assert part in text


@pytest.mark.parametrize(("count", "said"), [(1, "1 higher solution,"), (2, "2 higher solutions,")])
def test_repr_counts_what_is_set_aside_in_words(faithful, count, said):
    fit = fit_em(faithful, 2, seed=1, n_starts=4)
    narrow = Optimum(0.0, 1, True, fit.parameters)
    doubted = replace(fit, optima=(narrow,) * count + fit.optima)
    assert doubted.set_aside == (narrow,) * count
    assert f"set aside: {said} the best at log likelihood 0.000" in repr(doubted)
    assert "set aside" not in repr(fit)
