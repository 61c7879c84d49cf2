"""Commands that do a whole analysis: run, check, compare, datasets."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from bayesgmm.cli.grid import FactorsOption
from bayesgmm.cli.options import (
    Chains,
    ClusterNamesByK,
    Components,
    Cores,
    CovariancesOption,
    CriterionOption,
    DataFile,
    Draws,
    EngineOption,
    Engines,
    Evidence,
    FamiliesOption,
    Full,
    Json,
    Known,
    LabelsInformWeights,
    LogLikelihood,
    MaxDraws,
    Method,
    MethodIfGiven,
    MethodOption,
    NoisesOption,
    NuOption,
    Overwrite,
    PriorOptions,
    Prob,
    Question,
    ReportFormat,
    ResolutionOption,
    Resume,
    Seed,
    Source,
    TargetAccept,
    Title,
    Tune,
)
from bayesgmm.cli.outcome import Exit
from bayesgmm.cli.printing import (
    print_analysis,
    print_data,
    print_json,
    print_line,
    print_rows,
    records,
    shows_progress,
)
from bayesgmm.cli.reading import (
    data_name,
    data_sections,
    is_data,
    read_data,
    reads_data,
    refuse_reading,
)
from bayesgmm.cli.texts import AboutOptions, texts_in
from bayesgmm.cli.values import (
    degrees_in,
    names_by_count_in,
    priors_in,
    resolution_in,
    structures_in,
)
from bayesgmm.limits import INTERVAL

if TYPE_CHECKING:
    from bayesgmm.analysis import AnalysisSpec

__all__ = ["register"]

ModelFile = Annotated[Path, typer.Argument(metavar="FILE", help="Model file (TOML).")]
OutFolder = Annotated[
    Path | None, typer.Option(help="Folder of the results; results/<name> by default.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command(epilog="Example: bayesgmm run models/faithful.toml")(run)
    app.command(epilog="Example: bayesgmm check models/faithful.toml")(reads_data(check))
    app.command(epilog="Example: bayesgmm compare data.csv -k 1-6 --columns eruptions,waiting")(
        reads_data(compare)
    )
    app.command(epilog="Example: bayesgmm datasets models")(datasets)


def run(
    file: ModelFile,
    out: OutFolder = None,
    overwrite: Overwrite = False,
    draws: Draws = None,
    tune: Tune = None,
    method: MethodIfGiven = None,
    seed: Seed = None,
    cores: Cores = None,
    resume: Resume = False,
    full: Full = False,
    json: Json = False,
) -> int:
    """Run a model file: report, posterior, tables and verdict."""
    from bayesgmm.analysis import read_model_file, with_sampler

    _refuse_data(file)
    by = None if method is None else method.value
    given = {"draws": draws, "tune": tune, "method": by, "seed": seed}
    changes = {name: value for name, value in given.items() if value is not None}
    spec = with_sampler(read_model_file(file), changes)
    return _analysed(spec, _How(out, overwrite, resume, full, cores), json, "run")


def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Model file (TOML), or data.")],
    reading: dict[str, Any],
    json: Json = False,
) -> int:
    """Check a model file, or data alone, without fitting anything."""
    from bayesgmm.analysis import checked_data, read_model_file
    from bayesgmm.data import facts_of

    if is_data(file):
        data = read_data(file, reading)
        if json:
            print_json({"data": facts_of(data), "units": dict(data.units)})
        else:
            print_data(data)
        return Exit.OK
    refuse_reading(file, reading)
    spec = read_model_file(file)
    data = checked_data(spec)
    if json:
        print_json(
            {
                "name": spec.name,
                "configuration": spec.config,
                "hashes": {"data": data.hash, "configuration": spec.config_hash},
                "rows": data.n_obs,
                "dropped": data.n_dropped,
                "columns": data.features,
                "data": facts_of(data),
            }
        )
        return Exit.OK
    sampler = spec.sampler
    print_data(data)
    picked = "" if spec.model.labels_inform_weights else "; rows were selected for their labels"
    structures = ", ".join(spec.model.structures)
    families = "" if len(spec.model.families) == 1 else f", {len(spec.model.families)} families"
    print_line(f"model      K = {spec.model.numbers}, covariance {structures}{families}{picked}")
    chains = f"{sampler.chains} chains of {sampler.tune} + {sampler.draws} draws"
    print_line(f"sampler    {chains}, method {sampler.method}")
    print_line(f"{file} is valid")
    return Exit.OK


def compare(
    data: DataFile,
    reading: dict[str, Any],
    components: Components = "1-6",
    covariance: CovariancesOption = "full",
    factors: FactorsOption = None,
    family: FamiliesOption = "normal",
    nu: NuOption = "shared",
    noise: NoisesOption = "none",
    resolution: ResolutionOption = "auto",
    labels_inform_weights: LabelsInformWeights = True,
    prior: PriorOptions = None,
    criterion: CriterionOption = "loo",
    prob: Prob = INTERVAL,
    title: Title = "",
    question: Question = "",
    source: Source = "",
    known: Known = "",
    about: AboutOptions = None,
    cluster_names: ClusterNamesByK = None,
    format: ReportFormat = "html",
    method: MethodOption = Method.AUTO,
    engine: EngineOption = Engines.COMPILED,
    out: OutFolder = None,
    overwrite: Overwrite = False,
    draws: Draws = None,
    tune: Tune = None,
    chains: Chains = None,
    max_draws: MaxDraws = None,
    target_accept: TargetAccept = None,
    evidence: Evidence = "both",
    log_likelihood: LogLikelihood = True,
    cores: Cores = None,
    seed: Seed = None,
    resume: Resume = False,
    full: Full = False,
    json: Json = False,
) -> int:
    """Compare numbers of components, structures and families.

    It writes the same files as run.
    """
    from bayesgmm.analysis import AnalysisSpec

    sampler: dict[str, Any] = {"draws": draws, "tune": tune, "target_accept": target_accept}
    sampler |= {"chains": chains, "max_draws": max_draws, "evidence": evidence, "seed": seed}
    sampler["log_likelihood"] = log_likelihood
    sampler["method"] = method.value
    sections = data_sections(data, reading)
    sections["compute"]["engine"] = engine.value
    spec = AnalysisSpec.from_dict(
        {
            "name": data_name(data),
            "command": shlex.join(["bayesgmm", *sys.argv[1:]]),
            **sections,
            "model": {
                "n_components": components,
                "covariance": structures_in(covariance),
                **({} if factors is None else {"n_factors": factors}),
                "family": structures_in(family),
                "nu": degrees_in(nu),
                "noise": structures_in(noise),
                "resolution": resolution_in(resolution),
                "labels_inform_weights": labels_inform_weights,
                "priors": priors_in(prior),
            },
            "sampler": {name: value for name, value in sampler.items() if value is not None},
            "report": {"title": title, "criterion": criterion, "prob": prob, "format": format},
            "about": {
                **texts_in(about),
                "question": question,
                "source": source,
                "known": known,
                "clusters": names_by_count_in(cluster_names),
            },
        },
        "the command",
    )
    how = _How(out, overwrite, resume, full, cores)
    return _analysed(spec, how, json, "compare")


def datasets(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of model files.")] = Path(
        "models"
    ),
    json: Json = False,
) -> int:
    """List the model files of a folder."""
    from bayesgmm.analysis import check_model_file
    from bayesgmm.errors import ConfigError

    files = sorted(folder.glob("*.toml"))
    if not files:
        raise ConfigError(
            f"there is no model file (*.toml) in {str(folder)!r}; name a folder that holds some, "
            "as in `bayesgmm datasets FOLDER`. The gallery is the folder models of the source "
            "repository; a CSV file needs no model file: `bayesgmm compare data.csv`.",
            path=str(folder),
        )
    rows = []
    for file in files:
        spec = check_model_file(file)
        data = spec.read()
        rows.append(
            {
                "file": str(file),
                "rows": data.n_obs,
                "features": data.n_features,
                "K": spec.model.numbers,
                "covariance": ", ".join(spec.model.structures),
                "title": spec.title or spec.name,
            }
        )
    if json:
        print_json(rows)
    else:
        print_rows([_in_short(row) for row in rows])
    return Exit.OK


def _in_short(row: Mapping[str, Any]) -> dict[str, str]:
    """Return what a model file's row of the table says, in cells that fit a terminal."""
    counts, structures = (str(row[name]).split(", ") for name in ("K", "covariance"))
    unbroken = counts[1:] and counts == [str(int(counts[0]) + i) for i in range(len(counts))]
    return {
        "file": Path(str(row["file"])).name,
        "size": f"{row['rows']} x {row['features']}",
        "K": f"{counts[0]}-{counts[-1]}" if unbroken else str(row["K"]),
        "covariance": f"{len(structures)} structures" if structures[2:] else ", ".join(structures),
        "title": str(row["title"]),
    }


def _refuse_data(file: Path) -> None:
    """Refuse data where a model file is taken, and say which command takes data."""
    from bayesgmm.errors import ConfigError

    if is_data(file) and not file.is_dir():
        raise ConfigError(
            f"{str(file)!r} names data, and run takes a model file (TOML); compare numbers of "
            f"components on data with `bayesgmm compare {shlex.quote(str(file))}`.",
            path=str(file),
        )


class _How(NamedTuple):
    """Where an analysis writes, and how it is run; none of it is part of the configuration."""

    out: Path | None
    overwrite: bool
    resume: bool
    full: bool
    cores: int | None


def _analysed(spec: "AnalysisSpec", how: _How, json: bool, command: str) -> int:
    """Print what was read, run the analysis, and print the result; return its exit code."""
    from bayesgmm.analysis import analyse, checked_data

    data = checked_data(spec)
    if not json:
        print_data(data)
    result = analyse(spec, data=data, progress=shows_progress(), **how._asdict())
    if not json:
        return print_analysis(result, command)
    from bayesgmm.analysis.outputs import choice_facts

    print_json(
        {
            "name": result.spec.name,
            **choice_facts(result.comparison, result.choice),
            "verdict": result.verdict.to_dict(),
            "table": records(result.comparison.table),
            "shortfalls": list(result.shortfalls),
            "unmet": result.unmet,
            "seed": result.comparison.seed,
            "files": {kind: str(path) for kind, path in result.files.items()},
        }
    )
    return Exit.OK if result.ok else Exit.BAD_VERDICT
