"""The fused log posterior against the PyMC model of the same spec, every constant included."""

import itertools

import numpy as np
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode

from bayesgmm.data import as_dataset
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.model.components import STRUCTURES, distinct_structure
from bayesgmm.model.pymc_model import model_of
from bayesgmm.model.resolved import resolve
from bayesgmm.model.spec import MixtureSpec, Priors
from tests.support.log_posteriors import log_posterior_of

INTERPRETED = Mode(linker="py", optimizer=None)
SIZES = list(itertools.product((1, 2, 5), (1, 2, 5), STRUCTURES))
PRIORS_AND_STEPS = list(itertools.product(("lognormal", "halfnormal"), (0.0, 0.5)))
DISTINCT = [(d, k, name) for d, k, name in SIZES if distinct_structure(name, k, d) == name]


def each_model():
    """Yield each model once; with five features half of the priors and steps are slow."""
    for size, (family, step) in itertools.product(DISTINCT, PRIORS_AND_STEPS):
        slow = size[0] == 5 and (family == "lognormal") == (step == 0.0)
        name = "-".join(map(str, (*size, family, "rounded" if step else "exact")))
        yield pytest.param(*size, family, step, id=name, marks=[pytest.mark.slow] if slow else [])


@pytest.mark.parametrize(
    ("n_features", "n_components", "covariance", "family", "step"), list(each_model())
)
def test_equals_the_pymc_model(n_features, n_components, covariance, family, step):
    """Value to 1e-10 and gradient to 1e-8 on the model's own unconstrained vector, data units."""
    fused, rng = log_posterior_of(n_features, n_components, covariance, family, step)
    check_against_pymc(fused, rng)


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
    [
        *((3, covariance, "lognormal") for covariance in STRUCTURES),
        *((3, covariance, "halfnormal") for covariance in ("full", "spherical", "tied_spherical")),
        (1, "full", "lognormal"),
    ],
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


def check_against_pymc(fused, rng):
    n_components = fused.resolved.n_components
    model = model_of(fused.resolved, fused.rows)
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
    per_coordinate = np.ones(fused.dim)
    per_coordinate[fused.slices["means"]] = np.tile(fused.resolved.unit, n_components)
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
