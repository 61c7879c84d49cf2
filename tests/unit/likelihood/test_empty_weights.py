"""Weights of 0, or so small that 1 less them is 1: finite everywhere, and as if absent."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.likelihood.responsibilities import responsibilities
from bayesgmm.likelihood.rowwise import pointwise_log_likelihood
from bayesgmm.model.parameters import Parameters
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import MixtureSpec, Priors

CENTRE, UNIT = np.array([1.0, -2.0]), np.array([2.0, 0.5])


def mixture(weight):
    scales = np.ones((2, 2))
    correlations = np.array([[[1.0, 0.3], [0.3, 1.0]], [[1.0, -0.8], [-0.8, 1.0]]])
    return Parameters(
        weights=np.array([1.0 - weight, weight]),
        means=np.array([[0.0, 0.0], [9.0, 9.0]]),
        scales=scales,
        correlations=correlations,
        covariances=correlations.copy(),
    )


@pytest.mark.parametrize("weight", [0.0, 5e-324, 1e-300])
def test_log_likelihood_and_responsibilities_are_those_of_the_other_component(weight):
    one = mixture(weight)
    rows = np.random.default_rng(1).normal(size=(50, 2))
    draws = one.at(None)
    log_likelihood = pointwise_log_likelihood(draws, rows, CENTRE, UNIT)[0]
    exact = multivariate_normal(one.means[0], one.covariances[0]).logpdf(rows)
    np.testing.assert_allclose(log_likelihood, exact, rtol=1e-12)
    shares = responsibilities(one, rows, CENTRE, UNIT)
    np.testing.assert_allclose(shares[0], 1.0, atol=1e-12)
    assert np.isfinite(shares).all() and shares[1].max() < 1e-280


@pytest.mark.parametrize("weight", [0.0, 1e-300])
def test_coordinates_are_finite(weight, faithful):
    spec = MixtureSpec(2, priors=Priors(concentration=0.01))
    target = LogPosterior(resolve(spec, faithful), faithful.values)
    x = target.unconstrain(mixture(weight))
    assert np.isfinite(x).all()
    assert np.isfinite(target.evaluate(x).value)
