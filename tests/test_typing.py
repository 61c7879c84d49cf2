"""What type checkers, and with them editors, know of the package."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import bayesgmm as bg

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "tests/typed_user.py"
CHECKERS = {
    "mypy": ("mypy", "--follow-imports", "silent"),
    "pyright": ("pyright", "--pythonpath", sys.executable),
}
each_checker = pytest.mark.parametrize("checker", CHECKERS)


@each_checker
def test_a_users_script_is_right_and_a_wrong_name_or_argument_an_error_in_its_line(
    checker: str, tmp_path: Path
) -> None:
    names = set(re.findall(r"\bbg\.(\w+)", SCRIPT.read_text()))
    assert len(names) >= 30 and names <= set(bg.__all__)
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        "import bayesgmm as bg\n"
        "bg.comparee\n"
        "bg.plots.forrest\n"
        "bg.fit_em([[1.0]], 2, n_start=3)\n"
        'bg.MixtureSpec("two")\n'
        "bg.PointFit.weigths\n"
    )
    command = [sys.executable, "-m", *CHECKERS[checker], str(SCRIPT), str(wrong)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    errors = set(re.findall(r"(\w+\.py):(\d+)(?::\d+)?(?: -|:) error", done.stdout))
    assert done.returncode == 1
    assert errors == {("wrong.py", str(line)) for line in (2, 3, 4, 5, 6)}, done.stdout


def test_the_stub_lists_what_it_imports() -> None:
    stub = (ROOT / "bayesgmm/__init__.pyi").read_text()
    listed = re.findall(r'^    "(\w+)",$', stub, re.MULTILINE)
    assert sorted(listed) == sorted({*bg.__all__, "__version__"})
    assert all(getattr(bg, name) is not None for name in listed)


def test_signatures_read_as_they_are_written() -> None:
    spec = inspect.signature(bg.MixtureSpec)
    assert list(spec.parameters) == ["n_components", "covariance", "priors", "resolution"]
    assert spec.parameters["priors"].default == bg.Priors()
    for maker in (bg.MixtureSpec, bg.Priors):
        written = str(inspect.signature(maker))
        assert "Annotated" not in written and "factory" not in written
