"""How far from 0 the LKJ prior lets a correlation be, against draws of it."""

import numpy as np
import pymc as pm
import pytest

from bayesgmm.data import as_dataset
from bayesgmm.errors import ConfigError
from bayesgmm.model.correlation_prior import correlation_interval
from bayesgmm.model.pymc_model import build_model
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import MixtureSpec, Priors

ROWS = np.random.default_rng(1).normal(size=(40, 6))


def test_the_interval_holds_95_percent_of_the_models_own_draws():
    spec = MixtureSpec(1, priors=Priors(eta_interval=0.4))
    draws = pm.draw(build_model(ROWS, spec)["correlations"], 4_000, random_seed=1)  # as compiled
    np.testing.assert_allclose((abs(draws) < 0.4).mean(axis=(0, 1)), 0.95, atol=0.012)
    eta = resolve(spec, as_dataset(ROWS)).eta
    assert correlation_interval(eta, 6) == pytest.approx(0.4, abs=1e-9)


def test_an_interval_that_the_prior_does_not_have_is_refused():
    with pytest.raises(
        ConfigError, match="out of reach of an LKJ prior with 6 features: .* to 0.81"
    ):
        resolve(MixtureSpec(1, priors=Priors(eta_interval=0.85)), as_dataset(ROWS))
    with pytest.raises(ConfigError, match="eta_interval and eta set the same prior"):
        Priors(eta=3.0, eta_interval=0.3)
