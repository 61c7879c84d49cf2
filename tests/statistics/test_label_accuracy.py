"""Labels predicted when left out, against posteriors without them."""

import numpy as np
import pandas as pd
import pytest

import bayesgmm as bg
from bayesgmm.elpd import _label_accuracy
from tests.support.few_rows import EIGHT, FIXED

pytestmark = pytest.mark.filterwarnings("ignore::bayesgmm.errors.DataWarning")
RNG = np.random.default_rng(6)
TABLE = pd.DataFrame({"x": np.r_[RNG.normal(0, 1, 25), RNG.normal(2.5, 1, 25)]})
LABELS = [None] * 50
LABELS[:8], LABELS[25:31] = ["a"] * 8, ["b"] * 6
LABELS[int(TABLE["x"][:8].argmax())] = "b"  # one that the values contradict
LABELS[40], LABELS[41] = "a", "a|b"
WEIGHTS = np.where(np.arange(50) % 5 == 0, 2, 1)


def sampled(labels, spec=2, weights=None, seed=3):
    kind = {} if weights is None else {"weights": weights, "weights_kind": "frequency"}
    data = bg.Dataset.from_frame(TABLE, labels=pd.Series(labels, dtype=object), **kind)
    spec = spec if isinstance(spec, bg.MixtureSpec) else bg.MixtureSpec(spec, priors=FIXED)
    return bg.sample(data, spec, draws=1500, tune=500, seed=seed)


def without(labels, row):
    left = list(labels)
    left[row] = None
    return left


@pytest.fixture(scope="module")
def result():
    return bg.label_accuracy(sampled(LABELS))


def test_a_label_has_its_probability_given_all_else(result):
    labelled = [i for i, label in enumerate(LABELS) if label in ("a", "b")]
    assert result.probabilities["obs"].values.tolist() == labelled
    assert result.n_bad == (result.pareto_k > 0.7).sum()
    for row in (int(TABLE["x"][:8].argmax()), 40):
        exact = bg.membership(sampled(without(LABELS, row), seed=5))["mean"].sel(obs=row)
        found = result.probabilities.sel(obs=row)
        assert result.pareto_k.sel(obs=row) < 0.7
        np.testing.assert_allclose(found, exact, atol=0.025)
        scored = np.log(found.sel(cluster=LABELS[row]))
        assert result.log_scores.sel(obs=row).item() == pytest.approx(scored.item(), abs=1e-9)


def test_accuracy_and_log_score_are_means_with_their_errors(result):
    best = result.probabilities["cluster"].values[result.probabilities.values.argmax(axis=1)]
    right = best == np.array([LABELS[i] for i in result.probabilities["obs"].values])
    assert 0.5 < result.accuracy < 1.0
    assert result.accuracy == pytest.approx(right.mean())
    assert result.accuracy_error == pytest.approx(right.std(ddof=1) / np.sqrt(len(right)))
    scores = result.log_scores.values
    assert result.log_score == pytest.approx(scores.mean())
    assert result.log_score_error == pytest.approx(scores.std(ddof=1) / np.sqrt(len(scores)))
    assert f"of {len(right)} labels left out" in repr(result)


def test_the_only_label_says_nothing_without_itself():
    data = bg.Dataset.from_frame(pd.DataFrame({"x": EIGHT}), labels=["low", *[None] * 7])
    alone = bg.label_accuracy(bg.sample(data, bg.MixtureSpec(2, priors=FIXED), draws=100, seed=1))
    np.testing.assert_allclose(alone.probabilities, 0.5, atol=1e-12)
    assert alone.log_score == pytest.approx(np.log(0.5))


def test_a_class_of_one_label_is_like_the_unnamed_cluster_without_it():
    labels = [None] * 50
    labels[:6], labels[30] = ["a"] * 6, "b"
    runs = [bg.label_accuracy(sampled(labels, 3, seed=s)).probabilities for s in range(3, 9)]
    exact = bg.membership(sampled(without(labels, 30), 3, seed=5))["mean"].sel(obs=30)
    assert runs[0].sel(obs=30, cluster="b").item() == runs[0].sel(obs=30, cluster="3").item()
    found = np.array([run.sel(obs=30, cluster="a").item() for run in runs])
    assert found.std(ddof=1) < 0.1  # few draws have the weight: the label is all there is of b
    error = np.hypot(found.std(ddof=1) / np.sqrt(len(found)), 0.01)
    assert abs(found.mean() - exact.sel(cluster="a").item()) < 4 * error


def test_a_row_that_counts_twice_has_two_labels():
    result = bg.label_accuracy(sampled(LABELS, weights=WEIGHTS))
    rows = result.probabilities["obs"].values
    assert result.n_labels == WEIGHTS[rows].sum()
    assert result.log_score == pytest.approx(np.average(result.log_scores, weights=WEIGHTS[rows]))


def test_picked_rows_are_predicted_as_rows_without_a_label():
    spec = bg.MixtureSpec(2, priors=FIXED, labels_inform_weights=False)
    row = int(TABLE["x"][:8].argmax())
    found = bg.label_accuracy(sampled(LABELS, spec)).probabilities.sel(obs=row)
    exact = bg.membership(sampled(without(LABELS, row), spec, seed=5))["mean"].sel(obs=row)
    np.testing.assert_allclose(found, exact, atol=0.03)


def test_labels_that_are_certain_and_labels_that_cannot_be():
    """Rows 60 standard deviations apart: weights are all equal, or nothing shows their tail."""
    table = pd.DataFrame({"x": np.r_[EIGHT, EIGHT + 60.0]})
    labels = ["a"] * 4 + [None] * 4 + ["b"] * 4 + [None] * 4
    spec = bg.MixtureSpec(2, priors=bg.Priors(scale=0.05, scale_sigma=0.1))
    data = bg.Dataset.from_frame(table, labels=labels)
    sure = bg.label_accuracy(bg.sample(data, spec, draws=100, tune=200, seed=1))
    assert sure.accuracy == 1.0 and abs(sure.log_score) < 1e-12 and sure.n_bad == 0
    labels[5] = "b"
    data = bg.Dataset.from_frame(table, labels=labels)
    wrong = bg.label_accuracy(bg.sample(data, spec, draws=100, tune=200, seed=1))
    assert wrong.pareto_k.sel(obs=5) > 0.7 and wrong.n_bad == 1 and wrong.accuracy < 1.0


def test_no_tail_matters_where_weights_are_even():
    log_likelihood = -np.random.default_rng(1).pareto(0.8, 4000).clip(max=1000.0)
    even, k = _label_accuracy._smoothed(1e-5 * log_likelihood, 1.0)
    assert k == 0.0 and np.ptp(even) * 4000 < 0.011 and even.sum() == pytest.approx(1.0)
    assert _label_accuracy._smoothed(1e-2 * log_likelihood, 1.0)[1] > 0.7


def test_rows_without_labels_are_refused():
    with pytest.raises(bg.ConfigError, match="no labels are known"):
        bg.label_accuracy(bg.sample(EIGHT[:, None], 1, draws=20, tune=50, seed=1))
