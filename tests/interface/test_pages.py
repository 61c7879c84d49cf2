"""README and documentation: their links, commands, names and examples hold."""

import itertools
import re
import shlex
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
import typer

import bayesgmm as bg
from bayesgmm.cli.commands import app
from tests import structure
from tests.support.places import PAGES_OF_THE_SITE, ROOT

PAGES = [
    ROOT / "README.md",
    ROOT / "models/README.md",
    *PAGES_OF_THE_SITE,
]
EXAMPLES = [ROOT / "README.md", ROOT / "docs/index.md"]
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda path: "/".join(path.parts[-2:]))


def example(page: Path) -> str:
    (block,) = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    return block


@each_page
def test_links_and_pictures_lead_somewhere(page: Path) -> None:
    """The site has the folder of notebooks among its pages."""
    copied = ROOT / "docs" / "notebooks"
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        place = (page.parent / target).resolve()
        if place.is_relative_to(copied):
            place = ROOT / "notebooks" / place.relative_to(copied)
        assert place.exists(), target


@each_page
def test_commands_are_ones_that_the_command_line_takes(page: Path) -> None:
    group = typer.main.get_command(app)
    told = re.findall(r"^(?: {4}|\$ )(?:.*&& )?bayesgmm (.*)$", page.read_text(), re.MULTILINE)
    assert told or page not in (*EXAMPLES, ROOT / "docs/reference/commands.md")
    for line in told:
        name, *arguments = shlex.split(line, comments=True)
        command = group.commands[name]  # type: ignore[attr-defined]
        command.make_context(name, arguments)  # its parser raises on a wrong option


@pytest.mark.parametrize("page", EXAMPLES, ids=lambda path: path.name)
def test_examples_use_names_that_exist(page: Path) -> None:
    used = re.findall(r"\bbg\.((?:plots\.)?\w+)", example(page))
    assert len(used) >= 6
    for name in used:
        place = bg.plots if name.startswith("plots.") else bg
        assert name.removeprefix("plots.") in place.__all__


def test_the_api_page_lists_every_public_name() -> None:
    listed = re.findall(
        r"^   (bayesgmm\.\S+)$", (ROOT / "docs/reference/api.md").read_text(), re.MULTILINE
    )
    names = {name.rpartition(".")[2] for name in listed}
    modules = {"__version__", "errors", "plots"}
    public = {*bg.__all__, *bg.plots.__all__, *bg.errors.__all__} - modules
    assert not public - names
    assert len(set(listed)) == len(listed)


def test_the_page_of_tutorials_lists_all_notebooks() -> None:
    listed = re.findall(
        r"^notebooks/(\w+)$", (ROOT / "docs/tutorials.md").read_text(), re.MULTILINE
    )
    assert listed == sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))


def test_the_package_and_its_citation_agree_on_the_version() -> None:
    cited = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    declared = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert cited and declared and cited[1] == declared[1] == bg.__version__


@pytest.mark.slow
@pytest.mark.parametrize("page", EXAMPLES, ids=lambda path: path.name)
def test_the_example_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").symlink_to(ROOT / "models", target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    exec(compile(example(page), str(page), "exec"), {})
    plt.close("all")
    assert (tmp_path / "faithful.html").stat().st_size > 100_000
    assert (tmp_path / "faithful.png").stat().st_size > 10_000


def test_the_table_of_the_house_is_that_of_the_code() -> None:
    text = (ROOT / "docs/development/architecture.md").read_text()
    table = text[text.index("| home |") : text.index("## Folder by folder")]
    rows = [
        re.findall(r"`([\w/]+)`", row.split("|")[1]) for row in table.splitlines() if "`" in row
    ]
    homes = [[name.rstrip("/").split("/")[0] for name in row] for row in rows]
    assert {name for row in homes for name in row} == set(structure.LAYER_OF) - {"__main__", ""}
    for above, below in itertools.pairwise(homes):
        highest = max(structure.LAYER_OF[name] for name in above)
        assert highest <= min(structure.LAYER_OF[name] for name in below), (above, below)
    told = set(re.findall(r"^\*\*`([\w/]+)/`\*\*|\*\*`([\w/]+)/`\*\*", text, re.MULTILINE))
    folders = {path.parent.name for path in (ROOT / "bayesgmm").glob("*/__init__.py")}
    assert folders <= {name for pair in told for name in pair}
