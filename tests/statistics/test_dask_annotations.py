"""Rows on the workers of Dask with weights, labels, errors and missing cells."""

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dask.array as dask_array
import dask.dataframe as frames
import distributed
import numpy as np
import pandas as pd
import pytest

import bayesgmm as bg
from bayesgmm.analysis.data_section import DataSection
from bayesgmm.data import dask_rows, facts_of
from bayesgmm.data.dask_rows import DaskRows
from bayesgmm.errors import ConfigError, DataError
from bayesgmm.fit.degeneracy import rows_that_see
from bayesgmm.likelihood.annotated_rows import values_of
from bayesgmm.likelihood.distributed_rows import DistributedRows, rows_for
from bayesgmm.likelihood.streamed import StreamedPosterior, posterior_of
from bayesgmm.limits import MANY_ROWS
from tests.support.annotated_tables import ASKED as OTHERS
from tests.support.annotated_tables import COUNTS, annotated_table

pytestmark = [
    pytest.mark.filterwarnings("ignore:1 row with no cell observed"),
    pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame:Warning"),
]

N_ROWS = MANY_ROWS + 1_234
ASKED: dict[str, dict[str, Any]] = {
    "counts": COUNTS,
    "survey": {"weights": "count", "weights_kind": "sampling"},
    **OTHERS,
}
_QUICK: dict[str, Any] = {
    "method": "importance", "draws": 40, "chains": 2, "seed": 1, "log_likelihood": False
}  # fmt: skip


def table_of(what: str, n_rows: int = N_ROWS) -> pd.DataFrame:
    """The table; of the first rows no x is observed, and no class known."""
    frame = annotated_table(what, n_rows)
    frame.loc[: n_rows // 4 - 1, "kind"] = None
    if what in ("missing", "all"):
        frame.loc[: n_rows // 5, "x"] = np.nan
    if what == "missing":
        frame.loc[n_rows // 2, ["x", "y"]] = np.nan
    return frame


def both(what: str, n_rows: int = N_ROWS) -> tuple[bg.Dataset, bg.Dataset]:
    """The rows in memory, and in six partitions."""
    frame, known = table_of(what, n_rows), ASKED[what]
    collection = frames.from_pandas(frame, npartitions=6)
    there = bg.Dataset.from_dask(collection, ["x", "y"], **known)
    return bg.Dataset.from_frame(frame, ["x", "y"], **known), there


def facts(data: bg.Dataset) -> dict[str, Any]:
    """Return what is known of rows but where they lie and what that makes of their hash."""
    other = ("hash", "source", "left_out")
    return {name: fact for name, fact in facts_of(data).items() if name not in other}


@pytest.mark.parametrize("what", ASKED)
def test_facts_and_fits_are_those_of_rows_in_memory(what: str) -> None:
    here, there = both(what)
    assert facts(there) == facts(here)
    assert there.incomplete == (what in ("missing", "all"))
    np.testing.assert_allclose(there.centre(), here.centre(), rtol=1e-11)
    np.testing.assert_allclose(there.spread(), here.spread(), rtol=1e-11)
    assert np.array_equal(there.ranges(), here.ranges())
    assert np.array_equal(there.smallest_gaps(), here.smallest_gaps())
    assert (there.n_distinct, there.n_counted) == (here.n_distinct, here.n_counted)
    fits = [bg.fit_em(data, 2, seed=1, n_starts=2) for data in (here, there)]
    assert fits[1].log_likelihood == pytest.approx(fits[0].log_likelihood, rel=1e-11)
    assert fits[1].icl == pytest.approx(fits[0].icl, rel=1e-11)
    np.testing.assert_allclose(fits[1].covariances, fits[0].covariances, rtol=1e-7)


def test_draws_and_criteria_agree_with_those_of_rows_in_memory(tmp_path: Path) -> None:
    """Draws are at the same modes; means of 80 have Monte Carlo errors below 0.002."""
    here, there = both("all")
    trees = [bg.sample(data, 2, **_QUICK) for data in (here, there)]
    means = [tree.posterior.means.values.mean(axis=(0, 1)) for tree in trees]
    np.testing.assert_allclose(means[1], means[0], atol=0.01)
    evidences = [bg.log_evidence(tree, seed=1) for tree in trees]
    error = 4 * np.hypot(*(evidence.error for evidence in evidences))
    assert abs(evidences[1].value - evidences[0].value) < error
    for criterion in (bg.waic, bg.loo):
        of_draws = criterion(trees[1], there)
        assert of_draws.elpd == pytest.approx(criterion(trees[1], same_draws(here, there)).elpd)
        assert of_draws.n_data_points == here.n_counted
    sample = trees[1]["observed_sample"]
    kept = here.annotations.weights[sample["obs"].values]  # type: ignore[union-attr,index]
    assert np.array_equal(sample["weights"].values, kept)
    assert np.array_equal(sample["x"], here.values[sample["obs"].values], equal_nan=True)
    path = bg.write_predictions(trees[1], there, tmp_path / "predictions.parquet")
    assert len(pd.read_parquet(path)) == N_ROWS


def same_draws(here: bg.Dataset, there: bg.Dataset) -> bg.Dataset:
    """Return rows in memory under the hash of those elsewhere, for which draws were made."""
    return replace(here, hash=there.hash)


def test_picked_rows_noise_and_tails_too() -> None:
    for what, spec in (
        ("labels", bg.MixtureSpec(2, labels_inform_weights=False)),
        ("all", bg.MixtureSpec(2, noise="uniform")),
        ("missing", bg.MixtureSpec(1, family="t", nu=5.0)),
    ):
        fits = [bg.fit_em(data, spec, seed=1, n_starts=2) for data in both(what)]
        assert fits[1].log_likelihood == pytest.approx(fits[0].log_likelihood, rel=1e-10)
        np.testing.assert_allclose(fits[1].means, fits[0].means, rtol=1e-6, atol=1e-6)


def test_narrow_components_are_judged_by_the_rows_that_see_them() -> None:
    here, there = both("all", 400)
    fit = bg.fit_em(here, 2, seed=1, n_starts=2)
    resolved, structure = fit.resolved, fit.resolved.structure
    thin = fit.parameters._replace(covariances=fit.parameters.covariances * [[[1.0]], [[1e-4]]])
    seen = [rows_that_see(thin, structure, rows_for(resolved, data)) for data in (here, there)]
    np.testing.assert_allclose(seen[1], seen[0], rtol=1e-10)
    assert 0.0 < seen[0][0][1] < here.n_counted and not seen[0][0][0]


def test_few_rows_are_those_in_memory() -> None:
    here, there = both("all", 90)
    fits = [bg.fit_map(data, 2, seed=1, n_starts=2) for data in (here, there)]
    assert fits[1].log_posterior == pytest.approx(fits[0].log_posterior, rel=1e-10)
    tree = bg.sample(there, 2, **_QUICK)
    assert np.array_equal(tree["observed_data"]["x"], here.values, equal_nan=True)
    assert np.array_equal(tree["observed_data"]["possible"], here.annotations.possible)  # type: ignore[union-attr]


def sums_of(data: bg.Dataset) -> tuple[Any, ...]:
    """Return what passes over the rows find, to the bit."""
    fit = bg.fit_em(data, 2, seed=1, n_starts=2)
    target = posterior_of(fit.resolved, data)
    assert isinstance(target, StreamedPosterior)
    points = np.random.default_rng(1).normal(0.0, 0.1, (5, target.dim))
    return (
        data.hash, facts(data), fit.log_likelihood, fit.icl, fit.covariances.tobytes(),
        target.log_densities(points).tobytes(), target.empty_probabilities(points).tobytes(),
        target.value_shift, values_of(target.rows_at(np.arange(0, N_ROWS, 7))).tobytes(),
    )  # fmt: skip


@pytest.fixture
def workers(request: pytest.FixtureRequest) -> Iterator[Any]:
    with distributed.Client(
        n_workers=request.param, threads_per_worker=1, dashboard_address=":0", silence_logs=50
    ) as client:
        yield client


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.slow), 2], indirect=True)
def test_any_number_of_workers_gives_the_same_bits(workers: Any) -> None:
    """This process alone, which has no client, is the other number."""
    frame = frames.from_pandas(table_of("all"), npartitions=6)
    there = bg.Dataset.from_dask(frame, ["x", "y"], **ASKED["all"])
    found = sums_of(there)
    parts = there.partitions
    alone = DaskRows(parts._parts, parts.features, {}, None, parts._beside)  # type: ignore[union-attr]
    known: Any = there.annotations
    assert found == sums_of(replace(there, _rows=alone.with_known(known)))
    with pytest.raises(DataError, match="'count' is below 0 in row 20001: -1"):
        bad = table_of("counts")
        bad.loc[20_000, "count"] = -1
        bg.Dataset.from_dask(frames.from_pandas(bad, npartitions=3), ["x"], **ASKED["counts"])


@pytest.mark.slow
@pytest.mark.parametrize("workers", [2], indirect=True)
def test_a_worker_that_dies_changes_nothing(workers: Any) -> None:
    """What its partitions were known by died with it too."""
    frame = frames.from_pandas(table_of("all"), npartitions=6)
    there = bg.Dataset.from_dask(frame, ["x", "y"], **ASKED["all"])
    before = bg.fit_em(there, 2, seed=1, n_starts=2)
    for pid in workers.run(os.getpid).values():
        os.kill(pid, signal.SIGKILL)
    after = bg.fit_em(there, 2, seed=1, n_starts=2)
    assert after.log_likelihood == before.log_likelihood
    assert after.covariances.tobytes() == before.covariances.tobytes()


def test_without_annotations_nothing_more_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three passes make the data set, and no partition gets anything of its own."""
    sent: list[Any] = []
    whole = DaskRows._done

    def done(self: DaskRows, function: Any, shared: Any, own: Any) -> Iterator[Any]:
        sent.append(own)
        return whole(self, function, shared, own)

    monkeypatch.setattr(DaskRows, "_done", done)
    monkeypatch.delattr(dask_rows, "placed_on_workers")
    rows = dask_array.from_array(table_of("plain")[["x", "y"]].to_numpy(), chunks=(5_000, 2))
    data = bg.Dataset.from_dask(rows)
    assert sent == [None] * 3
    sent.clear()
    resolved = bg.fit_em(data, 1, seed=1, n_starts=1).resolved
    stream = DistributedRows(resolved, data)
    sent.clear()
    stream.moments(EM_POINT)
    stream.log_certainty(EM_POINT)
    assert not stream.blurred and stream.n_counted == N_ROWS
    assert stream.log_unit(resolved) == N_ROWS * resolved.log_unit
    assert sent == [None] * 2


EM_POINT = np.array([0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0])


def test_columns_of_collections_annotate_rows_as_those_of_frames_do(tmp_path: Path) -> None:
    """Categories in their order, arrays of this process, columns of Dask arrays."""
    frame = table_of("all", 90)
    known: dict[str, Any] = dict(ASKED["all"], errors={"x": "sx"})
    frame["kind"] = pd.Categorical(frame["kind"], ["b", "c", "a"])
    there = bg.Dataset.from_dask(frames.from_pandas(frame, npartitions=4), ["x", "y"], **known)
    here = bg.Dataset.from_frame(frame, ["x", "y"], **known)
    same_annotations(there, here)
    frame["kind"] = frame["kind"].astype(object)
    given = {**known, "weights": frame["count"], "labels": frame["kind"].to_numpy()}
    given["errors"] = {"x1": frame["sx"]}
    values = dask_array.from_array(frame[["x", "y"]].to_numpy(), chunks=(31, 2))
    there = bg.Dataset.from_dask(values, **given)
    plain = bg.Dataset.from_frame(frame, ["x", "y"], **known)
    same_annotations(there, plain)
    numbers = frame[["count", "x", "y", "sx"]].to_numpy()
    there = bg.Dataset.from_dask(
        dask_array.from_array(numbers, chunks=(31, 2)),
        ["x3"], weights="x1", weights_kind="frequency", missing="mar", errors={"x3": "x4"},
    )  # fmt: skip
    assert there.features == ("x3",) and there.n_counted == here.n_counted
    assert np.array_equal(next(there.blocks())[1][:, 0], frame["y"][:31], equal_nan=True)
    frame[:50].to_parquet(tmp_path / "a.parquet")
    frame[50:].to_parquet(tmp_path / "b.parquet")
    left = bg.Dataset.from_parquet(tmp_path, ["x", "y"], **known)
    for columns in (["x", "y"], None):
        there = bg.Dataset.from_parquet(tmp_path, columns, engine="dask", **known)
        same_annotations(there, left)
        assert facts(there) == facts(left)


def same_annotations(one: bg.Dataset, other: bg.Dataset) -> None:
    first, second = one.annotations, other.annotations
    assert first is not None and second is not None and first.classes == second.classes
    for name in ("weights", "possible", "errors"):
        assert np.array_equal(getattr(first, name), getattr(second, name))


def test_a_model_file_reads_annotated_rows_by_dask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bayesgmm.analysis.data_section.connect", lambda address: None)
    frame = table_of("all", 90)
    frame.to_parquet(tmp_path / "rows.parquet")
    section = DataSection(str(tmp_path / "rows.parquet"), ("x", "y"), **ASKED["all"])
    data = section.read(dask="local")
    assert data.partitions is not None and data.n_counted == frame["count"].sum()


def test_what_is_refused_says_so_before_it_starts(tmp_path: Path) -> None:
    frame = table_of("missing", 90)
    collection = frames.from_pandas(frame, npartitions=3)
    frame.to_parquet(tmp_path / "rows.parquet")
    lazy = dask_array.from_array(frame["sx"].to_numpy(), chunks=40)
    for call, error, words in (
        (dict(missing="drop"), ConfigError, r"missing='drop' needs the rows in memory; .*dropna"),
        (dict(missing="guess"), ConfigError, "missing must be"),
        (dict(labels="kind"), DataError, r"data has \d+ missing values: .* in column 'x'"),
        (dict(labels="nobody"), DataError, "there is no column 'nobody' of the collection"),
        (dict(weights="count"), ConfigError, "the kind of the weights must be given"),
        (dict(missing="mar", labels="y"), ConfigError, "'y' holds weights, labels or errors"),
        (dict(errors={"x": lazy}), DataError, "must hold one number per row, got dask.array"),
        (dict(missing="mar", errors={"x": "kind"}), DataError, "'kind' .* cannot be weights or"),
    ):
        with pytest.raises(error, match=words):
            bg.Dataset.from_dask(collection, ["x", "y"], **call)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="missing='drop' need the rows in memory; leave Dask out"):
        bg.Dataset.from_parquet(tmp_path / "rows.parquet", engine="dask", missing="drop")
    frame["x"] = np.nan
    with pytest.raises(DataError, match="column 'x' is never observed; leave it out"):
        nothing = frames.from_pandas(frame, npartitions=3)
        bg.Dataset.from_dask(nothing, ["x", "y"], missing="mar")
