"""Faults while a result is made: nothing old is lost, nothing is left half-written.

Each test runs a process of its own; the many repetitions are marked slow.
"""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from test_files import small_tree

from bayesgmm.result import load, save
from bayesgmm.result.layout import attribute

ROOT = Path(__file__).parents[1]
FAITHFUL = ROOT / "models/data/faithful.csv"
SAVER = textwrap.dedent("""
    import resource, sys
    sys.path.insert(0, {tests!r})
    from test_files import small_tree
    from bayesgmm.errors import ResultFileError
    from bayesgmm.result import load, save
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
    code = SAVER.format(tests=str(Path(__file__).parent), path=str(saved))
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


def interrupted(folder: Path, seconds: float | None, *, k: int, draws: int) -> str:
    """Sample, press Ctrl-C after some time, and check what is left; return how it ended."""
    command = ["sample", FAITHFUL, "-k", k, "--draws", draws, "--seed", 1, "--out", "p.nc"]
    process = start("-m", "bayesgmm", *command, cwd=folder)
    if seconds is not None:
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    left = sorted(os.listdir(folder))
    if process.returncode in (0, 3):
        assert left == ["p.nc"]
        assert attribute(load(folder / "p.nc"), "status") == "complete"
        return "complete"
    if process.returncode == -signal.SIGINT and not err:  # while Python itself started or ended
        assert left in ([], ["p.nc"])
        return "nothing"
    # An exec of text that the exception passes, as in imports, makes CPython end by the signal
    # itself, which a shell calls 130 too.
    assert process.returncode in (130, -signal.SIGINT), err
    assert err.startswith("error: ") and err.count("\n") == 1, err
    if "partial" not in err:
        assert left in ([], ["p.nc"])
        return "nothing"
    assert left == ["p.partial.nc"]
    partial = load(folder / "p.partial.nc")
    assert attribute(partial, "status") == "interrupted"
    assert all(np.isfinite(variable).all() for variable in partial["posterior"].data_vars.values())
    return "partial"


def test_ctrl_c_keeps_the_draws_made(tmp_path: Path) -> None:
    """A run that would take minutes, interrupted: what was drawn is kept and marked."""
    for seconds in (7, 15, 40):
        folder = tmp_path / str(seconds)
        folder.mkdir()
        ended = interrupted(folder, seconds, k=5, draws=20_000)
        if ended == "partial":
            return
    pytest.fail(f"the longest run ended with {ended}")


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> float:
    """Seconds of a run that nobody interrupts."""
    begin = time.monotonic()
    ended = interrupted(tmp_path_factory.mktemp("whole"), None, k=3, draws=3000)
    assert ended == "complete"
    return time.monotonic() - begin


@pytest.mark.slow
@pytest.mark.parametrize("attempt", range(40))
def test_ctrl_c_at_any_time(tmp_path: Path, whole_run: float, attempt: int) -> None:
    """Evenly over loading, warm-up, draws, post-processing and writing."""
    print(interrupted(tmp_path, (attempt + 0.5) / 40 * whole_run, k=3, draws=3000))


def test_a_second_ctrl_c_leaves_at_once(tmp_path: Path) -> None:
    """Also while the draws made are laid out and written: no file under the final name."""
    code = (
        "import os, signal, sys, threading\n"
        "from bayesgmm import sampling\n"
        "from bayesgmm.cli import main\n"
        "def press(chain, done, total):\n"
        "    if done > 300 and not pressed.is_set():\n"
        "        pressed.set(); os.kill(os.getpid(), signal.SIGINT)\n"
        "def assemble(*_, **__):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    while True: pass\n"
        "pressed = threading.Event()\n"
        "sampling.posterior_sampling.assemble = assemble\n"
        "plain = sampling.sample\n"
        "sampling.sample = lambda *a, **o: plain(*a, **{**o, 'progress': press})\n"
        f"arguments = ['sample', {str(FAITHFUL)!r}, '-k', '2', '--tune', '200', '--out', 'p']\n"
        "sys.exit(main([*arguments, '--draws', '50000']))"
    )
    process = start("-c", code, cwd=tmp_path)
    _, err = process.communicate(timeout=120)
    assert process.returncode in (130, -signal.SIGINT), err
    assert err == "error: interrupted; no result was written.\n"
    assert os.listdir(tmp_path) == []
