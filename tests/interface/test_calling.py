"""How functions are called: one name for one idea, and tables and rows of any usual kind."""

import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr

import bayesgmm as bg
from bayesgmm.errors import ArgumentError, ConfigError, DataError
from bayesgmm.fit import PointFit
from tests.support.places import ROOT

VERBS = {
    f"{space}{name}": found
    for space, home in (("", bg), ("plots.", bg.plots))
    for name in home.__all__
    if inspect.isfunction(found := getattr(home, name))
}


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return pd.read_csv(ROOT / "models/data/faithful.csv")


@pytest.fixture(scope="module")
def fit(frame: pd.DataFrame) -> PointFit:
    return bg.fit_em(frame, 2, seed=1, n_starts=4)


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_every_verb_names_its_own_argument(verb: Callable[..., Any]) -> None:
    with pytest.raises(ArgumentError, match="has no argument 'no_such_thing': it has ") as caught:
        verb(no_such_thing=1)
    assert isinstance(caught.value, TypeError) and isinstance(caught.value, ConfigError)
    if "seed" in inspect.signature(verb).parameters:
        with pytest.raises(ArgumentError, match="no argument 'random_state': use seed="):
            verb(random_state=1)


@pytest.mark.parametrize(
    ("verb", "given", "ours"),
    [
        (bg.fit_em, "covariance_type", "covariance"),
        (bg.fit_map, "n_components", "spec"),
        (bg.sample, "n_chains", "chains"),
        (bg.sample, "num_warmup", "tune"),
        (bg.compare, "n_jobs", "cores"),
        (bg.summarize, "hdi_prob", "prob"),
        (bg.membership, "X", "rows"),
        (bg.plots.forest, "fig_size", "figsize"),
        (bg.plots.forest, "palette", "colors"),
        (bg.save, "filename", "path"),
        (bg.Dataset.from_csv, "usecols", "columns"),
        (bg.sample, "chians", "chains"),
    ],
)
def test_what_others_call_it_leads_to_our_name(
    verb: Callable[..., Any], given: str, ours: str
) -> None:
    with pytest.raises(ArgumentError, match=f"{given}': use {ours}=") as caught:
        verb(**{given: 1})
    assert caught.value.meant == ours


def test_one_name_for_one_idea() -> None:
    names = {name for verb in VERBS.values() for name in inspect.signature(verb).parameters}
    before = {"fit_or_posterior", "n_data_sets", "count", "k", "covariances"}
    assert not names & before


def test_an_old_name_of_an_argument_serves_and_says_the_new_one(fit: PointFit) -> None:
    rows = [[2.0, 50.0]]
    with pytest.warns(FutureWarning, match="fit_or_posterior of membership is now posterior"):
        old = bg.membership(fit_or_posterior=fit, rows=rows)
    xr.testing.assert_equal(old, bg.membership(posterior=fit, rows=rows))
    with pytest.raises(ArgumentError, match="both are given"):
        bg.membership(posterior=fit, fit_or_posterior=fit)


def test_covariance_stands_beside_a_number_of_components(frame: pd.DataFrame) -> None:
    spec = bg.MixtureSpec(2, "tied")
    quick: dict[str, Any] = {"seed": 1, "n_starts": 2}
    assert bg.fit_em(frame, 2, covariance="EEE", **quick).spec == spec
    assert bg.fit_map(frame, 2, covariance="tied", **quick).spec == spec
    tree = bg.sample(frame, 2, covariance="tied", draws=20, tune=50, chains=1, seed=1)
    assert bg.posterior_predictive(tree, 1, seed=1).attrs["spec"] == tree.attrs["spec"]
    assert '"tied"' in tree.attrs["spec"]
    model = bg.build_model(frame, 2, covariance="tied_diag")
    assert "partial_correlations_beta" not in model.named_vars
    with pytest.raises(ConfigError, match="states its covariance itself"):
        bg.fit_em(frame, spec, covariance="tied")
    with pytest.raises(ConfigError, match="covariance must be 'full'"):
        bg.fit_em(frame, 2, covariance="tide")
    with pytest.raises(ConfigError, match="covariance has no effect beside model="):
        bg.sample(frame, model=model, covariance="tied")


@pytest.mark.filterwarnings("ignore:.* of 272 rows are duplicates")
def test_columns_choose_among_those_of_any_table(frame: pd.DataFrame) -> None:
    mixed = frame.assign(name="a", same=1.0)
    tables: dict[str, Any] = {
        "pandas": mixed,
        "polars": pl.from_pandas(mixed),
        "data set": bg.Dataset.from_frame(frame),
        "xarray": xr.Dataset.from_dataframe(frame),
    }
    expected = bg.fit_em(frame[["waiting"]], 2, seed=1, n_starts=2)
    for table in tables.values():
        found = bg.fit_em(table, 2, columns=["waiting"], seed=1, n_starts=2)
        assert found.features == ("waiting",) and found.data_hash == expected.data_hash
    of_array = bg.fit_em(frame.to_numpy(), 2, columns=["x2"], seed=1, n_starts=2)
    np.testing.assert_allclose(of_array.means, expected.means, rtol=1e-12)
    turned = bg.fit_em(frame, 2, columns=["waiting", "eruptions"], seed=1, n_starts=2)
    assert turned.features == ("waiting", "eruptions")
    with pytest.raises(DataError, match="no column 'waitin' of the data; did you mean 'waiting'"):
        bg.fit_em(tables["data set"], 2, columns=["waitin"])
    with pytest.raises(ConfigError, match="columns must be a list"):
        bg.compare(frame, columns="waiting")


def test_what_is_known_of_rows_stays_where_columns_are_chosen(frame: pd.DataFrame) -> None:
    values = frame.assign(n=1.0, s=0.1)
    values.loc[3, "waiting"] = np.nan
    known: dict[str, Any] = {"weights": "n", "weights_kind": "frequency"}
    known["errors"] = {"waiting": "s"}
    data = bg.Dataset.from_frame(values, missing="mar", units={"waiting": "min"}, **known)
    with pytest.warns(match="duplicates"):
        fit = bg.fit_em(data, 1, columns=["eruptions"], seed=1)
    assert fit.n_obs == 272 and fit.units == {}
    other = bg.fit_em(data, 1, columns=["waiting", "eruptions"], seed=1)
    assert other.units == {"waiting": "min"} and np.isfinite(other.log_likelihood)
    assert other.log_likelihood == pytest.approx(bg.fit_em(data, 1, seed=1).log_likelihood)


def test_one_row_is_a_row(frame: pd.DataFrame, fit: PointFit) -> None:
    expected = bg.membership(fit, frame.iloc[[5]])["mean"].values
    row = frame.iloc[5]
    named = pd.Series({"waiting": row["waiting"], "kind": "a", "eruptions": row["eruptions"]})
    given: list[Any] = [row, row.tolist(), tuple(row), row.to_numpy(), named, pl.Series(row)]
    for each in given:
        found = bg.membership(fit, each)
        np.testing.assert_array_equal(found["mean"].values, expected)
        assert found["obs"].values.tolist() == [0]
    assert bg.membership(fit, named.rename("day 6"))["obs"].values.tolist() == ["day 6"]
    with pytest.raises(DataError, match="must have the 2 features of the model"):
        bg.membership(fit, [1.0, 2.0, 3.0])
    with pytest.raises(DataError, match="no column 'eruptions'"):
        bg.membership(fit, pd.Series({"a": 1.0}))


@pytest.mark.filterwarnings("ignore:.* of 272 rows are duplicates")
def test_of_one_feature_a_list_holds_rows(frame: pd.DataFrame) -> None:
    fit = bg.fit_em(frame, 2, columns=["waiting"], seed=1, n_starts=2)
    values = frame["waiting"][:4]
    expected = bg.membership(fit, values.to_frame())["mean"].values
    for each in (values, values.tolist(), values.to_numpy(), pl.Series(values)):
        np.testing.assert_array_equal(bg.membership(fit, each)["mean"].values, expected)
    assert bg.membership(fit, frame.iloc[2])["mean"].shape == (1, 2)


def test_xarray_keeps_its_names_and_units(frame: pd.DataFrame) -> None:
    names = [f"day {i}" for i in range(len(frame))]
    coords = {"feature": list(frame.columns), "obs": names}
    table = xr.DataArray(frame.to_numpy(), coords, ("obs", "feature"), attrs={"units": "min"})
    expected = bg.fit_em(frame, 2, seed=1, n_starts=2)
    for each in (table, table.T):
        fit = bg.fit_em(each, 2, seed=1, n_starts=2)
        assert fit.features == ("eruptions", "waiting") and fit.units["waiting"] == "min"
        np.testing.assert_array_equal(fit.means, expected.means)
        tree = bg.sample(each, 1, draws=10, tune=20, chains=1, seed=1)
        assert tree.observed_data.obs.values.tolist() == names
    columns = table.to_dataset("feature")
    columns["waiting"].attrs["units"] = "minutes"
    assert bg.fit_em(columns, 2, seed=1, n_starts=2).units["waiting"] == "minutes"
    assert bg.membership(fit, table[:2])["obs"].values.tolist() == names[:2]
    plain = xr.DataArray(frame.to_numpy(), dims=("row", "column"))
    assert bg.fit_em(plain, 1, seed=1).features == ("x1", "x2")
    with pytest.raises(DataError, match="two dims"):
        bg.fit_em(table[0], 1)
    with pytest.raises(DataError, match="all lie along one dim"):
        bg.fit_em(xr.Dataset({"a": ("x", [1.0]), "b": ("y", [1.0, 2.0])}), 1)


def test_a_series_of_data_is_told_how_to_become_a_table(frame: pd.DataFrame) -> None:
    with pytest.raises(DataError, match=re.escape("one feature is data.to_frame()")):
        bg.fit_em(frame["waiting"], 2)
