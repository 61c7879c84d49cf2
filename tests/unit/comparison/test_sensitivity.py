"""Sensitivity by reweighting: against direct runs, and what is done where draws do not reach."""

import math

import numpy as np
import pytest

import bayesgmm as bg
from bayesgmm.comparison._sensitivity import _Study, _under
from bayesgmm.comparison.estimates_under import estimates_under
from bayesgmm.comparison.settings import settings_of
from bayesgmm.errors import ConfigError, SamplingError
from bayesgmm.limits import PARETO_K
from bayesgmm.model.spec import MixtureSpec, Priors
from bayesgmm.posterior.draws import Draws
from tests.support.few import few

ELPD = 0.5  # nats: runs with other seeds differ by 0.25 here


@pytest.fixture(scope="module")
def comparison():
    rng = np.random.default_rng(8)
    rows = np.concatenate([rng.normal(0.0, 1.0, (25, 2)), rng.normal(3.5, 1.0, (25, 2))])
    return bg.compare(np.round(2.0 * rows) / 2.0, [1, 2], evidence="bridge", seed=2)


@pytest.fixture(scope="module")
def settings(comparison):
    return settings_of(
        comparison.data,
        comparison.models,
        scale=(0.5, 1.0, 2.0),
        eta=(1.0, 2.0, 8.0),
        concentration=(0.5, 1.0, 2.0),
        step=(0.5, 2.0),
    )


def test_every_number_is_changed_one_at_a_time(settings):
    assert [setting.name for setting in settings] == [
        "scale x 0.5", "scale x 2", "eta = 1", "eta = 8", "concentration = 0.5",
        "concentration = 2", "recording step x 0.5", "recording step x 2",
    ]  # fmt: skip
    spec = MixtureSpec(2)
    assert settings[1].changed(spec).priors.scale == 2.0 * spec.priors.scale
    assert settings[2].changed(spec).priors == Priors(eta=1.0)
    assert settings[-1].changed(spec).resolution == (1.0, 1.0)


@pytest.mark.parametrize("place", few(range(8), {1, 2}))
def test_reweighted_evidences_and_loo_are_those_of_direct_runs(comparison, settings, place):
    setting = settings[place]
    views = {spec: Draws(tree) for spec, tree in comparison.posteriors.items()}
    read = _under(_Study(comparison, views, False, 2, None), setting)
    some = setting.changed(comparison.models[0])
    direct = bg.compare(
        comparison.data, [1, 2], priors=some.priors, resolution=some.resolution,
        evidence="bridge", seed=3,
    )  # fmt: skip
    rows = zip(read.comparison.table.itertuples(), direct.table.itertuples(), strict=True)
    for k_hat, (found, expected) in zip(read.k_hats.values(), rows, strict=True):
        assert (k_hat > PARETO_K) == (setting.name == "recording step x 2")
        if k_hat > PARETO_K:
            assert math.isnan(found.log_evidence)
            continue
        error = math.hypot(found.log_evidence_error, expected.log_evidence_error)
        assert found.log_evidence == pytest.approx(expected.log_evidence, abs=3.0 * error)
        assert found.elpd_loo == pytest.approx(expected.elpd_loo, abs=ELPD)
        assert found.elpd_waic == pytest.approx(expected.elpd_waic, abs=ELPD)
        assert found.bic == pytest.approx(expected.bic, abs=1e-6)
    reached = {spec for spec, k_hat in read.k_hats.items() if k_hat <= PARETO_K}
    assert set(read.estimates) == reached
    for spec, told in read.estimates.items():
        own = bg.summarize(direct.posteriors[setting.changed(spec)]).loc[told.index]
        weighed = bg.summarize(comparison.posteriors[spec]).loc[told.index]
        errors = np.hypot(told["mcse"], own["mcse_mean"])
        assert (np.abs(told["mean"] - own["mean"]) < 4.0 * errors).all()
        errors = np.hypot(weighed["mcse_sd"], own["mcse_sd"])
        assert (np.abs(told["sd"] - own["sd"]) < 4.0 * errors).all()


def test_what_the_draws_do_not_reach_is_sampled_anew_or_left_out(comparison):
    far = {"scale": [20.0], "eta": [], "concentration": [], "step": []}
    left = bg.sensitivity(comparison, **far, sample_anew=False)
    assert (left.pareto_k.loc["scale x 20"] > PARETO_K).any()
    assert left.probabilities.loc["scale x 20"].isna().any() and not left.runs.any(axis=None)
    anew = bg.sensitivity(comparison, **far)
    assert anew.runs.loc["scale x 20"].any()
    assert anew.probabilities.loc["scale x 20"].sum() == pytest.approx(1.0)
    own, other = (anew.estimates.loc[name] for name in ("as compared", "scale x 20"))
    assert other.index.isin(own.index).all() and np.isfinite(other).all(axis=None)
    assert anew.runs.loc["scale x 20", other.index.get_level_values("model")].any()
    assert list(anew.estimates.loc[("as compared", "K = 2")].columns) == ["mean", "sd", "mcse"]
    assert ("scale x 20", "K = 2") not in left.estimates.index.droplevel("quantity")


def test_a_setting_that_no_draws_reach_has_no_choice_and_is_named(comparison):
    far = {"scale": [1e6], "eta": [], "concentration": [], "step": []}
    found = bg.sensitivity(comparison, **far, sample_anew=False)
    assert found.choices.loc["scale x 1e+06"].isna().all()
    assert found.note.endswith(
        "No choice under scale x 1e+06: the draws do not reach these settings."
    )


def test_a_run_that_fails_leaves_the_others(comparison, monkeypatch):
    def fail(*_, **__):
        raise SamplingError("chain 0 stopped.")

    monkeypatch.setattr("bayesgmm.comparison._sensitivity.compare", fail)
    found = bg.sensitivity(comparison, scale=[20.0], eta=[], concentration=[2.0], step=[])
    assert found.probabilities.loc["scale x 20"].isna().any()
    assert found.probabilities.loc["concentration = 2"].sum() == pytest.approx(1.0)


def test_it_says_where_choices_hold_and_where_they_change(comparison):
    found = bg.sensitivity(comparison, scale=[2.0], eta=[], concentration=[2.0], step=[])
    assert found.choices.index.tolist() == ["as compared", "scale x 2", "concentration = 2"]
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1.0)
    assert found.pareto_k.loc["as compared"].isna().all()
    assert "K = 2 by BIC" in found.note and found.note in repr(found)


def test_what_is_no_comparison_and_values_that_no_prior_has_are_refused(comparison):
    with pytest.raises(ConfigError, match="comparison must be"):
        bg.sensitivity(comparison.posteriors)
    for name in ("scale", "eta", "concentration", "step"):
        with pytest.raises(ConfigError, match=f"{name} must be positive"):
            bg.sensitivity(comparison, **{name: [0.0]})


def test_estimates_by_weights_have_equal_and_single_draws_as_limits(comparison):
    """All weights equal: the summary's; all on one draw: that draw."""
    draws = Draws(comparison.posteriors[2])
    size = draws.n_samples
    told = estimates_under(draws)
    own = bg.summarize(draws).loc[told.index]
    np.testing.assert_allclose(told["mean"], own["mean"])
    np.testing.assert_allclose(told["mcse"], own["mcse_mean"], rtol=0.1)
    one = np.full(size, -np.inf)
    one[7] = 0.0
    at = estimates_under(draws, one)
    assert at.loc["weights[1]", "mean"] == pytest.approx(draws.parameters.weights[7, 0])
    np.testing.assert_allclose(at["sd"], 0.0, atol=1e-12)


def test_clusters_of_new_draws_stand_under_those_that_hold_the_same_rows(comparison):
    tree = comparison.posteriors[2]
    own, view = estimates_under(Draws(tree)), Draws(tree)
    turned = Draws.of(
        view.parameters.permuted(np.tile([1, 0], (view.n_samples, 1))), view.features,
        rows=view.table, frame=view.frame,
    )  # fmt: skip
    again = estimates_under(view, other=turned)
    np.testing.assert_allclose(again["mean"], own["mean"])
