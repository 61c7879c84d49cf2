"""Modes of a density and merged components: closed forms, a grid, and by hand."""

import numpy as np
import pytest

import bayesgmm as bg
from bayesgmm.errors import ConfigError
from bayesgmm.model.parameters import Parameters
from bayesgmm.posterior.draws import Draws


def view(weights, means, covariances, rows=None):
    """One draw for each row of means; arrays (draw, cluster, ...)."""
    means, covariances = np.asarray(means, float), np.asarray(covariances, float)
    n_draws, k, d = means.shape
    covariances = np.broadcast_to(covariances, (n_draws, k, d, d)).copy()
    scales = np.sqrt(np.einsum("skdd->skd", covariances))
    correlations = covariances / scales[..., :, None] / scales[..., None, :]
    weights = np.broadcast_to(np.asarray(weights, float), (n_draws, k)).copy()
    parameters = Parameters(weights, means, scales, correlations, covariances)
    return Draws.of(parameters, tuple("xyz"[:d]), rows=rows)


def test_two_equal_gaussians_have_two_modes_from_two_sd_on():
    """With equal weights and variances the density is bimodal just where means lie > 2 sd apart."""
    gaps = np.array([1.0, 1.9, 1.99, 2.01, 2.1, 4.0])
    means = 10.0 + 3.0 * np.stack([-gaps / 2, gaps / 2], axis=1)[..., None]
    found = bg.density_modes(view([0.5, 0.5], means, [[9.0]]))
    assert found.counts.tolist() == [1, 1, 1, 2, 2, 2]
    assert found.table["probability"].tolist() == [0.5, 0.5]


def test_modes_are_those_of_a_fine_grid():
    rng = np.random.default_rng(3)
    n_draws, k = 40, 4
    means = rng.normal(0.0, 2.0, (n_draws, k, 1))
    variances = rng.uniform(0.2, 1.5, (n_draws, k, 1, 1))
    weights = rng.dirichlet(np.ones(k), n_draws)
    grid = np.linspace(-9.0, 9.0, 100_001)[:, None]
    draws = view(weights, means, variances)
    logs = draws.log_densities(grid)
    peaks = ((logs[:, 1:-1] > logs[:, :-2]) & (logs[:, 1:-1] > logs[:, 2:])).sum(axis=1)
    assert bg.density_modes(draws).counts.tolist() == peaks.tolist()
    assert len(set(peaks)) > 2


def test_two_crossed_ellipses_have_three_modes():
    """Ray and Lindsay (2005), section 4: two components, three modes, one on neither mean."""
    covariances = [[[[1.0, 0.0], [0.0, 0.05]], [[0.05, 0.0], [0.0, 1.0]]]]
    found = bg.density_modes(view([0.5, 0.5], [[[0.0, 0.0], [1.0, 1.0]]], covariances))
    assert found.counts.tolist() == [3]


def test_superfluous_components_make_no_modes(faithful):
    tree = bg.sample(faithful, 2, draws=100, tune=300, seed=1)
    assert bg.density_modes(tree).most_probable == 2
    assert bg.density_modes(bg.fit_em(faithful, 1, seed=1)).counts.tolist() == [1]


def by_hand(draws, rows, cutoff):
    """Merge one draw's components step by step, as Hennig (2010) writes it."""
    shares = draws.responsibilities(rows)[0]
    groups = [[k] for k in range(len(shares))]
    while len(groups) > 1:
        merged = np.array([shares[group].sum(axis=0) for group in groups])
        best = merged.argmax(axis=0)
        worst, pair = 0.0, None
        for a in range(len(groups)):
            for b in range(len(groups)):
                share = merged[a] @ (best == b) / merged[a].sum()
                if a != b and share > worst:
                    worst, pair = share, (a, b)
        if worst <= cutoff:
            break
        groups[pair[0]] += groups[pair[1]]
        del groups[pair[1]]
    return sorted(map(sorted, groups))


@pytest.mark.parametrize("cutoff", [0.005, 0.025, 0.2])
def test_components_are_merged_as_by_hand(cutoff):
    rng = np.random.default_rng(5)
    rows = np.concatenate([rng.normal(c, 1.0, (40, 2)) for c in (0.0, 2.5, 8.0, 10.0)])
    means = np.array([[0.0, 0.0], [2.5, 2.5], [8.0, 8.0], [10.0, 10.0]])
    for shift in (0.0, 0.5, -0.5):
        draws = view(np.full(4, 0.25), [means + shift * np.arange(4)[:, None]], np.eye(2), rows)
        merged = bg.merge_components(draws, cutoff=cutoff)
        expected = by_hand(draws, rows, cutoff)
        assert merged.counts.tolist() == [len(expected)]
        together = merged.together.values == 1.0
        assert sorted({tuple(np.flatnonzero(row)) for row in together}) == list(
            map(tuple, expected)
        )


def test_rows_count_by_their_weights():
    from bayesgmm.likelihood.annotated_rows import AnnotatedRows

    rows = np.array([[0.0], [2.0], [1.1], [-3.0], [5.0]])
    times = np.array([4.0, 4.0, 3.0, 1.0, 2.0])
    means, one = [[[0.0], [2.0]]], [[1.0]]
    for cutoff in np.linspace(0.02, 0.6, 30):
        weighted = bg.merge_components(
            view([0.5, 0.5], means, one, AnnotatedRows(rows, times)), cutoff=cutoff
        )
        written = view([0.5, 0.5], means, one, np.repeat(rows, times.astype(int), axis=0))
        assert weighted.counts == bg.merge_components(written, cutoff=cutoff).counts


def test_wrong_arguments_are_refused(faithful):
    fit = bg.fit_em(faithful, 1, seed=1)
    with pytest.raises(ConfigError, match="cutoff must be"):
        bg.merge_components(fit, faithful, cutoff=2.0)
    with pytest.raises(ConfigError, match="pass them as rows"):
        bg.merge_components(fit)
    with pytest.raises(ConfigError, match="n_draws must be"):
        bg.density_modes(fit, n_draws=0)
