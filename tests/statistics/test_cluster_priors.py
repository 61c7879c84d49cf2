"""Priors of single clusters in the built-in model: exact answers, labels kept, errors."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

import bayesgmm as bg
from bayesgmm import MixtureSpec, Priors
from bayesgmm.data import as_dataset
from bayesgmm.errors import ConfigError
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.likelihood.sweeps import FirstRows
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.model.resolving import resolve
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.tree import attribute
from bayesgmm.sampling.smc import draw_prior

NARROW = 1e-3  # of the log scales: they are 1 but for that
PRIORS = Priors(
    concentration=(1.5, 8.5),
    mean_location=((1.0,), (0.0,)),
    mean_scale=0.5,
    scale=1.0,
    scale_sigma=NARROW,
    units="data",
)
SPEC = MixtureSpec(2, priors=PRIORS, resolution=0.0)


def overlapping_rows():
    rng = np.random.default_rng(12)
    sick = rng.random(60) < 0.15
    return np.where(sick, rng.normal(1.0, 1, 60), rng.normal(0, 1, 60))[:, None]


@pytest.fixture(scope="module")
def rows():
    return overlapping_rows()


@pytest.fixture(scope="module")
def exact(rows):
    """Moments of the posterior and its evidence by quadrature, scales of 1."""
    weight, means = np.linspace(0.0005, 0.9995, 400), np.linspace(-2.5, 3.5, 61)
    density = stats.norm.pdf(rows, means, 1)
    log = stats.beta.logpdf(weight, 1.5, 8.5)[:, None, None]
    log = log + stats.norm.logpdf(means, 1, 0.5)[:, None] + stats.norm.logpdf(means, 0, 0.5)
    for row in density:
        first, second = weight[:, None, None] * row[:, None], (1 - weight[:, None, None]) * row
        log = log + np.log(first + second)
    cell = np.diff(weight)[0] * np.diff(means)[0] ** 2
    p = np.exp(log - log.max())
    p /= p.sum()
    moments = {
        "weights[1]": (p.sum((1, 2)) * weight).sum(),
        "means[1, x1]": (p.sum((0, 2)) * means).sum(),
        "means[2, x1]": (p.sum((0, 1)) * means).sum(),
    }
    return moments, float(logsumexp(log) + np.log(cell))


@pytest.mark.parametrize("method", ["nuts", "smc"])
def test_moments_are_those_of_quadrature(method, rows, exact):
    chains = 4 if method == "nuts" else 16
    tree = bg.sample(rows, SPEC, seed=1, method=method, chains=chains)
    table = bg.summarize(tree)
    for name, value in exact[0].items():
        assert abs(table.loc[name, "mean"] - value) < 4.0 * table.loc[name, "mcse_mean"], name
    assert attribute(tree, "relabelling")["reason"] == "the model tells the labels apart"
    assert Draws(tree).groups.groups == ((0,), (1,))


def test_the_evidence_is_that_of_quadrature(rows, exact):
    tree = bg.sample(rows, SPEC, seed=2)
    for evidence in (bg.log_evidence(tree, seed=1), bg.smc_evidence(tree, seed=1)):
        assert abs(evidence.value - exact[1]) < 4.0 * max(evidence.error, 0.005), evidence
    assert bg.diagnose(tree).ok


def test_the_factor_counts_permutations_within_groups():
    """Two of three clusters alike: the evidence of the bridge against that from the prior."""
    rng = np.random.default_rng(3)
    rows = np.concatenate([rng.normal(m, 1.0, 15) for m in (-6.0, 0.0, 6.0)])[:, None]
    rest = {"mean_scale": 4.0, "scale": 1.0, "units": "data"}
    priors = Priors(mean_location=((0.0,), (6.0,), (0.0,)), **rest)
    tree = bg.sample(rows, MixtureSpec(3, priors=priors, resolution=0.0), seed=1)
    assert Draws(tree).groups.groups == ((0, 2), (1,))
    bridge, smc = bg.log_evidence(tree, seed=1), bg.smc_evidence(tree, seed=1)
    assert abs(bridge.value - smc.value) < 4.0 * np.hypot(bridge.error, smc.error)
    centres = tree["posterior"]["means"].mean(("chain", "draw")).values.ravel()
    assert centres[0] < centres[2]  # numbered within the group


def test_draws_of_the_prior_have_the_rows_of_each_cluster():
    priors = Priors(
        concentration=(2.0, 6.0),
        mean_location=((5.0, 1.0), (-5.0, 2.0)),
        mean_scale=((0.5, 1.0), (2.0, 0.1)),
        scale=((1.0, 2.0), (3.0, 4.0)),
        scale_sigma=0.3,
        units="data",
    )
    rows = np.random.default_rng(1).normal(size=(30, 2)) * [1.0, 3.0]
    target = LogPosterior(resolve(MixtureSpec(2, "diag", priors), as_dataset(rows)), rows)
    draws = target.constrain(draw_prior(target, 20_000, np.random.default_rng(2)))
    np.testing.assert_allclose(draws.weights.mean(axis=0), [0.25, 0.75], atol=0.005)
    means, sd = draws.means.mean(axis=0), draws.means.std(axis=0)
    np.testing.assert_allclose(means, priors.mean_location, atol=0.06)
    np.testing.assert_allclose(sd, priors.mean_scale, rtol=0.03)
    np.testing.assert_allclose(np.median(draws.scales, axis=0), priors.scale, rtol=0.02)


def test_sweeps_without_rows_leave_the_prior():
    priors = Priors(
        concentration=(2.0, 6.0),
        mean_location=((5.0,), (-5.0,)),
        mean_scale=((0.5,), (2.0,)),
        scale=((1.0,), (3.0,)),
        scale_sigma=0.3,
        units="data",
    )
    rows = np.random.default_rng(1).normal(size=(30, 1))
    target = LogPosterior(resolve(MixtureSpec(2, priors=priors), as_dataset(rows)), rows)
    states = np.empty((200, 101, target.dim))
    states[:, 0] = draw_prior(target, 200, np.random.default_rng(5))
    FirstRows(target, rows).sweep(states, 0, 0.7, 2, 11)
    after = target.constrain(np.ascontiguousarray(states[:, 1:].reshape(-1, target.dim)))
    np.testing.assert_allclose(after.weights.mean(axis=0), [0.25, 0.75], atol=0.01)
    np.testing.assert_allclose(after.means.mean(axis=0), priors.mean_location, atol=0.08)
    np.testing.assert_allclose(after.means.std(axis=0), priors.mean_scale, rtol=0.03)
    np.testing.assert_allclose(np.median(after.scales, axis=0), priors.scale, rtol=0.05)


def test_the_mode_keeps_the_places_of_its_priors():
    rng = np.random.default_rng(5)
    rows = np.concatenate([rng.normal(9.0, 1.0, 30), rng.normal(0.0, 1.5, 70)])[:, None]
    priors = Priors(mean_location=((9.0,), (0.0,)), mean_scale=1.0, units="data")
    fit = bg.fit_map(rows, MixtureSpec(2, priors=priors), seed=1)
    np.testing.assert_allclose(fit.means.ravel(), [9.0, 0.0], atol=0.5)
    value = LogPosterior(fit.resolved, rows).evaluate(
        LogPosterior(fit.resolved, rows).unconstrain(fit.parameters), jacobian=False
    )
    unit = np.log(fit.resolved.unit).sum()
    assert fit.log_posterior == pytest.approx(value.value - (len(rows) + 4) * unit, abs=1e-6)
    tree = bg.sample(rows, MixtureSpec(2, priors=priors), seed=1, draws=300)
    centres = tree["posterior"]["means"].mean(("chain", "draw")).values.ravel()
    np.testing.assert_allclose(centres, [9.0, 0.0], atol=0.5)


@pytest.mark.parametrize(
    ("priors", "expected"),
    [
        ({"mean_location": ((9.0,), (0.0,)), "mean_scale": 1.0}, [9.0, 0.0]),
        ({"concentration": (2.0, 9.0)}, [9.0, 0.0]),  # 30 rows and 70
        ({"scale": ((0.5,), (3.0,))}, [9.0, 0.0]),  # sd 1 and 1.5
        ({"scale": ((3.0,), (0.5,)), "scale_family": "halfnormal"}, [0.0, 9.0]),
        ({}, [0.0, 9.0]),
    ],
)
def test_the_likelihood_fit_takes_the_names_of_its_prior(priors, expected):
    rng = np.random.default_rng(5)
    rows = np.concatenate([rng.normal(9.0, 1.0, 30), rng.normal(0.0, 1.5, 70)])[:, None]
    spec = MixtureSpec(2, priors=Priors(**priors, units="data"))
    fit = bg.fit_em(rows, spec, seed=1)
    np.testing.assert_allclose(fit.means.ravel(), expected, atol=0.5)
    np.testing.assert_allclose(fit.weights, [0.3, 0.7][:: 1 if expected[0] else -1], atol=0.02)


def test_specs_survive_their_texts(tmp_path, rows):
    assert MixtureSpec.from_dict(SPEC.to_dict()) == SPEC
    resolved = resolve(SPEC, as_dataset(rows))
    again = ResolvedSpec.from_dict(resolved.to_dict())
    np.testing.assert_array_equal(again.mean_location, resolved.mean_location)
    assert again.groups == resolved.groups
    tree = bg.sample(rows, SPEC, draws=50, tune=200, seed=1)
    path = bg.write_report(tree, tmp_path / "report.html")
    page = path.read_text(encoding="utf-8")
    assert "mean of x1, cluster 1" in page and "mean of x1, cluster 2" in page
    assert "tells the clusters apart" in page


@pytest.mark.parametrize(
    ("covariance", "priors", "message"),
    [
        (
            "full",
            {"mean_location": ((1.0,),)},
            r"mean_location must have one row per cluster \(2\)",
        ),
        ("full", {"mean_scale": ((1.0, 2.0), (1.0, 2.0))}, "each row of mean_scale must be one"),
        ("tied", {"scale": ((1.0,), (2.0,))}, "covariance='tied' has one set of scales for all"),
        ("tied_spherical", {"scale": ((1.0,), (2.0,))}, "so scale cannot differ between clusters"),
        ("full", {"concentration": (1.0, 2.0, 3.0)}, "concentration must be one number or one per"),
        ("full", {"mean_scale": ((1.0,), (-2.0,))}, "mean_scale.* must be greater than 0"),
    ],
)
def test_wrong_rows_are_refused(rows, covariance, priors, message):
    with pytest.raises(ConfigError, match=message):
        bg.sample(rows, MixtureSpec(2, covariance, Priors(**priors)), seed=1)


def test_a_comparison_takes_no_priors_of_single_clusters(rows):
    with pytest.raises(ConfigError, match="mean_location must not differ between clusters"):
        bg.compare(rows, 2, priors=Priors(mean_location=((1.0,), (0.0,))))
