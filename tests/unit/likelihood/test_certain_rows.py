"""Rows certain of their cluster at many points: sums stand for them, and bounds hold."""

import numpy as np
import pytest
from scipy.special import logsumexp

from bayesgmm.data import as_dataset
from bayesgmm.likelihood import certain_rows
from bayesgmm.likelihood.batches import batched_log_likelihoods, components_at
from bayesgmm.likelihood.certain_rows import log_likelihoods_by_group, near_one_another
from bayesgmm.likelihood.compiled.certain import sort_rows
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import MixtureSpec

CENTRES = np.array([[0.0, 0.0, 0.0], [6.0, 0.0, 0.0], [90.0, 0.0, 40.0], [90.0, 6.0, 40.0]])
N_ROWS, N_POINTS = 3_000, 80


def near_its_centres(n_features: int, **options: str) -> tuple[LogPosterior, np.ndarray]:
    """Rows of two pairs of clusters, far from one another, and points as draws would lie."""
    rng = np.random.default_rng(n_features)
    centres = CENTRES[:, :n_features]
    rows = centres[rng.integers(4, size=N_ROWS)] + rng.normal(size=(N_ROWS, n_features))
    data = as_dataset(rows)
    target = LogPosterior(resolve(MixtureSpec(4, **options), data), rows)
    x = np.zeros(target.dim)
    x[target.slices["means"]] = ((centres - data.centre()) / data.spread()).ravel()
    x[target.slices["scales"]] = (
        np.log(1.0 / data.spread())
        .repeat(4)
        .reshape(-1, 4)
        .T.ravel()[: target.slices["scales"].stop - target.slices["scales"].start]
    )
    points = x + 0.01 * rng.normal(size=(N_POINTS, target.dim)) / np.abs(data.spread()).max()
    return target, points


def in_full(target: LogPosterior, points: np.ndarray) -> np.ndarray:
    resolved = target.resolved
    size = resolved.n_layers * resolved.n_components, resolved.n_features
    return batched_log_likelihoods(points, target.flat, target.n_rows, size)


@pytest.mark.parametrize("options", [{}, {"family": "contaminated"}, {"covariance": "tied"}])
@pytest.mark.parametrize("n_features", [1, 2, 3])
def test_log_likelihoods_are_those_of_all_rows_and_clusters(
    n_features: int, options: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    target, points = near_its_centres(n_features, **options)
    points[40:] = points[39::-1] + 1e-3  # two groups would do as well
    expected = in_full(target, points)
    evaluated: list[int] = []
    whole = certain_rows.summed_log_likelihoods

    def counted(components, flat, n_rows, cores=None):  # type: ignore[no-untyped-def]
        evaluated.append(n_rows * components.constant.shape[1])
        return whole(components, flat, n_rows, cores)

    monkeypatch.setattr(certain_rows, "summed_log_likelihoods", counted)
    found = log_likelihoods_by_group(near_one_another(points, target), target, cores=1)
    np.testing.assert_allclose(found, expected, rtol=1e-13)
    n_normals = 4 * target.resolved.n_layers
    assert sum(evaluated) < 0.6 * N_ROWS * n_normals, "the far pair of clusters is left out"


def test_bounds_hold_at_every_point() -> None:
    target, points = near_its_centres(2)
    (group,) = near_one_another(points, target)
    assert group.reference is not None and len(group.places) == N_POINTS
    clusters = np.empty(N_ROWS, dtype=np.int64)
    mass, first, second = np.zeros(4), np.zeros((4, 2)), np.zeros((4, 2, 2))
    least = 12.0
    sums = clusters, mass, first, second
    sort_rows(target.flat, *group.reference, group.bounds, least, *sums)
    (whitening, shift, constant), _ = components_at(points, target.flat, (4, 2))
    rows = (np.asarray(target.rows) - target.resolved.centre) / target.resolved.unit
    z = np.einsum("pkij,nj->pkni", whitening, rows) - shift[:, :, None]
    joint = constant[:, :, None] - 0.5 * (z**2).sum(axis=3)
    counts = (clusters >> np.arange(4)[:, None]) & 1 == 1
    behind = joint.max(axis=1, keepdims=True) - joint
    assert behind[:, ~counts].min() > least
    alone = counts.sum(axis=0) == 1
    assert 0.1 < alone.mean() < 0.9
    np.testing.assert_array_equal(mass, (counts & alone).sum(axis=1))
    reference = joint[0].max(axis=0)
    assert np.allclose(logsumexp(joint[0][:, alone], axis=0), reference[alone], atol=1e-4)


def test_points_far_from_one_another_share_no_bounds() -> None:
    target, points = near_its_centres(2)
    points[::2] += 0.5
    points[5] = np.nan
    groups = near_one_another(points, target)
    assert sorted(np.concatenate([group.places for group in groups])) == list(range(N_POINTS))
    assert [len(group.places) for group in groups] == [40, 39, 1]
    found = log_likelihoods_by_group(groups, target)
    expected = in_full(target, points)
    assert found[5] == -np.inf
    np.testing.assert_allclose(np.delete(found, 5), np.delete(expected, 5), rtol=1e-13)
    assert near_one_another(points[:20], target) == []
