"""Posterior moments against exact ones: quadrature for K = 1, all 256 allocations of 8 rows, K = 2.

Given an allocation the groups are independent and the weights Dirichlet, so moments of sums over
the clusters follow from those of each group, by quadrature in (mean, log scale). Means and second
moments of the draws lie within 4 Monte Carlo errors; their standard deviations within 5 %, which
is 3.5 Monte Carlo errors of a deviation at the 4,000 effective draws or so.
"""

import itertools
import math

import numpy as np
import pytest
from arviz_stats.base import array_stats
from scipy.special import betaln, logsumexp
from scipy.stats import norm

from bayesgmm.sampling import sample
from tests.support.few_rows import EIGHT, FIXED, spec

MEAN = np.linspace(-9.0, 10.0, 381)[:, None]
LOG_SCALE = np.linspace(math.log(0.7) - 4.0, math.log(0.7) + 4.0, 161)
PRIOR = norm.logpdf(MEAN, 0.5, 2.0) + norm.logpdf(LOG_SCALE, math.log(0.7), 0.6)


def group(rows):
    """Return the log evidence of one cluster's rows up to a constant; moments of mean and scale."""
    joint = PRIOR + sum((norm.logpdf(y, MEAN, np.exp(LOG_SCALE)) for y in rows), np.zeros(()))
    total = logsumexp(joint)
    p = np.exp(joint - total)
    scale = np.exp(LOG_SCALE)
    moments = [(p * value).sum() for value in (MEAN, MEAN**2, scale, scale**2)]
    return total, *moments


def exact_moments():
    """Return mean and second moment of mu_1 + mu_2, s_1 + s_2 and w_1 mu_1 + w_2 mu_2."""
    a = FIXED.concentration
    groups = {
        taken: group(EIGHT[list(taken)]) for taken in itertools.product((False, True), repeat=8)
    }
    log_weights, values = [], []
    for taken, (one, mu, mu2, s, s2) in groups.items():
        other, nu, nu2, t, t2 = groups[tuple(not here for here in taken)]
        m, k = sum(taken) + a, 8 - sum(taken) + a
        n = m + k
        log_weights.append(betaln(m, k) + one + other)
        first, second, both = m * (m + 1), k * (k + 1), m * k
        values.append(
            (
                (mu + nu, mu2 + nu2 + 2 * mu * nu),
                (s + t, s2 + t2 + 2 * s * t),
                (
                    (m * mu + k * nu) / n,
                    (first * mu2 + second * nu2 + 2 * both * mu * nu) / (n * (n + 1)),
                ),
            )
        )
    weights = np.exp(np.array(log_weights) - logsumexp(log_weights))
    return np.einsum("a,afm->fm", weights, np.array(values))


def assert_same_moments(draws, moments):
    for values, (mean, second) in zip(draws, moments, strict=True):
        for drawn, exact in ((values, mean), (values**2, second)):
            error = float(array_stats.mcse(drawn, chain_axis=0, draw_axis=1))
            assert abs(drawn.mean() - exact) < 4.0 * error
        assert values.std() / math.sqrt(second - mean**2) == pytest.approx(1.0, abs=0.05)


def test_one_component_agrees_with_quadrature():
    posterior = sample(EIGHT[:, None], spec(1), seed=31, draws=2000)["posterior"]
    _, mu, mu2, s, s2 = group(EIGHT)
    assert_same_moments(
        (posterior["means"].values[..., 0, 0], posterior["scales"].values[..., 0, 0]),
        ((mu, mu2), (s, s2)),
    )


def test_two_components_agree_with_all_allocations():
    posterior = sample(EIGHT[:, None], spec(2), seed=32, draws=4000, relabel=None)["posterior"]
    weights, means, scales = (
        posterior[name].values.reshape(4, 4000, 2) for name in ("weights", "means", "scales")
    )
    draws = (means.sum(axis=2), scales.sum(axis=2), (weights * means).sum(axis=2))
    assert_same_moments(draws, exact_moments())
