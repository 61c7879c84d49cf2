"""Going on from a run: what crosses between modes must cross in the right proportion."""

import numpy as np
import pytest

from bayesgmm.diagnosis import RunStatus, diagnose
from bayesgmm.errors import ConfigError, SamplingError
from bayesgmm.evidence import extend
from bayesgmm.labels import cluster_quantities, label_free_quantities
from bayesgmm.model.spec import MixtureSpec, Priors
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.mcmc_error import chain_statistics
from bayesgmm.posterior.tree import attribute
from bayesgmm.sampling import sample
from tests.support.few_rows import EIGHT, FIXED
from tests.support.galaxies import GALAXIES, in_small_mode


def assert_same_means(tree, other, quantities):
    """Every mean of one run lies within 4 combined Monte Carlo errors of the other's."""
    for one, two in zip(quantities(Draws(tree)), quantities(Draws(other)), strict=True):
        error = np.hypot(
            chain_statistics(one.values).mcse_mean, chain_statistics(two.values).mcse_mean
        )
        assert abs(one.values.mean() - two.values.mean()) < 4 * error, one.name


def test_modes_that_nuts_never_crosses_get_their_weights(galaxies):
    run = sample(galaxies, 2, seed=1)
    assert diagnose(run).status is RunStatus.CHAINS_DISAGREE
    tree = extend(run, seed=1)
    verdict = diagnose(tree)
    assert verdict.status is RunStatus.CONVERGED and len(verdict.modes) == 1
    small = in_small_mode(tree).astype(float)
    error = np.hypot(chain_statistics(small).mcse_mean, GALAXIES["small_mode_weight_error"])
    assert error < 0.004
    assert abs(small.mean() - GALAXIES["small_mode_weight"]) < 4 * error


def test_overlapping_labels_are_counted_right():
    run = sample(EIGHT[:, None], MixtureSpec(2, priors=FIXED, resolution=0), seed=11)
    assert_same_means(extend(run, seed=2), run, label_free_quantities)


def test_labels_that_the_prior_tells_apart_stay_told_apart():
    priors = Priors(
        concentration=(3.0, 1.0), mean_location=0.5, scale=0.7, scale_sigma=0.6, units="data"
    )
    spec = MixtureSpec(2, priors=priors, resolution=0)
    run = sample(EIGHT[:, None], spec, seed=12, draws=2000)
    tree = extend(run, 1000, seed=3)
    assert_same_means(tree, run, label_free_quantities)
    assert_same_means(tree, run, cluster_quantities)
    assert attribute(tree, "relabelling")["method"] is None


def test_the_result_is_laid_out_as_the_run_was(galaxies):
    run = sample(galaxies, 2, seed=1, draws=200, tune=300, relabel="ecr")
    tree, again = extend(run, 30, seed=4), extend(run, 30, seed=4)
    assert set(tree.children) == set(run.children)
    assert tree["posterior"].sizes == {**run["posterior"].sizes, "draw": 30}
    np.testing.assert_array_equal(
        tree["posterior"]["means"].values, again["posterior"]["means"].values
    )
    total = tree["log_likelihood"]["x"].sum("obs").values
    np.testing.assert_allclose(total, tree["sample_stats"]["log_likelihood"].values)
    for name in ("spec", "resolved", "data", "seed", "sampler", "status"):
        assert attribute(tree, name) == attribute(run, name)
    extension = attribute(tree, "extension")
    assert (extension["draws"], extension["seed"]) == (30, 4)
    assert 0.0 < extension["accepted"] < 1.0
    assert attribute(tree, "relabelling")["method"] == "ecr"
    raw = sample(galaxies, 2, seed=1, draws=100, tune=300, relabel=None, log_likelihood=False)
    tree = extend(raw, 5)
    assert attribute(tree, "relabelling") is None and "log_likelihood" not in tree


def test_what_cannot_be_gone_on_from_is_refused(galaxies):
    run = sample(galaxies, 1, seed=1, draws=50, tune=100)
    with pytest.raises(ConfigError, match="draws must be an integer >= 1, got 0"):
        extend(run, 0)
    broken = run.copy(deep=True)
    broken["posterior"]["means"].values[1] = np.nan
    with pytest.raises(SamplingError, match="chain 1 is not finite"):
        extend(broken)
    del run.attrs["resolved"]
    with pytest.raises(ConfigError, match="user's own model"):
        extend(run)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_the_verdict_on_a_superfluous_cluster_is_that_of_a_run_ten_times_as_long(faithful, seed):
    """Three places for a third cluster: NUTS alone does not do, and says so."""
    run = sample(faithful, 3, seed=seed, log_likelihood=False)
    assert not diagnose(run).ok
    tree, longer = extend(run, seed=seed), extend(run, 10_000, seed=100 + seed)
    assert diagnose(tree).status is diagnose(longer).status is RunStatus.CONVERGED
    assert_same_means(tree, longer, label_free_quantities)
