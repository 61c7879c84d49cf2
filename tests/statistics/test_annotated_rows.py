"""Rows with missing cells, weights, labels and errors against brute force, in every pass."""

import ctypes

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from bayesgmm.data import Dataset, as_dataset
from bayesgmm.fit.em import Likelihood
from bayesgmm.fit.points import split
from bayesgmm.likelihood import rows as passes
from bayesgmm.likelihood.annotated_rows import AnnotatedRows
from bayesgmm.likelihood.chain_density import ChainDensity
from bayesgmm.likelihood.climbing import ascend_from, curvature
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.likelihood.responsibilities import responsibilities
from bayesgmm.likelihood.rows import Rows
from bayesgmm.likelihood.rowwise import pointwise_log_likelihood
from bayesgmm.model.components import SAMPLED
from bayesgmm.model.parameters import Parameters
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import MixtureSpec, Priors
from bayesgmm.posterior.draws import Draws
from tests.support.annotated import N_ROWS, some_rows

EACH_STEP = pytest.mark.parametrize("step", [0.0, 0.5], ids=["exact", "rounded"])
EACH_STRUCTURE = pytest.mark.parametrize("covariance", SAMPLED)


def posterior_of(
    n_features: int, n_components: int, covariance: str, step: float, seed: int = 0
) -> tuple[LogPosterior, np.ndarray]:
    """Return a log posterior given such rows, and a point."""
    rng = np.random.default_rng([seed, n_features, n_components])
    rows = some_rows(n_features, n_components, rng)
    filled = np.where(np.isnan(rows.table), 100.0, rows.table)
    filled += 1e-3 * rng.normal(size=filled.shape)
    spec = MixtureSpec(n_components, covariance, Priors(eta=1.3), resolution=step)
    target = LogPosterior(resolve(spec, as_dataset(filled)), rows)
    return target, 0.5 * rng.normal(size=target.dim)


def joint(rows: AnnotatedRows, parameters: Parameters) -> np.ndarray:
    """Return log w_k f_k of each row and component by SciPy, -inf where it is not allowed."""
    weights, means, _, _, covariances = (value[0] for value in parameters[:5])
    out = np.full((len(rows), len(weights)), -np.inf)
    for i, row in enumerate(rows.table):
        seen = ~np.isnan(row)
        error = np.zeros(len(row)) if rows.errors is None else rows.errors[i]
        for k in range(len(weights)):
            if rows.allowed is not None and not rows.allowed[i, k]:
                continue
            out[i, k] = np.log(weights[k])
            if seen.any():
                covariance = (covariances[k] + np.diag(error**2))[np.ix_(seen, seen)]
                out[i, k] += multivariate_normal(means[k][seen], covariance).logpdf(row[seen])
    return out


@EACH_STEP
@EACH_STRUCTURE
@pytest.mark.parametrize("n_components", [1, 3])
@pytest.mark.parametrize("n_features", [1, 2, 5])
def test_densities_equal_brute_force(n_features, n_components, covariance, step):
    target, x = posterior_of(n_features, n_components, covariance, step)
    rows, resolved = target.rows, target.resolved
    parameters = target.constrain(x[None])
    expected = joint(rows, parameters)
    by_row = logsumexp(expected, axis=1)
    frame = resolved.centre, resolved.unit
    found = pointwise_log_likelihood(parameters, rows, *frame)[0]
    np.testing.assert_allclose(found, by_row, rtol=1e-11, atol=1e-11)
    one = parameters.at(0)
    np.testing.assert_allclose(
        responsibilities(one, rows, *frame).T, np.exp(expected - by_row[:, None]), atol=1e-12
    )
    terms = target.terms(x[None], target.log_densities(x[None]))
    assert terms["log_likelihood"][0] == pytest.approx(rows.weights @ by_row, rel=1e-11)
    log_certainty = rows.weights @ (expected.max(axis=1) - by_row)
    moved = Rows(resolved, rows).log_certainty(target.em_point(x))
    assert moved == pytest.approx(log_certainty, rel=1e-10, abs=1e-10)


@EACH_STEP
@EACH_STRUCTURE
@pytest.mark.parametrize("n_features", [1, 2, 5])
def test_the_gradient_is_that_of_the_value(n_features, covariance, step):
    target, x = posterior_of(n_features, 3, covariance, step)
    gradient = target.evaluate(x).gradient
    for i, move in enumerate(1e-5 * np.eye(target.dim)):
        slope = (target.evaluate(x + move).value - target.evaluate(x - move).value) / 2e-5
        assert gradient[i] == pytest.approx(slope, rel=1e-6, abs=1e-5)


@EACH_STEP
@EACH_STRUCTURE
def test_the_moments_of_completed_rows_give_the_same_gradient(covariance, step):
    """Fisher's identity: EM's pass and the fused density see the same rows."""
    target, x = posterior_of(3, 2, covariance, step)
    moments = Rows(target.resolved, target.rows).moments(target.em_point(x))
    expected = target.evaluate_expected(x, moments)
    fused = target.evaluate(x, jacobian=False)
    np.testing.assert_allclose(expected.gradient, fused.gradient, rtol=1e-8, atol=1e-8)
    assert moments.log_likelihood == pytest.approx(fused.terms["log_likelihood"], rel=1e-12)
    assert moments.mass.sum() == pytest.approx(target.n_counted, rel=1e-12)


def test_every_row_may_have_a_pattern_of_its_own():
    target, x = posterior_of(5, 2, "full", 0.0)
    errors = np.random.default_rng(1).uniform(0.1, 2.0, size=target.rows.errors.shape)
    rows = AnnotatedRows(target.rows.table, errors=errors)
    assert len(rows.groups) >= N_ROWS - 3
    parameters = target.constrain(x[None])
    expected = logsumexp(joint(rows, parameters), axis=1)
    own = LogPosterior(target.resolved, rows)
    found = own.terms(x[None], own.log_densities(x[None]))["log_likelihood"][0]
    assert found == pytest.approx(expected.sum(), rel=1e-12)


@pytest.mark.parametrize("n_rows", [3, 256, 700])
def test_complete_rows_without_annotations_are_plain(n_rows):
    """What says nothing is left out: the same memory, and so the same bits, as of an array."""
    values = np.random.default_rng(0).normal(size=(n_rows, 2))
    resolved = resolve(MixtureSpec(2), as_dataset(values))
    rows = AnnotatedRows(
        values, np.ones(n_rows), np.ones((n_rows, 2), dtype=bool), np.zeros((n_rows, 2))
    )
    plain, annotated = LogPosterior(resolved, values), LogPosterior(resolved, rows)
    assert annotated.annotated is None
    assert annotated.flat.tobytes() == plain.flat.tobytes()
    assert annotated.value_shift == pytest.approx(plain.value_shift, rel=1e-14)
    assert annotated.n_counted == plain.n_counted == n_rows


def test_plain_rows_keep_their_blocks_beside_others():
    values = np.random.default_rng(0).normal(size=(600, 2))
    resolved = resolve(MixtureSpec(2), as_dataset(values))
    values[5, 0] = np.nan
    target = LogPosterior(resolved, AnnotatedRows(values))
    whole = LogPosterior(resolved, np.delete(values, 5, axis=0))
    assert target.flat.tobytes() == whole.flat.tobytes()
    assert target.annotated is not None


def weighted(
    covariance: str, step: float, n_rows: int
) -> tuple[AnnotatedRows, AnnotatedRows, ResolvedSpec]:
    """Return weighted rows, the same repeated, and a resolved spec."""
    rng = np.random.default_rng(3)
    values = rng.normal(size=(n_rows, 3)) + 4.0 * rng.integers(2, size=(n_rows, 1))
    resolved = resolve(MixtureSpec(2, covariance, resolution=step), as_dataset(values))
    values[rng.random(values.shape) < 0.2] = np.nan
    weights = rng.integers(0, 5, n_rows)
    allowed = rng.random((n_rows, 2)) < 0.9
    allowed[~allowed.any(axis=1)] = True
    rows = AnnotatedRows(values, weights.astype(float), allowed)
    again = np.repeat(np.arange(n_rows), weights)
    return rows, AnnotatedRows(values[again], allowed=allowed[again]), resolved


@EACH_STEP
@EACH_STRUCTURE
def test_weights_are_repetitions(covariance, step):
    rows, repeated, resolved = weighted(covariance, step, 300)
    target = Likelihood(resolved)
    x = target.start(start_of(resolved, 1))
    floor = np.full(3, 1e-12)
    one, other = (
        target.climb(Rows(resolved, each), x.copy(), floor, 1e-9, 40) for each in (rows, repeated)
    )
    if resolved.structure.partly_shared:  # where a numerical M-step stops hangs on rounding
        assert one.objective == pytest.approx(other.objective, abs=1e-5)
    else:
        np.testing.assert_allclose(one.path, other.path, rtol=1e-10)
        np.testing.assert_allclose(one.x, other.x, rtol=1e-7, atol=1e-9)
    assert target.data_units(Rows(resolved, rows)) == pytest.approx(
        target.data_units(Rows(resolved, repeated)), rel=1e-12
    )
    density, of_repeated = LogPosterior(resolved, rows), LogPosterior(resolved, repeated)
    at = 0.3 * np.random.default_rng(0).normal(size=density.dim)
    first, second = density.evaluate(at), of_repeated.evaluate(at)
    assert first.value == pytest.approx(second.value, rel=1e-12)
    np.testing.assert_allclose(first.gradient, second.gradient, rtol=1e-10, atol=1e-9)
    assert density.value_shift == pytest.approx(of_repeated.value_shift, rel=1e-12)
    np.testing.assert_allclose(
        density.empty_probabilities(at[None]), of_repeated.empty_probabilities(at[None]), rtol=1e-8
    )


def start_of(resolved: ResolvedSpec, seed: int) -> np.ndarray:
    """Return a point of EM, fitting units."""
    rng = np.random.default_rng(seed)
    k, d = resolved.n_components, resolved.n_features
    factors = np.zeros((k, d, d)) + 0.1 * np.tril(rng.normal(size=(k, d, d)), -1)
    return np.concatenate([np.full(k, -np.log(k)), rng.normal(size=k * d), factors.ravel()])


@EACH_STEP
@EACH_STRUCTURE
def test_no_step_of_em_loses_likelihood(covariance, step):
    rng = np.random.default_rng(5)
    values = rng.normal(size=(200, 3)) + 3.0 * rng.integers(2, size=(200, 1))
    resolved = resolve(MixtureSpec(2, covariance, resolution=step), as_dataset(values))
    values[rng.random(values.shape) < 0.3] = np.nan
    errors = np.where(rng.random((200, 1)) < 0.5, 0.8, 0.0) * np.ones(3)
    rows, target = Rows(resolved, AnnotatedRows(values, errors=errors)), Likelihood(resolved)
    x, path = target.start(start_of(resolved, 2)), []
    for _ in range(60):
        moments = rows.moments(x)
        path.append(moments.log_likelihood)
        x, collapsed = target.step(x, moments, np.full(3, 1e-12))
        assert collapsed == -1
    assert np.diff(path).min() > -1e-9
    assert path[-1] - path[0] > 1.0


def test_streamed_equals_held(tmp_path, monkeypatch):
    """Memory, a memory map and a Parquet file, in chunks and whole, in one thread and several."""
    monkeypatch.setattr(passes, "CHUNK", 1024)
    rows, _, resolved = weighted("full", 0.0, 5000)
    point = start_of(resolved, 1)
    np.save(tmp_path / "rows.npy", rows.table)
    mapped = AnnotatedRows(
        np.load(tmp_path / "rows.npy", mmap_mode="r"), rows.weights, rows.allowed
    )
    held = Rows(resolved, rows)
    expected, certainty = held.moments(point), held.log_certainty(point)
    assert expected.log_likelihood == pytest.approx(
        rows.weights @ logsumexp(fitting_joint(rows, resolved, point), axis=1), rel=1e-11
    )
    monkeypatch.setattr(passes, "HELD_BYTES", 0)
    for source, n_threads in ((rows, 1), (rows, 3), (mapped, 2)):
        streamed = Rows(resolved, source, n_threads)
        for one, other in zip(streamed.moments(point), expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-8)
        assert streamed.log_certainty(point) == pytest.approx(certainty, rel=1e-12)
    complete = np.where(np.isnan(rows.table), 0.5, rows.table)
    table = pa.table({f"x{j}": complete[:, j] for j in range(3)})
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=700)
    file = Dataset.from_parquet(tmp_path / "rows.parquet", in_memory=False)
    streamed, memory = (
        Rows(resolved, AnnotatedRows(values, rows.weights, rows.allowed))
        for values in (file, complete)
    )
    for one, other in zip(streamed.moments(point), memory.moments(point), strict=True):
        np.testing.assert_array_equal(one, other)


def fitting_joint(rows: AnnotatedRows, resolved: ResolvedSpec, point: np.ndarray) -> np.ndarray:
    """Return log w_k f_k at a point of EM, fitting units."""
    weights, means, covariances = split(point, resolved.n_components, resolved.n_features)
    scaled = AnnotatedRows((rows.table - resolved.centre) / resolved.unit, allowed=rows.allowed)
    parts = Parameters(weights, means, means, covariances, covariances)
    return joint(scaled, parts.at(None))


def test_a_sampler_in_c_sees_the_same_density():
    target, _ = posterior_of(3, 2, "full", 0.5)
    rng = np.random.default_rng(4)
    root = np.eye(target.dim) + 0.1 * np.ones((target.dim, target.dim))
    for frame in ((np.zeros(target.dim), np.empty((0, 0))), (rng.normal(size=target.dim), root)):
        density = ChainDensity(target, *frame)
        data, u = density.c_data, 0.3 * rng.normal(size=target.dim)
        gradient, value = np.empty_like(u), np.empty(1)
        double, integer = ctypes.POINTER(ctypes.c_double), ctypes.POINTER(ctypes.c_int64)
        function = ctypes.CFUNCTYPE(
            ctypes.c_int64, ctypes.c_uint64, double, double, double, integer
        )(density.c_functions[0].address)
        pointers = (array.ctypes.data_as(double) for array in (u, gradient, value))
        assert function(len(u), *pointers, data.ctypes.data_as(integer)) == 0
        expected, slope = density.value_and_gradient(u)
        assert value[0] == expected == pytest.approx(target.evaluate(density.unframed(u)).value)
        np.testing.assert_array_equal(gradient, slope)


def test_climbs_and_curvature_see_the_same_density():
    target, x = posterior_of(2, 2, "full", 0.5)
    top, value = ascend_from(target, x.copy(), 0.01 * np.eye(target.dim), 500)
    summit = target.evaluate(top)
    assert summit.value == pytest.approx(value) and np.abs(summit.gradient).max() < 1e-3
    move = 1e-4 * np.eye(target.dim)[1]
    bend = target.evaluate(top - move).gradient - target.evaluate(top + move).gradient
    np.testing.assert_allclose(curvature(target, top)[1], bend / 2e-4, rtol=1e-3, atol=1e-3)


def test_empty_probabilities_count_rows_by_weight():
    target, x = posterior_of(2, 3, "full", 0.0)
    rows = AnnotatedRows(target.rows.table[:8], target.rows.weights[:8] + 1.0)
    check_empty_probabilities(target, x, rows)


def test_a_labelled_row_that_does_not_count_says_nothing_of_empty_clusters():
    target, x = posterior_of(2, 3, "full", 0.0)
    allowed = np.ones((8, 3), dtype=bool)
    allowed[4] = [False, True, False]
    weights = np.array([1.0, 2.0, 1.0, 1.0, 0.0, 1.0, 3.0, 1.0])
    check_empty_probabilities(target, x, AnnotatedRows(target.rows.table[:8], weights, allowed))


def check_empty_probabilities(target, x, rows):
    """Compare prod (1 - r)^weight with the densities of SciPy."""
    few = LogPosterior(target.resolved, rows)
    expected = joint(rows, few.constrain(x[None]))
    shares = np.exp(expected - logsumexp(expected, axis=1, keepdims=True))
    empty = np.prod((1.0 - shares) ** rows.weights[:, None], axis=0)
    np.testing.assert_allclose(few.empty_probabilities(x[None])[0], empty, rtol=1e-8)


def test_predictions_of_partly_observed_rows():
    target, x = posterior_of(3, 2, "full", 0.0)
    points = np.stack([x, -x, 0.5 * x])
    parameters = target.constrain(points)
    draws = Draws.of(parameters, ("a", "b", "c"))
    found = [joint(target.rows, parameters.at(slice(s, s + 1))) for s in range(3)]
    logs = logsumexp(found, axis=2)
    np.testing.assert_allclose(draws.log_densities(target.rows), logs, rtol=1e-11, atol=1e-11)
    shares = np.exp(found - logs[:, :, None])
    responsibility = draws.responsibilities(target.rows)
    np.testing.assert_allclose(responsibility, shares.swapaxes(1, 2), atol=1e-12)
    by_row = draws.responsibilities_by_row(target.rows)
    np.testing.assert_allclose(by_row, shares.transpose(1, 2, 0), atol=1e-12)


def test_some_of_the_rows():
    target, x = posterior_of(3, 2, "full", 0.0)
    rows, frame = target.rows, (target.resolved.centre, target.resolved.unit)
    parameters = target.constrain(np.stack([x, -x]))
    all_of_them = pointwise_log_likelihood(parameters, rows, *frame)
    for index in (slice(3, 9), np.arange(N_ROWS) != 4, np.array([7, 2])):
        some = target.rowwise(np.stack([x, -x]), rows[index])
        np.testing.assert_allclose(some, all_of_them[:, index], rtol=1e-13)
    counted = rows.weights @ ~np.isnan(rows.table)
    np.testing.assert_array_equal(rows.counted, counted)


@pytest.mark.parametrize(
    ("annotations", "message"),
    [
        ({"weights": np.ones(3)}, "weights must have shape"),
        ({"weights": np.array([1.0, -1.0])}, "weights must be finite and at least 0"),
        ({"weights": np.array([1.0, np.nan])}, "weights must be finite and at least 0"),
        ({"errors": np.ones(2)}, "errors must have shape"),
        ({"errors": np.array([[1.0, np.inf], [0.0, 0.0]])}, "errors must be finite"),
        ({"allowed": np.ones((1, 2), dtype=bool)}, "allowed must have shape"),
        ({"allowed": np.array([[True, True], [False, False]])}, "at least one cluster"),
    ],
)
def test_annotations_that_cannot_be(annotations, message):
    with pytest.raises(ValueError, match=message):
        AnnotatedRows(np.zeros((2, 2)), **annotations)


def test_labels_are_of_as_many_clusters_as_the_mixture_has():
    target, _ = posterior_of(2, 3, "full", 0.0)
    fewer = target.resolved.with_fewer_components()
    for use in (
        lambda: LogPosterior(fewer, target.rows).flat,
        lambda: Rows(fewer, target.rows),
        lambda: Rows(target.resolved, target.rows).with_components(fewer),
    ):
        with pytest.raises(ValueError, match="some of 3 clusters; the mixture has 2"):
            use()
