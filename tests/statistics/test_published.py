"""A part of `python -m tests.published`: evidences and tables of other authors."""

import pytest

from tests.published import ALLOWED, ALLOWED_NATS, EVIDENCES, P_OF_K, evidence, p_of_k


@pytest.mark.parametrize("model", EVIDENCES, ids=str)
def test_chibs_evidences_of_the_galaxies(model):
    """Labels are exchangeable in his models, and all their permutations are counted, as in ours."""
    found = evidence(*model, seed=1)
    assert found.error < 0.02
    assert abs(found.value - EVIDENCES[model]) < ALLOWED_NATS


@pytest.mark.slow
@pytest.mark.parametrize("name", P_OF_K)
def test_the_table_of_richardson_and_green(name):
    for column in p_of_k(name, seed=1).values():
        assert column.gap < ALLOWED
