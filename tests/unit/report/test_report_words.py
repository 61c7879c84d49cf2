"""Sentences that the report says of some analyses only: each where it is true, and nowhere else."""

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from bayesgmm.analysis._run_analysis import _in_words, _unmet_choices, _unmet_numbers
from bayesgmm.analysis.schema import ModelSection
from bayesgmm.cli.outcome import exit_code, sentence
from bayesgmm.cli.printing import print_analysis
from bayesgmm.data import as_dataset
from bayesgmm.model.resolving import resolve
from bayesgmm.model.several import numbers_of
from bayesgmm.model.spec import MixtureSpec, Priors
from bayesgmm.report.counting import _argument, _cautions, _evidence, _probability
from bayesgmm.report.model_words import _formula, _origin, _priors, _recording
from bayesgmm.report.tables import estimate_table
from bayesgmm.summary.numbers import NO_BREAK, frame_rows, percent

ROWS = np.random.default_rng(1).normal(size=(60, 2)) * [1.0, 3.0]


ONE, TWO = MODELS = (MixtureSpec(1), MixtureSpec(2))


def comparison(**changed):
    """Return what the sentences read of a comparison of K = 1 and 2 that agrees in all."""
    table = pd.DataFrame(
        {
            "covariance": "full",
            "probability": [0.1, 0.9],
            "probability_error": [0.02, 0.02],
            "n_bad_pareto": [0, 0],
            "log_evidence": [-20.0, -10.0],
            "log_evidence_smc": [np.nan, np.nan],
            "log_likelihood": [-10.0, -5.0],
            "elpd_loo": [-12.0, -6.5],
        },
        index=[1, 2],
    ).assign(**changed.pop("columns", {}))
    facts = {
        "best": dict.fromkeys(("aic", "bic", "icl", "waic", "loo", "evidence"), TWO),
        "models": MODELS,
        "same": {},
        "same_note": "",
        "screening_note": "",
        "numbers": numbers_of(MODELS),
        "table": table,
        "named_table": table.set_axis(["1", "2"]),
        "elpds": {"loo": dict.fromkeys(MODELS)},
        "differences": pd.DataFrame({"elpd_diff": [-5.5, 0.0]}, index=[1, 2]),
        "probability_note": "",
        "data": SimpleNamespace(n_counted=500),
        "verdicts": {ONE: SimpleNamespace(ok=True), TWO: SimpleNamespace(ok=True)},
        "shortfalls": lambda chosen: (),
        "probability_basis": "K = 1, 2 are equally probable beforehand.",
    }
    return SimpleNamespace(**facts | changed)


def cautions(given):
    return _cautions(given, TWO)


def test_criteria_that_agree_need_no_argument():
    said = _argument(comparison())
    assert "K = 2 by AIC, BIC, ICL, WAIC, LOO and" in said
    assert said.endswith("the choice does not depend on the criterion.")


def test_criteria_that_part_are_explained():
    best = {"aic": TWO, "bic": TWO, "icl": ONE, "waic": TWO, "loo": TWO, "evidence": ONE}
    near = pd.DataFrame({"elpd_diff": [-1.5, 0.0]}, index=[1, 2])
    said = _argument(comparison(best=best, differences=near))
    for part in (
        "ICL asks for fewer components than BIC",
        "the evidence also penalises a wide prior",
        "By LOO, K = 1 is within 4 nats of the best",
        f"K = 2 has posterior probability 90.0{NO_BREAK}% (Monte Carlo error 2.0{NO_BREAK}%)",
    ):
        assert part in said
    nothing = {"probability": [np.nan, np.nan]}
    best = {"aic": TWO, "bic": ONE, "icl": ONE, "waic": TWO, "loo": TWO, "evidence": TWO}
    said = _argument(comparison(best=best, columns=nothing))
    for part in ("fewer components", "width of the prior", "within 4 nats", "probability"):
        assert part not in said


def test_cautions_are_given_where_there_is_cause():
    assert cautions(comparison(columns={"probability": [np.nan, np.nan]})) == ""
    bad = {ONE: SimpleNamespace(ok=False), TWO: SimpleNamespace(ok=True)}
    columns = {"n_bad_pareto": [1, 3], "log_evidence_smc": [-20.0, np.nan]}
    said = cautions(
        comparison(
            verdicts=bad,
            columns=columns,
            data=SimpleNamespace(n_counted=60),
            probability_note="K = 1 has no p(K).",
        )
    )
    for part in (
        "K = 1 has no p(K).",
        "equally probable beforehand",
        "With n = 60 rows",
        "left: K = 1 (1 row), K = 2 (3 rows).",
        "The run of K = 1 has not converged",
        "sequential Monte Carlo does not rest on these draws",
    ):
        assert part in said
    both = {ONE: SimpleNamespace(ok=False), TWO: SimpleNamespace(ok=False)}
    assert "The runs of K = 1, 2 have not converged" in cautions(comparison(verdicts=both))


def test_what_has_no_value_or_no_error_is_said_so():
    assert _probability(np.nan, 0.1) == "not given"
    assert _probability(0.25, 0.01) == "0.250 ± 0.010"
    assert _evidence(np.nan, 0.1) == "–"
    assert _evidence(5.0, 0.1) == "5.00 ± 0.10"
    assert _evidence(5.0, np.inf) == "5.0, error unknown"


def test_cells_without_a_number_are_dashes():
    frame = pd.DataFrame(
        {"mean": [1.5], "ess_bulk": [np.nan], "r_hat": [np.nan], "sure": [True], "why": [None]},
        index=["a"],
    )
    (row,) = frame_rows(frame.astype(object))
    assert row[0] == "a" and row[2:] == ("–", "–", "True", "–")
    assert percent(np.nan) == "–"
    assert percent(1e-5) == f"<{NO_BREAK}0.1{NO_BREAK}%"


def resolved(resolution=0.0, covariance="full", **priors):
    spec = MixtureSpec(2, covariance, Priors(**priors), resolution=resolution)
    return resolve(spec, as_dataset(ROWS))


def test_priors_are_told_with_what_they_use():
    assert _origin(resolved()).startswith("These priors use the data")
    given = {"units": "data", "mean_scale": 3.0, "scale": 2.0}
    assert "so it does use the data" in _origin(resolved(**given))
    assert _origin(resolved(mean_location=0.0, **given)).endswith("they do not use the data.")


def test_the_table_of_priors_states_their_families():
    half = _priors(resolved(scale_family="halfnormal", scale=2.0, units="data"))
    laws = {name: (law, ends) for name, law, ends in half.rows}
    # the 2.5 and 97.5 % points of |Normal(0, 2)|: 0.0627 and 4.483
    assert laws["scale (sd) of x1"][0] == "half-normal(2.000)"
    assert "0.0626" in laws["scale (sd) of x1"][1] and "4.483" in laws["scale (sd) of x1"][1]
    assert "exchangeable across labels" in half.caption
    apart = _priors(resolved(concentration=(1.0, 3.0), covariance="spherical"))
    assert "tells the clusters apart" in apart.caption
    names = [row[0] for row in apart.rows]
    assert "scale (sd) of all features" in names and "correlation matrix" not in names


def test_inverse_gamma_scales_are_told_with_their_rate():
    one = as_dataset(ROWS[:, :1])

    def told(**rate):
        priors = Priors(scale_family="inverse_gamma", scale_shape=3.0, units="data", **rate)
        found = resolve(MixtureSpec(2, priors=priors, resolution=0), one)
        return _formula(found), {row[0]: row[1:] for row in _priors(found).rows}

    formula, laws = told(scale_rate=20.0)
    assert formula == "inverse_gamma"
    # 20 over the 97.5 and 2.5 % points of Gamma(3), 7.2247 and 0.6187: 1.6638 and 5.6857 squared
    law, ends = laws["scale (sd) of x1"]
    assert law == "s⁻² ~ Gamma(3, rate 20.00)" and ends == "95 % between 1.664 and 5.686"
    formula, laws = told(hyper_shape=1.5, hyper_rate=0.25)
    assert formula == "inverse_gamma_common"
    assert laws["scale (sd) of x1"][0].endswith(
        "rate β), one β for all components, β ~ Gamma(1.5, rate 0.2500)"
    )


def test_recorded_steps_are_told_by_column():
    assert "treated as exact" in _recording(resolved())
    assert "x2: h = 0.4 (step 1)" in _recording(resolved(resolution=(0.0, 1.0)))


@pytest.fixture
def result():
    expect = SimpleNamespace(
        best_bic=None, chosen=None, log_likelihood={"2": -5.0}, elpd_loo={"2": (-7.0, -6.0)}
    )
    return SimpleNamespace(
        spec=SimpleNamespace(expect=expect, model=ModelSection(n_components=(1, 2))),
        comparison=comparison(),
        choice=SimpleNamespace(k=2, model=TWO),
    )


def test_an_expectation_that_is_met_says_nothing(result):
    result.spec.expect.best_bic, result.spec.expect.chosen = 2, (2, 3)
    assert _unmet_choices(result) == _unmet_numbers(result) == []


def test_each_expectation_that_fails_is_told_with_both_numbers(result):
    expect = result.spec.expect
    expect.best_bic, expect.chosen = 1, (1,)
    expect.log_likelihood, expect.elpd_loo = {"1": -9.9}, {"1": (-11.0, -10.0)}
    assert _unmet_choices(result) == [
        "the smallest BIC is at K = 2, expected K = 1",
        "K = 2 was chosen, expected one of (1,)",
    ]
    assert _unmet_numbers(result) == [
        "K = 1: log likelihood -10.0000, expected -9.9000",
        "K = 1: elpd_loo -12.00, expected -11.0 to -10.0",
    ]


def test_an_expectation_of_a_model_without_the_figure_says_so():
    assert _in_words("elpd_loo", math.nan, 2) == "no elpd_loo"
    left_out = "no log likelihood, because screening by BIC left the model out"
    assert _in_words("log likelihood", math.inf, 4) == left_out


def test_an_analysis_is_printed_with_all_that_a_reader_must_know(result, capsys):
    filled = dict.fromkeys(("bic", "icl", "elpd_waic", "weight", "log_evidence"), [1.0, 2.0])
    filled |= {"se_loo": [1.0, 1.0], "log_evidence_error": [0.1, np.inf]}
    filled |= {"evidence_method": ["bridge sampling", "sequential Monte Carlo"]}
    data = SimpleNamespace(
        source="lakes.csv", n_obs=60, features=("depth",), n_dropped=3,
        options={"ignored_columns": ["name"]},
    )  # fmt: skip
    result.comparison = comparison(
        columns=filled | {"verdict": ["converged"] * 2}, data=data, probability_note="A note."
    )
    result.choice.reason = "K = 2 by LOO."
    result.choice.left_open, result.choice.changes = "K = 3 is not ruled out either.", ""
    result.shortfalls, result.ok = ("K = 3 failed: sampling failed.",), False
    result.unmet, result.files = (
        ["the smallest BIC is at K = 2, expected K = 1"],
        {"report": "r.html"},
    )
    result.verdict = SimpleNamespace(
        ok=False, status=SimpleNamespace(value="not converged"), reasons=("R-hat 1.3.",), notes=()
    )
    assert print_analysis(result) == 3
    said = " ".join(capsys.readouterr().out.split())
    for part in (
        "A note.",
        "Chosen: K = 2 by LOO.",
        "K = 3 failed: sampling failed.",
        "Differs from [expect]: the smallest BIC is at K = 2, expected K = 1",
        "Verdict for K = 2: not converged - R-hat 1.3.",
        "report r.html",
    ):
        assert part in said


@pytest.mark.parametrize(("raised", "code"), [(2, 2), ("no code", 1)])
def test_a_program_that_ends_itself_keeps_its_code_and_says_no_more(raised, code):
    error = SystemExit(raised)
    assert (exit_code(error), sentence(error)) == (code, "")


def test_units_have_a_column_where_they_are_known() -> None:
    names = ["weights[1]", "means[1, a]", "means[1, b, a]", "scales[b, a]", "correlations[1, b, a]"]
    frame = pd.DataFrame({"mean": [0.5] * 5}, index=names)
    table = estimate_table("", frame, {"a": "cm", "b, a": "kg"})
    assert table.columns == ("parameter", "unit", "mean")
    assert [row[1] for row in table.rows] == ["", "cm", "kg", "kg", ""]
    assert estimate_table("", frame).columns == ("parameter", "mean")
