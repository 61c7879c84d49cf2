"""What climbs of EM are told of a model: nothing of what its structure has no use for."""

import numpy as np
import pytest

from bayesgmm.data import as_dataset
from bayesgmm.likelihood.em_steps import EMSteps
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import MixtureSpec

ROWS = np.random.default_rng(1).normal(size=(30, 2))


def steps_of(rows: np.ndarray = ROWS, **options: object) -> EMSteps:
    """Return the steps of a model of two clusters."""
    return LogPosterior(resolve(MixtureSpec(2, **options), as_dataset(rows), sampled=False), rows)


@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical"])
def test_closed_forms_bring_no_climb_and_no_codes(covariance: str) -> None:
    steps = steps_of(covariance=covariance)
    flat, climbed, codes, left = steps.plain_model
    assert flat is steps.flat
    assert climbed is None and codes is None and not left


@pytest.mark.parametrize("covariance", ["shared_correlations", "shared_scales"])
def test_structures_without_a_closed_form_are_climbed_to(covariance: str) -> None:
    steps = steps_of(covariance=covariance)
    assert steps.climbed is steps.flat
    assert steps.plain_model[1:] == (steps.flat, None, True)


def test_contaminated_clusters_are_climbed_to() -> None:
    steps = steps_of(family="contaminated")
    assert steps.climbed is steps.flat


def test_a_leap_may_fall_below_a_recording_error() -> None:
    assert steps_of(ROWS.round(1)).plain_model[3]


def test_volumes_shapes_and_axes_have_codes_and_are_not_read_from_the_flat_model() -> None:
    flat, climbed, codes, left = steps_of(covariance="VEV").plain_model
    assert not flat.size
    assert climbed is None and codes == (True, False, 2) and not left
