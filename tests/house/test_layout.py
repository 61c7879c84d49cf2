"""The tests themselves: laid out like the package, and none rests on another."""

import re

import pytest

from tests.support.places import PACKAGE, ROOT, TESTS

FILES = sorted(TESTS.rglob("test_*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(TESTS)))
def test_no_test_imports_another(path):
    imported = re.findall(r"^\s*(?:from|import) (\S+)", path.read_text(), re.MULTILINE)
    assert not [name for name in imported if name.rpartition(".")[2].startswith("test_")]


def test_units_lie_as_the_package_does():
    folders = {path.parent.name for path in (TESTS / "unit").glob("*/test_*.py")}
    assert folders and all((PACKAGE / name).is_dir() for name in folders)
    for path in (TESTS / "unit").glob("test_*.py"):
        assert (PACKAGE / f"{path.stem.removeprefix('test_')}.py").is_file(), path.name


def test_a_file_has_a_name_of_its_own_and_lies_in_one_of_four_places():
    assert len({path.name for path in FILES}) == len(FILES)
    homes = {path.relative_to(TESTS).parts[0] for path in FILES}
    assert homes == {"unit", "statistics", "interface", "house"}


def test_every_promise_names_tests_that_are_there():
    rows = re.findall(
        r"^\| [^|]+ \| (`[^|]+) \|$", (ROOT / "docs/reference/reliability.md").read_text(), re.M
    )
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    there = {n for p in FILES for n in re.findall(r"^def (test_\w+)", p.read_text(), re.M)}
    assert len(rows) > 12 and named <= there, named - there
