"""Averages over models, and memberships in the groups of a partition, against their definitions."""

import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import bayesgmm as bg
from bayesgmm.errors import ConfigError, DataWarning
from bayesgmm.model.parameters import Parameters
from bayesgmm.model.several import ByModel
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.posterior.draws import Draws
from bayesgmm.prediction.averaged import WHOLE

ROWS = np.array([[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]])
NEW = np.array([[-1.0], [0.3], [2.6], [5.1]])


@pytest.fixture(scope="module")
def comparison():
    """What average reads of a comparison; all 800 draws are taken once, twice or four times."""
    models = tuple(MixtureSpec(k) for k in (1, 2, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        trees = [bg.sample(ROWS, spec, draws=200, tune=300, seed=1) for spec in models]
    facts = dict.fromkeys(("covariance", "family", "noise", "n_factors"))
    shares = {"probability": [0.2, 0.4, 0.4], "weight": [0.0, 0.8, 0.2]}
    good = SimpleNamespace(ok=True)
    return SimpleNamespace(
        models=models,
        numbers={spec: str(spec.n_components) for spec in models},
        posteriors=ByModel(dict(zip(models, trees, strict=True))),
        table=pd.DataFrame({**facts, **shares}, index=pd.Index([1, 2, 3], name="K")),
        verdicts=ByModel({models[0]: good, models[1]: good, models[2]: SimpleNamespace(ok=False)}),
    )


def shares_of(comparison, by):
    return comparison.table[{"probability": "probability", "stacking": "weight"}[by]].to_numpy()


@pytest.mark.parametrize("by", ["probability", "stacking"])
def test_densities_and_pairs_are_weighted_means(comparison, by):
    averaged, weights = bg.average(comparison, by), shares_of(comparison, by)
    trees = list(comparison.posteriors.values())
    assert averaged.table["draws"].tolist() == (4000 * weights).round().tolist()

    def mean_of(verb):
        return sum(w * verb(tree) for w, tree in zip(weights, trees, strict=True))

    expected = mean_of(lambda tree: bg.density(tree, NEW)["mean"].values)
    np.testing.assert_allclose(bg.density(averaged, NEW)["mean"], expected, rtol=0.005)
    np.testing.assert_allclose(
        bg.coclustering(averaged), mean_of(lambda tree: bg.coclustering(tree).values), atol=0.01
    )


def test_intervals_are_those_of_all_draws_together(comparison):
    pooled = [
        np.repeat(np.exp(Draws(tree).log_densities(NEW)), times, axis=0)
        for tree, times in zip(comparison.posteriors.values(), (1, 2, 2), strict=True)
    ]
    expected = np.quantile(np.concatenate(pooled), [0.055, 0.945], axis=0)
    found = bg.density(bg.average(comparison), NEW)
    np.testing.assert_allclose([found["lower"], found["upper"]], expected, rtol=0.02, atol=1e-4)


def test_a_grid_has_one_share_for_all(comparison):
    averaged = bg.average(comparison)
    grid = bg.density_grid(averaged, limits=[(-2.0, 7.0)], size=20)
    assert grid["cluster"].values.tolist() == [WHOLE]
    np.testing.assert_allclose(grid["components"].sum("cluster"), grid["mean"])
    np.testing.assert_allclose(
        grid["mean"], bg.density(averaged, np.linspace(-2.0, 7.0, 20)[:, None])["mean"]
    )


def test_what_is_left_out_is_said(comparison):
    table = comparison.table.assign(probability=[0.5, np.nan, 0.5])
    some = SimpleNamespace(**{**vars(comparison), "table": table})
    averaged = bg.average(some)
    assert averaged.table["draws"].tolist() == [2000, 0, 2000]
    assert averaged.note.startswith("Given that it is not K = 2: left out, without a probability")
    assert averaged.note.endswith("The draws at K = 3 did not converge.")
    some.table = table.assign(probability=np.nan)
    with pytest.raises(ConfigError, match="no model of this comparison has draws and a weight"):
        bg.average(some)
    with pytest.raises(ConfigError, match="average takes a Comparison, got list"):
        bg.average([])
    with pytest.raises(ConfigError, match="by must be one of"):
        bg.average(comparison, "bic")


@pytest.mark.parametrize("verb", [bg.membership, bg.overlap, lambda a: bg.simulate(a, 3, seed=1)])
def test_clusters_of_an_average_are_not_told_apart(comparison, verb):
    with pytest.raises(ConfigError, match="no clusters of its own: take density"):
        verb(bg.average(comparison))


def test_components_go_to_the_group_that_holds_most_of_their_rows():
    """Draw 0 has two components in the right half, draw 1 one for all, draw 2 other labels."""
    weights = np.array([[0.5, 0.25, 0.25], [1.0, 0.0, 0.0], [0.5, 0.5, 0.0]])
    means = np.array([[0.3, 5.0, 5.4], [2.0, 0.0, 0.0], [5.2, 0.3, 0.0]])[..., None]
    ones = np.ones((3, 3, 1, 1))
    parameters = Parameters(weights, means, ones[..., 0], ones, ones)
    rows = np.concatenate([ROWS, [[5.3]]])  # the right group is the larger one
    draws = Draws.of(parameters, ("x1",), rows=rows)
    groups = bg.partition(draws, seed=1)
    groups = type(groups)(**{**vars(groups), "labels": np.where(rows[:, 0] < 2.0, 1, 2)})
    found = bg.group_membership(draws, groups, NEW)

    def normal(x, centre):
        return np.exp(-0.5 * (x - centre) ** 2)

    x = NEW[:, 0]
    left, right = 2.0 * normal(x, 0.3), normal(x, 5.0) + normal(x, 5.4)
    by_draw = [
        left / (left + right),
        np.zeros(4),
        normal(x, 0.3) / (normal(x, 0.3) + normal(x, 5.2)),
    ]
    np.testing.assert_allclose(found["mean"].sel(group=1), np.mean(by_draw, axis=0), rtol=1e-6)
    np.testing.assert_allclose(found["mean"].sum("group"), 1.0)
    low, high = np.quantile(by_draw, [0.055, 0.945], axis=0)
    np.testing.assert_allclose(found["lower"].sel(group=1), low, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(found["upper"].sel(group=1), high, rtol=1e-6)
    assert found["most_probable"].values.tolist() == [1, 1, 2, 2]


def test_memberships_in_groups_are_those_in_clusters_where_these_are_clear(comparison):
    tree = comparison.posteriors[2]
    groups = bg.partition(tree, seed=1)
    found, clear = bg.group_membership(tree, groups), bg.membership(tree)
    np.testing.assert_allclose(found["mean"], clear["mean"], atol=0.02)


def test_a_partition_of_other_rows_is_refused(comparison):
    tree = comparison.posteriors[2]
    some = bg.partition(tree, rows=ROWS[:4], seed=1)
    with pytest.raises(ConfigError, match="the partition is of 4 rows and the posterior of 8"):
        bg.group_membership(tree, some)
    with pytest.raises(ConfigError, match=r"what bayesgmm\.partition returns, got \[1, 2\]"):
        bg.group_membership(tree, [1, 2])
