import math
from contextlib import nullcontext

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from bayesgmm.data import as_dataset
from bayesgmm.errors import ConfigError, DataWarning
from bayesgmm.evidence import log_evidence, nobile_step
from bayesgmm.evidence.bridge import _BLOCK, bridge, log_ratio, log_ratios
from bayesgmm.evidence.proposal import (
    NEGLIGIBLE,
    _gaussians,
    fit_proposal,
)
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import COVARIANCES, MixtureSpec, Priors
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.tree import permuted_tree
from bayesgmm.sampling import sample
from bayesgmm.sampling.permuting import permutation_matrix
from tests.support.few_rows import EIGHT, FIXED, evidence_by_enumeration, spec
from tests.support.places import ROOT

FAITHFUL = np.loadtxt(ROOT / "models/data/faithful.csv", delimiter=",", skiprows=1)
REFERENCE = Priors(
    mean_location=0.0, mean_scale=2.0, scale_family="halfnormal", scale=2.0, units="data"
)


@pytest.fixture(scope="module")
def eight():
    return sample(EIGHT[:, None], spec(2), seed=11, draws=2000)


def standardised():
    data = as_dataset(FAITHFUL)
    return as_dataset((data.values - data.centre()) / data.spread())


def test_one_component_agrees_with_quadrature():
    posterior = sample(EIGHT[:, None], spec(1), seed=2)
    result = log_evidence(posterior, seed=1)
    assert result.error < 0.01
    assert result.value == pytest.approx(evidence_by_enumeration(EIGHT, 1), abs=4 * result.error)


def test_two_components_agree_with_the_sum_over_all_allocations(eight):
    result = log_evidence(eight, seed=1)
    expected = evidence_by_enumeration(EIGHT, 2)
    assert result.error < 0.02
    assert abs(result.value - expected) < 4 * result.error


def test_the_evidence_does_not_depend_on_the_labels(eight):
    order = np.argsort(np.random.default_rng(0).random((4, 2000, 2)), axis=2)
    mixed = log_evidence(permuted_tree(eight, order), seed=1)
    expected = evidence_by_enumeration(EIGHT, 2)
    assert abs(mixed.value - expected) < 4 * mixed.error
    assert mixed.error < 0.05


def test_nobile_agrees_with_the_two_evidences(eight):
    step = nobile_step(Draws(eight))
    expected = evidence_by_enumeration(EIGHT, 2) - evidence_by_enumeration(EIGHT, 1)
    assert step.usable
    assert abs(step.value - expected) < 4 * step.error
    assert step.error < 0.1


@pytest.mark.parametrize(
    ("n_components", "expected", "allowed"), [(1, -564.679, 0.03), (2, -422.995, 0.03)]
)
def test_faithful_agrees_with_stan_and_bridgesampling(n_components, expected, allowed):
    model = MixtureSpec(n_components, priors=REFERENCE, resolution=0)
    tied = pytest.warns(DataWarning, match="tie") if n_components > 1 else nullcontext()
    with tied:
        posterior = sample(standardised(), model, seed=7)
    result = log_evidence(posterior, seed=3)
    assert result.error < 0.05
    assert abs(result.value - expected) < allowed
    assert log_evidence(posterior, seed=3) == result


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:columns .* hold ties")
@pytest.mark.parametrize("repeats", [10, pytest.param(40, marks=pytest.mark.slow)])
def test_the_stated_error_is_honest(repeats):
    model = MixtureSpec(2, priors=REFERENCE, resolution=0)
    results = [
        log_evidence(sample(standardised(), model, seed=100 + r), seed=r) for r in range(repeats)
    ]
    values, errors = np.array([(result.value, result.error) for result in results]).T
    # The reference has an error of its own, 0.005, as large as one run's: it bounds the bias, and
    # the spread is judged about the mean of the repeats (of 200 runs: -422.9971, error 0.0003).
    assert abs(values.mean() + 422.995) < 3 * math.hypot(0.005, errors.mean() / repeats**0.5)
    distances = np.abs(values - values.mean()) / errors
    assert errors.max() < 0.05
    assert (distances > 3.0).sum() <= 1 and distances.max() < 4.0


def test_three_components_keep_the_error_small():
    first, second = (log_evidence(sample(FAITHFUL, 3, seed=s), seed=1) for s in (1, 2))
    assert max(first.error, second.error) < 0.05
    assert abs(first.value - second.value) < 4 * math.hypot(first.error, second.error)


def test_regions_add_up_to_the_whole(eight):
    """A cut through the posterior, symmetric in the labels: each side by its own bridge."""
    target, draws = Draws(eight).target, Draws(eight).coordinates

    def balanced(points):
        return np.abs(points[:, 0]) < 0.7

    points = draws.reshape(1, -1, target.dim)
    inner = balanced(points[0])
    sides = (
        bridge(target, points[:, inner], 1, inside=balanced),
        bridge(target, points[:, ~inner], 2, inside=lambda points: ~balanced(points)),
    )
    total, error = np.logaddexp(sides[0][0], sides[1][0]), math.hypot(sides[0][1], sides[1][1])
    assert error < 0.1
    assert abs(total - evidence_by_enumeration(EIGHT, 2)) < 4 * error


def test_the_proposal_is_normalised_and_symmetric():
    """Its integral by importance sampling from its Gaussians, all labellings, half as wide again.

    Each of the 40,000 ratios has a deviation below 1, so that the tolerance is below 0.02.
    """
    data = as_dataset(FAITHFUL)
    target = LogPosterior(resolve(MixtureSpec(2, covariance="tied_spherical"), data), data.values)
    rng = np.random.default_rng(2)
    offsets = rng.choice([-1.0, 1.0], (800, 1))
    draws = 0.4 * rng.standard_normal((800, target.dim)) + offsets
    fit = fit_proposal(target, draws, seed=1)
    swap = permutation_matrix(target, np.array([1, 0]))
    wide = [
        multivariate_normal(order @ mean, 1.5 * order @ factor @ factor.T @ order.T)
        for mean, factor in zip(fit.means, fit.factors, strict=True)
        for order in (np.eye(target.dim), swap)
    ]
    assert len(wide) == 4
    points = np.concatenate([gaussian.rvs(10_000, random_state=rng) for gaussian in wide])
    proposal = fit.symmetrised(target, points)
    log_density = proposal.log_density(points)
    ratio = np.exp(log_density) / np.mean([gaussian.pdf(points) for gaussian in wide], axis=0)
    assert ratio.std() < 1.0
    assert abs(ratio.mean() - 1.0) < 4 * ratio.std() / 200.0
    np.testing.assert_allclose(proposal.log_density(points @ swap.T), log_density, rtol=1e-9)


@pytest.mark.parametrize("told_apart", [False, True])
def test_no_labelling_that_counts_is_left_out(told_apart):
    """Terms of the symmetric proposal against all permutations of four labels, each computed."""
    where = (0.0, 3.0, 3.0, 3.0) if told_apart else (0.0,) * 4
    priors = Priors(mean_location=np.array(where)[:, None])
    data = as_dataset(np.random.default_rng(1).normal(size=(60, 1)))
    target = LogPosterior(resolve(MixtureSpec(4, priors=priors, resolution=0), data), data.values)
    rng = np.random.default_rng(3)
    centres = np.zeros(target.dim)
    centres[target.slices["means"]] = [-1.0, 0.0, 0.7, 5.0]
    draws = centres + 0.3 * rng.standard_normal((600, target.dim))
    fit = fit_proposal(target, draws, seed=1)
    reference = fit.log_density(draws)
    counted = 0
    for order in target.resolved.groups.orders():
        turned = draws @ permutation_matrix(target, order).T
        for mean, factor, weight in zip(fit.means, fit.factors, fit.weights, strict=True):
            term = multivariate_normal(mean, factor @ factor.T).logpdf(turned) + np.log(weight)
            counted += bool((term - reference).max() > NEGLIGIBLE)
    kept = fit.symmetrised(target, draws)
    assert len(kept.constants) == counted
    assert 1 < counted < len(list(target.resolved.groups.orders())) * len(fit.weights)


def test_draws_have_no_recording_error():
    """A coordinate that takes two values has a variance below that of rounding to them."""
    draws = np.random.default_rng(5).standard_normal((400, 3))
    draws[:, 1] = np.arange(400) < 8
    fit = _gaussians(draws, 1, seed=1)
    np.testing.assert_allclose(fit.covariances[0], np.cov(draws.T, ddof=0), rtol=1e-9)


@pytest.mark.parametrize("size", [1, _BLOCK, _BLOCK + 2])
def test_every_point_gets_its_ratio(size):
    data = as_dataset(FAITHFUL)
    target = LogPosterior(resolve(MixtureSpec(1), data), data.values)
    rng = np.random.default_rng(3)
    proposal = fit_proposal(target, 0.1 * rng.standard_normal((400, target.dim)), seed=1)
    points = 0.1 * rng.standard_normal((size, target.dim))
    ratios = log_ratios(target, proposal, points)
    some = np.unique([0, size // 2, size - 2, size - 1]) % size
    values = [target.evaluate(points[i]).value for i in some]
    np.testing.assert_allclose(ratios[some], values - proposal.log_density(points[some]))
    assert np.isfinite(ratios).all() and np.abs(ratios - np.median(ratios)).max() < 1e4


def test_a_bridges_error_is_the_spread_of_its_values():
    """Two Normals, one unnormalised by 7 nats; a spread of 400 values has an error of 3.5 %."""
    rng = np.random.default_rng(4)
    p, q = norm(0.0, 1.0), norm(0.7, 1.4)

    def once():
        points = p.rvs((4, 100), random_state=rng), q.rvs(400, random_state=rng)
        return log_ratio(*(7.0 + p.logpdf(x) - q.logpdf(x) for x in points))

    values, errors = np.array([once() for _ in range(400)]).T
    assert abs(values.mean() - 7.0) < 4 * values.std() / 20.0
    assert errors.mean() == pytest.approx(values.std(), rel=0.15)


def test_the_evidence_is_that_of_the_data_in_their_own_units():
    scaled = sample(standardised(), 2, seed=7)
    raw = sample(FAITHFUL, 2, seed=7)
    shift = 272 * np.log(as_dataset(FAITHFUL).spread()).sum()
    ours, theirs = log_evidence(raw, seed=1), log_evidence(scaled, seed=1)
    assert ours.value + shift == pytest.approx(theirs.value, abs=4 * (ours.error + theirs.error))


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_permutations_of_coordinates_are_those_of_parameters(covariance):
    rng = np.random.default_rng(1)
    data = as_dataset(rng.standard_normal((20, 3)))
    target = LogPosterior(resolve(MixtureSpec(3, covariance=covariance), data), data.values)
    x, order = 0.5 * rng.standard_normal((1, target.dim)), np.array([2, 0, 1])
    permuted = target.constrain(x).permuted(order[None])
    np.testing.assert_allclose(
        x @ permutation_matrix(target, order).T, target.unconstrain(permuted), atol=1e-12
    )
    value = target.evaluate(target.unconstrain(permuted)[0]).value
    assert value == pytest.approx(target.evaluate(x[0]).value, rel=1e-12)


def test_unequal_concentrations_carry_no_factor_for_labels():
    fixed = {key: value for key, value in FIXED.to_dict().items() if key != "concentration"}
    priors = Priors(concentration=(6.0, 1.5), **fixed)
    model = MixtureSpec(2, priors=priors, resolution=0)
    posterior = sample(EIGHT[:, None], model, seed=4, relabel=None, draws=2000)
    result = log_evidence(posterior, seed=1)
    expected = evidence_by_enumeration(EIGHT, 2, priors.concentration)
    assert abs(result.value - expected) < 4 * result.error
    assert result.error < 0.1


def test_too_few_draws_and_one_component_are_refused():
    posterior = sample(FAITHFUL, 1, draws=5, seed=1)
    with pytest.raises(ConfigError, match="needs at least 40 draws, got 20"):
        log_evidence(posterior)
    with pytest.raises(ConfigError, match="at least 2 components") as caught:
        nobile_step(Draws(posterior))
    assert caught.value.n_components == 1


def test_a_users_own_model_has_no_evidence(eight):
    own = eight.copy()
    own.attrs = {name: text for name, text in eight.attrs.items() if name != "resolved"}
    with pytest.raises(ConfigError, match="user's own model, whose normalised density"):
        log_evidence(own)


def test_an_untrusted_error_is_infinite(eight):
    result = log_evidence(eight, seed=1)
    assert result.with_error(math.inf).error == math.inf
    assert result.with_error(math.inf).value == result.value
