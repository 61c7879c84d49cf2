"""The report: what it says, that nothing in it can act, and how it lies on a page."""

import base64
import html
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayesgmm.analysis import run_analysis
from bayesgmm.comparison import Comparison, compare
from bayesgmm.data import Dataset
from bayesgmm.diagnosis import RunStatus
from bayesgmm.errors import ConfigError, ResultFileError
from bayesgmm.model.several import ByModel
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.report import write_report
from bayesgmm.report._write_report import _html, _markdown
from bayesgmm.report.document import (
    Beside,
    Code,
    Document,
    Facts,
    Notice,
    Picture,
    Section,
    Table,
    Text,
)
from bayesgmm.report.separation import _with_interval
from bayesgmm.summary import summarize
from bayesgmm.summary.numbers import NO_BREAK, by_error, significant

ABOUT = {
    "title": "Eruptions of Old Faithful",
    "question": "Are there two kinds of eruptions?",
    "units": {"eruptions": "minutes", "waiting": "minutes"},
}
PAYLOADS = (
    "<script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    '" onfocus="alert(1)" autofocus="',
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<math><mtext></mtext><a href=javascript:alert(1)>x</a></math>",
    "<iframe src=javascript:alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "javascript:alert(1)",
    "<body onload=alert(1)>",
    "<style>*{display:none}</style>",
    "<link rel=stylesheet href=//example.org/x.css>",
    "<meta http-equiv=refresh content='0;url=//example.org'>",
    "<base href=//example.org/>",
    "<form action=//example.org><input name=x></form>",
    "<object data=//example.org></object>",
    "<embed src=//example.org>",
    "<!-- <script>alert(1)</script> -->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "{{ 7 * 7 }}",
    "{% for x in [] %}{% endfor %}",
    "\u202e<script>alert(1)</script>\u202c",
    "\x00<scr\x00ipt>alert(1)</scr\x00ipt>",
    "]]></p></td></table><script>alert(1)</script>",
    "[x](javascript:alert(1)) ![x](//example.org/x.png)",
    "`<img src=x onerror=alert(1)>` | <b>x</b> |",
)
TAGS = {
    *("html", "head", "meta", "title", "style", "body", "header", "h1", "h2", "p", "nav", "b"),
    *("ol", "ul", "li", "a", "main", "section", "figure", "figcaption", "div", "img", "table"),
    *("thead", "tbody", "tr", "th", "td", "dl", "dt", "dd", "pre", "code", "strong"),
    *("math", "mrow", "mi", "mo", "mn", "msub", "msup", "msubsup", "munderover", "mspace"),
}
ATTRIBUTES = {
    *("lang", "charset", "http-equiv", "content", "name", "id", "class", "href", "src", "alt"),
    *("role", "tabindex", "scope", "aria-label", "display", "mathvariant", "width", "stretchy"),
}


class Reader(HTMLParser):
    """Collects tags, attributes and text as a browser would see them."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.comments: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def all_of(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def assert_harmless(page: str) -> Reader:
    """No tag, attribute, address or handler but the report's own."""
    seen = Reader(page)
    assert {tag for tag, _ in seen.tags} <= TAGS
    assert {name for _, attributes in seen.tags for name in attributes} <= ATTRIBUTES
    assert all(link["href"].startswith("#") for link in seen.all_of("a"))
    assert all(i["src"].startswith("data:image/svg+xml;base64,") for i in seen.all_of("img"))
    assert not seen.comments and len(seen.all_of("style")) == 1
    assert len(seen.all_of("meta")) == 4
    return seen


@pytest.fixture(scope="module")
def comparison(faithful: Dataset) -> Comparison:
    return compare(faithful, [1, 2], draws=600, tune=500, seed=1)


@pytest.fixture(scope="module")
def page(comparison: Comparison, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    assert write_report(comparison, path, about=ABOUT) == path
    return path.read_text(encoding="utf-8")


def test_the_report_is_one_harmless_file(page: str) -> None:
    seen = assert_harmless(page)
    assert len(page.encode()) < 3_000_000
    policy = seen.all_of("meta")[1]["content"]
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "http://" not in page and "https://" not in page


def test_the_policy_admits_the_style_sheet(page: str) -> None:
    import hashlib

    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = re.search(r"'sha256-(.*?)'", page)
    assert style and digest
    own = hashlib.sha256(style[1].encode()).digest()
    assert base64.b64encode(own).decode() == html.unescape(digest[1])


def test_sections_tables_and_figures_are_numbered(page: str) -> None:
    seen = Reader(page)
    keys = [section["id"] for section in seen.all_of("section")]
    assert keys == [
        *("brief", "data", "model", "components", "estimates", "separation", "sampler", "fit"),
        *("prior", "limitations", "methods", "reproduction", "appendix"),
    ]
    assert [link["href"] for link in seen.all_of("a")] == [f"#{key}" for key in keys]
    for kind in ("Table", "Figure"):
        numbers = [int(n) for n in re.findall(rf"<b>{kind} (\d+)\.</b>", page)]
        assert numbers == list(range(1, len(numbers) + 1)) and len(numbers) >= 9
    captions = re.findall(r"<figcaption><b>[^<]*</b> (.*?)</figcaption>", page, re.DOTALL)
    assert all(caption.endswith(".") and len(caption) > 30 for caption in captions)
    assert all(len(image["alt"]) > 30 for image in seen.all_of("img"))


def test_the_verdict_stands_before_everything_else(page: str, comparison: Comparison) -> None:
    status = comparison.verdicts[comparison.chosen().model].status.value
    text = Reader(page).text
    assert text.index(f"Verdict on the run with K = 2: {status}") < text.index("Contents")


def test_the_report_states_data_priors_and_reproduction(page: str, faithful: Dataset) -> None:
    text = Reader(page).text
    for part in (
        ABOUT["question"],
        faithful.hash,
        "272",
        "Normal(3.488, sd 2.283)",  # the mean and twice the sd of eruptions
        "These priors use the data",
        "h = 0.4 (step 1)",
        "bayesgmm.compare(data, n_components=[1, 2], covariance='full', draws=600, tune=500",
        "seed=1",
        "The penalty of BIC is not exact",
        "LOO and WAIC ask which K predicts new rows best",
    ):
        assert str(part) in text


def test_estimates_agree_with_the_summary(page: str, comparison: Comparison) -> None:
    frame = summarize(comparison.posteriors[2])
    text = Reader(page).text
    for name in ("weights[1]", "means[2, waiting]", "correlations[1, eruptions, waiting]"):
        row = frame.loc[name]
        assert by_error(row["mean"], row["mcse_mean"]) in text
    for kind in ("Weights of the clusters", "Means", "Scales (standard deviations)"):
        assert f"{kind}: posterior summaries, with maximum likelihood" in text


def test_clusters_of_ambiguous_rows_are_named_as_everywhere(page: str) -> None:
    rows = re.search(r"most ambiguous rows.*?</table>", page, flags=re.DOTALL)
    assert rows is not None
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", rows.group())
    assert "1" in cells and "2" in cells and not {"1.0", "2.0"} & set(cells)


def test_a_bad_verdict_is_not_dressed_up(comparison: Comparison, tmp_path: Path) -> None:
    bad = replace(
        comparison.verdicts[2],
        status=RunStatus.CHAINS_DISAGREE,
        reasons=("the chains stay in 2 modes and never cross.",),
    )
    broken = replace(comparison, verdicts=ByModel(dict.fromkeys(comparison.models, bad)))
    text = Reader(write_report(broken, tmp_path / "bad.html").read_text(encoding="utf-8")).text
    assert "not converged: chains disagree" in text
    assert "no number below may be used as a result" in text
    assert "mean of eruptions (" not in text and "Means: posterior" not in text
    assert "sorted_weights[1]" in text


def test_an_unidentified_posterior_gets_no_cluster_by_cluster_tables(
    comparison: Comparison, tmp_path: Path
) -> None:
    from bayesgmm.posterior.tree import with_attributes

    vague = replace(comparison.verdicts[2], status=RunStatus.NOT_IDENTIFIED, reasons=())
    tree = with_attributes(comparison.posteriors[2], identification=[0.5, 0.6])
    changed = replace(
        comparison,
        verdicts=ByModel({**comparison.verdicts, MixtureSpec(2): vague}),
        posteriors=ByModel({**comparison.posteriors, MixtureSpec(2): tree}),
    )
    text = Reader(write_report(changed, tmp_path / "vague.html").read_text("utf-8")).text
    assert "The results below are label-invariant" in text
    assert "Means: posterior" not in text and "most ambiguous" not in text
    assert "sorted_weights[1]" in text and "cluster 1 in 50 %" in text


@pytest.mark.slow
def test_kmeans_stands_beside_the_soft_clusters(comparison: Comparison, tmp_path: Path) -> None:
    from bayesgmm.prediction import hard_comparison

    posterior = comparison.posteriors[2]
    beside = hard_comparison(comparison.data, posterior, seed=comparison.seed)
    path = write_report(posterior, tmp_path / "kmeans.html")
    text = " ".join(Reader(path.read_text(encoding="utf-8")).text.split())
    assert f"Rand index of {beside.adjusted_rand['kmeans, mixture']:.2f}" in text
    n = len(beside.differing)
    assert f"{n} row{'s' * (n > 1)} fall{'s' * (n == 1)} into another cluster" in text


def test_a_posterior_alone_can_be_reported(comparison: Comparison, tmp_path: Path) -> None:
    path = write_report(comparison.posteriors[1], tmp_path / "one.html", title="One component")
    text = Reader(path.read_text(encoding="utf-8")).text
    assert text.strip().startswith("One component")
    assert "The number of components" not in text and "Separation" not in text
    assert "bayesgmm.sample(data, bayesgmm.MixtureSpec(1, 'full')" in text


def test_wrong_arguments_are_refused(comparison: Comparison, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Comparison or a posterior"):
        write_report(comparison.fits[2], tmp_path / "x.html")
    with pytest.raises(ConfigError, match="format must be one of html, md"):
        write_report(comparison, tmp_path / "x.pdf", format="pdf")  # type: ignore[arg-type]
    (tmp_path / "x.html").write_text("mine")
    with pytest.raises(ResultFileError):
        write_report(comparison, tmp_path / "x.html")
    assert (tmp_path / "x.html").read_text() == "mine"


def test_markdown_has_its_figures_beside(comparison: Comparison, tmp_path: Path) -> None:
    path = write_report(comparison, tmp_path / "report.md", format="md", about=ABOUT)
    text = path.read_text(encoding="utf-8")
    links = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)
    contents = re.findall(r"^\d+\. \[[^\]]+\]\((#[^)]+)\)$", text, re.MULTILINE)
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert len(contents) == len(headings) == 13
    assert contents[1] == "#2-question-and-data" and contents[4] == "#5-estimates-for-k--2"
    assert len(links) >= 10
    for link in links:
        assert (tmp_path / link).read_text(encoding="utf-8").startswith("<svg")
    tables = re.findall(r"((?:^\|.*\|\s*\n)+)", text, re.MULTILINE)
    assert len(tables) >= 8
    for table in tables:
        assert len({line.count(" | ") for line in table.strip().splitlines()}) <= 2
    assert write_report(comparison, path, format="md", overwrite=True) == path


@pytest.mark.parametrize("payload", PAYLOADS)
def test_payloads_are_shown_and_never_act(payload: str) -> None:
    table = Table(payload, (payload, "value"), ((payload, payload),), words=(1,))
    blocks = (
        Text(payload),
        Facts(((payload, payload),)),
        Code(payload),
        table,
        Picture("density", payload, payload, f"<svg>{payload}</svg>"),
        Beside((Picture("other", payload, payload, f"<svg>{payload}</svg>"),)),
    )
    document = Document(
        payload,
        payload,
        Notice("bad", payload, (payload,)),
        Notice("limited", payload, (payload,)),
        (Section("a", payload, blocks),),
    )
    seen = assert_harmless(_html(document))
    shown = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in payload)
    assert seen.text.count(shown) >= 12
    escaped = _markdown(document, "figures")
    prose = "\n".join(line for line in escaped.splitlines() if not line.startswith("    "))
    assert "<" not in prose
    assert not re.search(r"(?<!\\)\]\((javascript|//)", prose)


def test_payloads_in_names_labels_and_paths(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(60, 2)) + np.repeat([[0, 0], [6, 6]], 30, axis=0)
    names = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>$\\frac{']
    labels = [f"{PAYLOADS[i % len(PAYLOADS)]} {i}" for i in range(60)]
    data = Dataset.from_frame(pd.DataFrame(rows, columns=names, index=labels))
    data = replace(data, source="<svg onload=alert(1)>.csv")
    result = compare(data, [2], draws=150, tune=300, chains=2, max_draws=150, seed=1)
    about = {"title": "</title><script>", "question": "<iframe>", "units": {names[0]: "<hr>"}}
    path = write_report(result, tmp_path / "<b>report.html", about=about)
    seen = assert_harmless(path.read_text(encoding="utf-8"))
    for text in (*names, data.source, "<iframe>", "<hr>"):
        assert text in seen.text
    assert any(label in seen.text for label in labels)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file with every payload in each of its texts, in column names and in paths."""
    folder = tmp_path_factory.mktemp("hostile")
    possible = [payload for payload in PAYLOADS if "\0" not in payload]  # of a name or a path
    names = [" ".join(possible[i::3]) for i in range(3)]
    data = folder.joinpath(*possible, "rows.csv")
    data.parent.mkdir(parents=True)
    rows = np.random.default_rng(1).normal(size=(40, 3)).round(3)
    pd.DataFrame(rows, columns=names).assign(**dict.fromkeys(possible, "text")).to_csv(
        data, index=False
    )
    texts = json.dumps(" ".join(PAYLOADS), ensure_ascii=True)
    model = folder / "<img src=x onerror=alert(1)>.toml"
    model.write_text(
        "".join(f"about.{key} = {texts}\n" for key in ("title", "question", "source", "known"))
        + f"data.file = {json.dumps(str(data.relative_to(folder)))}\n"
        + "".join(f"data.units.{json.dumps(name)} = {texts}\n" for name in names)
        + "model.n_components = 1\nmodel.covariance = 'tied_spherical'\n"
        + "sampler.draws = 60\nsampler.tune = 100\nsampler.chains = 2\nsampler.seed = 1\n"
        + "sampler.max_draws = 0\nsampler.evidence = 'none'\n"
    )
    return model


@pytest.mark.parametrize("format", ["html", "md"])
def test_payloads_in_a_model_file_its_data_and_their_paths(
    hostile: Path, format: str, tmp_path: Path
) -> None:
    """The whole way of `bayesgmm run`."""
    model = hostile.with_stem(hostile.stem + format)
    model.write_text(hostile.read_text() + f"report.format = {format!r}\n")
    report = run_analysis(model, tmp_path / "<b onclick=alert(1)>").files["report"]
    page = report.read_text(encoding="utf-8")
    if format == "html":
        seen = assert_harmless(page)
        for payload in PAYLOADS:
            shown = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in payload)
            assert seen.text.count(shown) >= 5
        assert model.name in seen.text
    else:
        prose = "\n".join(line for line in page.splitlines() if not line.startswith("    "))
        assert "<" not in prose and not re.search(r"(?<!\\)\]\((javascript|//)", prose)


def test_overlaps_too_small_to_matter_are_told_as_such() -> None:
    tiny, middle = np.array([2e-5, 0.0, 9e-4]), np.array([0.012, 4e-4, 0.05])
    plain = [
        _with_interval(values, share=share).replace(NO_BREAK, " ")
        for values in (tiny, middle)
        for share in (False, True)
    ]
    assert plain == [
        "< 0.001",
        "< 0.1 %",
        "0.012 (< 0.001 to 0.050)",
        "1.2 % (< 0.1 % to 5.0 %)",
    ]


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (2.03627, 0.0008, "2.036"),
        (-70.912, 0.04, "−70.91"),
        (123456.7, 300.0, "123457"),
        (1e-8, 2e-12, "0.000000010000"),
        (0.5, 0.0, "0.5000"),
    ],
)
def test_numbers_show_what_their_error_leaves(value: float, error: float, text: str) -> None:
    assert by_error(value, error) == text


def test_extreme_numbers() -> None:
    shown = [significant(value) for value in (0.0, 1e-9, -1e20, np.inf, np.nan)]
    assert shown == ["0", "1.000e-09", "−1.000e+20", "∞", "–"]


def browser() -> str:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    assert found, "this test needs chromium on the PATH"
    return found


@pytest.mark.slow
@pytest.mark.parametrize("width", [380, 1200])
def test_a_browser_lays_it_out_without_sideways_scroll(
    page: str, width: int, tmp_path: Path
) -> None:
    frame = (
        f'<iframe id="f" width="{width}" height="900" srcdoc="{html.escape(page)}"></iframe>'
        "<script>addEventListener('load', () => setTimeout(() => {"
        "const d = document.getElementById('f').contentDocument, r = d.documentElement;"
        "const s = d.querySelectorAll('.scroll');"
        "const broken = [...d.images].filter(i => !i.naturalWidth).length;"
        "document.body.innerHTML = `R ${r.scrollWidth} ${r.clientWidth} ${broken} "
        "${[...s].filter(e => e.scrollWidth > e.clientWidth).length} ${r.scrollHeight} E`;"
        "}, 500))</script>"
    )
    (tmp_path / "frame.html").write_text(f"<!DOCTYPE html><body>{frame}", encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=8000"]
    done = subprocess.run(
        [browser(), *options, f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1300,1000"]
        + ["--dump-dom", (tmp_path / "frame.html").as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    measured = re.search(r"R (\d+) (\d+) (\d+) (\d+) (\d+) E", done.stdout)
    assert measured, done.stdout[-500:]
    scroll, client, broken, wide_tables, height = map(int, measured.groups())
    assert width - 20 <= client <= width and scroll <= client
    assert broken == 0 and height > 5000
    if width == 380:
        assert wide_tables > 0  # they scroll inside their own container
