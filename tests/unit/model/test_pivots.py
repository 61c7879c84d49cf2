"""Features on which every cluster loads come first, so that no diagonal entry is near 0."""

import numpy as np
import pytest

from bayesgmm.model.components.loadings import triangular
from bayesgmm.model.pivots import pivots_in

N, D, K = 600, 20, 3


@pytest.mark.parametrize("n_factors", [1, 2])
@pytest.mark.parametrize("seed", range(6))
def test_no_cluster_has_a_diagonal_entry_near_0(seed: int, n_factors: int) -> None:
    """The first factors of all rows lie between clusters: by them entries came down to 0.02."""
    rng = np.random.default_rng(seed)
    loadings = rng.normal(size=(K, D, n_factors))
    labels, factors = rng.integers(K, size=N), rng.normal(size=(N, n_factors))
    rows = 6.0 * rng.normal(size=(K, D))[labels] + rng.normal(size=(N, D))
    rows += np.einsum("nq,ndq->nd", factors, loadings[labels])
    pivots = pivots_in((rows - rows.mean(axis=0)) / rows.std(axis=0), K, n_factors)
    assert len(set(pivots)) == n_factors
    order = np.array([*pivots, *(d for d in range(D) if d not in pivots)])
    turned = triangular(loadings, order)
    diagonals = [turned[:, pivots[j], j] for j in range(n_factors)]
    assert np.min(diagonals) > 0.25


def test_few_rows_and_still_features_have_pivots_too() -> None:
    rows = np.zeros((3, 4))
    rows[:, 1] = [1.0, 2.0, 4.0]
    assert len(set(pivots_in(rows, 5, 2))) == 2
