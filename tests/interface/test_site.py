"""The documentation as it is built, in a browser: links, the search box, errors, narrow screens.

pytest -m slow tests/interface/test_site.py
"""

import functools
import http.server
import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import pytest

from tests.support.places import PAGES_OF_THE_SITE, ROOT

WIDTHS = (1200, 380)
SEARCHES = {  # what a reader may type, and a page that must be among the first five
    "bridge sampling": "explanation/evidence.html",
    "recording error": "explanation/recording_error.html",
    "exit codes": "reference/exit_codes.html",
    "keep row labels": "howto/row_labels.html",
    "posterior_over_k": "reference/api/bayesgmm.posterior_over_k.html",
}
FRAMES = """<!DOCTYPE html><body><script>
const pages = PAGES, widths = WIDTHS, found = [];
async function measure(page, width) {
  const frame = document.createElement('iframe');
  frame.width = width; frame.height = 900;
  document.body.append(frame);
  await new Promise(done => { frame.onload = done; frame.src = page; });
  const inside = frame.contentDocument;
  const root = inside.documentElement;
  const shown = node => node.getClientRects().length > 0;
  found.push({page, width, over: root.scrollWidth - root.clientWidth,
    broken: [...inside.images].filter(i => i.complete && !i.naturalWidth).length,
    boxes: [...inside.querySelectorAll('input[type=search], input[name=q]')].length});
  frame.remove();
}
(async () => {
  for (const page of pages) for (const width of widths) await measure(page, width);
  document.title = 'done';
  document.body.textContent = 'R' + JSON.stringify(found) + 'E';
})();
</script>"""


class Links(HTMLParser):
    """Where a page leads, and the places in it that can be led to."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.anchors: set[str] = set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and (name == "href" or name == "src"):
                self.targets.append(value)
            if value and (name == "id" or (tag == "a" and name == "name")):
                self.anchors.add(value)


def broken_links(site: Path) -> list[tuple[str, str]]:
    pages = {
        page.resolve(): Links(page) for page in site.rglob("*.html") if "_static" not in page.parts
    }
    broken = []
    for page, links in pages.items():
        for target in links.targets:
            if urlsplit(target).scheme or target.startswith("//"):
                continue
            path, anchor = urldefrag(target)
            place = (page.parent / unquote(urlsplit(path).path)).resolve() if path else page
            known = anchor in ("", "#") or place not in pages or anchor in pages[place].anchors
            if not place.exists() or not known:
                broken.append((page.relative_to(site.resolve()).as_posix(), target))
    return broken


@contextmanager
def served(site: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def visited(url: str, folder: Path) -> tuple[str, list[str]]:
    """Return the page as it is after its scripts, and what it said on the console as errors."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    assert browser, "this test needs chromium on the PATH"
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=120000"]
    done = subprocess.run(
        [browser, *options, "--enable-logging=stderr", f"--user-data-dir={folder / 'profile'}"]
        + ["--window-size=1300,1000", "--dump-dom", url],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    lines = [line.partition(", source: ")[0] for line in done.stderr.splitlines()]
    trouble = re.compile("CONSOLE.*(error|fail|refused)", re.IGNORECASE)
    return done.stdout, [line for line in lines if trouble.search(line)]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_site_builds_links_searches_and_fits(tmp_path: Path) -> None:
    site = tmp_path / "site"
    build = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "docs", str(site)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert broken_links(site) == []
    pages = [page.relative_to(ROOT / "docs").with_suffix(".html") for page in PAGES_OF_THE_SITE]
    assert all((site / page).is_file() for page in pages)
    listed = json.dumps([page.as_posix() for page in pages])
    text = FRAMES.replace("PAGES", listed).replace("WIDTHS", json.dumps(WIDTHS))
    (site / "frames.html").write_text(text, encoding="utf-8")
    with served(site) as address:
        found, errors = visited(f"{address}/frames.html", tmp_path)
        assert errors == []
        measured = json.loads(re.search(r"R(\[.*\])E", found)[1])  # type: ignore[index]
        assert len(measured) == len(pages) * len(WIDTHS)
        assert [each for each in measured if each["over"] > 0 or each["broken"]] == []
        assert all(each["boxes"] for each in measured)
        for words, page in SEARCHES.items():
            answer, errors = visited(f"{address}/search.html?q={words.replace(' ', '+')}", tmp_path)
            results = answer[answer.index('class="search-summary"') :]
            first = list(dict.fromkeys(re.findall(r'<a href="([^"?#]+)', results)))[:5]
            assert errors == [] and page in first, (words, first)
