"""Which labels are exchangeable is shown at draws: by brute force, and for models people write."""

from itertools import permutations
from math import factorial

import numpy as np
import pymc as pm
import pytest
import xarray as xr

from bayesgmm.labels.exchangeability import shown_moves
from bayesgmm.model.groups import LabelGroups
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.tree import moved_along, permuted_tree
from bayesgmm.sampling.model_density import ModelDensity
from tests.support import own_models
from tests.support.own_results import known, moves_of, some_values


def test_variables_without_the_dim_move_where_the_model_says_so():
    moves = moves_of("own_vectors")
    assert moves.axes["mu"] == "mu_dim_0" and moves.axes["sd"] == "sd_dim_0"
    assert "in_order" not in moves.axes  # sorted: it stays as it is
    assert moves.unclear == ("first",)
    assert moves_of("own_vectors", ("mu", "sd")) == moves


def test_one_variable_a_cluster_moves_as_a_family():
    families = set(moves_of("list_of_components").families)
    assert {("chol_0", "chol_1"), ("chol_0_corr", "chol_1_corr")} <= families


def test_partly_exchangeable_labels():
    """Two clusters of equal prior, and one that the prior knows."""
    y = own_models.line()
    with pm.Model(coords=own_models.coords(y, ["a", "known", "b"])) as model:
        w = pm.Dirichlet("weights", np.array([1.0, 2.0, 1.0]), dims="cluster")
        mu = pm.Normal("mu", np.array([0.0, 4.0, 0.0]), 3.0, dims="cluster")
        sd = pm.HalfNormal("sd", 5.0, dims="cluster")
        own_models.on_a_line(w, mu, sd, y)
    density = ModelDensity(model)
    moves = shown_moves(density.values, some_values(density), density.dims, 3)
    assert moves.groups.groups == ((0, 2), (1,))


def test_the_density_is_that_of_pymc():
    for name in ("pooled_scales", "censored_rows"):
        _, model, density, values = known(name)
        found = density.values(values)
        logp = model.compile_logp(jacobian=False, mode="FAST_COMPILE")
        carried = {}
        for v in model.free_RVs:
            transform, value = model.rvs_to_transforms[v], values[v.name]
            if transform is not None:
                value = transform.forward(value, *v.owner.inputs).eval(mode="FAST_COMPILE")
            carried[model.rvs_to_values[v].name] = value
        for s in range(2):
            point = {key: value[s] for key, value in carried.items()}
            total = found.log_prior[s] + found.log_likelihood[s]
            assert total == pytest.approx(float(logp(point)), rel=1e-12)


GROUPINGS = [((0, 1, 2, 3),), ((0, 2), (1, 3)), ((1,), (0, 2, 3)), ((0,), (1,), (2,), (3,))]


@pytest.mark.parametrize("groups", GROUPINGS)
def test_permutations_within_groups_by_brute_force(groups):
    labels = LabelGroups(groups)
    home = {k: n for n, group in enumerate(groups) for k in group}
    allowed = {o for o in permutations(range(4)) if all(home[o[k]] == home[k] for k in range(4))}
    assert {tuple(order.tolist()) for order in labels.orders()} == allowed
    assert next(labels.orders()).tolist() == [0, 1, 2, 3]
    assert round(np.exp(labels.log_order)) == len(allowed)
    assert len(allowed) == np.prod([factorial(len(group)) for group in groups])
    scores = np.random.default_rng(0).normal(size=(100, 4, 4))
    expected = [max(allowed, key=lambda o, s=s: s[list(o), range(4)].sum()) for s in scores]
    np.testing.assert_array_equal(labels.best_orders(scores), expected)


def test_numbering_keeps_to_the_groups():
    groups = LabelGroups(((0, 3), (1,), (2,)))
    assert groups.sorted_within([3, 2, 1, 0]).tolist() == [3, 1, 2, 0]


@pytest.mark.parametrize("axis", [2, 3, 4])
def test_values_move_along_any_axis(axis):
    rng = np.random.default_rng(2)
    values = rng.normal(size=(2, 5, 3, 3, 3))
    orders = rng.permuted(np.tile(np.arange(3), (2, 5, 1)), axis=2)
    moved = moved_along(values, orders, axis)
    for chain, draw in np.ndindex(2, 5):
        expected = np.take(values[chain, draw], orders[chain, draw], axis - 2)
        np.testing.assert_array_equal(moved[chain, draw], expected)


def test_an_own_tree_moves_what_was_seen_to_move():
    rng = np.random.default_rng(3)
    sample, square = ("chain", "draw"), ("cluster", "feature", "feature_bis")
    posterior = xr.Dataset(
        {
            "weights": ((*sample, "cluster"), rng.dirichlet([1, 1], size=(1, 4))),
            "means": ((*sample, "cluster", "feature"), rng.normal(size=(1, 4, 2, 1))),
            "covariances": ((*sample, *square), np.ones((1, 4, 2, 1, 1))),
            "mu": ((*sample, "mu_dim_0"), rng.normal(size=(1, 4, 2))),
            "sorted": ((*sample, "cluster"), np.sort(rng.normal(size=(1, 4, 2)))),
            "scale_1": (sample, rng.normal(size=(1, 4))),
            "scale_2": (sample, rng.normal(size=(1, 4))),
        }
    )
    stats = xr.Dataset({"log_likelihood": (sample, np.zeros((1, 4)))})
    tree = xr.DataTree.from_dict({"posterior": posterior, "sample_stats": stats})
    assert Draws(tree).groups.groups == ((0,), (1,))
    axes = dict.fromkeys(("weights", "means", "covariances"), "cluster") | {"mu": "mu_dim_0"}
    tree.attrs["labels"] = str(
        {"groups": [[0, 1]], "axes": axes, "families": [["scale_1", "scale_2"]]}
    ).replace("'", '"')
    assert Draws(tree).groups.groups == ((0, 1),)
    orders = np.array([[[1, 0], [0, 1], [1, 0], [0, 1]]])
    moved = permuted_tree(tree, orders)["posterior"]
    for name in ("weights", "mu"):
        np.testing.assert_array_equal(moved[name][0, 0], posterior[name][0, 0, ::-1])
        np.testing.assert_array_equal(moved[name][0, 1], posterior[name][0, 1])
    np.testing.assert_array_equal(moved["sorted"], posterior["sorted"])
    np.testing.assert_array_equal(moved["scale_1"][0, ::2], posterior["scale_2"][0, ::2])
    np.testing.assert_array_equal(moved["scale_2"][0, 1::2], posterior["scale_2"][0, 1::2])
