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
from bayesgmm.sampling.model_density import ModelDensity, without_blas_warning
from tests import own_models


def some_values(density, name=""):
    """A few draws of the prior; means of an ordered model in their order."""
    model = density.model
    with without_blas_warning():
        drawn = pm.draw(model.free_RVs, draws=4, random_seed=1, mode="FAST_COMPILE")
    values = dict(zip(density.free, drawn, strict=True))
    if name.startswith("ordered"):
        values["mu"] = np.sort(values["mu"], axis=-1)
    return values


def moves_of(name, named=()):
    _, model = own_models.BUILDERS[name]()
    density = ModelDensity(model)
    values = some_values(density, name)
    return shown_moves(density.values, values, density.dims, density.n_clusters, named)


ALL_OF_THREE, ALL_OF_TWO, NONE_OF_THREE = ((0, 1, 2),), ((0, 1),), ((0,), (1,), (2,))
GROUPS = {
    "ordered": NONE_OF_THREE,
    "ordered_with_initval": NONE_OF_THREE,
    "own_vectors": ALL_OF_THREE,
    "normal_mixture": ALL_OF_THREE,
    "product_of_mixtures": ALL_OF_TWO,
    "list_of_components": ALL_OF_TWO,
    "hierarchical_means": ALL_OF_THREE,
    "pooled_scales": ALL_OF_TWO,
    "t_components": ALL_OF_THREE,
    "censored_rows": ALL_OF_THREE,
    "named_clusters": ((0,), (1,)),
    "dims_in_another_order": ALL_OF_TWO,
    "k_from_data": ALL_OF_THREE,
    "mixture_of_censored": ALL_OF_THREE,
}


@pytest.mark.parametrize("name", GROUPS)
def test_models_as_people_write_them(name):
    assert moves_of(name).groups.groups == GROUPS[name]


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
        _, model = own_models.BUILDERS[name]()
        density = ModelDensity(model)
        values = some_values(density)
        found = density.values(values)
        logp = model.compile_logp(jacobian=False, mode="FAST_COMPILE")
        for s in range(2):
            point = {
                model.rvs_to_values[v].name: (
                    values[v.name][s]
                    if model.rvs_to_transforms[v] is None
                    else model.rvs_to_transforms[v]
                    .forward(values[v.name][s], *v.owner.inputs)
                    .eval()
                )
                for v in model.free_RVs
            }
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
