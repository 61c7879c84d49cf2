"""Log posteriors of simulated rows."""

import numpy as np

from bayesgmm.data import as_dataset
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import MixtureSpec, Priors

__all__ = ["log_posterior_of"]


def log_posterior_of(n_features, n_components, covariance, family, step, seed=0):
    rng = np.random.default_rng([seed, n_features, n_components])
    values = 100.0 + rng.normal(size=(40, n_features)) * np.arange(3, 3 + n_features)
    priors = Priors(scale_family=family, concentration=1.7, eta=1.3)
    spec = MixtureSpec(n_components, covariance, priors, resolution=step)
    return LogPosterior(resolve(spec, as_dataset(values)), values), rng
