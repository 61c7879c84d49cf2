"""Missing cells and true values drawn from their posterior, against closed forms and coverage."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal

import bayesgmm as bg
from bayesgmm.likelihood.annotated_rows import table_of
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.model.parameters import Parameters
from bayesgmm.model.resolving import resolve
from bayesgmm.posterior.draws import Draws
from tests.support.simulated_runs import tree_of

COVARIANCES = np.array(
    [
        [[1.0, 0.6, 0.2], [0.6, 2.0, 0.5], [0.2, 0.5, 1.5]],
        [[2.0, -0.8, 0.0], [-0.8, 1.0, 0.3], [0.0, 0.3, 0.5]],
    ]
)
MEANS = np.array([[0.0, 1.0, -1.0], [2.0, 3.0, 1.0]])
WEIGHTS = np.array([0.4, 0.6])


def rows_of_two(n, rng):
    clusters = rng.random(n) < WEIGHTS[1]
    return np.array(
        [rng.multivariate_normal(MEANS[k], COVARIANCES[k]) for k in clusters.astype(int)]
    )


def run_at_the_truth(data, n_draws):
    """Draws that are all the truth: what is left of the spread is that of the cells."""
    spec = bg.MixtureSpec(2, resolution=0)
    target = LogPosterior(resolve(spec, data), table_of(data, 2))
    scales = np.sqrt(np.einsum("kdd->kd", COVARIANCES))
    correlations = COVARIANCES / (scales[:, :, None] * scales[:, None])
    x = target.unconstrain(Parameters(WEIGHTS, MEANS, scales, correlations, COVARIANCES))
    return tree_of(target, np.tile(x, (4, n_draws // 4, 1)), data)


def moments_of_a_cell(seen, values, errors, cell):
    """Mean and variance of a feature's true value, given the observed ones, by the mixture rule."""
    logs, means, variances = [], [], []
    for k in range(2):
        of_seen = COVARIANCES[k][np.ix_(seen, seen)] + np.diag(errors**2)
        logs.append(
            np.log(WEIGHTS[k]) + multivariate_normal(MEANS[k, seen], of_seen).logpdf(values)
        )
        slopes = np.linalg.solve(of_seen, COVARIANCES[k][seen, cell])
        means.append(MEANS[k, cell] + slopes @ (values - MEANS[k, seen]))
        variances.append(COVARIANCES[k][cell, cell] - slopes @ COVARIANCES[k][seen, cell])
    shares = np.exp(logs - np.logaddexp(*logs))
    mean = shares @ means
    return mean, shares @ (np.array(variances) + np.square(means)) - mean**2


def test_missing_cells_have_the_moments_of_their_conditional_mixture():
    rng = np.random.default_rng(1)
    rows = rows_of_two(60, rng)
    rows[::3, 1], rows[1::3, [0, 2]] = np.nan, np.nan
    data = bg.Dataset.from_frame(pd.DataFrame(rows, columns=list("xyz")), missing="mar")
    imputed = bg.impute(run_at_the_truth(data, 4000), seed=2)
    assert len(imputed.cells) == 60 and imputed.draws.shape == (1000, 60)
    scores = []
    for (i, j), row in zip(imputed.places, imputed.cells.itertuples(), strict=True):
        seen = np.flatnonzero(~np.isnan(rows[i]))
        mean, variance = moments_of_a_cell(seen, rows[i, seen], np.zeros(len(seen)), j)
        assert (row.obs, row.feature) == (i, "xyz"[j])
        assert row.sd == pytest.approx(np.sqrt(variance), rel=0.2)
        scores.append((row.mean - mean) / np.sqrt(variance / 1000))
    assert np.abs(scores).max() < 4.5 and np.std(scores) == pytest.approx(1.0, abs=0.35)


def test_true_values_have_the_moments_of_their_conditional_mixture():
    rng = np.random.default_rng(2)
    rows = rows_of_two(60, rng)
    errors = np.zeros((60, 3))
    errors[:, 1] = 0.5 + (np.arange(60) % 3)
    errors[:, 2] = 0.4
    rows += errors * rng.normal(size=rows.shape)
    rows[::5, 0] = np.nan
    data = bg.Dataset.from_frame(
        pd.DataFrame(rows, columns=list("xyz")), missing="mar", errors={"y": errors[:, 1], "z": 0.4}
    )
    found = bg.true_values(run_at_the_truth(data, 4000), seed=2)
    assert set(found.cells["feature"]) == {"y", "z"} and len(found.cells) == 120
    for (i, j), row in zip(found.places, found.cells.itertuples(), strict=True):
        seen = np.flatnonzero(~np.isnan(rows[i]))
        mean, variance = moments_of_a_cell(seen, rows[i, seen], errors[i, seen], j)
        assert row.mean == pytest.approx(mean, abs=4.5 * np.sqrt(variance / 1000))
        assert row.sd == pytest.approx(np.sqrt(variance), rel=0.2)


def test_intervals_of_hidden_cells_cover_where_dropping_rows_does_not():
    """Cells of y are missing where x is large: the mean of y by rows that are left is wrong."""
    rng = np.random.default_rng(3)
    covered, means = [], []
    for _ in range(4):
        rows = rng.multivariate_normal([0.0, 0.0], [[1.0, 0.8], [0.8, 1.0]], size=300)
        hidden = rows[:, 0] > 0.5
        table = pd.DataFrame(rows, columns=["x", "y"])
        table.loc[hidden, "y"] = np.nan
        posterior = bg.sample(bg.Dataset.from_frame(table, missing="mar"), 1, draws=250, seed=1)
        cells = bg.impute(posterior, seed=1).cells
        covered += (
            (cells["lower"] < rows[hidden, 1]) & (rows[hidden, 1] < cells["upper"])
        ).tolist()
        mean = posterior["posterior"]["means"].values[..., 0, 1]
        means.append((mean.mean() / mean.std(), table["y"].mean() / (table["y"].std() / 14.0)))
    assert np.mean(covered) == pytest.approx(0.89, abs=4 * np.sqrt(0.89 * 0.11 / len(covered)))
    with_all, with_those_left = np.array(means).T
    assert np.abs(with_all).max() < 3.5 and with_those_left.max() < -4.0


def test_completed_tables_keep_what_was_observed_and_their_rows_names():
    rng = np.random.default_rng(4)
    table = pd.DataFrame(rng.normal(size=(30, 2)), [f"plot {i}" for i in range(30)], ["x", "y"])
    table.iloc[::4, 1] = np.nan
    data = bg.Dataset.from_frame(table, missing="mar")
    posterior = bg.sample(data, 1, draws=100, tune=200, seed=1)
    imputed = bg.impute(posterior, seed=3)
    assert imputed.cells["obs"].tolist() == table.index[::4].tolist()
    one, *_, last = imputed.data_sets(5)
    for completed in (one, last):
        assert completed.notna().all(axis=None) and completed.index.equals(table.index)
        pd.testing.assert_frame_equal(completed.where(table.notna()), table)
    assert not one.equals(last)
    again = bg.impute(posterior, seed=3)
    assert again.seed == 3 and again.cells.equals(imputed.cells)
    inside = imputed.cells["mean"].between(imputed.cells["lower"], imputed.cells["upper"])
    assert inside.all() and Draws(posterior).table is not None


def test_where_nothing_is_missing_or_in_error_that_is_said():
    posterior = bg.sample(
        np.random.default_rng(1).normal(size=(30, 1)), 1, draws=30, tune=60, seed=1
    )
    with pytest.raises(bg.DataError, match="no cell is missing"):
        bg.impute(posterior)
    with pytest.raises(bg.DataError, match="no row has an error of its own"):
        bg.true_values(posterior)
