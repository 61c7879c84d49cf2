"""How a command ends: exit codes, and the sentence for each error."""

from collections.abc import Sequence
from enum import IntEnum

from bayesgmm.advice import Advice, Option
from bayesgmm.cli.usage import is_usage, usage_sentence
from bayesgmm.errors import BayesGMMError, ResultFileError, SamplingInterrupted

__all__ = ["Exit", "as_options", "exit_code", "one_line", "sentence"]

_BY_FILE = frozenset({"run", "check", "datasets"})
_OF_THE_COMMAND = frozenset(
    {"draws", "out", "overwrite", "resume", "tune"}
)  # also where a model file holds the others
_SECTIONS = {
    **dict.fromkeys(("covariance", "resolution", "labels_inform_weights"), "model"),
    **dict.fromkeys(("family", "nu", "noise", "n_factors"), "model"),
    "scale_family": "model.priors",
    **dict.fromkeys(("target_accept", "method"), "sampler"),
    "engine": "compute",
}
_VERBS = frozenset({"combine_modes", "extend", "relabel"})  # of Python alone


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
    if isinstance(error, BayesGMMError | MemoryError) or is_usage(error):
        return Exit.WRONG_INPUT
    return Exit.FAULT


def sentence(error: BaseException, command: str = "", arguments: Sequence[str] = ()) -> str:
    """Return what to tell the user of a command, on one line; `arguments` is what was typed."""
    if isinstance(error, SystemExit):
        return ""
    if _is_stop(error):
        return "interrupted; no file was left half-written."
    if isinstance(error, BayesGMMError):
        text = as_options(error.args[0], command)
    elif isinstance(error, MemoryError):
        text = f"not enough memory: {error!s:.200}; ask for fewer rows, draws or components."
    elif is_usage(error):
        text = usage_sentence(error, arguments)
    else:
        text = (
            f"this is a fault of bayesgmm: {type(error).__name__}: {error!s:.200}. Run the command "
            "again with --debug and report what it prints."
        )
    return one_line(text)


def one_line(text: str) -> str:
    """Return a message as one line that a terminal shows as it is."""
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))


def as_options(message: str | Warning, command: str = "") -> str:
    """Say in the words of a command what a message advises in those of Python.

    Parameters
    ----------
    message : str or Warning
        An `Advice`, or a warning of one; any other text stays as it is.
    command : str
        The command, where it reads a model file: its options are named as that file has them.

    Examples
    --------
    >>> text = Advice("pass ", Option("sep", ";"), ", or ", Option("percent", True), ".")
    >>> print(as_options(text), as_options(text, "run"), sep=" | ")
    pass --sep ';', or --percent. | pass sep = ';' in [data], or percent = true in [data].
    >>> as_options(Advice("choose numeric columns: ", Option("columns", ["a", "b c"])))
    "choose numeric columns: --columns 'a,b c'"
    >>> as_options(Advice(Option("na", ["?", "-999"]), ", ", Option("header", False)))
    "--na '?' --na '-999', --no-header"
    >>> print(as_options(e := Advice(Option("errors", {"x": "sx"}))), as_options(e, "run"))
    --errors 'x=sx' errors = {'x' = 'sx'} in [data]
    >>> as_options(Advice("a file exists; pass ", Option("overwrite", True)), "run")
    'a file exists; pass --overwrite'
    >>> as_options(Advice(Option("n_components", text="n_components in [model]"), " is wrong"))
    '--components (-k) is wrong'
    """
    text = message.args[0] if isinstance(message, Warning) else message
    if not isinstance(text, Advice):
        return str(text)
    return text.said(lambda option: _said(option, command))


def _said(option: Option, command: str) -> str:
    """Return how an option is given to a command, or in the model file that it reads."""
    if command in _BY_FILE and (option.text or option.name not in _OF_THE_COMMAND):
        return _in_model_file(option)
    return _on_command_line(option)


def _in_model_file(option: Option) -> str:
    """Return a key and its value in TOML, with its section."""
    if option.name in _VERBS:
        return f"{option.text} in Python"
    if option.text is not None:
        return option.text
    place = f"in [{_SECTIONS.get(option.name, 'data')}]"
    if option.value is None:
        return f"{option.name} {place}"
    return f"{option.name} = {'[...]' if option.long else _toml(option.value)} {place}"


def _toml(value: object) -> str:
    """Return a value as TOML has it."""
    if isinstance(value, dict):
        pairs = [f"{_toml(key)} = {_toml(one)}" for key, one in value.items()]
        return f"{{{', '.join(pairs)}}}"
    text = repr(value)
    if isinstance(value, bool):
        return text.lower()
    return text.replace("'", '"') if "\\" in text and '"' not in text else text


def _on_command_line(option: Option) -> str:
    """Return an option and its value, quoted for a shell."""
    name, value = option.name, option.value
    if name in _VERBS:
        return f"{option.text} in Python"
    if name == "n_components":
        return "--components (-k)"
    if name == "units":
        return "--unit"
    if value is None:
        return _option(name)
    if value is True or value is False:
        return _option(name if value else f"no_{name}")
    if option.long:
        return f"{_option(name)} ..."
    if name == "na":
        return " ".join(f"{_option(name)} {_quoted(one)}" for one in value)
    if name == "errors":
        return " ".join(f"{_option(name)} {_quoted(f'{x}={error}')}" for x, error in value.items())
    if name == "columns":
        return f"{_option(name)} {_quoted(','.join(map(_csv_cell, value)))}"
    named = {("sep", "\t"): "tab", ("thousands", " "): "blank"}
    word = named.get((name, value))
    return f"{_option(name)} {word or _quoted(str(value))}"


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"


def _csv_cell(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if set(name) & set(',"') else name


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _is_stop(error: BaseException) -> bool:
    """Whether the user ended it: Ctrl-C, or the parser's own name for it."""
    return isinstance(error, KeyboardInterrupt) or type(error).__name__ == "Abort"
