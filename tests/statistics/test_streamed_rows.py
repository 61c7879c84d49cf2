"""Many rows that are gone through where they lie: in memory, in a memory map, in a Parquet file."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xarray as xr
from arviz_stats.base import array_stats
from scipy.special import logsumexp

import bayesgmm as bg
from bayesgmm.data import as_dataset
from bayesgmm.errors import ConfigError, DataError, ResourceError, ResultFileError
from bayesgmm.likelihood import rows as passes
from bayesgmm.likelihood.annotated_rows import rows_of, table_of
from bayesgmm.likelihood.climbing import ascend_from, curvature
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.likelihood.rows import Rows, rows_at
from bayesgmm.likelihood.streamed import StreamedPosterior
from bayesgmm.limits import MANY_ROWS
from bayesgmm.model.resolving import resolve
from bayesgmm.posterior.pareto import smoothed, smoothed_rows
from tests.support.annotated import everything_known

N_ROWS = MANY_ROWS + 2_001
FAMILIES = [{}, {"family": "t"}, {"family": "contaminated"}, {"noise": "uniform"}]
_QUICK: dict[str, Any] = {"draws": 60, "chains": 2, "seed": 1}


def plain_rows(n: int) -> np.ndarray:
    rng = np.random.default_rng(n)
    kinds = rng.integers(3, size=n)
    return np.array([[0.0, 0.0], [5.0, 1.0], [5.0, 1.0]])[kinds] + rng.normal(size=(n, 2))


def streamed(resolved: Any, data: bg.Dataset) -> StreamedPosterior:
    return StreamedPosterior(resolved, np.empty((0, resolved.n_features)), Rows(resolved, data))


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The same rows in memory, in a memory map, and in Parquet of two sizes of row groups."""
    folder, values = tmp_path_factory.mktemp("rows"), plain_rows(N_ROWS)
    np.save(folder / "rows.npy", values)
    table = pa.table({"x1": values[:, 0], "x2": values[:, 1]})
    found: dict[str, Any] = {
        "memory": as_dataset(values),
        "map": as_dataset(np.load(folder / "rows.npy", mmap_mode="r")),
    }
    for size in (3_000, 50_000):
        path = folder / f"rows{size}.parquet"
        pq.write_table(table, path, row_group_size=size)
        found[f"file of groups of {size}"] = bg.Dataset.from_parquet(path, in_memory=False)
    return found


@pytest.fixture(scope="module")
def trees(places: dict[str, Any]) -> dict[str, xr.DataTree]:
    options: dict[str, Any] = {**_QUICK, "method": "importance", "log_likelihood": False}
    return {name: bg.sample(data, 2, **options) for name, data in places.items()}


@pytest.mark.parametrize("kind", ["plain", "everything known"])
@pytest.mark.parametrize("options", FAMILIES, ids=str)
def test_the_density_is_that_of_rows_held_together(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], kind: str
) -> None:
    monkeypatch.setattr(passes, "CHUNK", 100)
    monkeypatch.setattr(Rows.chunks, "__defaults__", (100,))
    data = as_dataset(plain_rows(430)) if kind == "plain" else everything_known(430)
    resolved = resolve(bg.MixtureSpec(2, labels_inform_weights=kind == "plain", **options), data)
    held, stream = LogPosterior(resolved, table_of(data, 2)), streamed(resolved, data)
    points = 0.3 * np.random.default_rng(1).normal(size=(4, held.dim))
    one, other = held.evaluate(points[0]), stream.evaluate(points[0])
    assert other.value == pytest.approx(one.value, rel=1e-12)
    np.testing.assert_allclose(
        other.gradient, one.gradient, rtol=1e-9, atol=1e-9 * abs(one.gradient).max()
    )
    assert other.terms == pytest.approx(one.terms, rel=1e-11)
    np.testing.assert_allclose(stream.log_densities(points), held.log_densities(points), rtol=1e-12)
    np.testing.assert_allclose(
        stream.empty_probabilities(points), held.empty_probabilities(points), rtol=1e-9
    )
    np.testing.assert_allclose(curvature(stream, points[0]), curvature(held, points[0]), rtol=1e-9)
    assert stream.value_shift == pytest.approx(held.value_shift)
    assert stream.log_unit_of_rows == pytest.approx(held.log_unit_of_rows)
    assert (stream.n_rows, stream.n_counted) == (held.n_rows, held.n_counted)


def test_a_point_without_a_density_has_none() -> None:
    data = as_dataset(plain_rows(60))
    stream = streamed(resolve(bg.MixtureSpec(2), data), data)
    points = np.zeros((2, stream.dim))
    points[1, stream.slices["scales"]] = 1e4
    assert np.isfinite(stream.log_densities(points)).tolist() == [True, False]


def test_climbs_end_where_those_of_rows_held_together_do() -> None:
    data = as_dataset(plain_rows(500))
    resolved = resolve(bg.MixtureSpec(2), data)
    held, stream = LogPosterior(resolved, data.values), streamed(resolved, data)
    start = held.unconstrain(bg.fit_em(data, 2, seed=1).parameters)
    metric = np.linalg.inv(curvature(held, start))
    (x, value), (y, other) = (
        ascend_from(target, start.copy(), metric.copy(), 500) for target in (held, stream)
    )
    assert other == pytest.approx(value, abs=1e-8)
    np.testing.assert_allclose(y, x, atol=1e-5)


def test_rows_at_places_are_those_of_an_index(places: dict[str, Any]) -> None:
    chosen = np.array([0, 5, 19_999, N_ROWS - 1])
    for data in places.values():
        assert np.array_equal(rows_at(data, chosen), places["memory"].values[chosen])
    known = everything_known(300)
    some = np.arange(3, 300, 7)
    whole: Any = table_of(known, 2)
    part: Any = rows_at(rows_of(known, 2), some)
    for name in ("table", "weights", "allowed", "errors"):
        np.testing.assert_array_equal(getattr(part, name), getattr(whole[some], name))


def test_where_rows_lie_does_not_change_a_bit(trees: dict[str, xr.DataTree]) -> None:
    first, *others = trees.values()
    for tree in others:
        assert tree.attrs["importance"] == first.attrs["importance"]
        for name, values in first["posterior"].data_vars.items():
            assert np.array_equal(tree["posterior"][name], values)
        assert np.array_equal(tree.sample_stats.log_likelihood, first.sample_stats.log_likelihood)


def test_threads_do_not_change_a_bit(places: dict[str, Any], trees: dict[str, xr.DataTree]) -> None:
    *_, data = places.values()
    tree = bg.sample(data, 2, log_likelihood=False, cores=1, **_QUICK)
    assert tree.attrs["importance"] == trees["memory"].attrs["importance"]
    assert np.array_equal(tree.posterior.means, trees["memory"].posterior.means)


def test_rows_of_several_chunks_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of them laid out beforehand, each chunk gone through by threads that stay."""
    monkeypatch.setattr(passes, "HELD_BYTES", 0)
    values = plain_rows(140_000)[:, :1]
    found = bg.sample(values, 1, method="importance", log_likelihood=False, **_QUICK)
    mean, error = values.mean(), values.std() / np.sqrt(len(values))
    assert abs(found.posterior.means.mean().item() - mean) < error


def test_a_result_keeps_some_rows_of_a_file(
    trees: dict[str, xr.DataTree], places: dict[str, Any], tmp_path: Path
) -> None:
    *_, tree = trees.values()
    kept = tree["observed_sample"]
    assert "observed_data" not in tree and kept.sizes["obs"] == MANY_ROWS
    assert np.array_equal(kept["x"], places["memory"].values[kept["obs"].values])
    bg.save(tree, tmp_path / "tree.nc")
    again = bg.load(tmp_path / "tree.nc")
    assert np.array_equal(again["observed_sample"]["x"], kept["x"])
    both = [bg.diagnose(each).statistics["label_free"] for each in (again, trees["memory"])]
    assert both[0]["log_likelihood"] == both[1]["log_likelihood"]
    assert bg.summarize(again).equals(bg.summarize(trees["memory"])[bg.summarize(again).columns])
    assert bg.log_evidence(again, seed=1).value == bg.log_evidence(trees["map"], seed=1).value


@pytest.mark.parametrize("name", ["membership", "density", "extend", "smc_evidence"])
def test_what_needs_every_row_says_so(trees: dict[str, xr.DataTree], name: str) -> None:
    verb: Any = getattr(bg, name)
    *_, tree = trees.values()
    with pytest.raises(ConfigError, match=rf"keeps {MANY_ROWS} of the {N_ROWS} rows of "):
        verb(tree)


def test_what_needs_rows_in_memory_is_refused_before_the_start(places: dict[str, Any]) -> None:
    *_, data = places.values()
    for options in ({"method": "nuts"}, {"method": "smc"}):
        with pytest.raises(ResourceError, match=r"in memory: 0\.000984 GiB") as caught:
            bg.sample(data, 2, **options)
        assert caught.value.details["gigabytes"] == pytest.approx(3 * 16 * N_ROWS / 2**30)
    with pytest.raises(ResourceError, match="a user's own model"):
        bg.sample(data, model=bg.build_model(plain_rows(30), 2))
    with pytest.raises(ResourceError, match="pass log_likelihood=False"):
        bg.sample(data, 2, method="importance", draws=10**8)


def test_few_rows_of_a_file_are_sampled_by_any_method(tmp_path: Path) -> None:
    values = plain_rows(80)
    pq.write_table(pa.table({"x1": values[:, 0], "x2": values[:, 1]}), tmp_path / "few.parquet")
    data = bg.Dataset.from_parquet(tmp_path / "few.parquet", in_memory=False)
    options: dict[str, Any] = {"method": "nuts", "draws": 30, "tune": 100, "seed": 1}
    tree, same = bg.sample(data, 2, **options), bg.sample(values, 2, **options)
    assert np.array_equal(tree["observed_data"]["x"], values)
    assert np.array_equal(tree.posterior.means, same.posterior.means)


def test_waic_and_loo_of_a_file_are_those_of_memory(
    places: dict[str, Any], trees: dict[str, xr.DataTree]
) -> None:
    *_, data = places.values()
    *_, tree = trees.values()
    for criterion in (bg.waic, bg.loo):
        here, there = criterion(tree, data), criterion(trees["memory"], places["memory"])
        assert (here.elpd, here.se, here.p) == (there.elpd, there.se, there.p)
        assert here.n_data_points == N_ROWS
    with pytest.raises(ConfigError, match="rows must be those that the posterior was sampled from"):
        bg.loo(tree, as_dataset(plain_rows(50)))


@pytest.mark.parametrize("kind", ["plain", "everything known"])
def test_criteria_block_by_block_are_those_of_the_kept_likelihood(kind: str) -> None:
    data = as_dataset(plain_rows(120)) if kind == "plain" else everything_known(120)
    tree = bg.sample(data, 2, draws=60, tune=200, seed=1)
    for criterion in (bg.waic, bg.loo):
        there, here = criterion(tree), criterion(tree, data)
        for name in ("elpd", "se", "p", "n_data_points", "n_samples", "good_k", "warning"):
            assert getattr(here, name) == pytest.approx(getattr(there, name), rel=1e-7)
        np.testing.assert_allclose(here.elpd_i, there.elpd_i, atol=1e-8)
        assert here.elpd_i.coords.keys() == there.elpd_i.coords.keys()
    np.testing.assert_allclose(here.pareto_k, there.pareto_k, atol=1e-4)


@pytest.mark.parametrize(("size", "efficiency"), [(100, 1.0), (400, 1.0), (1_000, 0.3)])
def test_many_rows_are_smoothed_as_one_is(size: int, efficiency: float) -> None:
    rng = np.random.default_rng(size)
    ratios = rng.normal(size=(40, size)) * rng.choice([0.01, 0.5, 2.0, 6.0], (40, 1))
    weights, k_hat = smoothed_rows(ratios, efficiency)
    others, theirs = array_stats.psislw(-ratios, r_eff=efficiency)
    np.testing.assert_allclose(weights, others, atol=1e-12)
    np.testing.assert_allclose(k_hat, theirs, atol=1e-12)


def test_weights_without_a_tail_are_left_as_they_are() -> None:
    """A spike that holds all the weight is not taken for one that does not matter, nor NaN."""
    flat, spike, bump, stepped, stairs = np.zeros((5, 400))
    spike[7], bump[7], stepped[:120], stairs[:9], stairs[:2] = 800.0, 0.1, 1.0, 0.3, 0.6
    levels = np.arange(400) % 20 * np.array([[0.08], [0.8]])  # below and above 20 times the mean
    levels[1, 19:-1:20] = 0.0
    ratios = np.stack([flat, spike, bump, stepped, stairs, *levels])
    weights, k_hat = smoothed_rows(ratios)
    expected = [-np.inf, np.inf, -np.inf, -np.inf, -np.inf, -np.inf, np.inf]
    assert k_hat.tolist() == [smoothed(row)[1] for row in ratios] == expected
    np.testing.assert_allclose(weights, ratios - logsumexp(ratios, axis=1)[:, None], atol=1e-12)
    np.testing.assert_allclose(weights, [smoothed(row)[0] for row in ratios], atol=1e-12)


def test_a_comparison_of_a_file_is_a_whole_result(places: dict[str, Any], tmp_path: Path) -> None:
    *_, data = places.values()
    options: dict[str, Any] = {"draws": 220, "chains": 2, "seed": 1, "method": "importance"}
    found = bg.compare(data, [1, 2], **options)
    assert not found.failures
    assert (found.table["verdict"] == "converged").all()
    columns = ["bic", "icl", "elpd_loo", "elpd_waic", "log_evidence", "probability"]
    assert found.table[columns].notna().all(axis=None)
    assert found.chosen().k == 2
    assert set(found.posteriors[2].children) >= {"posterior", "observed_sample"}
    page = bg.write_report(found, tmp_path / "report.html").read_text()
    assert f"fitted to all {N_ROWS} rows, which stayed in the file." in page
    assert f"{MANY_ROWS} of them, drawn at random" in page
    assert f"{N_ROWS} rows, 2 features" in page


def test_commands_and_model_files_leave_rows_in_a_file(tmp_path: Path) -> None:
    values = plain_rows(N_ROWS)[:, :1]
    pq.write_table(pa.table({"a": values[:, 0]}), tmp_path / "rows.parquet")
    file = tmp_path / "rows.toml"
    file.write_text(
        "data.file = 'rows.parquet'\ndata.in_memory = false\nmodel.n_components = 1\n"
        "sampler.draws = 60\nsampler.chains = 2\nsampler.evidence = 'none'\n"
    )
    result = bg.run_analysis(file, out=tmp_path / "out", seed=1)
    assert "observed_sample" in bg.load(result.files["posterior"])
    assert "in_memory=False" in result.files["report"].read_text().replace("&#39;", "'")
    np.savetxt(tmp_path / "rows.csv", values[:50], header="a", comments="")
    file.write_text(file.read_text().replace("rows.parquet", "rows.csv"))
    with pytest.raises(ConfigError, match=r"in_memory=False is for Parquet"):
        bg.run_analysis(file)


def test_predictions_of_a_file_go_to_a_file(
    places: dict[str, Any], trees: dict[str, xr.DataTree], tmp_path: Path
) -> None:
    """More than one block of rows; those of memory are computed at once."""
    values = plain_rows(70_000)
    pq.write_table(pa.table({"x2": values[:, 1], "x1": values[:, 0]}), tmp_path / "rows.parquet")
    data = bg.Dataset.from_parquet(tmp_path / "rows.parquet", in_memory=False)
    *_, tree = trees.values()
    tree = tree.sel(draw=slice(0, 15))
    path = bg.write_predictions(tree, data, tmp_path / "out.parquet")
    table, some = pd.read_parquet(path), np.array([0, 1, 65_535, 65_536, len(values) - 1])
    soft, dense = bg.membership(tree, values[some]), bg.log_density(tree, values[some])
    assert len(table) == len(values) and table["row"].tolist() == list(range(len(values)))
    for k in (1, 2):
        for name in ("mean", "lower", "upper"):
            np.testing.assert_allclose(table[f"{name}_{k}"][some], soft[name].sel(cluster=k))
    assert table["cluster"][some].tolist() == soft["most_probable"].values.tolist()
    np.testing.assert_allclose(table["log_density"][some], dense["mean"])
    np.testing.assert_allclose(table["log_density_upper"][some], dense["upper"])
    with pytest.raises(ResultFileError, match="exists"):
        bg.write_predictions(tree, data, tmp_path / "out.parquet")
    with pytest.raises(DataError, match="rows have no feature 'x1'"):
        bg.write_predictions(
            tree, bg.Dataset.from_parquet(path, ["log_density"]), path, overwrite=True
        )


def test_predictions_carry_what_is_known_of_rows(tmp_path: Path) -> None:
    data = everything_known(70)
    fit = bg.fit_em(data, bg.MixtureSpec(2, noise="uniform"), seed=1)
    table = pd.read_parquet(bg.write_predictions(fit, data, tmp_path / "out.parquet"))
    soft, dense = bg.membership(fit, data), bg.log_density(fit, data)
    np.testing.assert_allclose(table["mean_noise"], soft["noise"])
    np.testing.assert_allclose(table["mean_low"], soft["mean"].sel(cluster="low"))
    np.testing.assert_allclose(table["log_density"], dense["mean"])
