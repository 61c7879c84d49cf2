"""Commands on one model: fit, sample, report, predict, simulate."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayesgmm.cli.options import (
    Chains,
    ClusterNames,
    Cores,
    CovarianceOption,
    DataFile,
    Draws,
    EngineOption,
    Engines,
    FamilyOption,
    Json,
    LabelsInformWeights,
    LogLikelihood,
    Method,
    MethodOption,
    NoiseOption,
    NuOption,
    OneComponentCount,
    Overwrite,
    PosteriorFile,
    PriorOptions,
    Prob,
    ResolutionOption,
    Seed,
    TargetAccept,
    Title,
    Tune,
)
from bayesgmm.cli.outcome import Exit
from bayesgmm.cli.printing import (
    print_data,
    print_frame,
    print_json,
    print_line,
    print_verdict,
    records,
    shows_progress,
    tell_data,
    warn_of,
)
from bayesgmm.cli.reading import read_data, reads_data
from bayesgmm.cli.values import degrees_in, names_in, priors_in, resolution_in
from bayesgmm.limits import INTERVAL

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from bayesgmm.data import Dataset
    from bayesgmm.diagnosis import Diagnosis
    from bayesgmm.model.spec import MixtureSpec

__all__ = ["register"]

_DECIMALS = 6  # of a probability: draws say nothing of what lies beyond

CsvFile = Annotated[Path | None, typer.Option(help="CSV file to write; stdout by default.")]
TableFile = Annotated[
    Path | None,
    typer.Option(help="File to write, CSV or Parquet by its ending; stdout by default."),
]


class Format(StrEnum):
    """Formats of a report."""

    HTML = "html"
    MD = "md"


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command(epilog="Example: bayesgmm fit data.csv -k 3 --covariance tied")(reads_data(fit))
    app.command(epilog="Example: bayesgmm sample data.csv -k 3 --out posterior.nc")(
        reads_data(sample)
    )
    app.command(epilog="Example: bayesgmm report posterior.nc --out report.html")(report)
    app.command(epilog="Example: bayesgmm predict posterior.nc new.csv --out memberships.csv")(
        reads_data(predict)
    )
    app.command(epilog="Example: bayesgmm simulate posterior.nc -n 500 --out rows.csv")(simulate)


def fit(
    data: DataFile,
    components: OneComponentCount,
    reading: dict[str, Any],
    posterior_mode: Annotated[
        bool,
        typer.Option(
            "--map", help="Find the posterior mode instead of the maximum of the likelihood."
        ),
    ] = False,
    covariance: CovarianceOption = "full",
    family: FamilyOption = "normal",
    nu: NuOption = "shared",
    noise: NoiseOption = "none",
    resolution: ResolutionOption = "auto",
    labels_inform_weights: LabelsInformWeights = True,
    cluster_names: ClusterNames = None,
    engine: EngineOption = Engines.COMPILED,
    seed: Seed = None,
    json: Json = False,
) -> int:
    """Fit a mixture by maximum likelihood or at its posterior mode."""
    from bayesgmm.fit import fit_em, fit_map

    dataset = read_data(data, reading)
    if not json:
        print_data(dataset)
    of_noise = None if noise == "none" else noise
    beside: dict[str, Any] = {"family": family, "nu": degrees_in(nu), "noise": of_noise}
    spec = _spec(dataset, components, covariance, resolution, labels_inform_weights, beside)
    names = names_in(cluster_names, "--cluster-names")
    fit_one = fit_map if posterior_mode else fit_em
    found = fit_one(dataset, spec, cluster_names=names, seed=seed, engine=engine.value)
    if not json:
        print_line(str(found))
        return Exit.OK
    print_json(
        {
            "n_components": components,
            "covariance": spec.covariance,
            "family": spec.family_words,
            "noise_model": spec.noise,
            "columns": found.features,
            "clusters": found.clusters,
            "log_likelihood": found.log_likelihood,
            "log_posterior": found.log_posterior,
            "n_parameters": found.n_parameters,
            **({} if posterior_mode else {"aic": found.aic, "bic": found.bic, "icl": found.icl}),
            "status": found.status.value,
            "seed": found.seed,
            "data_hash": found.data_hash,
            **{k: v for k, v in found.parameters._asdict().items() if v is not None},
        }
    )
    return Exit.OK


def sample(
    data: DataFile,
    components: OneComponentCount,
    reading: dict[str, Any],
    covariance: CovarianceOption = "full",
    family: FamilyOption = "normal",
    nu: NuOption = "shared",
    noise: NoiseOption = "none",
    resolution: ResolutionOption = "auto",
    labels_inform_weights: LabelsInformWeights = True,
    prior: PriorOptions = None,
    cluster_names: ClusterNames = None,
    title: Title = "",
    method: MethodOption = Method.AUTO,
    engine: EngineOption = Engines.COMPILED,
    draws: Draws = None,
    tune: Tune = None,
    chains: Chains = None,
    target_accept: TargetAccept = None,
    log_likelihood: LogLikelihood = True,
    cores: Cores = None,
    seed: Seed = None,
    prob: Prob = INTERVAL,
    out: Annotated[
        Path | None, typer.Option(help="File to write; posterior_k<K>.nc by default.")
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> int:
    """Draw from the posterior of one mixture, and write the draws."""
    from bayesgmm.analysis.schema import SamplerSection
    from bayesgmm.arguments import check_prob
    from bayesgmm.likelihood.streamed import n_kept
    from bayesgmm.posterior.files import check_writable
    from bayesgmm.posterior.size import result_bytes
    from bayesgmm.sampling.room import require_room

    check_prob(prob)
    dataset = read_data(data, reading)
    if not json:
        print_data(dataset)
    of_noise = None if noise == "none" else noise
    beside: dict[str, Any] = {"family": family, "nu": degrees_in(nu), "noise": of_noise}
    beside["priors"] = priors_in(prior)
    spec = _spec(dataset, components, covariance, resolution, labels_inform_weights, beside)
    path = out or Path(f"posterior_k{components}.nc")
    usual = SamplerSection()
    lengths: dict[str, Any] = {
        "draws": draws or usual.draws,
        "tune": tune or usual.tune,
        "chains": chains or usual.chains,
    }
    require_room(dataset, spec.n_components, **lengths, log_likelihood=log_likelihood)
    kept = lengths["chains"] * lengths["draws"]
    n_rows = dataset.n_obs if log_likelihood else n_kept(dataset)
    sizes = n_rows, dataset.n_features, spec.n_components, kept
    needed = result_bytes(*sizes, log_likelihood)
    check_writable(path, overwrite, needed)
    options: dict[str, Any] = {"seed": seed, "cores": cores, "progress": shows_progress()}
    if target_accept is not None:
        options["target_accept"] = target_accept
    options |= {"method": method.value, "engine": engine.value} | lengths
    options["log_likelihood"] = log_likelihood
    options["cluster_names"] = names_in(cluster_names, "--cluster-names")
    about = {"title": title}
    tree, verdict, table = _sampled(dataset, spec, path, overwrite, options, about, prob)
    if json:
        found = {"verdict": verdict.to_dict(), "summary": records(table), "file": str(path)}
        print_json({**found, "seed": int(tree.attrs["seed"])})
        return Exit.OK if verdict.ok else Exit.BAD_VERDICT
    print_frame(table)
    code = print_verdict(verdict)
    print_line(f"posterior  {path}")
    return code


def report(
    posterior: PosteriorFile,
    out: Annotated[
        Path | None, typer.Option(help="File to write; report.html or report.md by default.")
    ] = None,
    format: Annotated[Format, typer.Option(help="Format.")] = Format.HTML,
    title: Annotated[str | None, typer.Option(help="Title of the report.")] = None,
    prob: Prob = INTERVAL,
    overwrite: Overwrite = False,
    json: Json = False,
) -> int:
    """Write the report of a posterior."""
    from bayesgmm.posterior import load
    from bayesgmm.posterior.files import check_writable

    path = out or Path(f"report.{format.value}")
    check_writable(path, overwrite)
    tree = load(posterior)
    options: dict[str, Any] = {"title": title, "format": format.value, "overwrite": overwrite}
    verdict = _reported(tree, path, prob=prob, **options)
    if json:
        print_json({"file": str(path), "verdict": verdict.to_dict()})
        return Exit.OK if verdict.ok else Exit.BAD_VERDICT
    code = print_verdict(verdict)
    print_line(f"report     {path}")
    return code


def predict(
    posterior: PosteriorFile,
    reading: dict[str, Any],
    rows: Annotated[
        Path | None,
        typer.Argument(
            metavar="ROWS",
            help="New rows (CSV or Parquet); by default those of the posterior.",
        ),
    ] = None,
    out: TableFile = None,
    prob: Prob = INTERVAL,
    overwrite: Overwrite = False,
    json: Json = False,
) -> int:
    """Write the membership probabilities of rows, with intervals.

    Parquet holds their densities too, and is written block by block.
    """
    from bayesgmm.data import is_parquet
    from bayesgmm.posterior import load
    from bayesgmm.posterior.files import check_writable
    from bayesgmm.prediction import membership, membership_table, write_predictions

    if out is not None:
        check_writable(out, overwrite)
    tree = load(posterior)
    wanted = None
    if rows is not None:
        names = tree["posterior"]["feature"].to_numpy().tolist()
        wanted = read_data(rows, {**reading, "columns": names}, to_fit=False)
        tell_data(wanted)
    if out is not None and wanted is not None and is_parquet(str(out)):
        write_predictions(tree, wanted, out, prob=prob, overwrite=overwrite)
        _tell_written(wanted.n_obs, out, json)
        return warn_of(tree)
    table = membership_table(membership(tree, wanted, prob)).round(_DECIMALS)
    if wanted is not None and wanted.row_labels is None and wanted.kept is not None:
        table = table.set_index(wanted.kept).rename_axis("row")
    _write_or_print(table, out, overwrite, json)
    return warn_of(tree)


def simulate(
    posterior: PosteriorFile,
    n: Annotated[
        int, typer.Option("--rows", "-n", metavar="NUMBER", min=1, help="Number of rows.")
    ] = 100,
    out: CsvFile = None,
    seed: Seed = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> int:
    """Draw new rows from the posterior predictive distribution."""
    from bayesgmm import prediction
    from bayesgmm.posterior import load
    from bayesgmm.posterior.files import check_writable

    if out is not None:
        check_writable(out, overwrite)
    tree = load(posterior)
    drawn = prediction.simulate(tree, n, seed=seed)
    table = drawn["x"].to_pandas().assign(cluster=drawn["cluster"].values)
    _write_or_print(table.rename_axis("row"), out, overwrite, json)
    return warn_of(tree)


def _spec(
    data: "Dataset",
    components: int,
    covariance: str,
    resolution: str,
    informed: bool,
    beside: dict[str, Any],
) -> "MixtureSpec":
    from bayesgmm.data import check_labels
    from bayesgmm.model.spec import MixtureSpec

    check_labels(data, informed)
    values = {"n_components": components, "covariance": covariance}
    others = {"resolution": resolution_in(resolution), "labels_inform_weights": informed}
    return MixtureSpec.from_dict(values | others | beside)


def _reported(tree: "xr.DataTree", path: Path, **options: Any) -> "Diagnosis":
    from bayesgmm.diagnosis import diagnose
    from bayesgmm.report import write_report

    write_report(tree, path, **options)
    return diagnose(tree)


def _sampled(
    data: "Dataset",
    spec: "MixtureSpec",
    path: Path,
    overwrite: bool,
    options: dict[str, Any],
    about: dict[str, Any],
    prob: float,
) -> "tuple[xr.DataTree, Diagnosis, pd.DataFrame]":
    """Sample, judge and save; an interrupted run is kept beside the file that was asked for."""
    from bayesgmm import sampling
    from bayesgmm.diagnosis import diagnose
    from bayesgmm.errors import SamplingInterrupted
    from bayesgmm.posterior import save
    from bayesgmm.posterior.draws import view_of
    from bayesgmm.posterior.files import keep_interrupted
    from bayesgmm.posterior.tree import with_attributes
    from bayesgmm.summary import summarize

    tree = None
    try:
        tree = sampling.sample(data, spec, **options)
        view = view_of(tree)
        verdict, table = diagnose(view), summarize(view, prob)
        save(with_attributes(tree, verdict=verdict.to_dict(), about=about), path, overwrite)
        return tree, verdict, table
    except (KeyboardInterrupt, SamplingInterrupted) as stop:
        draws = getattr(stop, "details", {}).get("partial", tree)
        if draws is None:
            raise
        where = keep_interrupted(draws, path)
        raise SamplingInterrupted(f"interrupted; {where}.", partial=draws) from stop


def _write_or_print(table: "pd.DataFrame", out: Path | None, overwrite: bool, json: bool) -> None:
    """Write a table to its file, or print it."""
    from bayesgmm.posterior.files import write_text
    from bayesgmm.posterior.whole_files import csv_text

    text = csv_text(table)
    if out is not None:
        write_text(out, text, overwrite)
        _tell_written(len(table), out, json)
    elif json:
        print_json(records(table))
    else:
        print(text, end="")


def _tell_written(n_rows: int, out: Path, json: bool) -> None:
    if json:
        print_json({"file": str(out)})
    else:
        print_line(f"{n_rows} rows  {out}")
