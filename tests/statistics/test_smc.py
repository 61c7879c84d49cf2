import math
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import beta, chi2, kstest, norm

from bayesgmm.data import as_dataset
from bayesgmm.errors import ConfigError
from bayesgmm.evidence import Evidence, log_evidence, reconciled, refinement, smc_evidence
from bayesgmm.evidence._smc_evidence import _without_empty_components
from bayesgmm.evidence.refinement import refine
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import COVARIANCES, MixtureSpec, Priors
from bayesgmm.sampling import sample
from bayesgmm.sampling.smc import draw_prior, temper
from tests.support.few import few
from tests.support.few_rows import EIGHT, FIXED, evidence_by_enumeration
from tests.support.places import ROOT

FAITHFUL = np.loadtxt(ROOT / "models/data/faithful.csv", delimiter=",", skiprows=1)
GALAXIES = np.loadtxt(ROOT / "models/data/galaxies.csv", skiprows=1)[:, None]


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
    result = smc_evidence(posterior, n_particles=256, seed=1, cores=1)
    assert abs(result.value - evidence_by_enumeration(EIGHT, 2)) < 4 * result.error < 0.1
    assert result == smc_evidence(posterior, n_particles=256, seed=1, cores=2)


def test_the_weights_of_the_modes_among_the_particles_do_not_matter():
    """Three groups, two components: either end group stands alone, with equal evidences."""
    rows = np.concatenate([centre + norm.ppf([0.1, 0.3, 0.5, 0.7, 0.9]) for centre in (-6, 0, 6)])
    target = problem(rows[:, None], 2, resolution=0)
    run = temper(target, n_particles=512, n_runs=8, seed=1)
    draws = target.constrain(run.particles.reshape(-1, 5))
    heavier = draws.means[np.arange(8 * 512), draws.weights.argmax(1), 0]
    left = (heavier < 0).reshape(8, 512)
    assert 0.2 < left.mean() < 0.8
    uneven = np.stack(  # nineteen of twenty particles in one of the modes
        [
            np.concatenate([np.resize(p[at], (486, 5)), np.resize(p[~at], (26, 5))])
            for p, at in zip(run.particles, left, strict=True)
        ]
    )
    (even, its_error), (other, other_error) = (
        refine(target, particles, run.step, np.random.SeedSequence(2))
        for particles in (run.particles, uneven)
    )
    assert abs(even - other) < 3 * np.hypot(its_error, other_error) < 0.3
    assert abs(even - run.log_evidence) < 3 * np.hypot(its_error, run.error)


def in_halves(monkeypatch, *rounds):
    """Have the halves of each round find what is given; return the covers they begin from."""
    target, covers = problem(EIGHT[:, None], 2, priors=FIXED, resolution=0), []

    def found(target, step, cover, seed):
        covers.append(cover)
        value, error = rounds[(len(covers) - 1) // 2][(len(covers) - 1) % 2]
        return refinement._Half(value, error, np.full((3, target.dim), 10.0 * len(covers)))

    monkeypatch.setattr(refinement, "_half", found)
    particles = np.arange(4.0)[:, None, None] + np.zeros((4, 1, target.dim))
    return refine(target, particles, 1.0, np.random.SeedSequence(1), cores=1), covers


def test_halves_that_differ_to_the_end_have_a_large_error(monkeypatch):
    """Two evidences whose ratio is 1 : 3 have the mean 2 and half the difference 1."""
    apart = ((np.log(3.0), 0.01), (0.0, 0.01))
    (value, error), covers = in_halves(monkeypatch, *[apart] * refinement.ROUNDS)
    assert len(covers) == 2 * refinement.ROUNDS
    assert value == pytest.approx(np.log(2.0))
    assert error == pytest.approx(0.5)


def test_halves_that_differ_begin_anew_from_what_both_have_found(monkeypatch):
    """The second round is within 3 errors of the difference: e^0.04 has the error 0.01 / sqrt 2."""
    apart, near = ((4.0, 0.01), (0.0, 0.01)), ((4.0, 0.01), (4.0, 0.01))
    (value, error), covers = in_halves(monkeypatch, apart, near)
    assert [sorted(set(cover[:, 0])) for cover in covers] == [[0, 2], [1, 3], [10, 20], [10, 20]]
    assert value == pytest.approx(4.0)
    assert error == pytest.approx(0.01 / np.sqrt(2.0))


@pytest.mark.parametrize(
    ("levels", "lengths"),
    [((2, 1), [32, 64]), ((1, 2, 2), [32, 64, 128]), ((1, 2, 3, 4), [32, 64, 128, 256])],
)
def test_chains_go_on_until_they_rise_no_more(monkeypatch, levels, lengths):
    swept, rng = [], np.random.default_rng(1)

    def sweep(target, starts, length, step, rng):
        swept.append(length)
        return np.zeros((len(starts), refinement.KEPT, 1))

    def ratios(target, proposal, points):
        return np.full(len(points), levels[len(swept) - 1])

    monkeypatch.setattr(refinement, "_swept", sweep)
    monkeypatch.setattr(refinement, "log_ratios", ratios)
    states = refinement._settled(SimpleNamespace(dim=1), None, np.zeros((8, 1)), 1.0, rng)
    assert swept == lengths and states.shape == (8, refinement.KEPT, 1)


@pytest.mark.parametrize(
    ("covariance", "added"), [("full", 2.5), ("diag", 2.0), ("tied", 1.0), ("spherical", 1.5)]
)
def test_half_of_the_runs_leave_no_component_empty(covariance, added):
    """The threshold is half the number of a component's own parameters, its weight not counted."""
    target = problem(FAITHFUL, 3, covariance=covariance)
    filled = _without_empty_components(target)
    np.testing.assert_array_equal(filled.resolved.concentration, 1.0 + added)
    assert filled.dim == target.dim


def test_larger_concentrations_use_the_components_that_the_posterior_leaves_empty():
    """The density of a weight vanishes at 0 linearly under 2 and not at all under 1."""
    rows = norm.ppf((np.arange(60) + 0.5) / 60)[:, None]
    target = problem(rows, 2, resolution=0)
    nearly_empty = []
    for goal in (target, _without_empty_components(target)):
        particles = temper(goal, n_particles=512, n_runs=4, seed=2).particles
        weights = goal.constrain(particles.reshape(-1, goal.dim)).weights
        nearly_empty.append((weights.min(axis=1) < 0.05).mean())
    assert nearly_empty[0] > 2.0 * nearly_empty[1]


def test_too_few_runs_or_particles_are_refused():
    posterior = sample(EIGHT[:, None], MixtureSpec(2, priors=FIXED, resolution=0), draws=5, seed=1)
    with pytest.raises(ConfigError, match="n_runs must be an integer >= 4, got 2"):
        smc_evidence(posterior, n_runs=2)
    with pytest.raises(ConfigError, match="too few for 5 coordinates: take at least 10 particles"):
        smc_evidence(posterior, n_particles=3, n_runs=4)


@pytest.mark.parametrize(
    ("name", "value"),
    [(n, v) for n in ("n_particles", "n_runs", "cores") for v in (0, -1, 1.5, "2", True)]
    + [("n_particles", None), ("seed", -1), ("seed", "a")],
)
def test_wrong_arguments_are_named(name, value):
    posterior = sample(EIGHT[:, None], MixtureSpec(1, priors=FIXED, resolution=0), draws=5, seed=1)
    with pytest.raises(ConfigError, match=f"^{name} must be an integer >= .* got {value!r}"):
        smc_evidence(posterior, **{name: value})


def test_what_is_quoted_of_two_estimates():
    def evidence(value, error, method):
        return Evidence(value, error, method, 1000, 1)

    bridge, near = evidence(-10.0, 0.01, "bridge"), evidence(-10.25, 0.1, "smc")
    assert reconciled(bridge, near) is bridge
    assert reconciled(bridge.with_error(np.inf), near) is near
    assert reconciled(bridge, near.with_error(np.inf)) is bridge
    apart = reconciled(bridge, evidence(-10.35, 0.1, "smc"))
    assert (apart.value, apart.error) == (-10.0, np.inf)
    assert apart.method == "bridge; smc differs by 0.35 nats"


def test_chains_that_disagree_bound_the_second_estimate_from_below():
    """0.30 is just within 3 errors of the difference, sqrt(0.01^2 + 0.1^2), and 0.31 is not."""
    bridge = Evidence(-10.0, 0.01, "bridge", 1000, 1)
    for value, missed in ((-10.30, False), (-10.31, True), (-5.0, False)):
        tempered = Evidence(value, 0.1, "smc", 1000, 1)
        quoted = reconciled(bridge, tempered, converged=False)
        assert (quoted is tempered) is not missed and math.isinf(quoted.error) is missed
    nothing = tempered.with_error(math.inf)
    assert math.isinf(reconciled(bridge, nothing, converged=False).error)


def test_unequal_concentrations_are_targeted():
    fixed = {key: value for key, value in FIXED.to_dict().items() if key != "concentration"}
    priors = Priors(concentration=(6.0, 1.5), **fixed)
    run = temper(problem(EIGHT[:, None], 2, priors=priors, resolution=0), seed=1)
    expected = evidence_by_enumeration(EIGHT, 2, priors.concentration)
    assert abs(run.log_evidence - expected) < 4 * run.error


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "n_components"),
    [*((n, k) for n in ("faithful", "galaxies") for k in (1, 2, 3, 4)), ("iris", 3)],
)
def test_both_routes_agree(request, name, n_components):
    """Within 3 errors of the difference, where the bridge's chains have a good verdict or not."""
    posterior = sample(request.getfixturevalue(name), n_components, draws=4000, seed=1)
    bridge, tempered = log_evidence(posterior, seed=1), smc_evidence(posterior, seed=1)
    assert tempered.error < (0.2 if name == "iris" else 0.1)
    assert abs(bridge.value - tempered.value) < 3 * np.hypot(bridge.error, tempered.error)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "n_components", "expected", "its_error"),
    [
        ("iris", 3, -297.719, 0.017),
        ("faithful", 4, -1162.363, 0.018),
        ("faithful", 6, -1166.123, 0.043),
    ],
)
def test_hidden_modes_and_superfluous_components_are_met(
    request, name, n_components, expected, its_error
):
    """Against bridges from 4 x 3000 draws of `extend`: of iris the prior's own runs meet the
    regular mode in one run of sixteen, and chains of faithful settle only by and by."""
    posterior = sample(request.getfixturevalue(name), n_components, draws=5, tune=50, seed=1)
    for seed in range(1, 5):
        found = smc_evidence(posterior, seed=seed)
        assert found.error < 0.25
        assert abs(found.value - expected) < 3.5 * math.hypot(found.error, its_error)


def test_both_routes_agree_on_the_galaxies():
    posterior = sample(GALAXIES, 2, seed=1)
    bridge, tempered = log_evidence(posterior, seed=1), smc_evidence(posterior, seed=1)
    assert tempered.error < 0.05
    assert abs(bridge.value - tempered.value) < 3 * np.hypot(bridge.error, tempered.error)


@pytest.mark.slow
def test_the_stated_error_of_faithful_with_three_components_is_honest(faithful):
    """20 repeats about their mean: the sum of squared z-scores is near chi-squared(19)."""
    posterior = sample(faithful, 3, draws=5, tune=50, seed=1)
    results = [smc_evidence(posterior, seed=seed) for seed in range(20)]
    values, errors = np.array([(result.value, result.error) for result in results]).T
    assert np.median(errors) < 0.1
    mean = np.average(values, weights=errors**-2)
    assert chi2.sf((((values - mean) / errors) ** 2).sum(), 19) > 1e-3


def test_the_same_seed_gives_the_same_particles_for_any_number_of_threads():
    target = problem(FAITHFUL[:40], 2)
    one = temper(target, n_particles=64, seed=3, cores=1)
    two = temper(target, n_particles=64, seed=3, cores=2)
    np.testing.assert_array_equal(one.draws, two.draws)
    assert one.log_evidence == two.log_evidence
    assert one.rows[0][0] == 0 and one.rows[0][-1] == 40


@pytest.mark.parametrize("covariance", few(COVARIANCES, {"full", "shared_correlations"}))
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
