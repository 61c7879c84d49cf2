import json

import numpy as np
import pytest

from bayesgmm.diagnosis import RunStatus, diagnose
from bayesgmm.errors import ConfigError, SamplingError
from bayesgmm.evidence.modes import _taken, combine_modes, weigh_modes
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.posterior.tree import attribute
from bayesgmm.report.sampler_checks import _modes
from bayesgmm.report.subject import subject_of
from bayesgmm.sampling import sample
from tests.support.few_rows import EIGHT, FIXED
from tests.support.galaxies import GALAXIES, in_small_mode


@pytest.fixture(scope="module")
def two_modes(galaxies):
    return sample(galaxies, 2, seed=1)


@pytest.fixture(scope="module")
def eight():
    return sample(EIGHT[:, None], MixtureSpec(2, priors=FIXED, resolution=0), seed=11)


def test_weights_agree_with_importance_sampling(two_modes):
    weighed = weigh_modes(two_modes, seed=1)
    assert len(weighed.modes) == 2
    small = weighed.modes[1]
    assert in_small_mode(two_modes)[list(small.mode.chains)].mean() > 0.99
    error = np.hypot(small.weight_error, GALAXIES["small_mode_weight_error"])
    assert small.weight_error < 0.002
    assert abs(small.weight - GALAXIES["small_mode_weight"]) < 4 * error
    error = np.hypot(weighed.error, GALAXIES["log_evidence_error"])
    assert weighed.error < 0.02
    assert abs(weighed.log_evidence - GALAXIES["log_evidence"]) < 4 * error
    assert str(weighed).startswith("mode 0 (chains ")


def test_the_verdict_weighs_the_modes_and_names_the_cure(two_modes):
    verdict = diagnose(two_modes)
    assert verdict.status is RunStatus.CHAINS_DISAGREE
    assert verdict.weighed == weigh_modes(two_modes, seed=attribute(two_modes, "seed"))
    small = verdict.weighed.modes[1]
    error = np.hypot(small.weight_error, GALAXIES["small_mode_weight_error"])
    assert abs(small.weight - GALAXIES["small_mode_weight"]) < 4 * error
    assert f"weight {small.weight:.3g} (error {small.weight_error:.1g})" in verdict.reasons[0]
    assert f"log evidence {small.log_evidence:.2f} (error " in verdict.reasons[0]
    assert "combine_modes(posterior) draws from each" in verdict.reasons[0]
    listed = json.loads(json.dumps(verdict.to_dict(), allow_nan=False))["modes"]
    assert [mode["chains"] for mode in listed] == [list(m.chains) for m in verdict.modes]
    assert listed[1]["weight"] == small.weight and listed[1]["log_evidence"] == small.log_evidence


def test_the_report_sets_the_modes_side_by_side(two_modes, eight):
    (table,) = _modes(subject_of(two_modes, "loo", None))
    assert [row[0] for row in table.rows] == [
        ", ".join(map(str, mode.chains)) for mode in diagnose(two_modes).modes
    ]
    weight = float(table.rows[1][5])
    assert weight == pytest.approx(GALAXIES["small_mode_weight"], abs=0.002)
    assert _modes(subject_of(eight, "loo", None)) == []


def test_modes_that_cannot_be_weighed_are_listed_with_the_reason(two_modes):
    own = two_modes.copy()
    own.attrs = {name: text for name, text in two_modes.attrs.items() if name != "resolved"}
    verdict = diagnose(own)
    assert verdict.weighed is None and len(verdict.modes) == 2
    assert "Their weights are not known for a model of your own: tune longer" in verdict.reasons[0]
    assert all(mode["weight"] is None for mode in verdict.to_dict()["modes"])


def test_combined_draws_hold_each_mode_in_proportion(two_modes):
    combined = combine_modes(two_modes, seed=1)
    shares = in_small_mode(combined).mean(axis=1)
    expected = attribute(combined, "modes")["modes"][1]["weight"]
    assert shares.mean() == pytest.approx(expected, abs=1 / 4000)
    assert np.ptp(shares) < 0.03
    assert combined["posterior"].sizes == two_modes["posterior"].sizes
    assert diagnose(two_modes).status is RunStatus.CHAINS_DISAGREE
    assert diagnose(combined).ok


def test_combined_draws_stay_whole(two_modes):
    combined = combine_modes(two_modes, seed=1)
    total = combined["log_likelihood"]["x"].sum("obs").values
    np.testing.assert_allclose(total, combined["sample_stats"]["log_likelihood"].values)
    drawn = set(two_modes["sample_stats"]["lp"].values.ravel())
    assert set(combined["sample_stats"]["lp"].values.ravel()) <= drawn
    modes = combined["sample_stats"]["mode"].values
    assert 0.0 < np.mean(modes == 1) < 0.05
    assert in_small_mode(combined)[modes == 1].mean() > 0.95
    assert not in_small_mode(combined)[modes == 0].any()
    np.testing.assert_array_equal(
        combined["posterior"]["means"].values,
        combine_modes(two_modes, seed=1)["posterior"]["means"].values,
    )


def test_a_chain_that_visits_two_modes_is_refused(two_modes):
    own, other = (mode.mode.chains[0] for mode in weigh_modes(two_modes, seed=1).modes)
    source = np.arange(4000).reshape(4, 1000)
    source[own, 500:] = other * 1000 + np.arange(500)
    with pytest.raises(SamplingError, match="modes between which a chain moves|the modes overlap"):
        weigh_modes(_taken(two_modes, source), seed=1)
    source = np.arange(4000).reshape(4, 1000)
    source[own, :30] = other * 1000 + np.arange(30)
    with pytest.raises(SamplingError, match=f"chain {own} has 3.0 % of its draws in another mode"):
        weigh_modes(_taken(two_modes, source), seed=1)


def test_one_mode_cut_in_two_is_refused(eight):
    """Two groups of draws hardly apart: a proposal fitted to one reaches into the other."""
    order = np.argsort(np.abs(eight["posterior"]["weights"].values[..., 0].ravel() - 0.5))
    with pytest.raises(SamplingError, match=r"the modes overlap: .* of its mass in another mode"):
        weigh_modes(_taken(eight, np.stack([order[:1800], order[-1800:]])), seed=1)
    with pytest.raises(SamplingError, match=r"of its (draws|mass) in another mode"):
        weigh_modes(_taken(eight, order.reshape(2, 2000)), seed=1)


def test_one_mode_has_nothing_to_combine(eight):
    with pytest.raises(SamplingError, match="the chains lie in one mode"):
        combine_modes(eight)


def test_a_users_own_model_is_refused(two_modes):
    own = two_modes.copy()
    own.attrs = {name: text for name, text in two_modes.attrs.items() if name != "resolved"}
    with pytest.raises(ConfigError, match="user's own model"):
        combine_modes(own)
