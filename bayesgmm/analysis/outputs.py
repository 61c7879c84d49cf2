"""The folder of an analysis: what stands there, whether it may be replaced, what is written.

All files are made in a hidden folder beside their places and renamed when the last one is complete,
so a run that fails or is killed leaves an older result as it was.
"""

import hashlib
import itertools
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from bayesgmm.advice import Advice, Option
from bayesgmm.analysis.schema import AnalysisSpec
from bayesgmm.comparison import Choice, Comparison
from bayesgmm.data import Dataset
from bayesgmm.errors import ResultFileError
from bayesgmm.model.several import facts_of_model, number_of
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.posterior import save
from bayesgmm.posterior.files import check_writable, strict_json, write_text
from bayesgmm.posterior.tree import attribute, with_attributes
from bayesgmm.report import write_report
from bayesgmm.summary import summarize

__all__ = [
    "VERDICT_FILE",
    "check_outputs",
    "choice_facts",
    "make_folder",
    "posterior_file",
    "write_outputs",
]

VERDICT_FILE = "verdict.json"
_OWN_FILES = ("report.html", "report.md", "comparison.csv", "summary.csv", VERDICT_FILE)


def check_outputs(spec: AnalysisSpec, data: Dataset, folder: Path, overwrite: bool) -> None:
    """Refuse to start what could not be written, or would replace another analysis.

    Raises
    ------
    ResultFileError
        When the folder takes no files, or holds results of other data or another configuration
        and ``overwrite`` is False.
    """
    new = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        make_folder(folder)
        check_writable(folder / VERDICT_FILE, overwrite=True)
    finally:
        for place in new:  # a run that is refused later leaves no empty folder
            with suppress(OSError):
                place.rmdir()
    differing = [] if overwrite else _differing(spec, data, folder)
    if differing:
        standing = _standing(folder)[0]
        raise ResultFileError(
            Advice(
                f"{str(folder)!r} holds results ({standing}) of other {' and '.join(differing)}; "
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
    spec: AnalysisSpec, comparison: Comparison, choice: Choice, folder: Path, overwrite: bool
) -> dict[str, Path]:
    """Write every output; each appears under its name only when all are complete.

    Where another analysis has filled the folder meanwhile, a numbered folder beside it is taken,
    unless ``overwrite``.

    Returns
    -------
    dict of str to pathlib.Path
        By kind: report, posterior, comparison, summary, verdict.

    Raises
    ------
    ResultFileError
        When something cannot be written; what stood there before is unchanged.
    """
    posterior = with_attributes(comparison.posteriors[choice.model], about=spec.subject)
    names = {
        "report": f"report.{spec.report.format}",
        "posterior": posterior_file(spec, choice.model)[0],
        "comparison": "comparison.csv",
        "summary": "summary.csv",
        "verdict": VERDICT_FILE,
    }
    with _staged(folder) as stage:
        save(posterior, stage / names["posterior"])
        write_text(stage / names["comparison"], comparison.table.to_csv(lineterminator="\n"))
        write_text(stage / names["summary"], summarize(posterior).to_csv(lineterminator="\n"))
        write_report(
            comparison,
            stage / names["report"],
            title=spec.title or None,
            format=spec.report.format,
            criterion=spec.report.criterion,
            about=spec.subject,
        )
        record = _record(spec, comparison, choice)
        record["files"] = {str(f.relative_to(stage)): _hash_of(f) for f in _files_in(stage)}
        write_text(stage / names["verdict"], strict_json(record) + "\n")
        if not overwrite:
            folder = _own_folder(spec, comparison.data, folder)
        outdated = set(_earlier(folder, "files")) - {*record["files"], VERDICT_FILE}
        _publish(stage, folder)
    for name in filter(_inside, outdated):
        (folder / name).unlink(missing_ok=True)
    return {kind: folder / name for kind, name in names.items()}


def _differing(spec: AnalysisSpec, data: Dataset, folder: Path) -> list[str]:
    """Return in what the analysis differs from the one whose results stand in the folder."""
    earlier = _earlier(folder, "hashes") if _standing(folder) else None
    hashes = {"data": data.hash, "configuration": spec.config_hash}
    return [
        name for name, value in hashes.items() if earlier is not None and earlier.get(name) != value
    ]


def _own_folder(spec: AnalysisSpec, data: Dataset, folder: Path) -> Path:
    """Return the folder, or the first numbered one beside it that holds no other analysis."""
    beside = (folder.with_name(f"{folder.name}-{number}") for number in itertools.count(2))
    places = itertools.chain([folder], beside)
    return next(place for place in places if not _differing(spec, data, place))


def _standing(folder: Path) -> list[str]:
    """Return the names in the folder that a run would replace, or whose run it would replace."""
    posteriors = [path.name for path in folder.glob("posterior_k*.nc")]
    left = (".partial.nc", ".finished.nc")  # by runs that were interrupted
    complete = [name for name in sorted(posteriors) if not name.endswith(left)]
    return [name for name in _OWN_FILES if (folder / name).exists()] + complete


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
        "best": {criterion: spec.n_components for criterion, spec in comparison.best.items()},
        "best_models": {name: facts_of_model(spec) for name, spec in comparison.best.items()},
        "failures": {comparison.numbers[spec]: why for spec, why in comparison.failures.items()},
    }


def posterior_file(spec: AnalysisSpec, model: MixtureSpec) -> tuple[str, str]:
    """Return the name of a model's file of draws, and what stands after "K = " for it."""
    several = len(spec.model.structures) > 1
    structure = f"_{model.covariance}" if several else ""
    return f"posterior_k{model.n_components}{structure}.nc", number_of(model, several)


def _earlier_record(folder: Path) -> dict[str, Any]:
    """Return the record of the result that stands in the folder; empty when it is not ours."""
    try:
        record = json.loads((folder / VERDICT_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _earlier(folder: Path, key: str) -> dict[str, Any]:
    value = _earlier_record(folder).get(key)
    return value if isinstance(value, dict) else {}


def _inside(name: str) -> bool:
    """Whether a recorded name leads to a place inside the folder of results."""
    path = Path(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts


@contextmanager
def _staged(folder: Path) -> Iterator[Path]:
    """Yield a hidden folder inside the folder, removed at the end whatever happens."""
    make_folder(folder)
    stage = folder / f".run-{secrets.token_hex(4)}.tmp"
    make_folder(stage)
    try:
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def make_folder(folder: Path) -> None:
    """Make the folder of the results, and those above it, where they are missing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResultFileError(
            f"cannot make the folder {str(folder)!r}: {error.strerror}; choose another (--out).",
            path=str(folder),
        ) from error


def _publish(stage: Path, folder: Path) -> None:
    """Rename every file to its place, the verdict last: it names the hashes of the others."""
    try:
        for file in sorted(_files_in(stage), key=lambda f: f.name == VERDICT_FILE):
            final = folder / file.relative_to(stage)
            final.parent.mkdir(parents=True, exist_ok=True)
            os.replace(file, final)
    except OSError as error:
        raise ResultFileError(
            f"cannot write into {str(folder)!r}: {error.strerror}.", path=str(folder)
        ) from error


def _files_in(stage: Path) -> list[Path]:
    return sorted(path for path in stage.rglob("*") if path.is_file())


def _hash_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
