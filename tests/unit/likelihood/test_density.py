"""The fused log posterior against SciPy, finite differences and Stan."""

import json

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm

from bayesgmm.data import as_dataset
from bayesgmm.likelihood.compiled.exponential import exponential
from bayesgmm.likelihood.compiled.kernels import blocked, row_responsibilities, sum_blocks, sum_rows
from bayesgmm.likelihood.compiled.whitening import cholesky, whiten
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.likelihood.moments import Moments
from bayesgmm.likelihood.rowwise import pointwise_log_likelihood
from bayesgmm.model.components import SAMPLED
from bayesgmm.model.parameters import Parameters
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import MixtureSpec, Priors
from tests.support.log_posteriors import log_posterior_of
from tests.support.places import REFERENCE


@pytest.mark.parametrize("covariance", SAMPLED)
@pytest.mark.parametrize("inverse_temperature", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("jacobian", [False, True])
def test_gradient_by_finite_differences(covariance, inverse_temperature, jacobian):
    fused, rng = log_posterior_of(3, 2, covariance, "lognormal", 0.4)
    options = {"inverse_temperature": inverse_temperature, "jacobian": jacobian}
    x = rng.normal(scale=0.5, size=fused.dim)
    for i, slope in enumerate(fused.evaluate(x, **options).gradient):
        step = np.zeros(fused.dim)
        step[i] = 1e-5
        above, below = fused.evaluate(x + step, **options), fused.evaluate(x - step, **options)
        assert (above.value - below.value) / 2e-5 == pytest.approx(slope, rel=2e-6, abs=2e-6)


@pytest.mark.parametrize("covariance", SAMPLED)
def test_expected_objective_touches_the_log_posterior(covariance):
    """At the point of the E-step, EM's objective has the gradient of the log posterior (Fisher)."""
    fused, rng = log_posterior_of(3, 3, covariance, "halfnormal", 0.2)
    x = rng.normal(scale=0.5, size=fused.dim)
    parameters = fused.constrain(x[None]).at(0)
    density = component_log_densities(parameters, fused.rows)
    r = np.exp(density - logsumexp(density, axis=1, keepdims=True))
    rows = (fused.rows - fused.resolved.centre) / fused.resolved.unit
    mass = r.sum(axis=0)
    centres = r.T @ rows / mass[:, None]
    offsets = rows[:, None, :] - centres
    scatters = np.einsum("nk,nki,nkj->kij", r, offsets, offsets)
    expected = fused.evaluate_expected(x, Moments(0.0, mass, centres, scatters))
    observed = fused.evaluate(x, jacobian=False)
    np.testing.assert_allclose(expected.gradient, observed.gradient, rtol=1e-9, atol=1e-9)


def component_log_densities(parameters, values):
    return np.stack(
        [
            np.log(w) + np.atleast_1d(multivariate_normal(m, s).logpdf(values))
            for w, m, s in zip(
                parameters.weights, parameters.means, parameters.covariances, strict=True
            )
        ],
        axis=1,
    )


@pytest.mark.parametrize("n_features", [1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize("n_rows", [1, 255, 256, 600])
def test_kernels_against_scipy(n_features, n_rows):
    """Every loop of the kernel: up to four features, four and more, and the padded last block."""
    rng = np.random.default_rng([n_features, n_rows])
    k = 3
    values = rng.normal(size=(n_rows, n_features)) * 3.0 + 50.0
    centre, unit = np.full(n_features, 50.0), np.arange(2.0, 2.0 + n_features)
    roots = np.tril(rng.normal(size=(k, n_features, n_features)), -1)
    roots += rng.uniform(1.0, 3.0, size=(k, n_features, 1)) * np.eye(n_features)
    means = rng.normal(size=(k, n_features))
    weights = rng.dirichlet(np.ones(k))
    rows = (values - centre) / unit
    fitting = Parameters(weights, means, None, None, roots @ roots.swapaxes(1, 2))
    density = component_log_densities(fitting, rows).reshape(n_rows, k)
    log_likelihood = logsumexp(density, axis=1)
    r = np.exp(density - log_likelihood[:, None])

    factors = np.linalg.cholesky(fitting.covariances)
    whitening, shift = np.empty_like(factors), np.empty_like(means)
    constant = np.empty(k)
    assert whiten(np.log(weights), means, factors, whitening, shift, constant)
    blocks = blocked(values, centre, unit)
    out = np.empty((k, n_rows))
    row_responsibilities(blocks, whitening, shift, constant, out)
    np.testing.assert_allclose(out.T, r, atol=1e-13)
    z = np.einsum("kij,nkj->nki", np.linalg.inv(factors), rows[:, None, :] - means)
    for passed in (
        lambda *sums: sum_blocks(blocks, n_rows, whitening, shift, constant, *sums),
        lambda *sums: sum_rows(values, centre, 1.0 / unit, whitening, shift, constant, *sums),
    ):
        mass, first = np.zeros(k), np.zeros((k, n_features))
        second = np.zeros((k, n_features, n_features))
        total = passed(mass, first, second)
        assert total == pytest.approx(log_likelihood.sum(), rel=1e-12)
        np.testing.assert_allclose(mass, r.sum(axis=0), rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(first, np.einsum("nk,nki->ki", r, z), rtol=1e-9, atol=1e-9)
        expected = np.tril(np.einsum("nk,nki,nkj->kij", r, z, z))
        np.testing.assert_allclose(second, expected, rtol=1e-9, atol=1e-9)

    parameters = Parameters(
        weights[None],
        (centre + unit * means)[None],
        None,
        None,
        (fitting.covariances * np.multiply.outer(unit, unit))[None],
    )
    ours = pointwise_log_likelihood(parameters, values, centre, unit, cores=2)[0]
    np.testing.assert_allclose(ours, log_likelihood - np.log(unit).sum(), rtol=1e-11)


def test_three_hundred_components_do_not_overflow():
    """The product of 128 rows' sums, of which one logarithm is taken, would be 10^317."""
    rows, k = np.random.default_rng(2).normal(size=(200, 1)), 300
    ones, zeros = np.ones((k, 1, 1)), np.zeros((k, 1))
    constant = np.full(k, -np.log(k) - 0.5 * np.log(2.0 * np.pi))
    sums = np.zeros(k), np.zeros((k, 1)), np.zeros((k, 1, 1))
    blocks = blocked(rows, np.zeros(1), np.ones(1))
    total = sum_blocks(blocks, len(rows), ones, zeros, constant, *sums)
    assert total == pytest.approx(norm.logpdf(rows).sum(), rel=1e-12)
    np.testing.assert_allclose(sums[0], len(rows) / k, rtol=1e-12)


@pytest.mark.parametrize("size", [1, 2, 4])
def test_cholesky_against_numpy(size):
    root = np.random.default_rng(size).normal(size=(size, size))
    matrix, factor = root @ root.T, np.full((size, size), np.nan)
    assert cholesky(matrix, factor)
    np.testing.assert_allclose(factor, np.linalg.cholesky(matrix), rtol=1e-12, atol=1e-14)
    for last in (np.inf, np.nan, matrix[-1, -1] - factor[-1, -1] ** 2 - 1e-9):
        matrix[-1, -1] = last
        assert not cholesky(matrix, np.empty((size, size)))


def test_a_singular_component_has_no_constant():
    factor = np.array([[1.0, 0.0], [0.5, 0.0]])
    constant = np.empty(2)
    given = np.zeros(2), np.zeros((2, 2)), np.stack([np.eye(2), factor])
    assert not whiten(*given, np.empty((2, 2, 2)), np.empty((2, 2)), constant)
    assert np.isfinite(constant[0]) and constant[1] == -np.inf


def test_exponential_is_right_to_two_units_in_the_last_place():
    x = -np.concatenate([np.linspace(0.0, 40.0, 20_001), np.geomspace(1e-300, 649.0, 5_001)])
    ours = np.array([exponential(value) for value in x])
    assert np.max(np.abs(ours / np.exp(x) - 1.0)) <= 2 * np.finfo(float).eps
    assert exponential(0.0) == 1.0
    above = np.array([exponential(-value) for value in x])
    assert np.max(np.abs(above / np.exp(-x) - 1.0)) <= 2 * np.finfo(float).eps


def test_far_densities_have_no_subnormal_products():
    """Subnormal numbers would cost hundreds of cycles each: products with squares of 1e-12."""
    assert 0.0 < exponential(-1e4) < 1e-280
    assert exponential(-1e4) * 1e-12**2 > np.finfo(float).tiny


def test_far_outlier_has_finite_responsibilities():
    values = np.vstack([np.random.default_rng(3).normal(size=(30, 2)), [[1e6, 3.0]]])
    fused = LogPosterior(resolve(MixtureSpec(3), as_dataset(values)), values)
    value = fused.evaluate(np.full(fused.dim, -5.0))
    assert np.isfinite(value.value)
    assert np.all(np.isfinite(value.gradient))


def test_singular_point_has_no_density():
    fused, _ = log_posterior_of(2, 2, "full", "lognormal", 0.0)
    x = np.zeros(fused.dim)
    for coordinate in ("scales", "pairs"):
        extreme = x.copy()
        extreme[fused.slices[coordinate]] = -2000.0
        assert fused.evaluate(extreme).value == -np.inf


@pytest.mark.parametrize("covariance", SAMPLED)
def test_coordinates_go_there_and_back(covariance):
    fused, rng = log_posterior_of(4, 3, covariance, "lognormal", 0.3)
    x = rng.normal(size=(5, fused.dim))
    np.testing.assert_allclose(fused.unconstrain(fused.constrain(x)), x, atol=1e-10)
    np.testing.assert_allclose(fused.to_fitting_units(fused.to_data_units(x)), x, atol=1e-12)


def test_stan_reference_point_term_by_term(standardised_faithful):
    """Half-normal scales, units of the data, no resolution; Stan's LKJ term is that of C."""
    reference = json.loads((REFERENCE / "stan_faithful_k2.json").read_text())
    stan = find(reference, "reference_point")
    priors = Priors(
        mean_location=0.0, mean_scale=2.0, scale_family="halfnormal", scale=2.0, units="data"
    )
    spec = MixtureSpec(2, priors=priors, resolution=0)
    data = as_dataset(standardised_faithful)
    fused = LogPosterior(resolve(spec, data), data.values)
    point = {name: np.array(value) for name, value in stan["point"].items()}
    factors = point["corr_chol"]
    parameters = Parameters(
        point["w"], point["mu"], point["sd"], factors @ factors.swapaxes(1, 2), np.empty(0)
    )
    x = fused.unconstrain(parameters)
    values = np.array([fused.evaluate(x).value])
    terms = {name: value[0] for name, value in fused.terms(x[None], values).items()}
    # For D = 2, C = (1, 0; y, sqrt(1 - y^2)) and p = (1 + y) / 2: the densities of the row of C in
    # y and of p differ by the factor 2 of dp.
    pairs = terms["pairs"] - 2.0 * np.log(2.0)
    assert terms["log_likelihood"] == pytest.approx(stan["loglik"], abs=1e-8)
    assert terms["weights"] == pytest.approx(stan["log_prior_w"], abs=1e-8)
    assert terms["means"] == pytest.approx(stan["log_prior_mu"], abs=1e-8)
    assert terms["scales"] == pytest.approx(stan["log_prior_sd"], abs=1e-8)
    assert pairs == pytest.approx(stan["log_prior_L_cholesky_lkj"], abs=1e-8)


def find(tree, key):
    """Return the first value under `key` anywhere in a nested mapping."""
    if isinstance(tree, dict):
        if key in tree:
            return tree[key]
        for value in tree.values():
            found = find(value, key)
            if found is not None:
                return found
    return None
