"""What type checkers, and with them editors, know of the package."""

import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import bayesgmm as bg
from tests.support.places import ROOT

SCRIPT, MISTAKES = (Path(__file__).with_name(f"typed_{name}.py") for name in ("user", "mistakes"))


def test_mypy_reads_a_users_script_and_mistakes_with_the_package() -> None:
    """In the run of mypy that every change must pass, where an ignore too many is an error."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]
    assert {str(path.relative_to(ROOT)) for path in (SCRIPT, MISTAKES)} <= set(settings["files"])
    assert settings["warn_unused_ignores"]


def test_a_users_script_is_right_and_a_wrong_name_or_argument_an_error_in_its_line(
    tmp_path: Path,
) -> None:
    names = set(re.findall(r"\bbg\.(\w+)", SCRIPT.read_text()))
    assert len(names) >= 30 and names <= set(bg.__all__)
    wrong = tmp_path / "wrong.py"
    wrong.write_text(MISTAKES.read_text().replace("# type: ignore", "#"))
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, SCRIPT, wrong]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    errors = set(re.findall(r"(\w+\.py):(\d+)(?::\d+)?(?: -|:) error", done.stdout))
    lines = MISTAKES.read_text().splitlines()
    expected = [i for i, line in enumerate(lines, start=1) if "# type: ignore" in line]
    assert done.returncode == 1 and len(expected) == 5
    assert errors == {("wrong.py", str(line)) for line in expected}, done.stdout


def test_the_stub_lists_what_it_imports() -> None:
    stub = (ROOT / "bayesgmm/__init__.pyi").read_text()
    listed = re.findall(r'^    "(\w+)",$', stub, re.MULTILINE)
    assert sorted(listed) == sorted({*bg.__all__, "__version__"})
    assert all(getattr(bg, name) is not None for name in listed)


def test_signatures_read_as_they_are_written() -> None:
    spec = inspect.signature(bg.MixtureSpec)
    written = "n_components covariance priors resolution labels_inform_weights "
    written += "family nu noise noise_concentration n_factors"
    assert list(spec.parameters) == written.split()
    assert spec.parameters["priors"].default == bg.Priors()
    for maker in (bg.MixtureSpec, bg.Priors):
        written = str(inspect.signature(maker))
        assert "Annotated" not in written and "factory" not in written
