"""Modes of the posterior: climbs, labels, Laplace masses, and chains that start at all of them."""

import itertools
import math

import numpy as np
import pytest
import xarray as xr
from scipy.special import logsumexp

from bayesgmm.data import Dataset, as_dataset
from bayesgmm.diagnosis import diagnose
from bayesgmm.evidence import log_evidence
from bayesgmm.fit import fit_em
from bayesgmm.likelihood.climbing import curvatures
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.model.components import SAMPLED
from bayesgmm.model.parameters import Parameters
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import MixtureSpec, Priors
from bayesgmm.posterior import load, save
from bayesgmm.sampling import mode_search, sample
from bayesgmm.sampling.chain_starts import chains_of
from bayesgmm.sampling.mode_search import find_modes
from bayesgmm.sampling.posterior_modes import (
    KnownShapes,
    Labelling,
    climb,
    climbed_mode,
    distinct_modes,
    laplace_shares,
    mode_at,
)
from bayesgmm.sampling.stored_modes import GROUP, group_of_modes, modes_of
from tests.support.places import CASES
from tests.support.simulated_runs import clustered


def target_of(data, spec):
    return LogPosterior(resolve(spec, data), data.values)


def hessian_of(target, x, h=1e-3):
    """Second differences of the value alone."""
    eye = h * np.eye(len(x))

    def value(move):
        return target.evaluate(x + move).value

    out = np.empty((len(x), len(x)))
    for i, j in itertools.product(range(len(x)), repeat=2):
        up, down = value(eye[i] + eye[j]), value(-eye[i] - eye[j])
        out[i, j] = (up - value(eye[i] - eye[j]) - value(eye[j] - eye[i]) + down) / (4 * h * h)
    return out


@pytest.mark.parametrize("covariance", SAMPLED)
def test_a_climb_ends_where_the_density_is_flat_and_curved_down(covariance, iris):
    data = as_dataset(iris.values[:, :2])
    target = target_of(data, MixtureSpec(2, covariance))
    mode = find_modes(target, data, 1)[0]
    evaluation = target.evaluate(mode.x)
    assert np.abs(evaluation.gradient).max() < 1e-3
    assert mode.log_density == evaluation.value
    np.testing.assert_allclose(mode.precision, -hessian_of(target, mode.x), atol=0.02, rtol=1e-3)
    assert np.linalg.eigvalsh(mode.precision).min() > 0.1
    around = mode.x + 0.05 * np.random.default_rng(1).normal(size=(50, target.dim))
    assert max(target.evaluate(x).value for x in around) < mode.log_density


def test_labels_are_permuted_as_parameters_are(iris):
    data = as_dataset(iris.values[:, :3])
    for covariance in SAMPLED:
        target = target_of(data, MixtureSpec(3, covariance))
        x = np.random.default_rng(1).normal(size=target.dim)
        parameters = target.constrain(x[None])
        for order in map(np.array, itertools.permutations(range(3))):
            theirs = target.unconstrain(parameters.permuted(order[None]))[0]
            np.testing.assert_allclose(Labelling(target).permuted(x, order), theirs, atol=1e-9)


def test_the_labels_nearest_to_a_mode_cut_the_space_into_equal_parts(faithful):
    """Of the K! labellings of a point exactly one is its own."""
    target = target_of(faithful, MixtureSpec(3))
    mode, labelling = find_modes(target, faithful, 1)[0], Labelling(target)
    points = mode.x + np.random.default_rng(1).normal(size=(40, target.dim))
    orders = [np.array(order) for order in itertools.permutations(range(3))]
    own = [labelling.matched(mode, np.array([labelling.permuted(x, order) for x in points]))[1]
           for order in orders]  # fmt: skip
    np.testing.assert_array_equal(np.sum(own, axis=0), 1)
    brought = labelling.matched(mode, points)[0]

    def cost(x):
        return labelling.costs(mode, x[None])[0].trace()

    nearest = [min(cost(labelling.permuted(x, order)) for order in orders) for x in points]
    np.testing.assert_allclose([cost(x) for x in brought], nearest)


def test_the_multiplicity_counts_distinct_labellings(acidity):
    """At K = 6 the best mode of K = 4 is one too, one of its clusters being there three times."""
    four, target = (target_of(acidity, MixtureSpec(k)) for k in (4, 6))
    order = [0, 1, 1, 1, 2, 3]
    best = four.constrain(find_modes(four, acidity, 1)[0].x[None])
    thrice = Parameters(
        best.weights[:, order] / np.bincount(order)[order],
        *(value[:, order] for value in best[1:5]),
    )
    modes, labelling = find_modes(target, acidity, 1), Labelling(target)
    modes.append(mode_at(target, target.unconstrain(thrice)[0]))
    assert modes[-1].multiplicity == math.factorial(6) // math.factorial(3)
    assert modes[0].multiplicity == math.factorial(6)
    for mode in modes:
        orders = map(np.array, itertools.permutations(range(6)))
        points = {tuple(labelling.permuted(mode.x, order).round(2)) for order in orders}
        assert len(points) == mode.multiplicity
    relabelled = mode_at(target, labelling.permuted(modes[0].x, np.arange(6)[::-1]))
    assert len(distinct_modes(target, [*modes, relabelled])) == len(modes)


def test_laplace_masses_add_up_to_the_evidence():
    """60 rows per cluster: the posterior is nearly Normal, all labellings counted."""
    data, _ = clustered(3, n_obs=60)
    target = target_of(data, MixtureSpec(3))
    total = logsumexp([mode.log_mass for mode in find_modes(target, data, 1)])
    evidence = log_evidence(sample(data, 3, draws=500, seed=1), seed=1)
    assert total - len(data.values) * target.resolved.log_unit == pytest.approx(
        evidence.value, abs=0.5
    )


def test_a_climb_leaves_the_saddle_where_all_components_are_one():
    data, truth = clustered(2)
    target = target_of(data, MixtureSpec(2))
    x = np.zeros(target.dim)
    saddle, value = climb(target, x)
    assert mode_at(target, saddle).multiplicity == 1
    mode = climbed_mode(target, x)
    assert mode.log_density > value + 50.0 and mode.multiplicity == 2
    means = np.sort(target.constrain(mode.x[None]).means[0], axis=0)
    np.testing.assert_allclose(means, truth.means, atol=0.6)


def test_climbs_start_from_every_optimum_believed_or_not(monkeypatch):
    """Of partitions none may lead to the mode that a list of believed optima would lack."""
    data = Dataset.from_csv(CASES / "months3.csv")
    target = target_of(data, MixtureSpec(2))
    fit = fit_em(data, target.resolved.spec, seed=1, n_starts=24)
    monkeypatch.setattr(mode_search, "_partitions", lambda *args: [])
    started = []

    def record(log_posterior, data, points, known=()):
        started.extend(points)
        return []

    monkeypatch.setattr(mode_search, "modes_from", record)
    mode_search.find_modes(target, data, 1)
    means = [target.constrain(x[None]).means[0] for x in started]
    for optimum in fit.optima:
        assert any(np.allclose(m, optimum.parameters.means) for m in means)
    assert len(fit.optima) > 1


def test_without_recording_error_spikes_on_ties_are_no_modes(iris):
    """29 rows share a petal width: their spike is 170 nats above the regular modes."""
    spec = MixtureSpec(3, resolution=0)
    target = target_of(iris, spec)
    modes = find_modes(target, iris, 1)
    h = 0.4 * iris.smallest_gaps()
    for mode in modes:
        covariances = target.constrain(mode.x[None]).covariances[0]
        assert np.linalg.eigvalsh(covariances - np.diag(h**2)).min() >= 0.0
    evidence = modes[0].log_mass - len(iris.values) * target.resolved.log_unit
    assert evidence == pytest.approx(-299.2, abs=0.5)


def test_half_normal_scales_on_ties_have_poles_and_climbs_into_them_are_dropped():
    rows = np.concatenate([np.zeros((20, 1)), np.random.default_rng(1).normal(5.0, 1.0, (40, 1))])
    data = as_dataset(rows)
    target = target_of(data, MixtureSpec(2, priors=Priors(scale_family="halfnormal"), resolution=0))
    spike = target.constrain(np.array([[0.0, -1.5, 0.5, -8.0, -1.0]]))
    assert climbed_mode(target, target.unconstrain(spike)[0]) is None


def test_each_labelling_is_a_mode_where_the_prior_tells_labels_apart():
    data, _ = clustered(2)
    target = target_of(data, MixtureSpec(2, priors=Priors(concentration=(1.0, 3.0))))
    modes = find_modes(target, data, 1)
    assert len(modes) == 2 and [mode.multiplicity for mode in modes] == [1, 1]
    swapped = Labelling(target).permuted(modes[0].x, np.array([1, 0]))
    assert np.abs(swapped - modes[1].x).max() < 0.2


@pytest.mark.parametrize(
    ("shares", "chains", "counts"),
    [
        ([1.0], 4, [4]),
        ([0.98, 0.02], 4, [3, 1]),
        ([0.6, 0.4], 4, [2, 2]),
        ([0.995, 0.005], 4, [4, 0]),
        ([0.5, 0.3, 0.1, 0.06, 0.04], 4, [1, 1, 1, 1, 0]),
        ([0.04, 0.06, 0.1, 0.3, 0.5], 2, [0, 0, 0, 1, 1]),
        ([0.7, 0.3], 1, [1, 0]),
        ([0.4, 0.35, 0.25], 8, [3, 3, 2]),
    ],
)
def test_chains_are_dealt_out_by_mass(shares, chains, counts):
    assert chains_of(np.array(shares), chains).tolist() == counts


def test_modes_are_kept_with_the_run(faithful, tmp_path):
    target = target_of(faithful, MixtureSpec(3))
    modes = find_modes(target, faithful, 1)
    tree = sample(faithful, 3, draws=50, tune=200, chains=2, seed=1)
    tree = tree.assign({GROUP: xr.DataTree(group_of_modes(target, modes))})
    again = load(save(tree, tmp_path / "modes.nc"))
    group = again["posterior_modes"].to_dataset()
    np.testing.assert_array_equal(group["share"], laplace_shares(modes))
    assert (np.diff(group["means"][:, :, 0], axis=1) > 0).all()
    densities = target.evaluate(modes[0].x).value + target.value_shift
    assert group["log_posterior"].values[0] == pytest.approx(densities, abs=1e-9)
    for old, new in zip(modes, modes_of(again, target), strict=True):
        assert Labelling(target).is_at(old, new.x, new.log_density)
        assert new.log_mass == pytest.approx(old.log_mass, abs=1e-4)


@pytest.mark.parametrize("seed", [1, 2])
def test_chains_start_in_the_main_mode_of_an_integer_column(seed):
    """A group in which an integer column is constant: no list of regular optima holds that mode.

    The evidence by sequential Monte Carlo is -1582.74; the other mode is 83 nats below.
    """
    data = Dataset.from_csv(CASES / "months3.csv")
    tree = sample(data, 2, seed=seed)
    means = tree["posterior"]["means"].mean(("chain", "draw")).values[:, 0]
    np.testing.assert_allclose(means, [8.95, 11.95], atol=0.05)
    assert log_evidence(tree, seed=1).value == pytest.approx(-1582.74, abs=0.15)
    assert diagnose(tree).ok


def test_zeros_are_a_component_of_their_own():
    tree = sample(Dataset.from_csv(CASES / "zero.csv"), 2, draws=200, tune=500, seed=1)
    posterior = tree["posterior"].mean(("chain", "draw"))
    np.testing.assert_allclose(posterior["means"].values[:, 0], [0.0, 30.0], atol=0.5)
    np.testing.assert_allclose(posterior["weights"].values, [0.4, 0.6], atol=0.02)
    modes = tree["posterior_modes"].to_dataset()
    assert float(modes["log_mass"][0]) == pytest.approx(log_evidence(tree, seed=1).value, abs=1.5)
    h = tree["constant_data"]["resolution"].item()
    assert tree["posterior"]["scales"].values[..., 0, 0].mean() < h


def test_two_groups_of_months():
    data = Dataset.from_csv(CASES / "months2.csv")
    tree = sample(data, 2, seed=1)
    weights = tree["posterior"]["weights"].mean(("chain", "draw")).values
    assert weights.min() > 0.3 and diagnose(tree).ok


def test_draws_of_a_mode_are_climbed_with_its_metric_in_its_labels(faithful):
    target = target_of(faithful, MixtureSpec(2))
    mode = find_modes(target, faithful, 1)[0]
    shapes, labelling = KnownShapes(target, [mode]), Labelling(target)
    spread = np.linalg.cholesky(np.linalg.inv(mode.precision))
    draws = mode.x + np.random.default_rng(1).normal(size=(20, target.dim)) @ spread.T
    near = [shapes.near(labelling.permuted(x, np.array([1, 0]))) for x in draws]
    assert sum(pair is not None for pair in near) > 15
    for x, pair in zip(draws, near, strict=True):
        if pair is not None:
            np.testing.assert_allclose(pair[0], x, atol=1e-9)
            np.testing.assert_allclose(pair[1] @ mode.precision, np.eye(target.dim), atol=1e-6)
    assert shapes.near(np.zeros(target.dim)) is None, "a saddle, where all components are one"


def test_rough_curvature_is_near_the_exact_one(faithful):
    target = target_of(faithful, MixtureSpec(2))
    x = find_modes(target, faithful, 1)[0].x + 0.05
    exact, rough = (curvatures(target, x[None], rough=each)[0] for each in (False, True))
    assert not np.array_equal(exact, rough)
    np.testing.assert_allclose(rough, exact, rtol=1e-2, atol=1e-3 * np.abs(exact).max())
