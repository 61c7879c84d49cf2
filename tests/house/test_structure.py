"""The layers of the package, and what importing it costs."""

import ast
import re
import subprocess
import sys

import pytest

from tests import structure
from tests.support.places import PACKAGE

FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")
HEAVY = {"pymc", "arviz", "xarray", "pandas", "scipy", "matplotlib", "sklearn", "numba", "jax"}


def part(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down_the_layers_only(path):
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "absolute imports only"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] != "bayesgmm" or len(parts) < 2 or parts[1] == part(path):
                continue
            if parts[1] not in structure.LAYER_OF:  # a name of the package itself: its version
                continue
            assert structure.LAYER_OF[parts[1]] < structure.LAYER_OF[part(path)], (
                f"{path.name} imports {name}"
            )


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_modules_stay_short(path):
    assert len(path.read_text().splitlines()) < 400
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            assert lines < 50, f"{node.name} in {path.name} has {lines} lines"


def test_no_public_function_shares_its_name_with_a_submodule():
    import bayesgmm

    modules = {path.stem for path in FILES} | {part(path) for path in FILES}
    assert not modules & (set(bayesgmm.__all__) - {"errors", "plots"})


def test_every_public_name_is_there():
    import bayesgmm

    for name in bayesgmm.__all__:
        assert getattr(bayesgmm, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'fit_emm'"):
        _ = bayesgmm.fit_emm


def test_import_loads_nothing_heavy_and_costs_little():
    code = (
        "import sys, time; import bayesgmm; dir(bayesgmm); from bayesgmm import __version__;"
        "print(*sorted({m.split('.')[0] for m in sys.modules}))"
    )
    loaded = set(subprocess.check_output([sys.executable, "-c", code], text=True).split())
    assert loaded.isdisjoint(HEAVY)
    timed = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"

    def seconds(module):
        return min(
            float(subprocess.check_output([sys.executable, "-c", timed.format(module)]))
            for _ in range(5)
        )

    assert seconds("bayesgmm") <= 3.0 * seconds("numpy")


ONE_PLACE = {
    r"ThreadPoolExecutor|concurrent\.futures|threading\.Thread\b": ["runtime/parallel.py"],
    r"generate_state|integers\(2 ?\*\* ?(?:\d|bits)": ["runtime/seeds.py"],
    r"array_stats\.ess\(": ["posterior/mcmc_error.py"],
    r"searchsorted\(edges": ["sampling/resampling.py"],
}


@pytest.mark.parametrize(
    ("what", "places"), ONE_PLACE.items(), ids=["threads", "seeds", "ess", "resampling"]
)
def test_one_place_each(what, places):
    found = {str(path.relative_to(PACKAGE)) for path in FILES if re.search(what, path.read_text())}
    assert sorted(found) == places


def test_structures_and_the_engines_memory_are_known_at_home_only():
    package = structure.Package(structure.ROOT)
    assert not package.circles()
    assert not package.flag_readers()
    assert not package.memory_readers()
