"""Compiled code: what is stale is discarded, what is fresh is kept, what takes long is said."""

import ast
import logging
from pathlib import Path
from types import SimpleNamespace

import pytest

from bayesgmm.runtime import compiling

_ROOT = Path(compiling.__file__).parents[1]


@pytest.fixture
def package(tmp_path, monkeypatch):
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "source.py").write_text("@compiled\na = 1\n")
    monkeypatch.setattr(compiling, "_PACKAGE", tmp_path)
    monkeypatch.setattr(compiling, "_STAMP", tmp_path / "__pycache__" / "stamp")
    return tmp_path


def test_a_changed_source_of_compiled_code_discards_all_of_it_and_no_other_does(package):
    compiled = [package / "__pycache__" / name for name in ("one.nbi", "two.nbc")]
    for text in ("@compiled\na = 1\n", "@compiled\na = 2\n"):
        (package / "source.py").write_text(text)
        for path in compiled:
            path.write_text("old")
        compiling._discard_stale_code()
        assert not any(path.exists() for path in compiled)
        compiled[0].write_text("new")
        (package / "report.py").write_text(f"words = {text!r}")
        compiling._discard_stale_code()
        assert compiled[0].read_text() == "new"


def test_a_folder_that_takes_no_stamp_is_no_error(package, monkeypatch, caplog):
    monkeypatch.setattr(compiling, "_STAMP", package / "source.py" / "stamp")
    with caplog.at_level(logging.DEBUG, "bayesgmm.runtime.compiling"):
        compiling._discard_stale_code()
    assert "numba caches elsewhere" in caplog.text


def test_only_what_takes_long_is_announced_once_with_its_callees(monkeypatch, caplog):
    function = SimpleNamespace(data={"dispatcher": SimpleNamespace(py_func=SimpleNamespace())})
    function.data["dispatcher"].py_func.__name__ = "log_posterior"
    announcer = compiling._Announcer()
    with caplog.at_level(logging.INFO, "bayesgmm.runtime.compiling"):
        for times in ([0.0, 0.05], [0.0, 3.0]):
            monkeypatch.setattr(compiling.time, "perf_counter", iter(times).__next__)
            announcer.on_start(function)
            announcer.on_start(function)  # a callee, inside
            announcer.on_end(function)
            announcer.on_end(function)
    assert caplog.messages == ["compiled log_posterior in 3.0 s, once on this machine"]


def test_compiled_code_uses_nothing_of_modules_without_compiled_code():
    """Else a change there would leave old code behind."""
    sources = compiling._sources()
    own = {".".join(path.relative_to(_ROOT).with_suffix("").parts) for path in sources}
    assert len(own) > 10
    for path in sources:
        tree = ast.parse(path.read_text())
        foreign = {
            alias.asname or alias.name
            for node in tree.body
            if isinstance(node, ast.ImportFrom)
            and (node.module or "").startswith("bayesgmm")
            and node.module not in {*own, "bayesgmm.runtime.compiling"}
            for alias in node.names
        }
        for function in tree.body:
            decorators = getattr(function, "decorator_list", [])
            if any("compiled" in ast.unparse(decorator) for decorator in decorators):
                body = (n for statement in function.body for n in ast.walk(statement))
                used = {n.id for n in body if isinstance(n, ast.Name)}
                assert not used & foreign, (path.name, function.name)
