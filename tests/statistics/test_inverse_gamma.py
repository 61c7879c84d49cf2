"""Scales whose variances are inverse gamma, their rate known or with a prior of its own.

All is held against the model as it is written, with the rate beta in it: integrals over beta by
quadrature, draws by SciPy's laws, the evidence of eight rows by all their allocations.
"""

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pymc as pm
import pytest
from pytensor.compile.mode import Mode
from scipy.special import betaln, logsumexp, polygamma
from scipy.stats import betaprime, gamma, invgamma, kstest, norm

import bayesgmm as bg
from bayesgmm.data import as_dataset
from bayesgmm.errors import ConfigError
from bayesgmm.evidence import log_evidence, nobile_step, smc_evidence
from bayesgmm.fit.map import Posterior
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.likelihood.rows import Rows
from bayesgmm.model.pymc_model import build_model
from bayesgmm.model.resolving import resolve
from bayesgmm.model.scale_priors import scale_prior
from bayesgmm.model.spec import MixtureSpec, Priors
from bayesgmm.plots.priors import _peak
from bayesgmm.posterior.draws import Draws
from bayesgmm.sampling.smc import draw_prior
from tests.support.few_rows import EIGHT

ROWS = EIGHT[:, None]
SHAPE, RATE = 2.5, 0.6
HYPER = {"hyper_shape": 1.3, "hyper_rate": 2.0}
KNOWN = {"scale_rate": RATE}
BOTH = pytest.mark.parametrize("rate", [KNOWN, HYPER], ids=["known", "unknown"])


def priors(rate, **others):
    location = {"mean_location": 0.5, "mean_scale": 2.0, "units": "data"} | others
    return Priors(scale_family="inverse_gamma", scale_shape=SHAPE, **rate, **location)


def problem(n_components, rate, covariance="full", **options):
    spec = MixtureSpec(n_components, covariance, priors(rate), **{"resolution": 0} | options)
    return LogPosterior(resolve(spec, as_dataset(ROWS)), ROWS)


def log_prior_of_scales(target, scales):
    """Return what the model says of scales (point, set), data units, the Jacobian left out."""
    x = np.zeros((len(scales), target.dim))
    x[:, target.slices["scales"]] = np.log(scales / target.resolved.unit)
    return target.terms(x, np.zeros(len(scales)))["scales"]


@pytest.mark.parametrize(("n_components", "covariance"), [(1, "full"), (3, "full"), (3, "tied")])
@BOTH
def test_the_density_is_that_with_the_rate_integrated_out(n_components, covariance, rate):
    target = problem(n_components, rate, covariance)
    n_sets = 1 if covariance == "tied" else n_components
    scales = np.exp(np.random.default_rng(1).normal(-0.3, 0.8, (5, n_sets)))
    if rate is KNOWN:
        beta, mass = np.array([RATE]), np.ones(1)
    else:
        log_beta = np.linspace(-30.0, 6.0, 4001)
        beta = np.exp(log_beta)
        mass = gamma(1.3, scale=0.5).pdf(beta) * beta * (log_beta[1] - log_beta[0])
    each = invgamma(SHAPE, scale=beta).logpdf(scales[..., None] ** 2)
    each = each + np.log(2.0 * scales[..., None])
    expected = logsumexp(each.sum(axis=1), b=mass, axis=1)
    np.testing.assert_allclose(log_prior_of_scales(target, scales), expected, rtol=1e-10)


@BOTH
def test_the_density_integrates_to_one(rate):
    log_scale = np.linspace(-16.0, 10.0, 601)
    step = log_scale[1] - log_scale[0]
    one = np.exp(log_scale)[:, None]
    total = np.exp(log_prior_of_scales(problem(1, rate), one)) @ one * step
    assert total == pytest.approx(1.0, abs=1e-6)
    log_scale = np.linspace(-10.0, 7.0, 201)
    two = np.exp(np.stack(np.meshgrid(log_scale, log_scale), axis=-1).reshape(-1, 2))
    density = np.exp(log_prior_of_scales(problem(2, rate), two))
    step = log_scale[1] - log_scale[0]
    assert density @ two.prod(axis=1) * step**2 == pytest.approx(1.0, abs=1e-5)


@BOTH
def test_the_gradient_by_finite_differences(rate):
    target = problem(3, rate, resolution=0.4)
    x = np.random.default_rng(2).normal(size=target.dim)
    for i, slope in enumerate(target.evaluate(x).gradient):
        step = np.zeros(target.dim)
        step[i] = 1e-5
        rise = target.evaluate(x + step).value - target.evaluate(x - step).value
        assert rise / 2e-5 == pytest.approx(slope, rel=2e-6, abs=2e-6)


@pytest.mark.parametrize("covariance", ["full", "tied"])
@BOTH
def test_draws_of_the_prior_follow_its_density(rate, covariance):
    """One scale has its marginal law; E[q / p] = 1 for a narrower q holds of them together."""
    target = problem(3, rate, covariance)
    x = draw_prior(target, 20000, np.random.default_rng(3))
    scales = target.constrain(x).scales[..., 0]
    squared = invgamma(SHAPE, scale=RATE) if rate is KNOWN else betaprime(1.3, SHAPE, scale=0.5)
    assert kstest(scales[:, 1] ** 2, squared.cdf).pvalue > 1e-3
    log_p = [target.evaluate(row, inverse_temperature=0.0).value for row in x]
    log_q = norm.logpdf(x, x.mean(axis=0), 0.6 * x.std(axis=0)).sum(axis=1)
    ratio = np.exp(log_q - log_p)
    assert abs(ratio.mean() - 1.0) < 4.0 * ratio.std() / math.sqrt(len(x)) < 0.2


def test_small_shapes_do_not_underflow():
    few = Priors(scale_family="inverse_gamma", hyper_shape=1e-3, scale_shape=1e-3)
    target = LogPosterior(resolve(MixtureSpec(2, priors=few), as_dataset(ROWS)), ROWS)
    assert np.isfinite(draw_prior(target, 1000, np.random.default_rng(1))).all()


@BOTH
def test_the_marginal_law_is_that_of_the_draws(rate):
    family = problem(1, rate).resolved.scale_prior
    law = family.marginal(0.7)
    q = np.linspace(0.01, 0.99, 9)
    points = law.ppf(q)
    for low, high, mass in zip(points[:-1], points[1:], np.diff(q), strict=True):
        between = np.linspace(low, high, 2001)
        assert np.trapezoid(law.pdf(between), between) == pytest.approx(mass, rel=1e-5)
    drawn = np.exp(family.log_draws(np.array([0.7]), 4000, np.random.default_rng(1)))
    np.testing.assert_allclose(np.quantile(drawn, q[1:-1]), points[1:-1], rtol=0.05)


def test_a_pole_of_the_prior_hides_nothing_in_pictures():
    law = scale_prior(Priors(scale_family="inverse_gamma")).marginal(1.0)
    points = np.linspace(*law.ppf([0.005, 0.985]), 400)
    density = law.pdf(points)
    assert _peak(law, points, density) == density[points >= law.ppf(0.1)].max()
    assert density.max() > 10.0 * _peak(law, points, density)
    bell = norm.pdf(points)
    assert _peak(norm, points, bell) == bell.max()


def test_pymc_draws_scales_with_one_rate():
    """The logs have the variance (trigamma(a) + trigamma(g)) / 4, the second part in common."""
    model = build_model(ROWS, MixtureSpec(2, priors=priors(HYPER)))
    interpreted = Mode(linker="py", optimizer=None)
    draws = pm.draw(model["scales_free"], 2000, random_seed=1, mode=interpreted)
    found = np.cov(np.log(draws[..., 0]).T)
    own, common = polygamma(1, SHAPE) / 4.0, polygamma(1, 1.3) / 4.0
    np.testing.assert_allclose(found, common + own * np.eye(2), rtol=0.12)


def test_relative_units_are_those_of_the_spread():
    variance = as_dataset(ROWS).spread()[0] ** 2
    for relative, values in (
        ({"scale_rate": 0.3}, {"scale_rate": 0.3 * variance}),
        ({"hyper_rate": 0.7}, {"hyper_rate": 0.7 / variance}),
    ):
        one, other = (
            resolve(MixtureSpec(2, priors=Priors(scale_family="inverse_gamma", **p)), data).scale
            for p, data in (
                (relative, as_dataset(ROWS)),
                ({"units": "data", **values}, as_dataset(ROWS)),
            )
        )
        np.testing.assert_allclose(one, other, rtol=1e-12)


@BOTH
def test_em_climbs_to_the_mode(rate):
    rows = as_dataset(np.concatenate([ROWS, ROWS + 7.0]))
    resolved = resolve(MixtureSpec(2, priors=priors(rate)), rows)
    target, passes = Posterior(resolved), Rows(resolved, rows)
    x, path = np.random.default_rng(1).normal(size=5) * 0.3, []
    for _ in range(6):
        path.append(target.value_and_gradient(passes, x)[0])
        x = target.step(x, passes.moments(target.point(x)))
    assert np.diff(path).min() > -1e-9 and path[-1] > path[0] + 1.0
    fit = bg.fit_map(rows, MixtureSpec(2, priors=priors(rate)), seed=1, n_starts=6)
    at = LogPosterior(fit.resolved, rows.values)
    assert np.abs(at.evaluate(at.unconstrain(fit.parameters), jacobian=False).gradient).max() < 0.01
    assert fit.log_posterior >= path[-1] + target.data_units(passes) - 1e-6


def evidence_by_enumeration(n_components, rate, concentration=1.0):
    """Sum over all allocations of the eight rows: given beta the groups are independent.

    Of a group with m rows the mean is integrated out in closed form, its precision and beta by
    quadrature.
    """
    if rate is KNOWN:
        beta, of_beta = np.array([RATE]), np.zeros(1)
    else:
        log_beta = np.linspace(-12.0, 4.0, 161)
        beta = np.exp(log_beta)
        of_beta = gamma(1.3, scale=0.5).logpdf(beta) + log_beta + math.log(0.1)
    log_tau = np.linspace(-9.0, 12.0, 421)
    tau = np.exp(log_tau)
    prior = gamma(SHAPE, scale=1.0 / beta[:, None]).logpdf(tau) + log_tau + math.log(0.05)

    def group(rows):
        m, sums = len(rows), (np.sum(rows), np.sum(np.square(rows)))
        precision = 0.25 + m * tau
        centre = (0.25 * 0.5 + tau * sums[0]) / precision
        rest = tau * sums[1] + 0.25 * 0.25 - precision * centre**2
        value = 0.5 * (m * np.log(tau / (2.0 * np.pi)) + np.log(0.25 / precision) - rest)
        return logsumexp(prior + value, axis=1)

    if n_components == 1:
        return logsumexp(of_beta + group(EIGHT))
    groups = {
        taken: group(EIGHT[list(taken)]) for taken in itertools.product((False, True), repeat=8)
    }
    terms = [
        betaln(concentration + sum(taken), concentration + 8 - sum(taken))
        + value
        + groups[tuple(not t for t in taken)]
        for taken, value in groups.items()
    ]
    return logsumexp(np.array(terms) + of_beta) - betaln(concentration, concentration)


@pytest.fixture(scope="module", params=[KNOWN, HYPER], ids=["known", "unknown"])
def runs(request):
    """Return the rate, and draws of one component and of two."""
    specs = [MixtureSpec(k, priors=priors(request.param), resolution=0) for k in (1, 2)]
    return request.param, {
        spec: bg.sample(ROWS, spec, draws=5000, seed=1, log_likelihood=False) for spec in specs
    }


def test_evidence_and_steps_agree_with_all_allocations(runs):
    rate, trees = runs
    one, two = (evidence_by_enumeration(k, rate) for k in (1, 2))
    tree = trees[MixtureSpec(2, priors=priors(rate), resolution=0)]
    bridge, tempered = log_evidence(tree, seed=1), smc_evidence(tree, seed=1)
    assert abs(bridge.value - two) < 4.0 * bridge.error < 0.1
    assert abs(tempered.value - two) < 4.0 * tempered.error < 0.1
    step = nobile_step(Draws(tree))
    assert step.usable and abs(step.value - (two - one)) < 4.0 * step.error < 0.5


def test_other_weights_from_the_same_runs(runs):
    """The partitions' identity holds though all components share the rate."""
    rate, trees = runs
    found = [log_evidence(tree, seed=1) for tree in trees.values()]
    table = pd.DataFrame(
        [(each.value, each.error) for each in found],
        columns=["log_evidence", "log_evidence_error"],
        index=[1, 2],
    )
    verdicts = {spec: SimpleNamespace(ok=True) for spec in trees}
    source = SimpleNamespace(
        table=table, models=list(trees), posteriors=trees, verdicts=verdicts, seed=1
    )
    over = bg.posterior_over_k(source, np.ones(2), gamma=3.0).table
    one, two = (evidence_by_enumeration(k, rate, 3.0) for k in (1, 2))
    expected = 1.0 / (1.0 + math.exp(one - two))
    assert abs(over.loc[2, "probability"] - expected) < 4.0 * over.loc[2, "error"] < 0.1


def test_files_keep_the_prior(runs, tmp_path):
    rate, trees = runs
    bg.save(trees[MixtureSpec(2, priors=priors(rate), resolution=0)], tmp_path / "p.nc")
    target = Draws(bg.load(tmp_path / "p.nc")).target
    assert target.resolved.spec.priors == priors(rate)
    x = np.linspace(-0.5, 0.5, target.dim)
    assert target.evaluate(x).value == problem(2, rate).evaluate(x).value


def test_priors_of_older_files_are_read():
    """They have none of the numbers of this family."""
    new = ("scale_shape", "scale_rate", "hyper_shape", "hyper_rate")
    old = {name: value for name, value in Priors().to_dict().items() if name not in new}
    assert Priors.from_dict(old) == Priors()


def test_several_features_are_refused():
    two = np.random.default_rng(1).normal(size=(20, 2))
    with pytest.raises(ConfigError, match=r"for one feature, got 2 features.*'lognormal'"):
        bg.fit_map(two, MixtureSpec(2, priors=Priors(scale_family="inverse_gamma")))


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"scale_shape": 3.0}, "scale_shape"),
        ({"scale_family": "halfnormal", "scale_rate": 3.0}, "scale_rate"),
        ({"scale_family": "inverse_gamma", "scale": 3.0}, "scale"),
        ({"scale_family": "inverse_gamma", "scale_sigma": 3.0}, "scale_sigma"),
        ({"scale_family": "inverse_gamma", "scale_rate": 3.0, "hyper_rate": 3.0}, "hyper_rate"),
    ],
)
def test_numbers_without_effect_are_refused(given, name):
    with pytest.raises(ConfigError, match=f"^{name} has no effect .*; leave it out, got 3.0"):
        Priors(**given)


@pytest.mark.parametrize("name", ["scale_rate", "hyper_rate"])
@pytest.mark.parametrize("value", [1e-320, 1e300])
def test_rates_that_are_no_numbers_of_this_data_are_refused(name, value):
    wrong = Priors(scale_family="inverse_gamma", **{name: value})
    with pytest.raises(ConfigError, match=rf"^{name} must be 1e-50 to 1e\+50 .* variance"):
        resolve(MixtureSpec(2, priors=wrong), as_dataset(ROWS))
