"""Model files: what they may hold, what each fault gets, and what a run writes."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayesgmm.analysis import (
    AnalysisResult,
    AnalysisSpec,
    check_model_file,
    component_counts,
    run_analysis,
)
from bayesgmm.analysis.schema import Expectation, read_model_file
from bayesgmm.data import Dataset
from bayesgmm.errors import ConfigError, DataError, ResultFileError, SamplingInterrupted
from bayesgmm.evidence import evidences_of
from bayesgmm.fit import fit_em
from bayesgmm.limits import REACHED
from bayesgmm.model.spec import MixtureSpec, Priors
from bayesgmm.posterior import load
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.tree import attribute, with_attributes
from bayesgmm.sampling import sample
from bayesgmm.summary import summarize
from tests.support.places import MODELS

GALLERY = sorted(MODELS.glob("*.toml"))
DATA = "[data]\nfile = 'd.csv'\n"


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    (tmp_path / "d.csv").write_text("a,b\n1,2\n2,1\n3,5\n4,4\n5,9\n")
    return tmp_path / "model.toml"


@pytest.mark.parametrize("path", GALLERY, ids=lambda path: path.stem)
def test_gallery_files_are_right(path: Path) -> None:
    spec = check_model_file(path)
    assert spec.name == path.stem
    assert spec.about.title and spec.about.question and spec.about.source and spec.about.known
    assert spec.expect != Expectation()
    assert path.name in (MODELS / "README.md").read_text()


@pytest.mark.parametrize("name", ["airquality", "waiting_counts", "iris_labels", "survey"])
def test_gallery_files_of_annotated_rows_expect_what_is_fitted(name: str) -> None:
    spec = read_model_file(MODELS / f"{name}.toml")
    data = spec.data.read()
    assert data.annotations is not None
    for count, expected in spec.expect.log_likelihood.items():
        found = fit_em(data, int(count), n_starts=12, seed=1)
        assert found.log_likelihood == pytest.approx(expected, abs=REACHED)


def test_gallery_is_not_empty() -> None:
    assert {"faithful", "galaxies", "galaxies_corrected", "iris", "acidity"} <= {
        path.stem for path in GALLERY
    }


def test_simulated_data_are_what_the_script_makes(tmp_path: Path) -> None:
    script = tmp_path / "simulate.py"
    for name in ("simulate.py", "faithful.csv"):
        (tmp_path / name).write_bytes((MODELS / "data" / name).read_bytes())
    subprocess.run([sys.executable, script], check=True)
    made = sorted(tmp_path.glob("*.csv"))
    assert len(made) == 10
    for path in made:
        assert path.read_bytes() == (MODELS / "data" / path.name).read_bytes()


@pytest.mark.parametrize(
    ("name", "columns", "normal", "t"), [("two_t", "xy", 4, 2), ("heavy_tails", "xy", 2, 1)]
)
def test_gaussians_need_twice_the_components_where_there_are_tails(name, columns, normal, t):
    """By BIC, and the t with half as many is better."""
    data = Dataset.from_csv(MODELS / f"data/{name}.csv", columns=list(columns))
    best = {}
    for family, least in (("normal", normal), ("t", t)):
        counts = range(max(least - 1, 1), least + 2)
        specs = [MixtureSpec(k, family=family) for k in counts]
        bic = {spec: fit_em(data, spec, n_starts=12, seed=1).bic for spec in specs}
        first = min(bic, key=bic.get)
        assert first.n_components == least
        best[family] = bic[first]
    assert best["t"] < best["normal"] - 25.0


def test_readme_names_every_key() -> None:
    text = (MODELS / "README.md").read_text()
    spec = AnalysisSpec.from_dict({"name": "x", "data": {"file": "y"}})
    for section in ("about", "data", "model", "sampler", "report", "expect", "compute"):
        for key in vars(getattr(spec, section)):
            if not key.startswith("__"):
                assert f"`{key}`" in text or f".{key}]" in text, (section, key)
    for key in Priors().to_dict():
        assert f"`{key}`" in text


def test_defaults_and_paths_relative_to_the_file(model_file: Path) -> None:
    model_file.write_text(DATA)
    spec = read_model_file(model_file)
    assert spec.data.file == str(model_file.parent / "d.csv")
    assert spec.model.n_components == (1, 2, 3, 4, 5, 6)
    assert (spec.sampler.draws, spec.sampler.tune, spec.sampler.chains) == (1000, 1000, 4)
    assert spec.model.priors == Priors()
    assert spec.title == "" and spec.subject["command"] == f"bayesgmm run {model_file}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            DATA + "[model]\nn_component = 3",
            "unknown key 'n_component' in [model] of {path}; did you mean 'n_components'?",
        ),
        (DATA + "[modle]\n", "unknown section [modle] in {path}; did you mean [model]?"),
        (DATA + "[model.priors]\nscal = 1", "[model.priors] of {path}; did you mean 'scale'?"),
        (DATA + "[zzz]\n", "unknown section [zzz] in {path}; allowed: [data], [model], "),
        ("x = 1\n" + DATA, "unknown key 'x' in {path}; allowed: 'data'"),
        ("name = 'x'\n" + DATA, "unknown key 'name' in {path}"),
        ("", "{path} lacks the section [data]."),
        ("[data]\n", "{path} lacks 'file' in [data]."),
        ("data = 3", "data in {path} must be a section, [data], got 3."),
        (DATA + "columns = 'a'", "columns in [data] of {path} must be a list, got 'a'."),
        (DATA + "drop_missing = 'no'", "must be true or false, got 'no'."),
        (DATA + "[model]\nn_components = 0", "n_components in [model] of {path} must be integers"),
        (DATA + "[model]\nn_components = []", "between 1 and 200"),
        (DATA + "[model]\nn_components = '1-9999'", "between 1 and 200"),
        (DATA + "[model]\nn_components = '2-x'", "such as 3, '1,2,4' or '1-6', got '2-x'."),
        (DATA + "[model]\nn_components = 2.0", "between 1 and 200"),
        (DATA + "[model]\nn_components = true", "between 1 and 200"),
        (DATA + "[model]\ncovariance = 'XYZ'", "must be 'full', 'tied', 'diag'"),
        (DATA + "[model]\nresolution = -1", "greater than or equal to 0"),
        (DATA + "[model]\nresolution = nan", "resolution in [model]"),
        (DATA + "[model.priors]\neta = 0", "eta in [model.priors] of {path} must be greater than"),
        (DATA + "[model.priors]\neta = inf", "must be a finite number"),
        (DATA + "[model]\npriors = 3", "priors in [model] of {path} must be a section, got 3."),
        (DATA + "[sampler]\ndraws = 0", "draws in [sampler] of {path} must be greater than"),
        (DATA + "[sampler]\ndraws = '9'", "draws in [sampler] of {path} must be an integer"),
        (DATA + "[sampler]\ntune = 1.5", "tune in [sampler]"),
        (DATA + "[sampler]\nseed = -1", "seed in [sampler]"),
        (DATA + "[report]\nformat = 'pdf'", "must be 'html' or 'md', got 'pdf'."),
        (DATA + "[report]\ncriterion = 'dic'", "criterion in [report]"),
        (DATA + "[expect.log_likelihood]\ntwo = 1", "log_likelihood in [expect]"),
        (DATA + "[expect.elpd_loo]\n2 = [1]", "elpd_loo in [expect]"),
        (DATA + "[expect.elpd_loo]\n9 = [1, 2]", "speaks of K = 9"),
        (DATA + "[about]\ntitle = 3", "title in [about] of {path} must be text, got 3."),
        ("a = [[", "is not valid TOML"),
        ("a = " + "[" * 5000, "is not valid TOML"),
        ("a = " + "9" * 5000, "is not valid TOML"),
        (DATA + DATA, "is not valid TOML"),
    ],
)
def test_faults_of_a_model_file(model_file: Path, text: str, message: str) -> None:
    model_file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        check_model_file(model_file)
    assert message.format(path=model_file) in str(caught.value)
    assert len(str(caught.value)) < 600


def test_unreadable_model_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        check_model_file(tmp_path / "x.toml")
    with pytest.raises(ConfigError, match="Is a directory"):
        check_model_file(tmp_path)
    (tmp_path / "latin.toml").write_bytes("title = 'é'".encode("latin-1"))
    with pytest.raises(ConfigError, match="byte 9"):
        check_model_file(tmp_path / "latin.toml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[data]\nfile = 'no.csv'", "no.csv"),
        (DATA + "columns = ['a', 'c']", "no column 'c'"),
        (DATA + "[model]\nn_components = 5", "5"),
        ("[data]\nfile = ''", "not a file but"),
        ("[data]\nfile = 'a\\u0000b'".replace("'", '"'), "cannot read"),
    ],
)
def test_faults_of_its_data(model_file: Path, text: str, message: str) -> None:
    model_file.write_text(text)
    with pytest.raises(DataError, match=message):
        check_model_file(model_file)


def test_reading_options_are_for_csv_only(model_file: Path) -> None:
    model_file.write_text("[data]\nfile = 'd.parquet'\nsep = ';'")
    with pytest.raises(ConfigError, match="are for CSV files"):
        check_model_file(model_file)


def test_data_are_read_as_the_file_says(model_file: Path) -> None:
    (model_file.parent / "d.csv").write_text("a;b\n1,5;2\n2,5;NA\n3;4\n2;1\n")
    model_file.write_text(
        DATA + "sep = ';'\ndecimal = ','\nmissing = 'drop'\ncolumns = ['b', 'a']"
        "\n[model]\nn_components = 1"
    )
    data = check_model_file(model_file).data.read()
    np.testing.assert_array_equal(data.values, [[2, 1.5], [4, 3], [1, 2]])
    assert data.n_dropped == 1


def test_configuration_hash_follows_what_determines_the_answer() -> None:
    base = {"name": "x", "data": {"file": "y"}}
    hashes = [
        AnalysisSpec.from_dict(base | more).config_hash
        for more in (
            {},
            {"model": {"priors": {"eta": 3.0}}},
            {"model": {"n_components": "1-3"}},
            {"sampler": {"draws": 10}},
            {"sampler": {"seed": 3}},
            {"report": {"criterion": "bic"}},
        )
    ]
    assert len(set(hashes)) == 6
    same = AnalysisSpec.from_dict(base | {"about": {"title": "t"}, "report": {"format": "md"}})
    assert same.config_hash == hashes[0]
    assert json.loads(json.dumps(same.config)) == same.config


@pytest.fixture(scope="module")
def lakes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file over a small data set that one cluster a hump describes well."""
    folder = tmp_path_factory.mktemp("lakes")
    rng = np.random.default_rng(1)
    rows = np.round(np.concatenate([rng.normal(0, 1, 40), rng.normal(9, 2, 60)]), 3)
    (folder / "d.csv").write_text("size\n" + "".join(f"{row}\n" for row in rows))
    (folder / "lakes.toml").write_text(
        "[about]\ntitle = 'Small & large'\nquestion = 'How <many>?'\n[data]\nfile = 'd.csv'\n"
        "[data.units]\nsize = 'm'\n[model]\nn_components = [1, 2]\n"
        "[about.clusters]\n2 = ['low', 'high']\n[report]\nprob = 0.8\n"
        "[sampler]\nseed = 5\n[expect]\nbest_bic = 2\nchosen = 2\n"
        "[expect.log_likelihood]\n1 = -1.0\n"
    )
    return folder / "lakes.toml"


@pytest.fixture(scope="module")
def result(lakes: Path, tmp_path_factory: pytest.TempPathFactory) -> AnalysisResult:
    return run_analysis(lakes, tmp_path_factory.mktemp("out") / "lakes")


@pytest.fixture
def written(result: AnalysisResult, tmp_path: Path) -> Path:
    """A copy of the folder of results, to be changed at will."""
    return Path(shutil.copytree(result.files["verdict"].parent, tmp_path / "lakes"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def test_a_run_writes_everything(result: AnalysisResult) -> None:
    folder = result.files["verdict"].parent
    names = {"report.html", "posterior_k2.nc", "comparison.csv", "summary.csv", "verdict.json"}
    names.add("references.bib")
    assert set(contents(folder)) == names == {path.name for path in result.files.values()}
    record = json.loads((folder / "verdict.json").read_text(), parse_constant=pytest.fail)
    assert record["chosen"] == result.choice.k == 2
    assert record["verdict"]["status"] == "converged" and result.verdict.ok
    assert record["seed"] == 5 and record["data"]["rows"] == 100
    assert record["hashes"]["data"] == result.comparison.data.hash
    for name, digest in record["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert set(record["files"]) == names - {"verdict.json"}


def test_tables_and_posterior_are_those_of_the_comparison(result: AnalysisResult) -> None:
    table = pd.read_csv(result.files["comparison"], index_col="K")
    expected = result.comparison.table.astype({"noise": float, "n_factors": float})
    pd.testing.assert_frame_equal(table, expected, check_dtype=False)
    summary = pd.read_csv(result.files["summary"], index_col=0)
    tree = load(result.files["posterior"])
    pd.testing.assert_frame_equal(summary, summarize(tree, 0.8), check_names=False)
    assert attribute(tree, "verdict")["ok"] and attribute(tree, "data")["units"] == {"size": "m"}
    assert summary.index[2] == "means[low, size]" and summary.columns[2] == "eti80_lb"
    report = result.files["report"].read_text()
    assert "Small &amp; large" in report and "How &lt;many&gt;?" in report


def test_expectations_are_compared(result: AnalysisResult) -> None:
    (unmet,) = result.unmet
    assert unmet.startswith("K = 1: log likelihood -") and unmet.endswith("expected -1.0000")


@pytest.mark.slow
def test_the_same_run_replaces_its_own_result(
    lakes: Path, result: AnalysisResult, written: Path
) -> None:
    (written / "notes.txt").write_text("mine")
    before = contents(result.files["verdict"].parent)
    run_analysis(lakes, written)
    after = contents(written)
    assert after.pop("notes.txt") == b"mine"
    assert after["summary.csv"] == before["summary.csv"]
    assert set(after) == set(before)


@pytest.mark.parametrize("change", [{"draws": 50}, {"seed": 6}, {"data": "d.csv"}])
def test_other_results_are_refused_before_sampling(
    lakes: Path, written: Path, change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = lakes
    if "data" in change:
        change = {}
        file = Path(shutil.copytree(lakes.parent, written.parent / "other")) / "lakes.toml"
        with (file.parent / "d.csv").open("a") as csv:
            csv.write("4.4\n")
    monkeypatch.setattr("bayesgmm.comparison.compare", pytest.fail)
    before = contents(written)
    with pytest.raises(ResultFileError, match="holds results .* of other") as caught:
        run_analysis(file, written, **change)
    assert caught.value.differing == (["configuration"] if change else ["data"])
    assert contents(written) == before


@pytest.mark.slow
def test_results_that_came_while_sampling_are_not_replaced(
    lakes: Path, result: AnalysisResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs into one folder at a time: the later one finds a place of its own."""
    earlier = result.files["verdict"].parent

    def compare(*_: Any, **__: Any) -> Any:
        shutil.copytree(earlier, tmp_path / "out", dirs_exist_ok=True)
        return result.comparison

    monkeypatch.setattr("bayesgmm.comparison.compare", compare)
    files = run_analysis(lakes, tmp_path / "out", seed=6).files
    assert {path.parent for path in files.values()} == {tmp_path / "out-2"}
    assert contents(tmp_path / "out") == contents(earlier)
    assert run_analysis(lakes, tmp_path / "out", True, seed=6).files["report"].parent.name == "out"


def test_a_posterior_that_is_not_ours_is_not_replaced(
    lakes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bayesgmm.comparison.compare", pytest.fail)
    (tmp_path / "posterior_k2.nc").write_text("mine")
    with pytest.raises(ResultFileError, match="posterior_k2.nc"):
        run_analysis(lakes, tmp_path)


@pytest.mark.slow
def test_overwriting_removes_what_is_outdated(lakes: Path, written: Path) -> None:
    run_analysis(lakes, written, overwrite=True, draws=50, tune=100, seed=1)
    record = json.loads((written / "verdict.json").read_text())
    assert {f for f in contents(written) if f.endswith(".nc")} == {
        f"posterior_k{record['chosen']}.nc"
    }
    assert record["configuration"]["sampler"]["draws"] == 50


@pytest.mark.parametrize("name", ["save", "write_report", "summarize"])
def test_a_failure_while_writing_leaves_the_old_result(
    lakes: Path,
    result: AnalysisResult,
    written: Path,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ResultFileError("no space left")

    monkeypatch.setattr("bayesgmm.comparison.compare", lambda *_, **__: result.comparison)
    monkeypatch.setattr(f"bayesgmm.analysis.outputs.{name}", fail)
    before = contents(written)
    with pytest.raises(ResultFileError, match="no space left"):
        run_analysis(lakes, written)
    assert contents(written) == before


def test_an_interrupted_comparison_keeps_the_finished_posteriors(
    lakes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while K = 2 is sampled: K = 1 was finished and is not thrown away."""

    def interrupt(data: Any, spec: Any, **options: Any) -> Any:
        if spec.n_components == 2:
            raise KeyboardInterrupt
        return sample(data, spec, **options)

    monkeypatch.setattr("bayesgmm.comparison.drawing.sample", interrupt)
    with pytest.raises(
        SamplingInterrupted, match="K = 1: all draws were made and are in"
    ) as caught:
        run_analysis(lakes, tmp_path, draws=50, tune=100)
    assert caught.value.partial is None and list(caught.value.finished) == [MixtureSpec(1)]
    assert list(contents(tmp_path)) == ["posterior_k1.finished.nc"]
    kept = load(tmp_path / "posterior_k1.finished.nc")
    assert attribute(kept, "status") == "complete" and attribute(kept, "verdict")


def test_ctrl_c_during_a_criterion_keeps_every_posterior(
    lakes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(draws: Draws, *_: Any, **options: Any) -> Any:
        if draws.n_components == 2:
            raise KeyboardInterrupt
        return evidences_of(draws, "none", converged=True, seed=1)

    monkeypatch.setattr("bayesgmm.comparison._compare.evidences_of", interrupt)
    with pytest.raises(SamplingInterrupted) as caught:
        run_analysis(lakes, tmp_path, draws=50, tune=100)
    assert list(caught.value.finished) == [MixtureSpec(1), MixtureSpec(2)]


def test_ctrl_c_while_going_on_keeps_the_run(
    lakes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bayesgmm.comparison.drawing.extend", interrupt)
    with pytest.raises(SamplingInterrupted) as caught:
        run_analysis(lakes, tmp_path, draws=30, tune=100)
    assert attribute(caught.value.partial, "status") == "complete"
    assert caught.value.partial["posterior"].sizes["draw"] == 30
    assert list(contents(tmp_path)) == ["posterior_k1.finished.nc"]


def test_an_interrupted_run_keeps_its_draws(
    lakes: Path, result: AnalysisResult, written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial = with_attributes(result.comparison.posteriors[2], status="interrupted")

    def interrupt(*_: Any, **__: Any) -> None:
        raise SamplingInterrupted("stopped", partial=partial)

    monkeypatch.setattr("bayesgmm.comparison.compare", interrupt)
    before = contents(written)
    with pytest.raises(SamplingInterrupted, match="posterior_k2.partial.nc"):
        run_analysis(lakes, written)
    after = contents(written)
    assert after.keys() - before.keys() == {"posterior_k2.partial.nc"}
    assert attribute(load(written / "posterior_k2.partial.nc"), "status") == "interrupted"
    assert all(after[name] == content for name, content in before.items())


def test_a_folder_that_takes_no_file(lakes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bayesgmm.comparison.compare", pytest.fail)
    for folder in ("/proc", "/proc/results", lakes):
        with pytest.raises(ResultFileError):
            run_analysis(lakes, folder)


def test_units_of_an_unknown_column(model_file: Path) -> None:
    model_file.write_text(DATA + "[data.units]\nc = 'm'\n")
    with pytest.raises(
        ConfigError, match="units name 'c', which is not among the columns used: a, b"
    ):
        check_model_file(model_file)


@pytest.mark.slow
@pytest.mark.parametrize("path", GALLERY, ids=lambda path: path.stem)
def test_gallery_gives_what_it_expects(path: Path, tmp_path: Path) -> None:
    assert run_analysis(path, tmp_path).unmet == []


@settings(max_examples=200, derandomize=True)
@given(st.sets(st.integers(1, 200), min_size=1))
def test_component_counts_in_any_way_of_writing(counts: set[int]) -> None:
    expected = tuple(sorted(counts))
    assert component_counts(list(counts)) == expected
    assert component_counts(",".join(map(str, counts))) == expected
    low, high = min(counts), max(counts)
    assert component_counts(f"{low}-{high}") == tuple(range(low, high + 1))


@settings(max_examples=200, derandomize=True)
@given(st.binary(max_size=80) | st.text(max_size=80).map(str.encode))
def test_any_bytes_give_our_error_or_a_spec(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError):
        check_model_file(path)


def test_checking_loads_no_sampler() -> None:
    code = (
        "import sys; from bayesgmm.analysis import check_model_file; "
        f"check_model_file({str(MODELS / 'faithful.toml')!r}); "
        "print([m for m in ('pymc', 'arviz', 'nutpie', 'matplotlib', 'xarray') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_full_run_asks_what_the_answer_hangs_on(tmp_path: Path) -> None:
    rows = np.random.default_rng(1).normal(size=30).round(1)
    np.savetxt(tmp_path / "d.csv", rows, header="a", comments="")
    (tmp_path / "m.toml").write_text("model.n_components = 1\ndata.file = 'd.csv'\n")
    result = run_analysis(tmp_path / "m.toml", tmp_path / "out", draws=400, seed=1, full=True)
    by_setting = pd.read_csv(result.files["sensitivity"], index_col="setting")
    assert by_setting.index.tolist() == [
        "as compared", "scale x 0.5", "scale x 2", "recording step x 0.5", "recording step x 2",
    ]  # fmt: skip
    assert by_setting["p, K = 1"].tolist() == [1.0] * 5
    estimates = pd.read_csv(result.files["estimates_by_setting"], index_col="quantity")
    assert set(estimates["model"]) == {"K = 1"}
    own, wide = (estimates[estimates["setting"] == n] for n in ("as compared", "scale x 2"))
    assert own.index.tolist() == wide.index.tolist() == ["means[1, a]", "scales[1, a]"]
    assert wide.loc["scales[1, a]", "mean"] > own.loc["scales[1, a]", "mean"]
    assert len(pd.read_csv(result.files["coarsened"])) == 9
    assert pd.read_csv(result.files["by_rows"])["rows"].tolist() == [8, 15, 30]
    page = result.files["report"].read_text(encoding="utf-8")
    assert "What the answer depends on" in page and "scale x 2" in page
    assert "Of the estimates of K = 1 the one that moves most is" in page
    plain = run_analysis(tmp_path / "m.toml", tmp_path / "out", draws=400, seed=1)
    assert "sensitivity" not in plain.files
    assert not (tmp_path / "out" / "sensitivity.csv").exists()
