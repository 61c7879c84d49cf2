"""All commands, gathered into the application."""

from typing import Annotated

import typer

from bayesgmm.cli import analyses, posteriors

__all__ = ["app"]

app = typer.Typer(
    name="bayesgmm",
    help="Gaussian mixtures with honest uncertainty, from a data file to a posterior report.",
    epilog="Example: bayesgmm run models/faithful.toml",
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
analyses.register(app)
posteriors.register(app)


@app.callback()
def _common(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show a traceback; taken after a command too.")
    ] = False,
) -> None:
    """Show the options that hold for every command; `main` takes them out before."""
