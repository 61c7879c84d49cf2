"""Predictions for rows with missing cells, weights, labels and errors, against brute force."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

import bayesgmm as bg
from bayesgmm.model.parameters import Parameters
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.observed import observed_group
from bayesgmm.prediction.partition_search import LOSSES, best_partition, losses, placed
from tests.support.prediction_draws import posterior_of, random_parameters

N = 36
TIMES = np.arange(N) % 4  # every fourth row does not count
NAMES = ("low", "middle", "high")


@pytest.fixture(scope="module")
def parameters():
    return random_parameters(80, 3, 2, seed=4)


@pytest.fixture(scope="module")
def values():
    return np.random.default_rng(2).normal(4.0, 3.0, size=(N, 2))


def posterior_for(parameters, data):
    """Draws beside the rows of an annotated data set; clusters have the names of its classes."""
    tree = posterior_of(parameters, data.values)
    tree["observed_data"] = xr.DataTree(observed_group(data))
    if data.annotations.classes:
        named = tree["posterior"].to_dataset().assign_coords(cluster=list(NAMES))
        tree["posterior"] = xr.DataTree(named)
    return tree


def frame(values):
    return pd.DataFrame(values, columns=["x1", "x2"])


def incomplete(values, **options):
    rows = values.copy()
    rows[::3, 1], rows[1::9, 0] = np.nan, np.nan
    return bg.Dataset.from_frame(frame(rows), missing="mar", **options)


def test_densities_are_those_of_the_observed_cells_with_their_errors(parameters, values):
    labels = [NAMES[i % 3] if i % 2 else None for i in range(N)]
    errors = 0.3 + 0.1 * (np.arange(N) % 3)
    data = incomplete(
        values, labels=pd.Categorical(labels, NAMES), weights=TIMES, weights_kind="frequency",
        errors={"x2": errors},
    )  # fmt: skip
    posterior = posterior_for(parameters, data)
    found = bg.log_density(posterior)
    weights, means, _, _, covariances = parameters[:5]
    for i in range(0, N, 5):
        seen = np.flatnonzero(~np.isnan(data.values[i]))
        added = np.diag([0.0, errors[i] ** 2])[np.ix_(seen, seen)]
        logs = [
            np.log(weights[s, k])
            + multivariate_normal(
                means[s, k, seen], covariances[s, k][np.ix_(seen, seen)] + added
            ).logpdf(data.values[i, seen])
            for s in range(80)
            for k in range(3)
        ]
        assert found["mean"][i] == pytest.approx(logsumexp(logs) - np.log(80), abs=1e-9)
    np.testing.assert_allclose(bg.log_density(posterior, data)["mean"], found["mean"], atol=1e-12)


def test_the_grid_reaches_over_observed_cells_that_count(parameters, values):
    far = values.copy()
    far[0] = 1e3
    data = incomplete(far, weights=TIMES, weights_kind="frequency")
    posterior = posterior_for(parameters, data)
    grid = bg.density_grid(posterior, "x2")
    column = data.values[TIMES > 0, 1]
    low, high = np.nanmin(column), np.nanmax(column)
    assert grid["x"].values[[0, -1]] == pytest.approx(
        [1.1 * low - 0.1 * high, 1.1 * high - 0.1 * low]
    )
    plain = bg.density_grid(posterior_of(parameters, values), "x2", limits=[(low, high)])
    same = bg.density_grid(posterior, "x2", limits=[(low, high)])
    np.testing.assert_allclose(same["mean"], plain["mean"], rtol=1e-12)


def all_partitions(n):
    found = [[0]]
    for _ in range(n - 1):
        found = [[*labels, k] for labels in found for k in range(max(labels) + 2)]
    return np.array(found)


@pytest.mark.parametrize("loss", ["vi", "binder"])
@pytest.mark.parametrize("seed", range(4))
def test_search_with_copies_finds_the_best_of_all_partitions(loss, seed):
    """All 203 partitions of 6 rows, each written out as often as it counts."""
    times = np.array([1, 3, 1, 2, 4, 1])
    sampled = np.random.default_rng(seed).integers(3, size=(12, 25)).astype(np.int16)
    definition = LOSSES[loss](12)
    each = [losses(np.repeat(p, times), sampled, definition).mean() for p in all_partitions(6)]
    firsts = times.cumsum() - times
    starts = [np.full(6, -1)] * 10 + [sampled[firsts, s].astype(np.int64) for s in range(5)]
    seeds = np.random.SeedSequence(1)
    labels, expected = best_partition(sampled, definition, starts, 6, seeds, times)
    assert expected == pytest.approx(min(each), abs=1e-12)
    own = losses(np.repeat(labels, times), sampled, definition).mean()
    assert own == pytest.approx(min(each), abs=1e-12)


@pytest.mark.parametrize("loss", ["vi", "binder"])
def test_rows_that_do_not_count_go_where_they_would_add_least(loss):
    rng = np.random.default_rng(3)
    labels, sampled = rng.integers(3, size=20), rng.integers(4, size=(20, 9)).astype(np.int16)
    others = rng.integers(5, size=(6, 9)).astype(np.int16)
    found = placed(labels, sampled, others, loss)
    scale = {"vi": 21.0, "binder": 21.0**2}[loss]
    for row, place in zip(others, found, strict=True):
        with_row = np.vstack([sampled, row])
        each = [
            losses(np.append(labels, k), with_row, LOSSES[loss](21)).mean() * scale
            for k in range(3)
        ]
        assert each[place] == pytest.approx(min(each), abs=1e-9)


def test_a_row_counts_in_a_partition_as_often_as_its_weight_says(parameters, values):
    """Binder's expected loss against exact pair probabilities of the rows written out."""
    data = incomplete(values, weights=TIMES, weights_kind="frequency")
    posterior = posterior_for(parameters, data)
    found = bg.partition(posterior, "binder", seed=3)
    draws = Draws(posterior)
    shares = draws.responsibilities(draws.table)
    owner = np.repeat(np.arange(N), TIMES)
    together = np.einsum("ski,skj->ij", shares, shares)[np.ix_(owner, owner)] / 80
    np.fill_diagonal(together, 1.0)
    labels = found.labels[owner]
    exact = np.abs((labels[:, None] == labels) - together).mean()
    assert found.expected_loss == pytest.approx(exact, abs=0.03)
    counted = [
        np.average(np.nan_to_num(data.values[:, 0]), weights=w)
        for w in (
            TIMES * (found.labels == k) * ~np.isnan(data.values[:, 0]) for k in np.unique(labels)
        )
    ]
    assert counted == sorted(counted) and len(found.labels) == N
    assert set(found.labels) == set(labels)  # rows that do not count make no cluster
    assert found.ball.coarsest.shape == (N,)


def test_more_rows_than_memory_holds_are_refused_before_they_are_written_out(parameters, values):
    times = np.full(N, 10**12)
    data = bg.Dataset.from_frame(frame(values), weights=times, weights_kind="frequency")
    posterior = posterior_for(parameters, data)
    for verb in (bg.partition, bg.posterior_predictive):
        with pytest.raises(bg.ResourceError, match="of 36000000000000 rows would take"):
            verb(posterior)


def test_known_labels_hold_in_partitions(parameters, values):
    labels = [NAMES[i % 3] if i % 2 else None for i in range(N)]
    data = incomplete(values, labels=pd.Categorical(labels, NAMES))
    found = bg.partition(posterior_for(parameters, data), seed=1)
    for name in NAMES:
        (own,) = {found.labels[i] for i in range(N) if labels[i] == name}
        assert own > 0
    assert found.n_clusters == 3


def test_replicates_keep_what_is_known_of_each_row(values):
    """One draw whose clusters lie far apart, of scale 1: cells tell cluster and error."""
    means = np.tile(np.array([[0.0, 0.0], [100.0, 100.0], [200.0, 200.0]]), (80, 1, 1))
    unit, squares = np.ones((80, 3, 2)), np.tile(np.eye(2), (80, 3, 1, 1))
    weights = np.tile([0.2, 0.3, 0.5], (80, 1))
    apart = Parameters(weights, means, unit, squares, squares)
    labels = [("low", "low|high", None)[i % 3] for i in range(N)]
    data = incomplete(
        values, labels=labels, weights=TIMES, weights_kind="frequency",
        errors={"x2": np.where(np.arange(N) % 2, 3.0, 0.5)},
    )  # fmt: skip
    assert data.annotations.classes == ("high", "low")
    posterior = posterior_for(apart, data)
    posterior["posterior"] = xr.DataTree(
        posterior["posterior"].to_dataset().assign_coords(cluster=["high", "low", "3"])
    )
    group = bg.posterior_predictive(posterior, 80, seed=1)["posterior_predictive"].to_dataset()
    owner = group["obs"].values
    np.testing.assert_array_equal(owner, np.repeat(np.arange(N), TIMES))
    x = group["x"].values.reshape(80, len(owner), 2)
    np.testing.assert_array_equal(
        np.isnan(x), np.broadcast_to(np.isnan(data.values[owner]), x.shape)
    )
    cluster = np.rint(np.nanmax(x, axis=2) / 100.0)
    assert (cluster[:, owner % 3 == 0] == 1).all()
    of_two = cluster[:, owner % 3 == 1]
    assert set(np.unique(of_two)) == {0, 1}
    assert (of_two == 0).mean() == pytest.approx(0.4, abs=0.04)  # 0.2 of 0.2 + 0.3
    off = x[..., 1] - 100.0 * np.rint(x[..., 1] / 100.0)
    for parity, error in ((0, 0.5), (1, 3.0)):
        spread = np.nanstd(off[:, owner % 2 == parity])
        assert spread == pytest.approx(np.hypot(1.0, error), rel=0.06)
    assert np.nanstd(x[..., 0] - 100.0 * np.rint(x[..., 0] / 100.0)) == pytest.approx(1.0, rel=0.06)


def test_the_weights_of_a_survey_are_no_numbers_of_rows(parameters, values):
    weights = np.linspace(0.0, 2.0, N)
    data = bg.Dataset.from_frame(frame(values), weights=weights, weights_kind="sampling")
    posterior = posterior_for(parameters, data)
    group = bg.posterior_predictive(posterior, 8, seed=1)["posterior_predictive"].to_dataset()
    assert group["obs"].values.tolist() == list(range(1, N))
    assert len(bg.partition(posterior, seed=1).labels) == N


def test_simulated_rows_and_overlaps_are_of_the_population(parameters, values):
    posterior = posterior_for(
        parameters, incomplete(values, weights=TIMES, weights_kind="frequency")
    )
    plain = posterior_of(parameters, values)
    one, other = (bg.simulate(tree, 50, seed=1) for tree in (posterior, plain))
    assert one.equals(other)
    np.testing.assert_allclose(
        bg.overlap(posterior)["bhattacharyya"], bg.overlap(plain)["bhattacharyya"], rtol=1e-9
    )


def test_kmeans_counts_weights_and_refuses_missing_cells(parameters, values):
    times = TIMES + 1
    weighted = bg.Dataset.from_frame(frame(values), weights=times, weights_kind="frequency")
    written_out = np.repeat(values, times, axis=0)
    one = bg.hard_comparison(weighted, posterior_of(parameters, values), seed=1)
    other = bg.hard_comparison(written_out, posterior_of(parameters, values), seed=1)
    assert one.counts.equals(other.counts) and int(one.counts.to_numpy().sum()) == times.sum()
    assert one.adjusted_rand == pytest.approx(other.adjusted_rand, abs=1e-12)
    with pytest.raises(
        bg.DataError, match=r"16 are missing, first in row 1, column 'x2'"
    ) as caught:
        bg.hard_comparison(None, posterior_for(parameters, incomplete(values)))
    assert caught.value.column == "x2" and caught.value.rows[:3] == [1, 2, 4]


def test_labels_of_new_rows_are_clusters_by_name(values):
    labels = pd.Categorical([NAMES[i % 3] for i in range(N)], NAMES)
    fit = bg.fit_em(bg.Dataset.from_frame(frame(values), labels=labels), 3, seed=1)
    new = bg.Dataset.from_frame(
        frame(values[:, ::-1]).set_axis(["x2", "x1"], axis=1), labels=["high"] * N
    )
    soft = bg.membership(fit, new)
    assert soft["cluster"].values.tolist() == list(NAMES)
    assert (soft["mean"].sel(cluster="high") == 1.0).all()
    with pytest.raises(
        bg.DataError, match=r"labelled 'red', and .* clusters are low, middle, high"
    ):
        bg.membership(fit, bg.Dataset.from_frame(frame(values), labels=["red"] * N))
    shown = bg.density(fit, new)["mean"].values
    np.testing.assert_allclose(shown, bg.density(fit, values)["mean"], rtol=1e-12)


def test_the_bootstrap_says_why_it_takes_complete_rows_only(values):
    with pytest.raises(
        bg.DataError, match="bootstrap_lrt does not take missing cells: data sets are sim"
    ):
        bg.bootstrap_lrt(incomplete(values), 1)
