"""The code on the pages of the documentation: every block runs, and prints what stands below it.

A page's blocks run in their order and in one folder, beside `models/` and `tests/`, so that one may
use what another has made. Two pages are run by default, all with ``-m slow``. What a block of text
right below one of Python shows is what it prints, ``...`` standing for anything.
"""

import contextlib
import doctest
import io
import itertools
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import pytest
import typer

import bayesgmm as bg
from bayesgmm.cli.commands import app
from tests.support.places import PAGES_OF_THE_SITE, ROOT

FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LANGUAGES = {"python", "console", "text", "toml", "stan", "r", "bibtex"}
ALWAYS = {"explanation/labels", "howto/data"}
ALIKE = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
GOOD_OR_BAD_VERDICT = (0, 3)


class Block(NamedTuple):
    """A fenced block, and whether nothing stands between it and the one before."""

    language: str
    code: str
    follows: bool


def blocks_of(page: Path) -> list[Block]:
    text, end, found = page.read_text(encoding="utf-8"), 0, []
    for fence in FENCE.finditer(text):
        found.append(Block(fence[1].strip(), fence[2], not text[end : fence.start()].strip()))
        end = fence.end()
    return found


def name_of(page: Path) -> str:
    return page.relative_to(ROOT / "docs").with_suffix("").as_posix()


WITH_CODE = [
    page
    for page in PAGES_OF_THE_SITE
    if {"python", "console"} & {block.language for block in blocks_of(page)}
    and page.parent.name != "development"
]
each_page = pytest.mark.parametrize("page", PAGES_OF_THE_SITE, ids=name_of)
each_to_run = pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=name_of(page), marks=() if name_of(page) in ALWAYS else marked)
        for page in WITH_CODE
        for marked in [(pytest.mark.slow,)]
    ],
)


def commands_in(code: str) -> list[str]:
    """The lines after a prompt; a backslash at the end of one joins it with the next."""
    lines = code.replace("\\\n", " ").splitlines()
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


@each_page
def test_code_is_fenced_and_has_a_known_language(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    languages = {block.language for block in blocks_of(page)}
    assert {name for name in languages if not name.startswith("{")} <= LANGUAGES
    unfenced = re.findall(r"^ {4,}\S.*$", FENCE.sub("", text), re.MULTILINE)
    assert not [line for line in unfenced if re.search(r"\bbg\.|\bimport |\bpm\.", line)]


@each_page
def test_rows_of_a_table_have_as_many_cells_as_its_head(page: Path) -> None:
    for table in re.findall(r"(?:^\|.*\n)+", page.read_text(encoding="utf-8"), re.MULTILINE):
        counts = [len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()]
        assert len(set(counts)) == 1, table


@each_page
def test_names_of_the_package_are_there(page: Path) -> None:
    for block in blocks_of(page):
        if block.language == "python" and page.parent.name != "development":
            compile(block.code, str(page), "exec")
            for path in re.findall(r"\bbg\.((?:plots\.|errors\.)?\w+)", block.code):
                place, _, name = path.rpartition(".")
                assert name in (getattr(bg, place) if place else bg).__all__, path


@each_page
def test_consoles_show_commands_that_parse(page: Path) -> None:
    group = typer.main.get_command(app)
    for block in blocks_of(page):
        if block.language == "toml":
            tomllib.loads(block.code)
        for line in commands_in(block.code) if block.language == "console" else ():
            words = shlex.split(line.rpartition(" && ")[2], comments=True)
            if words[:1] == ["bayesgmm"] and not words[1].startswith("-"):
                command = group.commands[words[1]]  # type: ignore[attr-defined]
                command.make_context(words[1], words[2:])  # its parser raises on a wrong option


def printed_by(code: str, page: Path, names: dict[str, object]) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, str(page), "exec"), names)
    plt.close("all")
    return out.getvalue()


def run_console(code: str) -> None:
    """Run what is a command of ours on files that are there."""
    for line in commands_in(code):
        if line.startswith("bayesgmm "):
            words = shlex.split(line, comments=True)[1:]
            done = subprocess.run(
                [sys.executable, "-m", "bayesgmm", *words],
                capture_output=True,
                text=True,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
            assert done.returncode in GOOD_OR_BAD_VERDICT, (line, done.stderr)


@each_to_run
@pytest.mark.timeout(900)
def test_the_code_of_a_page_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("models", "tests"):
        (tmp_path / name).symlink_to(ROOT / name, target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "page"}
    checker = doctest.OutputChecker()
    printed = ""
    blocks = blocks_of(page)
    for block, before in zip(blocks, itertools.chain([None], blocks), strict=False):
        if block.language == "python":
            printed = printed_by(block.code, page, names)
        elif block.language == "console" and page.parent.name in ("howto", "users"):
            run_console(block.code)
        elif block.language == "text" and block.follows and before and before.language == "python":
            assert checker.check_output(block.code, printed, ALIKE), printed
