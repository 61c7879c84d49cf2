"""Mixtures of t, contaminated or with noise: fits of other programs, posteriors, comparisons."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import bayesgmm as bg
from bayesgmm import MixtureSpec
from bayesgmm.data import as_dataset
from bayesgmm.errors import ConfigError, DataError
from bayesgmm.fit.em import Likelihood
from bayesgmm.fit.map import Posterior
from bayesgmm.fit.multistart import best_of_starts
from bayesgmm.likelihood.rows import Rows
from bayesgmm.model.components import STRUCTURES
from bayesgmm.model.resolving import resolve
from tests.support.few import few
from tests.support.places import DATA, REFERENCE

# Old Faithful, alone and with 20 strays on a grid of 5 by 4 over its box; full, K = 2, h = 0.
# Noise: mclust 6.0.0, VVV,2 with noise. t: teigen 2.2.2, whose degrees of freedom end at 200, and
# an independent program.
KNOWN = {
    "strays": {
        "noise": {"log_likelihood": -1269.188370, "noise": 0.138273},
        "t": {"log_likelihood": -1297.428417, "nu": [4.185, 4.185]},
        "t own": {"log_likelihood": -1297.153165, "nu": [9.981, 3.445]},
        "t 5": {"log_likelihood": -1297.885433, "nu": [5.0, 5.0]},
    },
    "faithful": {
        "t": {"log_likelihood": -1130.178918, "nu": [59.75, 59.75]},
        "t own": {"log_likelihood": -1129.960172},
        "t 5": {"log_likelihood": -1137.169986, "nu": [5.0, 5.0]},
    },
}
SPECS = {
    "noise": {"noise": "uniform"},
    "t": {"family": "t"},
    "t own": {"family": "t", "nu": "own"},
    "t 5": {"family": "t", "nu": 5.0},
    "contaminated": {"family": "contaminated"},
}
SAMPLED = ["noise", "t", "contaminated"]
GALLERY = ["faithful_strays", "heavy_tails", "two_t"]
BESIDE_NOISE = json.loads((REFERENCE / "mclust_noise.json").read_text())["rows"]
NAMES = {s.mclust: s.name for s in STRUCTURES.values() if s.mclust} | {"V": "full", "E": "tied"}


def with_strays(faithful):
    low, high = faithful.values.min(axis=0), faithful.values.max(axis=0)
    grid = np.meshgrid(np.linspace(low[0], high[0], 5), np.linspace(low[1], high[1], 4))
    return np.concatenate([faithful.values, np.stack(grid, axis=-1).reshape(-1, 2)])


@pytest.mark.parametrize(
    ("rows", "name"), [(rows, name) for rows in ("strays", "faithful") for name in KNOWN[rows]]
)
def test_fits_reach_what_other_programs_reach(faithful, rows, name):
    """Equal to 1e-4, or higher where their degrees of freedom end at 200."""

    values = with_strays(faithful) if rows == "strays" else faithful.values
    known, data = KNOWN[rows][name], as_dataset(values)
    resolved = resolve(MixtureSpec(2, resolution=0, **SPECS[name]), data)
    if name == "noise":  # mclust's box is that of the data itself
        resolved = replace(resolved, box=np.stack(data.ranges()))
    fit = best_of_starts(
        Likelihood(resolved), data, seed=1, n_starts=60, tol=1e-10, max_iter=10_000, nested=True
    )
    if (rows, name) == ("faithful", "t own"):
        assert known["log_likelihood"] < fit.log_likelihood < known["log_likelihood"] + 0.05
    else:
        assert fit.log_likelihood == pytest.approx(known["log_likelihood"], abs=1e-4)
    if "nu" in known:
        assert sorted(fit.parameters.nu) == pytest.approx(sorted(known["nu"]), abs=1e-2)
    if "noise" in known:
        assert fit.parameters.noise == pytest.approx(known["noise"], abs=1e-4)


def rows_of(name):
    return pd.read_csv(DATA / f"{name}.csv").select_dtypes("number").to_numpy()


@pytest.mark.filterwarnings("ignore::bayesgmm.errors.DegeneracyWarning")
@pytest.mark.filterwarnings("ignore::bayesgmm.errors.DataWarning")
@pytest.mark.parametrize(
    ("name", "most"),
    few(
        [(n, k) for n in (*GALLERY, "iris", "overlapping", "acidity") for k in (2, 4)],
        {("faithful_strays", 2), ("two_t", 2), ("acidity", 2)},
    ),
)
def test_no_fit_beside_noise_is_below_mclust(name, most):
    """Six structures; mclust from four guesses of the noise. Optima that are set aside count."""
    cells = [c for c in BESIDE_NOISE if c["data"] == name and most - 1 <= c["G"] <= most]
    assert len(cells) in (4, 12)
    for cell in cells:
        spec = MixtureSpec(cell["G"], NAMES[cell["model"]], noise="uniform", resolution=0)
        fit = bg.fit_em(rows_of(name), spec, seed=1)
        assert fit.optima[0].objective > cell["loglik"] - 1e-4, cell


@pytest.mark.parametrize("name", SAMPLED)
def test_the_posterior_mode_is_stationary(faithful, name):
    fit = bg.fit_map(with_strays(faithful), MixtureSpec(2, **SPECS[name]), seed=1, n_starts=6)
    assert fit.status.converged
    target = Posterior(fit.resolved)
    x = target._prior.unconstrain(fit.parameters)
    rows = Rows(fit.resolved, with_strays(faithful))
    assert np.abs(target.value_and_gradient(rows, x)[1]).max() < 1e-2


def test_noise_needs_a_box(faithful):
    flat = np.column_stack([faithful.values[:, 0], np.ones(faithful.n_obs)])
    with pytest.raises(DataError, match="constant"):
        bg.fit_em(flat, MixtureSpec(1, noise="uniform"), seed=1)


def test_what_has_no_effect_is_refused():
    for wrong in ({"nu": 4.0}, {"nu": "own"}, {"noise_concentration": 2.0}):
        with pytest.raises(ConfigError, match="has an effect"):
            MixtureSpec(2, **wrong)
    with pytest.raises(ConfigError, match="'VEV' takes Gaussian components"):
        bg.fit_em(np.random.default_rng(1).normal(size=(30, 2)), MixtureSpec(2, "VEV", family="t"))


@pytest.fixture(scope="module")
def posteriors(faithful):
    specs = {name: MixtureSpec(2, **SPECS[name]) for name in SAMPLED}
    return {name: bg.sample(with_strays(faithful), s, seed=1) for name, s in specs.items()}


@pytest.mark.parametrize("name", SAMPLED)
def test_two_routes_give_one_evidence(posteriors, name):
    """NUTS on the fused density and the bridge; Gibbs sweeps from the prior."""
    by_bridge = bg.log_evidence(posteriors[name], seed=1)
    by_smc = bg.smc_evidence(posteriors[name], n_particles=128, seed=1)
    error = np.hypot(by_bridge.error, by_smc.error)
    assert abs(by_bridge.value - by_smc.value) < max(3.0 * error, 0.02)


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLED)
@pytest.mark.parametrize("data", GALLERY)
def test_two_routes_give_one_evidence_in_the_gallery(data, name):
    posterior = bg.sample(rows_of(data), MixtureSpec(2, **SPECS[name]), seed=1)
    by_bridge = bg.log_evidence(posterior, seed=1)
    by_smc = bg.smc_evidence(posterior, n_particles=128, seed=1)
    assert abs(by_bridge.value - by_smc.value) < 3.0 * np.hypot(by_bridge.error, by_smc.error)


def test_strays_are_noise(posteriors):
    found = bg.membership(posteriors["noise"])
    assert found["noise"].values[:272].mean() < 0.15
    assert found["noise"].values[272:].mean() > 0.6
    total = found["mean"].sum("cluster") + found["noise"]
    np.testing.assert_allclose(total, 1.0, atol=1e-12)
    assert set(found["most_probable"].values) == {"1", "2", "noise"}
    assert bool((found["noise_lower"] <= found["noise_upper"]).all())


@pytest.mark.parametrize("name", SAMPLED)
def test_simulated_rows_follow_the_density(posteriors, name):
    rows = bg.simulate(posteriors[name], 20_000, seed=1)["x"].values
    for feature, low, high in ((0, 2.0, 4.5), (1, 50.0, 80.0)):
        label = f"x{feature + 1}"
        grid = bg.density_grid(posteriors[name], label, size=400, limits=[(low, high)])
        mass = np.trapezoid(grid["mean"].values, grid["x"].values)
        share = ((low < rows[:, feature]) & (rows[:, feature] < high)).mean()
        assert share == pytest.approx(mass, abs=0.015)
    parts = bg.density_grid(posteriors[name], "x1")
    total = parts["components"].sum("cluster") + (parts["noise"] if name == "noise" else 0.0)
    np.testing.assert_allclose(total, parts["mean"], rtol=1e-9)


def test_the_overlap_of_t_equals_quadrature():
    from scipy.stats import t

    from bayesgmm.model.parameters import Parameters
    from bayesgmm.posterior.draws import Draws

    one = np.ones((1, 2, 1, 1))
    parameters = Parameters(
        np.array([[0.3, 0.7]]), np.array([[[0.0], [2.0]]]), one[..., 0], one, one,
        nu=np.array([[3.0, 8.0]]),
    )  # fmt: skip
    found = bg.overlap(Draws.of(parameters, ("x",)))
    grid = np.linspace(-2000.0, 2000.0, 4_000_001)
    p, q = t(3).pdf(grid), t(8, loc=2).pdf(grid)
    affinity = np.trapezoid(np.sqrt(p * q), grid)
    mistaken = np.trapezoid(p * (0.7 * q > 0.3 * p), grid)
    assert found["bhattacharyya"].values[0, 0, 1] == pytest.approx(affinity, abs=5e-3)
    assert found["misclassification"].values[0, 0, 1] == pytest.approx(mistaken, abs=5e-3)


def test_the_overlap_of_contaminated_clusters_equals_quadrature():
    from scipy.stats import norm

    from bayesgmm.model.parameters import Parameters
    from bayesgmm.posterior.draws import Draws

    one = np.ones((1, 2, 1, 1))
    parameters = Parameters(
        np.array([[0.3, 0.7]]), np.array([[[0.0], [2.0]]]), one[..., 0], one, 1.25 * one,
        inflation=np.array([9.0]), good_share=np.array([0.8]),
    )  # fmt: skip
    found = bg.overlap(Draws.of(parameters, ("x",)))
    grid = np.linspace(-60.0, 60.0, 400_001)
    p, q = (
        0.8 * norm(at, 1.25**0.5).pdf(grid) + 0.2 * norm(at, 9.25**0.5).pdf(grid) for at in (0, 2)
    )
    affinity = np.trapezoid(np.sqrt(p * q), grid)
    mistaken = np.trapezoid(p * (0.7 * q > 0.3 * p), grid)
    assert found["bhattacharyya"].values[0, 0, 1] == pytest.approx(affinity, abs=5e-3)
    assert found["misclassification"].values[0, 0, 1] == pytest.approx(mistaken, abs=5e-3)


def test_contaminated_fits_hold_gaussian_ones(faithful):
    """Which they become as the good share goes to 1; no move of the maximum gains anything."""
    rows = as_dataset(with_strays(faithful))
    for covariance in ("full", "diag", "tied", "shared_scales"):
        plain = bg.fit_em(rows, MixtureSpec(2, covariance), seed=1, n_starts=10)
        spec = MixtureSpec(2, covariance, family="contaminated")
        fit = bg.fit_em(rows, spec, seed=1, n_starts=10)
        assert fit.log_likelihood > plain.log_likelihood + 10.0
        assert fit.parameters.inflation > 1.0 and 0.5 <= fit.parameters.good_share <= 1.0
        target = Posterior(fit.resolved)._prior
        x, rng = target.unconstrain(fit.parameters), np.random.default_rng(3)
        table, highest = Rows(fit.resolved, rows), fit.log_likelihood
        shift = table.log_unit(fit.resolved)
        for move in 0.01 * rng.normal(size=(20, target.dim)):
            moved = table.moments(target.em_point(x + move)).log_likelihood - shift
            assert moved < highest + 1e-6


def test_a_grid_takes_several_families(faithful):
    rows = with_strays(faithful)
    table = bg.bic_grid(
        rows, [1, 2], ["diag", "tied"], family=["normal", "t", "contaminated"],
        noise=[None, "uniform"], seed=1, n_starts=8,
    )  # fmt: skip
    assert len(table) == 2 * 2 * 6
    assert table.iloc[table["rank"].argmin()]["noise"] == "uniform"
    fit = bg.fit_em(rows, MixtureSpec(2, "diag", family="t", noise="uniform"), seed=1, n_starts=8)
    row = table[(table["family"] == "t") & (table["noise"] == "uniform")]
    assert row[row["covariance"] == "diag"].loc[2, "bic"] == pytest.approx(fit.bic, abs=1e-6)
    assert len(bg.bic_grid(rows, 1, family="t", seed=1, n_starts=2)) == 8


@pytest.mark.parametrize("name", SAMPLED)
def test_results_come_back_from_their_files(posteriors, name, tmp_path):
    bg.save(posteriors[name], tmp_path / "posterior.nc")
    again = bg.load(tmp_path / "posterior.nc")
    found, expected = bg.log_evidence(again, seed=1), bg.log_evidence(posteriors[name], seed=1)
    assert found.value == expected.value


def test_what_knows_gaussians_only_says_so(posteriors, faithful):
    for name in ("t", "contaminated"):
        with pytest.raises(ConfigError, match=f"density_modes takes Gaussian.* are {name};"):
            bg.density_modes(posteriors[name])
    for name in SAMPLED:
        with pytest.raises(ConfigError, match="adopt takes draws of Gaussian components"):
            bg.adopt(posteriors[name], with_strays(faithful), MixtureSpec(2, **SPECS[name]))


def test_families_are_compared_side_by_side(faithful):
    rows = with_strays(faithful)
    found = bg.compare(
        rows, 2, family=["normal", "t"], noise=[None, "uniform"], draws=500, evidence="bridge",
        seed=1,
    )  # fmt: skip
    assert list(found.numbers.values()) == [
        "2 (full)", "2 (full, noise)", "2 (full, t)", "2 (full, t, noise)",
    ]  # fmt: skip
    assert found.chosen("evidence").model == MixtureSpec(2, noise="uniform")
    assert found.table["n_parameters"].tolist() == [11, 12, 12, 13]
    assert found.table["probability"].sum() == pytest.approx(1.0)
    assert "p(model)" in repr(found)
