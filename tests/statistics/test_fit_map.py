"""The posterior mode against PyMC's optimiser, finite differences and the prior's poles."""

import warnings

import numpy as np
import pymc as pm
import pytest
from pytensor.compile.mode import Mode

from bayesgmm.errors import ConfigError
from bayesgmm.fit import FitStatus, fit_map
from bayesgmm.fit.map import Posterior
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.likelihood.rows import Rows
from bayesgmm.model.pymc_model import build_model
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import COVARIANCES, MixtureSpec, Priors


@pytest.mark.parametrize("covariance", COVARIANCES)
@pytest.mark.parametrize("resolution", [0.0, "auto"])
def test_value_and_gradient_are_those_of_the_log_posterior(faithful, covariance, resolution):
    resolved = resolve(MixtureSpec(3, covariance, resolution=resolution), faithful)
    target, posterior = Posterior(resolved), LogPosterior(resolved, faithful.values)
    x = np.random.default_rng(1).normal(size=posterior.dim) * 0.5
    value, gradient = target.value_and_gradient(Rows(resolved, faithful), x)
    expected = posterior.evaluate(x, jacobian=False)
    assert value == pytest.approx(expected.value, rel=1e-12)
    np.testing.assert_allclose(gradient, expected.gradient, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_each_em_step_raises_the_log_posterior(faithful, covariance):
    resolved = resolve(MixtureSpec(3, covariance), faithful)
    target, rows = Posterior(resolved), Rows(resolved, faithful)
    x = np.random.default_rng(1).normal(size=LogPosterior(resolved, faithful.values).dim) * 0.3
    path = []
    for _ in range(8):
        path.append(target.value_and_gradient(rows, x)[0])
        x = target.step(x, rows.moments(target.point(x)))
    assert np.diff(path).min() > -1e-9
    assert path[-1] > path[0] + 1.0


@pytest.mark.parametrize(
    ("covariance", "family"), [("full", "lognormal"), ("tied_spherical", "halfnormal")]
)
def test_agrees_with_pymc(faithful, covariance, family):
    spec = MixtureSpec(2, covariance, Priors(scale_family=family))
    fit = fit_map(faithful, spec, seed=1, n_starts=10)
    model = build_model(faithful, spec)
    quick = {"mode": Mode(linker="py", optimizer="fast_compile")}
    with model, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start = {"means": fit.means + 0.1 * fit.scales, "weights": np.array([0.5, 0.5])}
        mode = pm.find_MAP(initvals=start, progressbar=False, compile_kwargs=quick)
        logp = model.compile_logp(jacobian=False, **quick)
        theirs = float(logp({v.name: mode[v.name] for v in model.value_vars}))
    assert fit.log_posterior == pytest.approx(theirs, abs=1e-4)
    np.testing.assert_allclose(fit.means, mode["means"][np.argsort(mode["means"][:, 0])], rtol=1e-3)


def test_path_never_falls_and_ends_at_the_mode(faithful):
    fit = fit_map(faithful, 3, seed=1, n_starts=12)
    assert fit.status is FitStatus.CONVERGED
    assert np.diff(fit.path).min() > -1e-9
    assert fit.path[-1] == fit.log_posterior
    posterior = LogPosterior(fit.resolved, faithful.values)
    gradient = posterior.evaluate(posterior.unconstrain(fit.parameters), jacobian=False).gradient
    assert np.abs(gradient).max() < 0.01


@pytest.mark.slow
def test_poles_on_ties_are_counted_and_no_optima(iris):
    fit = fit_map(iris, MixtureSpec(2, resolution=0.0), seed=1, n_starts=12)
    assert not fit.flagged
    assert np.linalg.eigvalsh(fit.covariances).min() > 1e-3
    spiked = fit_map(iris, MixtureSpec(4, resolution=0.0), seed=1, n_starts=30)
    assert spiked.n_collapsed > 0
    assert not spiked.flagged
    assert np.linalg.eigvalsh(spiked.covariances).min() > 1e-3
    assert max(c.path[-1] for c in spiked.climbs if c.collapsed) > spiked.log_posterior


def test_criteria_are_refused(faithful):
    fit = fit_map(faithful, 2, seed=1, n_starts=2)
    for name in ("aic", "bic", "icl"):
        with pytest.raises(ConfigError, match="maximum of the likelihood"):
            getattr(fit, name)
    assert "posterior mode" in repr(fit)


def test_concentration_below_one(faithful):
    with pytest.raises(ConfigError, match="concentration below 1"):
        fit_map(faithful, MixtureSpec(2, priors=Priors(concentration=0.5)))


def test_affine_equivariance(faithful):
    a, b = np.array([1e-8, 1e8]), np.array([5.0, -1.0])
    spec = MixtureSpec(2, resolution=0.0)
    fit = fit_map(faithful, spec, seed=1, n_starts=4)
    moved = fit_map(a * faithful.values + b * a, spec, seed=1, n_starts=4)
    np.testing.assert_allclose(moved.means / a - b, fit.means, rtol=1e-5)
    np.testing.assert_allclose(moved.scales / a, fit.scales, rtol=1e-5)
