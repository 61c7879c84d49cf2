"""What a reviewer looks for: first page, warnings, and the sections that checklists need."""

import base64
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import kstest, norm

import bayesgmm as bg
from bayesgmm.analysis.schema import About
from bayesgmm.elpd.pit import loo_pit
from bayesgmm.labels import Quantity
from bayesgmm.posterior.draws import Draws
from bayesgmm.report._write_report import _SECTIONS
from bayesgmm.report.asked_for import asked_for
from bayesgmm.report.cautions import _by_choice, _by_data, _by_prior, _left_out
from bayesgmm.report.classification import classes, classification_tables
from bayesgmm.report.discrepancies import _distances, discrepancies
from bayesgmm.report.document import Table
from bayesgmm.report.methods import _sampling, methods
from bayesgmm.report.precision import (
    autocorrelation,
    bound_errors,
    derived_quantities,
    half_way,
)
from bayesgmm.report.references import KNOWN, bibliography, references
from bayesgmm.report.sampler_checks import _continued
from bayesgmm.report.separation import _overlap_table
from bayesgmm.report.subject import subject_of
from bayesgmm.summary.likelihood import likelihood_estimates
from tests.support.places import ROOT

PAGE, CITING = ROOT / "docs/report.md", ROOT / "docs/citing.md"


@pytest.fixture(scope="module")
def comparison(faithful: bg.Dataset) -> bg.Comparison:
    return bg.compare(faithful, [1, 2], draws=500, tune=500, evidence="bridge", seed=1)


@pytest.fixture(scope="module")
def subject(comparison: bg.Comparison):
    return subject_of(comparison, "loo", {"units": {"waiting": "minutes"}})


@pytest.fixture(scope="module")
def page(comparison: bg.Comparison, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    return bg.write_report(comparison, path, prob=0.9).read_text(encoding="utf-8")


def items() -> dict[str, list[tuple[str, str]]]:
    """The items of each checklist and the sections that it names."""
    parts = re.split(r"^### ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {
        part.splitlines()[0]: re.findall(r"^\| (?!item|---)([^|]+) \| ([^|]+) \|$", part, re.M)
        for part in parts
    }


def test_every_item_of_four_checklists_names_a_section_that_is_there(page: str) -> None:
    lists = items()
    named = ["BARG", "WAMBS", "SMART-LCA", "JARS-Quant, Bayesian statistics", "Beside them"]
    assert list(lists) == named
    there = set(re.findall(r'<section id="(\w+)"', page))
    for name, rows in lists.items():
        assert len(rows) >= 10, name
        for item, sections in rows:
            always = re.findall(r"(?<!\()`(\w+)`", sections)
            by_full = re.findall(r"\(`(\w+)`\)", sections)
            assert always or by_full, item
            assert set(always) <= there, item
            assert set(by_full) <= {"robustness"}, item
    assert len(_SECTIONS) == len(there) + 2  # strays and robustness are of other analyses


def test_derived_quantities_mix_as_the_draws_do(subject) -> None:
    _overlap_table(subject)
    for quantity in derived_quantities(subject):
        assert quantity.judged.r_hat < 1.1, quantity.name


def test_a_continued_run_is_said_to_be_one(comparison: bg.Comparison) -> None:
    longer = bg.extend(comparison.posteriors[2], 100, seed=1)
    continued = subject_of(longer, "loo", {})
    assert "then continued for 100 draws" in _sampling(continued)
    assert "We drew 4 chains of 500 draws after 500 draws" in _sampling(continued)
    assert _continued(continued.extension) and not _continued({})


def test_the_page_lists_every_key_of_about() -> None:
    named = re.findall(r"`(\w+)`", PAGE.read_text(encoding="utf-8").split("## Four")[0])
    assert set(About.__dataclass_fields__) - {"clusters"} <= set(named)


def test_what_only_the_analyst_knows_is_asked_for_by_name(page: str, subject) -> None:
    for key in ("author", "date", "aims", "design", "interpretation", "limitations"):
        assert f"({key} in [about])" in page
        told = replace(subject, about={key: f"my {key}"})
        assert asked_for(told, key) == f"my {key}"
    assert "(missing in [about])" not in page and "No cell of the rows used is missing" in page


def test_the_first_page_holds_clusters_picture_and_choice(page: str, comparison) -> None:
    first = page[page.index('<section id="brief"') : page.index('<nav aria-label="Contents">')]
    order = [first.index(part) for part in ("<table>", "<img", "What speaks against it")]
    assert order == sorted(order)
    groups = bg.partition(comparison.posteriors[2], seed=comparison.seed)
    for size in np.bincount(groups.labels)[1:]:
        assert f"<td>{size}</td>" in first
    means = comparison.posteriors[2]["posterior"]["means"].sel(feature="waiting")
    low, high = means.sel(cluster=1).quantile([0.05, 0.95])
    assert f"({low:.2f} to {high:.2f})" in first and "90 % intervals" in first


def test_warnings_stand_before_the_verdict_and_only_where_there_is_cause(subject, page) -> None:
    assert re.search(r"Read first: \d+ warnings?", page).start() < page.index("Verdict on the run")
    (edge,) = _by_choice(subject)  # K = 2 is the largest compared
    assert "the largest compared, is chosen" in edge and not _left_out(subject)
    third = subject.comparison.models[0]
    ahead = replace(subject, choice=replace(subject.choice, model=third))
    (edge,) = _by_choice(ahead)
    assert edge.startswith("By LOO, K = 2, the largest compared, has the best value")
    assert not _left_out(ahead)  # the run of K = 2 has converged
    bad = replace(subject.comparison.verdicts[2], status=bg.RunStatus.CHAINS_DISAGREE)
    verdicts = dict(subject.comparison.verdicts) | {subject.comparison.models[1]: bad}
    out = replace(ahead, comparison=replace(subject.comparison, verdicts=verdicts))
    assert _left_out(out)[0].startswith("K = 2 is ahead by LOO but excluded")


def test_a_prior_far_from_the_data_is_warned_of() -> None:
    rng = np.random.default_rng(1)
    priors = bg.Priors(mean_location=30.0, mean_scale=3.0, scale=1.0, units="data")
    tree = bg.sample(rng.normal(size=(20, 1)), bg.MixtureSpec(1, priors=priors), seed=1)
    (said,) = _by_prior(subject_of(tree, "loo", {}))
    assert said.startswith("Prior-data conflict: prior and data disagree about means")
    usual = bg.sample(rng.normal(size=(200, 1)), 1, seed=1)
    assert not _by_prior(subject_of(usual, "loo", {}))


def test_a_skew_column_is_missed_by_one_gaussian() -> None:
    rows = np.random.default_rng(1).exponential(size=(200, 1))
    subject = subject_of(bg.sample(rows, 1, draws=300, seed=1), "loo", {})
    (said,) = _by_data(subject)
    assert "skewness of x1 (p < 0.005)" in said
    straight = np.random.default_rng(1).normal(size=(200, 1))
    assert not _by_data(subject_of(bg.sample(straight, 1, draws=300, seed=1), "loo", {}))


def test_joint_statistics_are_those_of_numpy() -> None:
    rng = np.random.default_rng(1)
    rows, sets = rng.normal(size=(30, 3)), rng.normal(size=(5, 30, 3))
    found = {each.name: each for each in discrepancies(rows, sets, ("a", "b", "c"))}
    pair = found["correlation of a and c"]
    assert pair.own == pytest.approx(np.corrcoef(rows.T)[0, 2])
    assert pair.replicated[3] == pytest.approx(np.corrcoef(sets[3].T)[0, 2])
    gaps = rows - rows.mean(axis=0)
    squares = np.einsum("ni,ij,nj->n", gaps, np.linalg.inv(np.cov(rows.T, bias=True)), gaps)
    np.testing.assert_allclose(_distances(rows, None) ** 2, squares)
    kurtosis = found["Mardia's kurtosis (mean fourth power of the distances)"]
    assert kurtosis.own == pytest.approx((squares**2).mean())
    doubled = np.repeat(rows, 2, axis=0)
    np.testing.assert_allclose(_distances(rows, np.full(30, 2.0)), _distances(doubled, None)[::2])


def test_leave_one_out_probabilities_against_refits() -> None:
    """One normal: the exact predictive of a row is that of a posterior without it."""
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(25, 1))
    draws = Draws(bg.sample(rows, 1, draws=2000, seed=1))
    pit = loo_pit(draws, np.arange(25))[:, 0]
    assert kstest(pit, "uniform").pvalue > 0.01
    for left in (0, int(np.abs(rows[:, 0]).argmax())):
        spec = draws.resolved.spec
        priors = replace(
            spec.priors, units="data", mean_location=float(draws.resolved.centre[0]),
            mean_scale=2.0 * float(rows.std(ddof=1)), scale=0.5 * float(rows.std(ddof=1)),
        )  # fmt: skip
        others = np.delete(rows, left, axis=0)
        own = bg.sample(others, replace(spec, priors=priors, resolution=0), draws=2000, seed=2)
        parameters = Draws(own).parameters
        below = norm.cdf(rows[left], parameters.means[:, 0, 0], parameters.scales[:, 0, 0])
        assert pit[left] == pytest.approx(below.mean(), abs=0.015)


def test_likelihood_intervals_of_one_normal_have_a_closed_form(faithful: bg.Dataset) -> None:
    spec, n = bg.MixtureSpec(1, resolution=0), faithful.n_obs
    fit = bg.fit_em(faithful, spec, seed=1)
    draws = Draws(bg.sample(faithful, spec, draws=100, seed=1))
    found = likelihood_estimates(fit, draws, 0.95)
    x = faithful.values
    deviation, r = x.std(axis=0), np.corrcoef(x.T)[0, 1]
    z = norm.ppf(0.975)
    mean = found["means[1, waiting]"]
    assert mean.upper - mean.value == pytest.approx(z * deviation[1] / np.sqrt(n), rel=1e-4)
    scale = found["scales[1, waiting]"]
    assert np.log(scale.upper / scale.value) == pytest.approx(z / np.sqrt(2 * n), rel=1e-4)
    pair = found["correlations[1, eruptions, waiting]"]
    assert np.arctanh(pair.upper) - np.arctanh(r) == pytest.approx(z / np.sqrt(n), rel=1e-3)


def test_likelihood_estimates_stand_under_the_clusters_of_the_draws(comparison) -> None:
    draws = Draws(comparison.posteriors[2])
    fit = comparison.fits[2]
    found = likelihood_estimates(fit, draws, 0.89)
    turned = replace(fit, parameters=fit.parameters.at(None).permuted(np.array([[1, 0]])).at(0))
    for name, estimate in likelihood_estimates(turned, draws, 0.89).items():
        np.testing.assert_allclose(estimate, found[name], rtol=1e-6)
    summary = bg.summarize(draws)
    for name, (value, low, high) in found.items():
        assert low < value < high
        assert abs(value - summary.loc[name, "mean"]) < summary.loc[name, "sd"]
        width = summary.loc[name, "eti89_ub"] - summary.loc[name, "eti89_lb"]
        assert 0.7 < (high - low) / width < 1.4


def test_classes_of_each_k_against_memberships(subject, comparison) -> None:
    (table,) = classes(subject)
    assert isinstance(table, Table) and [row[0] for row in table.rows] == ["1", "2"]
    shares = bg.membership(comparison.fits[2], comparison.data)["mean"].values
    assigned = shares.argmax(axis=1)
    smallest = np.bincount(assigned).min()
    entropy = 1 + (shares * np.log(np.maximum(shares, 1e-300))).sum() / (272 * np.log(2))
    assert table.rows[1][1] == str(smallest) and table.rows[1][3] == f"{entropy:.3f}"
    assert table.rows[1][5] == f"{272 / 11:.3g}"
    (matrix,) = classification_tables(subject)
    assert matrix.rows[0][2] == f"{shares[assigned == 0, 0].mean():.3f}"


def test_errors_of_bounds_are_those_of_independent_draws() -> None:
    values = np.random.default_rng(1).normal(size=(4, 5000))
    (error,) = bound_errors(values, [0.055])
    density = norm.pdf(norm.ppf(0.055))
    assert error == pytest.approx(np.sqrt(0.055 * 0.945 / 20_000) / density, rel=0.1)


def test_autocorrelation_of_an_autoregression() -> None:
    rng, values = np.random.default_rng(1), np.zeros((4, 4000))
    for t in range(1, 4000):
        values[:, t] = 0.6 * values[:, t - 1] + rng.normal(size=4)
    np.testing.assert_allclose(autocorrelation(values)[:3], [1.0, 0.6, 0.36], atol=0.03)


def test_half_of_the_draws_is_compared_with_all(subject) -> None:
    name, moved, expected, r_hat = half_way(subject)
    assert name and 0.0 < moved < expected and r_hat < 1.05
    drifting = np.random.default_rng(1).normal(size=(4, 500)) + np.linspace(0, 4, 500)
    drifts = replace(subject)
    drifts.__dict__["quantities"] = [Quantity("drifts", drifting)]
    name, moved, _, _ = half_way(drifts)
    halves = [np.quantile(each, [0.055, 0.945]) for each in (drifting[:, :250], drifting)]
    means = drifting[:, :250].mean() - drifting.mean()
    apart = max(abs(means), *np.abs(halves[0] - halves[1])) / drifting.std()
    assert name == "drifts" and moved == pytest.approx(apart) and apart > 0.5


def test_methods_and_bibliography(subject) -> None:
    section = methods(subject)
    paragraph = dict(section.blocks[0].items)["Text to adapt for a paper"]
    assert "272 rows of 2 variables" in paragraph and "K = 2 was chosen" in paragraph
    entries = re.findall(r"^@(\w+)\{(\w+),$", bibliography(subject), re.M)
    assert len(entries) == len({key for _, key in entries}) == len(references(subject)) + 1
    assert ("article", "stephens2000") in entries and ("software", "bayesgmm") in entries
    assert bibliography(subject).count("{") == bibliography(subject).count("}")
    one = replace(subject, verdict=SimpleNamespace(status=SimpleNamespace(labels_hold=False)))
    assert "stephens2000" not in {reference.key for reference in references(one)}


def test_the_page_on_citing_and_the_report_name_the_same_sources() -> None:
    rows = re.findall(r"^\| (?!you used|---).*\|$", CITING.read_text(encoding="utf-8"), re.M)
    cited = [
        hit for row in rows for hit in re.findall(r"([^|;]+) \((\d{4})\), [^|;]* (\d+:\d+)", row)
    ]
    assert len(cited) >= len(rows) >= 12
    known = {(each.year, each.place.split("-")[0]): each for each in KNOWN.values()}
    for authors, year, place in cited:
        first = re.split(r",| and ", authors.strip())[0]
        assert known[int(year), place].authors.startswith(first.split()[-1] + ","), authors


def test_sources_are_written_beside_the_report(tmp_path) -> None:
    tree = bg.sample(np.random.default_rng(1).normal(size=(20, 1)), 1, draws=100, seed=1)
    path, again = tmp_path / "references.bib", tmp_path / "again.html"
    bg.write_report(tree, tmp_path / "report.html", references=path)
    assert path.read_text(encoding="utf-8") == bibliography(subject_of(tree, "loo", None))
    with pytest.raises(bg.ResultFileError, match=r"references\.bib"):
        bg.write_report(tree, again, references=path)
    assert not again.exists()


def test_figures_hold_text_and_a_report_its_probability(page: str) -> None:
    svg = re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', page)
    assert svg is not None
    assert "<text" in base64.b64decode(svg[1]).decode() and "90 % interval" in page
