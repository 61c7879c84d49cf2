"""Every prior on K from runs at fixed K, against all partitions of a few rows."""

import numpy as np
import pytest
from scipy.special import gammaln, logsumexp
from scipy.stats import multivariate_normal

from bayesgmm.errors import ConfigError
from bayesgmm.evidence.mixing import log_occupied_evidence, log_reweighting, reweighted
from bayesgmm.evidence.priors_over_k import (
    WeightsPrior,
    clusters_beforehand,
    prior_over_k,
    weights_prior,
)

# Rows of the reference, components N(m, 0.25), m ~ N(0, 9).
ROWS = np.array([-2.1, -1.9, -2.4, 0.1, 0.3, 2.2, 2.0, 2.6])
UNIFORM_30 = np.full(30, 1 / 30)


def partitions(n):
    """Yield all partitions of n rows as growing labels: row i has at most one label more."""

    def grow(labels, used):
        if len(labels) == n:
            yield labels
            return
        for label in range(used + 1):
            yield from grow([*labels, label], max(used, label + 1))

    yield from grow([], 0)


@pytest.fixture(scope="module")
def enumerated():
    """For each number of blocks: block sizes and log p(y | partition) of all partitions."""
    found = {}
    for labels in partitions(len(ROWS)):
        labels, value = np.array(labels), 0.0
        sizes = np.bincount(labels)
        for block in range(len(sizes)):
            own = ROWS[labels == block]
            covariance = 0.25 * np.eye(len(own)) + 9.0
            value += multivariate_normal(np.zeros(len(own)), covariance).logpdf(own)
        found.setdefault(len(sizes), []).append((sizes, value))
    return {
        k: (np.array([sizes for sizes, _ in each]), np.array([v for _, v in each]))
        for k, each in found.items()
    }


def exact_run(enumerated, k, concentration):
    """Return log evidence, log P(all occupied | y) and the partitions' shares of a run at K = k."""
    logs = {}
    for blocks, (sizes, values) in enumerated.items():
        if blocks <= k:
            rising = gammaln(sizes + concentration) - gammaln(concentration)
            ways = gammaln(k + 1) - gammaln(k - blocks + 1)
            total = gammaln(concentration * k + len(ROWS)) - gammaln(concentration * k)
            logs[blocks] = values + rising.sum(axis=1) + ways - total
    evidence = logsumexp(np.concatenate(list(logs.values())))
    occupied = logsumexp(logs[k])
    return evidence, occupied - evidence, np.exp(logs[k] - occupied)


def joint(enumerated, prior, weights, concentration=1.0):
    """Return the joint of K+ and K with the rows, by the identity: shape (K+, K)."""
    out = []
    for k, (sizes, _) in sorted(enumerated.items()):
        evidence, occupied, shares = exact_run(enumerated, k, concentration)
        start = log_occupied_evidence(evidence, occupied, k, concentration, len(ROWS))
        ratios = log_reweighting(sizes, prior, weights, concentration)
        out.append(np.exp(reweighted(start, ratios, shares).log_joint))
    return np.array(out)


@pytest.mark.parametrize("concentration", [1.0, 2.5])
@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        (WeightsPrior("static", 1.0), [0, 0.00021, 0.10708, 0.19666, 0.26612, 0.25543, 0.14181,
                                       0.03268]),
        (WeightsPrior("dynamic", 1.0), [0, 0.00266, 0.58743, 0.33073, 0.07146, 0.00735, 0.00036,
                                        0.00001]),
    ],
)  # fmt: skip
def test_the_numbers_of_the_reference(enumerated, weights, expected, concentration):
    """Whatever the concentration of the runs."""
    both = joint(enumerated, prior_over_k(UNIFORM_30, 8), weights, concentration)
    np.testing.assert_allclose(both.sum(axis=1) / both.sum(), expected, atol=1e-5)


def test_k_itself_against_its_own_runs(enumerated):
    """Of K = 2 to 9, also where no run has so many components."""
    prior, weights = prior_over_k([0, 1, 1, 1, 1, 1, 1, 1, 1], 9), WeightsPrior("static", 0.7)
    both = joint(enumerated, prior, weights)
    direct = np.exp([exact_run(enumerated, min(k, 8), 0.7)[0] for k in range(2, 9)])
    np.testing.assert_allclose(both.sum(axis=0)[1:8] * 8, direct, rtol=1e-10)
    assert both[:, 0].sum() == 0.0 and both[:, 8].sum() > 0.0


@pytest.mark.parametrize(
    ("prior", "weights"),
    [
        (UNIFORM_30, WeightsPrior("static", 1.0)),
        ("poisson", WeightsPrior("dynamic", 2.0)),
        (10, WeightsPrior("sparse", 0.05)),
    ],
)
def test_clusters_before_any_row_is_seen(prior, weights):
    """The identity on rows that say nothing."""
    over = prior_over_k(prior, 8)
    sizes = {}
    for labels in partitions(6):
        block = np.bincount(labels)
        sizes.setdefault(len(block), []).append(block)
    expected = [
        np.exp(log_reweighting(np.array(sizes[k]), over, weights, 1.0)
               + gammaln(np.array(sizes[k]) + 1).sum(axis=1)[:, None]).sum()
        for k in range(1, 7)
    ]  # fmt: skip
    np.testing.assert_allclose(clusters_beforehand(over, weights, 6, 6), expected, rtol=1e-10)
    assert clusters_beforehand(over, weights, 6, 6).sum() == pytest.approx(1.0, abs=1e-9)


def test_named_priors_end_where_nothing_is_left():
    masses = np.exp(prior_over_k("geometric", 6).log_mass)
    np.testing.assert_allclose(masses[:3], [0.1, 0.09, 0.081], rtol=1e-8)
    assert masses[-1] < 1e-9 and masses.sum() == pytest.approx(1.0)
    assert len(prior_over_k("poisson", 6).log_mass) < 20


@pytest.mark.parametrize(
    "prior", ["flat", 0, 201, [], [0.0], [1.0, -1.0], [np.nan], True, "3", None]
)
def test_what_is_no_prior_is_refused(prior):
    with pytest.raises(ConfigError, match="prior must be one of"):
        prior_over_k(prior, 6)


@pytest.mark.parametrize(
    ("mixing", "name"), [("static", "gamma"), ("dynamic", "alpha"), ("sparse", "e0")]
)
def test_a_concentration_is_above_zero(mixing, name):
    values = {"gamma": 1.0, "alpha": 1.0, "e0": 1.0, name: 0.0}
    with pytest.raises(ConfigError, match=f"{name} must be a number between 0 and inf"):
        weights_prior(mixing, 1.0, **values)
    with pytest.raises(ConfigError, match="mixing must be one of static, dynamic, sparse"):
        weights_prior("loose", 1.0, 1.0, 1.0, 1.0)
