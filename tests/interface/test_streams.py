"""Streams that are full, closed, cut off or know ASCII only: one line, a code, no lost file."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bayesgmm.cli import main
from bayesgmm.posterior import load

COMMAND = [sys.executable, "-m", "bayesgmm"]
FULL = "error: cannot print to standard output: No space left on device."


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "d.csv"
    path.write_text("höhe,b\n" + "".join(f"{i}.5,{(7 * i) % 11}\n" for i in range(9)))
    return path


def ended(*arguments: object, **streams: Any) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, **streams)


def one_line(err: str, begin: str) -> bool:
    return err.startswith(begin) and err.count("\n") == 1


def test_a_full_stdout_loses_no_file(csv: Path, tmp_path: Path) -> None:
    """With --json all is printed at the end."""
    options = ("-k", 1, "--draws", 20, "--tune", 20, "--out", tmp_path / "p.nc", "--json")
    with open("/dev/full", "w") as full:
        done = ended("sample", csv, *options, stdout=full)
    assert (done.returncode, one_line(done.stderr, FULL)) == (4, True), done.stderr
    assert load(tmp_path / "p.nc")["posterior"].sizes["draw"] == 20


def test_a_broken_pipe(csv: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = ended("check", csv, stdout=writing)
    os.close(writing)
    line = "error: cannot print to standard output: Broken pipe."
    assert (done.returncode, one_line(done.stderr, line)) == (4, True), done.stderr


def test_closed_streams(csv: Path, tmp_path: Path) -> None:
    """No file that is opened later gets the number of a closed stream."""
    shell = f"exec {' '.join(COMMAND)} check {csv}"
    done = subprocess.run(["sh", "-c", f"{shell} >&-"], stderr=subprocess.PIPE, text=True)
    line = "error: cannot print to standard output: it is closed."
    assert (done.returncode, one_line(done.stderr, line)) == (4, True), done.stderr
    silent = f"exec {' '.join(COMMAND)} check {tmp_path}/none.csv <&- >&- 2>&-"
    assert subprocess.run(["sh", "-c", silent]).returncode == 4


@pytest.mark.slow
def test_an_ascii_terminal_gets_escapes_and_json_stays_json(csv: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = ended("check", csv, env=environment, stdout=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, "")
    assert r"h\xf6he" in done.stdout
    done = ended("fit", csv, "-k", 1, "--json", env=environment, stdout=subprocess.PIPE)
    assert json.loads(done.stdout)["columns"] == ["höhe", "b"]


class Broken:
    """A stream that fails from the start."""

    encoding = "utf-8"

    def write(self, _: str) -> None:
        raise OSError(5, "Input/output error")

    def flush(self) -> None:
        raise ValueError("I/O operation on closed file.")

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    "arguments", [["check", "d.csv"], ["--help"], ["--version"], ["cache"], ["check", "none.csv"]]
)
def test_a_lost_terminal(csv: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(csv.parent)
    monkeypatch.setattr(sys, "stdout", Broken())
    monkeypatch.setattr(sys, "stderr", Broken())
    assert main(arguments) == (2 if "none.csv" in arguments else 4)
