"""Reports in a browser and on paper: ``python -m tests.report_pages [NAME ...]``.

Of faithful, iris and wine: nothing scrolls sideways at 1200 and 380 px, no picture is broken,
nothing is on the console, figures lie on a card in dark mode; printed, no page but the last is more
than half empty. Needs chromium on the PATH and pypdfium2 (the extra "pages").
"""

import html
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pypdfium2
from sklearn.datasets import load_wine

import bayesgmm as bg
from bayesgmm.analysis.schema import read_model_file
from tests.support.places import ROOT

WIDTHS = (1200, 380)
MEASURE = """<!DOCTYPE html><body><iframe id="f" width="WIDTH" height="900" srcdoc="PAGE"></iframe>
<script>addEventListener('load', () => setTimeout(() => {
  const d = document.getElementById('f').contentDocument, r = d.documentElement;
  const colour = (what) => d.defaultView.getComputedStyle(d.querySelector(what)).backgroundColor;
  document.body.textContent = 'R' + JSON.stringify({
    over: r.scrollWidth - r.clientWidth, broken: [...d.images].filter(i => !i.naturalWidth).length,
    height: r.scrollHeight, paper: colour('body'), card: colour('.picture')}) + 'E';
}, 800))</script>"""


def reports(names: list[str], folder: Path) -> dict[str, Path]:
    """Write the report of each data set; return their places."""
    found = {}
    for name in names:
        if name == "wine":
            data = bg.Dataset.from_frame(load_wine(as_frame=True).data)
            about, covariance = {"title": "Wine"}, "diag"
        else:
            spec = read_model_file(ROOT / f"models/{name}.toml")
            data, about, covariance = spec.data.read(), spec.subject, "full"
        comparison = bg.compare(
            data, [1, 2, 3], covariance=covariance, draws=500, evidence="bridge", seed=1
        )
        start = time.process_time()
        found[name] = bg.write_report(comparison, folder / f"{name}.html", about=about)
        seconds = time.process_time() - start
        print(f"{name}: report in {seconds:.1f} s of processor time", flush=True)
    return found


def browse(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the browser without a window."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    assert browser, "this needs chromium on the PATH"
    fixed = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    profile = f"--user-data-dir={folder / 'profile'}"
    command = [browser, *fixed, profile, *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)


def on_screen(page: Path, width: int, dark: bool) -> dict[str, object]:
    """Measure a page in a frame of so many pixels."""
    frame = MEASURE.replace("WIDTH", str(width))
    frame = frame.replace("PAGE", html.escape(page.read_text(encoding="utf-8")))
    outer = page.with_name("frame.html")
    outer.write_text(frame, encoding="utf-8")
    options = ["--window-size=1300,1000", "--virtual-time-budget=8000", "--enable-logging=stderr"]
    if dark:
        options.append("--blink-settings=preferredColorScheme=0")
    done = browse(page.parent, *options, "--dump-dom", outer.as_uri())
    found = re.search(r"R(\{.*?\})E", html.unescape(done.stdout))
    assert found, done.stdout[-300:]
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return json.loads(found[1]) | {"console": len(console)}


def on_paper(page: Path) -> list[float]:
    """Print a page; return how far down each sheet is filled."""
    pdf = page.with_suffix(".pdf")
    browse(page.parent, "--no-pdf-header-footer", f"--print-to-pdf={pdf}", page.as_uri())
    filled = []
    for sheet in pypdfium2.PdfDocument(pdf):
        pixels = np.asarray(sheet.render(scale=0.5).to_pil().convert("L"))
        inked = np.flatnonzero((pixels < 240).any(axis=1))
        filled.append(float(inked[-1] / len(pixels)) if len(inked) else 0.0)
    return filled


def main(names: list[str]) -> None:
    """Measure the reports, and end with an error where one fails."""
    faults = []
    with tempfile.TemporaryDirectory() as place:
        for name, page in reports(names or ["faithful", "iris", "wine"], Path(place)).items():
            for width in WIDTHS:
                for dark in (False, True):
                    seen = on_screen(page, width, dark)
                    print(name, width, "dark" if dark else "light", seen)
                    dark_paper = seen["paper"] != "rgb(255, 255, 255)"
                    wrong = seen["over"] or seen["broken"] or seen["console"] or dark_paper != dark
                    if wrong or seen["card"] != "rgb(255, 255, 255)":
                        faults.append(f"{name} at {width}: {seen}")
            filled = on_paper(page)
            least = int(np.argmin(filled[:-1]))
            told = f"sheet {least + 1} is filled to {filled[least]:.2f}"
            print(f"{name}: {len(filled)} sheets, the least but the last: {told}", flush=True)
            if filled[least] < 0.5:
                faults.append(f"{name}: {told}")
    sys.exit("\n".join(faults))


if __name__ == "__main__":
    main(sys.argv[1:])
