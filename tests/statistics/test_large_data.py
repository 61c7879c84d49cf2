"""Fits of many rows, which climb on samples of them first."""

import numpy as np
import pytest

from bayesgmm.fit import fit_em
from bayesgmm.fit import multistart as search


@pytest.mark.slow
def test_large_data_climb_on_samples_first(monkeypatch):
    rng = np.random.default_rng(1)
    centres = np.array([[0.0, 0.0], [6.0, 3.0]])
    values = centres[rng.integers(2, size=150_000)] + rng.normal(size=(150_000, 2))
    for name, rows in (("SAMPLED_ROWS", 500), ("_MIDDLE_ROWS", 5_000)):
        monkeypatch.setattr(search, name, rows)
    sampled = fit_em(values, 3, seed=1, n_starts=8)
    assert {climb.n_obs for climb in sampled.climbs} == {500}
    assert len(sampled.climbs) == 8 and len(sampled.optima) <= 3
    assert sum(optimum.count for optimum in sampled.optima) == sum(
        climb.optimum is not None for climb in sampled.climbs
    )
    everywhere = fit_em(values, 3, starts=[sampled.parameters])
    assert everywhere.log_likelihood == pytest.approx(sampled.log_likelihood, abs=1e-3)
