"""Run an analysis: read, compare, choose, write."""

import dataclasses
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayesgmm.advice import Advice, Option
from bayesgmm.analysis.schema import AnalysisSpec, ModelSection, model_named, read_model_file
from bayesgmm.arguments import check_count, check_flag, path_of
from bayesgmm.data import Dataset, check_components, check_labels
from bayesgmm.errors import SamplingInterrupted
from bayesgmm.limits import REACHED
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.runtime.keywords import keywords

if TYPE_CHECKING:
    from bayesgmm.analysis.kept import KeptOnDisk
    from bayesgmm.comparison import Choice, Comparison, Robustness
    from bayesgmm.diagnosis import Diagnosis

__all__ = [
    "AnalysisResult",
    "analyse",
    "check_model_file",
    "checked_data",
    "run_analysis",
    "with_sampler",
]

PathLike = str | os.PathLike[str]


@dataclass(frozen=True, eq=False)
class AnalysisResult:
    """What an analysis found, and the files that hold it.

    Parameters
    ----------
    spec : AnalysisSpec
    comparison : Comparison
        Fits, posteriors and criteria of every model.
    choice : Choice
        The reported ``model``, its number of components ``k`` and the reason.
    verdict : Diagnosis
        Of the reported posterior.
    files : dict of str to pathlib.Path
        By kind: report, posterior, comparison, summary, verdict; of a full analysis also
        sensitivity, coarsened, by_rows.
    """

    spec: AnalysisSpec
    comparison: "Comparison"
    choice: "Choice"
    verdict: "Diagnosis"
    files: dict[str, Path]

    @property
    def shortfalls(self) -> tuple[str, ...]:
        """Sentences on what keeps the comparison from being complete: a K that failed, say."""
        return self.comparison.shortfalls(self.choice.model)

    @property
    def ok(self) -> bool:
        """Whether the reported run may be used, and nothing that bears on the choice is missing."""
        return self.verdict.ok and not self.shortfalls

    @property
    def unmet(self) -> list[str]:
        """Sentences on what [expect] in the model file asks for and the result does not hold."""
        return [*_unmet_choices(self), *_unmet_numbers(self)]


def check_model_file(path: PathLike) -> AnalysisSpec:
    """Check a model file and its data, without fitting anything.

    Parameters
    ----------
    path : path
        A TOML file.

    Raises
    ------
    ConfigError
        For a fault in the file, priors that do not fit the data among them.
    DataError
        When the data cannot be read or do not allow the numbers of components asked for.

    Examples
    --------
    >>> check_model_file("models/faithful.toml").model.n_components
    (1, 2, 3, 4)
    """
    spec = read_model_file(path)
    checked_data(spec)
    return spec


@keywords()
def run_analysis(
    path: PathLike,
    out: PathLike | None = None,
    overwrite: bool = False,
    *,
    draws: int | None = None,
    tune: int | None = None,
    seed: int | None = None,
    cores: int | None = None,
    resume: bool = False,
    full: bool = False,
    progress: Any = False,
) -> AnalysisResult:
    r"""Run the analysis that a model file describes, and write the report and all tables.

    Parameters
    ----------
    path : path
        A TOML file; ``models/README.md`` explains its keys.
    out : path, optional
        Folder of the results; ``results/<name>`` under the current directory by default. A result
        there of the same data and configuration is replaced.
    overwrite : bool
        Whether results of other data or another configuration are replaced too.
    draws, tune, seed : int, optional
        Instead of those in the file.
    cores : int, optional
        As in `sample`.
    resume : bool
        Go on from the posteriors that an interrupted run of the same data and configuration has
        finished in the folder: what comes out is what the run would have given, to the bit. Where
        no seed is given, it is that run's.
    full : bool
        Also study what the answer depends on (`bayesgmm.robustness`), which takes several times as
        long: four more tables, and a section of the report.
    progress : bool or callable
        As in `sample`.

    Returns
    -------
    AnalysisResult

    Raises
    ------
    ConfigError, DataError
        For a fault in the file or its data; before any work.
    ResultFileError
        When the results cannot be written, as far as can be known before any work.
    SamplingInterrupted
        After Ctrl-C; the draws made so far are kept as ``posterior_k<K>.partial.nc``, finished
        posteriors as ``posterior_k<K>.finished.nc`` (with the structure where several are
        compared).

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> rows = np.random.default_rng(1).normal(size=30)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savetxt(f"{folder}/rows.csv", rows, header="x", comments="")
    ...     model = Path(folder, "rows.toml")
    ...     _ = model.write_text("model.n_components = 1\ndata.file = 'rows.csv'")
    ...     result = run_analysis(model, out=f"{folder}/out", draws=200, seed=1)
    ...     names = sorted(path.name for path in Path(folder, "out").iterdir())
    >>> result.choice.k
    1
    >>> names[:3]
    ['comparison.csv', 'posterior_k1.nc', 'references.bib']
    >>> names[3:]
    ['report.html', 'summary.csv', 'verdict.json']
    """
    given = {"draws": draws, "tune": tune, "seed": seed}
    changes = {name: value for name, value in given.items() if value is not None}
    check_flag("overwrite", overwrite)
    check_flag("resume", resume)
    check_flag("full", full)
    spec = with_sampler(read_model_file(path), changes)
    return analyse(spec, out, overwrite, resume=resume, full=full, cores=cores, progress=progress)


def analyse(
    spec: AnalysisSpec,
    out: PathLike | None = None,
    overwrite: bool = False,
    *,
    data: Dataset | None = None,
    resume: bool = False,
    full: bool = False,
    cores: int | None = None,
    progress: Any = False,
) -> AnalysisResult:
    """Run an analysis; as `run_analysis`, from a spec instead of a file.

    `data` are those of the spec where `checked_data` has read them before.
    """
    from bayesgmm.analysis.folder import usual_folder

    folder = usual_folder(spec.name) if out is None else path_of(out, "out")
    read = data or checked_data(spec)
    if cores is not None:
        cores = check_count("cores", cores)
    options: dict[str, Any] = {"cores": cores, "progress": progress}
    return _analysed(spec, read, folder, overwrite, resume, full, options)


def _analysed(
    spec: AnalysisSpec,
    data: Dataset,
    folder: Path,
    overwrite: bool,
    resume: bool,
    full: bool,
    options: dict[str, Any],
) -> AnalysisResult:
    # Loaded here: checking a model file needs neither sampler nor pictures.
    from bayesgmm.analysis.kept import KeptOnDisk
    from bayesgmm.analysis.outputs import check_outputs, write_outputs
    from bayesgmm.comparison import compare
    from bayesgmm.likelihood.streamed import is_streamed
    from bayesgmm.sampling.room import require_room

    sampler = spec.sampler
    lengths = {"draws": sampler.draws, "tune": sampler.tune, "chains": sampler.chains}
    for k in spec.model.needed:
        require_room(data, k, **lengths, log_likelihood=not is_streamed(data))
    check_outputs(spec, data, folder, overwrite, full)
    kept = KeptOnDisk(spec, data, folder, resume)
    try:
        comparison = compare(
            data,
            spec.model.n_components,
            covariance=spec.model.covariance,
            n_factors=spec.model.n_factors,
            priors=spec.model.priors,
            resolution=spec.model.resolution,
            labels_inform_weights=spec.model.labels_inform_weights,
            family=spec.model.family,
            nu=spec.model.nu,
            noise=spec.model.noises,
            **dataclasses.asdict(spec.sampler) | {"seed": kept.seed} | options,
            kept=kept,
            engine=spec.compute.engine,
        )
        hanging_on = _studied(comparison, options["progress"] is True) if full else None
    except SamplingInterrupted as interruption:
        raise _left_of(interruption, spec, folder, kept) from interruption
    comparison = _with_names(comparison, spec)
    choice = comparison.chosen(spec.report.criterion)
    verdict = comparison.verdicts[choice.model]
    files = write_outputs(spec, comparison, choice, folder, overwrite, hanging_on)
    kept.remove()
    return AnalysisResult(spec, comparison, choice, verdict, files)


def _with_names(comparison: "Comparison", spec: AnalysisSpec) -> "Comparison":
    """Name the clusters of each K that has names and was finished."""
    from bayesgmm.comparison import name_clusters

    there = {model.n_components for model in comparison.models}
    names = {int(k): given for k, given in spec.about.clusters.items() if int(k) in there}
    return name_clusters(comparison, names) if names else comparison


def _studied(comparison: "Comparison", progress: bool) -> "Robustness":
    """Study what the answer depends on; an interruption carries the comparison's own posteriors."""
    from bayesgmm.comparison import robustness

    try:
        return robustness(comparison, progress=progress)
    except (KeyboardInterrupt, SamplingInterrupted) as stop:
        raise SamplingInterrupted(
            "interrupted after the comparison.", partial=None, finished=comparison.posteriors
        ) from stop


def checked_data(spec: AnalysisSpec) -> Dataset:
    """Read the data of an analysis and check that they allow what it asks for."""
    data = spec.read()
    model = spec.model
    check_labels(data, model.labels_inform_weights)
    for k in model.needed:
        asked = [
            _asked(model, k, structure, family)
            for structure in model.kinds
            for family in model.families
        ]
        check_components(data, k, correlated=any(spec.has_correlations for spec in asked))
        for spec_of_k in asked:
            resolve(spec_of_k, data)
    return data


def _asked(
    section: ModelSection, n_components: int, structure: dict[str, Any], family: dict[str, Any]
) -> MixtureSpec:
    """Return one of the models that a section asks for."""
    plain = MixtureSpec.from_dict({"n_components": n_components, **structure})
    return dataclasses.replace(
        plain,
        priors=section.priors,
        resolution=section.resolution,
        labels_inform_weights=section.labels_inform_weights,
        **family,
    )


def with_sampler(spec: AnalysisSpec, changes: dict[str, Any]) -> AnalysisSpec:
    """Return the analysis with other counts of draws, another seed or another method."""
    checked: dict[str, Any] = {
        name: value if name == "method" else check_count(name, value, least=int(name != "seed"))
        for name, value in changes.items()
    }
    return dataclasses.replace(spec, sampler=dataclasses.replace(spec.sampler, **checked))


def _left_of(
    interruption: SamplingInterrupted, spec: AnalysisSpec, folder: Path, kept: "KeptOnDisk"
) -> SamplingInterrupted:
    """Save what there is of an interrupted run, and say where it is.

    Draws of the model at hand may all be made and still have been to be relabelled, or to go on:
    they do not say of which run they are, so that none takes them for finished.
    """
    from bayesgmm.analysis.outputs import posterior_file
    from bayesgmm.posterior.files import keep_interrupted
    from bayesgmm.posterior.tree import resolved_of
    from bayesgmm.posterior.whole_files import make_folder

    draws = interruption.details.get("partial")
    finished = interruption.details.get("finished", {})
    if draws is None and not finished:
        return SamplingInterrupted(f"{interruption} Nothing was written.", partial=None)
    make_folder(folder)
    places = []
    for tree in [*map(kept.marked, finished.values()), *([] if draws is None else [draws])]:
        resolved = resolved_of(tree)
        if resolved is not None:
            file, number = posterior_file(spec, resolved.spec)
            where = keep_interrupted(tree, folder / file)
            places.append(f"K = {number}: {where}")
    message: str = f"interrupted; {'; '.join(places)}."
    if finished:
        message = Advice(message, " ", Option("resume", True), " goes on from what is finished.")
    return SamplingInterrupted(message, partial=draws, finished=finished)


def _unmet_choices(result: AnalysisResult) -> list[str]:
    expected, unmet = result.spec.expect, []
    best = result.comparison.best.get("bic")
    count = None if best is None else best.n_components
    if expected.best_bic not in (None, count):
        unmet.append(f"the smallest BIC is at K = {count}, expected K = {expected.best_bic}")
    if expected.chosen is not None and result.choice.k not in expected.chosen:
        unmet.append(f"K = {result.choice.k} was chosen, expected one of {expected.chosen}")
    return unmet


def _unmet_numbers(result: AnalysisResult) -> list[str]:
    expected, unmet = result.spec.expect, []
    for text, value in expected.log_likelihood.items():
        found = _in_table(result, text, "log_likelihood")
        if not abs(found - value) <= REACHED:
            told = _in_words("log likelihood", found, 4)
            unmet.append(f"K = {text}: {told}, expected {value:.4f}")
    for text, (low, high) in expected.elpd_loo.items():
        found = _in_table(result, text, "elpd_loo")
        if not low <= found <= high:
            unmet.append(f"K = {text}: {_in_words('elpd_loo', found, 2)}, expected {low} to {high}")
    return unmet


def _in_words(words: str, found: float, digits: int) -> str:
    """Say what a figure is; one that is not there because the model was not sampled is infinite."""
    if math.isinf(found):
        return f"no {words}, because screening by BIC left the model out"
    return f"no {words}" if math.isnan(found) else f"{words} {found:.{digits}f}"


def _in_table(result: AnalysisResult, name: str, column: str) -> float:
    """Return a figure of the model that a key of [expect] names; inf where it was screened out."""
    comparison, section = result.comparison, result.spec.model
    count, structure = model_named(name, section.structures)
    kind = next(kind for kind in section.kinds if kind["covariance"] == structure)
    asked = _asked(section, count, kind, section.families[0])
    held = comparison.same.get(asked, asked)
    if held not in comparison.models:
        return math.inf
    place = comparison.models.index(held)
    return float(comparison.table[column].iloc[place])
