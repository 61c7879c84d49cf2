"""The command that compares covariance structures and numbers of components by BIC."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayesgmm.advice import shown
from bayesgmm.cli.options import (
    CovariancesOption,
    DataFile,
    FamiliesOption,
    Json,
    LabelsInformWeights,
    NoisesOption,
    NuOption,
    Overwrite,
    ResolutionOption,
    Seed,
)
from bayesgmm.cli.outcome import Exit
from bayesgmm.cli.printing import print_data, print_json, print_line, print_rows, records
from bayesgmm.cli.reading import read_data, reads_data
from bayesgmm.cli.values import degrees_in, noises_in, resolution_in, structures_in

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FactorsOption", "register"]

_SHOWN = 5


FactorsOption = Annotated[
    str | None,
    typer.Option(
        "--factors",
        metavar="NUMBERS",
        help='Numbers of factors of --covariance factor: "1-3", "1,2" or "2".',
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(epilog="Example: bayesgmm grid data.csv -k 1-9 --out grid.csv")(reads_data(grid))


def grid(
    data: DataFile,
    reading: dict[str, Any],
    components: Annotated[
        str, typer.Option("--components", "-k", help='Numbers of components: "1-9", "2,3" or "3".')
    ] = "1-9",
    covariance: CovariancesOption = "all",
    factors: FactorsOption = None,
    family: FamiliesOption = "normal",
    nu: NuOption = "shared",
    noise: NoisesOption = "none",
    resolution: ResolutionOption = "auto",
    labels_inform_weights: LabelsInformWeights = True,
    out: Annotated[Path | None, typer.Option(help="CSV file of the whole table.")] = None,
    picture: Annotated[
        Path | None, typer.Option("--plot", help="Plot of BIC over K: PNG, SVG or PDF.")
    ] = None,
    overwrite: Overwrite = False,
    seed: Seed = None,
    json: Json = False,
) -> int:
    """Compare structures, families and numbers of components by BIC."""
    from bayesgmm.fit import bic_grid
    from bayesgmm.posterior.files import check_writable, write_text
    from bayesgmm.posterior.whole_files import csv_text

    for path in filter(None, (out, picture)):
        check_writable(path, overwrite)
    dataset = read_data(data, reading)
    if not json:
        print_data(dataset)
    degrees: Any = degrees_in(nu)
    table = bic_grid(
        dataset,
        _numbers(components),
        structures_in(covariance),
        n_factors=None if factors is None else _numbers(factors),
        family=structures_in(family),
        nu=degrees,
        noise=noises_in(noise),
        resolution=resolution_in(resolution),
        labels_inform_weights=labels_inform_weights,
        seed=seed,
    )
    if out is not None:
        write_text(out, csv_text(table), overwrite)
    if picture is not None:
        _draw(table, picture)
    if json:
        print_json({"seed": table.attrs["seed"], "models": records(table)})
    else:
        _print(table)
    return Exit.OK


def _numbers(text: str) -> tuple[int, ...]:
    from bayesgmm.analysis.choices import component_counts

    try:
        return component_counts(text)
    except ValueError as error:
        message = f"{error}, got {shown(text)}."
        raise typer.BadParameter(message, param_hint="--components") from None


def _draw(table: "pd.DataFrame", path: Path) -> None:
    from bayesgmm import plots

    plot = plots.bic_grid(table)
    plot.savefig(path)
    plot.close()


def _print(table: "pd.DataFrame") -> None:
    """Print BIC less the best of all kinds of model and K, then the best models."""
    from bayesgmm.model.several import kinds_in

    ranked = table["bic"].where(~table["flagged"].astype(bool))
    if ranked.isna().all():
        print_line("No model is ranked: chance explains every solution, or all starts collapsed.")
        return
    least = float(ranked.min())
    kinds = table.assign(gap=ranked - least, kind=kinds_in(table))
    gaps = kinds.pivot(columns="kind", values="gap").T
    print_line(f"BIC less the smallest, {least:.2f}; - where chance explains every solution")
    print_rows(
        [
            {"structure": name, **{f"K = {k}": _shown(gap) for k, gap in row.items()}}
            for name, row in gaps.loc[list(dict.fromkeys(kinds["kind"]))].iterrows()
        ]
    )
    models = kinds.drop_duplicates(["model", "bic"])
    for k, row in models.nsmallest(_SHOWN, "gap").iterrows():
        print_line(
            f"{row['rank']:.0f}. K = {k}, {row['model']}: BIC {row['bic']:.2f} "
            f"({row['n_parameters']} parameters, starts: {row['n_starts']}, unseen "
            f"{row['unseen']:.2f})"
        )
    print_line("unseen: chance that one more start finds a solution that none has found")
    above = models["set_aside"].notna().sum()
    if above:
        print_line(
            f"set aside: in {above} of {len(models)} models a higher solution that chance explains"
        )


def _shown(gap: float) -> str:
    if math.isnan(gap):
        return "-"
    return f"{gap:.1f}" if gap < 1000.0 else f"{gap:.0f}"
