"""NUTS on the fused density: against Stan, for every structure, reproducible, interruptible.

Tolerances: means within 4 combined Monte Carlo errors, standard deviations within 5 % (about 3.5
Monte Carlo errors of an sd at the 4,000 draws used here).
"""

import gc
import json
import os
import signal
import threading
import weakref

import arviz as az
import numpy as np
import pymc as pm
import pytest
from matplotlib import pyplot
from numba.core import event

from bayesgmm.errors import (
    ConfigError,
    DataError,
    DataWarning,
    ResourceError,
    SamplingInterrupted,
)
from bayesgmm.likelihood.chain_density import ChainDensity
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.model.components import SAMPLED, STRUCTURES
from bayesgmm.model.pymc_model import build_model
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import MixtureSpec, Priors
from bayesgmm.posterior.tree import attribute
from bayesgmm.sampling import methods, nutpie_model, sample
from bayesgmm.sampling.chain_starts import plain_starts
from tests.support.places import REFERENCE

STAN_PRIORS = Priors(
    mean_location=0.0, mean_scale=2.0, scale_family="halfnormal", scale=2.0, units="data"
)


@pytest.fixture(scope="module")
def stan():
    return json.loads((REFERENCE / "stan_faithful_k2.json").read_text())


@pytest.fixture(scope="module")
def tree(standardised_faithful):
    spec = MixtureSpec(2, priors=STAN_PRIORS, resolution=0)
    with pytest.warns(DataWarning, match="'x1', 'x2' hold ties"):
        return sample(standardised_faithful, spec, draws=2000, seed=20260101)


def stan_quantities(tree):
    """The tree's draws under the names of the Stan reference."""
    posterior = tree["posterior"]
    for k in range(2):
        yield f"w[{k + 1}]", posterior["weights"][..., k]
        for d in range(2):
            yield f"mu[{k + 1},{d + 1}]", posterior["means"][..., k, d]
            yield f"sd[{k + 1},{d + 1}]", posterior["scales"][..., k, d]
        yield f"corr[{k + 1},2,1]", posterior["correlations"][..., k, 0]
    yield "loglik", tree["sample_stats"]["log_likelihood"]


def test_agrees_with_stan(tree, stan):
    expected = {**stan["parameters"], "loglik": stan["loglik"]}
    for name, draws in stan_quantities(tree):
        theirs = expected[name]
        error = np.hypot(float(az.mcse(draws)), theirs["mcse_mean"])
        assert abs(float(draws.mean()) - theirs["mean"]) <= 4.0 * error, name
        assert float(draws.std()) / theirs["sd"] == pytest.approx(1.0, abs=0.05), name


def test_log_density_of_the_draws_is_the_pymc_model(tree, standardised_faithful):
    """lp, log_prior and log_likelihood of the tree are those of `build_model`, data units."""
    spec = MixtureSpec(2, priors=STAN_PRIORS, resolution=0)
    model = build_model(standardised_faithful, spec)
    few = tree.isel(draw=slice(0, 5))
    with model:
        theirs = pm.compute_log_likelihood(
            few.copy(), progressbar=False, extend_inferencedata=False
        )
    np.testing.assert_allclose(theirs["x"], few["log_likelihood"]["x"], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(
        few["log_likelihood"]["x"].sum("obs"), few["sample_stats"]["log_likelihood"], rtol=1e-10
    )
    point = {name: few["posterior"][name].values[0, 0] for name in FREE}
    log_prior = sum(float(few["log_prior"][name].values[0, 0]) for name in FREE)
    densities = [pm.logp(model[name], point[name]).eval().sum() for name in FREE]
    assert log_prior == pytest.approx(sum(densities), rel=1e-10)


FREE = ("weights", "means", "scales_free", "partial_correlations_beta")


@pytest.mark.parametrize("covariance", SAMPLED)
def test_every_structure_samples_and_is_laid_out(covariance, iris):
    tree = sample(iris, MixtureSpec(2, covariance), draws=60, tune=200, chains=2, seed=5)
    posterior = tree["posterior"]
    structure = STRUCTURES[covariance]
    assert posterior["weights"].dims == ("chain", "draw", "cluster")
    assert posterior["covariances"].dims[2:] == ("cluster", "feature", "feature_bis")
    assert ("correlations" in posterior) == structure.has_correlations(2)
    assert posterior["cluster"].values.tolist() == [1, 2]
    assert ("cluster" in posterior["scales_free"].dims) == (structure.scales == "own")
    assert ("feature" in posterior["scales_free"].dims) != structure.one_scale
    covariances = posterior["covariances"].values
    h = tree["constant_data"]["resolution"].values
    variances = np.einsum("...dd->...d", covariances)
    np.testing.assert_allclose(variances, posterior["scales"].values ** 2 + h**2, rtol=1e-12)
    if structure.scales == "shared":
        np.testing.assert_allclose(variances[:, :, 0], variances[:, :, 1], rtol=1e-14)
    if structure.correlations == "shared":
        correlations = posterior["correlations"].values
        np.testing.assert_allclose(correlations[:, :, 0], correlations[:, :, 1], rtol=1e-14)
    if structure.one_scale:
        assert np.ptp(posterior["scales"].values, axis=-1).max() < 1e-12
    assert tree["log_likelihood"]["x"].shape == (2, 60, 150)
    assert attribute(tree, "seed") == 5


def test_one_component_in_one_dimension(galaxies):
    tree = sample(galaxies, 1, draws=50, tune=200, seed=1)
    np.testing.assert_array_equal(tree["posterior"]["weights"], 1.0)
    assert "correlations" not in tree["posterior"]


def test_same_seed_same_draws_for_any_number_of_cores(faithful):
    options = {"draws": 40, "tune": 150, "chains": 3, "seed": 7}
    first = sample(faithful, 2, cores=1, **options)
    again = sample(faithful, 2, cores=2, **options)
    other = sample(faithful, 2, cores=2, **{**options, "seed": 8})
    for name in first["posterior"].data_vars:
        np.testing.assert_array_equal(first["posterior"][name], again["posterior"][name])
    assert not np.array_equal(first["posterior"]["means"], other["posterior"]["means"])


def test_nothing_is_compiled_for_other_data_or_another_k(faithful, iris):
    """After one call, other K, other data and other structures run the same compiled code."""
    sample(faithful, 2, draws=5, tune=20, chains=1, seed=1)
    compiled = []

    class Recorder(event.Listener):
        def on_start(self, event):
            compiled.append(event.data["dispatcher"].py_func.__name__)

        def on_end(self, event):
            pass

    recorder = Recorder()
    event.register("numba:compile", recorder)
    try:
        sample(iris, MixtureSpec(3, "tied"), draws=5, tune=20, chains=1, seed=1)
        sample(faithful, 4, draws=5, tune=20, chains=1, seed=1)
    finally:
        event.unregister("numba:compile", recorder)
    assert compiled == []


def test_a_seed_is_drawn_and_stored(galaxies):
    tree = sample(galaxies, 1, draws=10, tune=50)
    again = sample(galaxies, 1, draws=10, tune=50, seed=attribute(tree, "seed"))
    np.testing.assert_array_equal(tree["posterior"]["means"], again["posterior"]["means"])


def test_chains_start_apart(galaxies):
    """Both modes of K = 2 on the galaxies are starts; R-hat can fail."""
    tree = sample(galaxies, 2, draws=300, seed=3, relabel=None)
    levels = tree["sample_stats"]["log_likelihood"].mean("draw").values
    assert np.ptp(levels) > 0.3


def test_falls_back_to_the_public_door(monkeypatch, faithful):
    posterior = LogPosterior(resolve(MixtureSpec(1), faithful), faithful.values)
    monkeypatch.setattr(nutpie_model, "takes_c_functions", lambda: False)
    (start,) = plain_starts(np.zeros((1, posterior.dim)))
    model = nutpie_model.nutpie_model(posterior, start)
    assert type(model).__name__ == "PyFuncModel"


def test_works_with_arviz_as_it_is(tree):
    assert az.summary(tree, var_names=["weights", "means"])["r_hat"].astype(float).max() < 1.02
    assert az.loo(tree).elpd == pytest.approx(-395.92, abs=0.3)
    assert az.psense_summary(tree, var_names=["weights"]).shape[0] == 2
    figure = az.plot_trace_dist(tree, var_names=["weights"]).viz["figure"].item()
    assert figure.axes
    pyplot.close(figure)


@pytest.mark.slow
def test_a_users_own_model(galaxies):
    model = build_model(galaxies, MixtureSpec(2, "tied"))
    tree = sample(galaxies, model=model, draws=100, tune=300, chains=2, seed=1)
    assert attribute(tree, "resolved") is None
    assert tree["log_likelihood"]["x"].shape == (2, 100, 82)
    means = tree["posterior"]["means"].values
    assert np.all(means[:, :, 0, 0] < means[:, :, 1, 0])


def test_a_users_model_without_our_names_is_refused(faithful):
    with pm.Model(coords={"cluster": [0, 1]}) as model:
        pm.Dirichlet("weights", [1.0, 1.0], dims="cluster")
    with pytest.raises(ConfigError, match="needs a variable 'means'"):
        sample(faithful, model=model)


@pytest.fixture
def interruptible():
    """Let SIGINT interrupt, as in a terminal: workers that run tests side by side ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_interruption_keeps_the_draws(faithful):
    pending = threading.Event()

    def interrupt(chain, done, total):
        if done > 400 and not pending.is_set():
            pending.set()
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(SamplingInterrupted, match="interrupted after") as caught:
        sample(
            faithful, 3, draws=200_000, tune=200, seed=1, log_likelihood=False, progress=interrupt
        )
    partial = caught.value.partial
    assert attribute(partial, "status") == "interrupted"
    assert np.all(np.isfinite(partial["posterior"]["means"]))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"draws": 0}, ConfigError, "draws must be an integer >= 1, got 0"),
        ({"chains": 1.5}, ConfigError, "chains must be an integer >= 1, got 1.5"),
        ({"spec": 0}, ConfigError, "n_components must be an integer >= 1, got 0"),
        ({"spec": None}, ConfigError, "needs a spec"),
        ({"spec": 400}, DataError, "400"),
        ({"draws": 10**8}, ResourceError, "log_likelihood=False"),
    ],
)
def test_wrong_arguments(faithful, options, error, message):
    with pytest.raises(error, match=message):
        sample(faithful, **{"spec": 2, **options})


def test_chains_start_from_the_prior_where_no_mode_is_found(galaxies, monkeypatch):
    monkeypatch.setattr(methods, "find_modes", lambda *args: [])
    tree = sample(galaxies, 1, draws=50, tune=300, seed=1)
    assert tree["posterior"]["means"].mean().item() == pytest.approx(20.8, abs=1.0)


def test_a_concentration_below_one_is_sampled():
    """In the unconstrained coordinates a weight of 0 is no pole; `fit_map` has no mode there.

    One group of 40 rows, two components: by sequential Monte Carlo the smaller weight is below
    0.02 in as many draws.
    """
    rows = np.random.default_rng(3).normal(size=(40, 1))
    spec = MixtureSpec(2, priors=Priors(concentration=0.3))
    shares, errors = [], []
    for method in ("nuts", "smc"):
        tree = sample(rows, spec, draws=2000, seed=1, method=method, relabel=None)
        emptied = (tree["posterior"]["weights"].min("cluster") < 0.02).astype(float)
        shares.append(float(emptied.mean()))
        errors.append(float(az.mcse(emptied)))
    assert abs(shares[0] - shares[1]) < 4.0 * np.hypot(*errors)
    assert 0.2 < shares[0] < 0.9


def test_the_arrays_whose_addresses_a_chain_reads_are_kept(faithful):
    """Two chains in threads may each build the target's arrays: one pair is let go by it."""
    target = LogPosterior(resolve(MixtureSpec(2), faithful), faithful.values)
    density = ChainDensity(target, np.zeros(target.dim), np.empty((0, 0)))
    address, kept = int(density.c_data[1]), weakref.ref(target.flat)
    del target.__dict__["flat"], target.__dict__["_compiled"]
    gc.collect()
    assert kept() is not None and kept().ctypes.data == address
