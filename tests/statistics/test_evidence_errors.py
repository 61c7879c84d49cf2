"""Both routes' stated errors where the evidence is known; `tests.evidence_errors` is the study."""

import math

import numpy as np
import pytest

from tests.evidence_errors import (
    EIGHT,
    MOST_SPREAD,
    PROBLEMS,
    ROUTES,
    by_allocations,
    estimate,
    spreads,
    study,
    truth_of,
)
from tests.support.few_rows import evidence_by_enumeration


@pytest.mark.parametrize("k", [1, 2])
def test_all_allocations_are_summed_as_by_the_other_sum(k):
    """Of one feature and at most two clusters, which another function sums over."""
    assert by_allocations(EIGHT[:, :1], k) == pytest.approx(
        evidence_by_enumeration(EIGHT[:, 0], k), abs=1e-9
    )


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("name", ["8 rows, D=1, K=3", "8 rows, D=2, K=2"])
def test_an_estimate_is_near_the_sum_over_all_allocations(name, route):
    truth, _ = truth_of(PROBLEMS[name])
    found = estimate(PROBLEMS[name], route, 1)
    assert abs(found.value - truth) < 4.0 * found.error < 0.2


def test_distances_are_measured_in_stated_errors():
    done = {("a", "truth", 0): (1.0, 0.0), ("b", "truth", 0): (0.0, 0.3)}
    done |= {("a", "smc", seed): (1.0 + 0.1 * seed, 0.1) for seed in (-1, 1, 4)}
    done["b", "smc", 1] = (1.0, 0.4)
    found = spreads(done, ["a", "b"])
    assert list(found) == [("a", "smc"), ("b", "smc"), ("all", "smc")]
    n, mean, deviation, two, three, error = found["a", "smc"]
    np.testing.assert_allclose((n, mean, deviation), (3, 4.0 / 3.0, math.sqrt(19.0 / 3.0)))
    np.testing.assert_allclose((two, three, error), (1.0 / 3.0, 1.0 / 3.0, 0.1))
    assert found["b", "smc"].mean == pytest.approx(2.0)


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_stated_errors_are_honest(tmp_path):
    """The deviation of 40 z has an error of 11 %: one problem may reach 1.6, all together not."""
    found = study(list(PROBLEMS), 40, tmp_path / "errors.jsonl")
    for route in ROUTES:
        assert found["all", route].deviation < MOST_SPREAD
        assert abs(found["all", route].mean) < 0.5
        assert found["all", route].beyond_3 < 0.02
    assert max(spread.deviation for spread in found.values()) < 1.6
