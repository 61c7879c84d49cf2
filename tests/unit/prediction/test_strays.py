"""How much rows count in the estimates: against integrals, and against the estimates themselves."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import gamma, multivariate_normal

import bayesgmm as bg
from bayesgmm.errors import ConfigError
from bayesgmm.likelihood.annotated_rows import AnnotatedRows
from bayesgmm.model.components import Noise
from bayesgmm.posterior.draws import Draws
from tests.support.prediction_draws import random_parameters

N_DRAWS, N_ROWS = 8, 12


def draws_with(family: str, table) -> Draws:
    """Draws of three clusters in the plane, with tails, a noise, or both."""
    found = random_parameters(N_DRAWS, 3, 2, seed=5)
    rng, noise = np.random.default_rng(3), None
    if "noise" in family:
        share = rng.uniform(0.05, 0.2, N_DRAWS)
        found = found._replace(weights=found.weights * (1.0 - share[:, None]), noise=share)
        noise = Noise(np.array([-8.0, -8.0]), np.array([16.0, 16.0]), 1.0)
    if "t" in family.split(", "):
        found = found._replace(nu=rng.uniform(2.0, 9.0, (N_DRAWS, 3)))
    if "contaminated" in family:
        layers = rng.uniform(2.0, 20.0, N_DRAWS), rng.uniform(0.5, 1.0, N_DRAWS)
        found = found._replace(inflation=layers[0], good_share=layers[1])
    return Draws.of(found, ("x1", "x2"), rows=table, noise=noise)


def some_rows(annotated: bool):
    values = np.random.default_rng(2).normal(4.0, 4.0, (N_ROWS, 2))
    if not annotated:
        return values
    values[1:4, 0], values[0] = np.nan, np.nan
    allowed = np.ones((N_ROWS, 3), dtype=bool)
    allowed[5], allowed[6] = [True, False, False], [False, True, True]
    errors = np.zeros((N_ROWS, 2))
    errors[7:, 1] = np.linspace(0.5, 2.0, N_ROWS - 7)
    return AnnotatedRows(values, None, allowed, errors)


def integrals(row, mean, shape, nu):
    """Return the density of a row under t, and the expectation of u times it, by integrating u."""
    if nu is None:
        density = multivariate_normal(mean, shape).pdf(row) if len(row) else 1.0
        return density, density

    log_u = np.linspace(-25.0, 6.0, 4001)
    u, gap = np.exp(log_u), row - mean
    square = gap @ np.linalg.solve(shape, gap)
    size = np.linalg.slogdet(2.0 * np.pi * shape)[1]
    log_density = 0.5 * (len(row) * log_u - u * square - size)
    joint = np.exp(log_density + gamma.logpdf(u, 0.5 * nu, scale=2.0 / nu) + log_u)
    return np.trapezoid(joint, log_u), np.trapezoid(u * joint, log_u)


def brute_force(draws: Draws):
    """Return of each row and draw how much it counts, and the probability of noise."""
    table = draws.table if isinstance(draws.table, AnnotatedRows) else AnnotatedRows(draws.table)
    p, counted, beside = draws.parameters, [], []
    for i, row in enumerate(table.table):
        seen = ~np.isnan(row)
        error = np.zeros(2) if table.errors is None else table.errors[i]
        allowed = np.ones(3, dtype=bool) if table.allowed is None else table.allowed[i]
        for s in range(N_DRAWS):
            sums = np.zeros(2)
            for k in np.flatnonzero(allowed):
                square, mean = np.ix_(seen, seen), p.means[s, k][seen]
                shape = p.covariances[s, k] + np.diag(error**2)
                nu = None if p.nu is None else p.nu[s, k]
                found = np.array(integrals(row[seen], mean, shape[square], nu))
                if p.inflation is not None:
                    own = np.outer(p.scales[s, k], p.scales[s, k]) * p.correlations[s, k]
                    wide = shape + (p.inflation[s] - 1.0) * own
                    other = np.array(integrals(row[seen], mean, wide[square], None))
                    other *= 1.0 - p.good_share[s], (1.0 - p.good_share[s]) / p.inflation[s]
                    found = p.good_share[s] * found + other
                sums += p.weights[s, k] * found
            noise = 0.0
            if draws.noise is not None and allowed.all():
                noise = p.noise[s] / np.prod((draws.noise.high - draws.noise.low)[seen])
            counted.append(sums[1] / (sums[0] + noise))
            beside.append(noise / (sums[0] + noise))
    return np.reshape(counted, (N_ROWS, -1)), np.reshape(beside, (N_ROWS, -1))


@pytest.mark.parametrize("annotated", [False, True], ids=["plain", "annotated"])
@pytest.mark.parametrize(
    "family", ["t", "noise", "t, noise", "contaminated", "contaminated, noise"]
)
def test_weights_are_integrals_over_the_unknown_scale_of_a_row(family, annotated):
    draws = draws_with(family, some_rows(annotated))
    found = bg.strays(draws, prob=0.8).sort_index()
    counted, beside = brute_force(draws)
    for name, values in (("weight", counted), ("noise", beside)):
        if name == "noise" and draws.noise is None:
            assert "noise" not in found
            continue
        np.testing.assert_allclose(found[name], values.mean(axis=1), rtol=1e-6, atol=1e-9)
        ends = np.quantile(values, [0.1, 0.9], axis=1)
        np.testing.assert_allclose(found[[f"{name}_lower", f"{name}_upper"]].T, ends, atol=1e-8)
    soft = bg.membership(draws)
    np.testing.assert_array_equal(found["cluster"], soft["mean"].values.argmax(axis=1) + 1)
    np.testing.assert_allclose(found["probability"], soft["mean"].max("cluster"))


def test_blocks_of_rows_and_chunks_of_a_group_change_nothing(monkeypatch):
    draws = draws_with("t, noise", some_rows(True))
    whole = bg.strays(draws)
    monkeypatch.setattr("bayesgmm.posterior.blocks.BLOCK_BYTES", 2**11)
    monkeypatch.setattr("bayesgmm.likelihood.row_weights._VALUES", 300)
    parts = bg.strays(draws)
    np.testing.assert_array_equal(parts.index, whole.index)
    np.testing.assert_allclose(parts["weight"], whole["weight"], rtol=1e-12)


def test_the_fitted_location_is_the_mean_of_rows_by_their_weights():
    rng = np.random.default_rng(4)
    rows = rng.standard_t(3.0, (150, 2)) * [1.0, 20.0] + [5.0, -3.0]
    spec = bg.MixtureSpec(1, family="t", resolution=0.0)
    fit = bg.fit_em(rows, spec, seed=1, n_starts=2, tol=1e-10)
    weight = bg.strays(fit, rows)["weight"].sort_index()
    np.testing.assert_allclose(np.average(rows, axis=0, weights=weight), fit.means[0], rtol=1e-4)
    assert weight.mean() == pytest.approx(1.0, abs=1e-3)


def test_strays_come_first_by_name_and_are_those_that_count_less_than_half():
    rng = np.random.default_rng(6)
    rows = np.vstack([rng.normal(size=(60, 2)), rng.normal(size=(60, 2)) + 9.0, [[4.5, -20.0]]])
    data = bg.Dataset.from_frame(pd.DataFrame(rows, columns=["a", "b"]))
    for spec in (bg.MixtureSpec(2, family="t"), bg.MixtureSpec(2, noise="uniform")):
        found = bg.strays(bg.fit_em(data, spec, seed=1, n_starts=4), data)
        assert found.index[0] == 120 and found["stray"].iloc[0]
        assert found["weight"].is_monotonic_increasing
        np.testing.assert_array_equal(found["stray"], found["weight"] < 0.5)
        np.testing.assert_array_equal(found["weight_lower"], found["weight"])
    assert set(found["cluster"]) == {1, 2} and found["noise"].iloc[0] > 0.9


def test_a_model_without_noise_and_tails_has_no_strays(faithful):
    fit = bg.fit_em(faithful, 2, seed=1, n_starts=2)
    with pytest.raises(ConfigError, match="Gaussian components and no noise") as caught:
        bg.strays(fit, faithful)
    assert caught.value.key == "family"
