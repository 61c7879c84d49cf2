"""The command that shows and removes compiled code."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bayesgmm.cli import main
from bayesgmm.runtime import code_folders


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """Two places for compiled code, the second with folders of two other versions."""
    found = [tmp_path / "first", tmp_path / "second"]
    monkeypatch.setattr(code_folders, "_places", lambda: found)
    code_folders.kept_in.cache_clear()
    for name in ("bayesgmm-code-numba0.1-a", "bayesgmm-code-numba0.2-b"):
        (found[1] / name).mkdir(parents=True)
        (found[1] / name / "f.nbc").write_bytes(bytes(600_000))
    (found[1] / "of somebody else").mkdir()
    yield found
    monkeypatch.undo()
    code_folders.kept_in.cache_clear()


def test_it_says_where_the_code_is_and_how_large(
    places: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cache"]) == 0
    folder = code_folders.kept_in()
    assert folder is not None and folder.parent == places[0] and not folder.exists()
    told = capsys.readouterr().out.splitlines()
    assert told == [
        f"folder     {folder}",
        "size       empty; the next fit or sample compiles, which takes about a minute",
        "others     2 folders of other versions, 1.2 MB",
    ]
    folder.mkdir()
    (folder / "f.nbc").write_bytes(bytes(2_500_000))
    assert main(["cache"]) == 0
    assert "size       2.5 MB" in capsys.readouterr().out.splitlines()
    assert main(["cache", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["folder"], found["bytes"]) == (str(folder), 2_500_000)
    assert (len(found["other_folders"]), found["other_bytes"]) == (2, 1_200_000)
    assert (found["removed"], found["freed_bytes"]) == ([], 0)


def test_clear_removes_the_code_of_all_versions_and_nothing_else(
    places: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = code_folders.kept_in()
    assert folder is not None
    folder.mkdir()
    (folder / "f.nbc").write_bytes(bytes(1_000_000))
    assert main(["cache", "--clear"]) == 0
    assert "removed    3 folders, 2.2 MB\n" in capsys.readouterr().out
    assert [path.name for place in places for path in place.iterdir()] == ["of somebody else"]
    assert main(["cache", "--clear"]) == 0
    assert "removed    nothing\n" in capsys.readouterr().out
    assert main(["cache", "--clear", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["bytes"], found["other_bytes"], found["freed_bytes"]) == (0, 0, 0)


def test_what_cannot_be_removed_is_an_error(
    places: list[Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code_folders.shutil, "rmtree", lambda *_, **__: None)
    assert main(["cache", "--clear"]) == 4
    printed = capsys.readouterr()
    assert "removed    nothing" in printed.out
    assert printed.err.startswith("error: cannot remove 2 folders") and "0.1-a'" in printed.err


def test_without_a_place_the_cure_is_named(
    places: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    places[:] = [Path("/dev/null/cache")]
    assert main(["cache"]) == 0
    assert "none is writable; set NUMBA_CACHE_DIR" in capsys.readouterr().out
    assert main(["cache", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["folder"] is None
