"""Compiled code kept between runs: never old, never wrong, and never an error where it cannot be.

Most tests run a package of two tiny functions with the real cache in processes of its own.
"""

import contextlib
import fcntl
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bayesgmm.runtime import code_folders, locks
from bayesgmm.runtime.compiling import compiled
from tests.support.places import TESTS
from tests.support.stored_code import EXPECTED, N_LOADED, tiny_package

PACKAGE = Path(code_folders.__file__).parents[1]


class Tiny:
    """The package of tiny functions, with a home of its own."""

    def __init__(self, root: Path, server: subprocess.Popen[str]) -> None:
        self.root, self.server = root, server
        self.compiled = tiny_package(root)
        self.home = root / "home"
        self.home.mkdir()

    @property
    def lock(self) -> Path:
        return self.home / ".cache" / "bayesgmm" / "compiled.lock"

    def run(self, before: str = "", **environment: str) -> dict[str, Any]:
        """Use the functions in a process of its own; `before` is executed first."""
        return self.order(before, environment)[0]

    def order(
        self,
        before: str = "",
        environment: dict[str, str] | None = None,
        damage: str | None = None,
        times: int = 1,
    ) -> list[Any]:
        given = {"HOME": str(self.home)} | (environment or {})
        order = {"root": str(self.root), "before": before, "environment": given}
        self.server.stdin.write(json.dumps(order | {"damage": damage, "times": times}) + "\n")
        self.server.stdin.flush()
        found = json.loads(self.server.stdout.readline())
        assert not any("error" in one for one in found), found
        return found

    def deny(self, place: str) -> None:
        """Let a place not be writable, for an administrator neither: it is a file."""
        path = {"package": self.compiled / "__pycache__", "home": self.home}[place]
        shutil.rmtree(path, ignore_errors=True)
        path.write_text("a file")


@pytest.fixture(scope="module")
def server() -> Iterator[subprocess.Popen[str]]:
    """A process in which numba is loaded and warm; see `stored_code`."""
    left_out = ("XDG_CACHE_HOME", "NUMBA_CACHE_DIR", "PYTHONPATH")
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    command = [sys.executable, TESTS / "support/stored_code.py"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True) as started:
        yield started
        started.stdin.close()


@pytest.fixture
def tiny(tmp_path: Path, server: subprocess.Popen[str]) -> Tiny:
    return Tiny(tmp_path, server)


def test_only_sources_of_compiled_code_count(tmp_path: Path) -> None:
    """Editing words or commands leaves the stored code valid, any compiled source does not."""
    ignored = shutil.ignore_patterns("__pycache__")
    copy = shutil.copytree(PACKAGE, tmp_path / "bayesgmm", ignore=ignored)
    code = """
import sys; from pathlib import Path
from bayesgmm.runtime.code_folders import is_current, kept_in
folder, package = kept_in(), Path("bayesgmm")
for path in sorted(package.rglob("*.py")):
    text = path.read_text()
    path.write_text(text + "# edited")
    if not is_current(folder):
        print(path.relative_to(package).as_posix())
    path.write_text(text)
(package / "likelihood/compiled/new.py").write_text("")
print(is_current(folder))
"""
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    found = subprocess.check_output(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, text=True
    ).split()
    sources = {path.relative_to(copy).as_posix() for path in copy.glob("likelihood/compiled/*.py")}
    sources -= {"likelihood/compiled/new.py"}
    assert len(sources) > 10
    how = {f"runtime/{name}.py" for name in ("code_cache", "compiling", "programs")}
    assert set(found[:-1]) == sources | how and found[-1] == "False"


@pytest.mark.parametrize("place", ["package", "XDG_CACHE_HOME", "HOME", "NUMBA_CACHE_DIR"])
def test_code_is_kept_wherever_there_is_room_and_never_old(tiny: Tiny, place: str) -> None:
    elsewhere = tiny.root / "elsewhere"
    environment, expected = {
        "package": ({}, tiny.compiled / "__pycache__"),
        "XDG_CACHE_HOME": ({"XDG_CACHE_HOME": str(elsewhere)}, elsewhere / "bayesgmm"),
        "HOME": ({"XDG_CACHE_HOME": ""}, tiny.home / ".cache" / "bayesgmm"),
        "NUMBA_CACHE_DIR": ({"NUMBA_CACHE_DIR": str(elsewhere)}, elsewhere),
    }[place]
    if place in ("XDG_CACHE_HOME", "HOME"):
        tiny.deny("package")
    for loaded in (0, N_LOADED):
        found = tiny.run(**environment)
        assert Path(found["folder"]).parent == expected
        assert (found["numbers"], found["loaded"], found["said"]) == (EXPECTED, loaded, [])
    source = tiny.compiled / "tiny.py"
    source.write_text(source.read_text().replace("3.0", "7.0"))
    found = tiny.run(**environment)
    assert (found["numbers"], found["loaded"]) == ([14.0, 28.0, 1.0], 0)
    n_folders = len(list(expected.glob("bayesgmm-code-*")))
    assert n_folders == (1 if place == "package" else 2)  # elsewhere another checkout needs it


def test_a_source_edited_after_the_start_neither_loads_old_code_nor_leaves_new(tiny: Tiny) -> None:
    """Python reads a module when it is first imported, which may be long after the start."""
    tiny.run()
    source = tiny.compiled / "tiny.py"
    text = source.read_text()
    edit = f"""
from pathlib import Path
from bayesgmm.runtime.code_folders import kept_in; kept_in()
Path({str(source)!r}).write_text({text.replace("3.0", "7.0")!r})
"""
    found = tiny.run(edit)
    assert (found["numbers"], found["loaded"]) == ([14.0, 28.0, 1.0], 0)
    source.write_text(text)
    found = tiny.run()
    assert (found["numbers"], found["loaded"]) == (EXPECTED, N_LOADED)


@pytest.mark.slow
def test_damaged_caches_give_the_right_numbers_and_are_mended(tiny: Tiny) -> None:
    """Each in a fork of its own, so that a crash is seen."""
    found = tiny.order(damage=tiny.run()["folder"])[0]
    assert len(found) >= 40
    for case in found:
        first, second = case["first"], case["second"]
        assert first.get("numbers") == EXPECTED and first["loaded"] < N_LOADED, case
        assert second.get("numbers") == EXPECTED and second["loaded"] == N_LOADED, case
        assert second["said"] == [], case
    assert not (tiny.root / "executed").exists(), "a foreign pickle was loaded"


def test_a_cache_that_cannot_be_written_costs_one_line(tiny: Tiny) -> None:
    tiny.deny("package")
    tiny.deny("home")
    for _ in range(2):
        found = tiny.run()
        assert (found["numbers"], found["loaded"]) == (EXPECTED, 0)
        assert found["folder"] == "None"
        assert len(found["said"]) == 1 and "NUMBA_CACHE_DIR" in found["said"][0]


@pytest.mark.parametrize("place", ["package", "NUMBA_CACHE_DIR"])
def test_without_a_home_the_lock_lies_beside_the_code(tiny: Tiny, place: str) -> None:
    tiny.deny("home")
    environment, parent = {}, tiny.compiled / "__pycache__"
    if place == "NUMBA_CACHE_DIR":
        parent = tiny.root / "elsewhere"
        environment = {place: str(parent)}
    assert [tiny.run(**environment)["loaded"] for _ in range(2)] == [0, N_LOADED]
    lock = parent / "bayesgmm-compiled.lock"
    assert stat.S_IMODE(lock.stat().st_mode) == 0o600


FULL_ON_REPLACE = """
import errno, os
def replace(*paths):
    raise OSError(errno.ENOSPC, "No space left on device")
os.replace = replace
"""
FULL_ON_WRITE = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))"


@pytest.mark.parametrize("before", [FULL_ON_REPLACE, FULL_ON_WRITE], ids=["replace", "write"])
def test_a_full_disk_costs_one_line_and_leaves_nothing(tiny: Tiny, before: str) -> None:
    found = tiny.run(before)
    assert (found["numbers"], found["loaded"]) == (EXPECTED, 0)
    assert len(found["said"]) == 1 and "not kept" in found["said"][0]
    assert list(Path(found["folder"]).iterdir()) == []
    assert tiny.run()["said"] == []
    assert tiny.run()["loaded"] == N_LOADED


def test_a_lock_that_is_held_is_waited_for_once(tiny: Tiny) -> None:
    assert locks._SAVING_PATIENCE == 5.0
    before = """
import time
from bayesgmm.runtime import locks
locks._SAVING_PATIENCE = 0.4
sleep = time.sleep
def counted(seconds):
    sleep(seconds)
    open("slept", "a").write("x")
locks.time.sleep = counted
"""
    tiny.lock.parent.mkdir(parents=True)
    with tiny.lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        found = tiny.run(before)
    assert (found["numbers"], found["loaded"]) == (EXPECTED, 0)
    assert len(found["said"]) == 1 and "another process holds the lock" in found["said"][0]
    assert 1 <= len((tiny.root / "slept").read_text()) <= 21, "0.4 s, once, in steps of 0.02 s"
    assert tiny.run()["said"] == []
    assert tiny.run()["loaded"] == N_LOADED


def test_the_lock_is_this_users_alone_and_keeps_what_it_holds(tiny: Tiny) -> None:
    assert tiny.run("import os; os.umask(0)")["said"] == []
    assert stat.S_IMODE(tiny.lock.stat().st_mode) == 0o600
    tiny.lock.write_text("what somebody wrote")
    source = tiny.compiled / "tiny.py"
    source.write_text(source.read_text() + "\n")
    assert tiny.run()["said"] == []
    assert tiny.lock.read_text() == "what somebody wrote"


def test_a_lock_that_is_a_link_is_not_followed(tiny: Tiny) -> None:
    target = tiny.root / "target"
    tiny.lock.parent.mkdir(parents=True)
    tiny.lock.symlink_to(target)
    assert [tiny.run()["loaded"] for _ in range(2)] == [0, N_LOADED]
    assert not target.exists() and tiny.lock.is_symlink()
    assert (tiny.compiled / "__pycache__" / "bayesgmm-compiled.lock").exists()


def test_a_file_system_without_locks_keeps_code_too(tiny: Tiny) -> None:
    before = """
import errno, fcntl
def flock(*_): raise OSError(errno.ENOLCK, "No locks available")
fcntl.flock = flock
"""
    assert [tiny.run(before)["loaded"] for _ in range(2)] == [0, N_LOADED]


def test_many_processes_that_start_at_once_agree(tiny: Tiny) -> None:
    used = tiny.order(times=6)
    for found in used:
        assert (found["numbers"], found["said"]) == (EXPECTED, [])
    assert sum(found["loaded"] for found in used) == 5 * N_LOADED, "each compiled once"
    assert tiny.run()["loaded"] == N_LOADED


def test_code_of_other_modules_is_not_kept() -> None:
    """The digest does not know of their sources."""

    def doubled(x: float) -> float:
        return 2.0 * x

    assert compiled(doubled).stats.cache_path is None  # type: ignore[attr-defined]
    from bayesgmm.likelihood.compiled.partition_search import count_joint

    assert count_joint.stats.cache_path == str(code_folders.kept_in())


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """The folders in which code is looked for, in other places."""
    name = code_folders.kept_in().name
    found = [tmp_path / name for name in ("first", "second")]
    monkeypatch.setattr(code_folders, "_places", lambda: found)
    code_folders.kept_in.cache_clear()
    yield [place / name for place in found]
    monkeypatch.undo()
    code_folders.kept_in.cache_clear()


def test_code_that_can_only_be_read_is_used(
    places: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code_folders, "_is_writable", lambda folder: False)
    assert code_folders.kept_in() is None
    code_folders.kept_in.cache_clear()
    places[1].mkdir(parents=True)
    assert code_folders.kept_in() == places[1]


@pytest.mark.parametrize("what", ["file", "link"])
def test_what_is_no_folder_is_passed_over(places: list[Path], what: str) -> None:
    places[0].parent.mkdir()
    if what == "file":
        places[0].write_text("somebody's")
    else:
        places[0].symlink_to("nowhere")
    assert code_folders.kept_in() == places[1]


def test_a_folder_of_another_user_is_not_taken(
    places: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever may write there could have code executed."""
    places[0].mkdir(parents=True)
    monkeypatch.setattr(code_folders, "_trusted_owners", lambda: {os.getuid() + 1})
    assert code_folders.kept_in() == places[1]
    monkeypatch.setattr(code_folders, "_trusted_owners", lambda: {os.getuid()})
    code_folders.kept_in.cache_clear()
    assert code_folders.kept_in() == places[0]


def test_a_package_without_sources_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = code_folders.kept_in()
    monkeypatch.setattr(code_folders, "sources", lambda: [tmp_path / "none.py"])
    code_folders.kept_in.cache_clear()
    with contextlib.ExitStack() as after:
        after.callback(code_folders.kept_in.cache_clear)
        assert code_folders.kept_in() is None
        assert not code_folders.is_current(folder)


def test_a_new_folder_in_the_package_replaces_those_of_the_same_numba_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code_folders, "_SOURCES", tmp_path)
    name = code_folders._NAME
    for parent in (tmp_path / "__pycache__", tmp_path / "user"):
        old, other = parent / f"{name}old", parent / "bayesgmm-code-numba0.1-old"
        for folder in (old, other):
            folder.mkdir(parents=True)
            (folder / "a.nbi").write_text("x")
        code_folders.make(parent / f"{name}new")
        left = {folder.name for folder in parent.iterdir()}
        assert left >= {f"{name}new", other.name}
        assert (old.name in left) == (parent.name == "user")


def test_clear_removes_folders_and_never_what_a_link_points_to(tmp_path: Path) -> None:
    precious, link, folder = tmp_path / "precious", tmp_path / "link", tmp_path / "folder"
    for path in (precious, folder):
        path.mkdir()
        (path / "file").write_text("12345")
    link.symlink_to(precious)
    assert code_folders.size_of(folder) == 5 and code_folders.size_of(tmp_path / "none") == 0
    assert code_folders.clear([link, folder]) == []
    assert sorted(tmp_path.iterdir()) == [precious] and (precious / "file").exists()
