"""Labelled rows that were picked for their labels: they say nothing of the weights."""

import html
import json

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax
from scipy.stats import beta, multivariate_normal

import bayesgmm as bg
from bayesgmm.cli import main
from bayesgmm.errors import DataError
from bayesgmm.fit.em import Likelihood
from bayesgmm.fit.map import Posterior
from bayesgmm.likelihood import rows as passes
from bayesgmm.likelihood.annotated_rows import AnnotatedRows
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.likelihood.rows import Rows
from bayesgmm.model.resolving import resolve
from bayesgmm.posterior.draws import Draws
from bayesgmm.report import model_words
from tests.support.places import DATA

pytestmark = pytest.mark.filterwarnings("ignore::bayesgmm.errors.DataWarning")
N_ROWS = 70
SETS = np.array([[1, 0, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1], [1, 1, 1]], dtype=bool)


def some_rows(rng):
    """Rows with missing cells and weights, each of one class, of two, or of any."""
    values = rng.normal(size=(N_ROWS, 2)) + 3.0 * rng.integers(3, size=(N_ROWS, 1))
    allowed = SETS[rng.integers(len(SETS), size=N_ROWS)]
    missing = values.copy()
    missing[rng.random(values.shape) < 0.2] = np.nan
    return values, AnnotatedRows(missing, rng.integers(0, 4, N_ROWS).astype(float), allowed)


def model_of(covariance="full", seed=0, **options):
    rng = np.random.default_rng(seed)
    values, rows = some_rows(rng)
    spec = bg.MixtureSpec(3, covariance, labels_inform_weights=False, **options)
    resolved = resolve(spec, bg.Dataset.from_frame(pd.DataFrame(values)))
    target = LogPosterior(resolved, rows)
    return target, 0.5 * rng.normal(size=target.dim)


def brute_force(rows, parameters):
    """Return log (sum_A w_k f_k / sum_A w_k) of each row over its observed cells."""
    weights, means, _, _, covariances = (value[0] for value in parameters[:5])
    out = np.zeros(len(rows))
    for i, (row, allowed) in enumerate(zip(rows.table, rows.allowed, strict=True)):
        seen = np.flatnonzero(~np.isnan(row))
        density = np.array(
            [
                multivariate_normal(m[seen], c[np.ix_(seen, seen)]).pdf(row[seen])
                if len(seen)
                else 1.0
                for m, c in zip(means, covariances, strict=True)
            ]
        )
        out[i] = np.log((weights * density)[allowed].sum() / weights[allowed].sum())
    return out


@pytest.mark.parametrize("covariance", ["full", "tied_diag"])
def test_the_density_is_that_given_the_label(covariance):
    target, x = model_of(covariance)
    by_row = brute_force(target.rows, target.constrain(x[None]))
    np.testing.assert_allclose(target.rowwise(x, target.rows), by_row, rtol=1e-10, atol=1e-12)
    total = target.rows.weights @ by_row
    found = target.terms(x[None], target.log_densities(x[None]))["log_likelihood"][0]
    assert found == pytest.approx(total, rel=1e-11)
    value = target.evaluate(x)
    for i, move in enumerate(1e-5 * np.eye(target.dim)):
        slope = (target.evaluate(x + move).value - target.evaluate(x - move).value) / 2e-5
        assert value.gradient[i] == pytest.approx(slope, rel=1e-6, abs=1e-5)
    heated = target.evaluate(x, inverse_temperature=0.3).value
    expected = value.value - 0.7 * value.terms["log_likelihood"]
    assert heated == pytest.approx(expected, rel=1e-12)


def test_em_and_map_see_the_same_density():
    target, x = model_of()
    rows = Rows(target.resolved, target.rows)
    moments = rows.moments(target.em_point(x))
    fused = target.evaluate(x, jacobian=False)
    assert moments.log_likelihood == pytest.approx(fused.terms["log_likelihood"], rel=1e-12)
    value, gradient = Posterior(target.resolved).value_and_gradient(rows, x)
    assert value == pytest.approx(fused.value, rel=1e-12)
    np.testing.assert_allclose(gradient, fused.gradient, rtol=1e-8, atol=1e-8)


def test_streamed_rows_are_counted_once(monkeypatch):
    monkeypatch.setattr(passes, "CHUNK", 16)
    target, x = model_of()
    point = target.em_point(x)
    held = Rows(target.resolved, target.rows).moments(point)
    monkeypatch.setattr(passes, "HELD_BYTES", 0)
    streamed = Rows(target.resolved, target.rows, 2).moments(point)
    for one, other in zip(streamed, held, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-10)


def test_no_step_of_em_loses_likelihood_and_it_ends_at_the_best_weights():
    target, x = model_of(seed=3)
    rows, likelihood = Rows(target.resolved, target.rows), Likelihood(target.resolved)
    point, path = target.em_point(x), []
    for _ in range(400):
        moments = rows.moments(point)
        path.append(moments.log_likelihood)
        point, collapsed = likelihood.step(point, moments, np.full(2, 1e-12))
        assert collapsed == -1
    assert np.diff(path).min() > -1e-9 and path[-1] - path[0] > 1.0

    def loss(free):
        moved = point.copy()
        moved[:3] = log_softmax(np.append(free, 0.0))
        return -rows.moments(moved).log_likelihood

    best = minimize(loss, np.zeros(2), tol=1e-10)
    found = np.exp(log_softmax(point[:3]))
    np.testing.assert_allclose(found, np.exp(log_softmax(np.append(best.x, 0.0))), atol=1e-4)
    assert path[-1] == pytest.approx(-best.fun, abs=1e-5)


def iris_with_labels():
    """The first 40 setosa have their label, and 5 of each other species."""
    table = pd.read_csv(DATA / "iris.csv")
    labels = np.where(np.arange(150) % 50 < 5, table["species"], None)
    labels[:40] = "setosa"
    return table[["petal_length", "petal_width"]], list(labels)


def test_weights_of_a_fit_are_those_of_the_rows_without_labels():
    table, labels = iris_with_labels()
    data = bg.Dataset.from_frame(table, labels=labels)
    spec = bg.MixtureSpec(3, labels_inform_weights=False)
    unlabelled = np.array([label is None for label in labels])
    for fit in (verb(data, spec, seed=1, n_starts=4) for verb in (bg.fit_em, bg.fit_map)):
        shares = bg.membership(fit, data)["mean"].values[unlabelled].sum(axis=0)
        np.testing.assert_allclose(fit.weights, shares / shares.sum(), atol=2e-4)
    informed = bg.fit_em(data, 3, seed=1, n_starts=4).weights
    assert informed[0] == pytest.approx(1 / 3, abs=1e-6)
    assert fit.weights[0] == pytest.approx(10 / 100, abs=1e-3)


def test_draws_of_the_weights_are_those_of_the_rows_without_labels():
    """Clusters far apart: the weights are Beta given the rows without labels, else given all."""
    rng = np.random.default_rng(2)
    clusters = np.repeat([0, 1], [60, 40])
    labels = np.where(np.arange(100) % 100 < 50, "low", None)
    table = pd.DataFrame({"x": 20.0 * clusters + rng.normal(size=100)})
    labels[95:] = "high"
    data = bg.Dataset.from_frame(table, labels=list(labels))
    for informed, counts in ((False, (35, 10)), (True, (40, 60))):
        spec = bg.MixtureSpec(2, labels_inform_weights=informed)
        posterior = bg.sample(data, spec, draws=1000, seed=4)
        law = beta(1 + counts[0], 1 + counts[1])
        drawn = posterior["posterior"]["weights"].values[..., 0]
        assert drawn.mean() == pytest.approx(law.mean(), abs=0.006)
        assert drawn.std() == pytest.approx(law.std(), rel=0.08)
        stored = posterior["log_likelihood"]["x"].values
        total = posterior["sample_stats"]["log_likelihood"].values
        np.testing.assert_allclose(stored.sum(axis=2), total, rtol=1e-10)
        again = Draws(posterior).log_densities(Draws(posterior).table)
        np.testing.assert_allclose(again, stored.reshape(again.shape), rtol=1e-12, atol=5.01e-10)


@pytest.fixture
def picked(tmp_path):
    """The folder of a CSV file and a model file of picked rows; data, model and best likelihood."""
    table, labels = iris_with_labels()
    table.assign(known=labels).to_csv(tmp_path / "iris.csv", index=False)
    spec = bg.MixtureSpec(3, labels_inform_weights=False)
    data = bg.Dataset.from_csv(tmp_path / "iris.csv", labels="known")
    best = bg.fit_em(data, spec, seed=1, n_starts=4).log_likelihood
    (tmp_path / "iris.toml").write_text(
        "[data]\nfile = 'iris.csv'\nlabels = 'known'\n"
        "[model]\nn_components = 3\nlabels_inform_weights = false\n"
        "[sampler]\ndraws = 100\ntune = 150\nmax_draws = 0\nevidence = 'none'\nseed = 1\n"
        f"[expect.log_likelihood]\n3 = {best}\n"
    )
    return tmp_path, data, spec, best


def test_grids_comparisons_and_commands_take_picked_labels(picked, capsys):
    """One fit by every door."""
    folder, data, spec, best = picked
    grid = bg.bic_grid(data, [3], "full", labels_inform_weights=False, seed=1, n_starts=4)
    assert grid["log_likelihood"].iloc[0] == pytest.approx(best, abs=1e-6)
    options = {"draws": 100, "tune": 150, "max_draws": 0, "evidence": "none", "seed": 1}
    comparison = bg.compare(data, 3, labels_inform_weights=False, **options)
    assert comparison.models == (spec,)
    assert comparison.fits[3].log_likelihood == pytest.approx(best, abs=1e-6)
    drawn = comparison.posteriors[3]["posterior"]["weights"].values[..., 0]
    assert drawn.mean() == pytest.approx(11 / 103, abs=0.02)
    command = [str(folder / "iris.csv"), "--labels", "known", "--no-labels-inform-weights"]
    assert main(["fit", *command, "-k", "3", "--seed", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["log_likelihood"]
    assert found == pytest.approx(best, abs=1e-6)
    main(["check", str(folder / "iris.toml")])
    assert "covariance full; rows were selected for their labels" in capsys.readouterr().out


@pytest.mark.slow
def test_model_files_take_picked_labels(picked):
    folder, _, spec, _ = picked
    result = bg.run_analysis(folder / "iris.toml", folder / "out")
    assert not result.unmet and result.choice.model == spec
    script = "compare(data, n_components=[3], covariance='full', labels_inform_weights=False"
    assert script in html.unescape(result.files["report"].read_text())


@pytest.mark.parametrize("verb", [bg.compare, bg.bic_grid])
def test_rows_without_labels_are_not_picked_for_them(verb):
    with pytest.raises(DataError, match="labels_inform_weights=False is for rows .* pass labels"):
        verb(iris_with_labels()[0], [2], labels_inform_weights=False)


def test_the_report_says_what_labels_mean():
    table, labels = iris_with_labels()
    data = bg.Dataset.from_frame(table, labels=labels)
    words = [
        model_words._labels(resolve(bg.MixtureSpec(3, labels_inform_weights=informed), data))
        for informed in (True, False)
    ]
    assert "likelihood w_k f_k(x)" in words[0] and "inform the weights" in words[0]
    assert "selected for their labels" in words[1] and "likelihood f_k(x)" in words[1]
