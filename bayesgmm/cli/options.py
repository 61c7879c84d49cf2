"""Arguments and options that several commands share."""

import csv
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from bayesgmm.advice import shown
from bayesgmm.criterion import Criterion
from bayesgmm.errors import ConfigError

__all__ = [
    "Chains",
    "ClusterNames",
    "ClusterNamesByK",
    "Columns",
    "Components",
    "Cores",
    "CovarianceOption",
    "CovariancesOption",
    "CriterionOption",
    "DataFile",
    "Draws",
    "Evidence",
    "FamiliesOption",
    "FamilyOption",
    "Full",
    "Json",
    "Known",
    "LabelsInformWeights",
    "LogLikelihood",
    "NoiseOption",
    "NoisesOption",
    "NuOption",
    "MaxDraws",
    "Method",
    "MethodOption",
    "OneComponentCount",
    "Overwrite",
    "PosteriorFile",
    "PriorOptions",
    "Prob",
    "Question",
    "ReportFormat",
    "ResolutionOption",
    "Resume",
    "Seed",
    "Source",
    "TargetAccept",
    "Title",
    "Tune",
    "Units",
    "degrees_in",
    "errors_in",
    "names_by_count_in",
    "names_in",
    "noises_in",
    "priors_in",
    "resolution_in",
    "structures_in",
    "units_in",
]

DataFile = Annotated[
    Path,
    typer.Argument(
        metavar="DATA",
        help="CSV file, or Parquet: a file, a folder or a pattern; - is standard input.",
    ),
]
PosteriorFile = Annotated[
    Path, typer.Argument(metavar="POSTERIOR", help="Posterior written by run, compare or sample.")
]
Components = Annotated[
    str,
    typer.Option(
        "--components",
        "-k",
        metavar="COUNTS",
        help='Numbers of components: "1-6", "2,3", "3" or "auto".',
    ),
]
OneComponentCount = Annotated[
    int, typer.Option("--components", "-k", min=1, help="Number of components.")
]
Columns = Annotated[
    str | None,
    typer.Option(help="Columns to use, separated by commas; the numeric ones by default."),
]
CovarianceOption = Annotated[
    str,
    typer.Option(
        help="Covariance structure, such as full, tied, diag or spherical, or mclust's name of "
        "one; a name that is none of them lists all."
    ),
]
CovariancesOption = Annotated[
    str,
    typer.Option(
        "--covariance",
        help="Covariance structure, such as full, tied, diag or spherical, or mclust's name of "
        "one; several with commas; all for those without factors, and all,factor for one with "
        "beside them. A name that is none of them lists all.",
    ),
]
FamilyOption = Annotated[
    str, typer.Option("--family", help="Density of a cluster: normal, t or contaminated.")
]
FamiliesOption = Annotated[
    str,
    typer.Option(
        "--family", help="Density of a cluster: normal, t, contaminated; several with commas."
    ),
]
NuOption = Annotated[
    str,
    typer.Option(
        "--nu",
        metavar="shared|own|NUMBER",
        help="Degrees of freedom of t: one unknown number, one a cluster, or a known number.",
    ),
]
NoiseOption = Annotated[
    str,
    typer.Option(
        "--noise", help="Rows that belong to no cluster: none, or uniform on the box of the data."
    ),
]
NoisesOption = Annotated[
    str,
    typer.Option(
        "--noise",
        help="Rows that belong to no cluster: none, uniform on the box of the data, or both with a "
        "comma.",
    ),
]
ResolutionOption = Annotated[
    str,
    typer.Option(
        metavar="auto|STEPS",
        help="Recording step of the data: auto, one number, or one a column, with commas; 0 takes "
        "recorded values as exact.",
    ),
]
LabelsInformWeights = Annotated[
    bool,
    typer.Option(
        help="Whether known labels say how frequent their clusters are: not where labelled rows "
        "were picked for their labels."
    ),
]
Draws = Annotated[
    int | None, typer.Option(min=1, help="Posterior draws per chain; 1000 by default.")
]
TargetAccept = Annotated[
    float | None,
    typer.Option(help="Mean acceptance probability of NUTS, between 0 and 1; 0.9 by default."),
]


class Method(StrEnum):
    """Samplers."""

    AUTO = "auto"
    NUTS = "nuts"
    SMC = "smc"
    IMPORTANCE = "importance"


MethodOption = Annotated[
    Method,
    typer.Option(
        "--method",
        help="Sampler; auto draws at the modes where rows are many and that is borne out, else by "
        "NUTS.",
    ),
]


class Engines(StrEnum):
    """What goes through the rows."""

    COMPILED = "compiled"
    JAX = "jax"


EngineOption = Annotated[
    Engines,
    typer.Option(
        "--engine",
        help="What goes through all rows in fits and importance sampling: compiled code, or JAX on "
        "its device.",
    ),
]
Tune = Annotated[int | None, typer.Option(min=1, help="Warm-up draws per chain; 1000 by default.")]
Evidence = Annotated[
    str,
    typer.Option(
        metavar="both|bridge|none",
        help="Log evidence: by bridge sampling and sequential Monte Carlo, by bridge sampling "
        "only, or none.",
    ),
]
LogLikelihood = Annotated[
    bool,
    typer.Option(
        help="Whether to store the log likelihood of every row and draw, which is most of a file "
        "where rows are many."
    ),
]
Chains = Annotated[int | None, typer.Option(min=1, help="Number of chains; 4 by default.")]
Cores = Annotated[
    int | None,
    typer.Option(min=1, help="Processor cores to use; all by default. Draws do not depend on it."),
]
MaxDraws = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Most draws per chain by which a run that has not converged is extended; as many as "
        "--draws by default, 0 for never.",
    ),
]
CriterionOption = Annotated[
    str,
    typer.Option(
        "--criterion",
        metavar="|".join(get_args(Criterion)),
        help="Criterion that chooses the reported K.",
    ),
]
Title = Annotated[str, typer.Option(help="Title of the report.")]
PriorOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--prior",
        metavar="NAME=VALUE",
        help="A prior as in [model.priors] of a model file, such as eta=3, "
        "scale_family=halfnormal or mean_scale=2,4; repeatable.",
    ),
]
Seed = Annotated[
    int | None, typer.Option(min=0, help="Random seed; generated and stored if omitted.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Overwrite existing files.")]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Continue an interrupted run after the K that it has finished."),
]
Full = Annotated[
    bool,
    typer.Option(
        "--full",
        help="Also study how the answer depends on priors, recording steps and number of rows; "
        "takes several times as long.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Units = Annotated[
    list[str] | None,
    typer.Option(
        "--unit", metavar="COLUMN=UNIT", help="Unit of a column, such as mass=g; repeatable."
    ),
]
Prob = Annotated[float, typer.Option(help="Probability of the intervals.")]
ReportFormat = Annotated[
    str, typer.Option("--format", metavar="html|md", help="Format of the report.")
]
Question = Annotated[str, typer.Option(help="What the analysis is to answer; for the report.")]
Source = Annotated[str, typer.Option(help="Where the data come from; for the report.")]
Known = Annotated[str, typer.Option(help="What is known beforehand; for the report.")]
ClusterNames = Annotated[
    str | None,
    typer.Option(
        metavar="NAME,NAME",
        help="Names of the clusters, in the order of their numbers, separated by commas.",
    ),
]
ClusterNamesByK = Annotated[
    list[str] | None,
    typer.Option(
        "--cluster-names",
        metavar="K=NAME,NAME",
        help="Names of the clusters of a K, in the order of their numbers, such as "
        "2=short,long; repeatable.",
    ),
]


def names_in(given: str | None, option: str = "--columns") -> list[str] | None:
    """Return the names in an option's value; quotes protect a comma, as in a CSV file."""
    return None if given is None else _split(given, option)


def _split(given: str, option: str) -> list[str]:
    try:
        return next(csv.reader([given], skipinitialspace=True, strict=True), [])
    except csv.Error as error:
        raise ConfigError(
            f"{option} {shown(given)} has an unbalanced quote ({error}); close or double it.",
            key=option.removeprefix("--").replace("-", "_"),
            value=given,
        ) from None


def degrees_in(text: str) -> str | float:
    """Return the degrees of freedom in an option's value: a word, or a number."""
    return _number_or_name(text)


def structures_in(text: str) -> str | list[str]:
    """Return the word in an option's value, or several: structures, families, kinds of noise."""
    names = [part.strip() for part in text.split(",")]
    return names[0] if len(names) == 1 else names


def noises_in(text: str) -> list[str | None]:
    """Return the kinds of noise in an option's value; None is none.

    Examples
    --------
    >>> noises_in("none,uniform")
    [None, 'uniform']
    """
    named = structures_in(text)
    return [None if n == "none" else n for n in ([named] if isinstance(named, str) else named)]


def resolution_in(text: str) -> str | float | list[float]:
    """Return the recording steps in an option's value: "auto", a number, or several."""
    if text == "auto":
        return text
    try:
        steps = [float(part) for part in text.split(",")]
    except ValueError:
        raise typer.BadParameter(
            f"the recording step is auto, a number, or numbers with commas, got {shown(text)}.",
            param_hint="--resolution",
        ) from None
    return steps[0] if len(steps) == 1 else steps


def units_in(given: list[str] | None) -> dict[str, str]:
    """Return the unit of each column named in the options' values, "mass=g" each."""
    return _pairs_in(given, "--unit", "a unit is given as COLUMN=UNIT, such as mass=g")


def names_by_count_in(given: list[str] | None) -> dict[str, list[str]]:
    """Return the names of the clusters of each K in the options' values, "2=short,long" each.

    Examples
    --------
    >>> names_by_count_in(["2=short,long"])
    {'2': ['short', 'long']}
    """
    pairs = [text.partition("=")[::2] for text in given or ()]
    for count, names in pairs:
        if not (count.strip().isdigit() and names):
            raise typer.BadParameter(
                "names are given as K=NAME,NAME, such as 2=short,long, got "
                f"{shown(count or names)}.",
                param_hint="--cluster-names",
            )
    return {count.strip(): _split(names, "--cluster-names") for count, names in pairs}


def errors_in(given: list[str] | None) -> dict[str, str | float]:
    """Return the error of each column named in the options' values: a column "x=sx", or a number.

    Examples
    --------
    >>> errors_in(["x=sx", "y=0.5"])
    {'x': 'sx', 'y': 0.5}
    """
    pairs = _pairs_in(given, "--errors", "an error is given as COLUMN=ERROR, such as x=sx or x=0.1")
    return {column: _number_or_name(error) for column, error in pairs.items()}


def priors_in(given: list[str] | None) -> dict[str, Any]:
    """Return the priors named in the options' values, as the section [model.priors] holds them.

    Examples
    --------
    >>> priors_in(["eta=3", "scale_family=halfnormal", "mean_scale=2,4"])
    {'eta': 3.0, 'scale_family': 'halfnormal', 'mean_scale': [2.0, 4.0]}
    """
    pairs = _pairs_in(given, "--prior", "a prior is given as NAME=VALUE, such as eta=3")
    return {name: _one_or_several(value) for name, value in pairs.items()}


def _one_or_several(text: str) -> Any:
    parts = [_number_or_name(part.strip()) for part in text.split(",")]
    return parts[0] if len(parts) == 1 else parts


def _number_or_name(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text


def _pairs_in(given: list[str] | None, option: str, form: str) -> dict[str, str]:
    """Return the mapping that texts such as "mass=g" hold."""
    pairs = [text.rpartition("=")[::2] for text in given or ()]
    for column, value in pairs:
        if not (column and value):
            raise typer.BadParameter(f"{form}, got {shown(column or value)}.", param_hint=option)
    return dict(pairs)
