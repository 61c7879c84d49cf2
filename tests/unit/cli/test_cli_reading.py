"""What commands say of their data, and their cures, followed as a shell would."""

import io
import json
import re
import shlex
import sys

import pandas as pd
import pytest

from bayesgmm.analysis import read_model_file
from bayesgmm.cli import main
from bayesgmm.cli.reading import data_name
from bayesgmm.data import Dataset
from tests.support.csv_kinds import KINDS

_OPTION = re.compile(r"--[a-z][a-z-]+(?: (?:tab|blank)\b| '(?:[^']|'\\'')*')?")
_IN_FILE = re.compile(r"(\w+) = ('[^']*'|\"[^\"]*\"|\[[^\]]*\]|true|false|\d+) in \[data\]")


def said(capsys, *arguments):
    """Return the code of a command and what it said on stderr."""
    code = main(list(map(str, arguments)))
    return code, capsys.readouterr().err


def clauses(text):
    return re.split(r"; |, or | or ", text)


def ends_of(path, capsys):
    """Follow the options named in errors and warnings of ``check``; return all that reads."""
    waiting, seen, reads = [((), ())], set(), []
    while waiting:
        options, before = waiting.pop()
        code, err = said(capsys, "check", path, *options)
        assert code in (0, 2)
        assert err not in before, err
        if not code:
            reads.append(options)
        for clause in clauses(err):
            cure = tuple(word for found in _OPTION.findall(clause) for word in shlex.split(found))
            if cure and (options, cure) not in seen:
                seen.add((options, cure))
                waiting.append(((*options, *cure), (*before, err)))
    return reads


@pytest.mark.parametrize("name", list(KINDS)[::3])
def test_cures_work_on_the_command_line(name, tmp_path, capsys):
    kind = KINDS[name]
    path = tmp_path / "table.csv"
    path.write_bytes(kind.content if isinstance(kind.content, bytes) else kind.content.encode())
    assert ends_of(path, capsys)


@pytest.mark.parametrize("name", list(KINDS)[1::6])
def test_cures_work_in_a_model_file(name, tmp_path, capsys):
    kind = KINDS[name]
    (tmp_path / "table.csv").write_bytes(
        kind.content if isinstance(kind.content, bytes) else kind.content.encode()
    )
    keys = {"file": "'table.csv'"}
    model = tmp_path / "m.toml"
    for _ in range(6):
        lines = [f"{key} = {value}" for key, value in keys.items()]
        model.write_text("\n".join(["[data]", *lines, "[model]", "n_components = 1"]))
        code, err = said(capsys, "check", model)
        cures = [found for clause in clauses(err) if (found := _IN_FILE.findall(clause))]
        if not cures:
            break
        keys |= dict(cures[0])
    assert code == 0, err


def test_check_accounts_for_a_file(tmp_path, capsys):
    path = tmp_path / "table.csv"
    rows = [f"r{i},{i * i % 7}.5,$1{i}.50,{i}" for i in range(5)]
    path.write_text("\n".join(["id,size,price,weight", *rows, "r5,,$9.00,7", ""]))
    arguments = ["check", path, "--row-labels", "id", "--missing", "drop", "--unit", "size=mm"]
    assert main(list(map(str, arguments))) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        f"data       {path}: 5 rows, 2 columns",
        "columns    size (mm), weight",
        "row names  r0, r1, r2, ...",
        "read with  --row-labels 'id', --missing 'drop'",
        "left out   'price' holds no number: '$10.50' in line 2; --currency reads it",
        "left out   1 row with a missing value: row 6",
    ]
    assert "'price' was left out" in err and "--currency reads it" in err


def test_standard_input_is_read(monkeypatch, capsys):
    text = "a,b\n1.5,7\n2.5,3\n4.5,5\n3.5,9\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert main(["check", "-"]) == 0
    assert capsys.readouterr().out.startswith("data       standard input: 4 rows, 2 columns\n")


def test_what_no_csv_file_has_is_refused_of_parquet(tmp_path, capsys):
    pd.DataFrame({"a": [1.5, 2.5, 4.5, 3.5], "b": [7, 3, -9, 4]}).to_parquet(tmp_path / "t.parquet")
    code, err = said(capsys, "check", tmp_path / "t.parquet", "--comment", "#")
    assert code == 2 and "are for CSV files" in err and "leave out --comment" in err
    code, _ = said(capsys, "check", tmp_path / "t.parquet", "--na", "-9", "--missing", "drop")
    assert code == 0
    code, _ = said(capsys, "check", tmp_path / "*.parquet")
    assert code == 0


@pytest.mark.parametrize(
    ("given", "name"),
    [("x.csv", "x"), ("-", "data"), ("a b.csv.gz", "a b"), ("part-*.parquet", "part")],
)
def test_a_file_names_its_analysis(given, name, tmp_path):
    assert data_name(tmp_path / given) == name


def test_a_model_file_holds_every_option(tmp_path):
    (tmp_path / "t.csv").write_text("# x\nr1;$1.500,5;3\nr2;$2,5;4\nr3;$9,5;-\nr4;$7;9\nr5;$2;1\n")
    (tmp_path / "m.toml").write_text(
        "[data]\nfile = 't.csv'\nsep = ';'\ndecimal = ','\nthousands = '.'\ncomment = '#'\n"
        "header = false\nrow_labels = 1\nna = ['-', 9]\ncurrency = true\nmissing = 'drop'\n"
    )
    data = read_model_file(tmp_path / "m.toml").data.read()
    assert data.values.tolist() == [[1500.5, 3.0], [2.5, 4.0], [2.0, 1.0]]
    assert data.row_labels == ("r1", "r2", "r5") and data.features == ("x2", "x3")


def test_missing_cells_are_kept_and_counted(capsys, tmp_path):
    path = tmp_path / "rows.csv"
    lines = [f"{i % 7},{'' if i % 5 == 0 else i % 3}" for i in range(40)]
    path.write_text("\n".join(["a,b", *lines]))
    for command in (["check"], ["fit", "-k", "1", "--seed", "1"]):
        assert main([command[0], str(path), *command[1:], "--missing", "mar"]) == 0
        assert "8 of 'b'; 32 complete rows, 2 patterns" in "".join(capsys.readouterr())
    code, err = said(capsys, "fit", path, "-k", 1, "--missing", "mnar")
    assert code == 2 and "--missing must be 'refuse', 'drop' or 'mar', got 'mnar'" in err


@pytest.fixture
def annotated(tmp_path):
    """Rows with weights, labels and errors, and the options that say so, in both languages."""
    path = tmp_path / "rows.csv"
    kinds = ["a", "b", "", "a|b"]
    lines = [
        f"{i % 7 + i / 9:.3f},{i % 5},{1 + i % 3},{kinds[i % 4]},0.{1 + i % 2}" for i in range(40)
    ]
    path.write_text("\n".join(["x,y,n,kind,sx", *lines]))
    options = ["--weights", "n", "--weights-kind", "frequency", "--labels", "kind"]
    options += ["--errors", "x=sx", "--errors", "y=0.5"]
    keys = (
        "weights = 'n'\nweights_kind = 'frequency'\nlabels = 'kind'\nerrors = {x = 'sx', y = 0.5}"
    )
    return path, options, keys


def test_columns_that_annotate_rows(annotated, tmp_path, capsys):
    path, options, keys = annotated
    data = Dataset.from_csv(
        path, weights="n", weights_kind="frequency", labels="kind", errors={"x": "sx", "y": 0.5}
    )
    (tmp_path / "m.toml").write_text(f"[data]\nfile = 'rows.csv'\n{keys}\n[model]\nn_components=2")
    assert read_model_file(tmp_path / "m.toml").data.read().hash == data.hash
    for arguments in (["check", str(path), *options], ["fit", str(path), "-k", "2", *options]):
        assert main([*arguments, "--json"]) == 0
        out = json.loads(capsys.readouterr().out)
        assert out.get("data_hash", out.get("data", {}).get("hash")) == data.hash
    assert main(["check", str(path), *options]) == 0
    assert "--errors 'x=sx' --errors 'y=0.5'" in capsys.readouterr().out
    assert main(["check", str(tmp_path / "m.toml")]) == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--weights", "n"], "--weights-kind 'frequency' if a row stands for that many"),
        (["--weights", "n", "--weights-kind", "x"], "must be 'frequency' or 'sampling', got 'x'"),
        (["--weights-kind", "sampling"], "--weights-kind says what weights are; give --weights."),
        (["--labels", "kinds"], "did you mean 'kind'?"),
        (["--errors", "sx"], "an error is given as COLUMN=ERROR, such as x=sx or x=0.1, got 'sx'"),
        (["--errors", "z=sx"], "no column 'z' among the features"),
        (
            ["--columns", "x,n", "--weights", "n", "--weights-kind", "sampling"],
            "leave it out of --columns",
        ),
    ],
)
def test_wrong_annotations_of_a_command(annotated, options, words, capsys):
    code, err = said(capsys, "check", annotated[0], *options)
    assert code == 2 and words in err
