"""What is said of the evidence of each K, by which routes it was computed."""

import math

import pytest

from bayesgmm.errors import ConfigError, SamplingError
from bayesgmm.evidence import Evidence, evidence_note
from bayesgmm.evidence import reconcile as routes
from bayesgmm.evidence.reconcile import evidences_of, probabilities_of
from bayesgmm.model.several import table_by_model
from bayesgmm.model.spec import MixtureSpec

GOOD = Evidence(-10.0, 0.01, "bridge sampling, here", 4000, 1)
SMC = Evidence(-10.02, 0.02, "sequential Monte Carlo from the prior", 8192, 1)


def table_of(cases):
    """The K table of (bridge, smc, converged) from K = 1."""
    pairs = {}
    with pytest.MonkeyPatch.context() as patch:
        for k, (bridge, smc, converged) in enumerate(cases, start=1):
            patch.setattr(routes, "log_evidence", lambda *_, found=bridge, **__: found)
            patch.setattr(routes, "smc_evidence", lambda *_, found=smc, **__: found)
            pairs[MixtureSpec(k)] = evidences_of(None, "both", converged=converged, seed=1)
    table = table_by_model({spec: pair.columns() for spec, pair in pairs.items()})
    chances = probabilities_of(pairs)
    values, errors = zip(*(chances[spec] for spec in pairs), strict=True)
    return table.assign(probability=values, probability_error=errors)


def test_nothing_is_said_where_both_routes_agree():
    table = table_of([(GOOD, SMC, True)])
    assert evidence_note(table) == ""
    assert table.loc[1, "log_evidence"] == -10.0 and table.loc[1, "probability"] == 1.0


def test_a_bad_verdict_leaves_the_second_route():
    table = table_of([(GOOD, SMC, True), (GOOD, SMC, False)])
    assert math.isinf(table.loc[2, "log_evidence_bridge_error"])
    assert (table.loc[2, "log_evidence"], table.loc[2, "log_evidence_error"]) == (-10.02, 0.02)
    assert table["probability"].sum() == pytest.approx(1.0)
    assert evidence_note(table).startswith(
        "At K = 2 the evidence is that of sequential Monte Carlo alone: the chains did not"
    )


def test_routes_that_disagree_leave_no_probability():
    apart = Evidence(-12.0, 0.02, SMC.method, 8192, 1)
    table = table_of([(GOOD, SMC, True), (GOOD, apart, True)])
    assert math.isnan(table.loc[2, "probability"])
    assert evidence_note(table) == (
        "p(K) leaves out K = 2, where bridge sampling and sequential Monte Carlo differ by 2.00 "
        "nats, more than 3 errors."
    )


def test_a_negligible_disagreement_is_the_error():
    """Errors of 0.01 may be too small, but not so that the evidence could not be used."""
    near = Evidence(GOOD.value - 0.09, 0.001, SMC.method, 8192, 1)
    exact = Evidence(GOOD.value, 0.001, GOOD.method, 4000, 1)
    for converged in (True, False):
        row = table_of([(exact, near, converged)]).loc[1]
        assert row["log_evidence_error"] == pytest.approx(0.09)
        assert row["log_evidence"] == (exact if converged else near).value


def test_a_second_route_below_the_modes_the_chains_met_leaves_no_probability():
    below = Evidence(-12.0, 0.02, SMC.method, 8192, 1)
    table = table_of([(GOOD, SMC, True), (GOOD, below, False)])
    assert math.isnan(table.loc[2, "probability"]) and table.loc[1, "probability"] == 1.0
    assert evidence_note(table) == (
        "p(K) leaves out K = 2, where sequential Monte Carlo seems to have missed a mode: it lies "
        "2.00 nats, more than 3 errors, below the bridge over the modes that the chains met."
    )
    above = Evidence(-8.0, 0.02, SMC.method, 8192, 1)
    assert table_of([(GOOD, above, False)]).loc[1, "log_evidence"] == -8.0


@pytest.mark.parametrize("error", [ConfigError, SamplingError])
def test_a_route_that_fails_is_named_and_the_other_stands(monkeypatch, error):
    def fail(*_, **__):
        raise error("it did not settle")

    monkeypatch.setattr(routes, "log_evidence", fail)
    monkeypatch.setattr(routes, "smc_evidence", lambda *_, **__: SMC)
    found = evidences_of(None, "both", converged=True, seed=1)
    assert found.quoted is SMC and found.bridge.method == "none: it did not settle"
    only = evidences_of(None, "bridge", converged=True, seed=1)
    assert math.isnan(only.quoted.value) and math.isinf(only.quoted.error)
