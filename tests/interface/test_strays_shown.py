"""Noise and tails in pictures, tables and the report: nothing shown leaves the noise out."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.path import Path

import bayesgmm as bg
from bayesgmm import plots
from bayesgmm.diagnosis import Diagnosis, RunStatus
from bayesgmm.errors import ConfigError
from bayesgmm.model.several import ByModel
from bayesgmm.plots.curves import to_show
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.tree import permuted_tree
from bayesgmm.prediction import membership_table
from bayesgmm.report.far_out import strays
from bayesgmm.report.separation import _membership_picture, _memberships
from bayesgmm.report.subject import Subject, subject_of

RNG = np.random.default_rng(3)
ROWS = np.vstack(
    [
        RNG.normal([0.0, 0.0], [1.0, 1.0], (60, 2)),
        RNG.normal([12.0, 6.0], [1.0, 2.0], (60, 2)),
        RNG.uniform([-8.0, -14.0], [20.0, 20.0], (10, 2)),
    ]
)
NOISY = bg.MixtureSpec(2, noise="uniform")
TAILED = bg.MixtureSpec(2, family="t")


@pytest.fixture(scope="module")
def comparison() -> bg.Comparison:
    """Four models of the rows by few draws, every run taken for converged, without criteria."""
    models = (bg.MixtureSpec(2), NOISY, TAILED, bg.MixtureSpec(2, family="t", noise="uniform"))
    short = {"draws": 100, "tune": 200, "chains": 2, "seed": 1}
    trees = {spec: bg.sample(ROWS, spec, **short) for spec in models}
    good = Diagnosis(RunStatus.CONVERGED, (), (), {}, ())
    return bg.Comparison(
        bg.Dataset.from_frame(pd.DataFrame(ROWS, columns=["x1", "x2"])),
        models,
        table=pd.DataFrame(),
        elpds={},
        fits=ByModel({}),
        posteriors=ByModel(trees),
        verdicts=ByModel(dict.fromkeys(models, good)),
        seed=1,
    )


@pytest.fixture(scope="module")
def noisy(comparison: bg.Comparison) -> xr.DataTree:
    return comparison.posteriors[NOISY]


def legend(plot: bg.Plot) -> str:
    """All that legends and ticks of a figure say."""
    axes = plot.figure.axes
    boxes = [*plot.figure.legends, *(box for ax in axes if (box := ax.get_legend()) is not None)]
    said = [text.get_text() for box in boxes for text in box.get_texts()]
    return "; ".join(said + [tick.get_text() for ax in axes for tick in ax.get_yticklabels()])


@pytest.mark.parametrize(
    "name", ["density_1d", "density_2d", "density_pairs", "membership", "forest", "prior_posterior"]
)
def test_pictures_name_the_noise_where_there_is_one(comparison, name):
    draw = getattr(plots, name)
    assert "noise" in legend(draw(comparison.posteriors[NOISY]))
    assert "noise" not in legend(draw(comparison.posteriors[TAILED]))


def test_curves_of_clusters_and_noise_add_to_the_density(noisy):
    lines = {line.get_label(): line.get_ydata() for line in plots.density_1d(noisy).ax.lines}
    parts = lines["cluster 1"] + lines["cluster 2"] + lines["noise"]
    np.testing.assert_allclose(parts, lines["posterior mean"], rtol=1e-9, atol=1e-12)
    without = plots.density_1d(noisy, components=False).ax.lines
    labels = {line.get_label() for line in without}
    assert "noise" in labels and "cluster 1" not in labels


def test_the_noise_is_level_in_its_box_and_nothing_beyond(noisy):
    grid = bg.density_grid(noisy, "x1", size=300, limits=[(-20.0, 40.0)])
    share = float(noisy["posterior"]["noise_weight"].mean())
    assert float(grid["noise"].integrate("x")) == pytest.approx(share, rel=0.02)
    np.testing.assert_allclose(np.unique(grid["noise"])[0], 0.0, atol=0.0)
    assert len(np.unique(grid["noise"])) == 2


@pytest.mark.parametrize("rows", [ROWS, None], ids=["with data", "without"])
def test_a_logarithmic_axis_shows_the_noise_and_the_lowest_bar(rows):
    fit = bg.fit_em(ROWS, NOISY, seed=1, n_starts=4)
    ax = plots.density_1d(fit, rows, log=True).ax
    level = max(line.get_ydata().max() for line in ax.lines if line.get_label() == "noise")
    bars = [bar.get_height() for bar in ax.patches if bar.get_height() > 0]
    low, high = ax.get_ylim()
    assert ax.get_yscale() == "log" and 0.0 < low < min([level, *bars])
    assert high > max([*bars, *(line.get_ydata().max() for line in ax.lines)])
    assert low > 1e-3 * level


def test_panels_that_share_a_logarithmic_axis_show_all_of_both():
    _, panels = plt.subplots(1, 2, sharey=True)
    ends = []
    for panel, spec in zip(panels, (bg.MixtureSpec(1), NOISY), strict=True):
        fit = bg.fit_em(ROWS, spec, seed=1, n_starts=4)
        ends.append(plots.density_1d(fit, ROWS, log=True).ax.get_ylim())
        plots.density_1d(fit, ROWS, log=True, ax=panel)
    plt.close()
    low, high = np.transpose(ends)
    assert panels[0].get_ylim() == pytest.approx((low.min(), high.max()))


def test_membership_puts_rows_of_the_noise_under_their_own_mark(noisy):
    soft = bg.membership(noisy)
    of_noise = ROWS[soft["most_probable"].values == "noise"]
    assert 4 < len(of_noise) < 20
    drawn = [each.get_offsets() for each in plots.membership(noisy).ax.collections]
    sizes = [len(points) for points in drawn]
    assert sizes[2] == len(of_noise) and sum(sizes[:3]) == len(ROWS)
    assert {tuple(p) for p in np.asarray(drawn[2])} == {tuple(p) for p in of_noise}
    parts = np.column_stack([soft["mean"], soft["noise"]])
    assert sizes[3] == (parts.max(axis=1) < 0.8).sum()


def test_an_ellipse_holds_half_of_a_cluster_with_tails(comparison):
    fit = bg.fit_em(ROWS, bg.MixtureSpec(1, family="t", nu=2.0), seed=1, n_starts=2)
    outline = next(
        line for line in plots.density_2d(fit).ax.lines if line.get_linestyle() == "-"
    ).get_xydata()
    inside = Path(outline[~np.isnan(outline).any(axis=1)]).contains_points(
        bg.simulate(fit, 20_000, seed=2)["x"].values
    )
    assert inside.mean() == pytest.approx(0.5, abs=0.015)


def test_features_that_separate_do_not_depend_on_their_origin(noisy):
    tree = noisy.copy(deep=True)
    tree["posterior"]["means"].values[...] += [0.0, 1e4]
    orders = [to_show(Draws(each)).separating().tolist() for each in (noisy, tree)]
    assert orders[0] == orders[1]


def test_with_one_feature_clusters_and_noise_add_to_one():
    fit = bg.fit_em(ROWS[:, :1], NOISY, seed=1, n_starts=4)
    ax = plots.membership(fit, ROWS[:, :1]).ax
    heights = [np.asarray(each.get_offsets())[:, 1] for each in ax.collections[1:6:2]]
    np.testing.assert_allclose(np.sum(heights, axis=0), 1.0, atol=1e-9)
    assert "noise" in ax.get_ylabel()


def test_coclustering_says_how_probably_each_row_is_noise(noisy):
    together = bg.coclustering(noisy)
    np.testing.assert_allclose(together["noise"], bg.membership(noisy)["noise"], atol=1e-12)
    labels = bg.partition(noisy, seed=1).labels
    picture = plots.coclustering(together, labels)
    assert "(noise)" in legend(picture) and "noise" in picture.ax.get_xlabel()
    matrix, strip = picture.ax.images
    assert sorted(strip.get_array().ravel()) == pytest.approx(sorted(together["noise"].values))
    assert len(plots.coclustering(together.values, labels).ax.images) == 1


def test_ambiguous_rows_and_groups_count_the_noise(noisy):
    soft = bg.membership(noisy)
    table = bg.most_ambiguous(soft, len(ROWS))
    assert set(table["cluster"]) == {"1", "2", "noise"}
    assert (table["probability"] >= table["runner_up_probability"]).all()
    groups = bg.group_membership(noisy, bg.partition(noisy, seed=1))
    np.testing.assert_allclose(groups["mean"].sum("group"), 1.0, atol=1e-9)
    told = membership_table(soft)
    np.testing.assert_allclose(told.filter(like="mean_").sum(axis=1), 1.0, atol=2e-6)


def test_clusters_by_family_are_the_same_clusters_whatever_their_numbers(comparison):
    table = bg.clusters_by_family(comparison, NOISY)
    families = ["normal, noise", "normal", "t", "t, noise"]
    assert table.loc["1"].index.tolist() == table.loc["2"].index.tolist() == families
    tree = comparison.posteriors[TAILED]
    expected = tree["posterior"]["means"].mean(("chain", "draw")).values
    np.testing.assert_allclose(table.loc["1", "t"][["mean x1", "mean x2"]], expected[0])
    shares = table["weight"].groupby("family").sum()
    np.testing.assert_allclose(shares, 1.0, atol=1e-9)
    assert (table["weight_lower"] < table["weight"]).all()
    wide, narrow = (table.loc[("2", name), "scale x2"] for name in ("normal", "normal, noise"))
    assert wide > narrow
    orders = np.broadcast_to([1, 0], (*tree["posterior"].sizes.values(), 2)[:2] + (2,))
    turned = {**comparison.posteriors, TAILED: permuted_tree(tree, orders)}
    again = bg.clusters_by_family(replace(comparison, posteriors=ByModel(turned)), NOISY)
    np.testing.assert_allclose(again, table)


def test_families_without_clusters_that_hold_are_left_out(comparison):
    verdicts = dict(comparison.verdicts)
    verdicts[TAILED] = replace(verdicts[TAILED], status=RunStatus.LABELS_SWITCH)
    some = replace(comparison, verdicts=ByModel(verdicts))
    table = bg.clusters_by_family(some, NOISY)
    assert table.attrs["left_out"] == ["t"] and "t" not in table.loc["1"].index
    with pytest.raises(ConfigError, match=r"K = 2 \(full, t\) cannot be told one by one"):
        bg.clusters_by_family(some, TAILED)
    with pytest.raises(ConfigError, match="does not hold"):
        bg.clusters_by_family(some, bg.MixtureSpec(3))


def words(section) -> str:
    texts = []
    for block in section.blocks:
        texts += [getattr(block, name, "") for name in ("text", "caption")]
        texts += [cell for row in getattr(block, "rows", ()) for cell in row]
    return "\n".join(map(str, texts))


def test_the_report_names_strays_and_sets_families_side_by_side(comparison):
    draws, verdict = Draws(comparison.posteriors[NOISY]), comparison.verdicts[NOISY]
    choice = bg.Choice(NOISY, "It is.")
    section = strays(Subject(draws, verdict, comparison, choice, {}))
    told = words(section)
    found = bg.strays(draws)
    number = int(found["stray"].sum())
    assert f"{number} rows of 130 have a weight below 0.5" in told
    assert f"The {min(max(number, 3), 10)} rows that count least" in told
    assert "The noise holds" in told and "normal, noise" in told and "\nt\n" in told
    listed = section.blocks[1].rows
    assert [row[0] for row in listed] == list(map(str, found.index[: len(listed)]))


def test_the_reports_memberships_count_the_noise(noisy):
    subject = subject_of(noisy, "loo", None)
    text, table, _ = _memberships(subject)
    picture = _membership_picture(subject)
    parts = bg.membership(noisy)
    largest = np.maximum(parts["mean"].max("cluster"), parts["noise"])
    assert f"{int((largest < 0.8).sum())} of 130 have no cluster, nor the noise," in text.text
    assert "Grey crosses are rows of the noise" in picture.caption
    assert "noise" in {row[3] for row in table.rows} | {row[5] for row in table.rows}


def test_a_posterior_with_tails_has_its_strays_and_one_without_has_none(comparison):
    told = words(strays(subject_of(comparison.posteriors[TAILED], "loo", None)))
    assert "The degrees of freedom ν are" in told and "The noise" not in told
    gaussian = comparison.posteriors[bg.MixtureSpec(2)]
    assert strays(subject_of(gaussian, "loo", None)) is None
