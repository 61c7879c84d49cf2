"""The command line: what it prints where, and its exit codes."""

import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayesgmm.analysis
from bayesgmm.cli import main
from bayesgmm.cli.commands import app
from bayesgmm.errors import (
    BayesGMMError,
    ConfigError,
    DataError,
    DegenerateFitError,
    ResourceError,
    ResultFileError,
    SamplingError,
    SamplingInterrupted,
)
from bayesgmm.posterior import load
from bayesgmm.posterior.tree import attribute
from bayesgmm.prediction import membership
from tests.support.places import ROOT

COMMANDS = [command.callback.__name__ for command in app.registered_commands if command.callback]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command; return exit code, stdout and stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "d.csv"
    rows = [(i % 7 + 0.1 * i, (i * 5) % 11 + 0.01 * i) for i in range(30)]
    path.write_text("a,b,name\n" + "".join(f"{a:.3f},{b:.3f},n{a:.0f}\n" for a, b in rows))
    return path


def test_version_is_told(run: Run) -> None:
    assert run("--version") == (0, f"bayesgmm {bayesgmm.__version__}\n", "")


def test_advice_names_the_options_of_the_command(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("a;b;c\n" + "1,5;2;x\n2,5;;y\n3,5;4;z\n4,5;9;z\n")
    assert "pass --sep ';' and --decimal ','." in run("fit", path, "-k", 1)[2]
    semicolon = ("fit", path, "-k", 1, "--sep", ";")
    assert "pass --decimal ','." in run(*semicolon)[2]
    said = run(*semicolon, "--decimal", ",")[2]
    assert "with --missing 'drop', or marginalise over the cells with --missing 'mar'," in said
    for kept in ("drop", "mar"):
        assert run(*semicolon, "--decimal", ",", "--missing", kept)[0] == 0
    code, _, said = run(*semicolon, "--decimal", ",", "--drop-missing")
    assert code == 0 and "warning: --drop-missing is now --missing 'drop'; the old name" in said
    path.write_text("a\tb\n1\t2\n2\t3\n")
    assert "pass --sep tab." in run("fit", path, "-k", 1)[2]


def test_all_commands_are_there() -> None:
    assert set(COMMANDS) == {
        "run", "check", "compare", "grid", "datasets", "fit", "sample", "report", "predict",
        "simulate", "cache",
    }  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(run: Run, command: str) -> None:
    code, out, err = run(command, "--help")
    assert code == 0 and err == ""
    assert f"Example: bayesgmm {command} " in out


def test_help_and_no_arguments_show_the_commands(run: Run) -> None:
    code, out, _ = run("--help")
    assert code == 0
    assert all(f" {command} " in out for command in COMMANDS)
    assert run()[1] == out


@pytest.mark.parametrize(
    "arguments",
    [
        ["rum"],
        ["run"],
        ["run", "no.toml"],
        ["run", "models/faithful.toml", "--draws", "0"],
        ["run", "models/faithful.toml", "--draws", "many"],
        ["run", "models/faithful.toml", "--nix"],
        ["check", "models"],
        ["check", "README.md"],
        ["compare", "no.csv"],
        ["compare", "models/data/iris.csv", "-k", "0"],
        ["compare", "models/data/iris.csv", "-k", "a"],
        ["compare", "models/data/iris.csv", "--columns", "petal"],
        ["compare", "models/data/iris.csv", "--covariance", "XYZ"],
        ["compare", "models/data/iris.csv", "--sep", ";"],
        ["fit", "models/data/iris.csv"],
        ["fit", "models/data/iris.csv", "-k", "151"],
        ["fit", "models/data/iris.csv", "-k", "2", "--covariance", "EVX"],
        ["fit", "models/data/iris.csv", "-k", "2", "--columns", "species"],
        ["sample", "models/data/iris.csv", "-k", "1.5"],
        ["datasets", "tests"],
    ],
    ids=" ".join,
)
def test_wrong_usage_config_and_data_exit_2_with_one_line(
    run: Run, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    code, out, err = run(*arguments)
    assert code == 2
    assert all(line.startswith(("data  ", "columns  ", "left out  ")) for line in out.splitlines())
    assert err.startswith("error: ") and err.count("\n") == 1
    assert "Traceback" not in err
    assert not (ROOT / "results" / "iris").exists()


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ConfigError("c"), 2, "error: c\n"),
        (DataError("d\nd"), 2, "error: d d\n"),
        (DegenerateFitError("f"), 2, "error: f\n"),
        (ResourceError("r"), 2, "error: r\n"),
        (SamplingError("s"), 2, "error: s\n"),
        (MemoryError("m"), 2, "error: not enough memory: m; ask for fewer rows, draws"),
        (ResultFileError("w"), 4, "error: w\n"),
        (SamplingInterrupted("i", partial=None), 130, "error: i\n"),
        (KeyboardInterrupt(), 130, "error: interrupted; no file was left half-written.\n"),
        (BayesGMMError("\x1b[31mred\u202e"), 2, "error:  [31mred \n"),
        (ZeroDivisionError("z"), 1, "error: this is a fault of bayesgmm: ZeroDivisionError: z."),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_each_error_has_its_code(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, line: str
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(bayesgmm.analysis, "read_model_file", fail)
    found, out, err = run("run", "m.toml")
    assert found == code
    assert out == "" and err.startswith(line) and err.count("\n") == 1
    if not isinstance(error, KeyboardInterrupt):
        with pytest.raises(type(error)):
            main(["run", "m.toml", "--debug"])


def test_check_says_what_would_be_run(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    code, out, err = run("check", "models/iris.toml")
    assert (code, err) == (0, "")
    assert "150 rows, 4 columns" in out and "sepal_length (cm)" in out
    assert "left out   1 column that was not asked for: species" in out
    assert "K = 1, 2, 3, 4" in out
    found = json.loads(run("check", "models/iris.toml", "--json")[1])
    assert found["rows"] == 150 and found["configuration"]["model"]["covariance"] == "full"


def test_datasets_lists_the_gallery(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    code, out, err = run("datasets")
    assert (code, err) == (0, "")
    listed = json.loads(run("datasets", "--json")[1])
    assert {row["file"] for row in listed} == {
        f"models/{p.name}" for p in ROOT.glob("models/*.toml")
    }
    assert all(row["title"] in out for row in listed)


def test_fit_prints_the_fit(run: Run, csv: Path) -> None:
    code, out, err = run("fit", csv, "-k", 2, "--seed", 1, "--covariance", "diag")
    assert (code, err) == (0, "")
    assert out.startswith(
        f"data       {csv}: 30 rows, 2 columns\ncolumns    a, b\nleft out   'name'"
    )
    assert "maximum likelihood" in out
    found = json.loads(run("fit", csv, "-k", 2, "--seed", 1, "--covariance", "diag", "--json")[1])
    assert found["n_parameters"] == 9 and sum(found["weights"]) == pytest.approx(1)
    assert found["bic"] == pytest.approx(-2 * found["log_likelihood"] + 9 * 3.4011974)
    assert f"{found['bic']:.3f}" in out
    mode = json.loads(run("fit", csv, "-k", 2, "--map", "--columns", "b", "--json")[1])
    assert mode["columns"] == ["b"] and mode["log_posterior"] is not None and "bic" not in mode


def test_the_recording_step_is_an_option(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "zeros.csv"
    path.write_text("x\n" + "0\n" * 8 + "".join(f"{30 + i / 7:.2f}\n" for i in range(12)))
    found = {}
    for steps in ("auto", "2", "0.5"):
        arguments = ("--resolution", steps, "--seed", 1, "--json")
        code, out, _ = run("fit", path, "-k", 2, *arguments)
        assert code == 0
        found[steps] = json.loads(out)["covariances"][0][0][0]
    assert found["2"] == pytest.approx(0.8**2) and found["0.5"] == pytest.approx(0.2**2)
    assert 0.0 < found["auto"] < 0.01
    code, _, err = run("fit", path, "-k", 2, "--resolution", "x")
    assert code == 2 and "auto, a number" in err


def test_warnings_are_lines_on_stderr(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "twice.csv"
    path.write_text("a\n" + "1\n2\n3.5\n" * 4)
    code, _, err = run("fit", path, "-k", 1)
    assert code == 0
    assert err.startswith("warning: 9 of 12 rows are duplicates") and err.count("\n") == 1


def test_units_are_given_column_by_column(
    run: Run, csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def stop(spec: Any, *_: Any, **__: Any) -> None:
        seen.append(spec)
        raise ConfigError("stop")

    monkeypatch.setattr(bayesgmm.analysis, "analyse", stop)
    assert run("compare", csv, "--unit", "a=mm", "--unit", "b=1000 km/s")[0] == 2
    assert seen[0].data.units == {"a": "mm", "b": "1000 km/s"}
    for wrong in ("mm", "a=", "=mm"):
        code, _, err = run("compare", csv, "--unit", wrong)
        assert code == 2 and "a unit is given as COLUMN=UNIT" in err
    assert "--unit name 'c', which is not among" in run("fit", csv, "-k", 1, "--unit", "c=m")[2]
    assert len(seen) == 1


def test_compare_has_the_keys_of_a_model_file(
    run: Run, csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def stop(spec: Any, *_: Any, **__: Any) -> None:
        seen.append(spec)
        raise ConfigError("stop")

    monkeypatch.setattr(bayesgmm.analysis, "analyse", stop)
    given = ["--question", "Which?", "--source", "a lake", "--known", "little", "--format", "md"]
    given += ["--cluster-names", '2="a, b",c', "--prob", "0.5", "--no-log-likelihood"]
    assert run("compare", csv, "-k", "1-2", *given)[0] == 2
    about, report = seen[0].about, seen[0].report
    assert (about.question, about.source, about.known) == ("Which?", "a lake", "little")
    assert about.clusters == {"2": ("a, b", "c")}
    assert (report.format, report.prob, seen[0].sampler.log_likelihood) == ("md", 0.5, False)
    for wrong, words in (
        ("short,long", "names are given as K=NAME,NAME"),
        ("2=short", "must be one name per cluster (2)"),
        ("3=a,b,c", "K = 3, which n_components in [model] does not hold"),
    ):
        code, _, err = run("compare", csv, "-k", "1-2", "--cluster-names", wrong)
        assert code == 2 and words in err
    options = run("compare", "--help")[1]
    for section in ("about", "data", "model", "sampler", "report"):
        for key in vars(getattr(seen[0], section)):
            elsewhere = {"file": "DATA", "n_components": "components", "clusters": "cluster-names"}
            elsewhere |= {"priors": "prior", "units": "unit", "drop_missing": "missing"}
            elsewhere |= {"n_factors": "factors", "why_bayesian": "about"}
            assert elsewhere.get(key, key.replace("_", "-")) in options, key


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_a_terminal_of_80_columns(
    run: Run, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = run(command, "--help")[1].splitlines()
    assert max(map(len, lines)) <= 80
    listed = run("--help")[1].partition("Commands:")[2]
    assert f" {command} " in listed and "..." not in listed


def test_names_and_digits_of_one_posterior(run: Run, csv: Path, tmp_path: Path) -> None:
    made = ["-k", 1, "--draws", 100, "--tune", 100, "--seed", 1, "--no-log-likelihood"]
    file = tmp_path / "p.nc"
    _, out, _ = run("sample", csv, *made, "--cluster-names", "all", "--out", file)
    line = next(line for line in out.splitlines() if line.startswith("means[all, a]"))
    mean, _, low, high, *_ = line.removeprefix("means[all, a]").split()
    assert float(low) <= float(mean) <= float(high) and len(mean) < 8
    _, out, _ = run("predict", file)
    cells = [cell for row in out.splitlines()[1:] for cell in row.split(",")[2:]]
    assert out.startswith("row,cluster,entropy,mean_all") and set(cells) == {"0.0", "1.0"}


@pytest.mark.parametrize("command", ["sample", "compare", "run"])
def test_the_acceptance_asked_for_reaches_the_sampler(
    run: Run, csv: Path, tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the cure that a verdict on divergences names."""
    seen: list[float] = []

    def stop(*_: Any, target_accept: float, **__: Any) -> None:
        seen.append(target_accept)
        raise ConfigError("stop")

    monkeypatch.setattr("bayesgmm.sampling.sample", stop)
    monkeypatch.setattr("bayesgmm.comparison.drawing.sample", stop)
    given = [csv, "-k", 1, "--target-accept", 0.8]
    if command == "run":
        given = [tmp_path / "m.toml"]
        given[0].write_text(
            "data.file = 'd.csv'\nmodel.n_components = 1\nsampler.target_accept = 0.8\n"
        )
    code, out, err = run(command, *given, "--out", tmp_path / "out")
    assert (code, err) == (2, "error: stop\n") and out.startswith("data  ")
    assert seen == [0.8] and not (tmp_path / "out").exists()


def test_markup_in_names_is_not_interpreted(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("[red]a[/red],[b]\n1,2\n2,1\n4,4\n5,9\n")
    code, out, _ = run("fit", path, "-k", 1)
    assert code == 0 and "[red]a[/red], [b]" in out


def test_reading_a_damaged_posterior_exits_4(run: Run, tmp_path: Path) -> None:
    (tmp_path / "p.nc").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(900))
    for command in (["predict"], ["simulate"], ["report", "--out", tmp_path / "r.html"]):
        code, out, err = run(command[0], tmp_path / "p.nc", *command[1:])
        assert code == 4 and out == "" and err.startswith("error: ")
    assert [p.name for p in tmp_path.iterdir()] == ["p.nc"]


@pytest.fixture(scope="module")
def posterior(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A posterior written by the command, long enough for a good verdict."""
    folder = tmp_path_factory.mktemp("posterior")
    rng = np.random.default_rng(1)
    rows = np.round(np.concatenate([rng.normal(0, 1, 40), rng.normal(9, 2, 60)]), 3)
    (folder / "d.csv").write_text("size\n" + "".join(f"{row}\n" for row in rows))
    command = ["sample", folder / "d.csv", "-k", 2, "--seed", 3, "--out", folder / "p.nc"]
    assert main([*map(str, command), "--json"]) == 0
    return folder / "p.nc"


def test_sample_says_what_it_found(run: Run, posterior: Path) -> None:
    data = posterior.with_name("d.csv")
    code, out, err = run("sample", data, "-k", 2, "--seed", 3, "--out", posterior, "--overwrite")
    assert (code, err) == (0, "")
    assert "Verdict: converged" in out and "means[2, size]" in out and str(posterior) in out
    assert attribute(load(posterior), "verdict")["ok"]
    again = json.loads(
        run("sample", data, "-k", 2, "--seed", 3, "--out", posterior, "--overwrite", "--json")[1]
    )
    assert again["verdict"]["status"] == "converged" and again["seed"] == 3
    assert {row["parameter"] for row in again["summary"]} > {"weights[1]", "means[2, size]"}


def test_a_bad_run_exits_3_and_says_so(run: Run, posterior: Path, tmp_path: Path) -> None:
    data, out = posterior.with_name("d.csv"), tmp_path / "short.nc"
    code, printed, _ = run("sample", data, "-k", 2, "--draws", 20, "--seed", 1, "--out", out)
    assert code == 3 and "not converged" in printed
    code, _, err = run("predict", out)
    assert code == 3 and err.startswith("warning: the posterior is not converged")
    assert run("simulate", out)[0] == 3
    assert run("report", out, "--out", tmp_path / "r.html")[0] == 3


def test_predict_gives_memberships_with_intervals(
    run: Run, posterior: Path, tmp_path: Path
) -> None:
    new = tmp_path / "new.csv"
    new.write_text("id,size\nx,-1.0\ny,4.0\nz,12.0\n")
    code, out, err = run("predict", posterior, new)
    told = f"data       {new}: 3 rows, 1 column\ncolumns    size\n"
    assert (code, err) == (0, told + "left out   1 column that was not asked for: id\n")
    table = pd.read_csv(io.StringIO(out), index_col="row")
    expected = membership(load(posterior), [[-1.0], [4.0], [12.0]])
    for k in (1, 2):
        for name in ("mean", "lower", "upper"):
            np.testing.assert_allclose(
                table[f"{name}_{k}"], expected[name].sel(cluster=k), atol=5.01e-7
            )
    assert table["cluster"].tolist()[::2] == [1, 2]
    assert run("predict", posterior, "--out", tmp_path / "m.csv")[0] == 0
    assert len(pd.read_csv(tmp_path / "m.csv")) == 100
    assert run("predict", posterior, "--out", tmp_path / "m.csv")[0] == 4
    assert run("predict", posterior, posterior.with_name("none.csv"))[0] == 2


def test_predict_leaves_rows_with_missing_values_out_on_demand(
    run: Run, posterior: Path, tmp_path: Path
) -> None:
    """The other rows keep their numbers, and the answer says that some are missing."""
    new, whole = tmp_path / "new.csv", tmp_path / "whole.csv"
    new.write_text("size,id\nNA,w\n-1.0,x\n,y\n12.0,z\n")
    whole.write_text("size\n-1.0\n12.0\n")
    code, out, err = run("predict", posterior, new)
    assert (code, out) == (2, "") and "2 missing values" in err and "--missing 'drop'" in err
    code, out, err = run("predict", posterior, new, "--missing", "drop")
    assert code == 0
    assert "left out   2 rows with a missing value: rows 1, 3\n" in err
    table = pd.read_csv(io.StringIO(out), index_col="row")
    alone = pd.read_csv(io.StringIO(run("predict", posterior, whole)[1]), index_col="row")
    assert table.index.tolist() == [1, 3]
    np.testing.assert_array_equal(table.to_numpy(), alone.to_numpy())
    found = json.loads(run("predict", posterior, new, "--missing", "drop", "--json")[1])
    assert [row["row"] for row in found] == [1, 3]


def test_a_pipe_is_read(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bayesgmm", "fit", "/dev/stdin", "-k", "1", "--json"]
    text = "a,b\r\n1,2\r\n2,1\r\n4,4\r\n5,9\r\n"
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["columns"] == ["a", "b"]


def test_simulate_draws_rows(run: Run, posterior: Path) -> None:
    code, out, err = run("simulate", posterior, "-n", 5, "--seed", 2)
    assert (code, err) == (0, "")
    assert out == run("simulate", posterior, "-n", 5, "--seed", 2)[1]
    table = pd.read_csv(io.StringIO(out))
    assert list(table) == ["row", "size", "cluster"] and len(table) == 5
    assert len(json.loads(run("simulate", posterior, "-n", 5, "--json")[1])) == 5


def test_report_is_written(run: Run, posterior: Path, tmp_path: Path) -> None:
    code, out, err = run("report", posterior, "--out", tmp_path / "r.html", "--title", "<b>T</b>")
    assert (code, err) == (0, "")
    assert "Verdict: converged" in out
    assert "&lt;b&gt;T&lt;/b&gt;" in (tmp_path / "r.html").read_text()


def test_existing_output_is_refused_before_sampling(run: Run, csv: Path, tmp_path: Path) -> None:
    out = tmp_path / "p.nc"
    out.write_text("mine")
    code, _, err = run("sample", csv, "-k", 2, "--out", out, "--draws", 10**6)
    assert code == 4 and "exists" in err
    assert out.read_text() == "mine"


@pytest.mark.parametrize("verb", ["sample", "compare"])
def test_too_little_space_for_draws_is_known_before_sampling(
    run: Run, csv: Path, tmp_path: Path, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """4 chains of 200,000 draws of 16 numbers and more, each of 8 bytes, against 0.1 GiB."""
    free = shutil.disk_usage(tmp_path)._replace(free=2**30 // 10)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    monkeypatch.setattr("bayesgmm.sampling.methods.find_modes", pytest.fail)
    code, _, err = run(verb, csv, "-k", 2, "--out", tmp_path / "new", "--draws", 200_000)
    assert code == 4 and "GiB and 0.10 GiB are free in" in err and "keep fewer draws" in err
    assert not (tmp_path / "new").exists()


def test_help_is_quick_and_loads_nothing_heavy() -> None:
    code = (
        "import sys, contextlib, io; from bayesgmm.cli import main; "
        "contextlib.redirect_stdout(io.StringIO()).__enter__(); code = main(['--help']); "
        "heavy = {'numpy', 'pymc', 'xarray', 'pandas', 'scipy', 'numba', 'pydantic'}; "
        "print(code, heavy & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == "0 set()"


def test_as_a_module() -> None:
    command = [sys.executable, "-m", "bayesgmm", "check", "no.toml"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert (
        done.stderr == "error: cannot read the model file 'no.toml': No such file or directory.\n"
    )


def test_grid_ranks_structures_and_writes_table_and_picture(run: Run, tmp_path: Path) -> None:
    table, picture = tmp_path / "grid.csv", tmp_path / "grid.png"
    data = ("models/data/faithful.csv", "-k", "1-2", "--covariance", "full,tied,VEV", "--seed", 1)
    code, out, err = run("grid", *data, "--out", table, "--plot", picture)
    assert code == 0 and err == ""
    assert "1. K = 2, full: BIC 2322.19 (11 parameters, starts: " in out
    assert max(map(len, out.splitlines())) <= 80
    assert len(table.read_text().splitlines()) == 7
    assert picture.read_bytes().startswith(b"\x89PNG")
    found = json.loads(run("grid", *data, "--json")[1])
    assert [row["K"] for row in found["models"]] == [1, 1, 1, 2, 2, 2]
    assert run("grid", *data, "--out", table)[0] == 4
    assert run("grid", *data, "--out", table, "--overwrite")[0] == 0
    assert run("grid", data[0], "-k", "0")[0] == 2
    assert run("grid", data[0], "-k", "2", "--covariance", "VVW")[2].endswith("mean 'VVV'?\n")


def test_grid_says_what_is_set_aside(run: Run) -> None:
    known = ("--resolution", "0", "--seed", 1)
    data = ("models/data/faithful.csv", "-k", "6", "--covariance", "full", *known)
    assert (
        "set aside: in 1 of 1 models a higher solution that chance explains"
        in run("grid", *data)[1]
    )
