"""The entry: runs the commands, and turns whatever happens into one line and one code."""

import _thread
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from bayesgmm.cli.outcome import Exit, as_options, exit_code, one_line, sentence
from bayesgmm.cli.streams import checked_stdout, quiet_stderr
from bayesgmm.errors import BayesGMMError
from bayesgmm.runtime.interruption import heeded_stops

__all__ = ["main"]

_SIGNALLED = 128  # plus the number of the signal: what a shell says of such an end


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process by default.

    Returns
    -------
    int
        0 done; 2 wrong usage, configuration or data; 3 written, but the verdict is bad; 4 a result
        cannot be written, read or printed; 130 interrupted, 143 and 129 by SIGTERM and SIGHUP; 1 a
        fault of bayesgmm itself.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    given = [argument for argument in given if argument != "--debug"] or ["--help"]
    with quiet_stderr(), _noting_stops() as pressed:
        try:
            with checked_stdout():
                code = _run(given, debug)
        except BaseException as error:
            if debug and not isinstance(error, SystemExit | KeyboardInterrupt):
                raise
            ours = isinstance(error, BayesGMMError)
            what = KeyboardInterrupt() if pressed and not ours else error
            if message := sentence(what, _command_in(given), given):
                print(f"error: {message}", file=sys.stderr)
            return _SIGNALLED + pressed[0] if pressed else exit_code(error)
    return code if isinstance(code, int) else Exit.OK


@contextmanager
def _noting_stops() -> Iterator[list[int]]:
    """Yield a list of signals to stop: code in C may lose the exception, or raise another.

    What is lost, as in the callback of a weak reference, is raised once more a moment later.
    """
    pressed: list[int] = []
    report = sys.unraisablehook

    def again(lost: Any) -> None:
        if pressed and lost.exc_type is KeyboardInterrupt:
            threading.Timer(0.01, _thread.interrupt_main).start()
        elif not pressed:
            report(lost)

    with heeded_stops(pressed.append):
        sys.unraisablehook = again
        try:
            yield pressed
        finally:
            sys.unraisablehook = report


def _run(arguments: list[str], debug: bool) -> Any:
    # Loaded here, so that Ctrl-C while loading is reported like any other.
    from bayesgmm.cli.commands import app
    from bayesgmm.runtime.memory import require_libraries

    if not arguments[0].startswith("-"):
        require_libraries()

    with warnings.catch_warnings():
        _listen(debug, _command_in(arguments))
        code = app(arguments, standalone_mode=False)
    if code == Exit.INTERRUPTED:  # typer turns Ctrl-C into the code, without a word
        raise KeyboardInterrupt
    return code


def _command_in(arguments: list[str]) -> str:
    """Return the command; `check` only where it reads a model file."""
    if arguments[0] == "check" and not any(text.endswith(".toml") for text in arguments):
        return ""
    return arguments[0]


def _listen(debug: bool, command: str) -> None:
    """Show our warnings as lines on stderr, and our log where somebody watches."""
    import logging

    from rich.console import Console
    from rich.logging import RichHandler

    from bayesgmm import errors
    from bayesgmm.runtime.renaming import OLD_NAME

    shown: set[str] = set()

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        text = one_line(as_options(message, command))
        if text not in shown:
            shown.add(text)
            print(f"warning: {text}", file=sys.stderr)

    if not debug:
        warnings.showwarning = show
        warnings.simplefilter("ignore")
        for ours in (errors.ConvergenceWarning, errors.DataWarning, errors.DegeneracyWarning):
            warnings.filterwarnings("always", category=ours)
        warnings.filterwarnings("always", f".*{OLD_NAME}", category=FutureWarning)
    logger = logging.getLogger("bayesgmm")
    logger.handlers.clear()
    logger.propagate = False
    if sys.stderr.isatty() or debug:
        console = Console(stderr=True)
        logger.addHandler(RichHandler(console=console, show_path=False, show_level=False))
        logger.setLevel(logging.INFO)
