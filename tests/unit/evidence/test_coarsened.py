"""The coarsened posterior: its evidences against means over the prior, and what is refused."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import logsumexp, softmax

import bayesgmm as bg
from bayesgmm.data import as_dataset
from bayesgmm.errors import ConfigError
from bayesgmm.evidence.power_path import _path, evidences_of_powers
from bayesgmm.likelihood.annotated_rows import AnnotatedRows, powered
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.model.resolving import resolve
from bayesgmm.model.several import ByModel, table_by_model
from bayesgmm.model.spec import MixtureSpec, Priors
from bayesgmm.posterior.draws import Draws
from bayesgmm.sampling.nuts import ChainSettings
from bayesgmm.sampling.smc import draw_prior

ROWS = np.array([[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]])
N_PRIOR = 200_000
SEED = np.random.SeedSequence(4)


@pytest.fixture(scope="module")
def comparison():
    trees = {MixtureSpec(k): bg.sample(ROWS, k, draws=40, tune=200, seed=1) for k in (1, 2)}
    table = table_by_model(
        {spec: {"log_evidence": -k, "log_evidence_error": 0.1} for k, spec in enumerate(trees)}
    )
    return SimpleNamespace(
        models=tuple(trees), posteriors=ByModel(trees), seed=1, data=as_dataset(ROWS), table=table
    )


def by_prior(target, power):
    """Log of the prior mean of the likelihood to a power, data units, and its error."""
    points = draw_prior(target, N_PRIOR, np.random.default_rng(3))
    values = power * target.rowwise(points, target.rows).sum(axis=1)
    weights = np.exp(values - values.max())
    error = weights.std() / weights.mean() / math.sqrt(N_PRIOR)
    return logsumexp(values) - math.log(N_PRIOR), error


def test_its_evidence_is_the_prior_mean_of_the_likelihood_to_a_power(comparison):
    found = bg.coarsened(comparison, [2.0, 8.0])
    table = found.table[np.isfinite(found.table["alpha"])]
    assert table["power"].round(6).tolist() == [0.2, 0.2, 0.5, 0.5]
    assert (table["log_evidence_error"] < 0.1).all()
    for row in table.itertuples():
        target = Draws(comparison.posteriors[row.K]).target
        value, error = by_prior(target, row.power)
        assert error < 0.03
        assert row.log_evidence == pytest.approx(
            value, abs=3.0 * math.hypot(error, row.log_evidence_error)
        )
    first = table[table["alpha"] == 2.0]
    np.testing.assert_allclose(first["probability"], softmax(first["log_evidence"]))
    assert found.note == ""


def test_the_last_row_is_the_comparison_itself(comparison):
    found = bg.coarsened(comparison, [4.0], draws=100, tune=200)
    last = found.probabilities.loc[math.inf]
    np.testing.assert_allclose(last, softmax(comparison.table["log_evidence"]))


def test_an_evidence_that_is_not_to_be_trusted_gets_no_probability_and_is_named(comparison):
    table = comparison.table.assign(log_evidence_error=[0.1, math.inf])
    found = bg.coarsened(
        SimpleNamespace(**{**vars(comparison), "table": table}), [4.0], draws=100, tune=200
    )
    assert found.probabilities.loc[math.inf].isna().tolist() == [False, True]
    assert "K = 2 at alpha = inf" in found.note and found.note in repr(found)


def test_a_model_without_an_evidence_is_named_with_the_reason(comparison, monkeypatch):
    monkeypatch.setattr("bayesgmm.evidence.power_path._MOST_STATES", 1)
    found = bg.coarsened(comparison, [4.0], draws=100, tune=200)
    assert found.probabilities.loc[4.0].isna().all()
    assert "No probability for K = 1 at alpha = 4; K = 2 at alpha = 4: 1 steps from" in found.note
    assert found.note.endswith("Narrow the priors of means and scales.")


def test_evidences_that_do_not_settle_are_none(comparison, monkeypatch):
    monkeypatch.setattr("bayesgmm.evidence.power_path._MOST_ITERATIONS", 1)
    assert "did not settle" in bg.coarsened(comparison, [4.0], draws=100, tune=200).note


def test_at_the_whole_power_it_is_the_evidence(comparison):
    """The same number by a bridge from draws of the posterior."""
    for k in (1, 2):
        tree = bg.sample(ROWS, k, seed=3)
        value, error = evidences_of_powers(
            Draws(tree).target, [1.0], ChainSettings.checked(500, 500, 0.9, None), 4, SEED
        )
        bridge = bg.log_evidence(tree, seed=1)
        assert value[0] == pytest.approx(bridge.value, abs=3.5 * math.hypot(error[0], bridge.error))


def test_a_path_takes_more_states_where_the_prior_is_far_from_the_rows():
    settings = ChainSettings.checked(100, 100, 0.9, None)
    wide = Priors(mean_scale=1000.0, scale_sigma=4.0)
    near, far = (
        _path(LogPosterior(resolve(spec, as_dataset(ROWS)), ROWS), [1.0], settings, 2, SEED)
        for spec in (MixtureSpec(1), MixtureSpec(1, priors=wide))
    )
    assert len(far) > len(near)
    assert [state.power for state in far] == sorted({state.power for state in far})


def test_rows_to_a_power_keep_their_weights():
    rows = AnnotatedRows(ROWS, np.arange(8.0))
    np.testing.assert_array_equal(powered(rows, 0.5).weights, np.arange(8.0) / 2.0)
    np.testing.assert_array_equal(powered(ROWS, 0.25).weights, np.full(8, 0.25))


def test_what_is_no_comparison_and_alphas_that_are_none_are_refused(comparison):
    for alphas in ([], [0.0], [-1.0], [1.0, 1.0]):
        with pytest.raises(ConfigError, match="alphas must be positive"):
            bg.coarsened(comparison, alphas)
    with pytest.raises(ConfigError, match="takes a Comparison"):
        bg.coarsened(comparison.posteriors)
