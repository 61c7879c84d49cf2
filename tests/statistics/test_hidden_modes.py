"""No run that leaves out a twentieth of the mass passes; `tests.hidden_modes` says what is run."""

import pytest

from tests.hidden_modes import MOST_ALARMS, hidden_sets, judge_set, misses, study


@pytest.mark.filterwarnings("ignore:.*duplicates:bayesgmm.errors.DataWarning")
@pytest.mark.parametrize("number", [0])
def test_runs_held_in_one_mode_do_not_pass(number):
    _, *case = list(hidden_sets(8))[number]
    result = judge_set(*case)
    assert not misses(result)
    held = [run for name, run in result["runs"].items() if name != "honest"]
    assert held and any(run["outside"] > 0.05 and not run["ok"] for run in held)


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_none_of_a_hundred_sets_passes_with_a_mode_left_out(tmp_path):
    results = study(["hidden"], 100, 0, tmp_path / "hidden.jsonl")
    assert not {name: misses(result) for name, result in results.items() if misses(result)}


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_at_most_five_percent_of_two_hundred_good_runs_are_alarms(tmp_path):
    results = study(["good"], 0, 200, tmp_path / "good.jsonl")
    assert sum(result["alarm"] for result in results.values()) <= MOST_ALARMS * len(results)
