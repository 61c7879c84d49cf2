"""p(K) as rows come in: the evidence of the first rows against quadrature, and what is refused."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import logsumexp

import bayesgmm as bg
from bayesgmm.data import as_dataset
from bayesgmm.errors import ConfigError
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.model.several import ByModel
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.posterior.draws import Draws
from bayesgmm.sampling.smc import _spread_order, temper

ROWS = np.array([[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2], [0.1], [4.8]])


@pytest.fixture(scope="module")
def targets():
    trees = {MixtureSpec(k): bg.sample(ROWS, k, draws=40, tune=200, seed=1) for k in (1, 2)}
    return trees, {spec: Draws(tree).target for spec, tree in trees.items()}


def by_quadrature(target):
    """Log evidence with one component and one feature, fitting units: mean and log scale."""
    means, log_scales = np.linspace(-6.0, 6.0, 400), np.linspace(-4.0, 3.0, 400)
    points = np.stack(np.meshgrid(means, log_scales, indexing="ij"), axis=-1)
    cell = (means[1] - means[0]) * (log_scales[1] - log_scales[0])
    return logsumexp(target.log_densities(points)) + np.log(cell)


def test_the_evidence_of_the_first_rows_is_theirs(targets):
    target = next(iter(targets[1].values()))
    found = temper(target, n_particles=2048, n_runs=4, seed=3, shares=(0.25, 0.6, 1.0))
    seeds = np.random.SeedSequence(3).spawn(5)
    for run, seed in zip(found.beginnings, seeds, strict=False):
        order = _spread_order(target, np.random.default_rng(seed))
        for value, m in zip(run, (2, 6, 10), strict=True):
            first = LogPosterior(target.resolved, target.rows[order[:m]])
            assert value == pytest.approx(by_quadrature(first), abs=0.15)
    shift = target.log_unit_of_rows
    np.testing.assert_allclose(found.beginnings[:, -1] - shift, found.run_log_evidence)


def test_all_models_see_the_same_rows(targets):
    orders = [_spread_order(target, np.random.default_rng(5)) for target in targets[1].values()]
    np.testing.assert_array_equal(*orders)


def test_noting_the_evidence_on_the_way_is_not_needed_for_it(targets):
    target = next(iter(targets[1].values()))
    assert temper(target, n_particles=64, n_runs=4, seed=3).beginnings.shape == (4, 0)


def test_the_table_holds_every_share_and_model(targets):
    trees, _ = targets
    comparison = SimpleNamespace(
        models=tuple(trees), posteriors=ByModel(trees), seed=1, data=as_dataset(ROWS)
    )
    table = bg.probability_by_rows(comparison, (0.5, 1.0), n_particles=128, n_runs=4)
    assert table["rows"].tolist() == [5, 5, 10, 10] and table["K"].tolist() == [1, 2, 1, 2]
    np.testing.assert_allclose(table.groupby("rows")["probability"].sum(), 1.0)
    for shares in ((0.5, 0.5), (0.0, 1.0), (1.1,), ()):
        with pytest.raises(ConfigError, match="shares must"):
            bg.probability_by_rows(comparison, shares)
    with pytest.raises(ConfigError, match="takes a Comparison"):
        bg.probability_by_rows(trees)
