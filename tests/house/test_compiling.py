"""Compiled code: it lies in one folder, Python runs it alike, and what takes long is said."""

import ast
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bayesgmm.runtime import compiling

PACKAGE = Path(compiling.__file__).parents[1]
COMPILED = PACKAGE / "likelihood" / "compiled"
MAKERS = {"compiled", "compiled_fast", "compiled_rounding", "c_function"}
NUMBAS = {"njit", "jit", "cfunc", "vectorize", "guvectorize", "generated_jit", "stencil"}
EXTENSIONS = {"intrinsic", "overload", "overload_method", "register_jitable"}


def imports(tree: ast.Module) -> list[tuple[str, str, str]]:
    """Return module, name and local name of all that a module imports, wherever it does."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            found += [(node.module or "", a.name, a.asname or a.name) for a in node.names]
        elif isinstance(node, ast.Import):
            found += [(a.name, "", a.asname or a.name) for a in node.names]
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: p.stem)
def test_code_is_compiled_in_one_folder_only(path: Path) -> None:
    """Else the digest of that folder would not tell old code from new."""
    if path.parent == COMPILED or path == PACKAGE / "runtime" / "compiling.py":
        return
    tree = ast.parse(path.read_text())
    for module, name, _ in imports(tree):
        assert not (module == "bayesgmm.runtime.compiling" and name in MAKERS | {""})
        assert not (module.split(".")[0] in ("numba", "llvmlite") and name in NUMBAS | EXTENSIONS)
        if module.split(".")[0] == "numba":
            assert path.parent == PACKAGE / "runtime", f"{path.name} imports numba"
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) != "jax"
    }
    assert not used & (NUMBAS | {"intrinsic"})


@pytest.mark.parametrize("path", sorted(COMPILED.glob("*.py")), ids=lambda p: p.stem)
def test_compiled_code_uses_nothing_from_outside_its_folder(path: Path) -> None:
    """What it took from elsewhere could change and leave old code behind."""
    folder = ".".join(COMPILED.relative_to(PACKAGE.parent).parts)
    allowed = {"bayesgmm.runtime.compiling", "bayesgmm.typing"}
    allowed |= {f"{folder}.{source.stem}" for source in COMPILED.glob("*.py")}
    for module, name, _ in imports(ast.parse(path.read_text())):
        if module.split(".")[0] == "bayesgmm":
            assert module in allowed, f"{path.name} imports {name} from {module}"
            assert module != "bayesgmm.typing" or name in ("Array", "BoolArray", "IntArray")


def test_one_program_alone_holds_the_log_posterior() -> None:
    """It is large: each other copy would be optimised anew, and could differ in its last bits."""
    holders = {
        path.stem
        for path in COMPILED.glob("*.py")
        if ("bayesgmm.likelihood.compiled.fused", "log_posterior", "log_posterior")
        in imports(ast.parse(path.read_text()))
    }
    assert holders == {"shared_density"}


SMALL = """
import json, warnings
import numpy as np
import bayesgmm as bg
from bayesgmm.runtime.compiling import INTERPRETED

rng = np.random.default_rng(1)
rows = np.concatenate([rng.normal(0, 1, 7), rng.normal(6, 1, 5)]).round(2)[:, None]
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    fit = bg.fit_em(rows, 2, seed=1, n_starts=8)
    posterior = bg.sample(rows, 2, draws=10, tune=15, chains=1, seed=3)["posterior"]
numbers = {"log_likelihood": fit.log_likelihood, "EM weights": fit.parameters.weights.tolist()}
numbers |= {name: posterior[name].values.tolist() for name in ("weights", "means", "scales")}
print(json.dumps({"interpreted": INTERPRETED, "numbers": numbers}))
"""


def test_without_a_compiler_the_numbers_are_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    printed = subprocess.check_output([sys.executable, "-c", SMALL], env=environment, text=True)
    exec(SMALL, {})
    interpreted, compiled = json.loads(printed), json.loads(capsys.readouterr().out)
    assert interpreted["interpreted"] and not compiled["interpreted"]
    for name, values in compiled["numbers"].items():
        found = interpreted["numbers"][name]
        np.testing.assert_allclose(found, values, rtol=1e-8, atol=1e-8, err_msg=name)


def compiles(name: str, module: str) -> Any:
    """Return numba's event of a function that is compiled."""
    function = SimpleNamespace(__name__=name, __module__=module)
    return SimpleNamespace(data={"dispatcher": SimpleNamespace(py_func=function)})


@pytest.fixture
def announced(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Any:
    """Return what is said of functions that are compiled one within the other."""

    def said(events: list[Any], *times: float) -> list[str]:
        announcer = compiling._Announcer()
        monkeypatch.setattr(compiling.time, "perf_counter", iter(times).__next__)
        caplog.clear()
        with caplog.at_level(logging.INFO, "bayesgmm.runtime.compiling"):
            for event in events:
                announcer.on_start(event)
            for event in reversed(events):
                announcer.on_end(event)
        return caplog.messages

    return said


def test_only_what_takes_long_is_announced_once_with_its_callees(announced: Any) -> None:
    function = compiles("log_posterior", "bayesgmm.likelihood.compiled.fused")
    callee = compiles("read", "bayesgmm.likelihood.compiled.coordinates")
    assert announced([function, callee], 0.0, 0.05) == []
    said = ["compiled log_posterior in 3.0 s, once on this machine"]
    assert announced([function, callee], 0.0, 3.0) == said


@pytest.mark.parametrize("module", ["pytensor.link.numba", "bayesgmm_plugin", "__main__", ""])
def test_functions_of_others_are_not_announced(announced: Any, module: str) -> None:
    foreign = compiles("theirs", module)
    assert announced([foreign]) == []
    ours = compiles("ours", "bayesgmm.likelihood.compiled.fused")
    said = ["compiled ours in 3.0 s, once on this machine"]
    assert announced([foreign, ours, foreign], 0.0, 3.0) == said
