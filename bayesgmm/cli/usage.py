"""What is wrong with a command as it was typed, in our words and not in the parser's."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from bayesgmm.advice import shown

__all__ = ["is_usage", "usage_sentence"]

_RULES = (  # the parser's words, and what must be so
    (r"greater than or equal to (\S+)", r"must be at least \1"),
    (r"less than or equal to (\S+)", r"must be at most \1"),
    (r"valid integer", "must be an integer"),
    (r"valid number", "must be a number"),
    (r"is not one of (.*[^.])\.?$", r"must be one of \1"),
)


def is_usage(error: BaseException) -> bool:
    """Whether the parser of the command line raised it; which class does depends on typer."""
    return hasattr(error, "format_message") and hasattr(error, "exit_code")


def usage_sentence(error: Any, arguments: Sequence[str]) -> str:
    """Return what is wrong, the value got, what is allowed, and where help is.

    Parameters
    ----------
    error : exception
        One for which `is_usage` holds.
    arguments : sequence of str
        All that was typed after the program's name.
    """
    kind = type(error).__name__
    context = getattr(error, "ctx", None)
    if kind == "NoSuchOption":
        return _no_such_option(error.option_name, context)
    if kind == "MissingParameter" and error.param is not None:
        return f"{_command(context)} needs {_named(error.param)}; {_help(context)}."
    if kind == "BadParameter":
        return _bad_value(error, arguments)
    message = str(error.format_message())
    if unknown := re.match(r"No such command '(.*?)'", message):
        return _no_such_command(unknown[1], context)
    if kind == "BadOptionUsage" and "requires" in message:
        return f"{error.option_name} needs a value; {_help(context)}."
    if extra := re.match(r"Got unexpected extra argument(?:s|\(s\))? \((.*)\)", message):
        return (
            f"{_command(context)} does not take {extra[1]!r} as well; put a name that holds "
            f"blanks in quotes, and see {_help(context)}."
        )
    return message


def _bad_value(error: Any, arguments: Sequence[str]) -> str:
    message = str(error.message)
    if error.param is None or not getattr(error.param, "opts", None):
        hint = f"{error.param_hint}: " if error.param_hint else ""
        return hint + message
    value = _value_of(error.param.opts, arguments)
    got = "" if value is None else f", got {shown(value)}"
    for theirs, ours in _RULES:
        if found := re.search(theirs, message):
            return f"{_named(error.param)} {found.expand(ours)}{got}."
    return f"{_named(error.param)} is wrong{got}: {message}"


def _value_of(options: Sequence[str], arguments: Sequence[str]) -> str | None:
    """Return what was typed for an option: after it, after its equals sign, or joined to it."""
    for place, text in enumerate(arguments):
        for option in options:
            if text == option and place + 1 < len(arguments):
                return arguments[place + 1]
            joined = f"{option}=" if option.startswith("--") else option
            if text.startswith(joined) and text != option:
                return text.removeprefix(joined)
    return None


def _no_such_option(name: str, context: Any) -> str:
    taken = [
        option
        for param in getattr(getattr(context, "command", None), "params", ())
        for option in (*param.opts, *param.secondary_opts)
        if option.startswith("--")
    ]
    close = get_close_matches(name.strip("-"), [option.strip("-") for option in taken], 1, 0.7)
    hint = f"did you mean --{close[0]}?" if close else f"{_help(context)}."
    return f"{_command(context)} has no option {shown(name)[1:-1]}; {hint}"


def _no_such_command(name: str, context: Any) -> str:
    there = list(getattr(getattr(context, "command", None), "commands", ()))
    close = get_close_matches(name, there, 1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(there)}."
    return f"there is no command {shown(name)}; {hint}"


def _named(param: Any) -> str:
    """Return an option with its short form, or an argument by the name that help gives it."""
    if param.param_type_name == "argument":
        return str(param.metavar or param.name.upper())
    long, *short = sorted(param.opts, key=len, reverse=True)
    return f"{long} ({short[0]})" if short else str(long)


def _command(context: Any) -> str:
    name = getattr(context, "info_name", None)
    return str(name) if getattr(context, "parent", None) else "bayesgmm"


def _help(context: Any) -> str:
    name = _command(context)
    command = name if name == "bayesgmm" else f"bayesgmm {name}"
    return f"`{command} --help` lists what it takes"
