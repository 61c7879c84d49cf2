"""What a criterion leaves open, the Bayes factors, and what changes in the answer."""

import math

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from arviz import ELPDData
from sklearn.metrics import adjusted_rand_score

from bayesgmm.comparison import Choice
from bayesgmm.comparison.ruling_out import bayes_factors, not_ruled_out, ruling_words
from bayesgmm.model.parameters import Parameters
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.posterior.draws import Draws

MODELS = tuple(MixtureSpec(k) for k in (1, 2, 3, 4))
TABLE = pd.DataFrame(
    {
        "bic": [130.0, 100.0, 105.9, 106.0],
        "sbic": [130.0, 100.0, 106.1, math.nan],
        "probability": [0.0, 0.55, 0.35, 0.1],
        "log_evidence": [-90.0, -50.0, -50.5, -51.7],
        "log_evidence_error": [0.1, 0.03, 0.04, math.inf],
    }
)


def left_open(criterion, table=TABLE, elpds=None, undecided=(), chosen=MODELS[1]):
    found = not_ruled_out(criterion, chosen, MODELS, table, elpds or {}, undecided)
    return [spec.n_components for spec in found]


def test_information_criteria_leave_open_what_is_less_than_6_above():
    assert left_open("bic") == [2, 3]
    assert left_open("sbic") == [2]


def test_the_evidence_leaves_open_the_fewest_that_hold_89_percent():
    assert left_open("evidence") == [2, 3]
    assert left_open("evidence", TABLE.assign(probability=[0.0, 0.1, 0.0, 0.9])) == [2, 4]
    assert left_open("evidence", TABLE.assign(probability=[0.0, 0.95, 0.05, math.nan])) == [2]
    assert left_open("evidence", undecided=(MODELS[3],)) == [2, 3, 4]


def test_loo_leaves_open_what_is_within_two_errors_whatever_its_draws_are_worth():
    rng = np.random.default_rng(1)
    base = rng.normal(-2.0, 0.3, 400)

    def elpd(shift, noise):
        values = base + shift / 400 + noise * np.tile([1.0, -1.0], 200)
        sizes = {"n_samples": 100, "n_data_points": 400, "scale": "log", "warning": False}
        pointwise = xr.DataArray(values, dims="obs")
        return ELPDData(elpd=values.sum(), se=1.0, p=1.0, good_k=0.7, elpd_i=pointwise, **sizes)

    # se of a difference is 20 noise: 1 within 4 nats, 3 within two errors, 4 outside both
    elpds = {MODELS[0]: elpd(-3.9, 0.0), MODELS[1]: elpd(0.0, 0.0)}
    elpds |= {MODELS[2]: elpd(-9.0, 0.25), MODELS[3]: elpd(-9.0, 0.2)}
    assert left_open("loo", elpds=elpds) == [1, 2, 3]


def test_bayes_factors_are_ratios_of_evidences():
    factors = bayes_factors(MODELS[1], MODELS, TABLE, MODELS[1:3])
    assert factors == {MODELS[2]: (pytest.approx(0.5), pytest.approx(0.05))}
    # nothing else is left open: the next best
    assert list(bayes_factors(MODELS[1], MODELS, TABLE, MODELS[1:2])) == [MODELS[2]]
    assert bayes_factors(MODELS[3], MODELS, TABLE, MODELS) == {}  # of an unknown error
    against = bayes_factors(MODELS[2], MODELS, TABLE, MODELS[:3])
    assert [value for value, _ in against.values()] == [pytest.approx(-0.5), pytest.approx(39.5)]


def test_words_say_what_would_overturn_the_choice():
    factors = {MODELS[2]: (math.log(2.4), 0.1), MODELS[0]: (40.0, 0.1)}
    words = ruling_words("evidence", MODELS[1], MODELS[1:3], factors, MODELS)
    assert words == (
        "By the evidence K = 3 is not ruled out either: in the smallest set of probability 89 %. "
        "The Bayes factor of K = 2 is 2.4 (error 0.2) against K = 3 and above 1000 against K = 1: "
        "prior odds beyond these for the other would overturn it."
    )
    words = ruling_words(
        "bic", MODELS[1], MODELS[1:2], {MODELS[2]: (-math.log(16.0), 0.02)}, MODELS
    )
    assert words == (
        "By BIC no other K is within 6 of the smallest. The evidence prefers K = 3 by a Bayes "
        "factor of 16 (error 0.3): only with prior odds beyond that is K = 2 the more probable."
    )


def view(centres, rows):
    """Forty draws of unit Gaussians, which hardly vary, at these centres."""
    k = len(centres)
    ones = np.ones((40, k, 1, 1))
    means = np.array(centres)[None, :, None] + 1e-3 * np.arange(40)[:, None, None]
    parameters = Parameters(np.full((40, k), 1.0 / k), means, ones[..., 0], ones, ones)
    return Draws.of(parameters, ("x",), rows=rows)


def test_changes_are_those_of_the_partitions():
    rows = np.concatenate([c + np.linspace(-1, 1, 10) for c in (0.0, 20.0, 30.0)])[:, None]
    two, three = view((0.0, 25.0), rows), view((0.0, 20.0, 30.0), rows)
    models = MODELS[1], MODELS[2]
    choice = Choice(MODELS[1], "", models, posteriors=dict(zip(models, (two, three), strict=True)))
    a, b = np.repeat([1, 2, 2], 10), np.repeat([1, 2, 3], 10)
    assert choice.changes == (
        "Groups of the partition of the rows: 2 with K = 2, 3 with K = 3. Adjusted Rand index with "
        f"that of K = 2: {adjusted_rand_score(a, b):.2f} with K = 3. Of its 2 groups 1 is in all "
        "of them; shares of the rows move by at most 0.0 percentage points, means by at most 0.00 "
        "standard deviations of a feature."
    )
    same = dict(zip(models, (two, view((0.0, 25.0, 25.0), rows)), strict=True))
    assert Choice(MODELS[1], "", models, posteriors=same).changes == (
        "The partition of the rows is the same with K = 2, 3: 2 groups."
    )
    alone = Choice(MODELS[1], "", models[:1], posteriors={MODELS[1]: two})
    assert alone.changes == Choice(MODELS[1], "").changes == ""


def test_weights_count_in_shares_and_means():
    from bayesgmm.comparison.changes import changes_between
    from bayesgmm.likelihood.annotated_rows import AnnotatedRows

    rows = np.array([[0.0], [1.0], [30.0], [31.0], [14.0]])
    weighted = AnnotatedRows(rows, np.array([3.0, 1.0, 2.0, 2.0, 1.0]))
    left, right = view((0.5, 30.5), weighted), view((0.5, 24.0), weighted)
    written = np.repeat(rows, [3, 1, 2, 2, 1], axis=0)
    plain = changes_between(
        {"2": view((0.5, 30.5), written), "3": view((0.5, 24.0), written)}, "2", 1
    )
    assert changes_between({"2": left, "3": right}, "2", 1) == plain
    assert "11.1 percentage points" in plain  # one of nine rows changes sides
