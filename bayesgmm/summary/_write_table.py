"""Tables as files for papers: LaTeX, HTML, Markdown, and CSV for programs."""

from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from bayesgmm.advice import shown
from bayesgmm.arguments import check_flag, check_instance, path_of
from bayesgmm.errors import ConfigError
from bayesgmm.posterior.whole_files import csv_text, write_text
from bayesgmm.runtime.keywords import keywords
from bayesgmm.summary.numbers import frame_rows

__all__ = ["write_table"]

type Rows = Sequence[Sequence[str]]

_OF_LATEX = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\N{MINUS SIGN}": "$-$",
    "\N{EN DASH}": "--",
    "\N{INFINITY}": r"$\infty$",
    "\N{NO-BREAK SPACE}": "~",
}


@keywords()
def write_table(
    table: pd.DataFrame,
    path: Any,
    *,
    caption: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a table for a paper; the ending of the file says in which form.

    Numbers get the digits that their Monte Carlo error leaves certain, where the table has it, and
    four significant ones elsewhere. ``summarize(posterior, style="paper")`` is made for this.

    Parameters
    ----------
    table : pandas.DataFrame
        Such as of `summarize`, ``fit.to_dataframe()`` or ``comparison.summary()``.
    path : path
        ``.tex`` is LaTeX, for the packages booktabs and inputenc; ``.html`` a table for a page;
        ``.md`` Markdown, which ``pandoc table.md -o table.docx`` makes a table of Word; ``.csv``
        has the numbers with all their digits.
    caption : str, optional
        Caption of the table; ignored for CSV.
    overwrite : bool
        Whether an existing file may be replaced.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    ConfigError
        For another ending, or if `table` is not a DataFrame.
    ResultFileError
        When the file exists or cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> table = pd.DataFrame({"mean": ["2.04", "4.29"]}, index=["short", "long"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     print(write_table(table, f"{folder}/means.md").read_text())
    |       | mean |
    |:------|-----:|
    | short | 2.04 |
    | long  | 4.29 |
    <BLANKLINE>
    """
    check_instance("table", table, pd.DataFrame, "a pandas.DataFrame")
    if caption is not None:
        check_instance("caption", caption, str, "text")
    check_flag("overwrite", overwrite)
    file = path_of(path)
    ending = file.suffix.lower()
    if ending == ".csv":
        return write_text(file, csv_text(table), overwrite)
    if ending not in _FORMS:
        raise ConfigError(
            f"path must end in .csv or {', '.join(_FORMS)}, which says in what form the table is "
            f"written, got {shown(str(file))}.",
            key="path",
            value=path,
        )
    levels = [str(name or "") for name in table.index.names]
    head = [*levels, *map(str, table.columns)]
    flat = table.reset_index(names=[f"level {i}" for i in range(len(levels))])
    rows = [row[1:] for row in frame_rows(flat)]
    return write_text(file, _FORMS[ending](head, rows, _texts(rows, len(head)), caption), overwrite)


def _texts(rows: Rows, n_columns: int) -> list[bool]:
    """Return which columns hold words, and stand to the left."""
    return [any(row[i][:1].isalpha() for row in rows) for i in range(n_columns)]


def _latex(head: Sequence[str], rows: Rows, left: Sequence[bool], caption: str | None) -> str:
    def line(cells: Sequence[str]) -> str:
        return " & ".join(map(_in_latex, cells)) + r" \\"

    columns = "".join("l" if text else "r" for text in left)
    body = [
        rf"\begin{{tabular}}{{{columns}}}",
        *(r"\toprule", line(head), r"\midrule"),
        *map(line, rows),
        *(r"\bottomrule", r"\end{tabular}"),
    ]
    if caption is not None:
        open_, close = [r"\begin{table}", r"\centering"], [r"\end{table}"]
        body = [*open_, rf"\caption{{{_in_latex(caption)}}}", *body, *close]
    return "\n".join(body) + "\n"


def _in_latex(text: str) -> str:
    return "".join(_OF_LATEX.get(sign, sign) for sign in " ".join(text.split(" ")))


def _html(head: Sequence[str], rows: Rows, left: Sequence[bool], caption: str | None) -> str:
    def line(cells: Sequence[str], tag: str) -> str:
        sides = ["left" if text else "right" for text in left]
        made = (
            f'<{tag} style="text-align:{side};padding:.2em .8em">{escape(cell)}</{tag}>'
            for side, cell in zip(sides, cells, strict=True)
        )
        return f"<tr>{''.join(made)}</tr>"

    top = "" if caption is None else f"<caption>{escape(caption)}</caption>\n"
    body = "\n".join(line(row, "td") for row in rows)
    return f"<table>\n{top}<thead>{line(head, 'th')}</thead>\n<tbody>\n{body}\n</tbody>\n</table>\n"


def _markdown(head: Sequence[str], rows: Rows, left: Sequence[bool], caption: str | None) -> str:
    cells = [[_in_markdown(cell) for cell in line] for line in (head, *rows)]
    widths = [max(3, *map(len, column)) for column in zip(*cells, strict=True)]
    sides = [str.ljust if text else str.rjust for text in left]

    def line(row: Sequence[str]) -> str:
        padded = (side(cell, w) for side, cell, w in zip(sides, row, widths, strict=True))
        return f"| {' | '.join(padded)} |"

    dashes = zip(left, ("-" * (w + 1) for w in widths), strict=True)
    rules = [f":{dash}" if text else f"{dash}:" for text, dash in dashes]
    lines = [line(cells[0]), f"|{'|'.join(rules)}|", *map(line, cells[1:])]
    below = [] if caption is None else ["", f": {_in_markdown(caption)}"]
    return "\n".join([*lines, *below]) + "\n"


def _in_markdown(text: str) -> str:
    return "".join(f"\\{sign}" if sign in "\\|*_`<[" else sign for sign in text)


_FORMS: dict[str, Callable[[Sequence[str], Rows, Sequence[bool], str | None], str]] = {
    ".tex": _latex,
    ".html": _html,
    ".md": _markdown,
}
