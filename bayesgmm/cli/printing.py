"""What commands print on stdout: tables for people, JSON for programs."""

import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bayesgmm.cli.outcome import Exit, as_options, one_line

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from bayesgmm.analysis import AnalysisResult
    from bayesgmm.data import Dataset
    from bayesgmm.diagnosis import Diagnosis

__all__ = [
    "print_analysis",
    "print_data",
    "print_frame",
    "print_json",
    "print_line",
    "print_rows",
    "print_verdict",
    "records",
    "tell_data",
    "warn_of",
    "shows_progress",
]

_PLAIN_WIDTH = 240
_WRAPPED = 16  # a verdict on a narrow terminal
_CAN_BE_LEFT_OUT = (
    *("by", "elpd WAIC", "ICL", "log lik.", "weight"),
    *("mcse_sd", "mcse_mean", "ess_tail", "sd"),
)


def shows_progress() -> bool:
    """Whether a person sees stderr, where progress is shown."""
    return sys.stderr.isatty()


def print_line(text: str) -> None:
    """Print plain text."""
    _console().print(escape(text), highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """Print one JSON object, in ASCII where stdout does not know all its signs."""
    from bayesgmm.posterior.files import strict_json

    text = strict_json(value)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(json.loads(text), indent=1)
    print(text)


def records(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    """Return a table as plain JSON types, its index as the first column."""
    return json.loads(frame.reset_index().to_json(orient="records", double_precision=15))


def print_data(data: "Dataset") -> None:
    """Say what was understood: rows, columns, units, and what was left out and why."""
    for line in _account(data):
        print_line(line)


def tell_data(data: "Dataset") -> None:
    """Say it on stderr, where stdout holds the answer."""
    for line in _account(data):
        print(line, file=sys.stderr)


def _account(data: "Dataset") -> list[str]:
    from bayesgmm.data import account, facts_of

    lines = account(facts_of(data))
    return [f"{head:<11}" + one_line(as_options(text)) for head, text in lines]


def print_analysis(result: "AnalysisResult", command: str = "") -> int:
    """Print the K table, the choice, the verdict, and where the files are."""
    comparison = result.comparison
    _print_comparison(comparison.named_table)
    notes = (
        *(comparison.screening_note, comparison.same_note),
        *(comparison.probability_note, comparison.probability_basis),
    )
    for line in notes:
        if line:
            print_line(line)
    print_line(f"Chosen: {as_options(result.choice.reason, command)}")
    for line in filter(None, (result.choice.left_open, result.choice.changes)):
        print_line(line)
    for line in result.shortfalls:
        print_line(line)
    for line in result.unmet:
        print_line(f"Differs from [expect]: {line}")
    head = f"Verdict for K = {comparison.numbers[result.choice.model]}"
    print_verdict(result.verdict, head, command)
    for kind, path in result.files.items():
        print_line(f"{kind:<12}{path}")
    return Exit.OK if result.ok else Exit.BAD_VERDICT


def _print_comparison(table: "pd.DataFrame") -> None:
    """Print one row per model; a narrow terminal shows the columns that matter most."""
    from bayesgmm.evidence import probability_heading, shown_probability

    probability = probability_heading(table).replace(", given", " given\n").replace("\n ", "\n")
    evident = ("log evidence", "by", probability)
    columns: dict[str, Any] = {
        "log lik.": table["log_likelihood"].map(_two_digits),
        "BIC": table["bic"].map(_two_digits),
        "ICL": table["icl"].map(_two_digits),
        "elpd LOO": _with_error(table, "elpd_loo", "se_loo", 1),
        "elpd WAIC": table["elpd_waic"].map(lambda v: _known(v, 1)),
        "weight": table["weight"].map(_two_digits),
        "log evidence": _with_error(table, "log_evidence", "log_evidence_error", 2),
        "by": table["evidence_method"].map(_route),
        probability: {
            k: shown_probability(row["probability"], row["probability_error"])
            for k, row in table.iterrows()
        },
        "verdict": table["verdict"],
    }
    columns = {name: [str(cells[k]) for k in table.index] for name, cells in columns.items()}
    columns = {"K": [str(k) for k in table.index], **columns}
    if table["log_evidence"].isna().all():
        columns = {name: cells for name, cells in columns.items() if name not in evident}
    _print_fitting(columns)


def _print_fitting(columns: Mapping[str, Sequence[str]]) -> None:
    """Print a table by columns; those that matter least are left out of a narrow terminal."""
    shown, left_out = dict(columns), []
    for name in _CAN_BE_LEFT_OUT:
        if _width(shown) <= _console().width:
            break
        if shown.pop(name, None) is not None:
            left_out.append(name)
    _print_table(list(shown), list(zip(*shown.values(), strict=True)))
    if left_out:
        print_line(f"Columns that do not fit the terminal: {', '.join(left_out)}.")


def _width(columns: Mapping[str, Sequence[str]]) -> int:
    """Return the width of a table with two spaces between columns, its verdicts wrapped."""
    widths = {name: max(map(len, (*name.split("\n"), *cells))) for name, cells in columns.items()}
    if "verdict" in widths:
        widths["verdict"] = min(widths["verdict"], _WRAPPED)
    return sum(widths.values()) + 2 * len(widths)


def print_verdict(verdict: "Diagnosis", head: str = "Verdict", command: str = "") -> int:
    """Print the verdict with its reasons, in the words of the command; return its exit code."""
    print_line(f"{head}: {verdict.status.value}")
    for sentence in (*verdict.reasons, *verdict.notes):
        print_line(f"  - {as_options(sentence, command)}")
    return Exit.OK if verdict.ok else Exit.BAD_VERDICT


def print_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print records that have the same keys."""
    _print_table(list(rows[0]), [[str(value) for value in row.values()] for row in rows])


def warn_of(posterior: "xr.DataTree") -> int:
    """Say on stderr what is wrong with the run that an answer rests on; return the exit code."""
    from bayesgmm.diagnosis import RunStatus, diagnose

    verdict = diagnose(posterior)
    if verdict.status is not RunStatus.CONVERGED:
        print(f"warning: the posterior is {verdict.status.value}.", file=sys.stderr)
    return Exit.OK if verdict.ok else Exit.BAD_VERDICT


def print_frame(frame: "pd.DataFrame") -> None:
    """Print a table of estimates, with the digits that their Monte Carlo errors leave certain."""
    from bayesgmm.summary.numbers import frame_rows

    rows = [[cell.replace("\N{MINUS SIGN}", "-") for cell in row] for row in frame_rows(frame)]
    heads = [str(frame.index.name), *map(str, frame.columns)]
    _print_fitting(dict(zip(heads, map(list, zip(*rows, strict=True)), strict=True)))


def _with_error(table: "pd.DataFrame", value: str, error: str, digits: int) -> Mapping[Any, str]:
    def shown(k: Any) -> str:
        if math.isnan(table[value][k]):
            return "-"
        uncertainty = table[error][k]
        known = f"{uncertainty:.{digits}f}" if math.isfinite(uncertainty) else "unknown"
        return f"{table[value][k]:.{digits}f} ± {known}"

    return {k: shown(k) for k in table.index}


def _route(method: str) -> str:
    """Name in one word what the quoted evidence comes from."""
    names = {"bridge": "bridge", "sequential": "SMC", "importance": "importance"}
    return names.get(method.split(" ", maxsplit=1)[0], "-")


def _two_digits(value: float) -> str:
    return _known(value, 2)


def _known(value: float, digits: int) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def _print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    lines = box.SIMPLE_HEAD if sys.stdout.isatty() else None
    table = Table(box=lines, pad_edge=False, collapse_padding=True)
    only_verdicts_wrap = "verdict" in columns
    for i, column in enumerate(columns):
        left = i == 0 or column in ("verdict", "title", "covariance")
        whole = column in ("file", "covariance") or (only_verdicts_wrap and column != "verdict")
        table.add_column(escape(column), justify="left" if left else "right", no_wrap=whole)
    for row in rows:
        table.add_row(*map(escape, row))
    _console().print(table)


def _console() -> Console:
    terminal = sys.stdout.isatty()
    return Console(width=None if terminal else _PLAIN_WIDTH, highlight=False)
