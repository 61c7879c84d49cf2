"""What the values of options mean: words, numbers, names and pairs of these."""

import csv
from typing import Any

import typer

from bayesgmm.advice import shown
from bayesgmm.errors import ConfigError

__all__ = [
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
