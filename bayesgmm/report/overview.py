"""The first sections: the result in brief, the question and the data."""

import numpy as np

from bayesgmm.diagnosis import RunStatus
from bayesgmm.report.document import Block, Facts, Notice, Section, Table, Text
from bayesgmm.report.numbers import percent, plain, significant
from bayesgmm.report.subject import Subject
from bayesgmm.result.layout import parameters_of, rows_of

__all__ = ["brief", "data", "verdict"]

_PROB = 0.89


def brief(subject: Subject) -> Section:
    """Give the answer, or say why there is none."""
    blocks: list[Block] = []
    if subject.choice is not None:
        blocks.append(
            Text(f"Chosen number of components: K = {subject.choice.k}. {subject.choice.reason}")
        )
    if subject.verdict.ok and subject.named:
        blocks.append(Text(_weights_in_words(subject)))
    elif subject.verdict.ok:
        blocks.append(
            Text(
                "Not every cluster has a summary of its own that could be trusted, for the reasons "
                "in the verdict. What follows rests on what depends on no numbering of the "
                "clusters: the density, the co-clustering of the rows and the label-free "
                "summaries."
            )
        )
    else:
        blocks.append(
            Text(
                "Because the verdict is bad, no figure below may be used as a result; they are "
                "shown so that the cause can be found."
            )
        )
    return Section("brief", "The result in brief", tuple(blocks))


def verdict(subject: Subject) -> Notice:
    """Say what the run is worth, in the words of the one function that judges it."""
    judged = subject.verdict
    tone = "good" if judged.status is RunStatus.CONVERGED else "limited" if judged.ok else "bad"
    title = f"Verdict on the run with K = {subject.n_clusters}: {judged.status.value}"
    return Notice(tone, title, (*judged.reasons, *judged.notes))


def _weights_in_words(subject: Subject) -> str:
    weights = parameters_of(subject.posterior).weights
    low, high = np.quantile(weights, [(1 - _PROB) / 2, (1 + _PROB) / 2], axis=0)
    if subject.n_clusters == 1:
        return "One component describes all rows."
    parts = [
        f"cluster {k} holds {percent(mean)} of the population ({percent(a)} to {percent(b)})"
        for k, (mean, a, b) in enumerate(zip(weights.mean(axis=0), low, high, strict=True))
    ]
    return (
        f"Of the {subject.n_clusters} clusters, {'; '.join(parts)}. Intervals are equal-tailed "
        f"with probability {100 * _PROB:g} % throughout."
    )


def data(subject: Subject) -> Section:
    """Say what was asked, and of which rows."""
    blocks: list[Block] = []
    for name, lead in (("question", ""), ("known", "What is known: ")):
        if subject.about.get(name):
            blocks.append(Text(f"{lead}{subject.about[name]}"))
    facts = subject.data
    dropped = int(facts.get("dropped", 0))
    items = [("Read from", str(facts.get("source", "not stored")))]
    if subject.about.get("source"):
        items.append(("Origin", str(subject.about["source"])))
    items += [
        ("Rows used", str(subject.n_obs)),
        ("Rows dropped", f"{dropped} with a missing value" if dropped else "none"),
        ("Columns used", ", ".join(subject.features)),
    ]
    ignored = facts.get("ignored_columns") or _ignored(subject)
    if ignored:
        items.append(("Columns left out", ", ".join(map(str, ignored))))
    items.append(("SHA-256 of the data", str(facts.get("hash", "not stored"))))
    return Section("data", "Question and data", (*blocks, Facts(tuple(items)), _columns(subject)))


def _ignored(subject: Subject) -> list[str]:
    if subject.comparison is None:
        return []
    return list(subject.comparison.data.options.get("ignored_columns", ()))


def _columns(subject: Subject) -> Table:
    rows = rows_of(subject.posterior)
    steps = None if subject.resolved is None else subject.resolved.resolution / 0.4
    lines = []
    for d, name in enumerate(subject.features):
        column = rows[:, d]
        step = 0.0 if steps is None else float(steps[d])
        lines.append(
            (
                name,
                str(subject.units.get(name, "not stated")),
                *(significant(v) for v in (column.mean(), column.std(ddof=1))),
                *(plain(v) for v in (column.min(), np.median(column), column.max())),
                str(len(np.unique(column))),
                plain(step) if step else "none",
            )
        )
    caption = (
        "The columns of the data. The recording step is the smallest gap between distinct values "
        "of a column with ties; the model allows for it."
    )
    header = ("column", "unit", "mean", "sd", "smallest", "median", "largest", "distinct", "step")
    return Table(caption, header, tuple(lines), words=(1,))
