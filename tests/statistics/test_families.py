"""Components with the tails of t, and noise, against brute force in every pass."""

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import gamma, multivariate_normal, multivariate_t

from bayesgmm.data import as_dataset
from bayesgmm.fit.em import Likelihood
from bayesgmm.likelihood.annotated_rows import AnnotatedRows
from bayesgmm.likelihood.compiled.exponential import log1p_and_inverse
from bayesgmm.likelihood.compiled.tails import digamma, gamma_ratio
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.likelihood.responsibilities import responsibilities
from bayesgmm.likelihood.rows import Rows
from bayesgmm.likelihood.rowwise import pointwise_log_likelihood
from bayesgmm.model.components import SAMPLED
from bayesgmm.model.parameters import Parameters
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import MixtureSpec, Priors
from tests.support.annotated import N_ROWS, some_rows

FAMILIES = {
    "t": {"family": "t"},
    "t, own nu": {"family": "t", "nu": "own"},
    "t, nu = 5": {"family": "t", "nu": 5.0},
    "noise": {"noise": "uniform", "noise_concentration": 2.0},
    "t, noise": {"family": "t", "noise": "uniform"},
    "contaminated": {"family": "contaminated"},
    "contaminated, noise": {"family": "contaminated", "noise": "uniform"},
}
EACH_FAMILY = pytest.mark.parametrize("family", FAMILIES)
DENSE = -160.0  # a scale: in five dimensions a cluster is exp(800) times as dense as the noise
EACH_ROWS = pytest.mark.parametrize("rows", ["plain", "inside", "annotated"])


def target_of(family, n_features=2, n_components=3, covariance="full", rows="annotated", step=0.0):
    """Return a log posterior and a point, a few rows being far out, one often beyond the box."""
    rng = np.random.default_rng([7, n_features, n_components])
    table = some_rows(n_features, n_components, rng)
    filled = np.where(np.isnan(table.table), 100.0, table.table)
    filled += 1e-3 * rng.normal(size=filled.shape)
    priors = Priors(eta=1.3, nu_shape=3.0, nu_rate=0.2)
    spec = MixtureSpec(n_components, covariance, priors, resolution=step, **FAMILIES[family])
    resolved = resolve(spec, as_dataset(filled))
    filled[1] *= 1.0 if rows == "inside" else 1.2
    target = LogPosterior(resolved, table if rows == "annotated" else filled)
    return target, 0.5 * rng.normal(size=target.dim)


def joint(target: LogPosterior, parameters: Parameters, rows: AnnotatedRows) -> np.ndarray:
    """Return log w f of each row under each cluster, then the noise, by SciPy: (obs, part)."""
    n_clusters = parameters.means.shape[0]
    out = np.full((len(rows), n_clusters + 1), -np.inf)
    for i, row in enumerate(rows.table):
        seen = ~np.isnan(row)
        error = np.zeros(len(row)) if rows.errors is None else rows.errors[i]
        free = rows.allowed is None or rows.allowed[i].all()
        for k in range(n_clusters):
            if not free and not rows.allowed[i, k]:
                continue
            out[i, k] = np.log(parameters.weights[k])
            shape = (parameters.covariances[k] + np.diag(error**2))[np.ix_(seen, seen)]
            mean = parameters.means[k][seen]
            if seen.any() and parameters.inflation is not None:
                out[i, k] += log_contaminated(row, k, seen, error, parameters)
            elif seen.any() and parameters.nu is None:
                out[i, k] += multivariate_normal(mean, shape).logpdf(row[seen])
            elif seen.any():
                out[i, k] += multivariate_t(mean, shape, parameters.nu[k]).logpdf(row[seen])
        if parameters.noise is not None and free:
            low, high = target.resolved.box[:, seen]
            inside = ((low <= row[seen]) & (row[seen] <= high)).all()
            out[i, -1] = np.log(parameters.noise) - np.log(high - low).sum() if inside else -np.inf
    return out


def log_contaminated(row, k, seen, error, parameters: Parameters) -> float:
    """Return the log density of a cluster of two Gaussians, each with the recording error once."""
    scales, covariance = parameters.scales[k], parameters.covariances[k]
    own = np.outer(scales, scales) * parameters.correlations[k]
    square = np.ix_(seen, seen)
    both = []
    for share, times in (
        (parameters.good_share, 1.0),
        (1 - parameters.good_share, parameters.inflation),
    ):
        shape = times * own + (covariance - own) + np.diag(error**2)
        normal = multivariate_normal(parameters.means[k][seen], shape[square])
        both.append(np.log(share) + normal.logpdf(row[seen]))
    return logsumexp(both)


@EACH_FAMILY
@EACH_ROWS
@pytest.mark.parametrize(("n_features", "n_components"), [(1, 1), (1, 3), (2, 2), (5, 3)])
def test_densities_equal_brute_force(family, rows, n_features, n_components):
    target, x = target_of(family, n_features, n_components, rows=rows, step=0.5)
    table = target.rows if isinstance(target.rows, AnnotatedRows) else AnnotatedRows(target.rows)
    many = target.constrain(x[None])
    expected = joint(target, many.at(0), table)
    by_row = logsumexp(expected, axis=1)
    frame = target.resolved.centre, target.resolved.unit
    found = pointwise_log_likelihood(many, target.rows, *frame)[0]
    np.testing.assert_allclose(found, by_row, rtol=1e-10, atol=1e-10)
    shares = responsibilities(many.at(0), target.rows, *frame).T
    np.testing.assert_allclose(shares, np.exp(expected - by_row[:, None])[:, :-1], atol=1e-11)
    weights = np.ones(len(table)) if table.weights is None else table.weights
    terms = target.terms(x[None], target.log_densities(x[None]))
    assert terms["log_likelihood"][0] == pytest.approx(weights @ by_row, rel=1e-11)
    moments = Rows(target.resolved, target.rows).moments(target.em_point(x))
    assert moments.log_likelihood - target.log_unit_of_rows == pytest.approx(
        weights @ by_row, rel=1e-11
    )
    certain = weights @ (expected.max(axis=1) - by_row)
    moved = Rows(target.resolved, target.rows).log_certainty(target.em_point(x))
    assert moved == pytest.approx(certain, rel=1e-9, abs=1e-9)


@EACH_FAMILY
@EACH_ROWS
@pytest.mark.parametrize("covariance", SAMPLED)
def test_the_gradient_is_that_of_the_value(family, rows, covariance):
    target, x = target_of(family, covariance=covariance, rows=rows, step=0.5)
    gradient = target.evaluate(x, inverse_temperature=0.7).gradient
    for i, move in enumerate(1e-5 * np.eye(target.dim)):
        above, below = (target.evaluate(x + m, inverse_temperature=0.7) for m in (move, -move))
        slope = (above.value - below.value) / 2e-5
        assert gradient[i] == pytest.approx(slope, rel=1e-6, abs=1e-5)


@pytest.mark.parametrize("family", ["noise", "t", "t, nu = 5", "t, noise"])
@pytest.mark.parametrize("kind", ["as they are", "a dense cluster", "narrow clusters", "tails cut"])
def test_rows_with_and_without_a_reference_equal_brute_force(family, kind):
    """Noise alike at all rows: nothing relates to the largest, unless that would not be exact."""
    target, x = target_of(family, 5, 3, rows="inside")
    scales = x[target.slices["scales"]].reshape(3, 5)
    if kind == "a dense cluster":
        x[target.slices["means"]][5:10], scales[1] = 0.0, DENSE
    elif kind == "narrow clusters":
        scales[:] = -40.0
    elif kind == "tails cut":
        scales[:] = -4.0
        x[target.slices.get("nu", slice(0))] = np.log(1e6)
    plain = target.rows.table if isinstance(target.rows, AnnotatedRows) else target.rows
    values = np.vstack([plain, target.resolved.centre])
    target = LogPosterior(target.resolved, values)
    many, frame = target.constrain(x[None]), (target.resolved.centre, target.resolved.unit)
    expected = joint(target, many.at(0), AnnotatedRows(values))
    by_row = logsumexp(expected, axis=1)
    found = pointwise_log_likelihood(many, target.rows, *frame)[0]
    np.testing.assert_allclose(found, by_row, rtol=1e-10, atol=1e-9)
    shares = responsibilities(many.at(0), target.rows, *frame).T
    np.testing.assert_allclose(shares, np.exp(expected - by_row[:, None])[:, :-1], atol=1e-9)
    terms = target.terms(x[None], target.log_densities(x[None]))
    assert terms["log_likelihood"][0] == pytest.approx(by_row.sum(), rel=1e-10)
    gradient = target.evaluate(x).gradient
    assert np.isfinite(gradient).all()


@EACH_FAMILY
@EACH_ROWS
@pytest.mark.parametrize("covariance", SAMPLED)
def test_moments_give_the_same_gradient(family, rows, covariance):
    """Fisher's identity: EM's pass and the fused density see the same rows."""
    target, x = target_of(family, covariance=covariance, rows=rows, step=0.5)
    moments = Rows(target.resolved, target.rows).moments(target.em_point(x))
    expected, fused = target.evaluate_expected(x, moments), target.evaluate(x, jacobian=False)
    np.testing.assert_allclose(expected.gradient, fused.gradient, rtol=1e-7, atol=1e-7)
    assert moments.mass.sum() == pytest.approx(target.n_counted, rel=1e-12)


@EACH_FAMILY
@EACH_ROWS
def test_moments_of_parts_merge_into_those_of_all_rows(family, rows):
    target, x = target_of(family, rows=rows)
    point, resolved = target.em_point(x), target.resolved
    whole = Rows(resolved, target.rows).moments(point)
    parts = [Rows(resolved, target.rows[part]).moments(point) for part in (np.s_[:25], np.s_[25:])]
    for one, other in zip(parts[0].merge(parts[1]), whole, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-10)


@EACH_FAMILY
@EACH_ROWS
@pytest.mark.parametrize("covariance", SAMPLED)
def test_em_never_falls(family, rows, covariance):
    target, x = target_of(family, covariance=covariance, rows=rows, step=0.5)
    table, likelihood = Rows(target.resolved, target.rows), Likelihood(target.resolved)
    point, values = likelihood.start(target.em_point(x)), []
    floor = np.full(target.resolved.n_features, 1e-12)
    for _ in range(30):
        moments = table.moments(point)
        values.append(moments.log_likelihood)
        point, collapsed = likelihood.step(point, moments, floor)
        assert collapsed < 0
    assert (np.diff(values) > -1e-9).all()


def test_without_wider_rows_contaminated_clusters_are_gaussian():
    target, x = target_of("contaminated", rows="annotated", step=0.5)
    drawn = target.constrain(x[None])
    plain = drawn._replace(inflation=None, good_share=None)
    frame = target.resolved.centre, target.resolved.unit
    expected = pointwise_log_likelihood(plain, target.rows, *frame)
    for inflation, good_share in ((1.0 + 1e-14, 0.7), (9.0, 1.0)):
        many = drawn._replace(inflation=np.array([inflation]), good_share=np.array([good_share]))
        found = pointwise_log_likelihood(many, target.rows, *frame)
        if good_share < 1.0:
            np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-8)
        assert (found >= expected - 1e-8).all()


@pytest.mark.parametrize("rows", ["plain", "annotated"])
def test_endless_degrees_of_freedom_and_no_noise_are_gaussian(rows):
    gaussian, x = target_of("t", rows=rows)
    resolved = gaussian.resolved
    frame = resolved.centre, resolved.unit
    drawn = gaussian.constrain(x[None])
    plain = drawn._replace(nu=None)
    expected = pointwise_log_likelihood(plain, gaussian.rows, *frame)
    many = drawn._replace(nu=np.full_like(drawn.nu, 1e14))
    found = pointwise_log_likelihood(many, gaussian.rows, *frame)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-8)
    noisy, _ = target_of("noise", rows=rows)
    silent = plain._replace(noise=np.zeros(1))
    found = pointwise_log_likelihood(silent, noisy.rows, *frame)
    inside = np.isfinite(found) & (np.abs(expected) < 600)
    np.testing.assert_allclose(found[inside], expected[inside], atol=1e-8)
    assert inside.sum() > N_ROWS / 2


def test_the_functions_of_tails_are_exact():
    from scipy.special import gammaln, psi

    values = np.concatenate([[0.0], np.geomspace(1e-18, 1e12, 200)])
    np.testing.assert_allclose(
        [log1p_and_inverse(v)[0] for v in values], np.log1p(values), rtol=5e-16, atol=0.0
    )
    a = np.geomspace(0.5, 50.0, 40)
    np.testing.assert_allclose([digamma(v) for v in a], psi(a), rtol=1e-12, atol=1e-13)
    for d in (0.5, 1.0, 2.5):
        expected = gammaln(a + d) - gammaln(a) - d * np.log(a)
        np.testing.assert_allclose([gamma_ratio(v, d) for v in a], expected, atol=1e-12)
    assert gamma_ratio(1e12, 2.5) == pytest.approx(2.5 * 1.5 / 2e12, rel=1e-3)


def test_the_prior_of_degrees_of_freedom_is_normalised():
    target, x = target_of("t", rows="plain")
    term, nu = target.evaluate(x).terms["nu"], target.constrain(x[None]).nu[0, 0]
    prior = gamma(3.0, scale=5.0)
    assert term == pytest.approx(prior.logpdf(nu) - prior.logsf(1.0), rel=1e-12)
