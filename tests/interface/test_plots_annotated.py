"""Pictures of rows with missing cells, weights, labels and errors: what is drawn and said."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.patches import StepPatch

import bayesgmm as bg
from bayesgmm import plots
from bayesgmm.plots.curves import bin_edges
from bayesgmm.posterior.observed import observed_group
from tests.support.prediction_draws import posterior_of, random_parameters

N = 60
TIMES = np.arange(N) % 4
CLASSES = ["low", "high"]


@pytest.fixture(scope="module")
def values():
    rng = np.random.default_rng(2)
    return 3.0 * (np.arange(N) % 2)[:, None] + rng.normal(size=(N, 2)).round(1)


def posterior_for(data, names=None):
    """Forty draws around two clusters beside the rows of a data set."""
    tree = posterior_of(random_parameters(40, 2, data.n_features, seed=4), data.values)
    tree["observed_data"] = xr.DataTree(observed_group(data))
    if names:
        named = tree["posterior"].to_dataset().assign_coords(cluster=names)
        tree["posterior"] = xr.DataTree(named)
    return tree


def annotated(values, **options):
    rows = pd.DataFrame(values, columns=["x1", "x2"])
    rows.iloc[::5, 1], rows.iloc[1::10, 0] = np.nan, np.nan
    return bg.Dataset.from_frame(rows, missing="mar", **options)


@pytest.fixture(scope="module")
def weighted(values):
    labels = [CLASSES[i % 2] if i % 3 == 0 else None for i in range(N)]
    return annotated(
        values, weights=TIMES, weights_kind="frequency", labels=pd.Categorical(labels, CLASSES)
    )


@pytest.fixture(scope="module")
def tree(weighted):
    return posterior_for(weighted, CLASSES)


def legend_of(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_histograms_are_of_observed_cells_by_weight(weighted, tree):
    ax = plots.density_1d(tree, feature="x2").ax
    column = np.repeat(weighted.values[:, 1], TIMES)
    seen = column[~np.isnan(column)]
    bars = [patch for patch in ax.patches if patch.get_width() > 0]
    edges = [bars[0].get_x(), *(bar.get_x() + bar.get_width() for bar in bars)]
    np.testing.assert_allclose(edges, bin_edges(seen))
    heights = np.histogram(seen, bin_edges(seen), density=True)[0]
    np.testing.assert_allclose([bar.get_height() for bar in bars], heights)
    hidden = len(column) - len(seen)
    assert f"data, {len(seen)} rows, by weight ({hidden} not observed)" in legend_of(ax)
    assert {"cluster low", "cluster high"} <= set(legend_of(ax))


def test_cells_with_errors_are_told_as_such(values):
    tree = posterior_for(annotated(values, errors={"x1": 0.2}))
    assert any("with their errors" in text for text in legend_of(plots.density_1d(tree).ax))
    other = plots.density_1d(tree, feature="x2").ax
    assert "data, 48 rows (12 not observed)" in legend_of(other)


def test_points_are_rows_that_show_both_features(weighted, tree):
    ax = plots.density_2d(tree).ax
    (points,) = [drawn for drawn in ax.collections if len(drawn.get_offsets()) > 10]
    kept = (TIMES > 0) & ~np.isnan(weighted.values).any(axis=1)
    np.testing.assert_allclose(points.get_offsets(), weighted.values[kept])
    areas = points.get_sizes()
    np.testing.assert_allclose(areas / areas[0], TIMES[kept] / TIMES[kept][0])
    lacking = int((TIMES > 0).sum() - kept.sum())
    told = f"data, {kept.sum()} rows, area by weight ({lacking} more lack one of the two)"
    assert told in legend_of(ax)


def test_membership_shows_known_classes_and_counts_rows_that_it_cannot_show(weighted, tree):
    drawn = plots.membership(tree)
    kept = (TIMES > 0) & ~np.isnan(weighted.values).any(axis=1)
    hidden = int((TIMES > 0).sum() - kept.sum())
    title = f"Membership of {kept.sum()} rows ({hidden} not shown): the paler, the less certain"
    assert drawn.ax.get_title("left") == title
    labelled = int((kept & (np.arange(N) % 3 == 0)).sum())
    assert f"class known ({labelled} rows)" in legend_of(drawn.ax)


def test_checks_count_observed_cells_by_weight(weighted, tree):
    drawn = plots.posterior_predictive(tree, n=20, seed=1)
    for place, ax in enumerate(drawn.axes):
        column = np.repeat(weighted.values[:, place], TIMES)
        (stairs,) = [patch for patch in ax.patches if isinstance(patch, StepPatch)]
        heights, edges, _ = stairs.get_data()
        np.testing.assert_allclose(heights, np.histogram(column[~np.isnan(column)], edges)[0])
        assert heights.sum() == (~np.isnan(column)).sum()


@pytest.mark.parametrize("kind", ["frequency", "sampling"])
def test_every_picture_of_a_mixture_takes_annotated_rows(values, kind):
    labels = [CLASSES[i % 2] if i % 3 == 0 else None for i in range(N)]
    data = annotated(
        values, weights=TIMES + 0.0, weights_kind=kind, labels=pd.Categorical(labels, CLASSES),
        errors={"x1": 0.1},
    )  # fmt: skip
    tree = posterior_for(data, CLASSES)
    for draw in (plots.density_pairs, plots.forest, plots.correlations, plots.posterior_predictive):
        draw(tree).close()
    prior = plots.prior_predictive(data, 2, seed=1)
    n = TIMES.sum() if kind == "frequency" else (TIMES > 0).sum()
    assert prior.axes[-1].get_xlabel() == f"occupied components among {n} rows"
    fit = bg.fit_em(data, 2, seed=1, n_starts=2)
    assert "cluster high" in legend_of(plots.density_1d(fit, data).ax)


def test_one_feature_with_rows_of_which_nothing_is_seen(values):
    rows = pd.DataFrame({"x1": values[:, 0]})
    rows.iloc[::6] = np.nan
    with pytest.warns(bg.DataWarning, match="no cell observed"):
        data = bg.Dataset.from_frame(rows, missing="mar")
    drawn = plots.membership(posterior_for(data))
    assert drawn.ax.get_title("left").startswith("Membership of 50 rows (10 not shown)")
