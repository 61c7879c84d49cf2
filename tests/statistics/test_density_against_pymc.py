"""The fused log posterior against the PyMC model of the same spec, every constant included."""

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode
from scipy import stats

from bayesgmm.data import Annotations, Dataset, as_dataset
from bayesgmm.likelihood.annotated_rows import annotated_rows, values_of
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.model.components import SAMPLED, STRUCTURES, WITH_FACTORS, distinct_structure
from bayesgmm.model.pymc_model import build_model, model_of
from bayesgmm.model.pymc_rows import Mixture, observe
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import MixtureSpec, Priors
from tests.support.few import few
from tests.support.log_posteriors import log_posterior_of

INTERPRETED = Mode(linker="py", optimizer=None)
SIZES = list(itertools.product((1, 2, 5), (1, 2, 5), SAMPLED))
PRIORS_AND_STEPS = list(itertools.product(("lognormal", "halfnormal"), (0.0, 0.5)))
DISTINCT = [(d, k, name) for d, k, name in SIZES if distinct_structure(name, k, d) == name]


def each_model():
    """Yield each model once: every seventh by default, so that all structures and sizes are met."""
    for place, (size, (family, step)) in enumerate(itertools.product(DISTINCT, PRIORS_AND_STEPS)):
        slow = place % 7 != 0
        name = "-".join(map(str, (*size, family, "rounded" if step else "exact")))
        yield pytest.param(*size, family, step, id=name, marks=[pytest.mark.slow] if slow else [])


@pytest.mark.parametrize(
    ("n_features", "n_components", "covariance", "family", "step"), list(each_model())
)
def test_equals_the_pymc_model(n_features, n_components, covariance, family, step):
    """Value to 1e-10 and gradient to 1e-8 on the model's own unconstrained vector, data units."""
    fused, rng = log_posterior_of(n_features, n_components, covariance, family, step)
    check_against_pymc(fused, rng)


def factor_cases():
    """Yield each factor-analytic structure with several sizes."""
    sizes = [(2, 1, 1, 0.0), (2, 2, 2, 0.5), (5, 2, 3, 0.5), (5, 3, 2, 0.0)]
    return [(name, *size) for name in WITH_FACTORS for size in sizes]


@pytest.mark.parametrize(
    ("covariance", "n_features", "n_factors", "n_components", "step"),
    few(factor_cases(), {("factor", 5, 2, 3, 0.5), ("CUC", 5, 3, 2, 0.0)}),
)
def test_factors_equal_the_pymc_model(covariance, n_features, n_factors, n_components, step):
    rng = np.random.default_rng([n_features, n_factors])
    values = 100.0 + rng.normal(size=(40, n_features)) * np.arange(3, 3 + n_features)
    priors = Priors(concentration=1.7, scale_family="halfnormal" if step else "lognormal")
    spec = MixtureSpec(n_components, covariance, priors, resolution=step, n_factors=n_factors)
    fused = LogPosterior(resolve(spec, as_dataset(values)), values)
    check_against_pymc(fused, rng)
    x = rng.normal(scale=0.7, size=(3, fused.dim))
    np.testing.assert_allclose(fused.unconstrain(fused.constrain(x)), x, atol=1e-9)


@pytest.mark.filterwarnings("ignore:Numba will use object mode:UserWarning")
def test_the_model_is_the_same_however_it_is_compiled():
    """PyTensor 3.3.8 fuses the assignment of entries with what follows, and gets it wrong."""
    values = np.random.default_rng(2).normal(size=(20, 4))
    for spec in (MixtureSpec(2), MixtureSpec(2, "factor", n_factors=1)):
        wanted = build_model(values, spec)["covariances"]
        usual, plain = (pm.draw(wanted, 3, mode=m, random_seed=1) for m in (None, INTERPRETED))
        np.testing.assert_allclose(usual, plain, rtol=1e-10)


@pytest.mark.parametrize(
    "rate", [{"scale_rate": 0.7}, {"hyper_rate": 1.1}], ids=["known", "unknown"]
)
@pytest.mark.parametrize("covariance", ["full", "tied_spherical"])
def test_inverse_gamma_scales_equal_the_pymc_model(covariance, rate):
    rng = np.random.default_rng(3)
    values = 100.0 + 3.0 * rng.normal(size=(40, 1))
    priors = Priors(scale_family="inverse_gamma", scale_shape=1.7, **rate)
    spec = MixtureSpec(3, covariance, priors, resolution=0.5)
    check_against_pymc(LogPosterior(resolve(spec, as_dataset(values)), values), rng)


@pytest.mark.parametrize(
    ("n_features", "n_components", "covariance"), [s for s in SIZES if s not in DISTINCT]
)
def test_structures_that_coincide_are_one_model(n_features, n_components, covariance):
    """With one component or one feature, so that each model is held against PyMC's once."""
    same = distinct_structure(covariance, n_components, n_features)
    one, rng = log_posterior_of(n_features, n_components, covariance, "lognormal", 0.5)
    other, _ = log_posterior_of(n_features, n_components, same, "lognormal", 0.5)
    x = rng.normal(size=one.dim)
    values = one.evaluate(x), other.evaluate(x)
    assert values[0].value == pytest.approx(values[1].value, rel=1e-13)
    np.testing.assert_allclose(values[0].gradient, values[1].gradient, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("n_features", "covariance", "family"),
    few(
        [
            *((3, covariance, "lognormal") for covariance in SAMPLED),
            *((3, name, "halfnormal") for name in ("full", "spherical", "tied_spherical")),
            (1, "full", "lognormal"),
        ],
        {(3, "full", "lognormal"), (3, "spherical", "halfnormal"), (3, "tied", "lognormal")},
    ),
)
def test_priors_of_single_clusters_equal_the_pymc_model(n_features, covariance, family):
    rng = np.random.default_rng([n_features, 7])
    values = 100.0 + rng.normal(size=(40, n_features)) * np.arange(3, 3 + n_features)
    structure = STRUCTURES[covariance]
    scale = rng.uniform(0.3, 2.0, size=(3, 1 if structure.one_scale else n_features))
    priors = Priors(
        concentration=(1.5, 8.5, 2.0),
        mean_location=tuple(map(tuple, rng.normal(size=(3, n_features)).tolist())),
        mean_scale=tuple(map(tuple, rng.uniform(0.5, 3.0, size=(3, n_features)).tolist())),
        scale_family=family,
        scale=0.7 if structure.scales == "shared" else tuple(map(tuple, scale.tolist())),
    )
    spec = MixtureSpec(3, covariance, priors, resolution=0.5)
    check_against_pymc(LogPosterior(resolve(spec, as_dataset(values)), values), rng)


def annotated_case(n_features, covariance, n_patterns, **families):
    """Return a log posterior given rows with all annotations, and these.

    A third of the cells are missing, in so many patterns; where each of the rows is to have its
    own, their errors differ.
    """
    rng = np.random.default_rng([n_features, n_patterns])
    n_rows, k = 40, 3
    complete = 100.0 + rng.normal(size=(n_rows, n_features)) * np.arange(3, 3 + n_features)
    seen = rng.random((n_patterns, n_features)) < 0.7
    which = np.arange(n_rows) % n_patterns
    errors = np.where(
        rng.random((n_patterns, 1)) < 0.5, 0.0, rng.uniform(0.1, 3.0, n_patterns)[:, None]
    )
    if n_patterns == n_rows:
        errors = rng.uniform(0.1, 3.0, size=seen.shape)
    possible = rng.random((n_rows, k - 1)) < 0.4
    values = np.where(seen[which], complete, np.nan)
    weights = rng.integers(0, 4, n_rows).astype(float)
    known = Annotations(
        weights, "frequency", ("a", "b"), possible, errors[which] * np.ones(n_features)
    )
    spec = MixtureSpec(k, covariance, Priors(eta=1.3), resolution=0.5, **families)
    resolved = resolve(spec, as_dataset(complete))
    return LogPosterior(resolved, annotated_rows(values, known, k)), known, rng


def each_annotated_model():
    """Yield each structure with each number of features and patterns, one of them by default."""
    sizes = list(itertools.product((1, 2, 5), (1, 8, 40)))
    for place, covariance in enumerate(SAMPLED):
        for i, (d, n_patterns) in enumerate(sizes):
            marks = [] if i == (place + 1) % len(sizes) else [pytest.mark.slow]
            yield pytest.param(d, covariance, n_patterns, marks=marks)


@pytest.mark.parametrize(("n_features", "covariance", "n_patterns"), list(each_annotated_model()))
def test_rows_with_annotations_equal_the_pymc_model(n_features, covariance, n_patterns):
    fused, known, rng = annotated_case(n_features, covariance, n_patterns)
    check_against_pymc(fused, rng, known)


FAMILIES = {
    "t": {"family": "t"},
    "own-nu": {"family": "t", "nu": "own"},
    "known-nu": {"family": "t", "nu": 4.5},
    "noise": {"noise": "uniform", "noise_concentration": 2.5},
    "t-and-noise": {"family": "t", "noise": "uniform"},
    "contaminated": {"family": "contaminated"},
    "contaminated-and-noise": {"family": "contaminated", "noise": "uniform"},
}


KEPT = ("full", "tied", "diag", "spherical", "shared_scales", "full", "shared_correlations")


@pytest.mark.parametrize(
    ("family", "covariance"),
    few(
        itertools.product(FAMILIES, SAMPLED),
        {*zip(FAMILIES, KEPT, strict=True)},
    ),
)
def test_tails_and_noise_equal_the_pymc_model(family, covariance):
    fused, known, rng = annotated_case(2, covariance, 8, **FAMILIES[family])
    check_against_pymc(fused, rng, known)


@pytest.mark.parametrize("n_components", [1, 2])
@pytest.mark.parametrize("family", ["t", "t-and-noise", "contaminated"])
def test_tails_and_noise_of_plain_rows_equal_the_pymc_model(family, n_components):
    rng = np.random.default_rng(5)
    values = 100.0 + 3.0 * rng.standard_t(2.0, size=(40, 1))
    spec = MixtureSpec(n_components, **FAMILIES[family])
    check_against_pymc(LogPosterior(resolve(spec, as_dataset(values)), values), rng)


def test_draws_of_rows_have_tails_and_noise():
    n, resolved = 4000, [[-50.0], [50.0]]
    mixture = Mixture(
        pt.as_tensor([0.8]), pt.zeros((1, 1)), pt.ones((1, 1, 1)), pt.as_tensor([3.0]),
        pt.as_tensor(0.2), np.array(resolved),
    )  # fmt: skip
    with pm.Model(coords={"obs": range(n), "feature": ["u"], "cluster": [1]}) as m:
        observe(mixture, np.zeros((n, 1)), Annotations())
    x = pm.draw(m["x"], random_seed=2, mode=INTERPRETED)[:, 0]
    expected = 0.8 * stats.t(3).cdf([-2.0, 0.0, 4.0]) + 0.2 * np.array([0.48, 0.5, 0.54])
    found = [(x < edge).mean() for edge in (-2.0, 0.0, 4.0)]
    np.testing.assert_allclose(found, expected, atol=0.03)


def test_a_surveys_weights_equal_the_pymc_model():
    fused, known, rng = annotated_case(2, "full", 8)
    survey = replace(known, weights=rng.uniform(0.0, 3.0, size=40), weights_kind="sampling")
    rows = annotated_rows(fused.rows.table, survey, 3)
    check_against_pymc(LogPosterior(fused.resolved, rows), rng, survey)


def test_rows_that_were_picked_for_their_labels_have_the_density_given_these():
    fused, known, rng = annotated_case(2, "full", 8)
    spec = replace(fused.resolved.spec, labels_inform_weights=False)
    picked = LogPosterior(replace(fused.resolved, spec=spec), fused.rows)
    check_against_pymc(picked, rng, known)


def test_the_model_of_annotated_rows_says_what_they_are():
    """Clusters bear the classes' names, cells stay missing, and x is one copy of each row."""
    rng = np.random.default_rng(4)
    values = np.where(np.arange(40) % 2, 8.0, 0.0)[:, None] + rng.normal(size=(40, 2))
    values[::7, 1] = np.nan
    table = pd.DataFrame(values, columns=["u", "v"])
    labels = np.where(np.arange(40) < 8, np.where(np.arange(40) % 2, "a", "b"), "")
    counts = 1 + np.arange(40) % 3
    data = Dataset.from_frame(
        table, missing="mar", labels=labels, weights=counts, weights_kind="frequency"
    )
    model = build_model(data, 2)
    assert model.coords["cluster"] == ("a", "b")
    np.testing.assert_array_equal(model["x_data"].get_value(), values)
    start = model.initial_point()
    np.testing.assert_allclose(start["means"][:, 0], [8.0, 0.0], atol=1.0)
    rows = model.compile_fn(model.logp(vars=[model["x"]], sum=False), mode=INTERPRETED)(start)[0]
    total = model.compile_fn(model.logp(), mode=INTERPRETED)(start)
    prior = model.compile_fn(model.logp(vars=model.free_RVs), mode=INTERPRETED)(start)
    assert counts @ rows == pytest.approx(float(total) - float(prior), rel=1e-10)


def test_draws_of_rows_have_their_errors_and_clusters():
    n = 1000
    allowed = np.repeat([[False, True], [True, True]], n, axis=0)
    errors = np.repeat([[3.0, 0.0], [0.0, 0.0]], n, axis=0)
    known = Annotations(classes=("a", "b"), possible=allowed, errors=errors)
    values = np.full((2 * n, 2), np.nan)
    values[:, 0] = 1.0
    with pm.Model(coords={"obs": range(2 * n), "feature": ["u", "v"], "cluster": ["a", "b"]}) as m:
        weights, means = pt.as_tensor([0.3, 0.7]), pt.as_tensor([[-9.0, 0.0], [9.0, 1.0]])
        covariances = pt.as_tensor([[[1.0, 0.5], [0.5, 1.0]]] * 2)
        observe(Mixture(weights, means, covariances), values, known)
    x = pm.draw(m["x"], random_seed=1, mode=INTERPRETED)
    np.testing.assert_allclose(x[:n].mean(axis=0), [9.0, 1.0], atol=0.4)
    np.testing.assert_allclose(np.cov(x[:n].T), [[10.0, 0.5], [0.5, 1.0]], atol=1.5)
    assert (x[n:, 0] > 0.0).mean() == pytest.approx(0.7, abs=0.05)


def check_against_pymc(fused, rng, known=None):
    model = model_of(fused.resolved, values_of(fused.rows), known=known)
    logp = model.logp()  # its gradient by all variables at once: `dlogp` goes back once for each
    gradients = [part.ravel() for part in pt.grad(logp, model.value_vars)]
    reference = model.compile_fn(
        [logp, pt.concatenate(gradients)],
        inputs=model.value_vars,
        mode=INTERPRETED,
        point_fn=False,
    )
    start = model.initial_point()
    sizes = {v.name: start[v.name] for v in model.value_vars}
    unit_step = np.ones(fused.dim)
    per_coordinate = fused.to_data_units(unit_step) - fused.to_data_units(0.0 * unit_step)
    for _ in range(3):
        x = rng.normal(scale=0.7, size=fused.dim)
        ends = np.cumsum([v.size for v in sizes.values()])
        assert ends[-1] == fused.dim
        parts = np.split(fused.to_data_units(x), ends[:-1])
        point = [part.reshape(v.shape) for part, v in zip(parts, sizes.values(), strict=True)]
        value, gradient = reference(*point)
        ours = fused.evaluate(x)
        assert abs(ours.value + fused.value_shift - value) <= 1e-10 * max(1.0, abs(value))
        error = np.abs(ours.gradient / per_coordinate - gradient)
        assert np.all(error <= 1e-8 * np.maximum(1.0, np.abs(gradient)))
