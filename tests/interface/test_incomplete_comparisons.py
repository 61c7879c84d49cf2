"""Comparisons in which something failed or contradicts: nothing is lost, nothing hidden."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from bayesgmm.analysis import AnalysisSpec, analyse
from bayesgmm.cli.outcome import Exit
from bayesgmm.cli.printing import print_analysis
from bayesgmm.comparison import _compare as comparing
from bayesgmm.comparison import compare, drawing
from bayesgmm.data import Dataset
from bayesgmm.diagnosis import RunStatus
from bayesgmm.elpd import side_by_side
from bayesgmm.errors import ConfigError, DegenerateFitError, ResourceError, SamplingError
from bayesgmm.evidence import Evidence, Evidences, probability_heading, shown_probability
from bayesgmm.model.several import ByModel
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.plots import criteria
from bayesgmm.report import write_report
from tests.support.places import CASES

ROWS = np.random.default_rng(1).normal(size=(60, 1)) + [[0], [0], [7]] * 20


def failing(function, k, error):
    """Return the function, but failing for one number of components."""

    def wrapped(data, spec, *args, **options):
        if spec.n_components == k:
            raise error
        return function(data, spec, *args, **options)

    return wrapped


@pytest.fixture(scope="module")
def complete():
    return compare(ROWS, [1, 2, 3], draws=300, tune=400, seed=1)


@pytest.fixture(scope="module")
def without_three():
    with pytest.MonkeyPatch.context() as patch:
        error = SamplingError("chain 0 stopped: no reason.")
        patch.setattr(drawing, "sample", failing(drawing.sample, 3, error))
        return compare(ROWS, [1, 2, 3], draws=300, tune=400, seed=1)


def test_a_failed_k_is_a_row_and_the_others_are_as_if_it_had_not_been_asked(
    complete, without_three
):
    one, two, three = without_three.models
    assert dict(without_three.failures) == {three: "sampling failed: chain 0 stopped: no reason."}
    assert set(without_three.posteriors) == set(without_three.verdicts) == {one, two}
    assert set(without_three.fits) == {one, two, three}
    table = without_three.table
    assert list(table.index) == [1, 2, 3]
    assert table.loc[3, "verdict"] == "failed: sampling failed: chain 0 stopped: no reason."
    assert table.loc[3, "bic"] == complete.table.loc[3, "bic"]
    assert math.isnan(table.loc[3, "elpd_loo"]) and math.isnan(table.loc[3, "log_evidence"])
    same = ["bic", "elpd_loo", "log_evidence", "draws"]
    np.testing.assert_array_equal(table.loc[[1, 2], same], complete.table.loc[[1, 2], same])
    assert without_three.best["bic"] == complete.best["bic"]
    assert list(without_three.differences.index) == [1, 2]
    assert "K = 3 failed" in repr(without_three)


@pytest.mark.parametrize(
    "error",
    [
        DegenerateFitError("every start collapsed."),
        ResourceError("too large."),
        ConfigError("no such thing."),
    ],
)
def test_a_failed_fit_leaves_the_draws(error, monkeypatch):
    monkeypatch.setattr(comparing, "fit_em", failing(comparing.fit_em, 2, error))
    found = compare(ROWS, [1, 2], draws=200, tune=300, evidence="none", seed=1)
    one, two = found.models
    assert set(found.fits) == {one} and set(found.posteriors) == {one, two}
    assert found.failures[2] == f"the maximum likelihood fit failed: {error}"
    assert found.table.loc[2, "verdict"].endswith(f"; the maximum likelihood fit failed: {error}")
    assert found.best["bic"] == one and found.chosen("loo").k in (1, 2)


def test_where_all_fail_the_first_error_is_raised(monkeypatch):
    def fail(data, spec, **options):
        raise SamplingError(f"K = {spec.n_components} cannot start.")

    monkeypatch.setattr(drawing, "sample", fail)
    with pytest.raises(SamplingError, match="K = 1 cannot start"):
        compare(ROWS, [1, 2], draws=50, tune=100, evidence="none", seed=1)


def test_a_failed_refit_leaves_the_plain_values(monkeypatch):
    whole = side_by_side.loo_with_refits

    def fail(*args, max_refits, **options):
        if max_refits:
            raise SamplingError("bridge sampling did not settle.")
        return whole(*args, max_refits=max_refits, **options)

    monkeypatch.setattr(side_by_side, "loo_with_refits", fail)
    found = compare(ROWS, [1, 2], draws=200, tune=300, evidence="none", seed=1)
    assert not found.failures and found.table["elpd_loo"].notna().all()


def test_the_command_says_so_and_exits_with_3(without_three, tmp_path, monkeypatch, capsys):
    np.savetxt(tmp_path / "rows.csv", ROWS, header="x", comments="")
    monkeypatch.setattr("bayesgmm.comparison.compare", lambda *_, **__: without_three)
    table = {
        "name": "rows",
        "data": {"file": str(tmp_path / "rows.csv")},
        "model": {"n_components": [1, 2, 3]},
    }
    result = analyse(AnalysisSpec.from_dict(table, "the command"), tmp_path / "out")
    assert print_analysis(result) == Exit.BAD_VERDICT
    printed = " ".join(capsys.readouterr().out.split())
    assert "K = 3 failed: sampling failed: chain 0 stopped: no reason." in printed
    assert "K not in {3}" in printed and "1.000" not in printed
    record = json.loads((tmp_path / "out" / "verdict.json").read_text())
    assert record["failures"] == {"3": without_three.failures[3]} and record["shortfalls"]


@pytest.mark.slow
def test_the_report_and_the_plot_take_it(without_three, tmp_path):
    report = write_report(without_three, tmp_path / "report.html").read_text()
    assert "K = 3 failed: sampling failed" in report and "given K not in {3}" in report
    assert len(criteria(without_three).axes) == 4


def planted(comparison, k, bridge, smc, draws_ok=True):
    """The comparison with other evidences of one K."""
    table = comparison.table.copy()
    columns = Evidences(
        bridge.with_error(math.inf),
        bridge if draws_ok else bridge.with_error(math.inf),
        smc,
    ).columns()
    for name, value in columns.items():
        table.loc[k, name] = value
    table.loc[k, ["probability", "probability_error"]] = math.nan
    return replace(comparison, table=table)


BRIDGE = Evidence(-200.0, 0.02, "bridge sampling", 4000, 1)
SMC = Evidence(-150.0, 0.03, "sequential Monte Carlo from the prior", 4000, 1)


def test_two_routes_that_contradict_make_the_run_bad(monkeypatch):
    """However well the chains agree with one another."""

    def contradict(*args, **options):
        return Evidences(BRIDGE.with_error(math.inf), BRIDGE, SMC)

    monkeypatch.setattr(comparing, "evidences_of", contradict)
    found = compare(ROWS, [1], draws=1000, tune=500, seed=1)
    assert found.verdicts[1].status is RunStatus.MODES_LEFT_OUT and not found.verdicts[1].ok
    reason = found.verdicts[1].reasons[0]
    assert "differ by 50.00 nats" in reason and "-200.00" in reason and "-150.00" in reason
    assert found.table.loc[1, "verdict"] == "not converged: modes left out"
    stored = json.loads(found.posteriors[1].attrs["verdict"])
    assert stored["status"] == "modes_left_out"


@pytest.mark.parametrize(("apart", "grave"), [(0.05, False), (0.09, False), (0.5, True)])
def test_a_tenth_of_a_nat_is_no_contradiction(apart, grave):
    from bayesgmm.evidence import reconciled

    smc = replace(SMC, value=BRIDGE.value + apart, error=0.001)
    bridge = replace(BRIDGE, error=0.001)
    found = Evidences(reconciled(bridge, smc), bridge, smc)
    assert (found.contradiction is not None) == grave
    wide = replace(smc, error=0.3)
    assert Evidences(reconciled(bridge, wide), bridge, wide).contradiction is None


def test_an_overfitted_k_without_evidence_takes_nothing_away(complete):
    """Its estimates, contradictory as they are, lie far below the best."""
    best = complete.table["log_evidence"].max()
    far = replace(BRIDGE, value=best - 60.0), replace(SMC, value=best - 30.0)
    found = planted(complete, 3, *far)
    assert found.undecided == () and found.shortfalls(2) == ()
    assert probability_heading(found.named_table) == "p(K), given K not in {3}"
    near = replace(BRIDGE, value=best - 60.0), replace(SMC, value=best - 0.05)
    found = planted(complete, 3, *near)
    assert found.undecided == (MixtureSpec(3),)
    assert found.shortfalls(2)[0].startswith("There is no reliable evidence for K = 3, which could")
    by_bad_draws = replace(BRIDGE, value=best - 4.0), Evidence(math.nan, math.inf, "none", 0, 1)
    assert planted(complete, 3, *by_bad_draws, draws_ok=False).undecided == (MixtureSpec(3),)


def test_no_probability_is_printed_as_one_or_nought():
    assert shown_probability(1.0) == "> 0.999" and shown_probability(0.0, 0.0) == "< 0.001"
    assert shown_probability(0.25, 0.01) == "0.250 ± 0.010" and shown_probability(math.nan) == "-"


def with_elpds(comparison, totals, ok):
    """The comparison with planted elpds of equal rows, and verdicts that pass or do not."""
    names = {MixtureSpec(k): replace(comparison.elpds["loo"][k]) for k in totals}
    n = comparison.data.n_obs
    noise = {k: np.random.default_rng(k).normal(scale=0.02, size=n) for k in totals}
    elpds = {}
    for spec, e in names.items():
        k = spec.n_components
        rows = e.elpd_i.copy(data=totals[k] / n + noise[k] - noise[k].mean())
        elpds[spec] = replace(e, elpd=totals[k], elpd_i=rows)
    verdicts = {
        spec: replace(
            v, status=RunStatus.CONVERGED if ok[spec.n_components] else RunStatus.TOO_FEW_DRAWS
        )
        for spec, v in comparison.verdicts.items()
    }
    table = comparison.table.assign(n_bad_pareto=0)
    return replace(
        comparison,
        elpds={**comparison.elpds, "loo": ByModel(elpds)},
        verdicts=ByModel(verdicts),
        table=table,
    )


def test_the_highest_elpd_is_never_said_of_another_than_the_highest(complete):
    totals = {1: -300.0, 2: -250.0, 3: -170.0}
    left = with_elpds(complete, totals, {1: True, 2: True, 3: False})
    choice = left.chosen("loo")
    assert choice.k == 2 and "has the highest elpd by LOO." not in choice.reason
    assert "K = 3 by 80.0 nats" in choice.reason and "more draws" in choice.reason
    assert "K = 3 is best, the largest K tried: the scan may have ended too early" in choice.reason
    behind = with_elpds(complete, {1: -300.0, 2: -170.0, 3: -250.0}, {1: True, 2: True, 3: False})
    reason = behind.chosen("loo").reason
    assert reason == "K = 2 has the highest elpd by LOO (K = 3 excluded)."
    largest = with_elpds(complete, totals, {1: True, 2: True, 3: True}).chosen("loo")
    assert largest.k == 3 and largest.reason.startswith(
        "K = 3 has the highest elpd by LOO. By this"
    )
    assert complete.chosen("bic").reason == "K = 2 is best by BIC."


def test_a_k_that_leaves_modes_out_is_not_chosen(complete):
    two = MixtureSpec(2)
    verdicts = dict(complete.verdicts)
    verdicts[two] = replace(verdicts[two], status=RunStatus.MODES_LEFT_OUT)
    table = complete.table.copy()
    table.loc[2, "verdict"] = verdicts[two].status.value
    found = replace(complete, verdicts=ByModel(verdicts), table=table)
    for criterion in ("bic", "loo", "evidence"):
        assert found.chosen(criterion).k != 2
    assert "K = 2 is better, but its run does not count" in found.chosen("bic").reason


def test_p_of_k_says_what_it_depends_on(complete, without_three):
    assert complete.probability_basis.startswith(
        "p(K) assumes equal prior probabilities of K = 1, 2, 3."
    )
    assert "(here 60)" in complete.probability_basis
    assert complete.probability_basis in repr(complete)
    assert without_three.probability_basis.startswith(
        "p(K) assumes equal prior probabilities of K = 1, 2."
    )


@pytest.mark.slow
def test_few_rows_of_three_groups():
    """Figures that two seeds and both routes gave: 100 rows do not settle K under this prior."""
    found = compare(Dataset.from_csv(CASES / "k3n100.csv"), range(1, 7), seed=1)
    known = found.table["probability"][[3, 4, 5]] / found.table["probability"][[3, 4, 5]].sum()
    np.testing.assert_allclose(known, [0.17, 0.43, 0.40], atol=0.06)
    assert "(here 100)" in repr(found)


@pytest.mark.slow
def test_customers_of_a_mall():
    """K = 3 was said to have the highest elpd while K = 5 was 66 nats ahead."""
    columns = ["CustomerID", "Age", "Annual Income (k$)", "Spending Score (1-100)"]
    data = Dataset.from_csv(CASES / "mall.csv", columns=columns)
    found = compare(data, [3, 5], max_draws=0, evidence="none", seed=1)
    ahead = found.elpds["loo"][5].elpd - found.elpds["loo"][3].elpd
    assert ahead > 40.0 and found.verdicts[3].ok and not found.verdicts[5].ok
    choice = found.chosen("loo")
    assert choice.k == 3 and f"K = 5 by {ahead:.1f} nats" in choice.reason
    assert "K = 5 is best, the largest K tried: the scan may have ended too early" in choice.reason
