"""Tables as files: each form holds the same cells, whatever signs are in them."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from bayesgmm.errors import ConfigError, ResultFileError
from bayesgmm.summary import write_table

NAMES = ["a_b & c", "<i>|%$", "50~^{x}\\"]
TABLE = pd.DataFrame({"mean": [1.0, -0.25, 2e-54], "word": ["x", "y", "z"]}, index=NAMES)


def cells_of_html(text: str) -> list[str]:
    found: list[str] = []

    class Cells(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            if tag in ("td", "th"):
                found.append("")

        def handle_data(self, data: str) -> None:
            if found and data.strip():
                found[-1] += data

    Cells().feed(text)
    return found


EXPECTED = [
    *("", "mean", "word"),
    *(NAMES[0], "1.000", "x"),
    *(NAMES[1], "\N{MINUS SIGN}0.2500", "y"),
    *(NAMES[2], "2.000e-54", "z"),
]


def test_html_holds_the_cells(tmp_path: Path) -> None:
    text = write_table(TABLE, tmp_path / "t.html").read_text()
    assert cells_of_html(text) == EXPECTED


def test_markdown_holds_the_cells(tmp_path: Path) -> None:
    lines = write_table(TABLE, tmp_path / "t.md", caption="A_b").read_text().splitlines()
    rows = [re.split(r"(?<!\\) ?\| ?", line)[1:-1] for line in (lines[0], *lines[2:5])]
    cells = [re.sub(r"\\(.)", r"\1", cell).strip() for row in rows for cell in row]
    assert cells == EXPECTED and lines[-1] == r": A\_b"
    assert len({len(line) for line in lines[:5]}) == 1


def test_latex_escapes_what_latex_reads(tmp_path: Path) -> None:
    text = write_table(TABLE, tmp_path / "t.tex", caption="50 %").read_text()
    assert r"a\_b \& c & 1.000 & x \\" in text
    assert r"50\textasciitilde{}\textasciicircum{}\{x\}\textbackslash{}" in text
    assert "$-$0.2500" in text and r"\caption{50 \%}" in text
    assert r"\begin{tabular}{lrl}" in text and text.endswith("\\end{table}\n")


def test_csv_has_all_digits(tmp_path: Path) -> None:
    file = write_table(TABLE, tmp_path / "t.csv")
    assert pd.read_csv(file, index_col=0)["mean"].tolist() == TABLE["mean"].tolist()


def test_other_endings_and_files_that_are_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="must end in .csv or .tex, .html, .md"):
        write_table(TABLE, tmp_path / "t.docx")
    with pytest.raises(ConfigError, match="table must be a pandas.DataFrame"):
        write_table([1], tmp_path / "t.md")  # type: ignore[arg-type]
    write_table(TABLE, tmp_path / "t.md")
    with pytest.raises(ResultFileError, match="exists"):
        write_table(TABLE, tmp_path / "t.md")
    write_table(TABLE, tmp_path / "t.md", overwrite=True)
