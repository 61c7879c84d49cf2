from pathlib import Path

import numpy as np
import pytest
from scipy.stats import beta, kstest, norm
from test_evidence import EIGHT, FIXED, evidence_by_enumeration

from bayesgmm.criteria import Evidence, log_evidence, reconciled, tempered_evidence
from bayesgmm.data import as_dataset
from bayesgmm.mixture import LogPosterior, resolve
from bayesgmm.sampling import sample
from bayesgmm.sampling.smc import draw_prior, temper
from bayesgmm.spec import COVARIANCES, MixtureSpec, Priors

ROOT = Path(__file__).parents[1]
FAITHFUL = np.loadtxt(ROOT / "models/data/faithful.csv", delimiter=",", skiprows=1)


def problem(values, n_components, **options):
    data = as_dataset(values)
    return LogPosterior(resolve(MixtureSpec(n_components, **options), data), data.values)


def test_prior_draws_follow_the_prior():
    priors = Priors(concentration=0.5, scale_family="halfnormal", scale=3.0, eta=1.5)
    target = problem(FAITHFUL, 2, priors=priors, resolution=0)
    x = draw_prior(target, 4000, np.random.default_rng(1))
    draws, resolved = target.constrain(x), target.resolved
    assert kstest(draws.weights[:, 0], beta(0.5, 0.5).cdf).pvalue > 1e-3
    centred = (draws.means[:, 1] - resolved.mean_location) / resolved.mean_scale
    assert kstest(centred.ravel(), norm.cdf).pvalue > 1e-3
    folded = norm.cdf(draws.scales[:, 0] / resolved.scale) * 2.0 - 1.0
    assert kstest(folded.ravel(), "uniform").pvalue > 1e-3
    correlation = 0.5 * (1.0 + draws.correlations[:, 1, 1, 0])
    assert kstest(correlation, beta(1.5, 1.5).cdf).pvalue > 1e-3


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_prior_draws_average_the_density_to_one(covariance):
    """E[q / p] = 1 under p for any normalised q, here a narrower Gaussian."""
    target = problem(FAITHFUL, 2, covariance=covariance, resolution=0)
    x = draw_prior(target, 20000, np.random.default_rng(2))
    spread = 0.8 * x.std(axis=0)
    log_q = norm.logpdf(x, x.mean(axis=0), spread).sum(axis=1)
    log_p = [target.evaluate(row, inverse_temperature=0.0).value for row in x]
    ratio = np.exp(log_q - log_p)
    assert abs(ratio.mean() - 1.0) < 4 * ratio.std() / np.sqrt(len(x))


def test_evidence_agrees_with_the_sum_over_all_allocations():
    target = problem(EIGHT[:, None], 2, priors=FIXED, resolution=0)
    run = temper(target, seed=1)
    assert run.error < 0.02
    assert abs(run.log_evidence - evidence_by_enumeration(EIGHT, 2)) < 4 * run.error


def test_the_evidence_needs_only_model_and_rows():
    posterior = sample(EIGHT[:, None], MixtureSpec(2, priors=FIXED, resolution=0), draws=5, seed=1)
    result = tempered_evidence(posterior, n_particles=256, seed=1, cores=1)
    assert abs(result.value - evidence_by_enumeration(EIGHT, 2)) < 4 * result.error < 0.4
    assert result == tempered_evidence(posterior, n_particles=256, seed=1, cores=2)


def test_what_is_quoted_of_two_estimates():
    def evidence(value, error, method):
        return Evidence(value, error, method, 1000, 1)

    bridge, near = evidence(-10.0, 0.01, "bridge"), evidence(-10.25, 0.1, "smc")
    assert reconciled(bridge, near) is bridge
    assert reconciled(bridge.with_error(np.inf), near) is near
    apart = reconciled(bridge, evidence(-10.35, 0.1, "smc"))
    assert (apart.value, apart.error) == (-10.0, np.inf)
    assert apart.method == "bridge; smc differs by 0.35 nats"


def test_unequal_concentrations_are_targeted():
    fixed = {key: value for key, value in FIXED.to_dict().items() if key != "concentration"}
    priors = Priors(concentration=(6.0, 1.5), **fixed)
    run = temper(problem(EIGHT[:, None], 2, priors=priors, resolution=0), seed=1)
    expected = evidence_by_enumeration(EIGHT, 2, priors.concentration)
    assert abs(run.log_evidence - expected) < 4 * run.error


def test_it_agrees_with_bridge_sampling_on_the_galaxies():
    galaxies = np.loadtxt(ROOT / "models/data/galaxies.csv", skiprows=1)[:, None]
    run = temper(problem(galaxies, 3), seed=1)
    bridge = log_evidence(sample(galaxies, 3, seed=1), seed=1)
    assert run.error < 0.2
    assert abs(run.log_evidence - bridge.value) < 4 * np.hypot(run.error, bridge.error)


def test_the_same_seed_gives_the_same_particles_for_any_number_of_threads():
    target = problem(FAITHFUL[:40], 2)
    one = temper(target, n_particles=64, seed=3, cores=1)
    two = temper(target, n_particles=64, seed=3, cores=2)
    np.testing.assert_array_equal(one.draws, two.draws)
    assert one.log_evidence == two.log_evidence
    assert one.rows[0][0] == 0 and one.rows[0][-1] == 40


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_sweeps_leave_the_posterior_as_nuts_draws_it(covariance):
    rng = np.random.default_rng(8)
    rows = np.concatenate([rng.normal(-2, 1, (15, 2)), rng.normal(2, 1, (25, 2))])
    spec = MixtureSpec(2, covariance=covariance, resolution=0.4)
    run = temper(problem(rows, 2, covariance=covariance, resolution=0.4), seed=1)
    nuts = sample(rows, spec, seed=1)["posterior"].to_dataset()
    target = problem(rows, 2, covariance=covariance, resolution=0.4)
    particles = target.constrain(run.draws.reshape(-1, target.dim))
    particles = particles.permuted(np.argsort(particles.means[:, :, 0], axis=1))
    for name in ("weights", "means", "scales", "covariances"):
        theirs = nuts[name].values.reshape(4000, *nuts[name].shape[2:])
        gap = np.median(getattr(particles, name), axis=0) - np.median(theirs, axis=0)
        allowed = 5 * theirs.std(axis=0) * np.sqrt(1 / 1000 + 1 / 800) + 1e-12
        np.testing.assert_array_less(np.abs(gap), allowed)
