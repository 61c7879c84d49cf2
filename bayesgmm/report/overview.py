"""What stands first: the verdict; and the section on the question and the data."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from bayesgmm.data import account
from bayesgmm.diagnosis import RunStatus
from bayesgmm.likelihood.annotated_rows import AnnotatedRows, counting_rows
from bayesgmm.plots.observed import Column, column_of
from bayesgmm.report.annotations import annotations
from bayesgmm.report.asked_for import asked_for
from bayesgmm.report.document import Block, Facts, Notice, Section, Table, Text
from bayesgmm.report.subject import Subject
from bayesgmm.summary.numbers import plain, significant

__all__ = ["data", "verdict"]

_WHY_BAYESIAN = (
    "A posterior gives intervals for all parameters, for each row's membership and for K itself "
    "from one model, also where a cluster has few rows and the likelihood has poles; what it "
    "assumes beforehand is stated as priors."
)
_COMPLETE = "No cell of the rows used is missing."


def verdict(subject: Subject) -> Notice:
    """Say what the run is worth, in the words of the one function that judges it."""
    judged = subject.verdict
    tone = "good" if judged.status is RunStatus.CONVERGED else "limited" if judged.ok else "bad"
    title = f"Verdict on the run with K = {subject.number}: {judged.status.value}"
    return Notice(tone, title, (*judged.reasons, *_evidence(subject), *judged.notes))


def _evidence(subject: Subject) -> list[str]:
    """Say what a good verdict rests on; a bad one gives its reasons."""
    statistics = subject.verdict.statistics
    judged = [entry for entry in statistics["label_free"].values() if entry["r_hat"] is not None]
    if not (subject.verdict.ok and judged):
        return []
    sizes = [entry[name] for entry in judged for name in ("ess_bulk", "ess_tail")]
    diverged = statistics["divergences"]
    return [
        f"{statistics['chains']} chains of {statistics['draws']} draws. For label-invariant "
        f"quantities the largest R-hat is {max(entry['r_hat'] for entry in judged):.3f} and the "
        f"smallest effective sample size {min(sizes):.0f}"
        + (f"; {diverged or 'no'} draws diverged." if diverged is not None else ".")
    ]


def data(subject: Subject) -> Section:
    """Say what was asked, and of which rows."""
    blocks: list[Block] = []
    for name, lead in (("question", ""), ("known", "What is known: ")):
        if subject.about.get(name):
            blocks.append(Text(f"{lead}{subject.about[name]}"))
    given = subject.about.get("why_bayesian")
    blocks.append(
        Facts(
            (
                ("Aims", asked_for(subject, "aims")),
                ("Why Bayesian", str(given) if given else f"In general: {_WHY_BAYESIAN}"),
                ("Design and sample size", asked_for(subject, "design")),
            )
        )
    )
    facts = subject.data
    items = [("Read from", str(facts.get("source", "not stored")))]
    if subject.about.get("source"):
        items.append(("Origin", str(subject.about["source"])))
    items += [
        ("Rows used", _rows_used(subject)),
        ("Columns used", ", ".join(subject.features)),
    ]
    items += _reading(facts)
    items.append(("SHA-256 of the data", str(facts.get("hash", "not stored"))))
    items.append(("Missing cells", _missing(subject)))
    blocks += [Facts(tuple(items)), *_some_of(subject), _columns(subject), *annotations(subject)]
    return Section("data", "Question and data", tuple(blocks))


def _missing(subject: Subject) -> str:
    return asked_for(subject, "missing") if subject.has_missing else _COMPLETE


def _some_of(subject: Subject) -> list[Block]:
    """Say what is shown of rows that the result does not keep."""
    if not subject.some_rows:
        return []
    return [
        Text(
            f"The model was fitted to all {subject.n_obs} rows, which stayed in the file. The "
            "table of columns, the plots, memberships of rows and checks of the model, relabelling "
            f"and the number of occupied clusters use {subject.n_shown} of them, drawn at random "
            "and named by their position in the file, from 0."
        )
    ]


def _rows_used(subject: Subject) -> str:
    known = subject.known
    if known is None or known.weights_kind != "frequency":
        return str(subject.n_obs)
    return f"{subject.n_obs}, by the weights of {len(subject.times)} rows"


def _reading(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Repeat what was said when the data were read: how, and what was left out and why."""
    told: dict[str, list[str]] = {"row names": [], "read with": [], "left out": []}
    known = {"source": "", "rows": 0, "columns": (), **facts}
    for head, text in account(known):
        if head in told:
            told[head].append(text)
    told["left out"] = told["left out"] or ["nothing"]
    return [(head.capitalize(), "; ".join(texts)) for head, texts in told.items() if texts]


def _columns(subject: Subject) -> Table:
    rows = counting_rows(subject.draws.table)
    steps = None if subject.resolved is None else subject.resolved.resolution / 0.4
    lines = []
    for d, name in enumerate(subject.features):
        column = column_of(rows, d)
        step = 0.0 if steps is None else float(steps[d])
        mean, deviation, median = _moments(column)
        values = column.values
        lines.append(
            (
                name,
                str(subject.units.get(name, "not stated")),
                *(significant(v) for v in (mean, deviation)),
                *(plain(v) for v in (values.min(), median, values.max())),
                str(len(np.unique(values))),
                plain(step) if step else "none",
            )
        )
    caption = (
        "The columns of the data. The recording step is the smallest gap between distinct values "
        "of a column with ties; the model allows for it."
    )
    if isinstance(rows, AnnotatedRows):
        caption += " All but the step are of observed cells, counted by the weights of their rows."
    header = ("column", "unit", "mean", "sd", "smallest", "median", "largest", "distinct", "step")
    return Table(caption, header, tuple(lines), words=(1,))


def _moments(column: Column) -> tuple[float, float, float]:
    """Return mean, standard deviation and median of observed cells, counted by their weights."""
    values, weights = column.values, column.weights
    if weights is None:
        return values.mean(), values.std(ddof=1), float(np.median(values))
    mean = np.average(values, weights=weights)
    deviation = float(np.sqrt(weights @ (values - mean) ** 2 / (weights.sum() - 1.0)))
    median = np.quantile(values, 0.5, weights=weights, method="inverted_cdf")
    return mean, deviation, float(median)
