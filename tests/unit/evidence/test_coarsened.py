"""Evidences under powers of the likelihood, against quadrature and against the evidence itself."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import logsumexp

import bayesgmm as bg
from bayesgmm.data import as_dataset
from bayesgmm.errors import ConfigError
from bayesgmm.model.several import ByModel
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.posterior.draws import Draws
from bayesgmm.sampling.coarsening import evidences_by_power

ROWS = np.array([[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]])


@pytest.fixture(scope="module")
def trees():
    return {MixtureSpec(k): bg.sample(ROWS, k, draws=100, tune=200, seed=1) for k in (1, 2)}


def test_evidences_of_powers_are_integrals(trees):
    """With one component and one feature these are sums over a grid of mean and log scale."""
    target = Draws(trees[MixtureSpec(1)]).target
    means, log_scales = np.linspace(-8.0, 8.0, 160), np.linspace(-5.0, 4.0, 160)
    points = np.stack(np.meshgrid(means, log_scales, indexing="ij"), axis=-1).reshape(-1, 2)
    cell = (means[1] - means[0]) * (log_scales[1] - log_scales[0])
    powers = np.array([0.1, 0.5, 1.0])
    found = evidences_by_power(target, powers, n_particles=512, seed=np.random.SeedSequence(4))
    for power, values in zip(powers, found.T, strict=True):
        logs = [target.evaluate(x, inverse_temperature=power).value for x in points]
        exact = logsumexp(logs) + math.log(cell)
        assert values.mean() == pytest.approx(exact, abs=4.0 * values.std(ddof=1) / 2 + 0.01)
        assert values.std() < 0.1


def test_at_power_1_it_is_the_evidence(trees):
    tree = trees[MixtureSpec(2)]
    target, reference = Draws(tree).target, bg.smc_evidence(tree, seed=1)
    found = (
        evidences_by_power(
            target, np.ones(1), n_particles=256, n_runs=6, seed=np.random.SeedSequence(5)
        )[:, 0]
        - target.log_unit_of_rows
    )
    error = math.hypot(found.std(ddof=1) / math.sqrt(6), reference.error)
    assert found.mean() == pytest.approx(reference.value, abs=3.5 * error)
    assert error < 0.2


def test_fewer_rows_that_count_ask_for_fewer_components(trees):
    comparison = SimpleNamespace(
        models=tuple(trees), posteriors=ByModel(trees), seed=1, data=as_dataset(ROWS)
    )
    table = bg.coarsened(comparison, [math.inf, 0.5], n_particles=64)
    by_alpha = table.set_index(["alpha", "K"])["probability"]
    np.testing.assert_allclose(table.groupby("alpha")["probability"].sum(), 1.0)
    assert table["power"].tolist() == [0.5 / 8.5] * 2 + [1.0] * 2
    assert by_alpha[math.inf, 2] > by_alpha[0.5, 2] + 0.1
    for alphas in ([0.0], ["10"], [True], []):
        with pytest.raises(ConfigError, match="alphas must"):
            bg.coarsened(comparison, alphas)
    with pytest.raises(ConfigError, match="takes a Comparison"):
        bg.coarsened(trees)
