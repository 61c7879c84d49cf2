"""Pictures: what they return, what they draw, and how they look."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from scipy.stats import norm

import bayesgmm as bg
from bayesgmm import plots
from bayesgmm.data import Dataset, as_dataset
from bayesgmm.errors import ConfigError
from bayesgmm.fit import Climb, Optimum, PointFit, fit_em
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.model.resolving import resolve
from bayesgmm.model.several import numbers_of
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.plots.curves import bin_edges, mass_levels
from bayesgmm.plots.theme import mark_at, printable
from bayesgmm.posterior.tree import permuted_tree, posterior_tree, rows_of
from bayesgmm.prediction import coclustering, membership
from bayesgmm.report.pictures import picture

CHAINS, DRAWS = 2, 60


def scattered(
    data: Dataset, fit: PointFit, covariance: str = "full", n_factors: int | None = None
) -> xr.DataTree:
    """Return a posterior made of normal scatter about a point fit: the same on every machine."""
    k = fit.spec.n_components
    resolved = resolve(MixtureSpec(k, covariance, n_factors=n_factors), data)
    log_posterior = LogPosterior(resolved, data.values)
    noise = np.random.default_rng(7).normal(scale=0.05, size=(CHAINS * DRAWS, log_posterior.dim))
    drawn = log_posterior.constrain(log_posterior.unconstrain(fit.parameters) + noise)
    shape = (CHAINS, DRAWS)
    return posterior_tree(
        drawn.each(lambda value: value.reshape(*shape, *value.shape[1:])),
        {},
        data=data,
        resolved=resolved,
        log_likelihood=None,
        log_prior={},
        sample_stats={"lp": np.zeros(shape)},
        attributes={"seed": 7},
    )


def searched(fit: PointFit) -> PointFit:
    """Return the fit with a search written by hand: the same on every machine."""
    heights = [fit.log_likelihood + rise for rise in (1.2, 0.0, -2.5, -7.0)]
    counts = (2, 11, 4, 2)
    climbs = []
    for number, optimum in enumerate(np.repeat(np.arange(4), counts)):
        steps = np.arange(20 + 3 * number)
        path = heights[optimum] - (20.0 + number) * np.exp(-0.25 * steps)
        climbs.append(Climb(path, fit.n_obs, int(optimum)))
    climbs.append(Climb(heights[1] + np.linspace(-20.0, 3.0, 12), fit.n_obs, None, collapsed=True))
    optima = [
        Optimum(height, count, flagged, fit.parameters)
        for height, count, flagged in zip(heights, counts, (True, False, False, False), strict=True)
    ]
    return replace(
        fit, optima=tuple(optima), climbs=tuple(climbs), path=climbs[2].path, n_collapsed=1
    )


@pytest.fixture(scope="module")
def fits(faithful: Dataset, galaxies: Dataset, iris: Dataset) -> dict[str, PointFit]:
    return {
        "faithful": fit_em(faithful, 2, seed=1, n_starts=8),
        "galaxies": fit_em(galaxies, 3, seed=1, n_starts=8),
        "iris": fit_em(iris, 3, seed=1, n_starts=20),
    }


@pytest.fixture(scope="module")
def trees(
    faithful: Dataset, galaxies: Dataset, iris: Dataset, fits: dict[str, PointFit]
) -> dict[str, xr.DataTree]:
    data = {"faithful": faithful, "galaxies": galaxies, "iris": iris}
    drawn = {name: scattered(data[name], fits[name]) for name in data}
    rows = many_features()
    spec = MixtureSpec(2, "factor", n_factors=2)
    return drawn | {"many": scattered(rows, fit_em(rows, spec, seed=1, n_starts=4), "factor", 2)}


def many_features() -> Dataset:
    """Return rows of two clusters in twelve features, of which the first three tell them apart."""
    rng = np.random.default_rng(4)
    apart = np.r_[[5.0, 3.0, -4.0], np.zeros(9)]
    loadings = rng.normal(size=(12, 2))
    rows = rng.normal(size=(120, 2)) @ loadings.T + 0.5 * rng.normal(size=(120, 12))
    return as_dataset(rows + np.outer(np.arange(120) % 2, apart))


@pytest.fixture(scope="module")
def comparison() -> SimpleNamespace:
    table = pd.DataFrame(
        {
            "covariance": "full",
            "aic": [2589.6, 2282.5, 2262.9, 2260.0],
            "bic": [2607.6, 2322.2, 2324.2, 2340.0],
            "icl": [2607.6, 2322.7, 2351.4, 2390.0],
            "elpd_waic": [-1294.2, -1141.6, -1141.9, -1142.2],
            "elpd_loo": [-1294.2, -1141.7, -1142.0, -1142.5],
            "log_evidence": [-1310.5, -1164.3, -1165.0, -1167.0],
            "log_evidence_error": [0.01, 0.02, 0.1, np.inf],
            "log_evidence_bridge": [-1310.5, -1164.3, -1165.0, -1167.0],
            "log_evidence_bridge_error": [0.01, 0.02, np.inf, 0.1],
            "log_evidence_smc": [-1310.5, -1164.3, -1165.0, -1165.5],
            "log_evidence_smc_error": [0.01, 0.02, 0.1, 0.1],
            "probability": [0.0, 0.6, 0.4, np.nan],
            "probability_error": [0.0, 0.02, 0.02, np.nan],
        },
        index=pd.Index([1, 2, 3, 4], name="K"),
    )
    differences = pd.DataFrame(
        {"elpd_diff": [-152.5, 0.0, -0.3, -0.8], "se_diff": [15.0, 0.0, 0.8, 1.2]},
        index=table.index,
    )
    models = tuple(MixtureSpec(k) for k in table.index)
    return SimpleNamespace(
        models=models, same={}, numbers=numbers_of(models), table=table, differences=differences,
        chosen=lambda: SimpleNamespace(model=MixtureSpec(2), reason=""),
    )  # fmt: skip


def grid() -> pd.DataFrame:
    """BIC of Old Faithful as `bayesgmm.bic_grid` gives it for three structures."""
    names = ["full", "tied", "tied_diag"]
    table = pd.DataFrame(
        {
            "covariance": names * 4,
            "bic": [
                *(2607.62, 2607.62, 3055.83, 2322.19, 2325.22, 2346.06),
                *(2331.26, 2314.32, 2333.43, 2348.12, 2320.21, 2326.68),
            ],
            "model": ["full = tied"] * 2 + ["tied_diag"] + names * 3,
            "flagged": [False] * 9 + [True, False, False],
        },
        index=pd.Index(np.repeat([1, 2, 3, 4], 3), name="K"),
    )
    table["rank"] = table["bic"].where(~table["flagged"]).rank(method="dense")
    return table


def by_priors() -> bg.PosteriorsOverK:
    """p(K) and p(K+) under two priors, by hand."""
    results = {}
    for name, masses in {
        "uniform": [0.0, 0.5, 0.35, 0.15],
        "Poisson": [0.0, 0.7, 0.25, 0.05],
    }.items():
        index = pd.Index([1, 2, 3, 4], name="K")
        of_k = pd.DataFrame({"probability": masses, "error": [0.0, 0.02, 0.02, 0.01]}, index)
        clusters = of_k.assign(prior=[0.4, 0.3, 0.2, 0.1], pareto_k=0.2)
        results[name] = SimpleNamespace(table=of_k, clusters=clusters)
    table = pd.DataFrame({name: found.table["probability"] for name, found in results.items()}).T
    return bg.PosteriorsOverK(table, table, table, results, {})


def by_alpha() -> bg.Coarsened:
    """p(K) at four alphas and of the comparison, by hand."""
    masses = {8.0: [0.5, 0.4, 0.1], 32.0: [0.2, 0.7, 0.1], 128.0: [0.0, 0.8, 0.2],
              512.0: [0.0, 0.5, np.nan], np.inf: [0.0, 0.3, 0.7]}  # fmt: skip
    rows = [
        {"alpha": alpha, "K": k, "probability": mass}
        for alpha, each in masses.items()
        for k, mass in enumerate(each, 1)
    ]
    return bg.Coarsened(pd.DataFrame(rows), "")


def first(drawn: object) -> Axes:
    assert isinstance(drawn, bg.Plot)
    ax = drawn.axes.flat[0]
    assert isinstance(ax, Axes) and ax.get_figure(root=True) is drawn.figure
    return ax


def texts(drawn: object) -> str:
    """All text that the figure shows."""
    import matplotlib.text

    figure = first(drawn).get_figure(root=True)
    return "\n".join(t.get_text() for t in figure.findobj(matplotlib.text.Text) if t.get_visible())


def all_pictures(
    trees: dict[str, xr.DataTree],
    fits: dict[str, PointFit],
    comparison: SimpleNamespace,
    **look: Any,
) -> dict[str, object]:
    pareto = SimpleNamespace(pareto_k=np.r_[np.linspace(-0.1, 0.6, 80), 0.9, 1.2])
    tree = trees["faithful"]
    return {
        "density_1d": plots.density_1d(trees["galaxies"], **look),
        "density_2d": plots.density_2d(tree, **look),
        "density_pairs": plots.density_pairs(trees["iris"], **look),
        "membership": plots.membership(tree, **look),
        "membership_1d": plots.membership(trees["galaxies"], **look),
        "coclustering": plots.coclustering(
            coclustering(trees["iris"]), membership(trees["iris"])["mean"].argmax("cluster"), **look
        ),
        "forest": plots.forest(trees["iris"], **look),
        "profile": plots.profile(trees["many"], **look),
        "loadings": plots.loadings(trees["many"], **look),
        "correlations": plots.correlations(trees["iris"], **look),
        "traces": plots.traces(tree, **look),
        "ranks": plots.ranks(tree, **look),
        "em_path": plots.em_path(searched(fits["galaxies"]), **look),
        "criteria": plots.criteria(comparison, **look),
        "bic_grid": plots.bic_grid(grid(), **look),
        "over_alpha": plots.over_alpha(by_alpha(), **look),
        "over_k": plots.over_k(by_priors(), **look),
        "pareto_k": plots.pareto_k(pareto, **look),
        "prior_posterior": plots.prior_posterior(tree, **look),
        "prior_predictive": plots.prior_predictive(tree, seed=3, **look),
        "posterior_predictive": plots.posterior_predictive(tree, n=40, seed=3, **look),
    }


@pytest.fixture(scope="module")
def pictures(
    trees: dict[str, xr.DataTree], fits: dict[str, PointFit], comparison: SimpleNamespace
) -> dict[str, object]:
    return all_pictures(trees, fits, comparison)


NAMES = (
    "density_1d", "density_2d", "density_pairs", "membership", "membership_1d", "coclustering",
    "forest", "profile", "loadings", "correlations", "traces", "ranks", "em_path", "criteria",
    "bic_grid", "pareto_k", "over_alpha", "over_k", "prior_posterior", "prior_predictive",
    "posterior_predictive",
)  # fmt: skip


def test_every_picture_is_covered(pictures: dict[str, object]) -> None:
    assert set(pictures) == set(NAMES)
    one_dimensional = {"membership_1d"}
    assert set(NAMES) - one_dimensional == set(plots.__all__) == set(dir(plots))


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_has_title_labels_and_a_legend(pictures: dict[str, object], name: str) -> None:
    ax = first(pictures[name])
    figure = ax.get_figure(root=True)
    title = ax.get_title(loc="left") or (figure.get_suptitle())
    assert len(title) > 8
    shown = [panel for panel in figure.axes if panel.get_visible()]
    if name == "density_pairs":  # inner panels share the labels at the edges
        shown = [*pictures[name].axes[:, 0], *pictures[name].axes[-1]]
    assert all(panel.get_xlabel() or panel.get_ylabel() for panel in shown)
    legends = figure.legends + [p.get_legend() for p in shown if p.get_legend() is not None]
    assert legends and all(legend.get_texts() for legend in legends)


@pytest.mark.parametrize("name", [*NAMES, "density_pairs_2"])
def test_no_text_is_clipped(
    pictures: dict[str, object], trees: dict[str, xr.DataTree], name: str
) -> None:
    extra = name == "density_pairs_2"
    figure = first(plots.density_pairs(trees["faithful"]) if extra else pictures[name]).get_figure(
        root=True
    )
    assert_nothing_is_clipped(figure)


def assert_nothing_is_clipped(figure: Figure) -> None:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    shown = [panel for panel in figure.axes if panel.get_visible()]
    written = [*figure.legends, figure._suptitle, *(panel.get_legend() for panel in shown)]
    for panel in shown:
        written += [panel.title, panel._left_title, panel.xaxis.label, panel.yaxis.label]
    for part in filter(None, written):
        if getattr(part, "get_text", lambda: "legend")() == "":
            continue
        box = part.get_window_extent(canvas.get_renderer())
        # 3 pixels: a legend's box has a margin around its text
        assert box.x0 > -3 and box.x1 < figure.bbox.x1 + 3, part
        assert box.y0 > -3 and box.y1 < figure.bbox.y1 + 3, part


IN_A_COLUMN = (3.4, 2.8)  # inches: half the width of a page


@pytest.fixture(scope="module")
def small(
    trees: dict[str, xr.DataTree], fits: dict[str, PointFit], comparison: SimpleNamespace
) -> dict[str, object]:
    return all_pictures(trees, fits, comparison, figsize=IN_A_COLUMN)


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_fits_a_column_of_a_paper(small: dict[str, object], name: str) -> None:
    """Nothing is cut off, text has 5 points and more, and panels keep a share of the place."""
    figure = first(small[name]).get_figure(root=True)
    assert tuple(figure.get_size_inches()) == IN_A_COLUMN
    assert_nothing_is_clipped(figure)
    panels = [ax for ax in figure.axes if ax.get_visible() and ax.axison]
    sizes = [t.get_fontsize() for ax in panels for t in (*ax.get_xticklabels(), ax.xaxis.label)]
    assert min(sizes) >= 5.2
    covered = sum(ax.get_position().width * ax.get_position().height for ax in panels)
    assert covered > 0.15


@pytest.mark.parametrize("name", NAMES)
def test_no_legend_lies_over_the_data(
    pictures: dict[str, object], small: dict[str, object], name: str
) -> None:
    for drawn in (pictures[name], small[name]):
        figure = first(drawn).get_figure(root=True)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        legends = [*figure.legends, *(ax.get_legend() for ax in figure.axes)]
        for legend in filter(None, legends):
            box = legend.get_window_extent(canvas.get_renderer())
            inside = box.padded(-4)  # pixels: a legend has a margin
            assert not any(inside.overlaps(ax.get_window_extent()) for ax in figure.axes
                           if ax.get_visible())  # fmt: skip


def test_nothing_is_left_in_global_state(pictures: dict[str, object]) -> None:
    from matplotlib import pyplot

    assert pictures and pyplot.get_fignums() == []


def test_axes_given_are_used(trees: dict[str, xr.DataTree]) -> None:
    ax = Figure().add_subplot()
    assert plots.density_1d(trees["galaxies"], ax=ax).ax is ax
    assert plots.membership(trees["faithful"], ax=ax).ax is ax


def test_panels_take_the_place_of_axes_given(trees: dict[str, xr.DataTree]) -> None:
    figure = Figure((8, 3))
    left, right = figure.subplots(1, 2)
    drawn = plots.traces(trees["faithful"], ax=right)
    FigureCanvasAgg(figure).draw()
    assert drawn.figure is figure and right not in figure.axes and left in figure.axes
    assert all(ax.get_window_extent().x0 > left.get_window_extent().x1 for ax in drawn.axes)
    with pytest.raises(ConfigError, match="axes with a place in a grid"):
        plots.traces(trees["faithful"], ax=figure.add_axes((0.1, 0.1, 0.2, 0.2)))


@pytest.mark.parametrize("draw", [plots.density_1d, plots.forest, plots.traces, plots.membership])
def test_title_legend_and_colours_are_heeded(trees: dict[str, xr.DataTree], draw: Any) -> None:
    drawn = draw(trees["faithful"], title="Geyser", legend=False, colors=["#123456", "tomato"])
    assert "Geyser" in repr(drawn) and "#123456" in colours_in(drawn)
    figure = drawn.figure
    assert not figure.legends and not any(ax.get_legend() for ax in figure.axes)
    assert bg.cluster_colour(1).lower() not in colours_in(drawn)


def colours_in(drawn: bg.Plot) -> set[str]:
    lines = [line.get_color() for ax in drawn.axes.flat for line in ax.lines]
    edges = [line.get_markeredgecolor() for ax in drawn.axes.flat for line in ax.lines]
    return {to_hex(colour) for colour in (*lines, *edges)}


@pytest.mark.parametrize(
    ("look", "words"),
    [
        ({"figsize": (0, 3)}, "1 to 100 each"),
        ({"figsize": 3}, "figsize must hold finite numbers"),
        ({"title": 3}, "title must be text"),
        ({"legend": "right"}, "legend must be True or False"),
        ({"colors": ["blu"]}, "colors must be colours of matplotlib"),
        ({"colors": []}, "colors must be colours of matplotlib"),
        ({"colors": "blue"}, "colors must be a list"),
        ({"ax": 3}, "ax must be plain axes"),
    ],
)
def test_a_wrong_look_is_refused(
    trees: dict[str, xr.DataTree], look: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        plots.forest(trees["faithful"], **look)


def test_a_dark_style_turns_ink_and_paper(
    trees: dict[str, xr.DataTree], fits: dict[str, PointFit], comparison: SimpleNamespace
) -> None:
    """Nothing black is left that would vanish on a black ground."""
    from matplotlib import style

    with style.context("dark_background"):
        dark = all_pictures(trees, fits, comparison)
    for name, drawn in dark.items():
        assert drawn.figure.get_facecolor()[:3] == (0, 0, 0), name
        drawn_lines = [line for ax in drawn.axes.flat for line in ax.lines]
        lines = {to_hex(x.get_color()) for x in drawn_lines if x.get_linestyle() != "None"}
        assert not {"#000000", "#333333"} & lines, name


def test_twelve_clusters_can_be_told_apart() -> None:
    looks = {(bg.cluster_colour(k), mark_at(k - 1)) for k in range(1, 25)}
    assert len(looks) == 24 and len({bg.cluster_colour(k) for k in range(1, 13)}) == 12


def test_a_plot_is_shown_once(trees: dict[str, xr.DataTree]) -> None:
    """By itself, or by pyplot where the axes are pyplot's, and never by both."""
    from matplotlib import pyplot

    own = plots.density_1d(trees["galaxies"])
    assert own._repr_png_()[:4] == b"\x89PNG" and repr(own).startswith("Plot('Posterior mean")
    figure, ax = pyplot.subplots()
    try:
        given = plots.density_1d(trees["galaxies"], ax=ax)
        assert given.figure is figure and given._repr_png_() is None
        given.close()
        assert pyplot.get_fignums() == [] and figure.axes == []
    finally:
        pyplot.close(figure)


def test_a_plot_is_saved_and_gives_its_one_panel(
    trees: dict[str, xr.DataTree], tmp_path: Path
) -> None:
    one, four = plots.density_1d(trees["galaxies"]), plots.prior_posterior(trees["faithful"])
    one.savefig(tmp_path / "one.svg")
    assert (tmp_path / "one.svg").read_text().count("<svg") == 1
    assert repr(four) == "Plot('Prior against posterior, K = 2')"
    assert one.ax is one.axes[0] and one.axes.shape == (1,)
    with pytest.raises(ConfigError, match="take one of plot.axes"):
        four.ax  # noqa: B018


def test_the_report_closes_its_figures(
    trees: dict[str, xr.DataTree], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = []
    close = bg.Plot.close
    monkeypatch.setattr(bg.Plot, "close", lambda plot: (closed.append(plot), close(plot)))
    shown = picture("density", plots.density_1d(trees["galaxies"]), "A.", "B.")
    assert "<svg" in shown.svg and len(closed) == 1 and not closed[0].figure.axes


def test_units_are_shown(trees: dict[str, xr.DataTree]) -> None:
    units = {"waiting": "minutes"}
    shown = texts(plots.density_2d(trees["faithful"], units=units))
    assert "waiting (minutes)" in shown and "eruptions (data units)" in shown


def test_the_density_is_the_mean_over_draws(trees: dict[str, xr.DataTree]) -> None:
    tree = trees["galaxies"]
    lines = {line.get_label(): line for line in plots.density_1d(tree).ax.lines}
    x, y = lines["posterior mean"].get_data()
    posterior = tree.posterior
    weights = posterior.weights.values.reshape(-1, 3)
    means = posterior.means.values.reshape(-1, 3)
    sd = np.sqrt(posterior.covariances.values.reshape(-1, 3))
    each = weights[..., None] * norm.pdf(x, means[..., None], sd[..., None])
    np.testing.assert_allclose(y, each.sum(axis=1).mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(
        lines["cluster 2"].get_ydata(), each[:, 1].mean(axis=0), rtol=1e-8, atol=1e-12
    )


def test_a_cluster_has_one_colour_everywhere(
    trees: dict[str, xr.DataTree], fits: dict[str, PointFit]
) -> None:
    tree = trees["faithful"]
    lines = {line.get_label(): line for line in plots.density_1d(tree).ax.lines}
    patch = {line.get_label(): line for line in plots.membership(tree).ax.lines}
    forest = plots.forest(tree).axes[0].lines[0]
    wanted = bg.cluster_colour(1).lower()
    for line in (lines["cluster 1"], patch["cluster 1"], forest):
        assert to_hex(line.get_color()) == wanted
    assert len({bg.cluster_colour(k) for k in range(1, 7)}) == 6


def test_ambiguous_rows_are_ringed(trees: dict[str, xr.DataTree]) -> None:
    tree = trees["iris"]
    largest = membership(tree)["mean"].max("cluster").values
    rings = plots.membership(tree, ambiguous=0.9).ax.collections[-1]
    assert len(rings.get_offsets()) == (largest < 0.9).sum() > 0


def test_traces_show_the_labels_as_sampled(trees: dict[str, xr.DataTree]) -> None:
    tree = trees["faithful"]
    order = np.argsort(np.random.default_rng(0).random((CHAINS, DRAWS, 2)), axis=2)
    before, after = plots.traces(permuted_tree(tree, order)).axes
    raw = tree.posterior.means.values[0, :, 0, 0]
    np.testing.assert_array_equal(before.lines[0].get_ydata(), raw)
    assert not np.array_equal(after.lines[0].get_ydata(), raw)
    assert plots.traces(tree).axes.shape == (1,)


def test_ranks_of_a_chain_apart_are_not_cut_off(trees: dict[str, xr.DataTree]) -> None:
    tree = trees["faithful"].copy(deep=True)
    tree["posterior"]["means"].values[1, :, 1] += 100.0
    for ax in plots.ranks(tree).axes.ravel():
        steps = [patch.get_data() for patch in ax.patches if hasattr(patch, "get_data")]
        lines = [line.get_ydata()[0] for line in ax.lines]
        for line, step in zip(lines, steps, strict=True):
            assert (line - step.values).sum() == pytest.approx(DRAWS)
            assert line - lines[0] < step.values.min()  # above the line of the chain before
        assert len(steps) == CHAINS and min(step.values.min() for step in steps) > 0


def test_ranks_give_r_hat(trees: dict[str, xr.DataTree]) -> None:
    import arviz as az

    expected = az.rhat(trees["faithful"], var_names=["means"])["means"].values[1, 0]
    assert f"R-hat {expected:.3f}" in texts(plots.ranks(trees["faithful"]))


def test_criteria_write_out_what_is_off_the_scale(comparison: SimpleNamespace) -> None:
    plot = plots.criteria(comparison)
    shown, axes = texts(plot), plot.axes
    assert "off the scale:\n-152" in shown and "not given" in shown and "< 0.001" in shown
    assert axes[1].get_ylim()[0] > -30


def test_the_bic_grid_crowns_no_spike_and_draws_one_model_once() -> None:
    table = grid()
    table.loc[(table.index == 4) & (table["covariance"] == "full"), "bic"] = 2200.0
    ax = plots.bic_grid(table).ax
    lines = {line.get_label(): line for line in ax.lines}
    assert set(lines) >= {"full", "tied", "tied_diag", "best: K = 3, tied"}
    assert ax.get_ylim()[0] < 0.0 and ax.get_ylim()[1] > np.nanmax(lines["tied_diag"].get_ydata())
    np.testing.assert_allclose(lines["tied"].get_ydata()[2:], [0.0, 2320.21 - 2314.32])
    assert np.isnan(lines["full"].get_ydata()[3])
    full = table[table["covariance"] == "full"].assign(model="full = diag")
    one = pd.concat([full, full.assign(covariance="diag")])
    assert [x for x in plots.bic_grid(one).ax.get_legend_handles_labels()[1] if x == "full = diag"]


def test_more_structures_than_colours_are_told_apart() -> None:
    full = grid().query("covariance == 'full'").assign(flagged=False)
    names = [f"structure {number}" for number in range(9)]
    many = pd.concat([full.assign(covariance=name, model=name, bic=full["bic"] + i)
                      for i, name in enumerate(names)])  # fmt: skip
    lines = [line for line in plots.bic_grid(many).ax.lines if line.get_label() in names]
    assert len(lines) == 9
    assert len({(line.get_color(), line.get_marker()) for line in lines}) == 9


def test_criteria_have_their_legends_over_the_panels(comparison: SimpleNamespace) -> None:
    figure = first(plots.criteria(comparison)).get_figure(root=True)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    for ax in figure.axes:
        legend = ax.get_legend().get_window_extent(canvas.get_renderer())
        assert legend.y0 >= ax.get_window_extent().y1


def test_the_errors_of_the_probabilities_are_drawn(comparison: SimpleNamespace) -> None:
    (bars,) = plots.criteria(comparison).axes[3].containers[1].lines[2]
    heights = [segment[:, 1] for segment in bars.get_segments()]
    np.testing.assert_allclose(heights, [[0.56, 0.64], [0.36, 0.44]])


def test_a_model_without_correlations_is_refused(
    galaxies: Dataset, trees: dict[str, xr.DataTree]
) -> None:
    with pytest.raises(ConfigError, match="no correlations"):
        plots.correlations(trees["galaxies"])
    with pytest.raises(ConfigError, match="no feature 'speed'"):
        plots.density_1d(trees["galaxies"], feature="speed")
    with pytest.raises(ConfigError, match="take density_1d"):
        plots.density_2d(trees["galaxies"])
    with pytest.raises(ConfigError, match="pass rows="):
        plots.membership(fit_em(galaxies, 2, seed=1, n_starts=4))


def test_shared_correlations_are_drawn_once(faithful: Dataset) -> None:
    fit = fit_em(faithful, MixtureSpec(2, "tied"), seed=1, n_starts=4)
    assert "all clusters" in texts(plots.correlations(scattered(faithful, fit, "tied")))


def test_point_fits_are_drawn_without_intervals(
    faithful: Dataset, fits: dict[str, PointFit]
) -> None:
    shown = texts(plots.density_1d(fits["faithful"], faithful))
    assert "interval" not in shown and "fitted density" in shown
    assert "Fitted density" in texts(plots.density_2d(fits["faithful"]))


def test_prior_predictive_before_any_fit(faithful: Dataset) -> None:
    axes = plots.prior_predictive(faithful, 3, seed=1).axes
    bars = [patch.get_height() for patch in axes[-1].patches]
    assert len(bars) == 3 and sum(bars) == pytest.approx(1.0)
    with pytest.raises(ConfigError, match="needs a spec"):
        plots.prior_predictive(faithful)


def test_any_name_can_be_drawn(galaxies: Dataset) -> None:
    name = "$\\frac{x \n_‮<b>" + "y" * 60
    data = as_dataset(pd.DataFrame({name: galaxies.values[:, 0]}))
    tree = scattered(data, fit_em(data, 2, seed=1, n_starts=4))
    for drawn in (plots.density_1d(tree), plots.forest(tree), plots.traces(tree)):
        FigureCanvasAgg(first(drawn).get_figure(root=True)).draw()
    assert printable("a\x00$") == "a\\x0\\$"


def test_histogram_bins_hold_every_row_and_do_not_comb(iris: Dataset) -> None:
    for column in iris.values.T:
        edges = bin_edges(column)
        assert np.histogram(column, edges)[0].sum() == len(column)
        steps = np.diff(edges) / 0.1
        np.testing.assert_allclose(steps, np.round(steps), atol=1e-9)


def test_contours_enclose_their_mass() -> None:
    x = np.linspace(-6, 6, 400)
    surface = norm.pdf(x)[:, None] * norm.pdf(x)
    low, high = mass_levels(surface, (0.5, 0.95))
    # in the plane a Normal's density falls to 1 - p of its peak around the mass p
    np.testing.assert_allclose([low, high], surface.max() * np.array([0.05, 0.5]), rtol=0.02)


def test_posterior_predictive_counts(trees: dict[str, xr.DataTree]) -> None:
    tree = trees["galaxies"]
    ax = plots.posterior_predictive(tree, n=40, seed=1).ax
    counts = ax.patches[0].get_data().values
    assert counts.sum() == len(rows_of(tree))


def test_a_profile_shows_means_in_deviations_of_the_whole(trees: dict[str, xr.DataTree]) -> None:
    drawn = plots.profile(trees["many"], features=["x3", "x1"])
    assert [label.get_text() for label in drawn.ax.get_yticklabels()] == ["x3", "x1"]
    values = many_features().values[:, [2, 0]]
    expected = [
        (values[k::2].mean(axis=0) - values.mean(axis=0)) / values.std(axis=0) for k in range(2)
    ]
    lines = [line.get_xdata() for line in drawn.ax.lines if len(line.get_xdata()) == 2]
    profiles = sorted((x for x in lines if np.sign(x[0]) != np.sign(x[1])), key=lambda x: x[1])
    np.testing.assert_allclose(profiles, sorted(expected, key=lambda x: x[1]), atol=0.2)


def test_many_features_are_counted_in_titles(trees: dict[str, xr.DataTree]) -> None:
    """Those that tell the clusters apart are shown, in the order of the data."""
    pairs = plots.density_pairs(trees["many"], figsize=(3.4, 2.8))
    assert "3 of 12 features" in told(pairs)
    shown = [ax.get_xlabel().partition(" ")[0] for ax in pairs.axes[-1]]
    assert shown == ["x1", "x2", "x3"]
    assert "8 of 12 features" in told(plots.profile(trees["many"], figsize=(3.4, 2.8)))
    assert "8 of 12 features" in told(plots.loadings(trees["many"], figsize=(3.4, 2.8)))
    wide = plots.forest(trees["many"])
    assert "8 of 12 features, those that separate the clusters best" in told(wide)
    assert "of 12" not in told(plots.profile(trees["many"]))


def told(drawn: bg.Plot) -> str:
    return " ".join(drawn.figure.get_suptitle().split())


def test_loadings_are_correlations_within_a_cluster() -> None:
    """With one factor: loading over the deviation, of a single point."""
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(400, 1)) * [2.0, 1.0, -1.0] + rng.normal(size=(400, 3))
    fit = fit_em(rows, MixtureSpec(1, "factor", n_factors=1), seed=1)
    drawn = plots.loadings(fit)
    marks = [line.get_xdata()[0] for line in drawn.ax.lines if line.get_marker() == mark_at(0)]
    expected = np.array([2.0, 1.0, -1.0]) / np.sqrt([5.0, 2.0, 2.0])
    np.testing.assert_allclose(np.array(marks) * np.sign(marks[0]), expected, atol=0.1)
    with pytest.raises(ConfigError, match="no factors"):
        plots.loadings(fit_em(rows, 1, seed=1))


def test_em_path_draws_every_start_and_tells_those_set_aside_apart(
    fits: dict[str, PointFit],
) -> None:
    fit = searched(fits["galaxies"])
    paths, ends = plots.em_path(fit).axes
    assert len(paths.lines) == len(fit.climbs) == 20
    assert sum(line.get_linestyle() == "--" for line in paths.lines) == 3
    (winner,) = (line for line in paths.lines if line.get_label() == "the path to the fit")
    np.testing.assert_array_equal(winner.get_ydata(), fit.path)
    said = ends.get_title(loc="left").replace("\n", " ")
    assert "3 optima, 2 starts explained by chance, 1 start collapsed" in said


def test_em_path_says_where_starts_were_compared_on_a_sample(
    monkeypatch: pytest.MonkeyPatch, faithful: Dataset
) -> None:
    monkeypatch.setattr("bayesgmm.fit.multistart.SAMPLED_ROWS", 200)
    paths, ends = plots.em_path(fit_em(faithful, 2, seed=1, n_starts=4)).axes
    assert "on a sample of 200 rows" in paths.get_title(loc="left").replace("\n", " ")
    assert paths.get_ylim() != ends.get_ylim()


def test_a_surface_without_density_has_one_level() -> None:
    assert mass_levels(np.zeros((3, 3)), (0.5, 0.9)).tolist() == [0.0]


HASHES = {
    "density_1d": "29c04101410141014181c181c180d180d3809280528012c010d0155812ac03c0",
    "density_2d": "253e4005404540ea40604160c0e0d9c0d98098000c0018001800500000b007b0",
    "density_pairs": "7580300030001c0022003b0033805360b2606158511eb352b311713133110cac",
    "membership": "35704008408540c040c0c0c0c1c0d180d300b800380038003000300070602b40",
    "membership_1d": "32e0674c400c4005c000c000c000c000c000c000c000c0004000636015a00300",
    "coclustering": "0278201b201b20188c188c388c388c380398039803980f980998008c3ffc4af4",
    "forest": "ce00c7104210ca48c6141a44186300c3c3004200ca40c61005b00cf0184001b0",
    "profile": "9c00b489cca79cc3c0e9c4c9c4c9c4c9c4c9c4c9c449c4c9c469e4c964b91452",
    "loadings": "9a409939a96999588949985aa542a949a94aaa4a8a4ee24aea6aa7470ada08e6",
    "correlations": "172b72d972b9726a72ce324a72ca32ba721a72aa324a72d632aa72aa32be24ca",
    "traces": "a00055805180c081c080c080c080c080c080c080c289509352d2013001600160",
    "ranks": "960003160b93a191a3959bad8b89a1b18b89b395a19124952646030302cc004c",
    "em_path": "3637102344414261c740c549ce49cc41c861cc415c415c615d61060318840aa6",
    "criteria": "15b8d980c181c1991cddc199c181d98014e9c18ec181d980399d418059985999",
    "bic_grid": "2ab020047006b003d808d810c610c8d0c530c600c210c3304150409024982590",
    "over_alpha": "d9402a0040004000404047204c10d808b00658014c0044c023004048244802a8",
    "over_k": "960064804080420040204028400a511040804080c200e820c2a8402a5110055d",
    "pareto_k": "513040034001c0104000c010c000c010c030c0c043004c009800603021900300",
    "prior_posterior": "5d46154615071503172b8c4c8e4696479707150b164e406060707c3c372b129a",
    "prior_predictive": "cf4ad84ad446d64797cf1b0f0911478e4300c300c300c300c30073802b000626",
    "posterior_predictive": "6dc0e0422242a242a242a2d2b2d3b3d3331333133737232d0d210d460d46046c",
}


def fingerprint(drawn: object) -> np.ndarray:
    """Whether each of 16 x 16 fields of the picture is lighter than its right neighbour."""
    figure = first(drawn).get_figure(root=True)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    grey = np.asarray(canvas.buffer_rgba())[..., :3].mean(axis=2)
    rows = np.array_split(np.arange(grey.shape[0]), 16)
    columns = np.array_split(np.arange(grey.shape[1]), 17)
    fields = np.array([[grey[np.ix_(r, c)].mean() for c in columns] for r in rows])
    return (np.diff(fields, axis=1) > 0.5).ravel()


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_looks_as_it_did(pictures: dict[str, object], name: str) -> None:
    stored = np.unpackbits(np.frombuffer(bytes.fromhex(HASHES[name]), np.uint8)).astype(bool)
    assert (fingerprint(pictures[name]) != stored).mean() < 0.08


def test_fingerprints_tell_pictures_apart(pictures: dict[str, object]) -> None:
    marks = {name: fingerprint(drawn) for name, drawn in pictures.items()}
    apart = [(marks[a] != marks[b]).mean() for a in NAMES for b in NAMES if a < b]
    assert min(apart) > 0.09  # density_2d and membership show the same rows on the same axes
