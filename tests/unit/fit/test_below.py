"""The best of all optima never falls when a component is added, however few the starts."""

import warnings

import numpy as np
import pytest

from bayesgmm.data import Dataset, as_dataset
from bayesgmm.errors import DataWarning, DegeneracyWarning
from bayesgmm.fit import fit_em, multistart
from bayesgmm.fit.below import Kept, doubled
from bayesgmm.fit.em import Likelihood, starting_fit
from bayesgmm.fit.points import point_of
from bayesgmm.likelihood.rows import Rows
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import COVARIANCES, MixtureSpec
from tests.support.places import CASES, DATA


@pytest.fixture
def nothing_kept(monkeypatch):
    """Return a function that forgets what earlier searches found."""
    forget = lambda: monkeypatch.setattr(multistart, "_kept", Kept())  # noqa: E731
    forget()
    return forget


@pytest.fixture
def acidity():
    return Dataset.from_csv(DATA / "acidity.csv")


def highest(fit):
    return max(optimum.objective for optimum in fit.optima)


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_a_component_twice_is_as_likely(covariance):
    rng = np.random.default_rng(1)
    data = as_dataset(rng.normal(size=(50, 2)) + 4.0 * (np.arange(50) % 2)[:, None])
    two = resolve(MixtureSpec(2, covariance), data)
    fit = fit_em(data, MixtureSpec(2, covariance), seed=1)
    point = point_of(
        fit.weights,
        (fit.means - two.centre) / two.unit,
        fit.covariances / np.multiply.outer(two.unit, two.unit),
    )
    three = resolve(MixtureSpec(3, covariance), data)
    target = Likelihood(three)
    twice = target.start(doubled(point, 2, 2))
    there = Rows(two, data).moments(point).log_likelihood
    assert Rows(three, data).moments(twice).log_likelihood == pytest.approx(there, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "covariance"),
    [("acidity", "shared_scales"), ("overlapping", "diag"), ("zero", "full"), ("rain", "tied")],
)
@pytest.mark.filterwarnings("ignore::bayesgmm.errors.DegeneracyWarning")
def test_one_start_is_enough_not_to_fall(name, covariance, nothing_kept):
    (path,) = [p for folder in (CASES, DATA) if (p := folder / f"{name}.csv").exists()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        data = Dataset.from_csv(path)
        best = -np.inf
        for k in range(1, 6):
            fit = fit_em(data, MixtureSpec(k, covariance), seed=2, n_starts=1)
            assert highest(fit) > best - 1e-6, k
            best = highest(fit)


def test_a_fit_is_the_same_whether_that_of_fewer_is_kept_or_not(acidity, nothing_kept):
    for k in (2, 3):
        fit_em(acidity, k, seed=3)
    after = fit_em(acidity, 4, seed=3)
    nothing_kept()
    alone = fit_em(acidity, 4, seed=3)
    assert [o.objective for o in alone.optima] == [o.objective for o in after.optima]
    assert np.array_equal(alone.means, after.means)


def test_what_is_kept_is_that_of_the_same_data_and_options(acidity, nothing_kept, monkeypatch):
    searched = []
    plain = multistart._climbed

    def noted(target, data, plan):
        searched.append((target.resolved.n_components, data.hash, plan.seed))
        return plain(target, data, plan)

    monkeypatch.setattr(multistart, "_climbed", noted)
    fit_em(acidity, 2, seed=1)
    fit_em(acidity, 3, seed=1)
    assert [k for k, *_ in searched] == [2, 1, 3]
    searched.clear()
    fit_em(acidity, 3, seed=2)
    assert [k for k, *_ in searched] == [3, 2, 1]
    searched.clear()
    fit_em(acidity.values + 1.0, 3, seed=1)
    assert [k for k, *_ in searched] == [3, 2, 1]


def test_the_oldest_search_is_forgotten_first():
    kept = Kept()
    for key in range(100):
        kept.put(key, ())
    assert kept.get(0) is None and kept.get(99) == ()


def test_a_search_for_starting_points_makes_no_whole_search_below(acidity, nothing_kept):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegeneracyWarning)
        found = starting_fit(acidity, 3, seed=1, n_starts=24)
    assert len(multistart._kept._leaders) == 0
    assert highest(found) == pytest.approx(highest(fit_em(acidity, 3, seed=1)), abs=0.5)
