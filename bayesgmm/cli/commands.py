"""All commands, gathered into the application."""

from typing import Annotated

import typer

from bayesgmm.cli import analyses, cache, grid, posteriors

__all__ = ["app"]

app = typer.Typer(
    name="bayesgmm",
    help="Gaussian mixtures with honest uncertainty, from a data file to a posterior report.",
    epilog="Example: bayesgmm run models/faithful.toml",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
analyses.register(app)
grid.register(app)
posteriors.register(app)
cache.register(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        from bayesgmm import __version__

        print(f"bayesgmm {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback on errors.")] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Show the options that hold for every command; `main` takes them out before."""
