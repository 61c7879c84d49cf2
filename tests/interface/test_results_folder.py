"""Folders of results with traps: no byte of another is touched, nothing is half replaced."""

import json
import os
import shutil
import socket
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from bayesgmm.analysis import AnalysisResult, AnalysisSpec
from bayesgmm.analysis._run_analysis import analyse
from bayesgmm.analysis.folder import usual_folder
from bayesgmm.errors import ConfigError, ResultFileError, SamplingInterrupted
from bayesgmm.posterior import load, save
from bayesgmm.posterior.files import check_writable, keep_interrupted, write_text
from bayesgmm.posterior.tree import with_attributes
from bayesgmm.report import write_report
from tests.support.small_tree import small_tree

GOLD = b"gold"
GOLD_HASH = sha256(GOLD).hexdigest()


def spec_of(folder: Path, **sections: Any) -> AnalysisSpec:
    return AnalysisSpec.from_dict(
        {
            "name": "rows",
            "data": {"file": str(folder / "d.csv")},
            "model": {"n_components": [1]},
            "sampler": {"draws": 40, "tune": 40, "seed": 1, "evidence": "none", "max_draws": 0},
            **sections,
        }
    )


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> AnalysisResult:
    folder = tmp_path_factory.mktemp("rows")
    rows = np.random.default_rng(1).normal(size=30).round(3)
    (folder / "d.csv").write_text("x\n" + "".join(f"{row}\n" for row in rows))
    return analyse(spec_of(folder), folder / "out")


class Places(NamedTuple):
    """A copy of the results, a folder of somebody else's beside it, and the analysis."""

    out: Path
    treasure: Path
    spec: AnalysisSpec


@pytest.fixture
def places(result: AnalysisResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    earlier = result.files["verdict"].parent
    shutil.copytree(earlier.parent, tmp_path, dirs_exist_ok=True)
    (tmp_path / "treasure").mkdir()
    (tmp_path / "treasure/gold.svg").write_bytes(GOLD)
    monkeypatch.setattr("bayesgmm.comparison.compare", lambda *_, **__: result.comparison)

    def written(_: Any, path: Path, *, references: Path, **__: Any) -> None:
        write_text(path, "a report")
        write_text(references, "sources")

    monkeypatch.setattr("bayesgmm.analysis.outputs.write_report", written)
    return Places(tmp_path / "out", tmp_path / "treasure", spec_of(tmp_path))


def recording(places: Places, **more: Any) -> None:
    """Let the record in the folder say that a run has written more files."""
    path = places.out / "verdict.json"
    record = json.loads(path.read_text())
    record["files"] |= more
    path.write_text(json.dumps(record))


def contents(folder: Path) -> dict[str, bytes | str]:
    """Return what each name holds: bytes, or for what is no plain file how to tell it."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        if path.is_file() and not path.is_symlink()
        else str(path.lstat()[:3])
        for path in folder.rglob("*")
    }


Trap = Callable[[Places], object]


def trap(name: str, *moves: Callable[[Path, Path], object]) -> tuple[str, Trap]:
    """Put something in the place of one of our names."""

    def lay(places: Places) -> None:
        path = places.out / name
        path.unlink(missing_ok=True)
        for move in moves:
            move(path, places.treasure)

    return name, lay


NEVER_REPLACED = dict(
    [
        trap("summary.csv", lambda path, _: path.write_text("changed by hand")),
        trap("comparison.csv", lambda path, gold: path.symlink_to(gold / "gold.svg")),
        trap("report.html", lambda path, _: path.mkdir()),
        trap("posterior_k1.nc", lambda path, _: os.mkfifo(path)),
        trap("verdict.json", lambda path, gold: path.symlink_to(gold / "gold.svg")),
    ]
)
NEVER_REPLACED_EITHER = dict(
    [
        trap("verdict.json", lambda path, _: os.mkfifo(path)),
        trap("posterior_k1.nc", lambda path, _: path.symlink_to("nowhere")),
        trap("summary.csv", lambda path, gold: os.link(gold / "gold.svg", path)),
        trap("report.html", lambda path, gold: path.symlink_to(gold)),
    ]
)
FOREIGN_RECORDS = {
    "a list": "[1, 2]",
    "a deep one": "[" * 100_000,
    "no text": "\udcff",
    "another's": '{"files": 3, "hashes": {}}',
}
BEYOND = {
    "above": {"../treasure/gold.svg": GOLD_HASH},
    "a whole path": {"{treasure}/gold.svg": GOLD_HASH},
    "a foreign name": {"notes.txt": GOLD_HASH},
    "a changed file": {"posterior_k9.nc": "0" * 64},
    "a link": {"posterior_k8.nc": GOLD_HASH},
    "below a link": {"report_figures/gold.svg": GOLD_HASH},
    "odd names": dict.fromkeys(["", ".", "..", "a\0b", "a\nb", "posterior_k7.nc\n"], GOLD_HASH),
    "odd hashes": {"posterior_k9.nc": ["x"], "posterior_k8.nc": None},
}


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    "lay",
    [*NEVER_REPLACED.values(), *NEVER_REPLACED_EITHER.values()],
    ids=[*NEVER_REPLACED, *(f"{name} again" for name in NEVER_REPLACED_EITHER)],
)
def test_only_own_unchanged_plain_files_are_replaced(
    places: Places, lay: Trap, overwrite: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(places)
    monkeypatch.setattr("bayesgmm.comparison.compare", pytest.fail)
    before = contents(places.out.parent)
    with pytest.raises(ResultFileError, match="not a file that bayesgmm wrote"):
        analyse(places.spec, places.out, overwrite)
    assert contents(places.out.parent) == before


@pytest.mark.parametrize("record", FOREIGN_RECORDS.values(), ids=FOREIGN_RECORDS)
def test_a_record_that_is_not_ours_is_not_replaced(places: Places, record: str) -> None:
    text = record.encode(errors="surrogateescape")
    (places.out / "verdict.json").write_bytes(text)
    before = contents(places.out.parent)
    with pytest.raises(ResultFileError, match="not a file that bayesgmm wrote"):
        analyse(places.spec, places.out, True)
    assert contents(places.out.parent) == before


@pytest.mark.parametrize("files", BEYOND.values(), ids=BEYOND)
def test_a_crafted_record_removes_no_foreign_byte(places: Places, files: dict[str, Any]) -> None:
    for name in ("notes.txt", "posterior_k9.nc"):
        (places.out / name).write_bytes(GOLD)
    (places.out / "posterior_k8.nc").symlink_to(places.treasure / "gold.svg")
    (places.out / "report_figures").symlink_to(places.treasure)
    recording(places, **{k.format(treasure=places.treasure): v for k, v in files.items()})
    before = contents(places.out.parent)
    analyse(places.spec, places.out, True)
    after = contents(places.out.parent)
    assert after.keys() == before.keys()
    ours = {
        f"out/{path}" for path in ("report.html", "references.bib", "summary.csv", "verdict.json")
    }
    changed = {name for name in after if after[name] != before[name]}
    assert changed <= {*ours, "out/posterior_k1.nc", "out/comparison.csv"}
    assert GOLD_HASH not in (places.out / "verdict.json").read_text()


def test_an_overwrite_removes_what_the_earlier_run_alone_had(places: Places) -> None:
    (places.out / "posterior_k9.nc").write_bytes(GOLD)
    os.link(places.out / "posterior_k9.nc", places.treasure / "same.nc")
    recording(places, **{"posterior_k9.nc": GOLD_HASH})
    analyse(places.spec, places.out, True)
    assert not (places.out / "posterior_k9.nc").exists()
    assert (places.treasure / "same.nc").read_bytes() == GOLD


def test_figures_need_a_folder_of_their_own(
    places: Places, result: AnalysisResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    (places.out / "report_figures").symlink_to(places.treasure)
    spec = spec_of(places.out.parent, report={"format": "md"})
    with pytest.raises(ResultFileError, match="'report_figures/any'"):
        analyse(spec, places.out, True)
    monkeypatch.setattr("bayesgmm.report._write_report._document", lambda *_: None)
    (places.treasure / "r_figures").write_text("mine")
    with pytest.raises(ResultFileError, match="cannot make the folder"):
        write_report(result.comparison, places.treasure / "r.md", format="md")


def test_what_came_while_sampling_is_not_replaced(
    places: Places, result: AnalysisResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compare(*_: Any, **__: Any) -> Any:
        (places.out / "summary.csv").write_text("mine")
        return result.comparison

    monkeypatch.setattr("bayesgmm.comparison.compare", compare)
    files = analyse(places.spec, places.out, True).files
    assert {path.parent.name for path in files.values()} == {"out-2"}
    assert (places.out / "summary.csv").read_text() == "mine"
    assert not list(places.out.parent.rglob("*.tmp"))


@pytest.mark.parametrize("failing", range(9))
def test_publishing_is_all_or_nothing(
    places: Places, failing: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each rename fails once: all is as before. A run killed just then has lost nothing either."""
    before, moved, plain = contents(places.out), [], Path.rename
    (tmp_path / "killed").mkdir()

    def rename(path: Path, target: Path) -> Path:
        if len(moved) == failing:
            shutil.copytree(places.out, tmp_path / "killed/out")
        moved.append(target)
        if len(moved) == failing + 1:
            raise OSError(28, "No space left on device")
        return plain(path, target)

    monkeypatch.setattr(Path, "rename", rename)
    if failing == 8:  # all four are away and all four new ones there: the record is next
        monkeypatch.setattr(Path, "replace", rename)
    with pytest.raises(ResultFileError, match="No space left"):
        analyse(places.spec, places.out)
    assert contents(places.out) == before
    monkeypatch.undo()
    left = contents(tmp_path / "killed/out")
    assert set(before.values()) <= set(left.values())


def test_a_folder_that_a_killed_run_left_takes_the_run_again(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Path.replace

    def replace(path: Path, target: Path) -> Path:
        if path.name == target.name == "verdict.json" and target.parent == places.out:
            shutil.copytree(places.out, tmp_path / "killed")
        return plain(path, target)

    (places.out / "report.html").write_text("an older report")
    recording(places, **{"report.html": sha256(b"an older report").hexdigest()})
    monkeypatch.setattr(Path, "replace", replace)
    analyse(places.spec, places.out)
    assert (tmp_path / "killed/report.html").read_text() == "a report"
    analyse(places.spec, tmp_path / "killed")


def test_what_interrupted_runs_left_is_not_replaced(
    places: Places, result: AnalysisResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished = result.comparison.posteriors[1]

    def interrupt(*_: Any, **__: Any) -> None:
        raise SamplingInterrupted("stopped", partial=finished)

    kept = places.out / "posterior_k1.finished.nc"
    kept.symlink_to(places.treasure / "gold.svg")
    monkeypatch.setattr("bayesgmm.comparison.compare", interrupt)
    with pytest.raises(SamplingInterrupted, match="posterior_k1-2.finished.nc"):
        analyse(places.spec, places.out)
    assert (places.treasure / "gold.svg").read_bytes() == GOLD and kept.is_symlink()


def test_draws_kept_beside_those_of_another_run(tmp_path: Path) -> None:
    first, second = (with_attributes(small_tree(), seed=seed) for seed in (1, 2))
    for tree, name in ((first, "p"), (first, "p"), (second, "p-2"), (second, "p-2")):
        assert f"{name}.finished.nc" in keep_interrupted(tree, tmp_path / "p.nc")
    assert load(tmp_path / "p.finished.nc").attrs["seed"] == "1"
    assert sorted(os.listdir(tmp_path)) == ["p-2.finished.nc", "p.finished.nc"]


def test_special_files_are_neither_read_nor_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        for name, kind in {"pipe": "named pipe", "socket": "socket", "": "folder"}.items():
            path, before = tmp_path / name, (tmp_path / name).stat()
            for call in (save, write_text):
                given: Any = small_tree() if call is save else path
                with pytest.raises(ResultFileError, match=f"is a {kind}; name a file"):
                    call(given, path if call is save else "x", overwrite=True)
            with pytest.raises(ResultFileError, match=kind.replace("folder", "Is a directory")):
                load(path)
            assert path.stat().st_mode == before.st_mode
    with pytest.raises(ResultFileError, match="is a device"):
        check_writable("/dev/null", overwrite=True)


def test_too_little_space_is_known_before_sampling(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bayesgmm.comparison.compare", pytest.fail)
    free = shutil.disk_usage(places.out)._replace(free=2**30)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    spec = spec_of(places.out.parent, sampler={"draws": 10**6})
    with pytest.raises(ResultFileError, match=r"about 3.12 GiB and 1.00 GiB are free in"):
        analyse(spec, places.out.parent / "new")
    assert not (places.out.parent / "new").exists()


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", "/x", "a\nb", "a\0b", "\x1b[2J"])
def test_odd_names_do_not_lead_out_of_the_folder_of_results(name: str) -> None:
    with pytest.raises(ConfigError, match="no folder of results can be named"):
        usual_folder(name)


def test_a_plain_name_is_a_folder_below_results() -> None:
    assert usual_folder("größe & wägung.v2") == Path("results/größe & wägung.v2")
