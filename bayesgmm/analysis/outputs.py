"""What an analysis writes: whether it could, before any work, and then all of it.

All files are made in a hidden folder beside their places and renamed when the last one is complete,
so a run that fails or is killed leaves an older result as it was.
"""

import itertools
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from bayesgmm.advice import Advice, Option
from bayesgmm.analysis.folder import (
    FULL_TABLES,
    REFERENCES_FILE,
    VERDICT_FILE,
    check_places,
    earlier,
    files_in,
    foreign_among,
    hash_of,
    publish,
    staged,
    standing,
)
from bayesgmm.analysis.schema import AnalysisSpec
from bayesgmm.comparison import Choice, Comparison, Robustness
from bayesgmm.data import Dataset
from bayesgmm.errors import ResultFileError
from bayesgmm.likelihood.streamed import is_streamed, n_kept
from bayesgmm.model.several import facts_of_model, number_of
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.posterior import save
from bayesgmm.posterior.files import check_writable, strict_json, write_text
from bayesgmm.posterior.size import result_bytes
from bayesgmm.posterior.tree import attribute, with_attributes
from bayesgmm.posterior.whole_files import csv_text, make_folder
from bayesgmm.report import write_report
from bayesgmm.summary import summarize

__all__ = ["check_outputs", "choice_facts", "posterior_file", "write_outputs"]

_BESIDE = 2**24  # bytes of report and tables


def check_outputs(
    spec: AnalysisSpec, data: Dataset, folder: Path, overwrite: bool, full: bool = False
) -> None:
    """Refuse to start what could not be written, or would replace another analysis.

    Raises
    ------
    ResultFileError
        When the folder takes no files or has too little space, holds something else under a name
        that is to be written, or holds results of other data or another configuration and
        ``overwrite`` is False.
    """
    new = [place for place in (folder, *folder.parents) if not os.path.exists(place)]
    try:
        make_folder(folder)
        check_places(folder, _names(spec, full))
        check_writable(folder / VERDICT_FILE, overwrite=True, needed=_bytes(spec, data))
    finally:
        for place in new:  # a run that is refused later leaves no empty folder
            with suppress(OSError, ValueError):
                place.rmdir()
    differing = [] if overwrite else _differing(spec, data, folder)
    if differing:
        first = standing(folder)[0]
        raise ResultFileError(
            Advice(
                f"{str(folder)!r} holds results ({first}) of other {' and '.join(differing)}; "
                "pass ",
                Option("overwrite", True),
                " to replace them, or choose another folder (",
                Option("out"),
                ").",
            ),
            path=str(folder),
            differing=differing,
        )


def write_outputs(
    spec: AnalysisSpec,
    comparison: Comparison,
    choice: Choice,
    folder: Path,
    overwrite: bool,
    robustness: Robustness | None = None,
) -> dict[str, Path]:
    """Write every output; each appears under its name only when all are complete.

    Where another analysis has filled the folder meanwhile, and ``overwrite`` is False, or where
    something stands that is never replaced, a numbered folder beside it is taken.

    Returns
    -------
    dict of str to pathlib.Path
        By kind: report, references, posterior, comparison, summary, verdict, and the tables of
        robustness.

    Raises
    ------
    ResultFileError
        When something cannot be written; what stood there before is unchanged.
    """
    posterior = with_attributes(comparison.posteriors[choice.model], about=spec.subject)
    names = {
        "report": f"report.{spec.report.format}",
        "references": REFERENCES_FILE,
        "posterior": posterior_file(spec, choice.model)[0],
        "comparison": "comparison.csv",
        "summary": "summary.csv",
        "verdict": VERDICT_FILE,
    }
    tables = {} if robustness is None else _robustness_tables(robustness)
    names |= {kind: f"{kind}.csv" for kind in tables}
    with staged(folder) as stage:
        for kind, table in tables.items():
            write_text(stage / names[kind], csv_text(table))
        save(posterior, stage / names["posterior"])
        write_text(stage / names["comparison"], csv_text(comparison.table))
        write_text(stage / names["summary"], csv_text(summarize(posterior, spec.report.prob)))
        write_report(
            comparison,
            stage / names["report"],
            title=spec.title or None,
            format=spec.report.format,
            criterion=spec.report.criterion,
            about=spec.subject,
            robustness=robustness,
            prob=spec.report.prob,
            references=stage / names["references"],
        )
        record = _record(spec, comparison, choice)
        files = {str(f.relative_to(stage)): hash_of(f) for f in files_in(stage)}
        write_text(stage / names["verdict"], strict_json({**record, "files": files}) + "\n")
        folder = next(
            place
            for place in _places(folder)
            if not foreign_among(place, [*files, VERDICT_FILE])
            and (overwrite or not _differing(spec, comparison.data, place))
        )
        publish(stage, folder)
    return {kind: folder / name for kind, name in names.items()}


def _robustness_tables(found: Robustness) -> dict[str, Any]:
    """Return the tables of what the answer depends on, by kind."""
    held = found.sensitivity
    chosen = held.choices.add_prefix("chosen by ")
    by_setting = chosen.join(held.probabilities.add_prefix("p, "))
    by_setting = by_setting.join(held.runs.add_prefix("sampled anew, "))
    tables = (
        by_setting.rename_axis("setting"),
        held.estimates,
        found.coarsened.table,
        found.by_rows,
    )
    return dict(zip(FULL_TABLES, tables, strict=True))


def _names(spec: AnalysisSpec, full: bool) -> list[str]:
    """Return every name that a run may write to: which K it reports is not known before."""
    posteriors = [posterior_file(spec, model)[0] for model in _models(spec)]
    figures = ["report_figures/any"] if spec.report.format == "md" else []
    tables = ["comparison.csv", "summary.csv"]
    names = [f"report.{spec.report.format}", REFERENCES_FILE, *tables, VERDICT_FILE]
    more = [f"{kind}.csv" for kind in FULL_TABLES] if full else []
    return [*names, *more, *posteriors, *figures]


def _models(spec: AnalysisSpec) -> list[MixtureSpec]:
    return [
        MixtureSpec(k, **kind, **family)
        for k in spec.model.counts
        for kind in spec.model.kinds
        for family in spec.model.families
    ]


def _bytes(spec: AnalysisSpec, data: Dataset) -> int:
    """Return about how much a run writes: a posterior of each model, one of them twice."""
    draws = spec.sampler.draws * spec.sampler.chains
    by_row = spec.sampler.log_likelihood and not is_streamed(data)
    sizes = [
        result_bytes(n_kept(data), data.n_features, model.n_components, draws, by_row)
        for model in _models(spec)
    ]
    return sum(sizes) + max(sizes) + _BESIDE


def _differing(spec: AnalysisSpec, data: Dataset, folder: Path) -> list[str]:
    """Return in what the analysis differs from the one whose results stand in the folder."""
    hashes = {"data": data.hash, "configuration": spec.config_hash}
    if not standing(folder):
        return []
    there = earlier(folder, "hashes")
    return [name for name, value in hashes.items() if there.get(name) != value]


def _places(folder: Path) -> Iterator[Path]:
    """Yield the folder, then numbered ones beside it."""
    yield folder
    for number in itertools.count(2):
        yield folder.with_name(f"{folder.name}-{number}")


def _record(spec: AnalysisSpec, comparison: Comparison, choice: Choice) -> dict[str, Any]:
    """Say what was found and from what, in plain JSON types."""
    posterior = comparison.posteriors[choice.model]
    return {
        "name": spec.name,
        **choice_facts(comparison, choice),
        "criterion": spec.report.criterion,
        "status": attribute(posterior, "status"),
        "verdict": comparison.verdicts[choice.model].to_dict(),
        "shortfalls": list(comparison.shortfalls(choice.model)),
        "hashes": {"data": comparison.data.hash, "configuration": spec.config_hash},
        "data": attribute(posterior, "data"),
        "configuration": spec.config,
        "seed": comparison.seed,
        "versions": attribute(posterior, "versions"),
    }


def choice_facts(comparison: Comparison, choice: Choice) -> dict[str, Any]:
    """Return what was chosen and why, what each criterion puts first, and what failed."""
    return {
        "chosen": choice.k,
        "chosen_model": facts_of_model(choice.model),
        "reason": choice.reason,
        "not_ruled_out": [
            facts_of_model(spec) | {"n_components": spec.n_components}
            for spec in choice.not_ruled_out
        ],
        "left_open": choice.left_open,
        "changes": choice.changes,
        "best": {criterion: spec.n_components for criterion, spec in comparison.best.items()},
        "best_models": {name: facts_of_model(spec) for name, spec in comparison.best.items()},
        "failures": {comparison.numbers[spec]: why for spec, why in comparison.failures.items()},
    }


def posterior_file(spec: AnalysisSpec, model: MixtureSpec) -> tuple[str, str]:
    """Return the name of a model's file of draws, and what stands after "K = " for it."""
    several = len(spec.model.kinds) * len(spec.model.families) > 1
    kind = "_" + re.sub(r"[^\w.]+", "_", model.kind) if several else ""
    return f"posterior_k{model.n_components}{kind}.nc", number_of(model, several)
