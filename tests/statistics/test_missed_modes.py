"""Modes that draws do not visit: what they hold, what the verdict says, whether cures work."""

import json
import math

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_t

from bayesgmm.data import Dataset, as_dataset
from bayesgmm.diagnosis import RunStatus, diagnose
from bayesgmm.evidence import extend, log_evidence
from bayesgmm.evidence.missed_modes import left_out, missed_modes, mode_mass
from bayesgmm.evidence.modes import weigh_modes
from bayesgmm.labels import relabel
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.tree import with_attributes
from bayesgmm.sampling import sample
from bayesgmm.sampling.mode_search import find_modes
from tests.support.places import CASES
from tests.support.simulated_runs import tree_of


def run_in(target, data, stayed, known, *, draws=500, seed=1):
    """A run of a perfect sampler whose chains, one a mode of `stayed` in turn, never leave it.

    Draws of a t at the mode are resampled by their weights and moved on, so that none is tied; the
    run is told of the modes `known`.
    """
    rng, chains = np.random.default_rng(seed), []
    for chain in range(4):
        mode = stayed[chain % len(stayed)]
        covariance = np.linalg.inv(mode.precision)
        points = multivariate_t(mode.x, covariance, df=5.0, seed=rng).rvs(10_000)
        ratios = np.array([target.evaluate(x).value for x in points])
        ratios -= multivariate_t(mode.x, covariance, df=5.0).logpdf(points)
        weights = np.exp(ratios - ratios.max())
        drawn = points[rng.choice(len(points), draws, p=weights / weights.sum())]
        chains.append(moved_on(target, drawn, np.linalg.cholesky(covariance), rng))
    return relabel(tree_of(target, np.stack(chains), data, seed=seed, modes=known))


def moved_on(target, points, root, rng, steps=10):
    """Move each point by short steps of Metropolis."""
    values = np.array([target.evaluate(x).value for x in points])
    for _ in range(steps):
        there = points + 0.4 * rng.normal(size=points.shape) @ root.T
        theirs = np.array([target.evaluate(x).value for x in there])
        taken = np.log(rng.random(len(points))) < theirs - values
        points, values = np.where(taken[:, None], there, points), np.where(taken, theirs, values)
    return points


@pytest.fixture(scope="module")
def months():
    data = Dataset.from_csv(CASES / "months3.csv")
    target = LogPosterior(resolve(MixtureSpec(2), data), data.values)
    return data, target, find_modes(target, data, 1)


@pytest.fixture(scope="module")
def stuck(months):
    """All chains in the mode that lies 83 nats below the main one."""
    data, target, modes = months
    return run_in(target, data, [modes[-1]], modes)


@pytest.mark.slow
def test_the_mass_of_a_mode_is_that_of_a_bridge_from_draws_within(months):
    """Tenths of nats are enough where 1 % decides: the weights' tail is nearly too heavy."""
    data, target, modes = months
    shift = len(data.values) * target.resolved.log_unit
    for mode in (modes[0], modes[-1]):
        tree = run_in(target, data, [mode], modes)
        assert not missed_modes(target, [mode], Draws(tree).coordinates)
        mass, bridge = mode_mass(target, mode, 1), log_evidence(tree, seed=1)
        assert mass.k_hat < 0.7 and mass.error < 0.2
        assert mass.value - shift == pytest.approx(bridge.value, abs=0.4)


def test_masses_of_basins_add_up_to_the_evidence():
    """Three groups, two components: every point of the space climbs to one of the modes."""
    groups = np.random.default_rng(1).normal([[-3.0], [0.0], [3.5]], 0.3, (3, 12))
    data = as_dataset(groups.reshape(-1, 1))
    spec = MixtureSpec(2, resolution=0.5)
    target = LogPosterior(resolve(spec, data), data.values)
    masses = [mode_mass(target, mode, 1) for mode in find_modes(target, data, 1)]
    assert len(masses) > 1 and all(mass.k_hat < 0.7 for mass in masses)
    total = logsumexp([mass.value for mass in masses]) - len(data.values) * target.resolved.log_unit
    evidence = log_evidence(sample(data, spec, draws=2000, seed=1), seed=1)
    assert total == pytest.approx(evidence.value, abs=0.15)


def test_chains_in_the_lesser_mode_are_found_out(stuck):
    verdict = diagnose(stuck)
    assert verdict.status is RunStatus.MODES_LEFT_OUT and not verdict.ok
    assert verdict.left_out.share > 0.999 and len(verdict.left_out.modes) == 1
    means = np.array(verdict.left_out.modes[0].means)[:, 0]
    np.testing.assert_allclose(means, [8.95, 11.95], atol=0.1)
    sentence = verdict.reasons[0]
    assert sentence.startswith("the draws never visit 1 known mode with 100.00 %")
    assert "Continue with extend(posterior)" in sentence and "method='smc'" in sentence
    stored = json.loads(json.dumps(verdict.to_dict(), allow_nan=False))
    assert stored["status"] == "modes_left_out" and stored["left_out"]["share"] > 0.999


@pytest.mark.parametrize(("method", "other"), [("nuts", "smc"), ("smc", "nuts")])
def test_the_cure_is_not_the_sampler_already_used(stuck, method, other):
    (sentence, *_) = diagnose(with_attributes(stuck, sampler={"method": method})).reasons
    assert sentence.endswith(f"or sample with method='{other}'.")


@pytest.mark.slow
def test_both_cures_work(stuck, months):
    longer = extend(stuck, 1000, seed=1)
    verdict = diagnose(longer)
    assert verdict.left_out is None
    assert log_evidence(longer, seed=1).value == pytest.approx(-1582.74, abs=0.2)
    by_particles = sample(months[0], 2, draws=1000, seed=1, method="smc")
    assert diagnose(by_particles).left_out is None
    assert log_evidence(by_particles, seed=1).value == pytest.approx(-1582.74, abs=0.2)


def test_what_is_left_out_is_the_weight_of_the_other_mode(galaxies):
    """Two modes that chains do not cross: the bridges of `weigh_modes` say 0.977 and 0.023."""
    target = LogPosterior(resolve(MixtureSpec(2), galaxies), galaxies.values)
    modes = find_modes(target, galaxies, 1)[:2]
    both = weigh_modes(run_in(target, galaxies, modes, modes), seed=1)
    weights = sorted(weighed.weight for weighed in both.modes)
    errors = [weighed.weight_error for weighed in both.modes]
    for started, weight in zip(modes, weights, strict=True):
        tree = run_in(target, galaxies, [started], modes)
        missed = left_out(Draws(tree), seed=1)
        assert missed.grave and missed.visible == 2
        assert abs(missed.share - weight) < 4.0 * math.hypot(missed.error, *errors) + 0.003
        assert diagnose(tree).status is RunStatus.MODES_LEFT_OUT


def test_draws_that_visit_all_modes_leave_out_none(faithful):
    for k in (1, 2, 3):
        assert left_out(Draws(sample(faithful, k, draws=400, seed=2)), seed=1) is None


def test_a_run_without_stored_modes_is_judged_as_before(stuck):
    tree = stuck.drop_nodes("posterior_modes")
    assert left_out(Draws(tree)) is None and diagnose(tree).left_out is None
