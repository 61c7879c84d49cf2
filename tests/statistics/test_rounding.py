"""The recording error h: without it spikes on tied rows hold the mass, with it the regular mode.

Laplace's log evidence of one mode in all its labellings, fitting coordinates, default priors:
log K! + log p(x*) + d/2 log 2 pi - 1/2 log det(-H) at a maximum x* of the log posterior in x.
The expected numbers were found beforehand by another implementation; they hold to 0.3 nats, the
step sizes of both Hessians being what they are.
"""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import gammaln

from bayesgmm.fit import fit_map
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.model.parameters import Parameters
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import MixtureSpec


def climb(posterior, x):
    def negative(at):
        evaluation = posterior.evaluate(at)
        return -evaluation.value, -evaluation.gradient

    options = {"maxiter": 5000, "maxfun": 20_000, "ftol": 1e-14, "gtol": 1e-7}
    return minimize(negative, x, jac=True, method="L-BFGS-B", options=options).x


def laplace(posterior, x):
    size = len(x)
    hessian = np.empty((size, size))
    for i in range(size):
        step = np.zeros(size)
        step[i] = 1e-4
        above, below = posterior.evaluate(x + step), posterior.evaluate(x - step)
        hessian[i] = (above.gradient - below.gradient) / 2e-4
    sign, log_det = np.linalg.slogdet(-0.5 * (hessian + hessian.T))
    assert sign > 0, "not a maximum"
    labellings = gammaln(posterior.resolved.n_components + 1.0)
    gaussian = 0.5 * size * np.log(2 * np.pi) - 0.5 * log_det
    return labellings + posterior.evaluate(x).value + gaussian


def problem(data, n_components, resolution):
    return LogPosterior(
        resolve(MixtureSpec(n_components, resolution=resolution), data), data.values
    )


def regular_mode(data, posterior):
    spec = MixtureSpec(posterior.resolved.n_components)
    fit = fit_map(data, spec, seed=1, n_starts=12)
    return climb(posterior, posterior.unconstrain(fit.parameters))


def spike(data, posterior, rows, feature, narrowness=1e-4):
    """A start with one component on tied rows, nearly without spread in the tied feature."""
    k, d = posterior.resolved.n_components, posterior.resolved.n_features
    other = fit_map(data, MixtureSpec(k - 1), seed=1, n_starts=12).parameters
    tied = data.values[rows]
    spread = data.spread()
    scale = np.maximum(tied.std(axis=0, ddof=1), 0.05 * spread)
    scale[feature] = narrowness * spread[feature]
    weight = len(tied) / data.n_obs
    start = Parameters(
        weights=np.append((1 - weight) * other.weights, weight),
        means=np.vstack([other.means, tied.mean(axis=0)]),
        scales=np.vstack([other.scales, scale]),
        correlations=np.concatenate([other.correlations, np.eye(d)[None]]),
        covariances=np.empty(0),
    )
    return climb(posterior, posterior.unconstrain(start))


def most_tied(data, feature):
    values, counts = np.unique(data.values[:, feature], return_counts=True)
    return np.flatnonzero(data.values[:, feature] == values[counts.argmax()])


def test_iris_without_h_the_spike_holds_the_mass(iris):
    posterior = problem(iris, 3, 0.0)
    rows = most_tied(iris, 3)
    assert len(rows) == 29
    best = regular_mode(iris, posterior)
    assert laplace(posterior, best) == pytest.approx(-407.6, abs=0.3)
    # d/d log s of the posterior vanishes at log s = log median - 29 sigma^2. The spike is as narrow
    # in its mean as in its scale; Laplace has no more to say of it, since with its correlations
    # free it leans on to an oblique hyperplane and has no maximum.
    narrowest = 0.5 * np.exp(-29 * 0.8**2)
    x = spike(iris, posterior, rows, 3, narrowest)
    height = posterior.evaluate(x).value - posterior.evaluate(best).value
    assert height + np.log(narrowest) > 100.0


@pytest.mark.parametrize(
    ("name", "n_components", "feature", "expected"),
    [("iris", 3, 3, -407.2), ("faithful", 3, 1, -417.2)],
)
def test_with_h_starts_on_ties_end_below_the_regular_mode(
    name, n_components, feature, expected, request
):
    data = request.getfixturevalue(name)
    posterior = problem(data, n_components, "auto")
    best = regular_mode(data, posterior)
    assert laplace(posterior, best) == pytest.approx(expected, abs=0.3)
    values, counts = np.unique(data.values[:, feature], return_counts=True)
    for value in values[np.argsort(counts)[-3:]]:
        rows = np.flatnonzero(data.values[:, feature] == value)
        end = spike(data, posterior, rows, feature)
        assert laplace(posterior, end) <= laplace(posterior, best) + 1e-3


@pytest.mark.parametrize(
    ("name", "n_components", "moved"), [("faithful", 2, 0.1), ("iris", 3, 0.6)]
)
def test_h_moves_the_regular_mode_little(name, n_components, moved, request):
    data = request.getfixturevalue(name)
    with_h, without = problem(data, n_components, "auto"), problem(data, n_components, 0.0)
    difference = laplace(with_h, regular_mode(data, with_h)) - laplace(
        without, regular_mode(data, without)
    )
    assert abs(difference) < moved
