"""Labels: what is switched is switched back, and what is not identified is not pretended to be."""

import sys
from itertools import permutations, product

import numpy as np
import pytest
import xarray as xr
from scipy.stats import multivariate_normal

from bayesgmm.errors import ConfigError
from bayesgmm.labels import (
    METHODS,
    Allocations,
    agreement,
    cluster_quantities,
    group_chains,
    label_free_quantities,
    relabel,
    stephens,
)
from bayesgmm.labels._relabel import _numbers
from bayesgmm.labels.identification import _margins, identification_scores
from bayesgmm.labels.modes import _near
from bayesgmm.labels.pivot import _cluster_vectors
from bayesgmm.likelihood.responsibilities import over_draws, responsibilities
from bayesgmm.model.groups import LabelGroups
from bayesgmm.model.numbering import number_clusters
from bayesgmm.model.parameters import Parameters
from bayesgmm.model.spec import MixtureSpec, Priors
from bayesgmm.posterior.correlations import correlation_matrices
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.tree import (
    attribute,
    parameters_of,
    permuted_tree,
    rows_of,
    with_attributes,
)
from tests.support.simulated_runs import clustered, run_about


def random_orders(tree, seed=1):
    sizes = tree["posterior"].sizes
    shape = (sizes["chain"], sizes["draw"], 1)
    return np.random.default_rng(seed).permuted(np.tile(np.arange(sizes["cluster"]), shape), axis=2)


def draws_of(tree, name):
    return tree["posterior"].to_dataset()[name].values


@pytest.fixture(scope="module")
def overlapping():
    data, truth = clustered(3, distance=2.5)
    return run_about(data, 3, truth, deviation=0.15)


def test_responsibilities_against_scipy(overlapping):
    parameters, rows = parameters_of(overlapping), rows_of(overlapping)
    one = parameters.at(7)
    joint = np.array(
        [
            w * multivariate_normal(m, c).pdf(rows)
            for w, m, c in zip(one.weights, one.means, one.covariances, strict=True)
        ]
    )
    expected = joint / joint.sum(axis=0)
    for centre, unit in ((rows.mean(axis=0), rows.std(axis=0)), (np.zeros(2), np.ones(2))):
        np.testing.assert_allclose(
            responsibilities(one, rows, centre, unit), expected, rtol=1e-9, atol=1e-14
        )


def test_streams_do_not_depend_on_threads_and_mark_broken_draws(overlapping):
    parameters, rows = parameters_of(overlapping), rows_of(overlapping)
    means = parameters.means.copy()
    means[3, 1] = np.nan
    arguments = (parameters._replace(means=means), rows, np.zeros(2), np.ones(2))
    one, three = (
        np.concatenate(list(over_draws(lambda block, _: block, *arguments, cores=cores)))
        for cores in (1, 3)
    )
    np.testing.assert_array_equal(one, three)
    broken = np.isnan(one).all(axis=(1, 2))
    assert broken[3] and broken.sum() == 1
    np.testing.assert_allclose(np.delete(one, 3, axis=0).sum(axis=1), 1.0, rtol=1e-14)


def test_best_orders_against_all_permutations():
    scores = np.random.default_rng(0).normal(size=(200, 4, 4))
    clusters = np.arange(4)
    expected = [
        max(permutations(range(4)), key=lambda order, s=s: s[list(order), clusters].sum())
        for s in scores
    ]
    np.testing.assert_array_equal(LabelGroups.of_all(scores.shape[1]).best_orders(scores), expected)


def test_identification_margins_against_all_permutations():
    scores = np.random.default_rng(0).normal(scale=4.0, size=(200, 4, 4)) + 6.0 * np.eye(4)
    totals = {p: scores[:, list(p), np.arange(4)].sum(axis=1) for p in permutations(range(4))}
    margins = _margins(scores)
    for k in range(4):
        moved = np.max([total for p, total in totals.items() if p[k] != k], axis=0)
        exact = totals[0, 1, 2, 3] - moved
        np.testing.assert_array_equal(margins[:, k] > np.log(20.0), exact > np.log(20.0))


def test_stephens_reaches_the_least_divergence_of_all_labellings():
    rng = np.random.default_rng(4)
    draws, clusters = 6, 2
    spread = np.array([[-1.0], [1.0]]) + rng.normal(scale=0.6, size=(draws, clusters, 1))
    ones = np.ones((draws, clusters, 1, 1))
    parameters = Parameters(
        rng.dirichlet([5, 5], draws), spread, ones[..., 0], ones, ones
    ).permuted(rng.permuted(np.tile([0, 1], (draws, 1)), axis=1))
    view = Draws.of(
        parameters,
        ("x",),
        rows=rng.normal(size=(12, 1)),
        frame=(np.zeros(1), np.ones(1)),
        groups=LabelGroups.of_all(clusters),
    )
    allocations = Allocations(view)
    r = np.stack([allocations.at(s) for s in range(draws)])

    def divergence(orders):
        moved = np.take_along_axis(r, np.asarray(orders)[:, :, None], axis=1)
        return (moved * np.log(moved / moved.mean(axis=0))).sum()

    least = min(divergence(o) for o in product([(0, 1), (1, 0)], repeat=draws))
    assert divergence(stephens(allocations, 0)) == pytest.approx(least, rel=1e-12)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n_clusters", [2, 3, 5, 8])
def test_randomly_permuted_draws_are_restored(method, n_clusters):
    data, truth = clustered(n_clusters, n_obs=15)
    tree = run_about(data, n_clusters, truth, draws=100)
    permuted = permuted_tree(tree, random_orders(tree))
    restored = relabel(permuted, method)
    for name in ("weights", "means", "scales", "covariances"):
        np.testing.assert_array_equal(draws_of(restored, name), draws_of(tree, name))
    np.testing.assert_array_equal(
        restored["sample_stats"]["permutation"].values,
        np.broadcast_to(np.arange(n_clusters), (4, 100, n_clusters)),
    )
    assert attribute(restored, "relabelling")["method"] == method
    assert min(attribute(restored, "identification")) == 1.0


def test_a_switch_moves_all_that_belongs_to_a_cluster(overlapping):
    """By indexing draw by draw: what relabelling switches back by the same code proves nothing."""
    orders = random_orders(overlapping)
    permuted = permuted_tree(overlapping, orders)
    moved = [v for v in overlapping["posterior"].data_vars.values() if "cluster" in v.dims]
    assert {"weights", "means", "scales", "correlations", "covariances"} <= {v.name for v in moved}
    for variable in moved:
        got = draws_of(permuted, variable.name)
        for chain, draw in [(0, 0), (1, 7), (3, 499)]:
            expected = variable.values[chain, draw][orders[chain, draw]]
            np.testing.assert_array_equal(got[chain, draw], expected)
    back = permuted_tree(permuted, orders.argsort(axis=2))
    identity = np.broadcast_to(np.arange(3), orders.shape)
    np.testing.assert_array_equal(back["sample_stats"]["permutation"].values, identity)


def test_what_is_not_held_between_passes_gives_the_same(overlapping, monkeypatch):
    held = stephens(Allocations(Draws(overlapping)), 0)
    monkeypatch.setattr("bayesgmm.labels.allocation._HELD_VALUES", 0)
    np.testing.assert_array_equal(stephens(Allocations(Draws(overlapping)), 0), held)


def test_some_of_many_rows_tell_labels_apart_as_all_do(overlapping, monkeypatch):
    posterior = relabel(overlapping)
    for module in ("allocation", "quantities"):
        monkeypatch.setattr(f"bayesgmm.labels.{module}.MANY_ROWS", 90)
    by_some = relabel(overlapping)
    assert 80 < len(Allocations(Draws(overlapping)).rows) <= 90
    same = draws_of(by_some, "weights") == draws_of(posterior, "weights")
    assert same.mean() > 0.97
    some, every = (attribute(tree, "identification") for tree in (by_some, posterior))
    np.testing.assert_allclose(some, every, atol=0.1)
    found = {q.name: q.values for q in label_free_quantities(Draws(posterior), every_row=False)}
    for quantity in label_free_quantities(Draws(posterior)):
        np.testing.assert_allclose(found[quantity.name].mean(), quantity.values.mean(), rtol=0.2)


def test_passes_that_run_out_leave_the_orders_reached(overlapping, monkeypatch):
    permuted = Allocations(Draws(permuted_tree(overlapping, random_orders(overlapping))))
    monkeypatch.setattr(sys.modules[stephens.__module__], "_MAX_PASSES", 0)
    orders = stephens(permuted, 0)
    np.testing.assert_array_equal(np.sort(orders, axis=1), np.tile([0, 1, 2], (len(orders), 1)))


def test_the_pivot_compares_each_parameter_once():
    """Log weight, standardised mean, log deviations, correlations below the diagonal."""
    rng = np.random.default_rng(2)
    scales, correlations = np.exp(rng.normal(size=(1, 2, 3))), np.empty((1, 2, 3, 3))
    for k in range(2):
        correlations[0, k] = np.corrcoef(rng.normal(size=(3, 9)))
    covariances = scales[..., None] * correlations * scales[..., None, :]
    weights, means = np.array([[0.3, 0.7]]), rng.normal(size=(1, 2, 3))
    parameters = Parameters(weights, means, scales, correlations, covariances)
    centre, unit = np.array([1.0, 2.0, 3.0]), np.array([0.5, 1.0, 2.0])
    vectors = _cluster_vectors(Draws.of(parameters, ("a", "b", "c"), frame=(centre, unit)))
    for k in range(2):
        expected = [np.log(weights[0, k])]
        expected += [(means[0, k, d] - centre[d]) / unit[d] for d in range(3)]
        expected += [np.log(scales[0, k, d] / unit[d]) for d in range(3)]
        expected += [correlations[0, k, i, j] for i, j in ((1, 0), (2, 0), (2, 1))]
        np.testing.assert_allclose(vectors[0, k], expected, rtol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_the_labels_are_those_of_the_pivot(overlapping, method):
    allocations = Allocations(Draws(permuted_tree(overlapping, random_orders(overlapping))))
    for pivot in (0, 7, 1200):
        assert METHODS[method](allocations, pivot)[pivot].tolist() == [0, 1, 2]


def test_label_free_quantities_do_not_see_labels(overlapping):
    permuted = permuted_tree(overlapping, random_orders(overlapping))
    for tree in (permuted, relabel(permuted)):
        for one, other in zip(
            label_free_quantities(Draws(overlapping)),
            label_free_quantities(Draws(tree)),
            strict=True,
        ):
            np.testing.assert_allclose(other.values, one.values, rtol=1e-12, err_msg=one.name)


def test_entropy_and_occupied_against_the_definition(overlapping):
    values = {q.name: q.values.ravel() for q in label_free_quantities(Draws(overlapping))}
    allocations = Allocations(Draws(overlapping))
    for draw in (0, 11, 500):
        r = allocations.at(draw)
        assert values["entropy"][draw] == pytest.approx(-(r * np.log(r)).sum(), rel=1e-10)
        occupied = (1.0 - (1.0 - r).prod(axis=1)).sum()
        assert values["occupied"][draw] == pytest.approx(occupied, abs=1e-8)
    shares = sum(values[f"sorted_weights[{j}]"] for j in (1, 2, 3))
    np.testing.assert_allclose(shares, 1.0)


def test_chains_and_switches_within_chains_come_together(overlapping):
    orders = np.tile(np.arange(3), (4, 500, 1))
    orders[1] = [2, 0, 1]
    orders[2, 250:] = [1, 0, 2]
    orders[3, ::7] = [2, 1, 0]
    mixed = permuted_tree(overlapping, orders)
    np.testing.assert_array_equal(
        draws_of(relabel(mixed), "means"), draws_of(relabel(overlapping), "means")
    )
    moved = attribute(relabel(mixed), "relabelling")["moved"]
    assert moved == pytest.approx(1.0 - (orders == np.arange(3)).all(axis=2).mean(), abs=0.05)


def test_relabelling_again_changes_nothing(overlapping):
    once = relabel(overlapping)
    again = relabel(once)
    xr.testing.assert_identical(once["posterior"].to_dataset(), again["posterior"].to_dataset())
    assert attribute(once, "identification") == attribute(again, "identification")


def test_numbering_takes_another_feature_where_the_first_is_tied():
    data, truth = clustered(2)
    means = np.array([[0.0, 6.0], [0.01, 0.0]])
    tree = relabel(run_about(data, 2, truth._replace(means=means)))
    assert attribute(tree, "order_feature") == "x2"
    assert draws_of(tree, "means")[..., 0, 1].max() < draws_of(tree, "means")[..., 1, 1].min()
    assert attribute(relabel(run_about(data, 2, truth)), "order_feature") == "x1"


def test_numbering_asks_for_three_standard_errors():
    means = np.array([[0.0, 9.0], [1.0, 0.0]])
    for errors, feature, order in [(0.34, 1, [1, 0]), (0.33, 0, [0, 1])]:
        got, by = number_clusters(means, np.ones(2), np.array([errors]))
        assert (by, got.tolist()) == (feature, order)


def test_numbering_knows_the_monte_carlo_errors_of_the_draws():
    rng = np.random.default_rng(0)
    means = rng.normal(scale=20.0, size=(4, 100, 2, 2)) + np.array([[0.0, 9.0], [1.0, 0.0]])
    assert _numbers(means, np.ones(2))[1] == 1
    assert _numbers(means / [20.0, 1.0] + [[0, 0], [1, 0]], np.ones(2))[1] == 0


def test_a_cluster_without_rows_is_not_identified():
    data, truth = clustered(2)
    parameters = Parameters(
        np.array([0.5, 0.498, 0.001, 0.001]), *(np.concatenate([v, v]) for v in truth[1:5])
    )
    tree = relabel(run_about(data, 4, parameters, deviation=0.4))
    scores = sorted(attribute(tree, "identification"))
    assert scores[1] < 0.9 < scores[2]


def test_equal_clusters_are_not_identified_and_distant_ones_are():
    data, truth = clustered(3, distance=8.0)
    twins = truth._replace(means=truth.means[[0, 1, 1]])
    tree = relabel(run_about(data, 3, twins, deviation=0.005))
    scores = attribute(tree, "identification")
    assert scores[0] == 1.0 and max(scores[1:]) < 0.9


def test_scores_are_those_of_the_draws_own_labels(overlapping):
    allocations = Allocations(Draws(overlapping))
    wrong = np.tile([0, 1, 2], (allocations.draws.n_samples, 1))
    right = identification_scores(allocations, wrong)
    wrong[::2] = [1, 0, 2]
    scores = identification_scores(allocations, wrong)
    assert (right > 0.9).all() and (scores[:2] < 0.6).all()


def test_agreement_of_methods(overlapping):
    permuted = permuted_tree(overlapping, random_orders(overlapping))
    shares = agreement(permuted)
    assert list(shares) == ["stephens, ecr", "stephens, pivot", "ecr, pivot"]
    assert min(shares.values()) > 0.9
    assert shares == pytest.approx(agreement(overlapping), abs=0.01)


def test_labels_told_apart_by_the_prior_stay():
    data, truth = clustered(2)
    spec = MixtureSpec(2, priors=Priors(concentration=(1.0, 3.0)))
    tree = run_about(data, spec, truth)
    permuted = permuted_tree(tree, random_orders(tree))
    kept = relabel(permuted)
    np.testing.assert_array_equal(draws_of(kept, "means"), draws_of(permuted, "means"))
    assert attribute(kept, "relabelling")["reason"] == "the model tells the labels apart"
    assert attribute(kept, "identification") == [1.0, 1.0]  # its name says which one it is


def test_draws_that_are_not_finite_are_kept_in_place(overlapping):
    permuted = permuted_tree(overlapping, random_orders(overlapping))
    posterior = permuted["posterior"].to_dataset().copy(deep=True)
    for variable in posterior.data_vars.values():
        variable[{"chain": 1, "draw": slice(10, 20)}] = np.nan
    permuted["posterior"] = xr.DataTree(posterior)
    restored = draws_of(relabel(permuted), "means")
    assert np.isnan(restored[1, 10:20]).all()
    np.testing.assert_array_equal(
        restored[[0, 2, 3]], draws_of(relabel(overlapping), "means")[[0, 2, 3]]
    )


@pytest.mark.parametrize("n_features", [1, 2])
def test_a_users_own_model_is_relabelled_and_read_by_its_values(n_features):
    data, truth = clustered(3, n_features)
    run = run_about(data, 3, truth, draws=50)
    permuted = permuted_tree(run, random_orders(run))
    own = permuted.copy()
    own["posterior"] = xr.DataTree(
        permuted["posterior"].to_dataset()[["weights", "means", "covariances"]]
    )
    del own.attrs["resolved"], own.attrs["spec"]
    with pytest.raises(ConfigError, match="not known which labels .* adopt"):
        relabel(own)
    axes = dict.fromkeys(("weights", "means", "covariances"), "cluster")
    own = with_attributes(own, labels={"groups": [[0, 1, 2]], "axes": axes, "families": []})
    np.testing.assert_array_equal(
        draws_of(relabel(own), "means"), draws_of(relabel(permuted), "means")
    )
    names = [q.name for q in cluster_quantities(Draws(own))]
    assert names == [q.name for q in cluster_quantities(Draws(permuted))]


@pytest.mark.parametrize(
    ("covariance", "expected"),
    [
        ("full", ["scales[1, x1]", "scales[1, x2]", "scales[2, x1]", "scales[2, x2]",
                  "correlations[1, x1, x2]", "correlations[2, x1, x2]"]),
        ("tied", ["scales[x1]", "scales[x2]", "correlations[x1, x2]"]),
        ("diag", ["scales[1, x1]", "scales[1, x2]", "scales[2, x1]", "scales[2, x2]"]),
        ("spherical", ["scales[1]", "scales[2]"]),
        ("tied_spherical", ["scales"]),
    ],
)  # fmt: skip
def test_shared_quantities_appear_once(covariance, expected):
    data, truth = clustered(2)
    tree = run_about(data, MixtureSpec(2, covariance), truth, draws=10)
    quantities = cluster_quantities(Draws(tree))
    assert [q.name for q in quantities[6:]] == expected
    assert all(np.ptp(q.values) > 0.0 for q in quantities)
    draws = tree["posterior"].to_dataset().assign(correlations=correlation_matrices(tree))
    for q in quantities:
        name, *inside = q.name.rstrip("]").replace("[", ", ").split(", ")
        cluster = int(inside.pop(0)) - 1 if inside and inside[0].isdigit() else 0
        features = [["x1", "x2"].index(feature) for feature in inside] or [0] * (name != "weights")
        values = draws[name].values[:, :, cluster]
        np.testing.assert_array_equal(q.values, values[:, :, *features])


def test_one_cluster_has_no_label_to_switch():
    data, truth = clustered(1)
    tree = relabel(run_about(data, 1, truth, draws=50))
    assert attribute(tree, "identification") == [1.0]
    assert [q.name for q in label_free_quantities(Draws(tree))] == ["log_likelihood"]
    assert "weights[1]" not in [q.name for q in cluster_quantities(Draws(tree))]


def test_chains_are_grouped_by_mode():
    data, truth = clustered(3)
    other = truth._replace(means=truth.means[[0, 1, 1]] + [[0.0], [-1.0], [1.0]])
    apart = run_about(data, 3, [truth, other, truth, other])
    modes = group_chains(Draws(permuted_tree(apart, random_orders(apart))))
    assert [mode.chains for mode in modes] == [(0, 2), (1, 3)]
    assert modes[0].log_likelihood > modes[1].log_likelihood + 10.0
    together = run_about(data, 3, truth)
    (mode,) = group_chains(Draws(permuted_tree(together, random_orders(together))))
    assert mode.chains == (0, 1, 2, 3)
    assert sum(mode.sorted_weights) == pytest.approx(1.0)


def test_rounding_does_not_part_chains_that_stand_still():
    assert _near(np.zeros((2, 30, 1))).all()  # the entropy, where every row is sure of its cluster
    still = np.full((2, 30, 1), 1e6)
    still[1] += 1e-8
    assert _near(still).all()
    still[1] += 1.0
    np.testing.assert_array_equal(_near(still), np.eye(2, dtype=bool))


def test_unknown_method_is_refused(overlapping):
    with pytest.raises(ConfigError, match="method must be one of stephens, ecr, pivot, got 'kl'"):
        relabel(overlapping, "kl")
