"""The evidence in many coordinates, from not many more draws."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp
from scipy.stats import chi2, multivariate_t, norm

from bayesgmm.evidence import log_evidence, proposal, round_groups, smc_evidence
from bayesgmm.evidence.bridge import bridge, log_ratio
from bayesgmm.evidence.shrinkage import _SHARES, shrunk_moments
from bayesgmm.posterior.draws import Draws
from bayesgmm.sampling import sample
from tests.benchmarks.simulated import simulated_rows
from tests.support.few_rows import spec


def autoregressive(dim, memory):
    """Return a covariance (dim, dim) with unequal variances."""
    index = np.arange(dim)
    deviations = 1.0 + 0.5 * np.sin(index)
    correlations = memory ** np.abs(index[:, None] - index)
    return deviations[:, None] * correlations * deviations


def divergence(truth, covariance, mean=0.0):
    """Return the Kullback-Leibler divergence of N(mean, covariance) from N(0, truth), nats."""
    ratio = np.linalg.solve(covariance, truth)
    mean = np.broadcast_to(mean, len(truth))
    distance = mean @ np.linalg.solve(covariance, mean)
    return 0.5 * (np.trace(ratio) - len(truth) - np.linalg.slogdet(ratio)[1] + distance)


def symmetric_root(covariance):
    values, axes = np.linalg.eigh(covariance)
    return (axes * np.sqrt(values)) @ axes.T


def chains_of(truth, size, memory, rng):
    """Return four autoregressive chains of N(0, truth), end to end, (size, dim)."""
    noise = rng.standard_normal((4, size // 4, len(truth)))
    for t in range(1, size // 4):
        noise[:, t] = memory * noise[:, t - 1] + math.sqrt(1.0 - memory**2) * noise[:, t]
    return noise.reshape(size, -1) @ np.linalg.cholesky(truth).T


def test_where_the_curvature_tells_the_shape_hardly_any_noise_is_left():
    """A free covariance costs d^2 / 4n = 4 nats and more; variances d / 2n, and means as much.

    Half as much again is allowed for chance and what the chosen share leaves of correlations.
    """
    rng = np.random.default_rng(1)
    truth = autoregressive(100, 0.7)
    points = chains_of(truth, 600, 0.0, rng)
    mean, covariance = shrunk_moments(points, np.ones(600), symmetric_root(truth))
    assert divergence(truth, np.cov(points.T)) > 4.0
    assert divergence(truth, covariance, mean) < 1.5 * 100 / 600


@pytest.mark.parametrize("size", [400, 4000])
@pytest.mark.parametrize("memory", [0.0, 0.8])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_share_is_nearly_the_best_of_all(size, memory, seed):
    """The root knows nothing of the correlations, so that the best share lies between 0 and 1.

    Leaving out single draws of correlated chains instead of stretches costs up to 56 % more.
    """
    rng = np.random.default_rng(seed)
    truth = autoregressive(30, 0.5)
    points = chains_of(truth, size, memory, rng)
    free = np.cov(points.T, ddof=0)
    diagonal = np.diag(np.diag(free))
    each = [divergence(truth, (1.0 - share) * free + share * diagonal) for share in _SHARES]
    chosen = divergence(truth, shrunk_moments(points, np.ones(size), np.eye(30))[1])
    assert min(each) < 0.99 * min(each[0], each[-1])
    assert chosen < 1.1 * min(each)


def test_points_without_weight_do_not_count():
    rng = np.random.default_rng(2)
    truth = autoregressive(5, 0.5)
    points = chains_of(truth, 200, 0.0, rng)
    elsewhere = 50.0 + rng.standard_normal((200, 5))
    together = np.stack([points, elsewhere], axis=1).reshape(400, 5)
    weights = np.tile([2.0, 0.0], 200)
    expected = shrunk_moments(points, np.ones(200), symmetric_root(truth))
    for one, other in zip(
        shrunk_moments(together, weights, symmetric_root(truth)), expected, strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


def test_a_coordinate_that_moves_in_one_stretch_only_is_borne():
    """All draws but the first twentieth have the same value there: a fold without them has none."""
    points = chains_of(autoregressive(3, 0.5), 400, 0.0, np.random.default_rng(3))
    points[20:, 1] = 0.0
    mean, covariance = shrunk_moments(points, np.ones(400), np.eye(3))
    np.testing.assert_allclose(mean, points.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(np.diag(covariance), points.var(axis=0), rtol=1e-9)
    assert np.linalg.eigvalsh(covariance).min() > 0.0


def exact_evidence(rows):
    """Return the log evidence of one cluster of independent features: a quadrature for each."""
    n, mean, log_scale = len(rows), np.linspace(-3.0, 4.0, 351)[:, None], np.linspace(-2, 2.5, 226)
    prior = norm.logpdf(mean, 0.5, 2.0) + norm.logpdf(log_scale, math.log(0.7), 0.6)
    prior += math.log((mean[1, 0] - mean[0, 0]) * (log_scale[1] - log_scale[0]))
    total = -0.5 * n * rows.shape[1] * math.log(2.0 * math.pi)
    for x in rows.T:
        squares = n * (x.var() + (mean - x.mean()) ** 2)
        total += logsumexp(prior - n * log_scale - 0.5 * np.exp(-2.0 * log_scale) * squares)
    return total


@pytest.mark.filterwarnings("ignore:60 rows in 40 features")
def test_two_draws_a_coordinate_give_the_evidence_of_independent_features():
    """80 coordinates, 160 draws a half. Four nats of error would hide a wrong one."""
    rows = np.random.default_rng(1).normal(0.5, 1.0, size=(60, 40))
    run = sample(rows, spec(1, covariance="diag"), draws=80, tune=300, seed=1, log_likelihood=False)
    result = log_evidence(run, seed=1)
    assert result.error < 0.2
    assert abs(result.value - exact_evidence(rows)) < 3 * result.error


class TwoModes:
    """Two Normals in 60 coordinates, 8 deviations apart along three; the first has two thirds."""

    dim, log_unit_of_rows = 60, 0.0
    resolved = SimpleNamespace(groups=SimpleNamespace(exchangeable=False))

    def __init__(self):
        self.root = np.linalg.cholesky(autoregressive(self.dim, 0.6))
        self.places = np.zeros((2, self.dim))
        self.places[1, :3] = 8.0

    def log_densities(self, points):
        u = np.linalg.solve(self.root, points.T).T
        squares = ((u[..., None, :] - self.places) ** 2).sum(axis=-1)
        return logsumexp(-0.5 * squares, axis=-1, b=[2.0 / 3.0, 1.0 / 3.0])

    def draws(self, size, rng):
        which = (rng.random(size) < 1.0 / 3.0).astype(int)
        return (self.places[which] + rng.standard_normal((*size, self.dim))) @ self.root.T


def test_two_modes_in_many_coordinates_have_a_gaussian_each(monkeypatch):
    """One Gaussian over both has an error of nats; free ones have 1,890 parameters each."""
    target, rng = TwoModes(), np.random.default_rng(4)
    whole = symmetric_root(target.root @ target.root.T)
    monkeypatch.setattr(proposal, "local_root", lambda target, x: whole)
    monkeypatch.setattr(round_groups, "local_root", lambda target, x: whole)
    monkeypatch.setattr(round_groups, "climb", lambda target, x: (x, 0.0))
    value, error = bridge(target, target.draws((4, 200), rng), seed=1)
    log_volume = 0.5 * target.dim * math.log(2.0 * math.pi)
    log_volume += np.log(np.diag(target.root)).sum()
    assert error < 0.1
    assert abs(value - log_volume) < 3 * error


def test_a_draw_far_from_the_others_is_no_group(monkeypatch):
    """A Gaussian about it has no width: BIC falls by more than what its parameters cost."""
    target, rng = TwoModes(), np.random.default_rng(6)
    monkeypatch.setattr(proposal, "local_root", lambda target, x: np.eye(target.dim))
    monkeypatch.setattr(round_groups, "local_root", lambda target, x: np.eye(target.dim))
    monkeypatch.setattr(round_groups, "climb", lambda target, x: (0.0 * x, 0.0))
    draws = rng.standard_normal((100, target.dim))
    draws[40] += 30.0
    fitted = proposal.fit_proposal(target, draws, 1)
    assert len(fitted.weights) == 1 and np.isfinite(fitted.factors).all()


def by_a_t_at_the_mode(posterior, seed):
    """Return the log evidence and its error by a bridge from a t with 30 degrees of freedom.

    Its scale is the inverse of the curvature at the mode; it knows one labelling of clusters that
    lie far apart, so that log K! is added.
    """
    target, draws = Draws(posterior).target, Draws(posterior).coordinates

    def gradient(x):
        return target.evaluate(x).gradient

    start = draws.reshape(-1, target.dim).mean(axis=0)
    mode = minimize(lambda x: -target.evaluate(x).value, start, jac=lambda x: -gradient(x)).x
    steps = 1e-4 * np.eye(target.dim)
    hessian = np.array([(gradient(mode - step) - gradient(mode + step)) / 2e-4 for step in steps])
    t = multivariate_t(mode, np.linalg.inv(0.5 * (hessian + hessian.T)), 30)
    proposed = t.rvs(2 * draws.shape[0] * draws.shape[1], random_state=seed)

    def ratios(points):
        return np.array([target.evaluate(x).value for x in points]) - t.logpdf(points)

    at_draws = ratios(draws.reshape(-1, target.dim)).reshape(draws.shape[:2])
    value, error = log_ratio(at_draws, ratios(proposed))
    constant = math.lgamma(target.resolved.n_components + 1)
    return value + constant - target.log_unit_of_rows, error


def assert_both_agree(ours, theirs):
    assert abs(ours[0] - theirs[0]) < 3 * math.hypot(ours[1], theirs[1])


@pytest.mark.slow
def test_few_draws_in_many_coordinates_have_a_small_error():
    """55 coordinates, 1,000 draws: free covariances had errors of 0.08 to 0.16 nats."""
    rows = simulated_rows(300, 6, 2)
    *runs, other = (sample(rows, 2, draws=250, seed=seed) for seed in (1, 2, 3, 4))
    results = [log_evidence(run, seed=1) for run in runs]
    errors = sorted(result.error for result in results)
    assert errors[1] < 0.04 and errors[2] < 0.08  # an error is at least half the halves' difference
    theirs = by_a_t_at_the_mode(other, 1)
    for result in results:
        assert_both_agree((result.value, result.error), theirs)


@pytest.mark.slow
def test_ten_features_and_three_clusters_have_a_small_error():
    """197 coordinates: free covariances had an error of 0.24 nats."""
    rows = simulated_rows(1000, 10, 3)
    one, other = (sample(rows, 3, seed=seed) for seed in (1, 2))
    result = log_evidence(one, seed=1)
    assert result.error < 0.04
    assert_both_agree((result.value, result.error), by_a_t_at_the_mode(other, 1))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_ten_features_agree_with_sequential_monte_carlo():
    posterior = sample(simulated_rows(1000, 10, 3), 3, seed=3)
    ours, theirs = log_evidence(posterior, seed=2), smc_evidence(posterior, seed=2)
    assert max(ours.error, theirs.error) < 0.1
    assert_both_agree((ours.value, ours.error), (theirs.value, theirs.error))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("n_features", "usual"), [(4, 0.01), (6, 0.015), (10, 0.03)])
def test_the_stated_error_is_the_spread_of_fresh_runs(n_features, usual):
    """Fresh chains and proposals 20 times; the sum of squares about their mean is a chi2.

    An error is at least half the difference of two halves: one in twenty is twice the usual one.
    """
    rows = simulated_rows(1000, n_features, 3)
    results = [log_evidence(sample(rows, 3, seed=100 + r), seed=r) for r in range(20)]
    values, errors = np.array([(result.value, result.error) for result in results]).T
    distances = (values - values.mean()) / errors
    assert np.median(errors) < usual and errors.max() < 0.1
    assert np.abs(distances).max() < 3.5
    assert (distances**2).sum() < chi2(19).ppf(0.999)
    assert errors.mean() < 2.0 * values.std(ddof=1)
