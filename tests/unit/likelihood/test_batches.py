"""Densities of many points at many rows: what single evaluations give, on any number of threads."""

import numpy as np
import pytest

from bayesgmm.data import as_dataset
from bayesgmm.likelihood.annotated_rows import AnnotatedRows
from bayesgmm.likelihood.batches import ROWS_A_TASK
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import Family, MixtureSpec


@pytest.mark.parametrize(
    ("n_features", "family"),
    [*((size, "normal") for size in (1, 2, 3, 4, 5, 7)), (2, "contaminated")],
)
def test_batches_give_what_single_evaluations_give(n_features: int, family: Family) -> None:
    rng = np.random.default_rng(n_features)
    rows = rng.normal(size=(2 * ROWS_A_TASK + 77, n_features))
    target = LogPosterior(resolve(MixtureSpec(3, family=family), as_dataset(rows)), rows)
    points = 0.5 * rng.normal(size=(70, target.dim))
    found = target.log_densities(points, cores=1)
    some = [0, 1, 63, 64, 69]
    single = np.array([target.evaluate(points[i]).value for i in some])
    np.testing.assert_allclose(found[some], single, rtol=1e-12)
    assert np.array_equal(target.log_densities(points, cores=2), found)
    assert np.array_equal(target.log_densities(points, cores=3), found)
    assert np.array_equal(target.log_densities(points[60:66], cores=2), found[60:66])


def test_a_singular_covariance_has_no_density() -> None:
    rows = np.random.default_rng(1).normal(size=(ROWS_A_TASK + 1, 2))
    target = LogPosterior(resolve(MixtureSpec(2, resolution=0), as_dataset(rows)), rows)
    points = np.zeros((2, target.dim))
    points[1, target.slices["scales"]] = -800.0
    found = target.log_densities(points)
    assert np.isfinite(found[0])
    assert found[1] == -np.inf


def test_few_and_annotated_rows_give_what_single_evaluations_give() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=(ROWS_A_TASK + 5, 2))
    values[::3, 1] = np.nan
    resolved = resolve(MixtureSpec(2), as_dataset(np.nan_to_num(values)))
    for rows in (AnnotatedRows(values), np.nan_to_num(values)[:50]):
        target = LogPosterior(resolved, rows)
        points = 0.5 * rng.normal(size=(2, 3, target.dim))
        single = [[target.evaluate(x).value for x in each] for each in points]
        for cores in (1, 2, 3):
            assert np.array_equal(target.log_densities(points, cores=cores), single)
