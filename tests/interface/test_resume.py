"""Signals end a run as Ctrl-C does, finished K stay on disk, and a run that goes on is the same."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from bayesgmm.analysis import AnalysisResult, AnalysisSpec
from bayesgmm.analysis._run_analysis import analyse
from bayesgmm.errors import ResultFileError, SamplingInterrupted
from bayesgmm.posterior import load, save
from bayesgmm.posterior.files import write_text
from bayesgmm.runtime.interruption import STOPS, heeded_stops, holding_ctrl_c
from bayesgmm.sampling import sample
from tests.support.few import few
from tests.support.places import DATA

FINISHED = "posterior_k1.finished.nc"
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


def spec_of(folder: Path, **sampler: Any) -> AnalysisSpec:
    usual = {"draws": 40, "tune": 40, "seed": 3, "max_draws": 0, "evidence": "bridge"}
    return AnalysisSpec.from_dict(
        {
            "name": "rows",
            "data": {"file": str(folder / "d.csv")},
            "model": {"n_components": [1, 2]},
            "sampler": usual | sampler,
        }
    )


@pytest.fixture(scope="module", autouse=True)
def short_reports() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "bayesgmm.analysis.outputs.write_report",
            lambda _, path, **__: write_text(path, "a report"),
        )
        yield


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> AnalysisResult:
    folder = tmp_path_factory.mktemp("whole")
    rng = np.random.default_rng(1)
    rows = np.concatenate([rng.normal(0, 1, 30), rng.normal(9, 2, 30)]).round(3)
    (folder / "d.csv").write_text("x\n" + "".join(f"{row}\n" for row in rows))
    return analyse(spec_of(folder), folder / "out")


@pytest.fixture
def place(unbroken: AnalysisResult, tmp_path: Path) -> Path:
    shutil.copy(unbroken.spec.data.file, tmp_path / "d.csv")
    return tmp_path


def stopping(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let Ctrl-C meet the sampling of K = 2; return the K that are sampled."""
    sampled: list[int] = []

    def interrupt(data: Any, spec: Any, **options: Any) -> Any:
        sampled.append(spec.n_components)
        if spec.n_components == 2:
            raise KeyboardInterrupt
        return sample(data, spec, **options)

    monkeypatch.setattr("bayesgmm.comparison.drawing.sample", interrupt)
    return sampled


def same(one: AnalysisResult, other: AnalysisResult) -> None:
    """Hold draws, criteria and choice of two runs against one another, bit for bit."""
    tables = [run.comparison.table.drop(columns="seconds") for run in (one, other)]
    pd.testing.assert_frame_equal(*tables, check_exact=True)
    assert one.choice == other.choice and one.verdict == other.verdict
    for k in (1, 2):
        first, second = one.comparison.posteriors[k], other.comparison.posteriors[k]
        for group in first.children:
            assert first[group].to_dataset().identical(second[group].to_dataset()), group
    records = [json.loads(run.files["verdict"].read_text()) for run in (one, other)]
    for record in records:
        del record["files"], record["data"], record["hashes"], record["configuration"]
    assert records[0] == records[1]


@pytest.mark.parametrize("seed", [3, None])
def test_a_resumed_run_is_the_unbroken_one(
    unbroken: AnalysisResult, place: Path, seed: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a seed the resumed run takes that of the finished posteriors."""
    spec = spec_of(place, seed=seed)
    monkeypatch.setattr("bayesgmm.analysis.kept.seed_of", lambda _: 3)
    sampled = stopping(monkeypatch)
    with pytest.raises(SamplingInterrupted, match="resume=True goes on"):
        analyse(spec, place / "out")
    assert os.listdir(place / "out") == [FINISHED]
    monkeypatch.setattr("bayesgmm.comparison.drawing.sample", sample)
    monkeypatch.setattr("bayesgmm.analysis.kept.seed_of", pytest.fail)
    resumed = analyse(spec, place / "out", resume=True)
    assert sampled == [1, 2]
    same(unbroken, resumed)
    assert not list((place / "out").glob("*.finished.nc"))


def test_nothing_finished_is_sampled_again(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sampled = stopping(monkeypatch)
    for _ in range(2):
        with pytest.raises(SamplingInterrupted):
            analyse(spec_of(place), place / "out", resume=True)
    assert sampled == [1, 2, 2]


def test_a_full_run_stopped_after_the_comparison_keeps_what_it_compared(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is stopped there may be a run under another prior: none of its draws are kept."""

    def interrupt(comparison: Any, **_: Any) -> Any:
        other = comparison.posteriors[1].copy()
        raise SamplingInterrupted("interrupted.", partial=other, finished={3: other})

    monkeypatch.setattr("bayesgmm.comparison.robustness", interrupt)
    with pytest.raises(SamplingInterrupted, match="resume=True goes on"):
        analyse(spec_of(place), place / "out", full=True)
    kept = [FINISHED, FINISHED.replace("k1", "k2")]
    assert sorted(os.listdir(place / "out")) == kept
    sampled = stopping(monkeypatch)
    assert set(analyse(spec_of(place), place / "out", resume=True).files) >= {"report"}
    assert sampled == [] and not list((place / "out").glob("*.finished.nc"))


def test_draws_that_were_to_go_on_are_not_taken_for_finished(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few draws have a bad verdict: the run goes on from them, and is stopped then."""

    def interrupt(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    spec = spec_of(place, max_draws=40)
    monkeypatch.setattr("bayesgmm.comparison.drawing.extend", interrupt)
    with pytest.raises(SamplingInterrupted, match="all draws were made"):
        analyse(spec, place / "out")
    assert os.listdir(place / "out") == [FINISHED]
    sampled = stopping(monkeypatch)
    with pytest.raises(SamplingInterrupted):
        analyse(spec, place / "out", resume=True)
    assert sampled == [1]


@pytest.mark.parametrize("change", few(["seed", "data", "damage", "link"], {"data", "damage"}))
def test_only_the_same_run_is_gone_on_with(
    place: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampled = stopping(monkeypatch)
    with pytest.raises(SamplingInterrupted):
        analyse(spec_of(place), place / "out")
    kept = place / "out" / FINISHED
    before = kept.read_bytes()
    other = spec_of(place, **{change: 61} if change == "seed" else {})
    if change == "data":
        with (place / "d.csv").open("a") as file:
            file.write("4.4\n")
    elif change == "damage":
        kept.write_bytes(before[:-1])
    elif change == "link":
        kept.rename(place / "elsewhere.nc")
        kept.symlink_to(place / "elsewhere.nc")
    with pytest.raises(SamplingInterrupted):
        analyse(other, place / "out", resume=True)
    assert sampled == [1, 2, 1, 2]
    assert kept.read_bytes() == (before[:-1] if change == "damage" else before)
    assert (place / "out/posterior_k1-2.finished.nc").exists()


def test_a_disk_that_keeps_nothing_does_not_stop_the_run(
    unbroken: AnalysisResult, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise ResultFileError("no space left")

    monkeypatch.setattr("bayesgmm.analysis.kept.keep_finished", full)
    result = analyse(spec_of(place), place / "out")
    for k in (1, 2):
        draws = result.comparison.posteriors[k]["posterior"].to_dataset()
        assert draws.equals(unbroken.comparison.posteriors[k]["posterior"].to_dataset())
    assert "finished" not in " ".join(os.listdir(place / "out"))


def test_a_foreign_record_of_a_run_is_no_record(
    unbroken: AnalysisResult, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree: xr.DataTree = unbroken.comparison.posteriors[1].copy()
    (place / "out").mkdir()
    for i, run in enumerate(("[1]", '"x"', '{"seed": "a"}', "{}", "no JSON")):
        tree.attrs["run"] = run
        save(tree, place / f"out/posterior_k1-{i}.finished.nc")
    sampled = stopping(monkeypatch)
    with pytest.raises(SamplingInterrupted):
        analyse(spec_of(place), place / "out", resume=True)
    assert sampled == [1, 2]


SIGNALLED = """
import os, signal, sys
from bayesgmm import sampling
plain, sent = sampling.sample, []
def press(chain, done, total):
    if done > 300 and not sent:
        sent.append(1); os.kill(os.getpid(), {number})
sampling.sample = lambda *a, **o: plain(*a, **{{**o, "progress": press}})
sys.argv = ["bayesgmm", *{arguments!r}]
from bayesgmm.__main__ import run
run()
"""


@pytest.mark.parametrize("number", few([signal.SIGTERM, signal.SIGHUP], {signal.SIGTERM}))
def test_a_signal_keeps_the_draws_as_ctrl_c_does(tmp_path: Path, number: signal.Signals) -> None:
    options = ["-k", "1", "--tune", "200", "--draws", "50000", "--seed", "1", "--out", "p.nc"]
    arguments = ["sample", str(DATA / "faithful.csv"), *options]
    code = SIGNALLED.format(number=int(number), arguments=arguments)
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == CODES[number], done.stderr
    assert done.stderr.startswith("error: interrupted; the draws made so far are in 'p.partial.nc'")
    assert os.listdir(tmp_path) == ["p.partial.nc"]
    assert load(tmp_path / "p.partial.nc")["posterior"].sizes["draw"] > 50


def test_signals_are_told_apart_and_ignored_ones_stay_ignored() -> None:
    before, noted = {each: signal.getsignal(each) for each in STOPS}, []
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with heeded_stops(noted.append):
            os.kill(os.getpid(), signal.SIGHUP)
            for each in (signal.SIGTERM, signal.SIGINT):
                with pytest.raises(KeyboardInterrupt), heeded_stops(noted.append):
                    os.kill(os.getpid(), each)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before[signal.SIGHUP])
    assert noted == [signal.SIGTERM, signal.SIGINT]
    assert {each: signal.getsignal(each) for each in STOPS} == before


def test_a_signal_waits_for_a_file_to_be_closed() -> None:
    noted: list[int] = []
    steps: list[str] = []
    with pytest.raises(KeyboardInterrupt), heeded_stops(noted.append):
        with holding_ctrl_c():
            os.kill(os.getpid(), signal.SIGTERM)
            steps.append("closed")
        steps.append("too far")
    assert (noted, steps) == ([signal.SIGTERM], ["closed"])
