import bz2
import shlex
from pathlib import Path

import pytest

from bayesgmm.cli import main
from bayesgmm.posterior import save
from tests.support.bad_inputs.command_cases import COMMANDS, DATA, MODEL_FILES, Command
from tests.support.small_tree import small_tree


@pytest.fixture(scope="module")
def posterior(tmp_path_factory) -> bytes:
    return save(small_tree(), tmp_path_factory.mktemp("p") / "p.nc").read_bytes()


@pytest.fixture
def folder(tmp_path: Path, posterior: bytes, monkeypatch) -> Path:
    rows = [f"{i}.5,{(7 * i) % 11},n{i}" for i in range(9)]
    (tmp_path / "d.csv").write_text("\n".join(["a,width,name", *rows, ""]))
    (tmp_path / "latin.csv").write_bytes("ä,b\n1,2\n2,4\n".encode("latin-1"))
    (tmp_path / "semicolon.csv").write_text("a;b\n1,5;2\n2,5;4\n")
    (tmp_path / "gap.csv").write_text("a,width\n1,2\n2,\n3,5\n4,4\n")
    (tmp_path / "headless.csv").write_text("1.5,2,x\n2.5,3,x\n3.5,1,x\n2.0,2.5,x\n")
    (tmp_path / "packed.csv").write_bytes(bz2.compress(b"a,b\n1,2\n2,4\n"))
    for name in ("gap", "semicolon"):
        (tmp_path / f"{name}.toml").write_text(DATA.replace("d.csv", f"{name}.csv"))
    (tmp_path / "m.toml").write_text(DATA + "[model]\nn_components = 1\n")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "standing").mkdir()
    (tmp_path / "standing" / "report.html").write_text("mine")
    (tmp_path / "p.nc").write_bytes(posterior)
    (tmp_path / "cut.nc").write_bytes(posterior[:-9])
    monkeypatch.chdir(tmp_path)
    return tmp_path


ACCOUNT = ("data       ", "columns    ", "row names  ", "read with  ", "left out   ")


def contents(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def refused(arguments: list[str], words: tuple[str, ...], code: int, folder: Path, capsys) -> None:
    before = contents(folder)
    found = main(arguments)
    out, err = capsys.readouterr()
    assert found == code
    assert all(line.startswith(ACCOUNT) for line in out.splitlines())
    *warnings, line = err.splitlines()
    assert all(warning.startswith("warning: ") for warning in warnings)
    assert line.startswith("error: ") and line.isprintable() and len(line) < 700
    for wanted in words:
        assert wanted in line
    assert contents(folder) == before


def test_names_are_distinct():
    assert len(set(COMMANDS)) == len(COMMANDS) >= 60 and len(MODEL_FILES) >= 60


@pytest.mark.parametrize("case", COMMANDS, ids=lambda case: case.arguments)
def test_a_wrong_command_is_refused(case: Command, folder: Path, capsys):
    refused(shlex.split(case.arguments), case.words, case.code, folder, capsys)


@pytest.mark.parametrize("name", MODEL_FILES)
@pytest.mark.parametrize("verb", ["check", "run"])
def test_a_wrong_model_file_is_refused(verb: str, name: str, folder: Path, capsys):
    text, words = MODEL_FILES[name]
    (folder / "wrong.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    refused([verb, "wrong.toml"], words, 2, folder, capsys)


@pytest.mark.parametrize("name", ["unknown key", "duplicate key", "K above the rows"])
def test_debug_shows_the_traceback(name: str, folder: Path):
    (folder / "wrong.toml").write_text(str(MODEL_FILES[name][0]))
    with pytest.raises(ValueError, match=r".") as caught:
        main(["check", "wrong.toml", "--debug"])
    assert caught.value.__traceback__ is not None
