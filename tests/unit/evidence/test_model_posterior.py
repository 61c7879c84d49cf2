import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.special import beta

from bayesgmm.errors import ConfigError
from bayesgmm.evidence import Evidence, posterior_over_k
from bayesgmm.evidence.shares import shares
from bayesgmm.model.spec import MixtureSpec


def evidences(errors=(0.02, 0.05, 0.1)):
    values = zip((1, 2, 3), (-12.0, -9.5, -10.0), errors, strict=True)
    return {k: Evidence(value, error, "", 1000, 1) for k, value, error in values}


@pytest.mark.parametrize(
    ("prior", "expected"),
    [
        ("uniform", [1.0, 1.0, 1.0]),
        ("poisson", [1.0, 1.0, 0.5]),
        ("beta-negative-binomial", [beta(5, 3 + k) / beta(4, 3) for k in range(3)]),
    ],
)
def test_probabilities_are_evidence_times_prior(prior, expected):
    result = posterior_over_k(evidences(), prior)
    prior_mass = np.array(expected) / np.sum(expected)
    np.testing.assert_allclose(result.table["prior"], prior_mass, rtol=1e-12)
    mass = prior_mass * np.exp([-12.0, -9.5, -10.0])
    np.testing.assert_allclose(result.table["probability"], mass / mass.sum(), rtol=1e-12)
    assert result.best == MixtureSpec(2) and result.left_out == ()
    assert "truncated to K = 1, 2, 3 and renormalised" in result.note


def test_errors_are_those_of_simulated_evidences():
    rng = np.random.default_rng(1)
    values, errors = np.array([-12.0, -9.5, -10.0]), np.array([0.02, 0.05, 0.1])
    drawn = np.exp(values + errors * rng.standard_normal((100_000, 3)))
    simulated = (drawn / drawn.sum(axis=1, keepdims=True)).std(axis=0)
    np.testing.assert_allclose(shares(values, errors)[1], simulated, rtol=0.02)
    table = posterior_over_k(evidences()).table
    np.testing.assert_allclose(table["error"], simulated, rtol=0.02)


def test_a_k_with_an_infinite_error_gets_no_probability():
    result = posterior_over_k(evidences((0.02, math.inf, 0.1)))
    assert math.isnan(result.table.loc[2, "probability"])
    assert result.table["probability"].sum() == pytest.approx(1.0)
    assert result.left_out == (MixtureSpec(2),) and result.best == MixtureSpec(3)
    assert "No probability for K = 2: the evidence is not to be trusted." in str(result)


def test_a_comparison_and_its_table_are_read_too():
    table = pd.DataFrame(
        {"log_evidence": [-9.5, -12.0], "log_evidence_error": [0.05, 0.02]}, index=[2, 1]
    )
    expected = posterior_over_k({k: e for k, e in evidences().items() if k < 3}).table
    for source in (table, SimpleNamespace(table=table)):
        pd.testing.assert_frame_equal(posterior_over_k(source).table, expected)


@pytest.mark.parametrize(
    ("source", "prior", "message"),
    [
        (evidences(), "flat", "prior must be one of uniform, poisson, .* got 'flat'"),
        ({}, "uniform", "takes a Comparison, its table, or a mapping of MixtureSpec or K to"),
        (3, "uniform", "takes a Comparison, its table, or a mapping of MixtureSpec or K to"),
        (evidences((math.inf,) * 3), "uniform", "no K has an evidence with a finite error"),
    ],
)
def test_what_cannot_be_weighed_is_refused(source, prior, message):
    with pytest.raises(ConfigError, match=message):
        posterior_over_k(source, prior)
