"""Clusters carry the names that the user gives them, features their units: everywhere."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import xarray as xr
from matplotlib.text import Text

import bayesgmm as bg
from bayesgmm.comparison import Comparison
from bayesgmm.errors import ConfigError
from tests.support.places import ROOT

NAMES = ["short", "long"]
UNITS = {"eruptions": "min", "waiting": "hours"}


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return pd.read_csv(ROOT / "models/data/faithful.csv")


@pytest.fixture(scope="module")
def data(frame: pd.DataFrame) -> bg.Dataset:
    return bg.Dataset.from_frame(frame, units=UNITS)


@pytest.fixture(scope="module")
def tree(data: bg.Dataset) -> xr.DataTree:
    return bg.sample(data, 2, cluster_names=NAMES, draws=200, tune=300, seed=1)


@pytest.fixture(scope="module")
def comparison(data: bg.Dataset) -> Comparison:
    return bg.compare(data, [1, 2], draws=200, tune=300, evidence="none", seed=1)


def words(drawn: bg.Plot) -> str:
    return " | ".join(text.get_text() for text in drawn.figure.findobj(Text))


def test_names_are_in_tables(tree: xr.DataTree) -> None:
    index = bg.summarize(tree).index
    assert index[:2].tolist() == ["weights[short]", "weights[long]"]
    assert "means[long, waiting]" in index
    assert bg.membership(tree, [2.0, 50.0])["most_probable"].values.tolist() == ["short"]
    assert bg.simulate(tree, 5, seed=1)["cluster"].dtype.kind == "U"


def test_names_and_units_are_in_plots(tree: xr.DataTree, data: bg.Dataset) -> None:
    for drawn in (bg.plots.forest(tree), bg.plots.traces(tree), bg.plots.density_2d(tree)):
        assert "short" in words(drawn), drawn
    shown = words(bg.plots.density_2d(tree))
    assert "eruptions (min)" in shown and "waiting (hours)" in shown
    fit = bg.fit_em(data, 2, seed=1, n_starts=2, cluster_names=NAMES)
    shown = words(bg.plots.density_2d(fit, data))
    assert "eruptions (min)" in shown and "short" in shown
    assert "eruptions (min)" in words(bg.plots.prior_predictive(data, 2, seed=1))


def test_names_and_units_are_in_a_fit(data: bg.Dataset) -> None:
    fit = bg.fit_em(data, 2, seed=1, n_starts=2, cluster_names=NAMES)
    assert fit.to_dataframe().index.tolist() == NAMES
    for text in (repr(fit), fit._repr_html_()):
        assert "short" in text and "eruptions, min (sd)" in text and "waiting, hours" in text
    assert bg.fit_map(data, 2, seed=1, n_starts=2, cluster_names=NAMES).clusters == NAMES
    assert "waiting (hours)" in repr(data) and "waiting (hours)" in data._repr_html_()


def test_names_stay_with_a_result(tree: xr.DataTree, tmp_path: Path) -> None:
    bg.save(tree, tmp_path / "tree.nc")
    loaded = bg.load(tmp_path / "tree.nc")
    for each in (loaded, bg.extend(loaded, 20, seed=1), bg.relabel(loaded, "ecr")):
        assert each.posterior["cluster"].values.tolist() == NAMES
        assert json.loads(each.attrs["data"])["units"] == UNITS


def test_units_are_no_part_of_the_data(frame: pd.DataFrame, data: bg.Dataset) -> None:
    assert bg.Dataset.from_frame(frame).hash == data.hash
    with pytest.raises(ConfigError, match="units name 'mass', which is not among"):
        bg.Dataset.from_frame(frame, units={"mass": "g"})
    with pytest.raises(ConfigError, match="units must be a mapping"):
        bg.Dataset.from_frame(frame, units="min")  # type: ignore[arg-type]


def test_names_given_later(tree: xr.DataTree, comparison: Comparison) -> None:
    again = bg.name_clusters(tree, ["a", "b"])
    assert again.posterior["cluster"].values.tolist() == ["a", "b"]
    assert tree.posterior["cluster"].values.tolist() == NAMES
    named = bg.name_clusters(comparison, {2: NAMES})
    assert named.posteriors[2].posterior["cluster"].values.tolist() == NAMES
    assert named.fits[2].to_dataframe().index.tolist() == NAMES
    assert named.posteriors[1].posterior["cluster"].values.tolist() == [1]
    assert comparison.fits[2].to_dataframe().index.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["a"], "one name per cluster .2."),
        (["a", "a"], "must be different texts"),
        (["a", " "], "not empty"),
        (["a", "noise"], "not 'noise'"),
        (["a", 2], "must be text"),
        ("ab", "must be a list"),
        ({2: NAMES}, "are for a comparison"),
    ],
)
def test_names_that_are_none(tree: xr.DataTree, names: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        bg.name_clusters(tree, names)


def test_names_of_a_comparison_are_by_model(comparison: Comparison) -> None:
    with pytest.raises(ConfigError, match="a mapping of K to names"):
        bg.name_clusters(comparison, NAMES)
    with pytest.raises(ConfigError, match="name K = 3, and the comparison has K = 1, 2"):
        bg.name_clusters(comparison, {3: ["a", "b", "c"]})


def test_classes_keep_their_names(frame: pd.DataFrame) -> None:
    kinds = ["long" if value > 4.5 else None for value in frame["eruptions"]]
    data = bg.Dataset.from_frame(frame, labels=kinds)
    fit = bg.fit_em(data, 2, seed=1, n_starts=2, cluster_names=["long", "short"])
    assert fit.to_dataframe().index.tolist() == ["long", "short"]
    with pytest.raises(ConfigError, match="which cluster_names must start with"):
        bg.name_clusters(fit, NAMES)
