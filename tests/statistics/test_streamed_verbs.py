"""Which verb takes rows from where: one table, of which each cell is called."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dask.array as dask_array
import dask.dataframe as dask_frame
import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

import bayesgmm as bg
from bayesgmm.data import as_dataset
from bayesgmm.errors import ConfigError, ResourceError
from bayesgmm.limits import MANY_ROWS, PAIRED_ROWS

pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame:Warning")

N_ROWS = MANY_ROWS + 500
NAMES = ["a"]
_QUICK: dict[str, Any] = {"draws": 60, "chains": 2, "seed": 1, "method": "importance"}
SOURCES = ("file", "folder", "Dask array", "Dask frame", "Dask files")


def values() -> np.ndarray:
    rng = np.random.default_rng(1)
    return np.array([[0.0], [6.0]])[rng.integers(2, size=N_ROWS)] + rng.normal(size=(N_ROWS, 1))


def opened(source: str, folder: Path) -> bg.Dataset:
    """Return the same rows from one of the sources; a memory map counts as rows in memory."""
    rows = values()
    frame = pd.DataFrame(rows, columns=NAMES)
    if source == "memory map":
        np.save(folder / "rows.npy", rows)
        return as_dataset(np.load(folder / "rows.npy", mmap_mode="r"))
    if source == "Dask array":
        return bg.Dataset.from_dask(dask_array.from_array(rows, chunks=(8_000, 1)))
    if source == "Dask frame":
        return bg.Dataset.from_dask(dask_frame.from_pandas(frame, npartitions=3))
    place = folder / "rows"
    place.mkdir()
    if source == "file":
        frame.to_parquet(place / "all.parquet")
        place = place / "all.parquet"
    else:
        frame[:9_000].to_parquet(place / "a.parquet")
        frame[9_000:].to_parquet(place / "b.parquet")
    engine = "dask" if source == "Dask files" else "arrow"
    return bg.Dataset.from_parquet(place, in_memory=False, engine=engine)


class Case:
    """Rows of one source, and draws of them."""

    def __init__(self, source: str, folder: Path) -> None:
        self.folder = folder
        self.data = opened(source, folder)
        self.tree = bg.sample(self.data, 2, log_likelihood=False, **_QUICK)
        self.fit = bg.fit_em(self.data, 2, seed=1, n_starts=3)


@pytest.fixture(scope="module", params=SOURCES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(request.param, tmp_path_factory.mktemp("rows"))


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case("memory map", tmp_path_factory.mktemp("expected"))


def of_estimator(case: Case) -> Any:
    mixture = bg.GaussianMixture(2, random_state=1).fit(case.data)
    first = mixture.predict(case.data).astype(bool)
    return [*mixture.means_.ravel(), mixture.score(case.data), mixture.bic(case.data), first.sum()]


def of_predictions(case: Case) -> Any:
    path = bg.write_predictions(
        case.tree, case.data, case.folder / "predictions.parquet", overwrite=True
    )
    table = pd.read_parquet(path)
    return [*table[["mean_1", "log_density"]].mean(), len(table)]


def check_pairs(tree: Any) -> None:
    """Rows far apart lie in two groups, but for one in a hundred between them."""
    together, grouping = bg.coclustering(tree), bg.partition(tree, seed=1)
    assert together.shape == (PAIRED_ROWS, PAIRED_ROWS)
    left = values()[together["obs"].values, 0] < 3.0
    assert np.mean((grouping.labels == 1) == left) > 0.99
    assert together.values[left][:, ~left].mean() < 0.01


EXACT: dict[str, Callable[[Case], Any]] = {
    "fit_em": lambda case: [*case.fit.means.ravel(), case.fit.log_likelihood, case.fit.icl],
    "fit_map": lambda case: bg.fit_map(case.data, 2, seed=1, n_starts=3).means.ravel(),
    "bic_grid": lambda case: bg.bic_grid(case.data, 2, "full", seed=1, n_starts=3)["bic"],
    "GaussianMixture": of_estimator,
}
DRAWN: dict[str, Callable[[Case], Any]] = {
    "sample": lambda case: case.tree.posterior["means"].mean(("chain", "draw")).values,
    "extend": lambda case: (
        bg.extend(case.tree, 80, seed=2, rows=case.data)
        .posterior["means"]
        .mean(("chain", "draw"))
        .values
    ),
    "log_evidence": lambda case: bg.log_evidence(case.tree, seed=1).value / N_ROWS,
    "summarize": lambda case: bg.summarize(case.tree)["mean"].to_numpy(),
    "waic": lambda case: bg.waic(case.tree, case.data).elpd / N_ROWS,
    "loo": lambda case: bg.loo(case.tree, case.data).elpd / N_ROWS,
    "write_predictions": of_predictions,
}


@pytest.mark.parametrize("verb", EXACT)
def test_what_is_computed_is_that_of_rows_in_memory(verb: str, case: Case, expected: Case) -> None:
    np.testing.assert_allclose(EXACT[verb](case), EXACT[verb](expected), rtol=1e-8)


@pytest.mark.parametrize("verb", DRAWN)
def test_what_is_drawn_is_that_of_rows_in_memory(verb: str, case: Case, expected: Case) -> None:
    """Means over 120 draws: their error is below 0.001 where clusters of 10,000 rows have sd 1."""
    np.testing.assert_allclose(DRAWN[verb](case), DRAWN[verb](expected), atol=5e-3)


def test_verdict_and_checks_are_of_what_the_result_keeps(case: Case) -> None:
    assert bg.diagnose(case.tree).statistics["importance"]["proposed"] == 120
    checked = bg.posterior_predictive(case.tree, 2, seed=1)
    assert checked["observed_data"].sizes["obs"] == MANY_ROWS
    replicates = checked["posterior_predictive"]["x"]
    assert abs(float(replicates.mean()) - values().mean()) < 0.1, "an error of 0.02"


@pytest.mark.parametrize("case", ["folder"], indirect=True)
def test_pairs_are_of_some_that_are_named(case: Case) -> None:
    check_pairs(case.tree)


@pytest.mark.parametrize("case", ["folder"], indirect=True)
def test_what_cannot_stream_says_so_before_it_starts(case: Case) -> None:
    for method in ("nuts", "smc"):
        with pytest.raises(ResourceError, match="rows of .* in memory: .* GiB"):
            bg.sample(case.data, 2, method=method)
    with pytest.raises(ResourceError, match="a user's own model"):
        bg.sample(case.data, model=bg.build_model(values()[:30], 2))
    for verb in (bg.membership, bg.density, bg.extend, bg.smc_evidence):
        with pytest.raises(ConfigError, match=r"keeps 20000 of .* in_memory=True"):
            verb(case.tree)
    for criterion in (bg.loo, bg.waic, bg.loo_with_refits):
        with pytest.raises(ConfigError, match=r"second argument; .* GiB .* in_memory=True"):
            criterion(case.tree)
    with pytest.raises(ConfigError, match="rows must be those that the posterior was sampled from"):
        bg.extend(case.tree, rows=as_dataset(values()[:50]))


def test_many_pareto_k_are_a_histogram_that_names_the_worst_rows() -> None:
    k = np.linspace(-0.2, 0.69, 100_002)
    k[[7, 90_000]] = 0.9, 1.4
    plot = bg.plots.pareto_k(SimpleNamespace(pareto_k=k))
    counts = sum(patch.get_height() for patch in plot.ax.patches)
    assert counts == len(k)
    said = [text.get_text() for text in plot.figure.findobj(Text)]
    assert any("2 rows, highest in rows 90000, 7" in text for text in said)
