"""How a command ends: exit codes, and the sentence for each error."""

import ast
import re
from enum import IntEnum

from bayesgmm.errors import BayesGMMError, ResultFileError, SamplingInterrupted

__all__ = ["Exit", "as_options", "exit_code", "one_line", "sentence"]

_NAMES = (
    "sep|decimal|encoding|thousands|comment|na|row_labels|header|percent|currency|drop_missing"
    "|columns|overwrite"
)
_ARGUMENT = re.compile(
    rf"\b(?P<name>{_NAMES})="
    r"(?P<value>True|False|\d+|'[^']*'|\"[^\"]*\"|\[(?:'[^']*'|\"[^\"]*\"|[^\]'\"])*\])"
    r"|(?P<key>\w+) in \[\w+\] of the command"
)
_BY_FILE = frozenset({"run", "check", "datasets"})


class Exit(IntEnum):
    """Exit codes of the command line."""

    OK = 0
    FAULT = 1
    WRONG_INPUT = 2
    BAD_VERDICT = 3
    FILE = 4
    INTERRUPTED = 130


def exit_code(error: BaseException) -> int:
    """Return the exit code that an exception stands for."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else Exit.FAULT
    if isinstance(error, SamplingInterrupted) or _is_stop(error):
        return Exit.INTERRUPTED
    if isinstance(error, ResultFileError):
        return Exit.FILE
    if isinstance(error, BayesGMMError | MemoryError) or _is_usage(error):
        return Exit.WRONG_INPUT
    return Exit.FAULT


def sentence(error: BaseException, command: str = "") -> str:
    """Return what to tell the user of a command, on one line."""
    if isinstance(error, SystemExit):
        return ""
    if _is_stop(error):
        return "interrupted; no file was left half-written."
    if isinstance(error, BayesGMMError):
        text = as_options(str(error), command)
    elif isinstance(error, MemoryError):
        text = f"not enough memory: {error!s:.200}; ask for fewer rows, draws or components."
    elif _is_usage(error):
        text = error.format_message()  # type: ignore[attr-defined]
    else:
        text = (
            f"this is a fault of bayesgmm: {type(error).__name__}: {error!s:.200}. Run the command "
            "again with --debug and report what it prints."
        )
    return one_line(text)


def one_line(text: str) -> str:
    """Return a message as one line that a terminal shows as it is."""
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))


def as_options(text: str, command: str = "") -> str:
    """Say in the words of a command what an error advises in those of Python.

    Examples
    --------
    >>> as_options("pass sep=';' and decimal=',', or drop_missing=True.")
    "pass --sep ';' and --decimal ',', or --drop-missing."
    >>> as_options("choose numeric columns: columns=['a', 'b c']")
    "choose numeric columns: --columns 'a,b c'"
    >>> as_options("na=['?', '-999'], header=False")
    "--na '?' --na '-999', --no-header"
    >>> as_options("drop_missing=True or sep=';'; overwrite=True", "run")
    "drop_missing = true in [data] or sep = ';' in [data]; --overwrite"
    >>> as_options("n_components in [model] of the command must be an integer")
    '--components (-k) must be an integer'
    """

    def option(found: re.Match[str]) -> str:
        if key := found["key"]:
            return "--components (-k)" if key == "n_components" else _option(key)
        name, value = found["name"], found["value"]
        if command in _BY_FILE and name != "overwrite":
            return f"{name} = {_toml(value)} in [data]"
        return _on_command_line(name, value)

    return _ARGUMENT.sub(option, text)


def _toml(value: str) -> str:
    """Return a Python literal as TOML has it."""
    if value in ("True", "False"):
        return value.lower()
    return value.replace("'", '"') if "\\" in value and '"' not in value else value


def _on_command_line(name: str, value: str) -> str:
    """Return an option and its value, quoted for a shell."""
    try:
        given = ast.literal_eval(value)
    except (ValueError, SyntaxError):
        given = None
    if given is True or given is False:
        return _option(name if given else f"no_{name}")
    if given is None or given == [...]:
        return f"{_option(name)} ..."
    if name == "na":
        return " ".join(f"{_option(name)} {_quoted(one)}" for one in given)
    if name == "columns":
        return f"{_option(name)} {_quoted(','.join(map(_csv_cell, given)))}"
    named = {("sep", "\t"): "tab", ("thousands", " "): "blank"}
    word = named.get((name, given))
    return f"{_option(name)} {word or _quoted(str(given))}"


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"


def _csv_cell(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if set(name) & set(',"') else name


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _is_stop(error: BaseException) -> bool:
    """Whether the user ended it: Ctrl-C, or the parser's own name for it."""
    return isinstance(error, KeyboardInterrupt) or type(error).__name__ == "Abort"


def _is_usage(error: BaseException) -> bool:
    """Whether the parser of the command line raised it; which class does depends on typer."""
    return hasattr(error, "format_message") and hasattr(error, "exit_code")
