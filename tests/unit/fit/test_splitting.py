"""Two components made one and one split: as many as before, and the moments of the whole kept."""

import numpy as np
import pytest

from bayesgmm.fit.points import point_of, split
from bayesgmm.fit.splitting import split_and_merged

K, D = 4, 3


@pytest.mark.parametrize("seed", range(5))
def test_two_are_made_one_and_one_is_split(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights, means = rng.dirichlet(np.ones(K)), rng.normal(size=(K, D))
    roots = rng.normal(size=(K, D, D))
    covariances = roots @ roots.swapaxes(1, 2) + np.eye(D)
    point = point_of(weights, means, covariances)
    found = split_and_merged(point.copy(), K, D, rng)
    assert len(found) == len(point)
    new = split(found, K, D)
    kept = sum(np.isclose(new[1], mean).all(axis=1).any() for mean in means)
    assert kept in (1, 2), "one of those left is split, or the one made of two"
    assert new[0].sum() == pytest.approx(1.0)
    np.testing.assert_allclose(new[0] @ new[1], weights @ means, atol=1e-12)
    assert (np.linalg.eigvalsh(new[2]) > 0.0).all()
