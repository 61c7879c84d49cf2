"""What only the user can say, on the command line: the texts of [about]."""

from typing import Annotated

import typer

from bayesgmm.advice import shown

__all__ = ["AboutOptions", "texts_in"]

AboutOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--about",
        metavar="KEY=TEXT",
        help="A text for the report, as in [about] of a model file: author, date, aims, "
        "why_bayesian, design, priors, missing, interpretation, limitations or availability; "
        "repeatable.",
    ),
]


def texts_in(given: list[str] | None) -> dict[str, str]:
    """Return the texts in the options' values, "author=A. Person" each.

    Examples
    --------
    >>> texts_in(["author=A. Person"])
    {'author': 'A. Person'}
    """
    pairs = [text.partition("=")[::2] for text in given or ()]
    for key, text in pairs:
        if not (key.strip() and text.strip()):
            raise typer.BadParameter(
                f"texts are given as KEY=TEXT, such as author=NAME, got {shown(key or text)}.",
                param_hint="--about",
            )
    return {key.strip(): text.strip() for key, text in pairs}
