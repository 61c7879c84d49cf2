"""Few rows of one feature and priors under which their evidence is known, by enumeration."""

import itertools
import math

import numpy as np
from scipy.special import betaln, logsumexp
from scipy.stats import norm

from bayesgmm.model.spec import MixtureSpec, Priors

__all__ = ["EIGHT", "FIXED", "OUTLYING", "evidence_by_enumeration", "spec"]

FIXED = Priors(mean_location=0.5, mean_scale=2.0, scale=0.7, scale_sigma=0.6, units="data")
EIGHT = np.array([-2.0, -1.4, -1.1, 0.3, 0.9, 1.3, 1.8, 2.2])
OUTLYING = np.append(np.linspace(-1.5, 1.5, 20), 8.0)


def evidence_by_enumeration(rows, n_components, concentration=(1.0, 1.0)):
    """Sum over all allocations to at most 2 components; each group by quadrature in (mu, log s)."""
    mean = np.linspace(-9.0, 10.0, 381)[:, None]
    log_scale = np.linspace(math.log(0.7) - 4.0, math.log(0.7) + 4.0, 161)
    scale = np.exp(log_scale)
    prior = norm.logpdf(mean, 0.5, 2.0) + norm.logpdf(log_scale, math.log(0.7), 0.6)
    prior = prior + math.log(mean[1, 0] - mean[0, 0]) + math.log(log_scale[1] - log_scale[0])
    of_row = [norm.logpdf(y, mean, scale) for y in rows]
    if n_components == 1:
        return logsumexp(prior + sum(of_row))
    groups, n = {}, len(rows)
    for labels in itertools.product((False, True), repeat=n):
        chosen = [values for values, taken in zip(of_row, labels, strict=True) if taken]
        groups[labels] = logsumexp(prior + sum(chosen))
    terms = [
        betaln(concentration[0] + sum(labels), concentration[1] + n - sum(labels))
        - betaln(*concentration)
        + groups[labels]
        + groups[tuple(not taken for taken in labels)]
        for labels in groups
    ]
    return logsumexp(terms)


def spec(n_components, **options):
    return MixtureSpec(n_components, priors=FIXED, resolution=0, **options)
