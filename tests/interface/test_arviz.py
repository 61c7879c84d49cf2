"""ArviZ's own verbs on our results: no warning, and predictive checks of one feature."""

import warnings
from pathlib import Path

import arviz as az
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib import pyplot as plt
from scipy.stats import kstest

import bayesgmm as bg
from bayesgmm.errors import ConfigError, ResultFileError
from tests.support.places import ROOT


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return pd.read_csv(ROOT / "models/data/faithful.csv")


@pytest.fixture(scope="module")
def tree(frame: pd.DataFrame) -> xr.DataTree:
    return bg.sample(frame, 2, draws=300, tune=300, seed=1)


@pytest.mark.parametrize(
    "spec",
    [
        bg.MixtureSpec(2),
        bg.MixtureSpec(3, "tied"),
        bg.MixtureSpec(2, family="t", nu=4.0),
        bg.MixtureSpec(1, noise="uniform"),
    ],
    ids=str,
)
def test_summary_and_traces_say_nothing(frame: pd.DataFrame, spec: bg.MixtureSpec) -> None:
    posterior = bg.sample(frame, spec, draws=100, tune=200, seed=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = az.summary(posterior)
        az.plot_trace_dist(posterior, var_names=["means", "scales"])
    assert "means[1, waiting]" in table.index
    plt.close("all")


@pytest.mark.parametrize("feature", ["eruptions", "waiting"])
def test_loo_pit_of_one_feature_is_uniform(tree: xr.DataTree, feature: str) -> None:
    checked = bg.posterior_predictive(tree, 1200, seed=1, feature=feature)
    assert checked.posterior_predictive.x.dims == ("chain", "draw", "obs")
    assert checked.posterior_predictive.x.shape == checked.log_likelihood.x.shape
    values = az.loo_pit(checked)["x"].values
    assert values.shape == (272,) and kstest(values, "uniform").pvalue > 0.001
    az.plot_loo_pit(checked)
    plt.close("all")


def test_replicates_of_one_feature_are_those_of_the_whole(tree: xr.DataTree) -> None:
    whole = bg.posterior_predictive(tree, 80, seed=2)
    one = bg.posterior_predictive(tree, 80, seed=2, feature="waiting")
    xr.testing.assert_equal(
        one.posterior_predictive.x, whole.posterior_predictive.x.sel(feature="waiting", drop=True)
    )
    assert one.posterior.sizes["draw"] == one.log_likelihood.sizes["draw"] == 20
    np.testing.assert_array_equal(one.posterior.draw, whole.posterior_predictive.draw)
    with pytest.raises(ConfigError, match="feature must be one of eruptions, waiting, got 'width'"):
        bg.posterior_predictive(tree, 80, feature="width")


def test_rows_where_the_feature_is_missing_are_left_out(frame: pd.DataFrame) -> None:
    values = frame.copy()
    values.loc[[3, 7], "waiting"] = np.nan
    data = bg.Dataset.from_frame(values, missing="mar")
    posterior = bg.sample(data, 1, draws=100, tune=100, seed=1)
    one = bg.posterior_predictive(posterior, 400, seed=1, feature="waiting")
    assert one.observed_data.sizes["obs"] == one.log_likelihood.sizes["obs"] == 270
    assert np.isfinite(az.loo_pit(one)["x"].values).all()
    counted = bg.Dataset.from_frame(frame.assign(n=2.0), weights="n", weights_kind="frequency")
    posterior = bg.sample(counted, 1, draws=50, tune=100, seed=1)
    with pytest.raises(ConfigError, match="these have weights; leave feature out"):
        bg.posterior_predictive(posterior, 100, feature="waiting")


def test_zarr_is_refused_by_name(tree: xr.DataTree, tmp_path: Path) -> None:
    with pytest.raises(ResultFileError, match="netCDF, the one format: name the file .*run.nc'"):
        bg.save(tree, tmp_path / "run.zarr")
    (tmp_path / "other.zarr").mkdir()
    with pytest.raises(ResultFileError, match="names a zarr store"):
        bg.load(tmp_path / "other.zarr")


def test_a_file_takes_less_than_its_arrays_and_gives_them_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(1000, 2)) + rng.integers(0, 2, (1000, 1)) * 6
    posterior = bg.sample(rows, 2, draws=500, tune=300, chains=2, seed=1)
    stored = posterior.log_likelihood.x
    file = bg.save(posterior, tmp_path / "run.nc")
    assert file.stat().st_size < 0.65 * stored.nbytes
    assert bg.load(file).log_likelihood.x.equals(stored)
    total = posterior.sample_stats.log_likelihood
    np.testing.assert_allclose(stored.sum("obs"), total, rtol=0, atol=1e-7)


def test_a_comparison_without_log_likelihoods_has_its_criteria(frame: pd.DataFrame) -> None:
    options = {"draws": 100, "tune": 200, "evidence": "none", "seed": 1}
    lean = bg.compare(frame, [1, 2], log_likelihood=False, **options)
    full = bg.compare(frame, [1, 2], **options)
    pd.testing.assert_frame_equal(
        lean.table.drop(columns="seconds"), full.table.drop(columns="seconds")
    )
    assert "log_likelihood" not in lean.posteriors[2] and "log_likelihood" in full.posteriors[2]
    with pytest.raises(ConfigError, match="log_likelihood must be True or False"):
        bg.compare(frame, log_likelihood="float32")  # type: ignore[arg-type]
