"""Compiled code: what is stale is discarded, what is fresh is kept, what takes long is said."""

import logging
from types import SimpleNamespace

import pytest

from bayesgmm import compiling


@pytest.fixture
def package(tmp_path, monkeypatch):
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "source.py").write_text("a = 1\n")
    monkeypatch.setattr(compiling, "_PACKAGE", tmp_path)
    monkeypatch.setattr(compiling, "_STAMP", tmp_path / "__pycache__" / "stamp")
    return tmp_path


def test_any_changed_source_discards_all_compiled_code(package):
    compiled = [package / "__pycache__" / name for name in ("one.nbi", "two.nbc")]
    for text in ("a = 1\n", "a = 2\n"):
        (package / "source.py").write_text(text)
        for path in compiled:
            path.write_text("old")
        compiling._discard_stale_code()
        assert not any(path.exists() for path in compiled)
        compiled[0].write_text("new")
        compiling._discard_stale_code()
        assert compiled[0].read_text() == "new"


def test_a_folder_that_takes_no_stamp_is_no_error(package, monkeypatch, caplog):
    monkeypatch.setattr(compiling, "_STAMP", package / "source.py" / "stamp")
    with caplog.at_level(logging.DEBUG, "bayesgmm.compiling"):
        compiling._discard_stale_code()
    assert "numba caches elsewhere" in caplog.text


def test_only_what_takes_long_is_announced_once_with_its_callees(monkeypatch, caplog):
    function = SimpleNamespace(data={"dispatcher": SimpleNamespace(py_func=SimpleNamespace())})
    function.data["dispatcher"].py_func.__name__ = "log_posterior"
    announcer = compiling._Announcer()
    with caplog.at_level(logging.INFO, "bayesgmm.compiling"):
        for times in ([0.0, 0.05], [0.0, 3.0]):
            monkeypatch.setattr(compiling.time, "perf_counter", iter(times).__next__)
            announcer.on_start(function)
            announcer.on_start(function)  # a callee, inside
            announcer.on_end(function)
            announcer.on_end(function)
    assert caplog.messages == ["compiled log_posterior in 3.0 s, once on this machine"]
