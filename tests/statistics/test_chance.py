"""What is set aside as chance: few real groups, next to no noise; see `tests.chance`."""

import pytest

from tests.chance import noise_set, real_set

pytestmark = pytest.mark.filterwarnings("ignore::bayesgmm.errors.DegeneracyWarning")


def counts(n_sets):
    outcomes = [real_set(seed) for seed in range(n_sets)]
    leading, lost = (sum(values) for values in zip(*outcomes, strict=True))
    return leading, lost, sum(noise_set(seed) for seed in range(n_sets))


def test_a_sample_of_the_study():
    leading, lost, noise = counts(6)
    assert leading >= 4 and lost == 0 and noise <= 1


@pytest.mark.slow
def test_the_study():
    leading, lost, noise = counts(200)
    assert leading >= 150 and lost <= 2 and noise <= 10
