"""One process at a time compiles a function; others wait for it, and never for ever."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bayesgmm.runtime import locks
from bayesgmm.runtime.locks import Claim

FOLDER = Path("code")
TAKES = """
import time
from pathlib import Path
from bayesgmm.runtime.locks import Claim
claim = Claim()
claim.take(Path("code"), "made")
print(time.time(), flush=True)
input()
"""


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.fixture
def other() -> Iterator[subprocess.Popen[str]]:
    """Another process, which claims the function, says so, and waits."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", TAKES], stdin=pipe, stdout=pipe, text=True) as p:
        yield p
        p.kill()


def said_by(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_a_claim_is_waited_for_until_its_process_gives_it_back() -> None:
    claim, pipe = Claim(), subprocess.PIPE
    claim.take(FOLDER, "made")
    with subprocess.Popen([sys.executable, "-c", TAKES], stdin=pipe, stdout=pipe, text=True) as p:
        time.sleep(1.0)
        released = time.time()
        claim.release()
        assert float(said_by(p)) > released
        p.communicate("\n")


def test_a_claim_ends_with_its_process(other: subprocess.Popen[str]) -> None:
    assert said_by(other)
    other.kill()
    other.wait()
    start = time.monotonic()
    Claim().take(FOLDER, "made")
    assert time.monotonic() - start < 1.0


def test_other_functions_and_folders_are_free(other: subprocess.Popen[str]) -> None:
    assert said_by(other)
    start = time.monotonic()
    for folder, name in ((FOLDER, "another"), (Path("elsewhere"), "made")):
        Claim().take(folder, name)
    assert time.monotonic() - start < 1.0


def test_patience_ends(
    other: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert said_by(other)
    monkeypatch.setattr(locks, "_MAKING_PATIENCE", 0.3)
    start = time.monotonic()
    with caplog.at_level("INFO", "bayesgmm.runtime.locks"):
        Claim().take(FOLDER, "made")
    assert 0.3 <= time.monotonic() - start < 2.0
    assert caplog.messages == ["waiting for another process, which compiles made"]
