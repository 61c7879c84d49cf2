"""The notebooks: committed as executed, fit to be read, and executed anew when asked for."""

import ast
import re
import runpy
from importlib import import_module
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.support.places import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ABSOLUTE_PATH = re.compile(
    r"(?<![\w.:/\\])/(?:home|Users|root|tmp|usr|opt|var|work|private)/|\b[A-Z]:\\"
)
TROUBLE = re.compile(r"Warning\b|WARNING|Traceback|DeprecationWarning|\bError\b")
PICTURE_LIMIT = 250_000
FILE_LIMIT = 1_000_000

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def texts(output: dict[str, Any]) -> list[str]:
    """Every text of an output, whichever way it is shown."""
    shown = [output.get("text", ""), *output.get("traceback", [])]
    data = output.get("data", {})
    return shown + [value for mime, value in data.items() if mime.startswith("text/")]


def check(notebook: nbformat.NotebookNode) -> None:
    """Fail unless the outputs may be shown: complete, and free of paths, warnings and errors."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    for cell in code:
        assert "execution" not in cell.metadata
        for output in cell.outputs:
            assert output.output_type in ("stream", "execute_result", "display_data")
            assert output.get("name") != "stderr", output["text"]
            for text in texts(output):
                assert not ABSOLUTE_PATH.search(text), text
                assert not TROUBLE.search(text), text
            picture = output.get("data", {}).get("image/png", "")
            assert len(picture) < PICTURE_LIMIT


def test_there_are_eleven_notebooks_in_reading_order() -> None:
    assert [path.stem[:2] for path in NOTEBOOKS] == [f"{i:02d}" for i in range(1, 12)]


@each_notebook
def test_committed_notebook_is_executed_in_order_and_clean(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    check(notebook)
    assert path.stat().st_size < FILE_LIMIT
    assert not ABSOLUTE_PATH.search(path.read_text(encoding="utf-8"))
    assert any(
        "image/png" in o.get("data", {}) for c in notebook.cells for o in c.get("outputs", [])
    )


@each_notebook
def test_committed_notebook_starts_with_a_heading(path: Path) -> None:
    first = nbformat.read(path, as_version=4).cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")


@pytest.mark.slow
@pytest.mark.timeout(300)
@each_notebook
def test_notebook_runs_anew(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "notebooks"
    folder.mkdir()
    for name in ("models", "tests"):
        (tmp_path / name).symlink_to(ROOT / name, target_is_directory=True)
    execute = runpy.run_path(str(ROOT / "notebooks/execute.py"))["executed"]
    check(execute(path, folder, timeout=120))


@each_notebook
def test_what_it_imports_of_the_package_is_there(path):
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type != "code" or cell.source.startswith(("%", "!")):
            continue
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("bayesgmm"):
                module = import_module(str(node.module))
                assert all(hasattr(module, alias.name) for alias in node.names)
