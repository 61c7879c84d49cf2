"""The curvature of many rows in passes: what differences of gradients say of it."""

from typing import Any

import numpy as np
import pytest

from bayesgmm.data import as_dataset
from bayesgmm.likelihood import climbing, missing_information
from bayesgmm.likelihood.climbing import curvature
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import MixtureSpec

N_ROWS = 5_100


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"covariance": "tied"},
        {"covariance": "tied_diag", "resolution": 0.5},
        {"covariance": "spherical"},
        {"covariance": "factor", "n_factors": 1},
        {"family": "contaminated"},
    ],
    ids=str,
)
@pytest.mark.parametrize("apart", [1.0, 20.0])
def test_it_is_that_of_differences(
    options: dict[str, Any], apart: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(1)
    centres = apart * np.array([[0.0, 0.0, 0.0], [2.0, 1.0, 0.0], [0.0, 2.0, 1.0]])
    rows = centres[rng.integers(3, size=N_ROWS)] + rng.normal(size=(N_ROWS, 3))
    data = as_dataset(rows)
    target = LogPosterior(resolve(MixtureSpec(3, **options), data), rows)
    x = 0.3 * rng.normal(size=target.dim)
    x[target.slices["means"]] = ((centres - data.centre()) / data.spread()).ravel()
    assert missing_information.takes_passes(target)
    found = curvature(target, x)
    monkeypatch.setattr(climbing, "takes_passes", lambda _: False)
    expected = curvature(target, x)
    width = np.sqrt(np.abs(np.diag(expected)))
    np.testing.assert_allclose(found / np.outer(width, width), expected / np.outer(width, width),
                               atol=1e-5)  # fmt: skip


def test_rows_that_are_few_or_annotated_or_of_tails_have_differences() -> None:
    rows = np.random.default_rng(1).normal(size=(N_ROWS, 2))
    data = as_dataset(rows)
    for few, options in ((rows[:100], {}), (rows, {"family": "t"}), (rows, {"noise": "uniform"})):
        spec = MixtureSpec(2, **options)
        assert not missing_information.takes_passes(LogPosterior(resolve(spec, data), few))


def test_there_is_none_without_a_density() -> None:
    rows = np.random.default_rng(1).normal(size=(N_ROWS, 2))
    target = LogPosterior(resolve(MixtureSpec(2, resolution=0), as_dataset(rows)), rows)
    x = np.zeros(target.dim)
    x[target.slices["scales"]] = -800.0
    assert np.isnan(curvature(target, x)).all()
