"""How results show themselves in a notebook: a head, a badge, a table and a few sentences."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

__all__ = ["Badge", "card"]

_MOST_ROWS = 12  # of a table; a card is never a page
_BADGE = (
    "display:inline-block;padding:0 .6em;margin-left:.6em;border-radius:.8em;"
    "color:#fff;font-weight:600;background:{colour}"
)
_GOOD, _BAD = "#00704f", "#b03a00"  # white on them can be read: a contrast of 6 and more

type Badge = tuple[str, bool]  # what it says, and whether that is good


def card(
    head: str,
    *,
    badge: Badge | None = None,
    columns: Sequence[str] = (),
    rows: Iterable[Sequence[Any]] = (),
    sentences: Iterable[str] = (),
) -> str:
    """Return HTML that a notebook shows in place of the text of a result.

    Colours are those of the page, so that it can be read in a dark one too.

    Parameters
    ----------
    head : str
        What it is, in a few words.
    badge : (str, bool), optional
        The verdict, and whether it is good.
    columns : sequence of str
    rows : iterable of sequence
        Cells of the table; the first one per row is its name. Twelve are shown, the others counted.
    sentences : iterable of str
        What follows; empty ones are left out.

    Examples
    --------
    >>> print(card("Choice: K = 2", sentences=["K = 2 is best by BIC."]))
    <div><strong>Choice: K = 2</strong>
    <div>K = 2 is best by BIC.</div></div>
    """
    mark = ""
    if badge is not None:
        style = _BADGE.format(colour=_GOOD if badge[1] else _BAD)
        mark = f'<span style="{style}">{escape(badge[0])}</span>'
    parts = [f"<strong>{escape(head)}</strong>{mark}"]
    lines = [list(map(str, row)) for row in rows]
    if lines:
        parts.append(_table(columns, lines[:_MOST_ROWS]))
    if len(lines) > _MOST_ROWS:
        parts.append(f"<div>and {len(lines) - _MOST_ROWS} more</div>")
    parts += [f"<div>{escape(sentence)}</div>" for sentence in sentences if sentence]
    return "<div>" + "\n".join(parts) + "</div>"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join(
        f"<tr><th>{escape(row[0])}</th>"
        + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    top = f"<thead><tr>{head}</tr></thead>" if columns else ""
    return f"<table>{top}<tbody>{body}</tbody></table>"
