"""Arguments and options that several commands share."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, get_args

import typer

from bayesgmm.criterion import Criterion

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
    "MethodIfGiven",
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
    int, typer.Option("--components", "-k", metavar="NUMBER", min=1, help="Number of components.")
]
Columns = Annotated[
    str | None,
    typer.Option(help="Columns to use, separated by commas; the numeric ones by default."),
]
CovarianceOption = Annotated[
    str,
    typer.Option(
        help="Covariance structure: full, tied, diag, spherical, ..., or mclust's name for it. An "
        "unknown name lists them all."
    ),
]
CovariancesOption = Annotated[
    str,
    typer.Option(
        "--covariance",
        help="Covariance structures, separated by commas: full, tied, diag, spherical, ..., or "
        "mclust's names for them; all for every structure without factors, all,factor to add "
        "factor-analytic clusters. An unknown name lists them all.",
    ),
]
FamilyOption = Annotated[
    str, typer.Option("--family", help="Density of a cluster: normal, t or contaminated.")
]
FamiliesOption = Annotated[
    str,
    typer.Option(
        "--family", help="Densities of a cluster, separated by commas: normal, t, contaminated."
    ),
]
NuOption = Annotated[
    str,
    typer.Option(
        "--nu",
        metavar="shared|own|NUMBER",
        help="Degrees of freedom of t: estimated, one for all clusters (shared) or one per cluster "
        "(own); or a known number.",
    ),
]
NoiseOption = Annotated[
    str,
    typer.Option(
        "--noise",
        help="Noise, for rows that belong to no cluster: none, or uniform over a box of the data.",
    ),
]
NoisesOption = Annotated[
    str,
    typer.Option(
        "--noise",
        help="Noise, for rows that belong to no cluster: none, uniform over a box of the data, or "
        "both to compare them: none,uniform.",
    ),
]
ResolutionOption = Annotated[
    str,
    typer.Option(
        metavar="auto|STEPS",
        help="Recording step of the data: auto, one number, or one per column, separated by "
        "commas; 0 treats recorded values as exact.",
    ),
]
LabelsInformWeights = Annotated[
    bool,
    typer.Option(
        help="Whether known labels inform the weights of their clusters. Turn this off where "
        "labelled rows were selected for their labels."
    ),
]
Draws = Annotated[
    int | None,
    typer.Option(metavar="NUMBER", min=1, help="Posterior draws per chain; 1000 by default."),
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


_METHOD = typer.Option(
    "--method",
    help="Sampler. auto uses importance sampling at the modes if there are many rows and its "
    "weights are reliable, and NUTS otherwise.",
)
MethodOption = Annotated[Method, _METHOD]
MethodIfGiven = Annotated[Method | None, _METHOD]


class Engines(StrEnum):
    """What goes through the rows."""

    COMPILED = "compiled"
    JAX = "jax"


EngineOption = Annotated[
    Engines,
    typer.Option(
        "--engine",
        help="What evaluates all rows in fits and importance sampling: compiled code, or JAX, on a "
        "GPU if there is one.",
    ),
]
Tune = Annotated[
    int | None,
    typer.Option(metavar="NUMBER", min=1, help="Warm-up draws per chain; 1000 by default."),
]
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
        help="Whether to store the log likelihood of every row and draw, which LOO and WAIC need. "
        "With many rows it is most of the file."
    ),
]
Chains = Annotated[
    int | None, typer.Option(metavar="NUMBER", min=1, help="Number of chains; 4 by default.")
]
Cores = Annotated[
    int | None,
    typer.Option(
        metavar="NUMBER",
        min=1,
        help="Processor cores to use; all by default. Draws do not depend on it.",
    ),
]
MaxDraws = Annotated[
    int | None,
    typer.Option(
        metavar="NUMBER",
        min=0,
        help="Maximum number of draws per chain added to a run that has not converged; as many as "
        "--draws by default, 0 for none.",
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
    int | None,
    typer.Option(metavar="NUMBER", min=0, help="Random seed; generated and stored if omitted."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Overwrite existing files.")]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Continue an interrupted run from its last finished K."),
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
Question = Annotated[str, typer.Option(help="The question of the analysis, for the report.")]
Source = Annotated[str, typer.Option(help="Where the data come from, for the report.")]
Known = Annotated[str, typer.Option(help="What is known beforehand, for the report.")]
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
