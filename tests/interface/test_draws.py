"""One view of a mixture's draws: each part built once, and the same numbers from any part of it."""

from functools import cached_property, partial
from types import SimpleNamespace

import numpy as np
import pytest

from bayesgmm.adoption import adopt
from bayesgmm.comparison import compare
from bayesgmm.diagnosis import diagnose
from bayesgmm.elpd import loo, loo_with_refits
from bayesgmm.errors import ConfigError
from bayesgmm.evidence import extend, log_evidence
from bayesgmm.evidence.bridge import log_ratios
from bayesgmm.fit import fit_em
from bayesgmm.labels import relabel
from bayesgmm.likelihood.log_posterior import Evaluation
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.tree import parameters_of, permuted_tree
from bayesgmm.prediction.draws import draws_of
from bayesgmm.report import write_report
from bayesgmm.sampling import sample
from bayesgmm.sampling.preconditioning import whitens
from bayesgmm.summary import label_free, summarize
from tests.support.simulated_runs import clustered, run_about


@pytest.fixture(scope="module")
def data():
    return clustered(2, n_obs=40)[0]


@pytest.fixture(scope="module")
def tree(data):
    return sample(data, 2, draws=500, tune=300, seed=1)


@pytest.fixture
def built(monkeypatch):
    """The views that were asked for each of these parts and had to build it."""
    views = {name: [] for name in ("parameters", "coordinates", "observed", "resolved")}

    def counted(name):
        build = vars(Draws)[name].func

        def part(self):
            views[name].append(self)
            return build(self)

        counting = cached_property(part)
        counting.__set_name__(Draws, name)
        return counting

    for name in views:
        monkeypatch.setattr(Draws, name, counted(name))
    return views


def test_one_diagnosis_builds_each_part_once(tree, built):
    assert "posterior_modes" in tree and diagnose(tree).ok
    assert built["parameters"]
    assert_once(built)


def test_a_view_builds_what_it_is_asked_for_only(tree, built):
    view = Draws(tree)
    assert not any(built.values())
    assert view.parameters is view.parameters and view.frame is view.frame
    assert {name: len(views) for name, views in built.items()} == {
        "parameters": 1,
        "coordinates": 0,
        "observed": 0,
        "resolved": 1,
    }
    summarize(tree)
    label_free(tree, rows=[0, 1])
    assert not built["coordinates"]


@pytest.mark.parametrize(
    ("verb", "asked"),
    [
        (relabel, ["parameters", "observed"]),
        (partial(summarize, prob=0.5), ["parameters", "resolved"]),
        (partial(log_evidence, seed=1), ["parameters", "coordinates"]),
        (partial(extend, draws=20, seed=1), ["parameters", "coordinates", "observed"]),
    ],
    ids=["relabel", "summarize", "log_evidence", "extend"],
)
def test_no_verb_builds_a_part_of_a_posterior_twice(tree, built, verb, asked):
    verb(tree)
    assert all(built[name] for name in asked)
    assert_once(built)


def test_loo_matches_moments_and_refits_by_one_view(tree, built):
    second = np.sort(loo(tree).pareto_k.values)[-2]
    result = loo_with_refits(tree, second, draws=100, tune=100, seed=1)
    assert result.n_matched + result.n_refitted == 1
    assert built["parameters"]
    assert_once(built)


def test_comparison_and_report_view_each_posterior_once(data, built, tmp_path):
    comparison = compare(data, [1, 2], draws=500, tune=300, evidence="bridge", seed=1)
    assert len(built["coordinates"]) == 2
    assert_once(built)
    for views in built.values():
        views.clear()
    write_report(comparison, tmp_path / "report.html", criterion="bic")
    assert len(built["parameters"]) == 1 and not built["coordinates"]
    assert_once(built)


def assert_once(built):
    for name, views in built.items():
        sources = [id(view.source) for view in views if view.source is not None]
        assert len(set(sources)) == len(sources), name


def test_a_draw_gives_the_same_bits_whatever_lies_beside_it(tree):
    view, rows = Draws(tree), np.random.default_rng(1).normal(2.0, 4.0, size=(30, 2))
    some = np.array([700, 3, 401])
    few = view.taken(some)
    for ask in (Draws.responsibilities, Draws.log_densities):
        np.testing.assert_array_equal(ask(few, rows), ask(view, rows)[some])
    one, all_of_them = few.marginal([1]), view.marginal([1])
    np.testing.assert_array_equal(
        one.log_densities(rows[:, 1:]), all_of_them.log_densities(rows[:, 1:])[some]
    )
    by_row = few.responsibilities_by_row(rows)
    np.testing.assert_array_equal(by_row.transpose(2, 1, 0), few.responsibilities(rows))


def test_parts_of_a_view_keep_what_is_known_of_all(tree):
    view = Draws(tree)
    part = view.thinned(50).marginal([1])
    assert (part.n_samples, part.n_components, part.features) == (50, 2, view.features[1:])
    assert part.groups == view.groups and part.clusters.tolist() == [1, 2]
    np.testing.assert_array_equal(part.obs, view.obs)
    np.testing.assert_array_equal(part.rows, view.rows[:, 1:])
    np.testing.assert_array_equal(part.frame, np.array(view.frame)[:, 1:])
    assert view.thinned(10_000) is view
    with pytest.raises(ConfigError, match="a posterior .* is needed"):
        _ = part.tree
    with pytest.raises(ConfigError, match="a posterior .* is needed"):
        Draws("draws")


def test_a_point_fit_is_one_draw(data):
    fit = fit_em(data, 2, seed=1)
    view = draws_of(fit)
    assert view.shape == (1, 1) and view.features == fit.features
    np.testing.assert_array_equal(view.parameters.means[0], fit.parameters.means)
    np.testing.assert_array_equal(view.frame[0], fit.parameters.means.mean(axis=0))
    with pytest.raises(ConfigError, match="does not keep the data"):
        _ = view.rows
    assert draws_of(view) is view


def test_a_users_model_keeps_its_groups_and_the_frame_of_its_rows():
    data, truth = clustered(2, n_obs=40)
    own = adopt(run_about(data, 2, truth, draws=50), data, exchangeable=True)
    view = Draws(permuted_tree(own, np.tile([1, 0], (4, 50, 1))))
    assert view.resolved is None and view.groups.groups == ((0, 1),)
    expected = view.rows.mean(axis=0), view.rows.std(axis=0, ddof=1)
    np.testing.assert_array_equal(view.frame, expected)
    np.testing.assert_array_equal(view.parameters.means, parameters_of(own).means[:, ::-1])
    assert view.taken(np.array([0])).gaussian == view.gaussian
    with pytest.raises(ConfigError, match="own model"):
        _ = view.target


class Normal:
    """A Normal of independent coordinates, which knows nothing of mixtures."""

    dim, rows = 2, np.zeros((0, 1))
    precision = np.array([1.0, 100.0])

    def log_densities(self, points):
        return -0.5 * (points**2 * self.precision).sum(axis=-1)

    def evaluate(self, x):
        return Evaluation(float(self.log_densities(x)), -self.precision * x, {})

    def rowwise(self, points, rows):
        return np.zeros((*points.shape[:-1], len(rows)))


def test_those_who_ask_for_a_log_density_need_no_mixture():
    rng, points = np.random.default_rng(1), np.arange(6.0).reshape(3, 2)
    assert whitens(Normal(), np.zeros(2), np.diag([1.0, 0.1]), rng)
    assert not whitens(Normal(), np.zeros(2), np.eye(2), rng)
    flat = SimpleNamespace(log_density=lambda points: np.zeros(len(points)))
    expected = [-50.0, -2.0 - 450.0, -8.0 - 1250.0]
    np.testing.assert_allclose(log_ratios(Normal(), flat, points), expected)
