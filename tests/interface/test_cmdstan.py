"""Draws of the same model by CmdStan: its own files through cmdstanpy and ArviZ to `adopt`."""

import json

import arviz as az
import cmdstanpy
import numpy as np
import pytest
import xarray as xr

import bayesgmm as bg
from bayesgmm.data import Dataset, as_dataset
from bayesgmm.elpd.predictive import relative_efficiency
from bayesgmm.errors import ConfigError
from tests.reference.cmdstan.make_draws import CHAINS, FAITHFUL, HERE, SPEC, stan_data

FILES = [HERE / f"chain_{chain}.csv" for chain in CHAINS]


@pytest.fixture(scope="module")
def rows():
    return as_dataset(json.loads((HERE / "data.json").read_text())["x"])


@pytest.fixture(scope="module")
def written():
    """The tree as ArviZ makes it of CmdStan's files."""
    return az.from_cmdstanpy(cmdstanpy.from_csv(FILES), log_likelihood="log_lik")


@pytest.fixture(scope="module")
def adopted(written, rows):
    return bg.adopt(written, rows, SPEC)


@pytest.fixture(scope="module")
def relabelled(adopted):
    return bg.relabel(adopted)


@pytest.fixture(scope="module")
def ours(rows):
    return bg.sample(rows, SPEC, seed=1)


def test_the_files_are_of_this_model_and_name_their_program():
    rows = as_dataset(Dataset.from_csv(FAITHFUL).values[::8])
    assert json.loads((HERE / "data.json").read_text()) == stan_data(rows, SPEC)
    for path in FILES:
        said = [line for line in path.read_text().splitlines() if line.startswith("#")]
        assert "# stan_version_major = 2" in said
        assert not [line for line in said if "/" in line]


def test_log_likelihood_and_prior_are_those_of_stan(written, adopted):
    theirs, ours = (tree["log_likelihood"] for tree in (written, adopted))
    np.testing.assert_allclose(ours["x"].values, theirs["log_lik"].values, rtol=1e-6, atol=1e-6)
    prior = sum(term.values.sum(axis=tuple(range(2, term.ndim))) for term in _log_prior(adopted))
    # For D = 2 the densities of a row of the Cholesky factor and of the Beta variable differ by 2.
    expected = written["posterior"]["log_prior"].values + SPEC.n_components * np.log(2.0)
    np.testing.assert_allclose(prior, expected, atol=1e-5)


def _log_prior(tree):
    return tree["log_prior"].to_dataset().data_vars.values()


@pytest.mark.parametrize("left_out", [("scales", "correlations"), ("covariances",)])
def test_either_way_to_name_covariances_will_do(left_out, written, adopted, rows):
    given = written.copy()
    given["posterior"] = xr.DataTree(written["posterior"].to_dataset().drop_vars(left_out))
    tree = bg.adopt(given, rows, SPEC)
    for name in ("means", "scales", "covariances", "correlations"):
        np.testing.assert_allclose(
            tree["posterior"][name], adopted["posterior"][name], rtol=1e-5, atol=1e-6
        )


def test_labels_of_the_second_chain_are_exchanged_back(adopted, relabelled):
    first, second = adopted["posterior"]["means"].mean("draw").values[:, :, 1]
    assert first[0] < first[1] and second[0] > second[1]
    draws = relabelled["posterior"]["means"].isel(feature=1)
    assert (draws.isel(cluster=0) < draws.isel(cluster=1)).mean() > 0.99


def test_the_posterior_is_that_of_our_sampler(relabelled, ours):
    theirs, table = bg.summarize(relabelled), bg.summarize(ours)
    assert theirs.index.equals(table.index)
    gap = (theirs["mean"] - table["mean"]).abs()
    assert (gap <= 4.0 * np.hypot(theirs["mcse_mean"], table["mcse_mean"])).all()


def test_every_verb_takes_them(written, relabelled, ours):
    verdict = bg.diagnose(relabelled)
    assert verdict.statistics["chains"] == 2 and verdict.statistics["divergences"] == 0
    (reason,) = verdict.reasons  # 400 draws are few; nothing else is wrong with them
    assert reason.startswith("the effective sample size is")
    relative = relative_efficiency(relabelled)
    with pytest.warns(UserWarning, match="Estimated shape parameter of Pareto"):
        theirs = az.loo(written, var_name="log_lik", reff=relative)  # of Stan's own log likelihood
    assert bg.loo(relabelled).elpd == pytest.approx(theirs.elpd, abs=1e-5)
    one, other = (bg.log_evidence(tree, seed=1) for tree in (relabelled, ours))
    assert abs(one.value - other.value) < 4.0 * np.hypot(one.error, other.error)
    soft, own = (bg.membership(tree)["mean"].values for tree in (relabelled, ours))
    np.testing.assert_allclose(soft, own, atol=0.025)  # 4 errors of a sd of 0.1 over 300 draws


def test_rows_of_other_data_are_refused(written, faithful):
    other = faithful.values[1::8][: written["log_likelihood"]["log_lik"].shape[2]]
    with pytest.raises(ConfigError, match="log likelihood in the tree is not that of the spec"):
        bg.adopt(written, other, SPEC)
    with pytest.raises(ConfigError, match="is not one value for each of the 272 rows"):
        bg.adopt(written, faithful, SPEC)


def test_statistics_of_the_warmup_are_refused_until_they_are_cut_off(written, adopted, rows):
    """Of files with save_warmup=1 ArviZ makes this: warmup in sample_stats, none in posterior."""
    given, said = written.copy(), written["sample_stats"].to_dataset()
    warmup = said.isel(draw=slice(50)).assign(diverging=~said["diverging"].isel(draw=slice(50)))
    longer = xr.concat([warmup, said], "draw").assign_coords(draw=np.arange(250))
    given["sample_stats"] = xr.DataTree(longer)
    with pytest.raises(ConfigError, match=r"2 chains of 250 draws .* 2 of 200; .*warmup: "):
        bg.adopt(given, rows, SPEC)
    given["sample_stats"] = given["sample_stats"].isel(draw=slice(-200, None))
    stats = bg.adopt(given, rows, SPEC)["sample_stats"]
    np.testing.assert_array_equal(stats["diverging"], adopted["sample_stats"]["diverging"])
    np.testing.assert_array_equal(stats["energy"], adopted["sample_stats"]["energy"])


def test_draws_under_other_names_are_refused(written, rows):
    given = written.copy()
    given["posterior"] = xr.DataTree(written["posterior"].to_dataset().rename(means="mu"))
    with pytest.raises(ConfigError, match=r"lacks 'means' with axes .*it has .*'mu'"):
        bg.adopt(given, rows, SPEC)
