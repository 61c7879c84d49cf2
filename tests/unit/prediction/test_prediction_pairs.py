"""Co-clustering, partitions, overlap and the comparison with k-means."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm
from sklearn.metrics import adjusted_rand_score, mutual_info_score

from bayesgmm.errors import ConfigError, DataError, ResourceError
from bayesgmm.fit import fit_em
from bayesgmm.model.parameters import Parameters
from bayesgmm.posterior.draws import Draws
from bayesgmm.prediction import (
    coclustering,
    hard_comparison,
    membership,
    overlap,
    partition,
)
from bayesgmm.prediction._overlap import overlaps, pair_overlaps
from bayesgmm.prediction.partition_search import LOSSES, best_partition, losses
from tests.support.prediction_draws import joint_densities, posterior_of, random_parameters


@pytest.fixture(scope="module")
def parameters():
    return random_parameters(80, 3, 2, seed=4)


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(2).normal(3.0, 3.0, size=(40, 2))


@pytest.fixture(scope="module")
def posterior(parameters, rows):
    return posterior_of(parameters, rows)


def test_coclustering_equals_brute_force(posterior, parameters, rows, monkeypatch):
    monkeypatch.setattr("bayesgmm.posterior.blocks.BLOCK_BYTES", 2**13)
    shares = joint_densities(parameters, rows)
    shares /= shares.sum(axis=2, keepdims=True)
    expected = np.einsum("sik,sjk->ij", shares, shares) / len(shares)
    np.fill_diagonal(expected, 1.0)
    np.testing.assert_allclose(coclustering(posterior), expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(coclustering(posterior, rows[3:9]), expected[3:9, 3:9], atol=1e-12)


def test_coclustering_does_not_depend_on_labels(posterior, parameters, rows):
    order = np.random.default_rng(0).permuted(np.tile(np.arange(3), (80, 1)), axis=1)
    switched = posterior_of(parameters.permuted(order), rows)
    np.testing.assert_allclose(coclustering(switched), coclustering(posterior), atol=1e-12)


def test_a_matrix_too_large_is_refused_with_ways_out(posterior, monkeypatch):
    monkeypatch.setattr("bayesgmm.runtime.memory.available_bytes", lambda: 2**14)
    with pytest.raises(ResourceError, match=r"40 rows would take .* take partition") as caught:
        coclustering(posterior)
    assert caught.value.needed == 2 * 8 * 40**2


def all_partitions(n):
    """Restricted growth strings."""
    found = [[0]]
    for _ in range(n - 1):
        found = [[*labels, k] for labels in found for k in range(max(labels) + 2)]
    return np.array(found)


def entropy(labels):
    shares = np.bincount(labels) / len(labels)
    return -np.sum(shares[shares > 0] * np.log(shares[shares > 0]))


def reference_loss(name, a, b):
    if name == "vi":
        return entropy(a) + entropy(b) - 2 * mutual_info_score(a, b)
    return np.mean((a[:, None] == a) != (b[:, None] == b))


@pytest.mark.parametrize("loss", ["vi", "binder"])
def test_losses_equal_their_definitions(loss):
    rng = np.random.default_rng(5)
    labels, sampled = rng.integers(4, size=30), rng.integers(3, size=(30, 9)).astype(np.int16)
    found = losses(labels, sampled, LOSSES[loss](30))
    expected = [reference_loss(loss, labels, sampled[:, s]) for s in range(9)]
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("loss", ["vi", "binder"])
@pytest.mark.parametrize("seed", range(8))
def test_search_finds_the_best_of_all_partitions(loss, seed):
    """All 877 partitions of 7 rows enumerated."""
    sampled = np.random.default_rng(seed).integers(3, size=(7, 25)).astype(np.int16)
    definition = LOSSES[loss](7)
    least = min(losses(labels, sampled, definition).mean() for labels in all_partitions(7))
    starts = [np.full(7, -1)] * 10 + [sampled[:, s].astype(np.int64) for s in range(5)]
    labels, expected = best_partition(sampled, definition, starts, 7, np.random.SeedSequence(1))
    assert expected == pytest.approx(least, abs=1e-12)
    assert losses(labels, sampled, definition).mean() == pytest.approx(least, abs=1e-12)


@pytest.mark.parametrize("loss", ["vi", "binder"])
def test_partition_of_separate_clusters_is_the_clusters(loss, rows):
    """Certain allocations: expected loss and ball are zero, whatever the components are called."""
    means = np.tile([[0.0, 0.0], [40.0, 0.0], [80.0, 0.0]], (50, 1, 1))
    unit = np.ones((50, 3, 2))
    squares = np.tile(np.eye(2), (50, 3, 1, 1))
    truth = np.arange(40) % 3
    order = np.random.default_rng(0).permuted(np.tile(np.arange(3), (50, 1)), axis=1)
    separate = Parameters(np.full((50, 3), 1 / 3), means, unit, squares, squares).permuted(order)
    values = means[0][truth] + 0.1 * rows
    found = partition(posterior_of(separate, values), loss, seed=1)
    np.testing.assert_array_equal(found.labels, truth + 1)
    assert found.n_clusters == found.n_components == 3
    assert found.expected_loss == pytest.approx(0.0, abs=1e-12)
    assert found.ball.radius == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_array_equal(found.ball.furthest, truth + 1)


def test_partition_expects_the_loss_that_coclustering_implies(posterior, rows):
    """Binder's expected loss from sampled allocations against the exact pair probabilities."""
    found = partition(posterior, "binder", seed=3)
    together = coclustering(posterior).values
    same = found.labels[:, None] == found.labels
    exact = np.abs(same - together).mean()
    assert found.expected_loss == pytest.approx(exact, abs=0.03)
    first = [rows[found.labels == k, 0].mean() for k in range(1, found.n_clusters + 1)]
    assert first == sorted(first)


def test_credible_ball_holds_its_probability(posterior):
    wide, narrow = (partition(posterior, seed=3, prob=prob) for prob in (0.95, 0.5))
    assert 0.0 < narrow.ball.radius < wide.ball.radius
    assert wide.expected_loss == narrow.expected_loss
    own = reference_loss("vi", wide.labels, wide.ball.furthest)
    assert own == pytest.approx(wide.ball.radius, abs=1e-12)
    assert len(np.unique(wide.ball.coarsest)) <= len(np.unique(wide.ball.finest))


def test_partition_refuses_an_unknown_loss(posterior):
    with pytest.raises(ConfigError, match="loss must be one of vi, binder, got 'omari'"):
        partition(posterior, "omari")


def test_overlap_in_one_feature_equals_quadrature():
    """Bhattacharyya by quadrature, misclassification by the roots of the boundary."""
    weights, means, scales = np.array([0.3, 0.7]), np.array([0.0, 2.0]), np.array([1.0, 0.5])
    squares = (scales**2).reshape(1, 2, 1, 1)
    one = Parameters(
        weights[None], means.reshape(1, 2, 1), scales.reshape(1, 2, 1), squares**0, squares
    )
    found = overlap(posterior_of(one, np.zeros((1, 1)), n_chains=1))
    p, q = norm(means[0], scales[0]), norm(means[1], scales[1])
    affinity = quad(lambda x: np.sqrt(p.pdf(x) * q.pdf(x)), -20, 20)[0]
    a = 0.5 / scales[0] ** 2 - 0.5 / scales[1] ** 2
    b = means[1] / scales[1] ** 2
    c = np.log(weights[1] / scales[1] * scales[0] / weights[0]) - 0.5 * b * means[1]
    low, high = np.sort(np.roots([a, b, c]).real)
    mean = found.sel(statistic="mean")
    assert float(mean["bhattacharyya"][0, 1]) == pytest.approx(affinity, rel=1e-10)
    assert float(mean["bhattacharyya"][1, 0]) == pytest.approx(affinity, rel=1e-10)
    inside, outside = p.cdf(high) - p.cdf(low), 1 - q.cdf(high) + q.cdf(low)
    assert float(mean["misclassification"][0, 1]) == pytest.approx(inside, abs=2e-3)
    assert float(mean["misclassification"][1, 0]) == pytest.approx(outside, abs=2e-3)


def test_overlaps_leave_the_draws_behind_them_in_their_order(posterior):
    draws = Draws(posterior)
    pairs = list(pair_overlaps(draws))
    before = [np.array(pair[2:]) for pair in pairs]
    overlaps(draws, pairs, 0.5)
    for own, (_, _, *after) in zip(before, pairs, strict=True):
        np.testing.assert_array_equal(own, after)


def test_overlap_with_equal_covariances_equals_the_closed_form():
    """A correlated pair with distance 2: Phi(-1) each way, exp(-1/2), and intervals over draws."""
    covariance = np.array([[4.0, 1.0], [1.0, 2.0]])
    root = np.linalg.cholesky(covariance)
    distances = np.linspace(1.8, 2.2, 200)
    means = np.stack([np.zeros((200, 2)), distances[:, None] * root[:, 0]], axis=1)
    squares = np.tile(covariance, (200, 2, 1, 1))
    unused = np.ones((200, 2, 2))
    draws_ = Parameters(np.full((200, 2), 0.5), means, unused, np.ones_like(squares), squares)
    found = overlap(posterior_of(draws_, np.zeros((1, 2))), prob=0.5)
    quartiles = np.quantile(distances, [0.75, 0.25])
    affinity = found["bhattacharyya"][:, 0, 1]
    np.testing.assert_allclose(affinity[1:], np.exp(-(quartiles**2) / 8), rtol=1e-3)
    np.testing.assert_allclose(
        found["misclassification"][1:, 1, 0], norm.cdf(-quartiles / 2), atol=3e-3
    )


def test_iris_clusters_agree_with_the_species(iris):
    species = np.repeat(["setosa", "versicolor", "virginica"], 50)
    fit = fit_em(iris, 3, seed=1)
    found = hard_comparison(iris, fit, seed=1, classes=species)
    assert found.adjusted_rand["mixture, classes"] >= 0.90
    assert found.adjusted_rand["kmeans, classes"] < 0.90
    mixture = membership(fit, iris)["most_probable"].values
    assert found.adjusted_rand["mixture, classes"] == adjusted_rand_score(species, mixture)


def test_kmeans_is_numbered_to_agree_with_the_mixture(faithful):
    found = hard_comparison(faithful, fit_em(faithful, 2, seed=1), seed=1)
    assert found.counts.to_numpy().sum() == 272
    assert set(found.rows["kmeans"]) == set(found.rows["mixture"]) == {1, 2}
    assert list(found.counts.index) == list(found.counts.columns) == [1, 2]
    assert len(found.differing) == 272 - np.trace(found.counts.to_numpy()) < 20
    assert set(found.rows.index[found.rows["kmeans"] != found.rows["mixture"]]) == set(
        found.differing.index
    )


def test_classes_of_another_length_are_refused(faithful):
    with pytest.raises(DataError, match="one class for each of the 272 rows"):
        hard_comparison(faithful, fit_em(faithful, 2, seed=1, n_starts=5), classes=[1, 2])


def test_fewer_rows_than_clusters_have_no_k_means(iris):
    fit = fit_em(iris, 3, seed=1, n_starts=4)
    with pytest.raises(DataError, match="k-means needs 3 distinct rows .* got 2"):
        hard_comparison(iris.values[:2], fit)
