"""Structures by volumes, shapes and axes: their M-step, their counts, and what refuses them."""

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.optimize import minimize

import bayesgmm as bg
from bayesgmm.errors import ConfigError
from bayesgmm.fit import FitStatus, fit_em
from bayesgmm.likelihood.compiled.factored import codes_of, factored
from bayesgmm.model.components import STRUCTURES, distinct_structure
from bayesgmm.model.spec import MixtureSpec

NAMES = [structure.name for structure in STRUCTURES.values() if structure.factors is not None]
K, D = 2, 3


def scatters(seed):
    rng = np.random.default_rng(seed)
    mass = rng.uniform(10.0, 60.0, K)
    roots = rng.normal(size=(K, D, D)) * 10.0 ** rng.uniform(-0.7, 0.7, (K, D, 1))
    return mass, mass[:, None, None] * (roots @ roots.swapaxes(1, 2) + 0.05 * np.eye(D))


def objective(mass, scatter, covariances):
    traces = np.trace(np.linalg.solve(covariances, scatter), axis1=1, axis2=2)
    return float(-(mass * np.linalg.slogdet(covariances)[1] + traces).sum())


def written(name, flat):
    """Covariances of the structure from numbers without bounds, of which it has enough."""
    factors, parts = STRUCTURES[name].factors, np.split(flat, [K, K + K * D])
    log_volumes, shapes = parts[0], parts[1].reshape(K, D)
    turns = parts[2].reshape(K, D, D)
    if factors.volumes == "shared":
        log_volumes = np.repeat(log_volumes[:1], K)
    if factors.shapes == "shared":
        shapes = np.repeat(shapes[:1], K, axis=0)
    if factors.axes != "own":
        turns = np.repeat(turns[:1], K, axis=0)
    shapes = np.exp(shapes - shapes.mean(axis=1, keepdims=True))
    axes = np.array([np.eye(D) if factors.axes == "none" else expm(t - t.T) for t in turns])
    return np.exp(log_volumes)[:, None, None] * (axes * shapes[:, None]) @ axes.swapaxes(1, 2)


def by_brute_force(name, mass, scatter, rng):
    def loss(flat):
        return -objective(mass, scatter, written(name, flat))

    starts = 0.5 * rng.normal(size=(3, K + K * D + K * D * D))
    return max(-minimize(loss, start, options={"maxiter": 200}).fun for start in starts)


def maximised(name, mass, scatter, present):
    covariances = present.copy()
    assert factored(scatter, mass, covariances, *codes_of(*STRUCTURES[name].factors), 0.0)
    return covariances


@pytest.mark.parametrize("name", NAMES)
def test_the_m_step_is_as_high_as_brute_force(name):
    mass, scatter = scatters(seed=4)
    found = maximised(name, mass, scatter, scatter / mass[:, None, None])
    rng = np.random.default_rng(5)
    best = by_brute_force(name, mass, scatter, rng)
    assert objective(mass, scatter, found) > best - 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_covariances_of_the_structure_stay_what_they_are(name):
    rng = np.random.default_rng(6)
    there = written(name, 0.7 * rng.normal(size=K + K * D + K * D * D))
    mass = np.array([20.0, 5.0])
    found = maximised(name, mass, mass[:, None, None] * there, there)
    np.testing.assert_allclose(found, there, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_a_step_never_lowers_the_objective(name):
    """From covariances of the structure, for scatters that are far from it."""
    rng = np.random.default_rng(7)
    for seed in range(20):
        mass, scatter = scatters(seed)
        present = written(name, 0.7 * rng.normal(size=K + K * D + K * D * D))
        after = maximised(name, mass, scatter, present)
        assert objective(mass, scatter, after) >= objective(mass, scatter, present) - 1e-9


@pytest.mark.parametrize("name", NAMES)
def test_em_never_falls(name):
    rng = np.random.default_rng(8)
    rows = rng.normal(size=(120, 3)) * [1.0, 10.0, 0.2]
    rows[60:] = rows[60:] @ expm(0.4 * np.triu(np.ones((3, 3)), 1)) + [4.0, 0.0, 1.0]
    fit = fit_em(rows, MixtureSpec(3, name, resolution=0), seed=1, n_starts=6)
    for climb in fit.climbs:
        if not climb.collapsed:
            assert np.diff(climb.path).min() > -1e-8


@pytest.mark.parametrize("name", ["EVE", "VVE", "EEV", "VEV"])
def test_units_do_not_change_what_is_shared(name):
    """mclust fits in the units of the data, and so does this: scaled features are other data."""
    rng = np.random.default_rng(9)
    rows = rng.normal(size=(80, 2))
    rows[40:] = rows[40:] * [3.0, 0.3] + [5.0, 5.0]
    for k in (1.0, 1000.0):
        fit = fit_em(k * rows, MixtureSpec(2, name, resolution=0), seed=1, n_starts=8)
        values = np.linalg.eigvalsh(fit.covariances)
        if STRUCTURES[name].factors.shapes == "shared":
            ratios = values[:, 1] / values[:, 0]
            assert ratios[0] == pytest.approx(ratios[1], rel=1e-6)
        else:
            one, other = fit.covariances
            assert np.abs(one @ other - other @ one).max() < 1e-6 * np.abs(one @ other).max()


def test_parameters_are_counted_as_mclust_does():
    """nMclustParams(name, d = 4, G = 3) of mclust 6.0.0, with the weights."""
    counts = dict(VEI=20, EVI=24, VEE=26, EVE=30, VVE=32, EEV=36, VEV=38, EVV=42)
    assert {name: STRUCTURES[name].n_parameters(3, 4) for name in NAMES} == counts


def test_structures_that_are_one_model_are_fitted_once():
    assert [distinct_structure(name, 1, 2) for name in ("VEI", "VEV")] == ["diag", "full"]
    assert [distinct_structure(name, 3, 1) for name in ("VEV", "EVI")] == ["full", "tied"]
    assert distinct_structure("VEV", 3, 2) == "VEV"


@pytest.mark.parametrize(
    "verb",
    [
        lambda rows: bg.sample(rows, MixtureSpec(2, "VEV")),
        lambda rows: bg.fit_map(rows, MixtureSpec(2, "VEV")),
        lambda rows: bg.build_model(rows, MixtureSpec(2, "VEV")),
        lambda rows: bg.compare(rows, 2, covariance="VEV"),
        lambda rows: bg.GaussianMixture(2, covariance_type="VEV", method="map").fit(rows),
    ],
    ids=["sample", "fit_map", "build_model", "compare", "estimator"],
)
def test_what_needs_a_posterior_refuses_and_names_the_nearest(verb):
    rows = np.random.default_rng(1).normal(size=(40, 2))
    with pytest.raises(ConfigError, match="VEV.*covariance='full'"):
        verb(rows)


@pytest.mark.filterwarnings("ignore::bayesgmm.errors.DegeneracyWarning")
def test_an_optimum_narrower_than_the_recording_error_is_listed_and_not_returned():
    rng = np.random.default_rng(2)
    rows = np.concatenate([rng.normal(size=(60, 2)), rng.normal(6.0, 0.05, (40, 2))])
    fit = fit_em(rows, MixtureSpec(2, "VVE", resolution=0.5), seed=1)
    error = np.eye(2) * 0.5**2 / 12.0
    narrow = [
        np.linalg.eigvalsh(optimum.parameters.covariances - error).min() < 0.0
        for optimum in fit.optima
    ]
    assert narrow[0] and fit.optima[0].flagged
    assert all(
        optimum.flagged for optimum, is_narrow in zip(fit.optima, narrow, strict=True) if is_narrow
    )
    assert fit.flagged or fit.status is FitStatus.SET_ASIDE


def test_the_estimator_takes_mclusts_names():
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(80, 2)) + 6.0 * (np.arange(80) % 2)[:, None]
    found = bg.GaussianMixture(2, covariance_type="EEV", n_init=4, random_state=0).fit(rows)
    assert found.covariances_.shape == (2, 2, 2)
    values = np.linalg.eigvalsh(found.covariances_)
    assert values[0] == pytest.approx(values[1], rel=1e-6)
