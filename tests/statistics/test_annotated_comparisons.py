"""What follows from draws, and comparisons, where more is known of rows than their values."""

import math

import numpy as np
import pytest
import xarray as xr

import bayesgmm as bg
from bayesgmm.errors import ConfigError
from bayesgmm.evidence import nobile_step
from bayesgmm.labels import cluster_quantities, label_free_quantities
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.mcmc_error import chain_statistics
from tests.support.few_annotated_rows import INDEPENDENT, enumerated, known
from tests.support.few_rows import FIXED

pytestmark = pytest.mark.filterwarnings("ignore::bayesgmm.errors.DataWarning")


def with_one_component(data):
    """The log evidence of one component with independent features, nats."""
    rows, facts = data.values, data.annotations
    times = np.ones(len(rows), int) if facts.weights is None else facts.weights.astype(int)
    return enumerated(rows, times, np.ones((len(rows), 1), bool), facts.errors)


@pytest.mark.slow
def test_more_draws_of_annotated_rows_are_of_the_same_posterior():
    data, _ = known("missing", "weights", "labels", "errors")
    run = bg.sample(data, INDEPENDENT, draws=1000, seed=3)
    tree = bg.extend(run, 600, seed=4)
    xr.testing.assert_identical(tree["observed_data"].ds, run["observed_data"].ds)
    assert tree.attrs["data"] == run.attrs["data"]
    for quantities in (label_free_quantities, cluster_quantities):
        for one, two in zip(quantities(Draws(tree)), quantities(Draws(run)), strict=True):
            error = math.hypot(
                chain_statistics(one.values).mcse_mean, chain_statistics(two.values).mcse_mean
            )
            apart = abs(one.values.mean() - two.values.mean())
            assert apart == 0.0 or apart < 4 * error, one.name


@pytest.mark.slow
def test_particles_and_chains_of_annotated_rows_are_of_one_posterior():
    data, _ = known("missing", "weights", "errors")
    run = bg.sample(data, INDEPENDENT, draws=1000, seed=3)
    particles = bg.sample(data, INDEPENDENT, draws=500, chains=16, method="smc", seed=1)
    for one, two in zip(*(label_free_quantities(Draws(t)) for t in (particles, run)), strict=True):
        of_runs = one.values.mean(axis=1).std(ddof=1) / 4.0
        error = math.hypot(of_runs, chain_statistics(two.values).mcse_mean)
        apart = abs(one.values.mean() - two.values.mean())
        assert apart == 0.0 or apart < 4 * error, one.name


@pytest.mark.slow
def test_nobiles_identity_counts_rows_and_leaves_cells_out():
    data, two = known("missing", "weights")
    step = nobile_step(Draws(bg.sample(data, INDEPENDENT, draws=2000, seed=11)))
    assert step.usable and step.error < 0.1
    assert abs(step.value - (two - with_one_component(data))) < 4 * step.error


def test_no_mixture_has_fewer_components_than_classes():
    data, _ = known("labels")
    posterior = bg.sample(data, INDEPENDENT, draws=20, tune=100, seed=1)
    with pytest.raises(ConfigError, match="one component fewer, and there is no such mixture"):
        nobile_step(Draws(posterior))


@pytest.mark.filterwarnings("ignore::bayesgmm.errors.DegeneracyWarning")
def test_a_comparison_of_rows_with_missing_cells_and_errors_is_complete():
    data, two = known("missing", "errors")
    comparison = bg.compare(
        data, (1, 2), covariance="diag", priors=FIXED, resolution=0, draws=500, seed=1
    )
    assert not comparison.failures
    one = with_one_component(data)
    for k, expected in ((1, one), (2, two)):
        row = comparison.table.loc[k]
        for route in ("bridge", "smc"):
            value, error = row[f"log_evidence_{route}"], row[f"log_evidence_{route}_error"]
            assert error < 0.05 and abs(value - expected) < 4 * error
        assert np.isfinite([row["bic"], row["elpd_loo"], row["elpd_waic"], row["se_loo"]]).all()
    shares = comparison.table["probability"]
    error = comparison.table["probability_error"].iloc[0]
    assert abs(shares[1] - 1.0 / (1.0 + math.exp(two - one))) < 4 * error
    assert "K = " in comparison.chosen().reason
