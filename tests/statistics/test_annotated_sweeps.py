"""Gibbs sweeps and sequential Monte Carlo where rows lack cells, count often, or have labels."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, chisquare

import bayesgmm as bg
from bayesgmm.data import as_dataset
from bayesgmm.errors import DataError
from bayesgmm.likelihood.annotated_rows import AnnotatedRows, table_of
from bayesgmm.likelihood.compiled.augmentation import binomial
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.likelihood.sweeps import first_rows, sweep
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import COVARIANCES, MixtureSpec, Priors
from bayesgmm.sampling.smc import draw_prior, temper
from tests.support.few import few
from tests.support.few_annotated_rows import INDEPENDENT, known
from tests.support.places import REFERENCE

pytestmark = pytest.mark.filterwarnings("ignore::bayesgmm.errors.DataWarning")

GONE = [(0, 2), (1, 0), (2, 1), (2, 2), (3, 0), (3, 1), (3, 2), (4, 0), (4, 1), (4, 2), (6, 1)]
ERRORS = np.zeros((12, 3))
ERRORS[5], ERRORS[6], ERRORS[7] = (0.5, 0.0, 1.0), (2.0, 0.3, 0.7), (0.0, 0.6, 0.0)
PRIORS = Priors(mean_location=0.5, mean_scale=2.0, scale=0.7, scale_sigma=0.6, units="data")


def simulated(target, x, rng):
    """Twelve rows made by the parameters at x (dim,), with what is known of them.

    Labels of rows 3, 7 and 8 are known, and of row 9 whether it is the last; or these four were
    picked for them.
    """
    weights, means, _, _, covariances = (value[0] for value in target.constrain(x[None])[:5])
    labels = rng.choice(3, size=12, p=weights)
    allowed = np.ones((12, 3), dtype=bool)
    if target.resolved.spec.labels_inform_weights:
        allowed[[3, 7, 8]] = np.arange(3) == labels[[3, 7, 8], None]
        allowed[9] = (np.arange(3) < 2) == (labels[9] < 2)
    else:
        allowed[[3, 7, 8, 9]] = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 1]]
        labels[[3, 7, 8]] = 0, 1, 2
        labels[9] = rng.choice(3, p=weights * allowed[9] / weights[1:].sum())
    values = np.array([rng.multivariate_normal(means[k], covariances[k]) for k in labels])
    values += ERRORS * rng.standard_normal(ERRORS.shape)
    values[tuple(np.transpose(GONE))] = np.nan
    return AnnotatedRows(values, None, allowed, ERRORS)


def largest_drift(covariance, n_sets, n_sweeps, seed, **options):
    """Largest z of what sweeps change in draws of the prior, given rows that those have made.

    Rows and parameters have then their joint distribution, before the sweeps and after them
    (Geweke 2004), and so the coordinates and their squares keep their means.
    """
    rng = np.random.default_rng(seed)
    spec = MixtureSpec(3, covariance, PRIORS, resolution=0.25, **options)
    resolved = resolve(spec, as_dataset(rng.normal(size=(30, 3))))
    prior = LogPosterior(resolved, np.empty((0, 3)))
    points = draw_prior(prior, n_sets, rng)
    ends, accepted = np.empty_like(points), np.empty(n_sets)
    for i, x in enumerate(points):
        target = LogPosterior(resolved, simulated(prior, x, rng))
        states = np.empty((1, n_sweeps + 1, target.dim))
        states[0, 0] = x
        accepted[i] = sweep(target, states, 0.7, 2, i)[0]
        ends[i] = states[0, -1]
    assert accepted.mean() > 0.5 and (ends != points).any(axis=1).all()
    z = (np.stack([points, ends]) - points.mean(axis=0)) / points.std(axis=0)
    moved = np.concatenate([z[1] - z[0], z[1] ** 2 - z[0] ** 2], axis=1)
    return np.abs(moved.mean(axis=0) / (moved.std(axis=0) / np.sqrt(n_sets))).max()


@pytest.mark.parametrize("covariance", few(COVARIANCES, {"full", "shared_scales"}))
def test_sweeps_keep_rows_and_parameters_in_their_joint_distribution(covariance):
    assert largest_drift(covariance, 300, 20, seed=1) < 4.5


def test_rows_that_were_picked_for_their_labels_leave_the_weights_to_the_others():
    assert largest_drift("diag", 600, 20, seed=1, labels_inform_weights=False) < 4.5


@pytest.mark.slow
@pytest.mark.parametrize("covariance", COVARIANCES)
def test_sweeps_keep_the_joint_distribution_of_many_sets(covariance):
    assert largest_drift(covariance, 5000, 20, seed=2) < 4.5


@pytest.mark.parametrize(("n", "p"), [(1, 0.3), (17, 0.2), (60, 0.5), (1000, 0.93)])
def test_numbers_of_labels_are_binomial(n, p):
    drawn = np.array([binomial(n, p) for _ in range(4000)])
    cuts = np.unique(binom(n, p).ppf([0.1, 0.3, 0.5, 0.7, 0.9]))
    below = np.searchsorted(cuts, drawn)
    expected = np.diff(np.concatenate([[0.0], binom(n, p).cdf(cuts), [1.0]]))
    seen = np.bincount(below, minlength=len(expected))
    full = expected > 0.0
    assert seen[~full].sum() == 0
    assert chisquare(seen[full], 4000 * expected[full]).pvalue > 1e-4


def test_no_label_and_all_labels():
    assert [binomial(n, p) for n in (0, 1, 500) for p in (0.0, 1.0)] == [0, 0, 0, 1, 0, 500]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(("missing", "errors"), marks=pytest.mark.slow),
        pytest.param(("weights",), marks=pytest.mark.slow),
        ("missing", "weights", "labels", "errors"),
    ],
)
def test_the_second_route_gives_the_sum_over_all_allocations(options):
    data, expected = known(*options)
    posterior = bg.sample(data, INDEPENDENT, draws=5, tune=50, log_likelihood=False, seed=1)
    evidence = bg.smc_evidence(posterior, n_particles=512, seed=1)
    assert evidence.error < 0.02
    assert evidence.value == pytest.approx(expected, abs=4 * evidence.error)


@pytest.mark.slow
@pytest.mark.parametrize("options", [("missing",), ("weights",), ("labels",)], ids=" and ".join)
def test_both_routes_are_within_one_per_cent_of_the_sum_over_all_allocations(options):
    """Errors of 0.0035 nats at most, so that 1 % is about three of them; Monte Carlo ten times."""
    data, expected = known(*options)
    posterior = bg.sample(data, INDEPENDENT, draws=20_000, log_likelihood=False, seed=1)
    bridge = bg.log_evidence(posterior, seed=1)
    runs = [bg.smc_evidence(posterior, seed=seed) for seed in range(10)]
    mean = float(np.mean([run.value for run in runs]))
    error = math.hypot(*(run.error for run in runs)) / len(runs)
    assert bridge.error < 0.0035 and error < 0.0035
    assert [bridge.value, mean] == pytest.approx([expected] * 2, abs=math.log(1.01))


def test_the_mean_of_the_runs_is_unbiased():
    """Of rows with all that may be known, before anything is refined."""
    data, expected = known("missing", "weights", "labels", "errors")
    target = LogPosterior(resolve(INDEPENDENT, data), table_of(data, 2))
    run = temper(target, n_particles=512, seed=2)
    assert run.error < 0.1
    assert run.log_evidence == pytest.approx(expected, abs=4 * run.error)


def test_rows_that_count_often_come_in_evenly():
    """The posterior of the first parts is that of a table that looks like the whole one."""
    weights = np.array([0.0, 1.0, 900.0, 40.0, 60.0, 1.0])
    rows = AnnotatedRows(np.arange(6.0)[:, None], weights)
    target = LogPosterior(resolve(MixtureSpec(2), as_dataset(np.arange(6.0)[:, None])), rows)
    beginning = first_rows(target, np.arange(6))
    assert len(beginning) < 150
    seen = []
    for n in range(1, len(beginning) + 1):
        seen.append(np.bincount(beginning._places[:n], beginning._counts[:n], minlength=6))
    np.testing.assert_array_equal(seen[-1], weights)
    assert beginning._counts[:5].tolist() == [1.0] * 5
    for taken in seen[10:]:
        share = taken[2:5] / weights[2:5]
        assert np.ptp(share) < 0.15


@pytest.mark.slow
def test_weights_of_a_histogram_have_both_routes():
    """Steps in which one row came whole, several hundred times, would lose every particle."""
    heights = np.array([3, 20, 90, 200, 180, 60, 20, 60, 150, 90, 30, 4])
    table = pd.DataFrame({"x": np.arange(12.0)})
    data = bg.Dataset.from_frame(table, weights=heights, weights_kind="frequency")
    posterior = bg.sample(data, 2, draws=500, log_likelihood=False, seed=1)
    bridge, tempered = bg.log_evidence(posterior, seed=1), bg.smc_evidence(posterior, seed=1)
    assert bridge.error < 0.05 and tempered.error < 0.1
    assert abs(bridge.value - tempered.value) < 3 * np.hypot(bridge.error, tempered.error)


def test_weights_that_are_no_numbers_of_rows_have_no_labels():
    rows = AnnotatedRows(np.arange(6.0)[:, None], np.array([1.0, 0.5, 2.0, 1.0, 1.0, 1.0]))
    target = LogPosterior(resolve(MixtureSpec(2), as_dataset(np.arange(6.0)[:, None])), rows)
    with pytest.raises(DataError, match="a survey's weights give a pseudo-likelihood"):
        sweep(target, np.zeros((1, 2, target.dim)), 0.1, 2, 1)
    with pytest.raises(DataError, match="a survey's weights give a pseudo-likelihood"):
        temper(target, n_particles=64, n_runs=4, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("n_components", [1, 2, 3])
def test_both_routes_agree_where_cells_are_missing(n_components):
    table = pd.read_csv(REFERENCE / "airquality.csv")
    data = bg.Dataset.from_frame(table.assign(Ozone=np.log(table["Ozone"])), missing="mar")
    posterior = bg.sample(data, n_components, draws=1000, seed=1)
    bridge, tempered = bg.log_evidence(posterior, seed=1), bg.smc_evidence(posterior, seed=1)
    assert abs(bridge.value - tempered.value) < 3 * np.hypot(bridge.error, tempered.error)
