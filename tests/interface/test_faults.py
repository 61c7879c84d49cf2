"""Faults while a result is made: nothing old is lost, nothing is left half-written.

Each test runs a process of its own; the many repetitions are marked slow.
"""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bayesgmm.cli import main
from bayesgmm.data import Dataset
from bayesgmm.elpd import loo_with_refits
from bayesgmm.elpd import refit as refits
from bayesgmm.errors import DataError, ResultFileError
from bayesgmm.posterior import load, save
from bayesgmm.posterior.files import check_writable
from bayesgmm.posterior.tree import attribute
from bayesgmm.sampling import sample
from bayesgmm.sampling.nuts import ChainDraws, run_chains
from tests.support.places import ROOT
from tests.support.small_tree import small_tree

FAITHFUL = ROOT / "models/data/faithful.csv"
SAVER = textwrap.dedent("""
    import resource, sys
    sys.path.insert(0, {root!r})
    from tests.support.small_tree import small_tree
    from bayesgmm.errors import ResultFileError
    from bayesgmm.posterior import load, save
    tree = small_tree(2000)
    load({path!r})
    print("ready", flush=True)
""")
CAPPED = textwrap.dedent("""
    for cut in {cuts}:
        resource.setrlimit(resource.RLIMIT_FSIZE, (cut, resource.RLIM_INFINITY))
        try:
            save(tree, {path!r}, overwrite=True)
        except ResultFileError:
            print("refused", flush=True)
        else:
            print("written", flush=True)
""")
FOREVER = """
while True:
    save(tree, {path!r}, overwrite=True)
"""


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return save(small_tree(), tmp_path / "posterior.nc")


def heed_ctrl_c() -> None:
    """Undo what a shell's background jobs and test workers hand down: that SIGINT is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(*command: object, cwd: Path | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        preexec_fn=heed_ctrl_c,
    )


def saver(saved: Path, action: str, path: Path) -> subprocess.Popen[str]:
    """Start a process that says "ready" and then saves."""
    code = SAVER.format(root=str(ROOT), path=str(saved))
    process = start("-c", code + action.replace("{path!r}", repr(str(path))))
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


def test_a_full_disk_leaves_the_old_file(saved: Path) -> None:
    """The new file may grow to one of 20 sizes, all too small: an error each time, no crash."""
    before = saved.read_bytes()
    cuts = [0, 7, 100, 2000, *range(5000, 200_000, 12_500)]
    process = saver(saved, CAPPED.replace("{cuts}", repr(cuts)), saved)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    assert out.split() == ["refused"] * len(cuts)
    assert len(cuts) == 20
    assert saved.read_bytes() == before
    assert os.listdir(saved.parent) == [saved.name]


@contextmanager
def unprivileged() -> Iterator[None]:
    """Be nobody for a moment where tests run as the superuser, whom no permission stops."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_folders_and_files_that_permissions_close(saved: Path) -> None:
    """A read-only folder keeps its file; both are refused before anything is read or sampled."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data, old = folder / "d.csv", Path(shutil.copy(saved, folder / "p.nc"))
        data.write_bytes(FAITHFUL.read_bytes())
        data.chmod(0o000)
        folder.chmod(0o555)
        with unprivileged():
            for path in (old, folder / "new.nc"):
                with pytest.raises(ResultFileError, match="Permission denied"):
                    save(small_tree(), path, overwrite=True)
                with pytest.raises(ResultFileError, match="Permission denied"):
                    check_writable(path, overwrite=True)
            with pytest.raises(DataError, match="Permission denied") as caught:
                Dataset.from_csv(data)
        assert caught.value.path == str(data)
        assert sorted(os.listdir(folder)) == ["d.csv", "p.nc"]
        assert old.read_bytes() == saved.read_bytes()
        folder.chmod(0o755)


def killed_while_saving(saved: Path, seconds: float) -> None:
    before, new = saved.read_bytes(), saved.with_name("new.nc")
    process = saver(saved, FOREVER, new)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert saved.read_bytes() == before
    if new.exists():
        assert load(new)["log_likelihood"]["x"].shape == (2, 5, 2000)


@pytest.mark.parametrize("milliseconds", [10, 60])
def test_a_killed_writer_leaves_whole_files(saved: Path, milliseconds: int) -> None:
    killed_while_saving(saved, milliseconds / 1000)


@pytest.mark.slow
@pytest.mark.parametrize("attempt", range(20))
def test_many_killed_writers(saved: Path, attempt: int) -> None:
    killed_while_saving(saved, np.random.default_rng(attempt).uniform(0, 0.3))


def program(*arguments: object, folder: Path) -> subprocess.Popen[str]:
    """Start the command line; until its first line runs, Ctrl-C meets Python itself."""
    code = "print('started', flush=True)\nfrom bayesgmm.__main__ import run\nrun()"
    process = start("-c", code, *arguments, cwd=folder)
    assert process.stdout is not None and process.stdout.readline() == "started\n"
    return process


def computed(process: subprocess.Popen[str]) -> float:
    """Seconds of processor time that a process has had."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def pressed(process: subprocess.Popen[str], seconds: float | None) -> tuple[int, str]:
    """Press Ctrl-C after some more processor time; return how the process ended, what it said.

    On a busy machine a time of the clock would not say how far the process has come.
    """
    if seconds is not None:
        begun = computed(process)
        while process.poll() is None and computed(process) - begun < seconds:
            time.sleep(0.002)
        process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=300)
    if process.returncode == -signal.SIGINT:  # all was done, and Python took itself down
        assert err == ""
    elif process.returncode == 130:
        assert err.startswith("error: ") and err.count("\n") == 1, err
    else:
        assert (process.returncode in (0, 3), err) == (True, "")
    return process.returncode, err


def interrupted(
    folder: Path, seconds: float | None, *, k: int, draws: int, old: bytes | None = None
) -> str:
    """Sample, press Ctrl-C after some time, and check what is left; return how it ended.

    A file of these ``old`` bytes is to be replaced.
    """
    final = folder / "p.nc"
    if old is not None:
        final.write_bytes(old)
    options = ["-k", k, "--draws", draws, "--seed", 1, "--out", "p.nc", "--overwrite"]
    code, err = pressed(program("sample", FAITHFUL, *options, folder=folder), seconds)
    left = set(os.listdir(folder)) - {"p.nc"}
    new = final.exists() and final.read_bytes() != old
    assert final.exists() or old is None
    if new:
        assert attribute(load(final), "status") == "complete"
        assert load(final)["posterior"].sizes["draw"] == draws
    if code != 130:
        assert new and not left
        return "complete"
    if not left:
        assert "partial" not in err and "finished" not in err
        return "written" if new else "nothing"
    kept = load(folder / left.pop())
    assert not left and not new
    ended = "partial" if "p.partial.nc" in err else "finished"
    status = {"partial": "interrupted", "finished": "complete"}[ended]
    assert f"'p.{ended}.nc'" in err and attribute(kept, "status") == status
    assert (kept["posterior"].sizes["draw"] == draws) or ended == "partial"
    assert all(np.isfinite(variable).all() for variable in kept["posterior"].data_vars.values())
    return ended


@pytest.mark.parametrize("seconds", [0.05, 0.15, 0.4])
def test_ctrl_c_while_loading_shows_no_traceback(tmp_path: Path, seconds: float) -> None:
    process = program("sample", FAITHFUL, "-k", 2, "--draws", 100_000, folder=tmp_path)
    code, err = pressed(process, seconds)
    assert (code, err) == (130, "error: interrupted; no file was left half-written.\n")
    assert os.listdir(tmp_path) == []


def pressing(*arguments: object, draws: int, then: str = "") -> str:
    """Code that runs the command line and presses Ctrl-C once a chain has made some draws."""
    return (
        "import os, signal, threading\n"
        "from bayesgmm import sampling\n"
        "from bayesgmm.cli import main\n"
        "pressed = threading.Event()\n"
        "def press(chain, done, total):\n"
        f"    if done > {draws} and not pressed.is_set():\n"
        "        pressed.set(); os.kill(os.getpid(), signal.SIGINT)\n"
        "plain = sampling.sample\n"
        "sampling.sample = lambda *a, **o: plain(*a, **{**o, 'progress': press})\n"
        f"{then}\n"
        f"raise SystemExit(main({[str(argument) for argument in arguments]!r}))"
    )


LONG = ("sample", FAITHFUL, "-k", 2, "--tune", 200, "--draws", 50_000, "--seed", 1, "--out", "p.nc")


def test_ctrl_c_keeps_the_draws_made(tmp_path: Path) -> None:
    """A run that would take minutes, interrupted: what was drawn is kept and marked."""
    process = start("-c", pressing(*LONG, draws=300), cwd=tmp_path)
    _, err = process.communicate(timeout=300)
    assert process.returncode in (130, -signal.SIGINT)
    assert err == (
        "error: interrupted; the draws made so far are in 'p.partial.nc', marked as interrupted.\n"
    )
    assert os.listdir(tmp_path) == ["p.partial.nc"]
    partial = load(tmp_path / "p.partial.nc")
    assert attribute(partial, "status") == "interrupted"
    assert 50 < partial["posterior"].sizes["draw"] < 50_000
    assert all(np.isfinite(v).all() for v in partial["posterior"].data_vars.values())


@pytest.mark.parametrize("stopped", ["labels.relabel", "diagnosis.diagnose", "summary.summarize"])
def test_ctrl_c_after_the_last_draw_keeps_all_draws(
    tmp_path: Path, stopped: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"bayesgmm.{stopped}", interrupt)
    monkeypatch.chdir(tmp_path)
    assert main(["sample", str(FAITHFUL), "-k", "2", "--draws", "30", "--out", "p.nc"]) == 130
    line = "error: interrupted; all draws were made and are in 'p.finished.nc'.\n"
    assert capsys.readouterr().err == line
    kept = load("p.finished.nc")
    assert os.listdir() == ["p.finished.nc"]
    assert kept["posterior"].sizes["draw"] == 30 and attribute(kept, "status") == "complete"
    raw = attribute(kept, "relabelling") is None
    assert raw == (stopped == "labels.relabel")


MANY_FEATURES = """
import os, signal, sys, threading, time
import numpy as np
import bayesgmm
import bayesgmm.sampling.methods
rng = np.random.default_rng(1)
rows = rng.normal(size=(2000, 50)) + 4.0 * rng.normal(size=(3, 50))[rng.integers(3, size=2000)]
pressed = []
def press():
    pressed.append(time.monotonic())
    os.kill(os.getpid(), signal.SIGINT)
if {chains}:
    bayesgmm.sampling.methods.find_modes = lambda *_: []
threading.Timer({after}, press).start()
try:
    bayesgmm.sample(rows, 3, draws=20, tune={tune}, seed=1)
except (KeyboardInterrupt, bayesgmm.SamplingInterrupted):
    print(time.monotonic() - pressed[0], flush=True)
    os._exit(0)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("after", "chains", "tune"),
    [(2, False, 200), (20, False, 200), (50, False, 200), (12, True, 200), (30, True, 1)],
    ids=["EM", "first modes", "later modes", "warm-up", "draws"],
)
def test_a_call_stops_soon_after_ctrl_c_with_many_features(
    after: int, chains: bool, tune: int
) -> None:
    """50 features have 3,977 coordinates: a Hessian takes most of a minute, a draw some seconds."""
    code = MANY_FEATURES.format(after=after, chains=chains, tune=tune)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 2.0


def test_ctrl_c_during_a_refit_is_not_taken_for_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refit cut short would give a term from a few draws, and the run would go on."""
    rows = np.append(np.random.default_rng(1).normal(size=(30, 1)), [[40.0]], axis=0)
    tree = sample(rows, 1, draws=100, chains=2, seed=1)

    def cut_short(*arguments: Any) -> ChainDraws:
        return replace(run_chains(*arguments), interrupted=True)

    monkeypatch.setattr(refits, "run_chains", cut_short)
    with pytest.raises(KeyboardInterrupt):
        loo_with_refits(tree, limit=-1.0, moment_matching=False, max_refits=31, draws=20, seed=1)


def computed_by_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> float:
    """Seconds of processor time of a run that nobody interrupts, once everything is compiled."""
    for _ in range(2):
        begin = computed_by_children()
        ended = interrupted(tmp_path_factory.mktemp("whole"), None, k=3, draws=3000)
        assert ended == "complete"
    return computed_by_children() - begin


@pytest.mark.slow
@pytest.mark.parametrize("attempt", range(40))
def test_ctrl_c_at_any_time(saved: Path, whole_run: float, attempt: int) -> None:
    """In warm-up, draws, post-processing and writing; half with an old file.

    A quarter of the times lie in the first half, which is mostly loading.
    """
    old = saved.read_bytes() if attempt % 2 else None
    saved.unlink()
    share = (attempt + 0.5) / 20 if attempt < 10 else 0.5 + (attempt - 9.5) / 60
    seconds = share * whole_run
    print(f"{seconds:.1f} s:", interrupted(saved.parent, seconds, k=3, draws=3000, old=old))


COMPARED = ("compare", FAITHFUL, "-k", "1-2", "--draws", 1000, "--out", "r", "--overwrite")


@pytest.fixture(scope="module")
def whole_comparison(tmp_path_factory: pytest.TempPathFactory) -> tuple[float, Path]:
    """Processor time of a comparison that nobody interrupts, and its results."""
    folder = tmp_path_factory.mktemp("whole")
    for _ in range(2):
        begin = computed_by_children()
        assert pressed(program(*COMPARED, "--seed", 1, folder=folder), None)[0] in (0, 3)
    return computed_by_children() - begin, folder


@pytest.mark.slow
@pytest.mark.parametrize("attempt", range(12))
def test_ctrl_c_in_a_comparison_at_any_time(
    tmp_path: Path, whole_comparison: tuple[float, Path], attempt: int
) -> None:
    """The earlier results stay as they were, or the new ones are there; what is kept says so."""
    seconds, earlier = whole_comparison
    folder = Path(shutil.copytree(earlier / "r", tmp_path / "r"))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    process = program(*COMPARED, "--seed", 2, folder=tmp_path)
    code, err = pressed(process, (attempt + 0.5) / 12 * seconds)
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    kept = {name for name in after if name.endswith((".partial.nc", ".finished.nc"))}
    finals = {name: content for name, content in after.items() if name not in kept}
    assert finals == before or json.loads(finals["verdict.json"])["seed"] == 2
    assert kept == {name for name in kept if repr(f"r/{name}") in err}
    assert not kept or (code == 130 and finals == before)
    for name in kept:
        tree = load(folder / name)
        whole = attribute(tree, "status") == "complete"
        assert name.endswith(".finished.nc") == whole
        assert not whole or tree["posterior"].sizes["draw"] == 1000
    print(code, err)


@pytest.mark.slow
def test_a_second_ctrl_c_leaves_at_once(tmp_path: Path) -> None:
    """Also while the draws made are laid out and written: no file under the final name."""
    then = (
        "def assemble(*_, **__):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    while True: pass\n"
        "sampling._sample.assemble = assemble"
    )
    process = start("-c", pressing(*LONG, draws=300, then=then), cwd=tmp_path)
    _, err = process.communicate(timeout=300)
    assert process.returncode in (130, -signal.SIGINT), err
    assert err == "error: interrupted; no file was left half-written.\n"
    assert os.listdir(tmp_path) == []
